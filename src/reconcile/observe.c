/* What the engine has of one workspace. The names that a container can have are two, and the
 * recorded id; so no listing is needed, and a listing that was cut cannot mislead. */
#include "reconcile/hosted.h"

#include <string.h>

gboolean observe_is_ours(const Reconciler *reconciler, const EngineLabels *labels, const char *id)
{
    return g_strcmp0(labels->installation, reconciler->options.installation) == 0 &&
           g_strcmp0(labels->workspace, id) == 0;
}

static gboolean is_known(const GPtrArray *containers, const char *id)
{
    for (guint i = 0; i < containers->len; i++)
        if (strcmp(((ContainerInfo *)containers->pdata[i])->id, id) == 0)
            return TRUE;
    return FALSE;
}

/* `is_foreign` (may be NULL): the name belongs to somebody else. */
static gboolean add(Look *look, const char *ref, gboolean *is_foreign, GError **error)
{
    g_autoptr(ContainerInfo) info = NULL;
    g_autoptr(GError) cause = NULL;

    if (!owned_inspect(look->reconciler, ref, &info, &cause)) {
        if (error_is(cause, ERROR_NOT_FOUND))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    if (!observe_is_ours(look->reconciler, &info->labels, look->id)) {
        if (is_foreign)
            *is_foreign = TRUE;
    } else if (!is_known(look->containers, info->id)) {
        g_ptr_array_add(look->containers, g_steal_pointer(&info));
    }
    return TRUE;
}

gboolean observe(Look *look, GError **error)
{
    g_autofree char *short_name = container_name_dup(look->id, FALSE);
    g_autofree char *full_name = container_name_dup(look->id, TRUE);
    const char *recorded = look->runtime->container_id;

    look->containers = g_ptr_array_new_with_free_func((GDestroyNotify)container_info_free);
    if (look_is_hosted(look))
        return hosted_observe(look, error);
    if (!add(look, short_name, &look->short_is_foreign, error) ||
        !add(look, full_name, NULL, error))
        return FALSE;
    return !recorded || !*recorded || is_known(look->containers, recorded) ||
           add(look, recorded, NULL, error);
}
