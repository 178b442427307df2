#include "store/activity.h"

#include "base/clock.h"
#include "store/columns.h"

ActivityRow *activity_row_new(void)
{
    ActivityRow *row = g_new0(ActivityRow, 1);

    row->duration_ms = -1;
    return row;
}

void activity_row_free(ActivityRow *row)
{
    if (!row)
        return;
    g_free(row->activity_type);
    g_free(row->method);
    g_free(row->summary);
    g_free(row->request_body);
    g_free(row->response_body);
    g_free(row->tool_trace);
    g_free(row->status);
    g_free(row->error_detail);
    g_free(row->idempotency_key);
    g_free(row);
}

/* ---- Inserting ---- */

gboolean store_activity_insert(Db *db, ActivityRow *row, GError **error)
{
    static const char sql[] =
        "INSERT INTO activity_logs (id, workspace_id, activity_type, source_id, target_id, method,"
        " summary, request_body, response_body, tool_trace, duration_ms, status, error_detail,"
        " idempotency_key, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

    if (row->id[0] == '\0')
        id_make(row->id);
    if (row->created_at_us == 0)
        row->created_at_us = clock_now_us();
    return db_exec(db, sql, NULL, error, DB_TEXT(row->id), DB_TEXT(row->workspace_id),
                   DB_TEXT(row->activity_type), DB_ID(row->source_id), DB_ID(row->target_id),
                   DB_TEXT(row->method), DB_TEXT(row->summary), DB_TEXT(row->request_body),
                   DB_TEXT(row->response_body), DB_TEXT(row->tool_trace),
                   row->duration_ms < 0 ? DB_NULL : DB_INT(row->duration_ms),
                   DB_TEXT(row->status ? row->status : "ok"), DB_TEXT(row->error_detail),
                   DB_TEXT(row->idempotency_key), DB_INT(row->created_at_us)) ||
           error_prefix(error, "insert activity of workspace %s", row->workspace_id);
}

/* ---- Reading ---- */

#define SELECT                                                                                     \
    "SELECT id, workspace_id, activity_type, source_id, target_id, method, summary, request_body," \
    " response_body, tool_trace, duration_ms, status, error_detail, idempotency_key, created_at"   \
    " FROM activity_logs"

static ActivityRow *read_row(DbRows *rows)
{
    ActivityRow *row = activity_row_new();

    column_id(rows, 0, row->id);
    column_id(rows, 1, row->workspace_id);
    row->activity_type = column_text_dup(rows, 2);
    column_id(rows, 3, row->source_id);
    column_id(rows, 4, row->target_id);
    row->method = column_text_dup(rows, 5);
    row->summary = column_text_dup(rows, 6);
    row->request_body = column_text_dup(rows, 7);
    row->response_body = column_text_dup(rows, 8);
    row->tool_trace = column_text_dup(rows, 9);
    row->duration_ms = db_rows_is_null(rows, 10) ? -1 : db_rows_int(rows, 10);
    row->status = column_text_dup(rows, 11);
    row->error_detail = column_text_dup(rows, 12);
    row->idempotency_key = column_text_dup(rows, 13);
    row->created_at_us = db_rows_int(rows, 14);
    return row;
}

/* One text a shape of filter, so that each finds its index. */
static DbRows *query_list(Db *db, const char *workspace_id, const ActivityFilter *filter,
                          GError **error)
{
    static const char *const sources[] = {
        [ACTIVITY_FROM_ANYONE] = "",
        [ACTIVITY_FROM_CANVAS] = " AND source_id IS NULL",
        [ACTIVITY_FROM_AGENT] = " AND source_id IS NOT NULL",
    };
    g_autofree char *sql =
        g_strconcat(SELECT " WHERE workspace_id = $1 AND created_at < $2",
                    filter->activity_type ? " AND activity_type = $4" : "",
                    filter->method ? " AND method = $5" : "", sources[filter->source],
                    " ORDER BY created_at DESC, id DESC LIMIT $3", NULL);

    return db_query(db, sql, error, DB_TEXT(workspace_id),
                    DB_INT(filter->before_us ? filter->before_us : G_MAXINT64),
                    DB_INT(filter->limit),
                    DB_TEXT(filter->activity_type ? filter->activity_type : ""),
                    DB_TEXT(filter->method ? filter->method : ""));
}

GPtrArray *store_activity_list(Db *db, const char *workspace_id, const ActivityFilter *filter,
                               GError **error)
{
    g_autoptr(DbRows) rows = query_list(db, workspace_id, filter, error);
    GPtrArray *all;

    if (!rows)
        return NULL;
    all = g_ptr_array_new_with_free_func((GDestroyNotify)activity_row_free);
    while (db_rows_next(rows))
        g_ptr_array_add(all, read_row(rows));
    return all;
}

gboolean store_activity_find(Db *db, const char *id, ActivityRow **row, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, SELECT " WHERE id = $1", error, DB_TEXT(id));

    if (!rows)
        return error_prefix(error, "find activity %s", id);
    *row = db_rows_next(rows) ? read_row(rows) : NULL;
    return TRUE;
}

gboolean store_activity_find_by_key(Db *db, const char *workspace_id, const char *idempotency_key,
                                    ActivityRow **row, GError **error)
{
    static const char sql[] = SELECT " WHERE workspace_id = $1 AND idempotency_key = $2";
    g_autoptr(DbRows) rows =
        db_query(db, sql, error, DB_TEXT(workspace_id), DB_TEXT(idempotency_key));

    if (!rows)
        return error_prefix(error, "find activity of workspace %s", workspace_id);
    *row = db_rows_next(rows) ? read_row(rows) : NULL;
    return TRUE;
}

/* ---- Changing ---- */

gboolean store_activity_set_result(Db *db, const char *id, const char *from,
                                   const ActivityResult *result, gboolean *changed, GError **error)
{
    static const char sql[] =
        "UPDATE activity_logs SET status = COALESCE($3, status),"
        " response_body = COALESCE($4, response_body), error_detail = COALESCE($5, error_detail),"
        " tool_trace = COALESCE($6, tool_trace), summary = COALESCE($7, summary),"
        " duration_ms = COALESCE($8, duration_ms)"
        " WHERE id = $1 AND status = COALESCE($2, status)";
    gint64 rows = 0;

    if (!db_exec(db, sql, &rows, error, DB_TEXT(id), DB_TEXT(from), DB_TEXT(result->status),
                 DB_TEXT(result->response_body), DB_TEXT(result->error_detail),
                 DB_TEXT(result->tool_trace), DB_TEXT(result->summary),
                 result->duration_ms < 0 ? DB_NULL : DB_INT(result->duration_ms)))
        return error_prefix(error, "set the result of activity %s", id);
    *changed = rows == 1;
    return TRUE;
}

gboolean store_activity_delete(Db *db, const char *id, GError **error)
{
    return db_exec(db, "DELETE FROM activity_logs WHERE id = $1", NULL, error, DB_TEXT(id));
}

gboolean store_activity_delete_before(Db *db, gint64 before_us, guint limit, gint64 *deleted,
                                      GError **error)
{
    static const char sql[] = "DELETE FROM activity_logs WHERE id IN (SELECT id FROM activity_logs"
                              " WHERE created_at < $1 ORDER BY created_at LIMIT $2)";

    return db_exec(db, sql, deleted, error, DB_INT(before_us), DB_INT(limit)) ||
           error_prefix(error, "delete old activity");
}
