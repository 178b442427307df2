/* The image's own check: it degrades a workspace and lifts that again, and ends nothing. */
#include "reconcile-house.h"
#include "reconcile/internal.h"

#include <string.h>

static void set_up(House *house, gconstpointer data)
{
    (void)data;
    house_build(house);
    house_open(house);
}

static void tear_down(House *house, gconstpointer data)
{
    (void)data;
    house_clear(house);
}

/* As the engine's events tell of it; `is_told` FALSE: they were missed. */
static void set_health(House *house, const char *id, ContainerHealth health, gboolean is_told)
{
    WorldContainer copy = house_container(house, id);
    WorldContainer *container = NULL;

    world_lock(house->world);
    container = world_find(house->world, copy.id);
    container->health = health;
    if (is_told)
        world_tell(house->world, ENGINE_EVENT_HEALTH, container);
    world_unlock(house->world);
}

static const char *check_degraded(House *house, const char *id)
{
    g_autoptr(RuntimeRow) runtime = house_runtime(house, id);

    if (house_status(house, id) != WORKSPACE_DEGRADED)
        return "not degraded";
    return g_strcmp0(runtime->reason, "health_check_failed") == 0 ? NULL : "another reason";
}

static const char *check_well(House *house, const char *id)
{
    g_autoptr(RuntimeRow) runtime = house_runtime(house, id);

    if (house_check_running(house, id))
        return house_check_running(house, id);
    return runtime->reason || runtime->last_error || runtime->failed_at_us ? "a failure is kept"
                                                                           : NULL;
}

static void wait_pass(House *house)
{
    g_assert_true(reconciler_await_pass(house->reconciler, FALSE, 5000, NULL));
}

static void test_degraded_and_back(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    WorldContainer before, after;
    g_autoptr(RuntimeRow) runtime = NULL;
    g_autoptr(OrgNode) node = NULL;

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    before = house_container(house, id);
    set_health(house, id, HEALTH_STARTING, TRUE);
    set_health(house, id, HEALTH_UNHEALTHY, TRUE);
    house_settle(house, id, check_degraded, 0);
    house_wait_told(house, "WORKSPACE_DEGRADED", 1);
    runtime = house_runtime(house, id);
    g_assert_true(
        g_str_has_prefix(runtime->last_error, "the image's own health check fails: refused: "));
    g_assert_nonnull(strstr(runtime->last_error, "[REDACTED"));
    g_assert_null(strstr(runtime->last_error, "abcdefghij"));
    node = org_tree_find(house->tree, id);
    g_assert_cmpstr(org_node_row(node)->failure_reason, ==, "health_check_failed");
    clock_advance(10 * CLOCK_MINUTE_US); /* and nothing happens to it */
    for (guint i = 0; i < 3; i++) {
        set_health(house, id, HEALTH_UNHEALTHY, TRUE);
        wait_pass(house);
    }
    set_health(house, id, HEALTH_HEALTHY, TRUE);
    house_settle(house, id, check_well, 0);
    house_wait_told(house, "WORKSPACE_ONLINE", 1);
    house_wait_told(house, "WORKSPACE_DEGRADED", 1);
    after = house_container(house, id);
    g_assert_cmpstr(before.id, ==, after.id);
    g_assert_cmpuint(world_read(house->world, &house->world->starts), ==, 1);
    g_assert_cmpuint(house_told(house, "WORKSPACE_OFFLINE"), ==, 0);
}

/* Neither news is lost with the server or the stream. */
static void test_a_pass_sees_it(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    house_close(house);
    set_health(house, id, HEALTH_UNHEALTHY, FALSE);
    house_open(house);
    house_settle(house, id, check_degraded, 0);
    set_health(house, id, HEALTH_HEALTHY, FALSE);
    wait_pass(house);
    house_settle(house, id, check_well, 0);
}

/* Its own errors keep it degraded when the check is content again. */
static void test_an_agent_with_errors_stays_degraded(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    g_autoptr(RuntimeRow) runtime = NULL;

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    set_health(house, id, HEALTH_UNHEALTHY, TRUE);
    house_settle(house, id, check_degraded, 0);
    g_assert_true(db_exec(house->db, "UPDATE workspaces SET last_error_rate = 0.9 WHERE id = $1",
                          NULL, NULL, DB_TEXT(id)));
    set_health(house, id, HEALTH_HEALTHY, TRUE);
    for (guint i = 0; i < 5000 && !check_degraded(house, id); i++)
        g_usleep(1000);
    runtime = house_runtime(house, id);
    g_assert_null(runtime->reason);
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_DEGRADED);
    g_assert_cmpuint(house_told(house, "WORKSPACE_ONLINE"), ==, 0);
}

#define ADD(path_, function_)                                                                      \
    g_test_add("/reconcile/health/" path_, House, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_setup(g_getenv("RECONCILE_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    ADD("degraded-and-back", test_degraded_and_back);
    ADD("a-pass-sees-it", test_a_pass_sees_it);
    ADD("an-agent-with-errors-stays-degraded", test_an_agent_with_errors_stays_degraded);
    return g_test_run();
}
