#include "store/workspace_row.h"

static const char *const status_names[] = {
    [WORKSPACE_PROVISIONING] = "provisioning",
    [WORKSPACE_ONLINE] = "online",
    [WORKSPACE_OFFLINE] = "offline",
    [WORKSPACE_DEGRADED] = "degraded",
    [WORKSPACE_FAILED] = "failed",
    [WORKSPACE_REMOVED] = "removed",
    [WORKSPACE_PAUSED] = "paused",
    [WORKSPACE_HIBERNATED] = "hibernated",
    [WORKSPACE_HIBERNATING] = "hibernating",
    [WORKSPACE_AWAITING_AGENT] = "awaiting_agent",
};

const char *workspace_status_name(WorkspaceStatus status)
{
    g_return_val_if_fail((guint)status < G_N_ELEMENTS(status_names), "offline");
    return status_names[status];
}

WorkspaceStatus workspace_status_parse(const char *name)
{
    if (!name)
        return WORKSPACE_PROVISIONING;
    for (guint i = 0; i < G_N_ELEMENTS(status_names); i++)
        if (g_str_equal(name, status_names[i]))
            return (WorkspaceStatus)i;
    return WORKSPACE_OFFLINE;
}

/* Every owned text of a row, so that copy and free cannot miss one. */
static const gsize texts[] = {
    G_STRUCT_OFFSET(WorkspaceRow, name),
    G_STRUCT_OFFSET(WorkspaceRow, role),
    G_STRUCT_OFFSET(WorkspaceRow, source_bundle_id),
    G_STRUCT_OFFSET(WorkspaceRow, agent_card),
    G_STRUCT_OFFSET(WorkspaceRow, url),
    G_STRUCT_OFFSET(WorkspaceRow, agent_url),
    G_STRUCT_OFFSET(WorkspaceRow, last_sample_error),
    G_STRUCT_OFFSET(WorkspaceRow, current_task),
    G_STRUCT_OFFSET(WorkspaceRow, awareness_namespace),
    G_STRUCT_OFFSET(WorkspaceRow, runtime),
    G_STRUCT_OFFSET(WorkspaceRow, workspace_dir),
    G_STRUCT_OFFSET(WorkspaceRow, workspace_access),
    G_STRUCT_OFFSET(WorkspaceRow, instance_id),
    G_STRUCT_OFFSET(WorkspaceRow, model),
    G_STRUCT_OFFSET(WorkspaceRow, template_name),
    G_STRUCT_OFFSET(WorkspaceRow, image),
    G_STRUCT_OFFSET(WorkspaceRow, executor),
    G_STRUCT_OFFSET(WorkspaceRow, command),
    G_STRUCT_OFFSET(WorkspaceRow, failure_reason),
    G_STRUCT_OFFSET(WorkspaceRow, failure_sentence),
};

static char **text_at(WorkspaceRow *row, guint index)
{
    return G_STRUCT_MEMBER_P(row, texts[index]);
}

WorkspaceRow *workspace_row_new(void)
{
    WorkspaceRow *row = g_new0(WorkspaceRow, 1);

    row->budget_limit = -1;
    row->max_concurrent_tasks = 1;
    return row;
}

WorkspaceRow *workspace_row_copy(const WorkspaceRow *row)
{
    WorkspaceRow *copy = g_new(WorkspaceRow, 1);

    *copy = *row;
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        *text_at(copy, i) = g_strdup(*text_at(copy, i));
    return copy;
}

void workspace_row_free(WorkspaceRow *row)
{
    if (!row)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(*text_at(row, i));
    g_free(row);
}
