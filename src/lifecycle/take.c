#include "lifecycle/take.h"

#include "store/warm.h"

#include <string.h>

/* A member has the base settings in everything that its container is made from; all else (names,
 * secrets, place in the chart, executor, files) comes with the hand-over. */
const char *find_warm_key(const Lifecycle *lifecycle, const WorkspaceRow *row)
{
    if (g_strcmp0(row->runtime, RUNTIME_BUILTIN) != 0 || row->workspace_dir ||
        strcmp(row->workspace_access, "none") != 0 || row->tier != lifecycle->config->default_tier)
        return NULL;
    return reconciler_warm_key(lifecycle->reconciler, row->image);
}

gboolean take_warm(const Lifecycle *lifecycle, const char *key, const char *spec, WorkspaceRow *row,
                   gboolean *taken, GError **error)
{
    char id[ID_SIZE];
    char *address = NULL;

    *taken = FALSE;
    if (!key)
        return TRUE;
    if (!store_warm_take(lifecycle->db, key, spec, id, &address, error))
        return FALSE;
    if (!*id)
        return TRUE;
    *taken = TRUE;
    memcpy(row->id, id, ID_SIZE);
    g_free(row->awareness_namespace);
    row->awareness_namespace = g_strconcat("workspace:", id, NULL);
    g_free(row->url);
    row->url = address;
    row->url_is_minted = TRUE;
    return TRUE;
}
