/* Whose is what an engine holds: ours, somebody else's, or nobody's. */
#include "reconcile-house.h"

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

#define ADD(path_, function_)                                                                      \
    g_test_add("/strays/" path_, House, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_setup(g_getenv("RECONCILE_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    ADD("foreign-database-holds-everything", test_foreign_database_holds_everything);
    ADD("new-installation-removes-nothing", test_new_installation_removes_nothing);
    return g_test_run();
}
