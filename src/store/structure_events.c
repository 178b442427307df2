#include "store/structure_events.h"

#include "store/columns.h"

void structure_event_row_free(StructureEventRow *row)
{
    if (!row)
        return;
    g_free(row->event_type);
    g_free(row->payload);
    g_free(row);
}

gboolean store_structure_event_insert(Db *db, const char *event_type, const char *workspace_id,
                                      const char *payload, gint64 created_at_us, GError **error)
{
    static const char sql[] =
        "INSERT INTO structure_events (id, event_type, workspace_id, payload, created_at)"
        " VALUES ($1, $2, $3, $4, $5)";
    char id[ID_SIZE];

    id_make(id);
    return db_exec(db, sql, NULL, error, DB_TEXT(id), DB_TEXT(event_type), DB_ID(workspace_id),
                   DB_TEXT(payload), DB_INT(created_at_us)) ||
           error_prefix(error, "record event %s", event_type);
}

static StructureEventRow *read_row(DbRows *rows)
{
    StructureEventRow *row = g_new0(StructureEventRow, 1);

    column_id(rows, 0, row->id);
    row->event_type = column_text_dup(rows, 1);
    column_id(rows, 2, row->workspace_id);
    row->payload = column_text_dup(rows, 3);
    row->created_at_us = db_rows_int(rows, 4);
    return row;
}

/* Two texts, so that each finds its index. */
static DbRows *query(Db *db, const char *workspace_id, guint limit, gint64 before_us,
                     GError **error)
{
#define SELECT "SELECT id, event_type, workspace_id, payload, created_at FROM structure_events"
#define NEWEST " created_at < $1 ORDER BY created_at DESC, id DESC LIMIT $2"
    static const char all[] = SELECT " WHERE" NEWEST;
    static const char of_one[] = SELECT " WHERE workspace_id = $3 AND" NEWEST;
#undef SELECT
#undef NEWEST
    const DbValue values[] = {DB_INT(before_us ? before_us : G_MAXINT64), DB_INT(limit),
                              DB_TEXT(workspace_id)};

    return workspace_id ? db_query_values(db, of_one, values, 3, error)
                        : db_query_values(db, all, values, 2, error);
}

GPtrArray *store_structure_event_list(Db *db, const char *workspace_id, guint limit,
                                      gint64 before_us, GError **error)
{
    g_autoptr(DbRows) rows = query(db, workspace_id, limit, before_us, error);
    GPtrArray *all;

    if (!rows)
        return NULL;
    all = g_ptr_array_new_with_free_func((GDestroyNotify)structure_event_row_free);
    while (db_rows_next(rows))
        g_ptr_array_add(all, read_row(rows));
    return all;
}

gboolean store_structure_event_delete_before(Db *db, gint64 before_us, guint limit, gint64 *deleted,
                                             GError **error)
{
    static const char sql[] = "DELETE FROM structure_events WHERE id IN (SELECT id FROM"
                              " structure_events WHERE created_at < $1 ORDER BY created_at"
                              " LIMIT $2)";

    return db_exec(db, sql, deleted, error, DB_INT(before_us), DB_INT(limit)) ||
           error_prefix(error, "delete old events");
}
