#include "store/joined.h"

gboolean joined_begin(Db *db, DbTransaction **own, GError **error)
{
    if (db_in_transaction(db))
        return TRUE;
    *own = db_begin(db, error);
    return *own != NULL;
}

gboolean joined_commit(DbTransaction **own, GError **error)
{
    return !*own || db_commit(own, error);
}

gboolean joined_lock_hierarchy(Db *db, GError **error)
{
    return db_lock(db, "workspaces-hierarchy", error);
}

gboolean joined_lock_workspace(Db *db, const char *id, GError **error)
{
    /* Not FOR UPDATE: rows that only refer to the workspace may still be inserted. */
    static const char sql[] = "SELECT id FROM workspaces WHERE id = $1 FOR NO KEY UPDATE";

    /* A transaction of SQLite has the only writer. */
    return db_kind(db) == DB_SQLITE || db_exec(db, sql, NULL, error, DB_TEXT(id));
}

gboolean joined_exec_fenced(Db *db, const char *id, const char *sql, const DbValue *values,
                            gsize count, gboolean *changed, GError **error)
{
    g_autoptr(DbTransaction) own = NULL;
    gint64 rows = 0;

    if (!joined_begin(db, &own, error) || !joined_lock_workspace(db, id, error) ||
        !db_exec_values(db, sql, values, count, &rows, error) || !joined_commit(&own, error))
        return FALSE;
    *changed = rows == 1;
    return TRUE;
}
