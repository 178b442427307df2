/* Where wish and reality meet the status that people see.
 *
 * A change of status, its event and the progress it belongs to are one transaction; whoever listens
 * hears of it after the commit. Nothing is told when no row changed. Sentences for clients carry no
 * internal text; only the last lines of the agent's own log, without secrets, join them. Source:
 * spec 01 sections 10.2 and 11.3; spec 02 sections 9 and 17.3 B, E, F. */
#include "base/clock.h"
#include "base/log.h"
#include "events/payloads.h"
#include "reconcile/change.h"
#include "reconcile/internal.h"
#include "store/workspaces.h"

#include <string.h>

#define TELL_AFTER_ATTEMPTS 3 /* faults of no known reason in a row until people see it; 15 s */

#define EVENT_FAILED "WORKSPACE_PROVISION_FAILED"

static Db *database(const Look *look)
{
    return look->reconciler->options.db;
}

static gboolean set_phase(Look *look, const RuntimeProgress *progress, GError **error)
{
    gboolean current = FALSE;

    return store_runtime_progress(database(look), look->id, look->runtime->generation, progress,
                                  &current, error) &&
           change_check_current(current, error);
}

/* A member of the stock of started agents: it has no status, and nobody hears of it. */
static gboolean warm_died(Look *look, const ContainerInfo *container, const Failure *failure,
                          const char *why, GError **error)
{
    RuntimeFailure kept = failure_to_keep(failure);

    return warm_failed(look, container, &kept, why, error);
}

/* ---- A start that failed ---- */

static gboolean mark_failed(Change *change, const Failure *failure, const char *sample,
                            GError **error)
{
    Look *look = change->look;
    gboolean changed = FALSE;

    if (!store_workspace_mark_failed(database(look), look->id, look->runtime->generation, sample,
                                     &changed, error))
        return FALSE;
    return !changed || change_say(change, EVENT_FAILED, failure_payload_dup(look, failure), error);
}

static gboolean give_up(Change *change, GError **error)
{
    RuntimeProgress progress = {.phase = RUNTIME_FAILED};

    return set_phase(change->look, &progress, error);
}

static gboolean back_off(Change *change, gint64 delay_us, GError **error)
{
    Look *look = change->look;
    gboolean current = FALSE;

    return store_runtime_back_off(database(look), look->id, look->runtime->generation,
                                  change->time_us + delay_us, NULL, NULL, &current, error) &&
           change_check_current(current, error);
}

static Reason reason_of_cause(const GError *cause)
{
    Reason known = error_reason(cause);

    if (known != REASON_NONE)
        return known;
    return error_is(cause, ERROR_UNAVAILABLE) || error_is(cause, ERROR_OUTCOME_UNKNOWN)
               ? REASON_ENGINE_DOWN
               : REASON_START_FAILED;
}

/* Foreign text goes to the log, never to people: a fault's sentence is its reason's. */
/* What an engine says of objects that change under it ("removal is in progress", "not found" of
 * what somebody took away) is over in a moment: of these only causes that we name ourselves end an
 * attempt for good. */
static gboolean is_final_cause(const GError *cause)
{
    if (error_is(cause, ERROR_CONFLICT) || error_is(cause, ERROR_NOT_FOUND))
        return error_reason(cause) != REASON_NONE;
    return error_is_outcome(error_code(cause));
}

gboolean verdict_attempt_failed(Look *look, const GError *cause, GError **error)
{
    gint64 attempts = look->runtime->attempts;
    gboolean is_final = is_final_cause(cause);
    gboolean has_sentence = is_final || error_is(cause, ERROR_BUSY);
    gboolean is_told =
        has_sentence || error_reason(cause) != REASON_NONE || attempts + 1 >= TELL_AFTER_ATTEMPTS;
    Reason reason = reason_of_cause(cause);
    Failure failure = {
        .reason = reason,
        .error = has_sentence ? cause->message : reason_sentence(reason),
        .missing = look->missing,
    };
    g_auto(Change) change = {0};

    if (look->runtime->warm_key)
        return warm_died(look, NULL, &failure, cause->message, error);
    log_warning("start failed", LOG_TEXT("workspace", look->id),
                LOG_INT("generation", look->runtime->generation), LOG_INT("attempts", attempts + 1),
                LOG_TEXT("reason", reason_word(reason)), LOG_CAUSE(cause));
    if (!change_begin(&change, look, error) || !change_fail(&change, &failure, error))
        return FALSE;
    if (!(is_final ? give_up(&change, error)
                   : back_off(&change, plan_back_off_us(attempts), error)))
        return FALSE;
    if (is_told && !mark_failed(&change, &failure, failure.error, error))
        return FALSE;
    return change_end(&change, error);
}

/* ---- A container that died ---- */

/* What the engine states of the end. Its events know more than an inspection once it is being
 * restarted. */
static void describe_end(const Look *look, const ContainerInfo *container, Failure *failure)
{
    const char *id = container ? container->id : look->runtime->container_id;
    WatchEnd end = watch_last_end(look->reconciler->watch, look->id, id);
    gboolean is_up = container && (container->state == CONTAINER_RUNNING ||
                                   container->state == CONTAINER_RESTARTING);

    if (!container) {
        failure->reason = REASON_CONTAINER_LOST;
        return;
    }
    failure->has_exit_code = !is_up || end.is_known;
    failure->exit_code = is_up ? end.exit_code : container->exit_code;
    failure->reason =
        reason_of_exit(failure->exit_code, end.out_of_memory || container->out_of_memory);
    if (failure->reason == REASON_EXIT_CODE && container->failure_reason != REASON_NONE)
        failure->reason = container->failure_reason; /* the engine could not start it again */
}

static gboolean mark_offline(Change *change, const Failure *failure, GError **error)
{
    gboolean changed = FALSE;

    if (!store_workspace_mark_offline(database(change->look), change->look->id, &changed, error))
        return FALSE;
    return !changed || change_say(change, "WORKSPACE_OFFLINE", offline_payload_dup(failure), error);
}

/* The first one is made anew at once; it may have been an accident. */
static gboolean record_death(Look *look, const Failure *failure, GError **error)
{
    gint64 attempts = look->runtime->attempts;
    gint64 delay_us = attempts == 0 ? 0 : plan_back_off_us(attempts - 1);
    g_auto(Change) change = {0};

    return change_begin(&change, look, error) && change_fail(&change, failure, error) &&
           mark_offline(&change, failure, error) && back_off(&change, delay_us, error) &&
           change_end(&change, error);
}

gboolean verdict_died(Look *look, const Plan *plan, GError **error)
{
    const ContainerInfo *container = plan->container;
    gboolean is_up = container && container->state == CONTAINER_RUNNING;
    gboolean is_silent = is_up && !plan_has_forgotten(look->runtime, container);
    Failure failure = {.reason = REASON_UNHEALTHY};
    g_autofree char *sentence = NULL;

    if (!is_silent)
        describe_end(look, container, &failure);
    sentence = reason_exit_sentence_dup(failure.reason, failure.exit_code);
    failure.error = sentence;
    if (look->runtime->warm_key)
        return warm_died(look, container, &failure, plan->reason, error);
    log_warning("a container is dead", LOG_TEXT("workspace", look->id),
                LOG_INT("generation", look->runtime->generation), LOG_TEXT("why", plan->reason),
                LOG_TEXT("reason", reason_word(failure.reason)),
                LOG_INT("exit_code", failure.has_exit_code ? failure.exit_code : -1));
    if (is_up) {
        watch_note_silent(look->reconciler->watch, look->id, FALSE);
        if (!remove_container(look, container, plan->reason, error))
            return FALSE;
    } else {
        watch_note_found_dead(look->reconciler->watch, look->id,
                              container ? container->id : look->runtime->container_id);
    }
    if (watch_is_crash_loop(look->reconciler->watch, look->id))
        return verdict_crash_loop(look, plan, error);
    if (!record_death(look, &failure, error))
        return FALSE;
    /* After the news: whoever removes it from outside shall not take its last words along. */
    if (container && !is_up)
        g_free(remove_save_log(look, container->id));
    return TRUE;
}

/* ---- Ends that need a new wish ---- */

static gboolean mark_crash_loop(Change *change, const Failure *failure, const char *sample,
                                GError **error)
{
    Look *look = change->look;
    gint64 silent_since_us = change->time_us - RECONCILE_SILENT_SECONDS * CLOCK_SECOND_US;
    gboolean changed = FALSE;

    if (!store_workspace_mark_crash_loop(database(look), look->id, look->runtime->generation,
                                         silent_since_us, sample, &changed, error))
        return FALSE;
    return !changed || change_say(change, EVENT_FAILED, failure_payload_dup(look, failure), error);
}

/* A reason of its own says more than that it happened again and again. */
static gboolean is_special(Reason reason)
{
    return reason != REASON_EXIT_CODE && reason != REASON_KILLED && reason != REASON_CONTAINER_LOST;
}

/* Fills in the reason; gives the sentence, owned by the caller. */
static char *describe_loop(const Look *look, const ContainerInfo *container, Failure *failure)
{
    describe_end(look, container, failure);
    if (!container)
        return g_strdup_printf("the container was lost %d times within two minutes",
                               WATCH_CRASHES_MAX);
    if (is_special(failure->reason))
        return g_strdup_printf("%s; it ended %d times within two minutes",
                               reason_sentence(failure->reason), WATCH_CRASHES_MAX);
    failure->reason = REASON_CRASH_LOOP;
    if (!failure->has_exit_code)
        return g_strdup_printf("the container ended %d times within two minutes",
                               WATCH_CRASHES_MAX);
    return g_strdup_printf("the container ended %d times within two minutes, last with exit code "
                           "%" G_GINT64_FORMAT,
                           WATCH_CRASHES_MAX, failure->exit_code);
}

/* An agent that registers between two deaths is offline by the second one, so it counts, too. */
gboolean verdict_crash_loop(Look *look, const Plan *plan, GError **error)
{
    const ContainerInfo *container = plan->container;
    g_autofree char *log = container ? remove_save_log(look, container->id) : NULL;
    Failure failure = {.source = "crash_loop"};
    g_autofree char *sentence = describe_loop(look, container, &failure);
    g_autofree char *sample = failure_sample_dup(sentence, log);
    g_auto(Change) offline = {0};
    g_auto(Change) failed = {0};

    failure.error = sentence;
    if (look->runtime->warm_key)
        return warm_died(look, container, &failure, sentence, error);
    if (!change_begin(&offline, look, error) || !mark_offline(&offline, &failure, error) ||
        !change_end(&offline, error))
        return FALSE;
    if (!change_begin(&failed, look, error) || !change_fail(&failed, &failure, error) ||
        !mark_crash_loop(&failed, &failure, sample, error) || !give_up(&failed, error) ||
        !change_end(&failed, error))
        return FALSE;
    watch_forget(look->reconciler->watch, look->id);
    log_error("crash loop", LOG_TEXT("workspace", look->id),
              LOG_INT("generation", look->runtime->generation));
    return TRUE;
}

/* What kept it from getting a container, if an attempt said so. */
static char *describe_wait(const Look *look, guint timeout_s, Failure *failure)
{
    const RuntimeRow *runtime = look->runtime;
    Reason known = reason_parse(runtime->reason);

    failure->reason = known == REASON_NONE ? REASON_START_FAILED : known;
    failure->has_exit_code = known != REASON_NONE && runtime->has_exit_code;
    failure->exit_code = runtime->exit_code;
    return g_strdup_printf("the workspace was not ready within %u seconds%s%s", timeout_s,
                           known != REASON_NONE && runtime->last_error ? ": " : "",
                           known != REASON_NONE && runtime->last_error ? runtime->last_error : "");
}

static char *describe_time_out(const Look *look, const Plan *plan, guint timeout_s,
                               Failure *failure)
{
    if (!plan->container)
        return describe_wait(look, timeout_s, failure);
    failure->reason = REASON_NEVER_REGISTERED;
    return g_strdup_printf("the container started but its agent did not register within %u seconds",
                           timeout_s);
}

/* Registered at the last moment: no row changes, and it stays what it became. */
gboolean verdict_timed_out(Look *look, const Plan *plan, GError **error)
{
    g_autofree char *log = plan->container ? remove_save_log(look, plan->container->id) : NULL;
    guint timeout_s = 0;
    g_autofree char *sentence = NULL;
    g_autofree char *sample = NULL;
    g_auto(Change) change = {0};
    Failure failure = {.source = "provision_timeout_sweep"};

    if (look_provision_deadline_us(look, &timeout_s) == 0)
        return TRUE;
    sentence = describe_time_out(look, plan, timeout_s, &failure);
    sample = failure_sample_dup(sentence, log);
    failure.error = sentence;
    failure.timeout_s = timeout_s;
    if (!change_begin(&change, look, error) || !mark_failed(&change, &failure, sample, error))
        return FALSE;
    if (!change.event)
        return TRUE;
    log_warning("provisioning timed out", LOG_TEXT("workspace", look->id),
                LOG_INT("generation", look->runtime->generation));
    /* Without a container its attempts go on; with one, waiting longer would not help. */
    return change_fail(&change, &failure, error) && (!plan->container || give_up(&change, error)) &&
           change_end(&change, error);
}

/* ---- Beginning again, and rest ---- */

/* The status the look saw -> provisioning. A new deadline alone is nothing to tell. */
static gboolean mark_provisioning(Look *look, GError **error)
{
    const WorkspaceRow *workspace = look->workspace;
    gboolean changed = FALSE;
    g_auto(Change) change = {0};

    if (!change_begin(&change, look, error) ||
        !store_workspace_mark_provisioning(database(look), look->id,
                                           STORE_STATUS_BIT(workspace->status), &changed, error))
        return FALSE;
    if (changed && workspace->status != WORKSPACE_PROVISIONING &&
        !change_say(&change, "WORKSPACE_PROVISIONING",
                    event_provisioning_payload_dup(workspace, NULL, NULL), error))
        return FALSE;
    return change_end(&change, error);
}

gboolean verdict_begins_again(Look *look, gboolean reset_deadline, GError **error)
{
    WorkspaceStatus status = look->workspace->status;

    if (status != WORKSPACE_OFFLINE && !(reset_deadline && status == WORKSPACE_PROVISIONING))
        return TRUE;
    return mark_provisioning(look, error);
}

gboolean verdict_ordered(Look *look, GError **error)
{
    return look->workspace->status != WORKSPACE_FAILED || mark_provisioning(look, error);
}

static gboolean mark_hibernated(Change *change, GError **error)
{
    Look *look = change->look;
    gboolean changed = FALSE;

    if (!look->workspace || look->workspace->status != WORKSPACE_HIBERNATING)
        return TRUE;
    if (!store_workspace_mark_hibernated(database(look), look->id, &changed, error))
        return FALSE;
    return !changed || change_say(change, "WORKSPACE_HIBERNATED",
                                  event_hibernated_payload_dup(look->workspace), error);
}

gboolean verdict_stopped(Look *look, GError **error)
{
    RuntimeProgress progress = {
        .phase = RUNTIME_GONE, .container_id = "", .address = "", .reset_attempts = TRUE};
    g_auto(Change) change = {0};

    watch_forget(look->reconciler->watch, look->id);
    return change_begin(&change, look, error) && set_phase(look, &progress, error) &&
           mark_hibernated(&change, error) && change_end(&change, error);
}
