#include "store/adopted.h"

#include "base/clock.h"
#include "store/columns.h"

static const char *const kind_names[] = {
    [ADOPTED_CONTAINER] = "container",
    [ADOPTED_VOLUME] = "volume",
};

const char *adopted_kind_name(AdoptedKind kind)
{
    g_return_val_if_fail((guint)kind < G_N_ELEMENTS(kind_names), "container");
    return kind_names[kind];
}

void adopted_row_free(AdoptedRow *row)
{
    if (!row)
        return;
    g_free(row->ref);
    g_free(row->label);
    g_free(row);
}

#define COLUMNS "ref, workspace_id, label, generation" /* the order of read_row */

static AdoptedRow *read_row(DbRows *rows, AdoptedKind kind)
{
    AdoptedRow *row = g_new0(AdoptedRow, 1);

    row->kind = kind;
    row->ref = column_text_dup(rows, 0);
    column_id(rows, 1, row->workspace_id);
    row->label = column_text_dup(rows, 2);
    row->generation = db_rows_int(rows, 3);
    return row;
}

gboolean store_adopted_add(Db *db, const AdoptedRow *row, GError **error)
{
    static const char sql[] =
        "INSERT INTO adopted_objects (kind, ref, workspace_id, label, generation,"
        " adopted_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, ref) DO NOTHING";
    gint64 rows = 0;

    if (!db_exec(db, sql, &rows, error, DB_TEXT(adopted_kind_name(row->kind)), DB_TEXT(row->ref),
                 DB_TEXT(row->workspace_id), DB_TEXT(row->label), DB_INT(row->generation),
                 DB_INT(clock_now_us())))
        return error_prefix(error, "adopt %s", row->ref);
    return rows == 1 || error_set(error, ERROR_CONFLICT, "%s was adopted already", row->ref);
}

gboolean store_adopted_find(Db *db, AdoptedKind kind, const char *ref, AdoptedRow **row,
                            GError **error)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM adopted_objects WHERE kind = $1 AND ref = $2";
    g_autoptr(DbRows) rows =
        db_query(db, sql, error, DB_TEXT(adopted_kind_name(kind)), DB_TEXT(ref));

    if (!rows)
        return error_prefix(error, "find the adopted %s", ref);
    *row = db_rows_next(rows) ? read_row(rows, kind) : NULL;
    return TRUE;
}

GPtrArray *store_adopted_list(Db *db, AdoptedKind kind, GError **error)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM adopted_objects WHERE kind = $1 ORDER BY ref";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(adopted_kind_name(kind)));
    GPtrArray *all = NULL;

    if (!rows)
        return NULL;
    all = g_ptr_array_new_with_free_func((GDestroyNotify)adopted_row_free);
    while (db_rows_next(rows))
        g_ptr_array_add(all, read_row(rows, kind));
    return all;
}

gboolean store_adopted_forget(Db *db, AdoptedKind kind, const char *ref, GError **error)
{
    static const char sql[] = "DELETE FROM adopted_objects WHERE kind = $1 AND ref = $2";

    return db_exec(db, sql, NULL, error, DB_TEXT(adopted_kind_name(kind)), DB_TEXT(ref)) ||
           error_prefix(error, "forget the adopted %s", ref);
}

gboolean store_adopted_count(Db *db, gint64 *count, GError **error)
{
    return column_read_int(db, "SELECT COUNT(*) FROM adopted_objects", NULL, 0, count, error);
}
