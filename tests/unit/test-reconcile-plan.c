/* The decision table, row by row. */
#include "base/clock.h"
#include "reconcile/plan.h"

#define NOW 1000000000000
#define ID  "7c9e6679-7425-40de-944b-e07fc1f90ae7"

typedef struct {
    const char *name;
    RuntimeDesired desired;
    RuntimePhase phase;
    WorkspaceStatus status;
    /* The container: generation 0 is none; the row is of generation 5 and has recorded "c". */
    gint64 generation;
    ContainerState state;
    const char *id; /* NULL: "c" */
    gint64 finished_ago_us;
    gint64 started_ago_us;
    gint64 next_attempt_in_us;
    gint64 deadline_in_us; /* 0: none */
    gint64 silent_in_us;   /* 0: not silent */
    gboolean is_crash_loop;
    PlanStep expected;
    gint64 again_in_us; /* of PLAN_REST; 0: when asked */
} Case;

#define RUN  RUNTIME_RUNNING
#define FRZ  RUNTIME_FROZEN
#define MIN_ CLOCK_MINUTE_US

static const Case cases[] = {
    /* Nothing is there. */
    {"pending starts", RUN, RUNTIME_PENDING, WORKSPACE_PROVISIONING, .expected = PLAN_START},
    {"pulling was cut off", RUN, RUNTIME_PULLING, WORKSPACE_PROVISIONING, .expected = PLAN_START},
    {"overdue but never tried", RUN, RUNTIME_PENDING, WORKSPACE_PROVISIONING, .deadline_in_us = -1,
     .expected = PLAN_START},
    {"started is gone", RUN, RUNTIME_STARTED, WORKSPACE_ONLINE, .expected = PLAN_DIED},
    {"ready is gone", RUN, RUNTIME_READY, WORKSPACE_ONLINE, .expected = PLAN_DIED},
    {"failed rests", RUN, RUNTIME_FAILED, WORKSPACE_FAILED, .expected = PLAN_REST},
    {"back-off waits", RUN, RUNTIME_BACKOFF, WORKSPACE_OFFLINE, .next_attempt_in_us = MIN_,
     .expected = PLAN_REST, .again_in_us = MIN_},
    {"back-off waits no longer than its deadline", RUN, RUNTIME_BACKOFF, WORKSPACE_PROVISIONING,
     .next_attempt_in_us = 2 * MIN_, .deadline_in_us = MIN_, .expected = PLAN_REST,
     .again_in_us = MIN_},
    {"back-off is over its deadline", RUN, RUNTIME_BACKOFF, WORKSPACE_PROVISIONING,
     .next_attempt_in_us = MIN_, .deadline_in_us = -1, .expected = PLAN_TIMED_OUT},
    {"back-off is due", RUN, RUNTIME_BACKOFF, WORKSPACE_OFFLINE, .next_attempt_in_us = -1,
     .expected = PLAN_START},
    /* Of another generation. */
    {"older is removed", RUN, RUNTIME_PENDING, WORKSPACE_PROVISIONING, 4, CONTAINER_RUNNING,
     .expected = PLAN_REMOVE},
    {"newer raises the row", RUN, RUNTIME_READY, WORKSPACE_ONLINE, 6, CONTAINER_RUNNING,
     .expected = PLAN_RAISE},
    /* Created. */
    {"created goes on", RUN, RUNTIME_CREATED, WORKSPACE_PROVISIONING, 5, CONTAINER_CREATED,
     .expected = PLAN_SEED},
    {"created, but never recorded", RUN, RUNTIME_PULLING, WORKSPACE_PROVISIONING, 5,
     CONTAINER_CREATED, .id = "d", .expected = PLAN_SEED},
    {"seeded goes on", RUN, RUNTIME_SEEDED, WORKSPACE_PROVISIONING, 5, CONTAINER_CREATED,
     .expected = PLAN_LAUNCH},
    {"another one was seeded", RUN, RUNTIME_SEEDED, WORKSPACE_PROVISIONING, 5, CONTAINER_CREATED,
     .id = "d", .expected = PLAN_REMOVE},
    {"left by a failure", RUN, RUNTIME_BACKOFF, WORKSPACE_PROVISIONING, 5, CONTAINER_CREATED,
     .next_attempt_in_us = MIN_, .expected = PLAN_REMOVE},
    {"left by the last failure", RUN, RUNTIME_FAILED, WORKSPACE_FAILED, 5, CONTAINER_CREATED,
     .expected = PLAN_REMOVE},
    /* Running. */
    {"not yet recorded", RUN, RUNTIME_SEEDED, WORKSPACE_PROVISIONING, 5, CONTAINER_RUNNING,
     .expected = PLAN_ADOPT},
    {"another one is recorded", RUN, RUNTIME_READY, WORKSPACE_ONLINE, 5, CONTAINER_RUNNING,
     .id = "d", .expected = PLAN_ADOPT},
    {"waits for its agent", RUN, RUNTIME_STARTED, WORKSPACE_PROVISIONING, 5, CONTAINER_RUNNING,
     .deadline_in_us = MIN_, .expected = PLAN_REST, .again_in_us = MIN_},
    {"waited long enough", RUN, RUNTIME_STARTED, WORKSPACE_PROVISIONING, 5, CONTAINER_RUNNING,
     .deadline_in_us = -1, .expected = PLAN_TIMED_OUT},
    {"well for a while", RUN, RUNTIME_STARTED, WORKSPACE_ONLINE, 5, CONTAINER_RUNNING,
     .started_ago_us = 10 * CLOCK_SECOND_US, .expected = PLAN_REST,
     .again_in_us = 50 * CLOCK_SECOND_US},
    {"well for long", RUN, RUNTIME_STARTED, WORKSPACE_ONLINE, 5, CONTAINER_RUNNING,
     .started_ago_us = MIN_, .expected = PLAN_SETTLE},
    {"settled", RUN, RUNTIME_READY, WORKSPACE_DEGRADED, 5, CONTAINER_RUNNING,
     .expected = PLAN_REST},
    {"crash loop", RUN, RUNTIME_STARTED, WORKSPACE_OFFLINE, 5, CONTAINER_RUNNING,
     .is_crash_loop = TRUE, .expected = PLAN_CRASH_LOOP},
    {"silent for a while", RUN, RUNTIME_READY, WORKSPACE_OFFLINE, 5, CONTAINER_RUNNING,
     .silent_in_us = MIN_, .expected = PLAN_REST, .again_in_us = MIN_},
    {"silent for good", RUN, RUNTIME_READY, WORKSPACE_OFFLINE, 5, CONTAINER_RUNNING,
     .silent_in_us = -1, .expected = PLAN_DIED},
    {"failed, still running", RUN, RUNTIME_FAILED, WORKSPACE_FAILED, 5, CONTAINER_RUNNING,
     .expected = PLAN_HALT},
    {"registered after it had failed", RUN, RUNTIME_FAILED, WORKSPACE_ONLINE, 5, CONTAINER_RUNNING,
     .expected = PLAN_ADOPT},
    /* Other states. */
    {"frozen by hand", RUN, RUNTIME_READY, WORKSPACE_ONLINE, 5, CONTAINER_PAUSED,
     .expected = PLAN_REST},
    {"restarted by the engine", RUN, RUNTIME_STARTED, WORKSPACE_PROVISIONING, 5,
     CONTAINER_RESTARTING, .deadline_in_us = MIN_, .expected = PLAN_REST,
     .again_in_us = 5 * CLOCK_SECOND_US},
    {"died before it was seen", RUN, RUNTIME_SEEDED, WORKSPACE_PROVISIONING, 5,
     CONTAINER_RESTARTING, .expected = PLAN_ADOPT},
    {"restarted again and again", RUN, RUNTIME_STARTED, WORKSPACE_PROVISIONING, 5,
     CONTAINER_RESTARTING, .is_crash_loop = TRUE, .expected = PLAN_CRASH_LOOP},
    {"ended", RUN, RUNTIME_READY, WORKSPACE_ONLINE, 5, CONTAINER_EXITED, .expected = PLAN_DIED},
    {"ended before it was seen", RUN, RUNTIME_SEEDED, WORKSPACE_PROVISIONING, 5, CONTAINER_EXITED,
     .expected = PLAN_DIED},
    {"ended and counted", RUN, RUNTIME_BACKOFF, WORKSPACE_OFFLINE, 5, CONTAINER_EXITED,
     .expected = PLAN_REMOVE},
    {"failed, kept", RUN, RUNTIME_FAILED, WORKSPACE_FAILED, 5, CONTAINER_EXITED,
     .finished_ago_us = 10 * MIN_, .expected = PLAN_REST, .again_in_us = 50 * MIN_},
    {"failed, kept long enough", RUN, RUNTIME_FAILED, WORKSPACE_FAILED, 5, CONTAINER_EXITED,
     .finished_ago_us = 60 * MIN_, .expected = PLAN_REMOVE},
    {"dead", RUN, RUNTIME_READY, WORKSPACE_ONLINE, 5, CONTAINER_DEAD, .expected = PLAN_DIED},
    {"dead and counted", RUN, RUNTIME_BACKOFF, WORKSPACE_OFFLINE, 5, CONTAINER_DEAD,
     .expected = PLAN_REMOVE},
    {"removing", RUN, RUNTIME_BACKOFF, WORKSPACE_OFFLINE, 5, CONTAINER_REMOVING,
     .expected = PLAN_REMOVE},
    /* Not wished to run. */
    {"stopped, running", RUNTIME_STOPPED, RUNTIME_PENDING, WORKSPACE_PAUSED, 4, CONTAINER_RUNNING,
     .expected = PLAN_REMOVE},
    {"stopped, newer", RUNTIME_STOPPED, RUNTIME_PENDING, WORKSPACE_PAUSED, 9, CONTAINER_RUNNING,
     .expected = PLAN_REMOVE},
    {"stopped, nothing left", RUNTIME_STOPPED, RUNTIME_PENDING, WORKSPACE_PAUSED,
     .expected = PLAN_FINISH},
    {"stopped and known", RUNTIME_STOPPED, RUNTIME_GONE, WORKSPACE_PAUSED, .expected = PLAN_REST},
    {"hibernating ends", RUNTIME_STOPPED, RUNTIME_GONE, WORKSPACE_HIBERNATING,
     .expected = PLAN_FINISH},
    {"stop failed, waits", RUNTIME_STOPPED, RUNTIME_BACKOFF, WORKSPACE_PAUSED, 4, CONTAINER_RUNNING,
     .next_attempt_in_us = MIN_, .expected = PLAN_REST, .again_in_us = MIN_},
    {"absent, running", RUNTIME_ABSENT, RUNTIME_PENDING, WORKSPACE_REMOVED, 4, CONTAINER_RUNNING,
     .expected = PLAN_REMOVE},
    {"absent, nothing left", RUNTIME_ABSENT, RUNTIME_PENDING, WORKSPACE_REMOVED,
     .expected = PLAN_FINISH},
    /* Wished to be frozen, and to be awake again. */
    {"runs, to be frozen", FRZ, RUNTIME_READY, WORKSPACE_HIBERNATING, 5, CONTAINER_RUNNING,
     .expected = PLAN_FREEZE},
    {"halted, not yet told", FRZ, RUNTIME_PHASE_FROZEN, WORKSPACE_HIBERNATING, 5, CONTAINER_PAUSED,
     .expected = PLAN_FREEZE},
    {"frozen", FRZ, RUNTIME_PHASE_FROZEN, WORKSPACE_HIBERNATED, 5, CONTAINER_PAUSED,
     .expected = PLAN_REST},
    {"frozen, and started by the engine", FRZ, RUNTIME_PHASE_FROZEN, WORKSPACE_HIBERNATED, 5,
     CONTAINER_RUNNING, .expected = PLAN_FREEZE},
    {"frozen, and silent for ever", FRZ, RUNTIME_PHASE_FROZEN, WORKSPACE_HIBERNATED, 5,
     CONTAINER_PAUSED, .silent_in_us = -1, .is_crash_loop = TRUE, .expected = PLAN_REST},
    {"ended while frozen", FRZ, RUNTIME_PHASE_FROZEN, WORKSPACE_HIBERNATED, 5, CONTAINER_EXITED,
     .expected = PLAN_REMOVE},
    {"older, to be frozen", FRZ, RUNTIME_READY, WORKSPACE_HIBERNATING, 4, CONTAINER_RUNNING,
     .expected = PLAN_REMOVE},
    {"vanished while frozen", FRZ, RUNTIME_PHASE_FROZEN, WORKSPACE_HIBERNATED,
     .expected = PLAN_FINISH},
    {"vanished and known", FRZ, RUNTIME_GONE, WORKSPACE_HIBERNATED, .expected = PLAN_REST},
    {"to be thawed", RUN, RUNTIME_PHASE_FROZEN, WORKSPACE_HIBERNATED, 5, CONTAINER_PAUSED,
     .expected = PLAN_THAW},
    {"thawed, not yet told", RUN, RUNTIME_PHASE_FROZEN, WORKSPACE_HIBERNATED, 5, CONTAINER_RUNNING,
     .expected = PLAN_THAW},
    {"woken before it was frozen", RUN, RUNTIME_READY, WORKSPACE_HIBERNATING, 5, CONTAINER_RUNNING,
     .expected = PLAN_THAW},
    {"nothing to thaw", RUN, RUNTIME_PHASE_FROZEN, WORKSPACE_HIBERNATED, .expected = PLAN_START},
    {"died while frozen", RUN, RUNTIME_PHASE_FROZEN, WORKSPACE_HIBERNATED, 5, CONTAINER_EXITED,
     .expected = PLAN_REMOVE},
    {"could not be thawed", RUN, RUNTIME_BACKOFF, WORKSPACE_HIBERNATED, 5, CONTAINER_PAUSED,
     .expected = PLAN_REMOVE},
    {"frozen for long", RUNTIME_STOPPED, RUNTIME_PHASE_FROZEN, WORKSPACE_HIBERNATED, 5,
     CONTAINER_PAUSED, .expected = PLAN_REMOVE},
    {"absent, intents left", RUNTIME_ABSENT, RUNTIME_GONE, WORKSPACE_REMOVED,
     .expected = PLAN_FINISH},
};

static void check(const Case *one)
{
    g_autoptr(GPtrArray) containers = g_ptr_array_new();
    ContainerInfo container = {
        .id = (char *)(one->id ? one->id : "c"),
        .state = one->state,
        .ever_started = one->state != CONTAINER_CREATED,
        .started_at_us = NOW - one->started_ago_us,
        .finished_at_us = NOW - one->finished_ago_us,
        .labels.generation = one->generation,
    };
    RuntimeRow runtime = {
        .workspace_id = ID,
        .desired = one->desired,
        .generation = 5,
        .phase = one->phase,
        .container_id = (char *)"c",
        .next_attempt_at_us = one->next_attempt_in_us ? NOW + one->next_attempt_in_us : 0,
    };
    WorkspaceRow workspace = {.id = ID, .status = one->status};
    PlanInput input = {
        .runtime = &runtime,
        .workspace = &workspace,
        .containers = containers,
        .provision_deadline_us = one->deadline_in_us ? NOW + one->deadline_in_us : 0,
        .silent_until_us = one->silent_in_us ? NOW + one->silent_in_us : 0,
        .is_crash_loop = one->is_crash_loop,
        .now_us = NOW,
    };
    Plan plan;

    if (one->generation)
        g_ptr_array_add(containers, &container);
    plan = plan_next(&input);
    if (plan.step != one->expected)
        g_error("%s: step %d in place of %d", one->name, (int)plan.step, (int)one->expected);
    if (plan.step == PLAN_REST)
        g_assert_cmpint(plan.again_at_us, ==, one->again_in_us ? NOW + one->again_in_us : 0);
    g_assert_cmpint(plan_is_settled(&input), ==, plan.step == PLAN_REST);
    g_assert_true(plan.step == PLAN_REST || plan.reason);
}

/* What the image's own check says, and what was said of it. */
static void test_health(void)
{
    static const struct {
        ContainerHealth health;
        WorkspaceStatus status;
        RuntimePhase phase;
        gboolean is_told;
        PlanStep expected;
    } rows[] = {
        {HEALTH_UNHEALTHY, WORKSPACE_ONLINE, RUNTIME_READY, FALSE, PLAN_HEALTH},
        {HEALTH_UNHEALTHY, WORKSPACE_ONLINE, RUNTIME_READY, TRUE, PLAN_HEALTH}, /* it came back */
        {HEALTH_UNHEALTHY, WORKSPACE_DEGRADED, RUNTIME_READY, FALSE, PLAN_HEALTH},
        {HEALTH_UNHEALTHY, WORKSPACE_DEGRADED, RUNTIME_READY, TRUE, PLAN_REST},
        {HEALTH_UNHEALTHY, WORKSPACE_DEGRADED, RUNTIME_STARTED, TRUE, PLAN_REST},
        {HEALTH_UNHEALTHY, WORKSPACE_PROVISIONING, RUNTIME_STARTED, FALSE, PLAN_REST},
        {HEALTH_UNHEALTHY, WORKSPACE_OFFLINE, RUNTIME_READY, TRUE, PLAN_REST},
        {HEALTH_STARTING, WORKSPACE_DEGRADED, RUNTIME_READY, TRUE, PLAN_REST},
        {HEALTH_HEALTHY, WORKSPACE_DEGRADED, RUNTIME_READY, TRUE, PLAN_HEALTH},
        {HEALTH_NONE, WORKSPACE_DEGRADED, RUNTIME_READY, TRUE, PLAN_HEALTH},
        {HEALTH_HEALTHY, WORKSPACE_DEGRADED, RUNTIME_READY, FALSE, PLAN_REST},
        {HEALTH_HEALTHY, WORKSPACE_ONLINE, RUNTIME_STARTED, FALSE, PLAN_SETTLE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GPtrArray) containers = g_ptr_array_new();
        ContainerInfo container = {.id = (char *)"c",
                                   .state = CONTAINER_RUNNING,
                                   .ever_started = TRUE,
                                   .started_at_us = NOW - 2 * PLAN_SETTLED_AFTER_US,
                                   .health = rows[i].health,
                                   .labels.generation = 5};
        RuntimeRow runtime = {.desired = RUNTIME_RUNNING,
                              .generation = 5,
                              .phase = rows[i].phase,
                              .container_id = (char *)"c",
                              .reason = (char *)(rows[i].is_told ? "health_check_failed" : NULL)};
        WorkspaceRow workspace = {.id = ID, .status = rows[i].status};
        PlanInput input = {
            .runtime = &runtime, .workspace = &workspace, .containers = containers, .now_us = NOW};

        g_test_message("row %u", i);
        g_ptr_array_add(containers, &container);
        g_assert_cmpint(plan_next(&input).step, ==, rows[i].expected);
    }
}

static void test_each_row(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        check(&cases[i]);
}

static void test_of_several_the_recorded_one_stays(void)
{
    RuntimeRow runtime = {.workspace_id = ID,
                          .desired = RUNTIME_RUNNING,
                          .generation = 5,
                          .phase = RUNTIME_READY,
                          .container_id = (char *)"b"};
    ContainerInfo a = {.id = (char *)"a", .state = CONTAINER_EXITED, .created_at_us = 3};
    ContainerInfo b = {.id = (char *)"b", .state = CONTAINER_EXITED, .created_at_us = 1};
    ContainerInfo c = {.id = (char *)"c", .state = CONTAINER_RUNNING, .created_at_us = 2};
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    PlanInput input = {.runtime = &runtime, .containers = all, .now_us = NOW};

    g_assert_null(plan_keeper(&runtime, all));
    g_ptr_array_add(all, &a);
    g_ptr_array_add(all, &b);
    g_ptr_array_add(all, &c);
    g_assert_true(plan_keeper(&runtime, all) == &b);
    g_assert_cmpint(plan_next(&input).step, ==, PLAN_REMOVE);
    g_assert_true(plan_next(&input).container != &b);
    runtime.container_id = NULL;
    g_assert_true(plan_keeper(&runtime, all) == &c);
    g_ptr_array_remove(all, &c);
    g_assert_true(plan_keeper(&runtime, all) == &a);
}

static void test_a_moved_port_is_published_again(void)
{
    RuntimeRow runtime = {.workspace_id = ID,
                          .desired = RUNTIME_RUNNING,
                          .generation = 5,
                          .phase = RUNTIME_READY,
                          .container_id = (char *)"c",
                          .address = (char *)"http://127.0.0.1:1"};
    ContainerInfo container = {.id = (char *)"c",
                               .state = CONTAINER_RUNNING,
                               .address = (char *)"127.0.0.1:1",
                               .labels.generation = 5};
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    PlanInput input = {.runtime = &runtime, .containers = all, .now_us = NOW};

    g_ptr_array_add(all, &container);
    g_assert_cmpint(plan_next(&input).step, ==, PLAN_REST);
    container.address = (char *)"127.0.0.1:2";
    g_assert_cmpint(plan_next(&input).step, ==, PLAN_ADOPT);
    container.address = NULL; /* from a listing */
    g_assert_cmpint(plan_next(&input).step, ==, PLAN_REST);
}

/* The container of the stock is told once, and in that run only. */
static void test_a_container_of_the_stock_is_told_once(void)
{
    RuntimeRow runtime = {.workspace_id = ID,
                          .desired = RUNTIME_RUNNING,
                          .generation = 5,
                          .phase = RUNTIME_READY,
                          .container_id = (char *)"c",
                          .warm_container = (char *)"c"};
    ContainerInfo container = {
        .id = (char *)"c", .state = CONTAINER_RUNNING, .started_at_us = 7, .labels.generation = 5};
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    PlanInput input = {.runtime = &runtime, .containers = all, .now_us = NOW};

    g_ptr_array_add(all, &container);
    g_assert_cmpint(plan_next(&input).step, ==, PLAN_HAND_OVER);
    runtime.warm_started_at_us = -1; /* begun, and cut off */
    g_assert_cmpint(plan_next(&input).step, ==, PLAN_HAND_OVER);
    runtime.warm_started_at_us = 7;
    g_assert_cmpint(plan_next(&input).step, ==, PLAN_REST);
    container.started_at_us = 8;
    g_assert_cmpint(plan_next(&input).step, ==, PLAN_DIED);
    container.started_at_us = 0; /* from a listing */
    g_assert_cmpint(plan_next(&input).step, ==, PLAN_REST);
    container.started_at_us = 8;
    runtime.container_id = container.id = (char *)"d"; /* its own by now */
    g_assert_cmpint(plan_next(&input).step, ==, PLAN_REST);
}

static void test_back_off_doubles_up_to_ten_minutes(void)
{
    g_assert_cmpint(plan_back_off_us(0), ==, 5 * CLOCK_SECOND_US);
    g_assert_cmpint(plan_back_off_us(1), ==, 10 * CLOCK_SECOND_US);
    g_assert_cmpint(plan_back_off_us(3), ==, 40 * CLOCK_SECOND_US);
    g_assert_cmpint(plan_back_off_us(7), ==, 10 * CLOCK_MINUTE_US);
    g_assert_cmpint(plan_back_off_us(G_MAXINT64), ==, 10 * CLOCK_MINUTE_US);
}

/* A removal that had failed for long came ten minutes after the engine was well again. */
static void test_what_shall_go_is_tried_every_minute(void)
{
    g_assert_cmpint(plan_removal_back_off_us(3), ==, 40 * CLOCK_SECOND_US);
    g_assert_cmpint(plan_removal_back_off_us(4), ==, CLOCK_MINUTE_US);
    g_assert_cmpint(plan_removal_back_off_us(G_MAXINT64), ==, CLOCK_MINUTE_US);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/reconcile/plan/health", test_health);
    g_test_add_func("/reconcile/each-row-of-the-table", test_each_row);
    g_test_add_func("/reconcile/what-shall-go-is-tried-every-minute",
                    test_what_shall_go_is_tried_every_minute);
    g_test_add_func("/reconcile/of-several-the-recorded-one-stays",
                    test_of_several_the_recorded_one_stays);
    g_test_add_func("/reconcile/a-moved-port-is-published-again",
                    test_a_moved_port_is_published_again);
    g_test_add_func("/reconcile/a-container-of-the-stock-is-told-once",
                    test_a_container_of_the_stock_is_told_once);
    g_test_add_func("/reconcile/back-off-doubles-up-to-ten-minutes",
                    test_back_off_doubles_up_to_ten_minutes);
    return g_test_run();
}
