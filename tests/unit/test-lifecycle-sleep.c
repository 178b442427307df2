/* The idle monitor, sleep, wake and the server's own restarts, against a world in memory. */
#include "lifecycle/lifecycle.h"
#include "reconcile-house.h"

typedef struct {
    House house;
    Config config;
    Lifecycle lifecycle;
    StatusSignal *status;
    RestartContexts *contexts;
    Runtimes *runtimes;
    gboolean has_messages;
    atomic_uint sent;
} Fixture;

static gboolean has_messages(const char *workspace_id, void *data)
{
    (void)workspace_id;
    return ((Fixture *)data)->has_messages;
}

static void send_context(const char *workspace_id, char *body, void *data)
{
    (void)workspace_id;
    g_assert_nonnull(strstr(body, "RESTART CONTEXT"));
    atomic_fetch_add(&((Fixture *)data)->sent, 1);
    g_free(body);
}

static void note_repair(const char *workspace_id, void *data)
{
    restart_contexts_note_repair(((Fixture *)data)->contexts, workspace_id);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    House *house = &fixture->house;
    RestartContextOptions contexts = {
        .send = send_context, .note_repair = note_repair, .data = fixture};

    (void)data;
    house_build(house);
    house_open(house);
    fixture->config.hibernate_stop_after_minutes = 60;
    fixture->status = status_signal_new(house->tree, house->events);
    contexts.db = house->db;
    contexts.events = house->events;
    fixture->contexts = restart_contexts_new(&contexts);
    fixture->runtimes = runtimes_new(NULL, NULL, NULL);
    fixture->lifecycle = (Lifecycle){
        .db = house->db,
        .tree = house->tree,
        .tokens = house->tokens,
        .events = house->events,
        .reconciler = house->reconciler,
        .config = &fixture->config,
        .runtimes = fixture->runtimes,
        .status = fixture->status,
        .contexts = fixture->contexts,
        .has_messages = has_messages,
        .data = fixture,
    };
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    (void)data;
    house_clear(&fixture->house);
    runtimes_free(fixture->runtimes);
    restart_contexts_free(fixture->contexts);
    status_signal_free(fixture->status);
}

static void idles_for_5_minutes(WorkspaceRow *row)
{
    row->hibernation_idle_minutes = 5;
}

static void add_running(Fixture *fixture, char id[ID_SIZE])
{
    house_add(&fixture->house, id, idles_for_5_minutes);
    house_settle(&fixture->house, id, house_check_running, 0);
}

static const char *check_frozen(House *house, const char *id)
{
    g_autoptr(RuntimeRow) runtime = house_runtime(house, id);

    if (house_status(house, id) != WORKSPACE_HIBERNATED)
        return "not hibernated";
    return house_container(house, id).state == CONTAINER_PAUSED &&
                   runtime->phase == RUNTIME_PHASE_FROZEN
               ? NULL
               : "not frozen";
}

static const char *check_stopped(House *house, const char *id)
{
    return house_status(house, id) == WORKSPACE_HIBERNATED ? house_check_stopped(house, id)
                                                           : "not hibernated";
}

static void sweep_after(Fixture *fixture, gint64 span_us)
{
    clock_advance(span_us);
    lifecycle_idle_sweep(&fixture->lifecycle);
}

static void beat(Fixture *fixture, const char *id, gint64 active_tasks)
{
    const OrgVitals vitals = {.active_tasks = active_tasks, .heartbeat_at_us = clock_now_us()};

    g_assert_true(org_tree_beat(fixture->house.tree, id, &vitals, NULL));
    g_assert_true(org_tree_flush(fixture->house.tree, NULL));
}

/* ---- The monitor ---- */

/* The chart and the last word of the freeze may come a moment after a sweep; the next one sees
 * them. */
static void sweep_until_stopped(Fixture *fixture, const char *id)
{
    for (guint i = 0; i < 200 && check_stopped(&fixture->house, id); i++) {
        g_usleep(5000);
        sweep_after(fixture, 30 * CLOCK_SECOND_US);
    }
    house_settle(&fixture->house, id, check_stopped, 0);
}

static void test_idle_freezes_then_stops(Fixture *fixture, gconstpointer data)
{
    House *house = &fixture->house;
    char id[ID_SIZE] = "";

    (void)data;
    add_running(fixture, id);
    sweep_after(fixture, 4 * CLOCK_MINUTE_US);
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_ONLINE);
    sweep_after(fixture, 61 * CLOCK_SECOND_US);
    house_settle(house, id, check_frozen, 0);
    sweep_after(fixture, 59 * CLOCK_MINUTE_US);
    g_assert_null(check_frozen(house, id));
    sweep_after(fixture, 2 * CLOCK_MINUTE_US);
    sweep_until_stopped(fixture, id);
    g_assert_cmpuint(house_count_volumes(house, id), ==, 2);
    house_wait_told(house, "WORKSPACE_HIBERNATED", 1);
    lifecycle_wake(&fixture->lifecycle, id);
    house_settle(house, id, house_check_running, 0);
    g_assert_cmpuint(atomic_load(&fixture->sent), ==, 0); /* a wake is no restart */
}

static void test_what_counts_as_activity(Fixture *fixture, gconstpointer data)
{
    House *house = &fixture->house;
    char id[ID_SIZE] = "";

    (void)data;
    add_running(fixture, id);
    clock_advance(4 * CLOCK_MINUTE_US);
    org_tree_touch_activity(house->tree, id, FALSE);
    g_assert_true(org_tree_flush(house->tree, NULL));
    sweep_after(fixture, 4 * CLOCK_MINUTE_US);
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_ONLINE);
    beat(fixture, id, 1);
    sweep_after(fixture, CLOCK_HOUR_US); /* works for an hour */
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_ONLINE);
    beat(fixture, id, 1);
    beat(fixture, id, 0);
    sweep_after(fixture, 4 * CLOCK_MINUTE_US);
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_ONLINE);
    fixture->has_messages = TRUE;
    sweep_after(fixture, 4 * CLOCK_MINUTE_US);
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_ONLINE);
    fixture->has_messages = FALSE;
    lifecycle_idle_sweep(&fixture->lifecycle);
    house_settle(house, id, check_frozen, 0);
    lifecycle_wake(&fixture->lifecycle, id);
    house_settle(house, id, house_check_running, 0);
    lifecycle_idle_sweep(&fixture->lifecycle); /* coming online counts */
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_ONLINE);
}

static void test_half_asleep_is_finished(Fixture *fixture, gconstpointer data)
{
    House *house = &fixture->house;
    char id[ID_SIZE] = "";

    (void)data;
    add_running(fixture, id);
    world_write(house->world, &house->world->is_down, TRUE);
    sweep_after(fixture, 6 * CLOCK_MINUTE_US);
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_HIBERNATING);
    sweep_after(fixture, 3 * CLOCK_MINUTE_US);
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_HIBERNATED);
    house_wait_told(house, "WORKSPACE_HIBERNATED", 1);
    world_write(house->world, &house->world->is_down, FALSE);
    for (guint i = 0; i < 2000 && check_frozen(house, id); i++) {
        clock_advance(CLOCK_SECOND_US);
        reconciler_poke(house->reconciler, id);
        g_usleep(5000);
    }
    g_assert_null(check_frozen(house, id));
}

static void test_never_frozen_when_so_configured(Fixture *fixture, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    fixture->config.hibernate_stop_after_minutes = 0;
    add_running(fixture, id);
    sweep_after(fixture, 6 * CLOCK_MINUTE_US);
    house_settle(&fixture->house, id, check_stopped, 0);
}

/* ---- Asked for ---- */

static void test_hibernate_tells_the_truth(Fixture *fixture, gconstpointer data)
{
    WorkspaceHibernated hibernated = {0};
    g_autoptr(GError) error = NULL;
    char id[ID_SIZE] = "";

    (void)data;
    add_running(fixture, id);
    beat(fixture, id, 2);
    g_assert_true(lifecycle_hibernate(&fixture->lifecycle, id, FALSE, &hibernated, &error));
    g_assert_cmpint(hibernated.active_tasks, ==, 2);
    g_assert_true(lifecycle_hibernate(&fixture->lifecycle, id, TRUE, &hibernated, &error));
    g_assert_cmpint(hibernated.status, ==, WORKSPACE_HIBERNATED);
    house_settle(&fixture->house, id, check_stopped, 0);
    g_assert_false(lifecycle_hibernate(&fixture->lifecycle, id, TRUE, &hibernated, &error));
    g_assert_true(error_is(error, ERROR_NOT_FOUND));
    lifecycle_wake(&fixture->lifecycle, id);
    house_settle(&fixture->house, id, house_check_running, 0);
    beat(fixture, id, 0);
    fixture->has_messages = TRUE; /* one passed the check in the last moment */
    g_clear_error(&error);
    if (lifecycle_hibernate(&fixture->lifecycle, id, FALSE, &hibernated, &error))
        g_assert_cmpint(hibernated.status, ==,
                        WORKSPACE_HIBERNATED); /* for a moment, before it woke */
    else
        g_assert_true(error_is(error, ERROR_CONFLICT));
    house_settle(&fixture->house, id, house_check_running, 0);
}

/* Its agent registered, and the reconciler has not written down yet that it was started. */
static void test_a_start_not_yet_recorded(Fixture *fixture, gconstpointer data)
{
    static const char sql[] =
        "UPDATE workspace_runtime SET phase = 'seeded' WHERE workspace_id = $1";
    House *house = &fixture->house;
    g_autoptr(RuntimeRow) runtime = NULL;
    WorkspaceHibernated hibernated = {0};
    char id[ID_SIZE] = "";

    (void)data;
    add_running(fixture, id);
    g_assert_true(db_exec(house->db, sql, NULL, NULL, DB_TEXT(id)));
    g_assert_true(lifecycle_hibernate(&fixture->lifecycle, id, FALSE, &hibernated, NULL));
    house_settle(house, id, check_frozen, 0);
    lifecycle_wake(&fixture->lifecycle, id);
    house_settle(house, id, house_check_running, 0);
    fixture->has_messages = TRUE; /* and it is woken in the same moment */
    g_assert_true(db_exec(house->db, sql, NULL, NULL, DB_TEXT(id)));
    (void)lifecycle_hibernate(&fixture->lifecycle, id, FALSE, &hibernated, NULL);
    house_settle(house, id, house_check_running, 0);
    runtime = house_runtime(house, id);
    g_assert_cmpint(runtime->generation, ==, 1);
    g_assert_cmpuint(world_read(house->world, &house->world->starts), ==, 1);
}

typedef struct {
    Fixture *fixture;
    const char *id;
} Waker;

static void wake_it(void *data)
{
    Waker *waker = data;

    lifecycle_wake(&waker->fixture->lifecycle, waker->id);
}

static void test_many_wakes_make_one(Fixture *fixture, gconstpointer data)
{
    House *house = &fixture->house;
    WorkspaceHibernated hibernated = {0};
    Waker waker = {.fixture = fixture};
    char id[ID_SIZE] = "";
    guint starts = 0;

    (void)data;
    add_running(fixture, id);
    waker.id = id;
    for (guint force = 0; force <= 1; force++) {
        Thread *threads[8];
        g_assert_true(lifecycle_hibernate(&fixture->lifecycle, id, force, &hibernated, NULL));
        g_assert_cmpint(hibernated.status, ==, WORKSPACE_HIBERNATED);
        starts = world_read(house->world, &house->world->starts);
        for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
            threads[i] = thread_start("waker", wake_it, &waker);
        for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
            thread_join(threads[i]);
        house_settle(house, id, house_check_running, 0);
        g_assert_cmpuint(world_read(house->world, &house->world->starts), ==, starts + force);
    }
    house_wait_told(house, "WORKSPACE_PROVISIONING", 1);
}

/* ---- The server's own restarts ---- */

static void test_no_repair_is_lost(Fixture *fixture, gconstpointer data)
{
    House *house = &fixture->house;
    char id[ID_SIZE] = "";
    g_autoptr(RuntimeRow) runtime = NULL;
    WorldContainer container;
    gboolean changed = FALSE;

    (void)data;
    add_running(fixture, id);
    for (guint i = 0; i < 20; i++) {
        g_autofree char *value = g_strdup_printf("%u", i);
        g_assert_true(store_secret_put(house->db, id, "N", value, strlen(value), 0, NULL));
        g_assert_true(lifecycle_repair(&fixture->lifecycle, id, "a secret", &changed, NULL));
        g_assert_true(changed);
    }
    house_settle(house, id, house_check_running, 0);
    runtime = house_runtime(house, id);
    g_assert_cmpint(runtime->generation, ==, 21);
    container = house_container(house, id);
    g_assert_nonnull(strstr(container.environment, "N=19\n"));
}

/* As a registration tells it. */
static void tell_online(Fixture *fixture, const char *id)
{
    events_announce(fixture->house.events, "WORKSPACE_ONLINE", id, "{}", clock_now_us());
}

static void test_a_restarted_agent_is_told_once(Fixture *fixture, gconstpointer data)
{
    House *house = &fixture->house;
    char id[ID_SIZE] = "";

    (void)data;
    add_running(fixture, id);
    tell_online(fixture, id);
    g_assert_cmpuint(atomic_load(&fixture->sent), ==, 0); /* not after its first start */
    g_assert_true(lifecycle_repair(&fixture->lifecycle, id, "test", NULL, NULL));
    house_settle(house, id, house_check_running, 0);
    tell_online(fixture, id);
    tell_online(fixture, id);
    g_assert_cmpuint(atomic_load(&fixture->sent), ==, 1);
    house->agents_are_mute = TRUE;
    world_kill(house->world, house_container(house, id).id);
    house_wait_told(house, "WORKSPACE_PROVISIONING", 2);
    house->agents_are_mute = FALSE;
    house_settle(house, id, house_check_running, 0);
    tell_online(fixture, id);
    g_assert_cmpuint(atomic_load(&fixture->sent), ==, 2);
    clock_advance(CLOCK_DAY_US);
    tell_online(fixture, id);
    g_assert_cmpuint(atomic_load(&fixture->sent), ==, 2);
}

static void test_repair_leaves_sleepers_and_paused_alone(Fixture *fixture, gconstpointer data)
{
    House *house = &fixture->house;
    WorkspaceHibernated hibernated = {0};
    char id[ID_SIZE] = "", unknown[ID_SIZE];
    gboolean changed = TRUE;
    guint count = 0;

    (void)data;
    id_make(unknown);
    add_running(fixture, id);
    g_assert_true(lifecycle_hibernate(&fixture->lifecycle, id, FALSE, &hibernated, NULL));
    g_assert_true(lifecycle_repair(&fixture->lifecycle, id, "test", &changed, NULL));
    g_assert_false(changed);
    g_assert_true(lifecycle_pause(&fixture->lifecycle, id, &count, NULL));
    g_assert_true(lifecycle_repair(&fixture->lifecycle, id, "test", &changed, NULL));
    g_assert_false(changed);
    g_assert_true(lifecycle_repair(&fixture->lifecycle, unknown, "test", &changed, NULL));
    g_assert_false(changed);
    house_settle(house, id, house_check_stopped, 0);
}

#define ADD(path_, function_)                                                                      \
    g_test_add("/lifecycle/sleep/" path_, Fixture, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_setup(g_getenv("RECONCILE_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    ADD("idle-freezes-then-stops", test_idle_freezes_then_stops);
    ADD("what-counts-as-activity", test_what_counts_as_activity);
    ADD("half-asleep-is-finished", test_half_asleep_is_finished);
    ADD("never-frozen-when-so-configured", test_never_frozen_when_so_configured);
    ADD("hibernate-tells-the-truth", test_hibernate_tells_the_truth);
    ADD("a-start-not-yet-recorded", test_a_start_not_yet_recorded);
    ADD("many-wakes-make-one", test_many_wakes_make_one);
    ADD("no-repair-is-lost", test_no_repair_is_lost);
    ADD("a-restarted-agent-is-told-once", test_a_restarted_agent_is_told_once);
    ADD("repair-leaves-sleepers-and-paused-alone", test_repair_leaves_sleepers_and_paused_alone);
    return g_test_run();
}
