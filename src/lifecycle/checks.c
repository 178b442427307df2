#include "lifecycle/checks.h"

#include "store/workspaces.h"

gboolean lifecycle_is_external(const WorkspaceRow *row)
{
    return g_strcmp0(row->runtime, RUNTIME_EXTERNAL) == 0;
}

gboolean lifecycle_has_engine(const Lifecycle *lifecycle)
{
    ReconcilerStatus status = {0};

    reconciler_status(lifecycle->reconciler, &status);
    return status.has_engine;
}

gboolean lifecycle_check_ancestors(const Lifecycle *lifecycle, const char *id, GError **error)
{
    StoreMember *paused = NULL;
    gboolean is_free = FALSE;

    if (!store_workspace_find_paused_ancestor(lifecycle->db, id, &paused, error))
        return FALSE;
    is_free =
        !paused ||
        error_set(error, ERROR_CONFLICT,
                  "the workspace is below \"%s\", which is paused; resume that one", paused->name);
    store_member_free(paused);
    return is_free;
}
