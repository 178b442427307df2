#include "store/garbage.h"

#include "base/clock.h"
#include "store/columns.h"

static const char *const kind_names[] = {
    [GARBAGE_CONTAINER] = "container",
    [GARBAGE_VOLUME] = "volume",
    [GARBAGE_INSTANCE] = "instance",
};

const char *garbage_kind_name(GarbageKind kind)
{
    g_return_val_if_fail((guint)kind < G_N_ELEMENTS(kind_names), "container");
    return kind_names[kind];
}

static GarbageKind kind_parse(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(kind_names); i++)
        if (g_strcmp0(name, kind_names[i]) == 0)
            return (GarbageKind)i;
    return GARBAGE_CONTAINER; /* the table's CHECK lets nothing else in */
}

void garbage_row_free(GarbageRow *row)
{
    if (!row)
        return;
    g_free(row->ref);
    g_free(row->last_error);
    g_free(row);
}

gboolean store_garbage_add(Db *db, GarbageKind kind, const char *ref, const char *workspace_id,
                           gint64 not_before_us, GError **error)
{
    static const char sql[] =
        "INSERT INTO runtime_gc (id, kind, ref, workspace_id, not_before, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, ref, workspace_id) DO NOTHING";
    char id[ID_SIZE];

    id_make(id);
    return db_exec(db, sql, NULL, error, DB_TEXT(id), DB_TEXT(garbage_kind_name(kind)),
                   DB_TEXT(ref), DB_TEXT(workspace_id ? workspace_id : ""), DB_INT(not_before_us),
                   DB_INT(clock_now_us())) ||
           error_prefix(error, "record the removal of %s", ref);
}

/* ---- Reading ---- */

#define COLUMNS "id, kind, ref, workspace_id, not_before, attempts, last_error, created_at, kept"
/* A volume cannot go before the container that uses it. */
#define ORDER                                                                                      \
    " ORDER BY created_at, CASE kind WHEN 'container' THEN 0 WHEN 'instance' THEN 1 ELSE 2 END, "  \
    "id"

static GPtrArray *read_all(DbRows *rows)
{
    GPtrArray *all;

    if (!rows)
        return NULL;
    all = g_ptr_array_new_with_free_func((GDestroyNotify)garbage_row_free);
    while (db_rows_next(rows)) {
        GarbageRow *row = g_new0(GarbageRow, 1);
        column_id(rows, 0, row->id);
        row->kind = kind_parse(db_rows_text(rows, 1));
        row->ref = column_text_dup(rows, 2);
        column_id(rows, 3, row->workspace_id);
        row->not_before_us = db_rows_int(rows, 4);
        row->attempts = db_rows_int(rows, 5);
        row->last_error = column_text_dup(rows, 6);
        row->created_at_us = db_rows_int(rows, 7);
        row->is_kept = db_rows_int(rows, 8) == 1;
        g_ptr_array_add(all, row);
    }
    return all;
}

GPtrArray *store_garbage_list_due(Db *db, gint64 now_us, guint limit, GError **error)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM runtime_gc WHERE not_before <= $1" ORDER " LIMIT $2";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_INT(now_us), DB_INT(limit));

    return read_all(rows);
}

GPtrArray *store_garbage_list_tried(Db *db, guint limit, GError **error)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM runtime_gc WHERE attempts > 0" ORDER " LIMIT $1";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_INT(limit));

    return read_all(rows);
}

GPtrArray *store_garbage_list_of(Db *db, const char *workspace_id, GError **error)
{
    static const char sql[] = "SELECT " COLUMNS " FROM runtime_gc WHERE workspace_id = $1" ORDER;
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(workspace_id));

    return read_all(rows);
}

gboolean store_garbage_count(Db *db, gint64 now_us, gint64 *pending, gint64 *oldest_us,
                             GError **error)
{
    /* What waited for its time, kept or in quarantine, is no older than that. */
    static const char sql[] =
        "SELECT COUNT(*), COALESCE(MIN(CASE WHEN attempts = 0 AND not_before > created_at"
        " THEN not_before ELSE created_at END), 0) FROM runtime_gc"
        " WHERE not_before <= $1 OR attempts > 0";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_INT(now_us));

    if (!rows)
        return FALSE;
    db_rows_next(rows);
    *pending = db_rows_int(rows, 0);
    *oldest_us = db_rows_int(rows, 1);
    return TRUE;
}

gboolean store_garbage_keep(Db *db, GarbageKind kind, const char *ref, const char *workspace_id,
                            gint64 not_before_us, gint64 *due_us, gint64 *since_us, GError **error)
{
    static const char sql[] = "SELECT not_before, created_at FROM runtime_gc"
                              " WHERE kind = $1 AND ref = $2 AND workspace_id = $3";
    g_autoptr(DbRows) rows = NULL;

    if (!store_garbage_add(db, kind, ref, workspace_id, not_before_us, error))
        return FALSE;
    rows = db_query(db, sql, error, DB_TEXT(garbage_kind_name(kind)), DB_TEXT(ref),
                    DB_TEXT(workspace_id ? workspace_id : ""));
    if (!rows)
        return FALSE;
    *due_us = *since_us = 0;
    if (db_rows_next(rows)) {
        *due_us = db_rows_int(rows, 0);
        *since_us = db_rows_int(rows, 1);
    }
    return TRUE;
}

/* ---- Working off ---- */

gboolean store_garbage_retry(Db *db, const char *id, gint64 not_before_us, const char *last_error,
                             GError **error)
{
    static const char sql[] =
        "UPDATE runtime_gc SET created_at = CASE WHEN attempts = 0 AND not_before > created_at"
        " THEN not_before ELSE created_at END, attempts = attempts + 1, kept = 0,"
        " not_before = $2, last_error = $3 WHERE id = $1";

    return db_exec(db, sql, NULL, error, DB_TEXT(id), DB_INT(not_before_us), DB_TEXT(last_error));
}

gboolean store_garbage_fail(Db *db, GarbageKind kind, const char *ref, const char *workspace_id,
                            gint64 not_before_us, const char *last_error, GError **error)
{
    static const char sql[] =
        "INSERT INTO runtime_gc (id, kind, ref, workspace_id, not_before, attempts, last_error,"
        " created_at) VALUES ($1, $2, $3, $4, $5, 1, $6, $7)"
        " ON CONFLICT (kind, ref, workspace_id) DO UPDATE SET attempts = runtime_gc.attempts + 1,"
        " kept = 0, not_before = excluded.not_before, last_error = excluded.last_error";
    char id[ID_SIZE];

    id_make(id);
    return db_exec(db, sql, NULL, error, DB_TEXT(id), DB_TEXT(garbage_kind_name(kind)),
                   DB_TEXT(ref), DB_TEXT(workspace_id), DB_INT(not_before_us), DB_TEXT(last_error),
                   DB_INT(clock_now_us())) ||
           error_prefix(error, "remember why %s cannot go", ref);
}

gboolean store_garbage_done(Db *db, const char *id, GError **error)
{
    return db_exec(db, "DELETE FROM runtime_gc WHERE id = $1", NULL, error, DB_TEXT(id));
}

/* ---- Kept volumes ---- */

gboolean store_garbage_keep_volumes(Db *db, const char *workspace_id, gint64 until_us,
                                    GError **error)
{
    static const char sql[] = "UPDATE runtime_gc SET kept = 1, not_before = $2"
                              " WHERE workspace_id = $1 AND kind = 'volume' AND attempts = 0";

    return db_exec(db, sql, NULL, error, DB_TEXT(workspace_id), DB_INT(until_us)) ||
           error_prefix(error, "keep the volumes of workspace %s", workspace_id);
}

gboolean store_garbage_keep_volume(Db *db, const char *ref, const char *workspace_id,
                                   gint64 until_us, GError **error)
{
    static const char sql[] =
        "INSERT INTO runtime_gc (id, kind, ref, workspace_id, not_before, created_at, kept)"
        " VALUES ($1, 'volume', $2, $3, $4, $5, 1)"
        " ON CONFLICT (kind, ref, workspace_id) DO NOTHING";
    char id[ID_SIZE];

    id_make(id);
    return db_exec(db, sql, NULL, error, DB_TEXT(id), DB_TEXT(ref), DB_TEXT(workspace_id),
                   DB_INT(until_us), DB_INT(clock_now_us())) ||
           error_prefix(error, "keep the volume %s", ref);
}

GPtrArray *store_garbage_list_kept(Db *db, GError **error)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM runtime_gc WHERE kept = 1 ORDER BY not_before, ref, id";
    g_autoptr(DbRows) rows = db_query(db, sql, error);

    return read_all(rows);
}

gboolean store_garbage_count_kept(Db *db, gint64 *kept, gint64 *next_due_us, GError **error)
{
    static const char sql[] =
        "SELECT COUNT(*), COALESCE(MIN(not_before), 0) FROM runtime_gc WHERE kept = 1";
    g_autoptr(DbRows) rows = db_query(db, sql, error);

    if (!rows)
        return FALSE;
    db_rows_next(rows);
    *kept = db_rows_int(rows, 0);
    *next_due_us = db_rows_int(rows, 1);
    return TRUE;
}

gboolean store_garbage_release_kept(Db *db, gint64 now_us, GError **error)
{
    return db_exec(db,
                   "UPDATE runtime_gc SET kept = 0, not_before = $1, created_at = $1"
                   " WHERE kept = 1",
                   NULL, error, DB_INT(now_us));
}
