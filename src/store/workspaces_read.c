/* Table `workspaces`: reading whole rows. */
#include "store/columns.h"
#include "store/workspaces.h"

#include <string.h>

/* The order of read_row. */
#define ROW_SELECT                                                                                 \
    "SELECT w.id, w.name, w.role, w.tier, w.status, w.source_bundle_id, w.agent_card, w.url,"      \
    " w.url_is_minted, w.agent_url, w.parent_id, w.last_heartbeat_at, w.last_error_rate,"          \
    " w.last_sample_error, w.active_tasks, w.uptime_seconds, w.created_at, w.updated_at,"          \
    " w.current_task, w.awareness_namespace, w.runtime, w.workspace_dir, w.workspace_access,"      \
    " w.budget_limit, w.monthly_spend, w.spend_period, w.hibernation_idle_minutes,"                \
    " w.last_outbound_at, w.max_concurrent_tasks, w.instance_id, w.model, w.template_name,"        \
    " w.image, w.executor, w.command, w.provision_started_at, w.idle_since, r.reason, "            \
    "r.last_error,"                                                                                \
    " r.exit_code, r.failed_at, l.x, l.y, l.collapsed"                                             \
    " FROM workspaces w LEFT JOIN canvas_layouts l ON l.workspace_id = w.id"                       \
    " LEFT JOIN workspace_runtime r ON r.workspace_id = w.id"
#define BY_CREATION " ORDER BY w.created_at IS NULL, w.created_at, w.id"

static void read_identity(DbRows *rows, int *column, WorkspaceRow *row)
{
    column_id(rows, (*column)++, row->id);
    row->name = column_text_dup(rows, (*column)++);
    row->role = column_text_dup(rows, (*column)++);
    row->tier = db_rows_int(rows, (*column)++);
    row->status = workspace_status_parse(db_rows_text(rows, (*column)++));
    row->source_bundle_id = column_text_dup(rows, (*column)++);
    row->agent_card = column_text_dup(rows, (*column)++);
    row->url = column_text_dup(rows, (*column)++);
    row->url_is_minted = db_rows_int(rows, (*column)++) != 0;
    row->agent_url = column_text_dup(rows, (*column)++);
    column_id(rows, (*column)++, row->parent_id);
}

static void read_vitals(DbRows *rows, int *column, WorkspaceRow *row)
{
    row->last_heartbeat_at_us = db_rows_int(rows, (*column)++);
    row->last_error_rate = db_rows_double(rows, (*column)++);
    row->last_sample_error = column_text_dup(rows, (*column)++);
    row->active_tasks = db_rows_int(rows, (*column)++);
    row->uptime_seconds = db_rows_int(rows, (*column)++);
    row->created_at_us = db_rows_int(rows, (*column)++);
    row->updated_at_us = db_rows_int(rows, (*column)++);
    row->current_task = column_text_dup(rows, (*column)++);
}

static void read_settings(DbRows *rows, int *column, WorkspaceRow *row)
{
    row->awareness_namespace = column_text_dup(rows, (*column)++);
    row->runtime = column_text_dup(rows, (*column)++);
    row->workspace_dir = column_text_dup(rows, (*column)++);
    row->workspace_access = column_text_dup(rows, (*column)++);
    row->budget_limit = db_rows_is_null(rows, *column) ? -1 : db_rows_int(rows, *column);
    (*column)++;
    row->monthly_spend = db_rows_int(rows, (*column)++);
    row->spend_period = db_rows_int(rows, (*column)++);
    row->hibernation_idle_minutes = db_rows_int(rows, (*column)++);
    row->last_outbound_at_us = db_rows_int(rows, (*column)++);
    row->max_concurrent_tasks = db_rows_int(rows, (*column)++);
}

static void read_container(DbRows *rows, int *column, WorkspaceRow *row)
{
    row->instance_id = column_text_dup(rows, (*column)++);
    row->model = column_text_dup(rows, (*column)++);
    row->template_name = column_text_dup(rows, (*column)++);
    row->image = column_text_dup(rows, (*column)++);
    row->executor = column_text_dup(rows, (*column)++);
    row->command = column_text_dup(rows, (*column)++);
    row->provision_started_at_us = db_rows_int(rows, (*column)++);
    row->idle_since_us = db_rows_int(rows, (*column)++);
    row->failure_reason = column_text_dup(rows, (*column)++);
    row->failure_sentence = column_text_dup(rows, (*column)++);
    row->has_exit_code = !db_rows_is_null(rows, *column);
    row->exit_code = db_rows_int(rows, (*column)++);
    row->failed_at_us = db_rows_int(rows, (*column)++);
    row->x = db_rows_double(rows, (*column)++);
    row->y = db_rows_double(rows, (*column)++);
    row->collapsed = db_rows_int(rows, (*column)++) != 0;
}

static WorkspaceRow *read_row(DbRows *rows)
{
    WorkspaceRow *row = workspace_row_new();
    int column = 0;

    read_identity(rows, &column, row);
    read_vitals(rows, &column, row);
    read_settings(rows, &column, row);
    read_container(rows, &column, row);
    return row;
}

static GPtrArray *read_all(DbRows *rows, GError **error)
{
    g_autoptr(GPtrArray) all = NULL;

    if (!rows)
        return NULL;
    all = g_ptr_array_new_with_free_func((GDestroyNotify)workspace_row_free);
    while (db_rows_next(rows))
        g_ptr_array_add(all, read_row(rows));
    return db_rows_done(rows, error) ? g_steal_pointer(&all) : NULL;
}

/* ---- One ---- */

gboolean store_workspace_find(Db *db, const char *id, WorkspaceRow **row, GError **error)
{
    static const char sql[] = ROW_SELECT " WHERE w.id = $1";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(id));

    if (!rows)
        return error_prefix(error, "find workspace %s", id);
    *row = db_rows_next(rows) ? read_row(rows) : NULL;
    return TRUE;
}

gboolean store_workspace_load(Db *db, const char *id, WorkspaceRow **row, GError **error)
{
    WorkspaceRow *found = NULL;

    if (!store_workspace_find(db, id, &found, error))
        return FALSE;
    if (!found)
        return error_set(error, ERROR_NOT_FOUND, "workspace not found");
    *row = found;
    return TRUE;
}

/* Not by a range of the index: databases order texts by languages. */
gboolean store_workspace_find_start(Db *db, const char *start, char id[ID_SIZE], guint *count,
                                    GError **error)
{
    static const char sql[] = "SELECT id FROM workspaces WHERE substr(id, 1, $2) = $1 LIMIT 2";
    g_autoptr(DbRows) rows =
        db_query(db, sql, error, DB_TEXT(start), DB_INT((gint64)strlen(start)));

    if (!rows)
        return error_prefix(error, "find the workspace that begins with %s", start);
    for (*count = 0; db_rows_next(rows); ++*count)
        column_id(rows, 0, id);
    if (*count != 1)
        id[0] = '\0';
    return TRUE;
}

/* ---- Several ---- */

GPtrArray *store_workspace_list_live(Db *db, GError **error)
{
    static const char sql[] = ROW_SELECT " WHERE w.status <> 'removed'" BY_CREATION;
    g_autoptr(DbRows) rows = db_query(db, sql, error);

    return read_all(rows, error);
}

GPtrArray *store_workspace_list_children(Db *db, const char *id, GError **error)
{
    static const char sql[] =
        ROW_SELECT " WHERE w.parent_id = $1 AND w.status <> 'removed'" BY_CREATION;
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(id));

    return read_all(rows, error);
}

GPtrArray *store_workspace_list_provisioning(Db *db, gint64 started_before_us, GError **error)
{
    static const char sql[] =
        ROW_SELECT " WHERE w.status = 'provisioning' AND COALESCE(w.runtime, '') <> 'external'"
                   " AND COALESCE(w.provision_started_at, w.created_at, 0) < $1"
                   " ORDER BY COALESCE(w.provision_started_at, w.created_at, 0), w.id";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_INT(started_before_us));

    return read_all(rows, error);
}

gboolean store_workspace_has_child(Db *db, const char *id, const char *name, gboolean *has,
                                   GError **error)
{
    static const char sql[] = "SELECT COUNT(*) FROM workspaces WHERE parent_id = $1 AND name = $2"
                              " AND status <> 'removed'";
    const DbValue values[] = {DB_TEXT(id), DB_TEXT(name)};
    gint64 count = 0;

    if (!column_read_int(db, sql, values, G_N_ELEMENTS(values), &count, error))
        return error_prefix(error, "look for a child of workspace %s", id);
    *has = count > 0;
    return TRUE;
}

gboolean store_workspace_count_live(Db *db, gint64 *count, GError **error)
{
    return column_read_int(db, "SELECT COUNT(*) FROM workspaces WHERE status <> 'removed'", NULL, 0,
                           count, error);
}
