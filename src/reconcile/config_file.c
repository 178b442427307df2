/* What other rooms ask about a container's configuration. */
#include "base/log.h"
#include "provision/seed.h"
#include "provision/templates.h"
#include "reconcile/internal.h"

#define CONFIG_PATH     "/configs/" TEMPLATE_CONFIG_FILE
#define TAR_SLACK_BYTES 8192 /* headers and padding of a one-file archive */
/* Workers ask; an engine that hangs must not hold them all. */
#define READERS_MAX 4

static gboolean find_own(Reconciler *reconciler, const char *id, ContainerInfo **info)
{
    g_autoptr(RuntimeRow) row = NULL;
    g_autoptr(ContainerInfo) found = NULL;

    if (!reconciler->options.engine ||
        !store_runtime_find(reconciler->options.db, id, &row, NULL) || !row || !row->container_id ||
        !*row->container_id || !owned_inspect(reconciler, row->container_id, &found, NULL) ||
        !observe_is_ours(reconciler, &found->labels, id))
        return FALSE;
    *info = g_steal_pointer(&found);
    return TRUE;
}

static gboolean read_config(Reconciler *reconciler, const char *workspace_id, gsize max_bytes,
                            GBytes **bytes)
{
    g_autoptr(ContainerInfo) info = NULL;
    g_autoptr(GBytes) tar = NULL;
    g_autoptr(GError) cause = NULL;

    if (!find_own(reconciler, workspace_id, &info))
        return FALSE;
    if (!engine_copy_out(reconciler->options.engine, info->id, CONFIG_PATH,
                         max_bytes + TAR_SLACK_BYTES, &tar, &cause)) {
        log_debug("a configuration could not be read", LOG_TEXT("workspace", workspace_id),
                  LOG_CAUSE(cause));
        return FALSE;
    }
    *bytes = seed_read_file(tar, max_bytes);
    return *bytes != NULL;
}

gboolean reconciler_read_config(Reconciler *reconciler, const char *workspace_id, gsize max_bytes,
                                GBytes **bytes)
{
    gboolean done = FALSE;

    if (atomic_fetch_add(&reconciler->config_readers, 1) < READERS_MAX)
        done = read_config(reconciler, workspace_id, max_bytes, bytes);
    else
        log_warning("a configuration is not read: the engine is slow",
                    LOG_TEXT("workspace", workspace_id));
    atomic_fetch_sub(&reconciler->config_readers, 1);
    return done;
}
