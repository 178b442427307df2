#include "store/secrets.h"

#include "base/clock.h"
#include "store/columns.h"

#include <string.h>

void secret_row_free(SecretRow *row)
{
    if (!row)
        return;
    g_free(row->key);
    g_clear_pointer(&row->value, g_bytes_unref);
    g_free(row);
}

/* ---- Changing ---- */

static gboolean put_global(Db *db, const char *id, const char *key, DbValue value, gint64 version,
                           GError **error)
{
    static const char sql[] =
        "INSERT INTO global_secrets (id, key, encrypted_value, encryption_version, created_at,"
        " updated_at) VALUES ($1, $2, $3, $4, $5, $5)"
        " ON CONFLICT (key) DO UPDATE SET encrypted_value = excluded.encrypted_value,"
        " encryption_version = excluded.encryption_version, updated_at = excluded.updated_at";

    return db_exec(db, sql, NULL, error, DB_TEXT(id), DB_TEXT(key), value, DB_INT(version),
                   DB_INT(clock_now_us()));
}

static gboolean put_own(Db *db, const char *id, const char *workspace_id, const char *key,
                        DbValue value, gint64 version, GError **error)
{
    static const char sql[] =
        "INSERT INTO workspace_secrets (id, workspace_id, key, encrypted_value, encryption_version,"
        " created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6)"
        " ON CONFLICT (workspace_id, key) DO UPDATE SET encrypted_value = excluded.encrypted_value,"
        " encryption_version = excluded.encryption_version, updated_at = excluded.updated_at";

    return db_exec(db, sql, NULL, error, DB_TEXT(id), DB_TEXT(workspace_id), DB_TEXT(key), value,
                   DB_INT(version), DB_INT(clock_now_us()));
}

gboolean store_secret_put(Db *db, const char *workspace_id, const char *key, const void *value,
                          gsize size, gint64 encryption_version, GError **error)
{
    /* An empty secret is a value, too. */
    DbValue bytes = DB_BLOB(size > 0 ? value : "", size);
    char id[ID_SIZE];
    gboolean is_put;

    id_make(id);
    is_put = workspace_id ? put_own(db, id, workspace_id, key, bytes, encryption_version, error)
                          : put_global(db, id, key, bytes, encryption_version, error);
    return is_put || error_prefix(error, "put secret %s", key);
}

gboolean store_secret_delete(Db *db, const char *workspace_id, const char *key, gboolean *deleted,
                             GError **error)
{
    static const char own[] = "DELETE FROM workspace_secrets WHERE key = $1 AND workspace_id = $2";
    static const char global[] = "DELETE FROM global_secrets WHERE key = $1";
    const DbValue values[] = {DB_TEXT(key), DB_TEXT(workspace_id)};
    gint64 rows = 0;

    if (!db_exec_values(db, workspace_id ? own : global, values, workspace_id ? 2 : 1, &rows,
                        error))
        return error_prefix(error, "delete secret %s", key);
    *deleted = rows == 1;
    return TRUE;
}

/* ---- Reading ---- */

/* The order of read_row. */
#define META                "key, encryption_version, created_at, updated_at"
#define SELECT_GLOBAL(what) "SELECT 1 AS is_global, " META ", " what " FROM global_secrets"
#define SELECT_OWN(what)                                                                           \
    "SELECT 0 AS is_global, " META ", " what " FROM workspace_secrets WHERE workspace_id = $1"
#define VALUE    "encrypted_value"
#define NO_VALUE "NULL"

static SecretRow *read_row(DbRows *rows)
{
    SecretRow *row = g_new0(SecretRow, 1);

    row->is_global = db_rows_int(rows, 0) != 0;
    row->key = column_text_dup(rows, 1);
    row->encryption_version = db_rows_int(rows, 2);
    row->created_at_us = db_rows_int(rows, 3);
    row->updated_at_us = db_rows_int(rows, 4);
    row->value = column_bytes_dup(rows, 5);
    return row;
}

/* Here and not in SQL, where the order depends on the database's locale. */
static gint by_scope_and_key(gconstpointer a, gconstpointer b)
{
    const SecretRow *first = *(const SecretRow *const *)a;
    const SecretRow *second = *(const SecretRow *const *)b;

    if (first->is_global != second->is_global)
        return first->is_global ? -1 : 1;
    return strcmp(first->key, second->key);
}

static GPtrArray *read_all(Db *db, const char *sql, const char *workspace_id, GError **error)
{
    const DbValue values[] = {DB_TEXT(workspace_id)};
    g_autoptr(DbRows) rows = db_query_values(db, sql, values, workspace_id ? 1 : 0, error);
    GPtrArray *all;

    if (!rows)
        return NULL;
    all = g_ptr_array_new_with_free_func((GDestroyNotify)secret_row_free);
    while (db_rows_next(rows))
        g_ptr_array_add(all, read_row(rows));
    g_ptr_array_sort(all, by_scope_and_key);
    return all;
}

GPtrArray *store_secret_list(Db *db, const char *workspace_id, GError **error)
{
    return read_all(db, workspace_id ? SELECT_OWN(NO_VALUE) : SELECT_GLOBAL(NO_VALUE), workspace_id,
                    error);
}

GPtrArray *store_secret_list_values(Db *db, const char *workspace_id, GError **error)
{
    return read_all(db, workspace_id ? SELECT_OWN(VALUE) : SELECT_GLOBAL(VALUE), workspace_id,
                    error);
}

GPtrArray *store_secret_list_effective(Db *db, const char *workspace_id, GError **error)
{
    static const char sql[] = SELECT_GLOBAL(VALUE) " UNION ALL " SELECT_OWN(VALUE);

    return read_all(db, sql, workspace_id, error);
}

gboolean store_secret_find(Db *db, const char *workspace_id, const char *key, SecretRow **row,
                           GError **error)
{
    static const char own[] = SELECT_OWN(VALUE) " AND key = $2";
    static const char global[] = SELECT_GLOBAL(VALUE) " WHERE key = $1";
    g_autoptr(DbRows) rows = workspace_id
                                 ? db_query(db, own, error, DB_TEXT(workspace_id), DB_TEXT(key))
                                 : db_query(db, global, error, DB_TEXT(key));

    if (!rows)
        return error_prefix(error, "find secret %s", key);
    *row = db_rows_next(rows) ? read_row(rows) : NULL;
    return TRUE;
}

GPtrArray *store_secret_list_inheriting(Db *db, const char *key, GError **error)
{
    static const char sql[] =
        "SELECT w.id FROM workspaces w WHERE w.status NOT IN ('removed', 'paused')"
        " AND COALESCE(w.runtime, '') <> 'external' AND NOT EXISTS (SELECT 1 FROM"
        " workspace_secrets s WHERE s.workspace_id = w.id AND s.key = $1) ORDER BY w.id";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(key));
    GPtrArray *ids;

    if (!rows)
        return NULL;
    ids = g_ptr_array_new_with_free_func(g_free);
    while (db_rows_next(rows))
        g_ptr_array_add(ids, column_text_dup(rows, 0));
    return ids;
}

gboolean store_secret_delete_removed(Db *db, gint64 before_us, guint limit, gint64 *deleted,
                                     GError **error)
{
    static const char sql[] =
        "DELETE FROM workspace_secrets WHERE id IN (SELECT s.id FROM workspace_secrets s"
        " JOIN workspaces w ON w.id = s.workspace_id WHERE w.status = 'removed'"
        " AND COALESCE(w.updated_at, 0) < $1 LIMIT $2)";

    return db_exec(db, sql, deleted, error, DB_INT(before_us), DB_INT(limit)) ||
           error_prefix(error, "delete secrets of removed workspaces");
}
