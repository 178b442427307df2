/* What the image's own check (HEALTHCHECK) means for a workspace: while it fails, an online one is
 * degraded, with the reason and what the check said. Nothing is stopped or restarted because of it:
 * the agent may be at work, and whoever wrote the check may be wrong. Source: spec 02 section 17.3
 * E; issue 5, item 5. */
#include "base/log.h"
#include "base/redact.h"
#include "reconcile/change.h"
#include "store/workspaces.h"

#define DEGRADED_FROM 0.5 /* error rate; spec 04, 7.3 */

/* "the image's own health check fails: connection refused". Caller owns it. */
static char *sentence_dup(const ContainerInfo *container)
{
    const char *sentence = reason_sentence(REASON_HEALTH_CHECK_FAILED);
    g_autofree char *clean = NULL;
    g_autofree char *classes = NULL;

    if (!container->probe_output)
        return g_strdup(sentence);
    clean = redact_dup(container->probe_output, &classes);
    return g_strconcat(sentence, ": ", clean, NULL);
}

static gboolean tell_degraded(Look *look, const ContainerInfo *container, GError **error)
{
    g_autofree char *sentence = sentence_dup(container);
    Failure failure = {.reason = REASON_HEALTH_CHECK_FAILED, .error = sentence};
    g_auto(Change) change = {0};
    gboolean changed = FALSE;

    if (!change_begin(&change, look, error) || !change_fail(&change, &failure, error) ||
        !store_workspace_mark_degraded(look->reconciler->options.db, look->id, &changed, error) ||
        (changed &&
         !change_say(&change, "WORKSPACE_DEGRADED", degraded_payload_dup(&failure), error)) ||
        !change_end(&change, error))
        return FALSE;
    log_warning("a container's health check fails", LOG_TEXT("workspace", look->id),
                LOG_INT("generation", look->runtime->generation));
    return TRUE;
}

/* An agent that reports errors itself stays degraded until its heartbeats say otherwise. */
static gboolean mark_online(Change *change, GError **error)
{
    Look *look = change->look;
    gboolean changed = FALSE;

    if (look->workspace->last_error_rate >= DEGRADED_FROM)
        return TRUE;
    return store_workspace_mark_recovered(look->reconciler->options.db, look->id, &changed,
                                          error) &&
           (!changed || change_say(change, "WORKSPACE_ONLINE", g_strdup("{}"), error));
}

static gboolean tell_well(Look *look, GError **error)
{
    g_auto(Change) change = {0};

    if (!change_begin(&change, look, error) ||
        !store_runtime_lift(look->reconciler->options.db, look->id, look->runtime->generation,
                            REASON_HEALTH_CHECK_FAILED, &change.shows_failure, error) ||
        (change.shows_failure && !mark_online(&change, error)) || !change_end(&change, error))
        return FALSE;
    log_info("a container's health check succeeds again", LOG_TEXT("workspace", look->id),
             LOG_INT("generation", look->runtime->generation));
    return TRUE;
}

gboolean verdict_health(Look *look, const ContainerInfo *container, GError **error)
{
    return container->health == HEALTH_UNHEALTHY ? tell_degraded(look, container, error)
                                                 : tell_well(look, error);
}
