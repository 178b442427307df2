/* One look at one workspace: read, decide, do, until there is nothing to do. */
#include "base/clock.h"
#include "base/log.h"
#include "provision/templates.h"
#include "reconcile/freeze.h"
#include "reconcile/hosted.h"
#include "reconcile/warm.h"
#include "store/workspaces.h"

#define ROUNDS_MAX         64 /* steps of one look; a start needs about six */
#define HALT_GRACE_SECONDS 10
#define UNKNOWNS_MAX       3 /* lost answers in a row until they count as a failure */
/* The same for "not there", of an engine that answers pings: half a minute. */
#define AWAYS_MAX 15

static void look_forget(Look *look)
{
    g_clear_pointer(&look->runtime, runtime_row_free);
    g_clear_pointer(&look->workspace, workspace_row_free);
    g_clear_pointer(&look->containers, g_ptr_array_unref);
    g_clear_pointer(&look->missing, g_strfreev);
    look->short_is_foreign = FALSE;
}

/* ---- Several servers on one database ---- */

/* A look takes a second at most, or as long as a pull. */
#define TURN_AGAIN_US (250 * G_GINT64_CONSTANT(1000))

static char *turn_name_dup(const char *id)
{
    return g_strconcat("reconcile workspace ", id, NULL);
}

/* FALSE: another server looks at it, or nothing is known now. */
static gboolean take_turn(Look *look)
{
    DbHolds *holds = look->reconciler->options.holds;
    g_autofree char *name = NULL;
    g_autoptr(GError) cause = NULL;

    if (!holds)
        return TRUE;
    name = turn_name_dup(look->id);
    if (!db_holds_try(holds, name, &look->turn, &cause))
        log_debug("no turn", LOG_TEXT("workspace", look->id), LOG_CAUSE(cause));
    if (!look->turn)
        executor_poke_at(look->reconciler->executor, look->id,
                         clock_monotonic_us() + (cause ? RECONCILE_LATER_US : TURN_AGAIN_US));
    return look->turn != 0;
}

static void give_turn(Look *look)
{
    DbHolds *holds = look->reconciler->options.holds;
    g_autofree char *name = holds ? turn_name_dup(look->id) : NULL;

    if (holds)
        db_holds_release(holds, name, look->turn);
}

static gboolean look_has_turn(const Look *look, GError **error)
{
    DbHolds *holds = look->reconciler->options.holds;
    gboolean kept = TRUE;

    if (holds && !db_holds_is_kept(holds, look->turn, &kept, error))
        return FALSE;
    return kept || error_set(error, ERROR_SUPERSEDED, "another server may look at it");
}

/* ---- Fences ---- */

gboolean look_is_current(Look *look, GError **error)
{
    RuntimeDesired desired = RUNTIME_RUNNING;
    gint64 generation = 0;
    gboolean found = FALSE;

    if (executor_is_stopping(look->reconciler->executor))
        return error_set(error, ERROR_SUPERSEDED, "the server stops");
    if (!look_has_turn(look, error))
        return FALSE;
    if (!store_runtime_peek(look->reconciler->options.db, look->id, &desired, &generation, &found,
                            error))
        return FALSE;
    if (found && generation == look->runtime->generation)
        return TRUE;
    return error_set(error, ERROR_SUPERSEDED, "a newer wish won");
}

gboolean look_progress(Look *look, const RuntimeProgress *progress, GError **error)
{
    gboolean current = FALSE;

    if (!store_runtime_progress(look->reconciler->options.db, look->id, look->runtime->generation,
                                progress, &current, error))
        return FALSE;
    if (!current)
        return error_set(error, ERROR_SUPERSEDED, "a newer wish won");
    log_debug("workspace progress", LOG_TEXT("workspace", look->id),
              LOG_INT("generation", look->runtime->generation),
              LOG_TEXT("phase", runtime_phase_name(progress->phase)));
    return TRUE;
}

/* ---- What the plan needs to know ---- */

static guint declared_timeout_s(const Look *look)
{
    g_autofree char *folder =
        template_find(look->reconciler->options.configs_dir, look->workspace->template_name);
    g_autoptr(TemplateConfig) config = folder ? template_config_read(folder) : NULL;

    return config ? config->provision_timeout_s : 0;
}

gint64 look_provision_deadline_us(const Look *look, guint *timeout_s)
{
    const WorkspaceRow *workspace = look->workspace;
    const Config *config = look->reconciler->options.config;
    guint override_s = config ? (guint)config->provision_timeout_seconds : 0;
    gint64 began_us = 0;

    if (!workspace || workspace->status != WORKSPACE_PROVISIONING)
        return 0;
    *timeout_s = runtime_provision_timeout_s(
        runtimes_find(reconciler_runtimes(look->reconciler), workspace->runtime), override_s,
        override_s ? 0 : declared_timeout_s(look));
    began_us = workspace->provision_started_at_us ? workspace->provision_started_at_us
                                                  : workspace->updated_at_us;
    return began_us + (gint64)*timeout_s * CLOCK_SECOND_US;
}

static gint64 last_heartbeat_us(const Look *look)
{
    g_autoptr(OrgNode) node = org_tree_find(look->reconciler->options.tree, look->id);

    return node ? org_node_row(node)->last_heartbeat_at_us : look->workspace->last_heartbeat_at_us;
}

/* An agent that fell silent while its container runs gets a while to come back: after a suspended
 * machine wakes up, everybody looks silent for a moment. */
static gint64 silent_until_us(const Look *look, gint64 now_us)
{
    const Config *config = look->reconciler->options.config;
    gint64 window_us =
        (config ? config->liveness_seconds : RECONCILE_SILENT_SECONDS) * CLOCK_SECOND_US;
    gboolean is_silent = look->workspace && look->workspace->status == WORKSPACE_OFFLINE &&
                         look->runtime->desired == RUNTIME_RUNNING &&
                         now_us - last_heartbeat_us(look) >= window_us;
    gint64 since_us = watch_note_silent(look->reconciler->watch, look->id, is_silent);

    return is_silent ? now_us + since_us + WATCH_SILENT_US - clock_monotonic_us() : 0;
}

/* The end of a container that was seen running is a death, until we end it ourselves. */
static void expect(const Look *look)
{
    const RuntimeRow *runtime = look->runtime;
    gboolean is_up = runtime->desired == RUNTIME_RUNNING &&
                     (runtime->phase == RUNTIME_STARTED || runtime->phase == RUNTIME_READY);

    watch_note_generation(look->reconciler->watch, look->id, runtime->generation);
    watch_expect(look->reconciler->watch, look->id, is_up ? runtime->container_id : NULL);
}

static Plan decide(const Look *look)
{
    gint64 now_us = clock_now_us();
    guint timeout_s = 0;
    PlanInput input = {
        .runtime = look->runtime,
        .workspace = look->workspace,
        .containers = look->containers,
        .provision_deadline_us = look_provision_deadline_us(look, &timeout_s),
        .silent_until_us = silent_until_us(look, now_us),
        .is_crash_loop = watch_is_crash_loop(look->reconciler->watch, look->id),
        .now_us = now_us,
    };

    return plan_next(&input);
}

/* ---- Doing ---- */

static gboolean settle(Look *look, GError **error)
{
    RuntimeProgress progress = {.phase = RUNTIME_READY, .reset_attempts = TRUE};

    watch_forget(look->reconciler->watch, look->id);
    if (!look_progress(look, &progress, error))
        return FALSE;
    if (look->runtime->reason && !org_tree_refresh(look->reconciler->options.tree, look->id, NULL))
        log_warning("a failure that is over shows up in memory a little longer",
                    LOG_TEXT("workspace", look->id));
    return TRUE;
}

static gboolean raise_generation(Look *look, const ContainerInfo *container, GError **error)
{
    gint64 now = 0;

    if (!store_runtime_raise(look->reconciler->options.db, look->id,
                             container->labels.generation + 1, &now, error))
        return FALSE;
    log_warning("a container is newer than the database: was it restored?",
                LOG_TEXT("workspace", look->id), LOG_INT("generation", now));
    return TRUE;
}

static gboolean do_step(Look *look, const Plan *plan, GError **error)
{
    Engine *engine = look->reconciler->options.engine;

    switch (plan->step) {
    case PLAN_START:
        return freeze_is_asleep(look) ? freeze_provision(look, error)
                                      : start_from_nothing(look, error);
    case PLAN_SEED:
        return start_from_created(look, plan->container, error);
    case PLAN_LAUNCH:
        return start_from_seeded(look, plan->container, error);
    case PLAN_HAND_OVER:
        return hand_over(look, plan->container, error);
    case PLAN_ADOPT:
        return start_adopt(look, plan->container, error);
    case PLAN_SETTLE:
        return settle(look, error);
    case PLAN_HEALTH:
        return verdict_health(look, plan->container, error);
    case PLAN_DIED:
        return verdict_died(look, plan, error);
    case PLAN_TIMED_OUT:
        return verdict_timed_out(look, plan, error);
    case PLAN_CRASH_LOOP:
        return verdict_crash_loop(look, plan, error);
    case PLAN_HALT:
        if (look_is_hosted(look)) /* nothing of it could be inspected, and it is paid for */
            return remove_container(look, plan->container, plan->reason, error);
        return engine_stop(engine, plan->container->id, HALT_GRACE_SECONDS, error);
    case PLAN_RAISE:
        return raise_generation(look, plan->container, error);
    case PLAN_REMOVE:
        return remove_container(look, plan->container, plan->reason, error);
    case PLAN_FREEZE:
        return freeze_container(look, plan->container, error);
    case PLAN_THAW:
        return freeze_thaw(look, plan->container, error);
    case PLAN_FINISH:
        return look->runtime->desired == RUNTIME_FROZEN ? verdict_stopped(look, error)
                                                        : remove_finish(look, error);
    case PLAN_REST:
        break;
    }
    return look->runtime->desired == RUNTIME_ABSENT ||
           remove_intents(look->reconciler, look->id, TRUE, error);
}

/* Without an engine nothing can be started; what was never made needs no engine to be gone. */
static gboolean do_without_engine(Look *look, gboolean *rests, GError **error)
{
    const RuntimeRow *runtime = look->runtime;
    g_autoptr(GError) cause = NULL;
    gboolean was_made = (runtime->container_id && *runtime->container_id) ||
                        (runtime->volumes && *runtime->volumes);

    error_set_reason(&cause, ERROR_INVALID, REASON_NO_ENGINE, "%s",
                     reason_sentence(REASON_NO_ENGINE));
    if (runtime->desired == RUNTIME_RUNNING && runtime->phase != RUNTIME_FAILED)
        return verdict_attempt_failed(look, cause, error);
    *rests = TRUE;
    if (runtime->desired == RUNTIME_RUNNING || was_made)
        return TRUE;
    return runtime->desired == RUNTIME_FROZEN ? verdict_stopped(look, error)
                                              : remove_finish(look, error);
}

/* One step. `rests`: nothing more to do until `again_at_us` (wall; 0: until asked). */
static gboolean do_round(Look *look, gboolean *rests, gint64 *again_at_us, GError **error)
{
    Reconciler *reconciler = look->reconciler;
    Plan plan = {0};

    look_forget(look);
    look->wants_rest = FALSE;
    if (!store_runtime_find(reconciler->options.db, look->id, &look->runtime, error) ||
        !store_workspace_find(reconciler->options.db, look->id, &look->workspace, error))
        return FALSE;
    if (!look->runtime) {
        *rests = TRUE;
        watch_forget(reconciler->watch, look->id);
        if (!remove_intents(reconciler, look->id, FALSE, error))
            return FALSE;
        reconciler_note_gone(reconciler, look->id); /* another server may have done it */
        return TRUE;
    }
    if (!look->workspace && look->runtime->warm_key && look->runtime->desired == RUNTIME_RUNNING)
        look->workspace = warm_stand_in(reconciler, look->runtime);
    if (!reconciler->options.engine)
        return do_without_engine(look, rests, error);
    if (!observe(look, error))
        return FALSE;
    expect(look);
    plan = decide(look);
    *again_at_us = plan.again_at_us;
    if (!do_step(look, &plan, error))
        return FALSE;
    *rests = plan.step == PLAN_REST || look->wants_rest;
    return TRUE;
}

/* ---- What an error means for the look ---- */

static void come_back(Look *look, gint64 delay_us)
{
    executor_poke_at(look->reconciler->executor, look->id, clock_monotonic_us() + delay_us);
}

/* A stop that fails is tried again for ever. */
static gboolean stop_failed(Look *look, const GError *cause, GError **error)
{
    Db *db = look->reconciler->options.db;
    gint64 delay_us = plan_removal_back_off_us(look->runtime->attempts);
    RuntimeFailure failure = {.reason = REASON_REMOVAL_FAILED,
                              .sentence = reason_sentence(REASON_REMOVAL_FAILED)};
    gboolean current = FALSE;

    log_warning("stop failed", LOG_TEXT("workspace", look->id),
                LOG_INT("generation", look->runtime->generation), LOG_CAUSE(cause));
    if (!store_runtime_fail(db, look->id, look->runtime->generation, &failure, &current, error) ||
        !store_runtime_back_off(db, look->id, look->runtime->generation, clock_now_us() + delay_us,
                                NULL, NULL, &current, error))
        return FALSE;
    come_back(look, delay_us);
    return TRUE;
}

static gboolean conclude(Look *look, const GError *cause, gboolean *rests, GError **error)
{
    if (!look->runtime) {
        log_warning("removal failed", LOG_TEXT("workspace", look->id), LOG_CAUSE(cause));
        come_back(look, plan_back_off_us(0));
        *rests = TRUE;
        return TRUE;
    }
    if (look->runtime->desired == RUNTIME_RUNNING && look->runtime->phase != RUNTIME_FAILED)
        return verdict_attempt_failed(look, cause, error);
    if (look->runtime->desired == RUNTIME_FROZEN)
        return freeze_give_up(look, cause, error);
    *rests = TRUE;
    if (look->runtime->desired == RUNTIME_RUNNING) { /* cleaning up after a failure */
        log_warning("clean-up failed", LOG_TEXT("workspace", look->id), LOG_CAUSE(cause));
        come_back(look, plan_back_off_us(2));
        return TRUE;
    }
    return stop_failed(look, cause, error);
}

/* TRUE: another round. */
static gboolean handle(Look *look, const GError *cause, guint *unknowns)
{
    g_autoptr(GError) failure = NULL;
    gboolean rests = FALSE, is_away = FALSE;

    if (cancel_fired(look->reconciler->cancel)) /* calls were cut off to let the server stop */
        return FALSE;
    if (error_is(cause, ERROR_SUPERSEDED)) {
        if (look_has_turn(look, NULL))
            return TRUE;
        come_back(look, TURN_AGAIN_US);
        return FALSE;
    }
    if (error_is(cause, ERROR_OUTCOME_UNKNOWN) && ++*unknowns < UNKNOWNS_MAX)
        return TRUE;
    /* While the engine is down no look begins; one that answers pings only has its limit, too. One
     * that says what it lacks (space on its disk) is not away. */
    is_away = error_is(cause, ERROR_UNAVAILABLE) && error_reason(cause) == REASON_NONE &&
              watch_note_away(look->reconciler->watch, look->id, TRUE) < AWAYS_MAX;
    if (!is_away && conclude(look, cause, &rests, &failure)) {
        watch_note_away(look->reconciler->watch, look->id, FALSE);
        return !rests;
    }
    if (failure && !error_is(failure, ERROR_UNAVAILABLE))
        log_warning("a failure could not be recorded", LOG_TEXT("workspace", look->id),
                    LOG_CAUSE(failure));
    reconciler_suspect_engine(look->reconciler);
    come_back(look, RECONCILE_LATER_US);
    return FALSE;
}

static void rest_until(Look *look, gint64 again_at_us)
{
    if (again_at_us)
        come_back(look, MAX(again_at_us - clock_now_us(), 0));
}

static void do_rounds(Look *look)
{
    const char *id = look->id;
    guint unknowns = 0, rounds = 0;

    for (; rounds < ROUNDS_MAX && !executor_is_stopping(look->reconciler->executor); rounds++) {
        g_autoptr(GError) error = NULL;
        gboolean rests = FALSE;
        gint64 again_at_us = 0;

        if (do_round(look, &rests, &again_at_us, &error)) {
            watch_note_away(look->reconciler->watch, id, FALSE);
            if (!rests)
                continue;
            rest_until(look, again_at_us);
            break;
        }
        if (!handle(look, error, &unknowns))
            break;
    }
    if (rounds == ROUNDS_MAX) {
        log_error("a workspace does not come to rest", LOG_TEXT("workspace", id));
        come_back(look, plan_back_off_us(2));
    }
}

void look_run(const char *id, void *data)
{
    Look look = {.reconciler = data, .id = id};

    if (!take_turn(&look))
        return;
    do_rounds(&look);
    look_forget(&look);
    give_turn(&look);
}

/* Thawing takes no longer than stopping, and somebody waits for it. */
WorkKind look_classify(const char *id, void *data)
{
    Reconciler *reconciler = data;
    RuntimeDesired desired = RUNTIME_RUNNING;
    RuntimePhase phase = RUNTIME_PENDING;
    gboolean found = FALSE;

    if (!store_runtime_glance(reconciler->options.db, id, &desired, &phase, &found, NULL))
        return WORK_STOP; /* the look itself will find out */
    return found && desired == RUNTIME_RUNNING && phase != RUNTIME_PHASE_FROZEN ? WORK_START
                                                                                : WORK_STOP;
}
