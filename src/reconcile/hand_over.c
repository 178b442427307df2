/* A workspace that took a started agent of the stock: its agent is told whose it is.
 *
 * Configuration, token and environment are unpacked into the running container, the mark that the
 * agent waits for last. It is done at most once: the attempt is recorded before it touches the
 * container, and whoever finds that record does not know how far it came. Whatever goes wrong, the
 * workspace gets a container of its own in the ordinary way. Source: issue 5, item 7. */
#include "base/log.h"
#include "reconcile/start.h"
#include "reconcile/warm.h"
#include "store/warm.h"

static gboolean refuse(Look *look, const GError *cause, GError **error)
{
    Reconciler *reconciler = look->reconciler;
    gboolean current = FALSE;

    log_warning("a started agent could not be handed over; another container is made",
                LOG_TEXT("workspace", look->id), LOG_CAUSE(cause));
    if (!store_warm_refuse(reconciler->options.db, look->id, look->runtime->generation, &current,
                           error))
        return FALSE;
    warm_count_refused(reconciler->warm);
    warm_want_soon(reconciler->warm);
    return current || error_set(error, ERROR_SUPERSEDED, "a newer wish won");
}

static gboolean tell(Look *look, const ContainerInfo *container, GError **error)
{
    g_auto(Start) start = {0};
    gboolean current = FALSE;

    if (look->runtime->warm_started_at_us == WARM_TOLD_BEGUN)
        return error_set(error, ERROR_OUTCOME_UNKNOWN, "an earlier attempt was cut off");
    if (!start_prepare(&start, look, error) || !start_seed_running(&start, container, error) ||
        !store_warm_told(look->reconciler->options.db, look->id, look->runtime->generation,
                         container->started_at_us, &current, error))
        return FALSE;
    return current || error_set(error, ERROR_SUPERSEDED, "a newer wish won");
}

gboolean hand_over(Look *look, const ContainerInfo *container, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (tell(look, container, &cause)) {
        warm_want_soon(look->reconciler->warm);
        log_info("a started agent was handed over", LOG_TEXT("workspace", look->id),
                 LOG_INT("generation", look->runtime->generation));
        return TRUE;
    }
    if (!error_is(cause, ERROR_SUPERSEDED) && !error_is(cause, ERROR_UNAVAILABLE))
        return refuse(look, cause, error);
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}
