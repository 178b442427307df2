#include "reconcile/plan.h"

#include <string.h>

#define SECOND_US          G_GINT64_CONSTANT(1000000)
#define BACK_OFF_FIRST_US  (5 * SECOND_US) /* spec 02, 17.3 E */
#define BACK_OFF_MAX_US    (600 * SECOND_US)
#define REMOVAL_MAX_US     (60 * SECOND_US) /* spec 02, 17: gone within two minutes */
#define RESTARTING_LOOK_US (5 * SECOND_US)

static Plan rest(gint64 again_at_us)
{
    return (Plan){.step = PLAN_REST, .again_at_us = again_at_us};
}

static Plan act(PlanStep step, const ContainerInfo *container, const char *reason)
{
    return (Plan){.step = step, .container = container, .reason = reason};
}

static gint64 earlier(gint64 a_us, gint64 b_us)
{
    if (a_us == 0 || b_us == 0)
        return MAX(a_us, b_us);
    return MIN(a_us, b_us);
}

static gboolean is_recorded(const RuntimeRow *runtime, const ContainerInfo *container)
{
    return g_strcmp0(runtime->container_id, container->id) == 0;
}

static gboolean is_better(const RuntimeRow *runtime, const ContainerInfo *a, const ContainerInfo *b)
{
    if (is_recorded(runtime, a) != is_recorded(runtime, b))
        return is_recorded(runtime, a);
    if ((a->state == CONTAINER_RUNNING) != (b->state == CONTAINER_RUNNING))
        return a->state == CONTAINER_RUNNING;
    return a->created_at_us > b->created_at_us;
}

const ContainerInfo *plan_keeper(const RuntimeRow *runtime, const GPtrArray *containers)
{
    const ContainerInfo *best = NULL;

    for (guint i = 0; i < containers->len; i++)
        if (!best || is_better(runtime, containers->pdata[i], best))
            best = containers->pdata[i];
    return best;
}

static const ContainerInfo *find_other(const GPtrArray *containers, const ContainerInfo *keeper)
{
    for (guint i = 0; i < containers->len; i++)
        if (containers->pdata[i] != keeper)
            return containers->pdata[i];
    return NULL;
}

gint64 plan_back_off_us(gint64 attempts)
{
    gint64 delay_us = BACK_OFF_FIRST_US;

    for (gint64 i = 0; i < attempts && delay_us < BACK_OFF_MAX_US; i++)
        delay_us *= 2;
    return MIN(delay_us, BACK_OFF_MAX_US);
}

gint64 plan_removal_back_off_us(gint64 attempts)
{
    return MIN(plan_back_off_us(attempts), REMOVAL_MAX_US);
}

char *plan_url_dup(const ContainerInfo *container)
{
    if (!container->address)
        return NULL;
    return g_str_has_prefix(container->address, "unix:")
               ? g_strdup(container->address)
               : g_strconcat("http://", container->address, NULL);
}

/* ---- Wished to run ---- */

static gboolean was_started(const RuntimeRow *runtime)
{
    return runtime->phase == RUNTIME_STARTED || runtime->phase == RUNTIME_READY;
}

static gboolean is_overdue(const PlanInput *input)
{
    return input->provision_deadline_us && input->now_us >= input->provision_deadline_us;
}

static gboolean has_status(const PlanInput *input, WorkspaceStatus status)
{
    return input->workspace && input->workspace->status == status;
}

static gboolean is_alive(const PlanInput *input)
{
    return has_status(input, WORKSPACE_ONLINE) || has_status(input, WORKSPACE_DEGRADED);
}

static gboolean sleeps(const PlanInput *input)
{
    return has_status(input, WORKSPACE_HIBERNATING) || has_status(input, WORKSPACE_HIBERNATED);
}

static Plan plan_none(const PlanInput *input)
{
    const RuntimeRow *runtime = input->runtime;

    if (was_started(runtime))
        return act(PLAN_DIED, NULL, "its container is gone");
    if (runtime->phase == RUNTIME_PHASE_FROZEN) /* nobody's death: it is made anew */
        return act(PLAN_START, NULL, "nothing is left to thaw");
    if (runtime->phase == RUNTIME_FAILED)
        return rest(0);
    if (runtime->phase == RUNTIME_BACKOFF && is_overdue(input))
        return act(PLAN_TIMED_OUT, NULL, "not provisioned in time");
    if (runtime->phase == RUNTIME_BACKOFF && input->now_us < runtime->next_attempt_at_us)
        return rest(earlier(runtime->next_attempt_at_us, input->provision_deadline_us));
    return act(PLAN_START, NULL, "wished to run");
}

static Plan plan_created(const PlanInput *input, const ContainerInfo *container)
{
    switch (input->runtime->phase) {
    case RUNTIME_PENDING:
    case RUNTIME_PULLING:
    case RUNTIME_CREATED:
        return act(PLAN_SEED, container, "goes on after its creation");
    case RUNTIME_SEEDED:
        if (is_recorded(input->runtime, container))
            return act(PLAN_LAUNCH, container, "goes on after its seeding");
        break;
    default:
        break;
    }
    return act(PLAN_REMOVE, container, "left by an attempt that failed");
}

/* An engine gives a port anew whenever it restarts a container. A listing knows no addresses. */
static gboolean has_moved(const RuntimeRow *runtime, const ContainerInfo *container)
{
    g_autofree char *url = plan_url_dup(container);

    return url && g_strcmp0(url, runtime->address) != 0;
}

/* What a workspace was handed by the stock (store/warm.h): told once, and only in that run; the
 * environment of another one would be empty. A listing may not know when a run began. */
static gboolean must_be_told(const RuntimeRow *runtime, const ContainerInfo *container)
{
    return g_strcmp0(runtime->warm_container, container->id) == 0 &&
           runtime->warm_started_at_us <= 0;
}

gboolean plan_has_forgotten(const RuntimeRow *runtime, const ContainerInfo *container)
{
    return g_strcmp0(runtime->warm_container, container->id) == 0 &&
           runtime->warm_started_at_us > 0 && container->started_at_us &&
           container->started_at_us != runtime->warm_started_at_us;
}

/* What the image's own check says is not what is said of the workspace. It never ends a container:
 * its agent may be at work. */
static gboolean is_health_news(const PlanInput *input, const ContainerInfo *container)
{
    gboolean is_told = reason_parse(input->runtime->reason) == REASON_HEALTH_CHECK_FAILED;

    if (!is_alive(input) || container->health == HEALTH_STARTING)
        return FALSE;
    if (container->health == HEALTH_UNHEALTHY)
        return !is_told || has_status(input, WORKSPACE_ONLINE);
    return is_told;
}

static Plan plan_running(const PlanInput *input, const ContainerInfo *container)
{
    const RuntimeRow *runtime = input->runtime;
    gint64 settled_at_us = container->started_at_us + PLAN_SETTLED_AFTER_US;

    if (runtime->phase == RUNTIME_PHASE_FROZEN ||
        (was_started(runtime) && is_recorded(runtime, container) && sleeps(input)))
        return act(PLAN_THAW, container, "wished to be awake");
    if (runtime->phase == RUNTIME_FAILED && !is_alive(input))
        return act(PLAN_HALT, container, "has failed");
    if (must_be_told(runtime, container))
        return act(PLAN_HAND_OVER, container, "was taken from the stock");
    if (plan_has_forgotten(runtime, container))
        return act(PLAN_DIED, container, "was restarted without its environment");
    if (!was_started(runtime) || !is_recorded(runtime, container) || has_moved(runtime, container))
        return act(PLAN_ADOPT, container, "runs");
    if (input->is_crash_loop)
        return act(PLAN_CRASH_LOOP, container, "dies again and again");
    if (is_overdue(input))
        return act(PLAN_TIMED_OUT, container, "its agent did not register in time");
    if (input->silent_until_us && input->now_us >= input->silent_until_us)
        return act(PLAN_DIED, container, "its agent is silent");
    if (is_health_news(input, container))
        return act(PLAN_HEALTH, container, "its health check has another result");
    if (runtime->phase == RUNTIME_READY || !is_alive(input) ||
        container->health == HEALTH_UNHEALTHY)
        return rest(earlier(input->provision_deadline_us, input->silent_until_us));
    return input->now_us >= settled_at_us ? act(PLAN_SETTLE, container, "is well")
                                          : rest(settled_at_us);
}

static Plan plan_restarting(const PlanInput *input, const ContainerInfo *container)
{
    if (input->runtime->phase == RUNTIME_FAILED)
        return act(PLAN_HALT, container, "has failed");
    if (!was_started(input->runtime) || !is_recorded(input->runtime, container))
        return act(PLAN_ADOPT, container, "was started"); /* from now on its deaths count */
    if (input->is_crash_loop)
        return act(PLAN_CRASH_LOOP, container, "dies again and again");
    if (is_overdue(input))
        return act(PLAN_TIMED_OUT, container, "its agent did not register in time");
    return rest(input->now_us + RESTARTING_LOOK_US); /* the engine restarts it */
}

static Plan plan_paused(const PlanInput *input, const ContainerInfo *container)
{
    switch (input->runtime->phase) {
    case RUNTIME_PHASE_FROZEN:
        return act(PLAN_THAW, container, "wished to be awake");
    case RUNTIME_BACKOFF:
        return act(PLAN_REMOVE, container, "cannot be thawed");
    default:
        return rest(0); /* by hand; not a death */
    }
}

static Plan plan_exited(const PlanInput *input, const ContainerInfo *container)
{
    gint64 kept_until_us = container->finished_at_us + PLAN_KEEP_FAILED_US;

    if (input->runtime->phase == RUNTIME_PHASE_FROZEN)
        return act(PLAN_REMOVE, container, "ended while it was frozen");
    if (input->runtime->phase == RUNTIME_BACKOFF)
        return act(PLAN_REMOVE, container, "ended");
    if (input->runtime->phase != RUNTIME_FAILED)
        return act(PLAN_DIED, container, "its container ended");
    return input->now_us < kept_until_us ? rest(kept_until_us)
                                         : act(PLAN_REMOVE, container, "failed an hour ago");
}

static Plan plan_dead(const PlanInput *input, const ContainerInfo *container)
{
    if (was_started(input->runtime))
        return act(PLAN_DIED, container, "its container is dead");
    return act(PLAN_REMOVE, container, "is dead");
}

static Plan plan_current(const PlanInput *input, const ContainerInfo *container)
{
    switch (container->state) {
    case CONTAINER_CREATED:
        return container->ever_started ? plan_exited(input, container)
                                       : plan_created(input, container);
    case CONTAINER_RUNNING:
        return plan_running(input, container);
    case CONTAINER_PAUSED:
        return plan_paused(input, container);
    case CONTAINER_RESTARTING:
        return plan_restarting(input, container);
    case CONTAINER_EXITED:
        return plan_exited(input, container);
    case CONTAINER_REMOVING:
    case CONTAINER_DEAD:
        break;
    }
    return plan_dead(input, container);
}

static Plan plan_wished_running(const PlanInput *input)
{
    const ContainerInfo *keeper = plan_keeper(input->runtime, input->containers);
    const ContainerInfo *other = find_other(input->containers, keeper);

    if (!keeper)
        return plan_none(input);
    if (other)
        return act(PLAN_REMOVE, other, "second container of its workspace");
    if (keeper->labels.generation > input->runtime->generation)
        return act(PLAN_RAISE, keeper, "of a later generation");
    if (input->runtime->phase == RUNTIME_BACKOFF &&
        input->now_us < input->runtime->next_attempt_at_us &&
        keeper->labels.generation < input->runtime->generation)
        return rest(input->runtime->next_attempt_at_us); /* it would not go a moment ago */
    if (keeper->labels.generation < input->runtime->generation)
        return act(PLAN_REMOVE, keeper, "of an older generation");
    return plan_current(input, keeper);
}

/* ---- Wished to be frozen ---- */

/* What cannot be frozen is taken away: its workspace sleeps without a container. */
static Plan plan_wished_frozen(const PlanInput *input)
{
    const RuntimeRow *runtime = input->runtime;
    const ContainerInfo *keeper = plan_keeper(runtime, input->containers);
    const ContainerInfo *other = find_other(input->containers, keeper);
    gboolean is_told = !has_status(input, WORKSPACE_HIBERNATING);

    if (!keeper)
        return runtime->phase == RUNTIME_GONE && is_told
                   ? rest(0)
                   : act(PLAN_FINISH, NULL, "nothing is left");
    if (other)
        return act(PLAN_REMOVE, other, "second container of its workspace");
    if (keeper->labels.generation != runtime->generation)
        return act(PLAN_REMOVE, keeper, "of another generation");
    if (keeper->state == CONTAINER_PAUSED && runtime->phase == RUNTIME_PHASE_FROZEN && is_told)
        return rest(0);
    if (keeper->state == CONTAINER_PAUSED || keeper->state == CONTAINER_RUNNING)
        return act(PLAN_FREEZE, keeper, "wished to be frozen");
    return act(PLAN_REMOVE, keeper, "cannot be frozen");
}

/* ---- All wishes ---- */

Plan plan_next(const PlanInput *input)
{
    const RuntimeRow *runtime = input->runtime;

    if (runtime->desired == RUNTIME_RUNNING)
        return plan_wished_running(input);
    if (runtime->desired == RUNTIME_FROZEN)
        return plan_wished_frozen(input);
    if (runtime->phase == RUNTIME_BACKOFF && input->now_us < runtime->next_attempt_at_us)
        return rest(runtime->next_attempt_at_us);
    if (input->containers->len > 0)
        return act(PLAN_REMOVE, input->containers->pdata[0],
                   runtime->desired == RUNTIME_STOPPED ? "wished to be stopped"
                                                       : "its workspace was removed");
    if (runtime->desired == RUNTIME_STOPPED && runtime->phase == RUNTIME_GONE &&
        !has_status(input, WORKSPACE_HIBERNATING))
        return rest(0);
    return act(PLAN_FINISH, NULL, "nothing is left");
}

gboolean plan_is_settled(const PlanInput *input)
{
    return plan_next(input).step == PLAN_REST;
}
