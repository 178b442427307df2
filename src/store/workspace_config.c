#include "store/workspace_config.h"

#include "base/clock.h"
#include "store/columns.h"

gboolean store_config_find(Db *db, const char *workspace_id, char **data, GError **error)
{
    static const char sql[] = "SELECT data FROM workspace_config WHERE workspace_id = $1";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(workspace_id));

    if (!rows)
        return error_prefix(error, "find the configuration of workspace %s", workspace_id);
    *data = db_rows_next(rows) ? column_text_dup(rows, 0) : NULL;
    return TRUE;
}

gboolean store_config_put(Db *db, const char *workspace_id, const char *data, GError **error)
{
    static const char sql[] =
        "INSERT INTO workspace_config (workspace_id, data, updated_at) VALUES ($1, $2, $3)"
        " ON CONFLICT (workspace_id) DO UPDATE SET data = excluded.data,"
        " updated_at = excluded.updated_at";

    return db_exec(db, sql, NULL, error, DB_TEXT(workspace_id), DB_TEXT(data),
                   DB_INT(clock_now_us())) ||
           error_prefix(error, "store the configuration of workspace %s", workspace_id);
}
