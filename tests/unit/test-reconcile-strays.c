/* Whose is what an engine holds: ours, somebody else's, or nobody's. */
#include "reconcile-house.h"
#include "reconcile/internal.h"

#include <string.h>

#define FOREIGN "99999999-0000-4000-8000-000000000001"

static void set_up(House *house, gconstpointer data)
{
    (void)data;
    house_build(house);
    house->pass_interval_ms = 30000;
}

static void tear_down(House *house, gconstpointer data)
{
    (void)data;
    house_clear(house);
}

static void wait_held(House *house, gboolean held)
{
    ReconcilerStatus status = {0};

    for (guint i = 0; i < 5000; i++) {
        reconciler_status(house->reconciler, &status);
        if (status.held == held && (held || status.last_pass_us))
            break;
        g_usleep(1000);
    }
    g_assert_cmpint(status.held, ==, held);
    g_assert_true((status.held_why != NULL) == held);
    g_assert_true((status.held_since_us != 0) == held);
}

static void stray(House *house, const char *name, const char *workspace, const char *installation)
{
    EngineLabels labels = {.installation = (char *)installation,
                           .workspace = (char *)workspace,
                           .kind = (char *)ENGINE_KIND_WORKSPACE,
                           .generation = 1};
    WorldContainer *container = NULL;

    world_lock(house->world);
    container = world_add_container(house->world, name);
    container->state = CONTAINER_RUNNING;
    container->ever_started = TRUE;
    world_set_labels(&container->labels, &labels);
    world_unlock(house->world);
}

/* ---- In dispute ---- */

static void test_foreign_database_holds_everything(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    g_autoptr(GError) refused = NULL;

    (void)data;
    g_assert_true(store_installation_put(house->db, FOREIGN, NULL, NULL));
    house_open(house);
    wait_held(house, TRUE);
    house_add(house, id, NULL);
    g_usleep(50000);
    g_assert_cmpuint(house_count_containers(house, NULL), ==, 0);
    g_assert_false(reconciler_confirm(house->reconciler, &(ReconcilerConfirmation){0}, &refused));
    g_assert_true(error_is(refused, ERROR_CONFLICT));
    g_clear_error(&refused);
    g_assert_false(reconciler_confirm(
        house->reconciler,
        &(ReconcilerConfirmation){.installation = HOUSE_INSTALLATION, .engine_id = "other"},
        &refused));
    g_assert_true(error_is(refused, ERROR_CONFLICT));
    g_assert_true(reconciler_confirm(
        house->reconciler,
        &(ReconcilerConfirmation){.installation = HOUSE_INSTALLATION, .engine_id = "daemon-1"},
        NULL));
    house_settle(house, id, house_check_running, 0);
    wait_held(house, FALSE);
}

/* The data folder and the database are new, the engine is not: nothing is concluded from that. */
static void test_new_installation_removes_nothing(House *house, gconstpointer data)
{
    (void)data;
    house->installation_is_new = TRUE;
    stray(house, "ws-00000000-000", "00000000-0000-4000-8000-000000000001", HOUSE_INSTALLATION);
    house_open(house);
    wait_held(house, TRUE);
    for (guint i = 0; i < 40; i++) {
        clock_advance(CLOCK_MINUTE_US);
        g_usleep(1000);
    }
    g_assert_cmpint(world_state(house->world, "ws-00000000-000"), ==, CONTAINER_RUNNING);
    g_assert_true(reconciler_confirm(house->reconciler, &(ReconcilerConfirmation){0}, NULL));
    wait_held(house, FALSE);
    for (guint i = 0; i < 3000 && world_state(house->world, "ws-00000000-000") != -1; i++) {
        clock_advance(10 * CLOCK_SECOND_US);
        g_usleep(2000);
    }
    g_assert_cmpint(world_state(house->world, "ws-00000000-000"), ==, -1);
}

/* ---- Nobody's ---- */

#define NOBODY "00000000-0000-4000-8000-000000000001"

static const ReconcilerReaping dry = {.dry_run = TRUE, .patience_ms = 5000};
static const ReconcilerReaping wet = {.patience_ms = 5000};

static void volume(House *house, const char *name, const char *workspace)
{
    world_lock(house->world);
    world_set_labels(&world_add_volume(house->world, name)->labels,
                     &(EngineLabels){.installation = (char *)HOUSE_INSTALLATION,
                                     .workspace = (char *)workspace,
                                     .kind = (char *)ENGINE_KIND_VOLUME_CONFIGS});
    world_unlock(house->world);
}

/* A container that somebody else starts, as the engine tells of it. */
static void start_stray(House *house, const char *name, const char *workspace)
{
    stray(house, name, workspace, HOUSE_INSTALLATION);
    world_lock(house->world);
    world_tell(house->world, ENGINE_EVENT_CREATE, world_find(house->world, name));
    world_tell(house->world, ENGINE_EVENT_START, world_find(house->world, name));
    world_unlock(house->world);
}

static guint wait_orphans(House *house, guint count)
{
    ReconcilerStatus status = {0};

    for (guint i = 0; i < 3000; i++) {
        reconciler_status(house->reconciler, &status);
        if (status.orphans == count)
            break;
        g_usleep(1000);
    }
    return status.orphans;
}

static void wait_pass(House *house)
{
    g_assert_true(reconciler_await_pass(house->reconciler, FALSE, 5000, NULL));
}

static void test_events_show_a_leak_at_once(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    ReconcilerStatus status;
    gint64 began_us = 0;
    g_autoptr(GPtrArray) orphans = NULL;
    const ReconcilerOrphan *orphan = NULL;

    (void)data;
    house->pass_interval_ms = 3600 * 1000;
    house_open(house);
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    wait_pass(house);
    began_us = g_get_monotonic_time();
    start_stray(house, "ws-00000000-000", NOBODY);
    g_assert_cmpuint(wait_orphans(house, 1), ==, 1);
    g_assert_cmpint(g_get_monotonic_time() - began_us, <, G_USEC_PER_SEC);
    reconciler_status(house->reconciler, &status);
    g_assert_cmpuint(status.managed_containers, ==, 2);
    orphans = reconciler_orphans(house->reconciler);
    orphan = orphans->pdata[0];
    g_assert_cmpstr(orphan->kind, ==, "container");
    g_assert_cmpstr(orphan->name, ==, "ws-00000000-000");
    g_assert_cmpstr(orphan->workspace_id, ==, NOBODY);
    g_assert_cmpstr(orphan->action, ==, "stop");
    g_assert_cmpint(orphan->due_us - orphan->first_seen_us, >=, 59 * CLOCK_SECOND_US);
    clock_advance(61 * CLOCK_SECOND_US);
    wait_pass(house);
    g_assert_cmpint(world_state(house->world, "ws-00000000-000"), ==, CONTAINER_EXITED);
    clock_advance(10 * CLOCK_MINUTE_US);
    wait_pass(house);
    g_assert_cmpint(world_state(house->world, "ws-00000000-000"), ==, -1);
    g_assert_cmpuint(wait_orphans(house, 0), ==, 0);
    house_settle(house, id, house_check_running, 0);
}

static void test_reap_takes_them_now(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    g_autoptr(GPtrArray) found = NULL;
    g_autoptr(GPtrArray) left = NULL;
    g_autoptr(GPtrArray) found_again = NULL;
    g_autoptr(GPtrArray) left_again = NULL;

    (void)data;
    house_open(house);
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    stray(house, "ws-00000000-000", NOBODY, HOUSE_INSTALLATION);
    stray(house, "ws-00000000-001", NOBODY, FOREIGN);
    volume(house, "ws-00000000-000-configs", NOBODY);
    g_assert_true(reconciler_reap(house->reconciler, &dry, &found, &left, NULL));
    g_assert_cmpuint(found->len, ==, 2);
    g_assert_cmpuint(left->len, ==, 2);
    g_assert_cmpint(world_state(house->world, "ws-00000000-000"), ==, CONTAINER_RUNNING);
    g_assert_true(reconciler_reap(house->reconciler, &wet, &found_again, &left_again, NULL));
    g_assert_cmpuint(found_again->len, ==, 2);
    g_assert_cmpuint(left_again->len, ==, 0);
    g_assert_cmpint(world_state(house->world, "ws-00000000-000"), ==, -1);
    g_assert_false(world_has_volume(house->world, "ws-00000000-000-configs"));
    g_assert_cmpint(world_state(house->world, "ws-00000000-001"), ==, CONTAINER_RUNNING);
    house_settle(house, id, house_check_running, 0);
}

/* Members of the stock have a row and no workspace: wished, whatever else is done with them. */
static void test_the_stock_is_nobodys_orphan(House *house, gconstpointer data)
{
    g_autoptr(GPtrArray) found = NULL;
    g_autoptr(GPtrArray) left = NULL;

    (void)data;
    g_assert_true(db_exec(house->db,
                          "INSERT INTO workspace_runtime (workspace_id, desired, generation, phase,"
                          " warm_key, updated_at) VALUES ($1, 'running', 1, 'started', 'k', 1)",
                          NULL, NULL, DB_TEXT(NOBODY)));
    volume(house, "ws-00000000-000-configs", NOBODY);
    house_open(house);
    g_assert_true(reconciler_reap(house->reconciler, &dry, &found, &left, NULL));
    g_assert_cmpuint(found->len, ==, 0);
}

static guint count_containers(House *house)
{
    return house_count_containers(house, NULL);
}

static void test_few_go_in_one_pass(House *house, gconstpointer data)
{
    (void)data;
    for (guint i = 0; i < 50; i++) {
        g_autofree char *name = g_strdup_printf("stray-%u", i);
        stray(house, name, NOBODY, HOUSE_INSTALLATION);
    }
    house->pass_interval_ms = 3600 * 1000;
    house_open(house);
    wait_pass(house);
    clock_advance(11 * CLOCK_MINUTE_US);
    for (guint i = 0; i < 3; i++) { /* the engine's events may ask for passes of their own */
        guint64 passes = 0;

        wait_pass(house);
        mutex_lock(&house->reconciler->lock);
        passes = house->reconciler->passes_done;
        mutex_unlock(&house->reconciler->lock);
        g_assert_cmpuint(50 - count_containers(house), <=, 20 * passes);
    }
    g_assert_cmpuint(count_containers(house), ==, 0);
}

/* The day of a volume in quarantine is counted on after a restart of the server. */
static void test_quarantine_outlives_the_server(House *house, gconstpointer data)
{
    ReconcilerStatus status;
    gint64 pending = 9, oldest_us = 9;
    g_autoptr(GPtrArray) orphans = NULL;
    const ReconcilerOrphan *orphan = NULL;

    (void)data;
    house->pass_interval_ms = 3600 * 1000;
    volume(house, "ws-00000000-000-configs", NOBODY);
    house_open(house);
    wait_pass(house);
    clock_advance(61 * CLOCK_SECOND_US);
    wait_pass(house);
    reconciler_status(house->reconciler, &status);
    g_assert_cmpuint(status.quarantined, ==, 1);
    g_assert_true(reconciler_garbage(house->reconciler, &pending, &oldest_us, NULL));
    g_assert_cmpint(pending, ==, 0);
    house_close(house);
    clock_advance(20 * CLOCK_HOUR_US);
    house_open(house);
    wait_pass(house);
    clock_advance(61 * CLOCK_SECOND_US);
    wait_pass(house);
    orphans = reconciler_orphans(house->reconciler);
    orphan = orphans->pdata[0];
    g_assert_cmpstr(orphan->action, ==, "remove");
    g_assert_cmpint(orphan->due_us - clock_now_us(), <, 4 * CLOCK_HOUR_US);
    g_assert_cmpint(clock_now_us() - orphan->first_seen_us, >, 20 * CLOCK_HOUR_US);
    clock_advance(4 * CLOCK_HOUR_US);
    wait_pass(house);
    for (guint i = 0; i < 2000 && world_has_volume(house->world, "ws-00000000-000-configs"); i++)
        g_usleep(1000);
    g_assert_false(world_has_volume(house->world, "ws-00000000-000-configs"));
}

#define ADD(path_, function_)                                                                      \
    g_test_add("/strays/" path_, House, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_setup(g_getenv("RECONCILE_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    ADD("foreign-database-holds-everything", test_foreign_database_holds_everything);
    ADD("new-installation-removes-nothing", test_new_installation_removes_nothing);
    ADD("events-show-a-leak-at-once", test_events_show_a_leak_at_once);
    ADD("reap-takes-them-now", test_reap_takes_them_now);
    ADD("the-stock-is-nobodys-orphan", test_the_stock_is_nobodys_orphan);
    ADD("few-go-in-one-pass", test_few_go_in_one_pass);
    ADD("quarantine-outlives-the-server", test_quarantine_outlives_the_server);
    return g_test_run();
}
