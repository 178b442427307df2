#include "store/installation.h"

#include "base/clock.h"
#include "store/columns.h"

void installation_row_free(InstallationRow *row)
{
    if (!row)
        return;
    g_free(row->daemon_id);
    g_free(row);
}

gboolean store_installation_find(Db *db, InstallationRow **row, GError **error)
{
    g_autoptr(DbRows) rows =
        db_query(db, "SELECT id, daemon_id, created_at FROM platform_instance", error);

    if (!rows)
        return error_prefix(error, "find the installation");
    *row = NULL;
    if (db_rows_next(rows)) {
        *row = g_new0(InstallationRow, 1);
        column_id(rows, 0, (*row)->id);
        (*row)->daemon_id = column_text_dup(rows, 1);
        (*row)->created_at_us = db_rows_int(rows, 2);
    }
    return TRUE;
}

gboolean store_installation_put(Db *db, const char *id, const char *daemon_id, GError **error)
{
    static const char sql[] =
        "INSERT INTO platform_instance (slot, id, daemon_id, created_at) VALUES (1, $1, $2, $3)"
        " ON CONFLICT (slot) DO UPDATE SET id = excluded.id,"
        " daemon_id = COALESCE(excluded.daemon_id, platform_instance.daemon_id)";

    return db_exec(db, sql, NULL, error, DB_TEXT(id), DB_TEXT(daemon_id), DB_INT(clock_now_us())) ||
           error_prefix(error, "record the installation");
}
