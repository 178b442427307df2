/* Sleep without a stop, against a world in memory: frozen, thawed, stopped, whatever fails. */
#include "reconcile-house.h"

#define STEP_US    (5 * CLOCK_SECOND_US)
#define FROM_SLEEP (STORE_FROM_WAKE | STORE_STATUS_BIT(WORKSPACE_HIBERNATING))

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

/* ---- What other rooms ask ---- */

static void write_switch(House *house, const char *id, RuntimeDesired from, RuntimeDesired to)
{
    g_autoptr(RuntimeRow) row = house_runtime(house, id);
    gboolean changed = FALSE;

    g_assert_true(store_runtime_switch(house->db, id, row->generation, from, to, &changed, NULL));
    g_assert_true(changed);
}

static void switch_wish(House *house, const char *id, RuntimeDesired from, RuntimeDesired to)
{
    write_switch(house, id, from, to);
    house_tell(house, id);
}

static void sleep_now(House *house, const char *id)
{
    g_autoptr(DbTransaction) transaction = db_begin(house->db, NULL);
    gboolean changed = FALSE;

    g_assert_true(store_workspace_mark_hibernating(house->db, id, FALSE, &changed, NULL));
    g_assert_true(changed);
    write_switch(house, id, RUNTIME_RUNNING, RUNTIME_FROZEN);
    g_assert_true(db_commit(&transaction, NULL));
    house_tell(house, id);
}

/* As the wake of a message does it. */
static void wake(House *house, const char *id)
{
    g_autoptr(DbTransaction) transaction = db_begin(house->db, NULL);
    g_autoptr(RuntimeRow) row = house_runtime(house, id);
    RuntimeWish wish = {.desired = RUNTIME_RUNNING};
    gboolean changed = FALSE;
    gint64 generation = 0;

    if (row->desired == RUNTIME_FROZEN && row->phase != RUNTIME_GONE) {
        write_switch(house, id, RUNTIME_FROZEN, RUNTIME_RUNNING);
    } else {
        g_assert_true(store_workspace_mark_provisioning(house->db, id, FROM_SLEEP, &changed, NULL));
        g_assert_true(store_runtime_wish(house->db, id, &wish, &generation, NULL));
    }
    g_assert_true(db_commit(&transaction, NULL));
    house_tell(house, id);
}

static const char *check_frozen(House *house, const char *id)
{
    g_autoptr(RuntimeRow) runtime = house_runtime(house, id);
    WorldContainer container = house_container(house, id);

    if (house_status(house, id) != WORKSPACE_HIBERNATED)
        return "not hibernated";
    if (!container.exists || container.state != CONTAINER_PAUSED)
        return "no halted container";
    return runtime->phase == RUNTIME_PHASE_FROZEN ? NULL : "the phase is not frozen";
}

/* Frozen, or without a container because freezing failed. */
static const char *check_asleep(House *house, const char *id)
{
    if (house_status(house, id) != WORKSPACE_HIBERNATED)
        return "not hibernated";
    return check_frozen(house, id) ? house_check_stopped(house, id) : NULL;
}

/* ---- The good way ---- */

static void test_freeze_and_thaw(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    WorldContainer before, after;
    g_autoptr(RuntimeRow) was = NULL;
    g_autoptr(RuntimeRow) is = NULL;

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    before = house_container(house, id);
    was = house_runtime(house, id);
    sleep_now(house, id);
    house_settle(house, id, check_frozen, 0);
    house_wait_told(house, "WORKSPACE_HIBERNATED", 1);
    wake(house, id);
    house_settle(house, id, house_check_running, 0);
    after = house_container(house, id);
    is = house_runtime(house, id);
    g_assert_cmpstr(before.id, ==, after.id);
    g_assert_cmpint(was->generation, ==, is->generation);
    house_wait_told(house, "WORKSPACE_ONLINE", 1);
    g_assert_cmpuint(house_told(house, "WORKSPACE_OFFLINE"), ==, 0);
    g_assert_cmpuint(world_read(house->world, &house->world->starts), ==, 1);
}

static void test_woken_at_once(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    for (guint i = 0; i < 20; i++) {
        sleep_now(house, id);
        g_usleep(i * 200);
        wake(house, id);
        house_settle(house, id, house_check_running, 0);
    }
    g_assert_cmpuint(world_read(house->world, &house->world->starts), ==, 1);
}

static void test_frozen_for_long_is_stopped(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    sleep_now(house, id);
    house_settle(house, id, check_frozen, 0);
    switch_wish(house, id, RUNTIME_FROZEN, RUNTIME_STOPPED);
    house_settle(house, id, house_check_stopped, 0);
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_HIBERNATED);
    g_assert_cmpuint(house_count_volumes(house, id), ==, 2);
    g_assert_cmpuint(house_told(house, "WORKSPACE_HIBERNATED"), ==, 1);
    wake(house, id);
    house_settle(house, id, house_check_running, 0);
}

/* ---- What may happen to a frozen one ---- */

static void freeze_one(House *house, char id[ID_SIZE])
{
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    sleep_now(house, id);
    house_settle(house, id, check_frozen, 0);
}

static void test_pause_restart_and_delete(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    freeze_one(house, id);
    house_pause(house, id);
    house_settle(house, id, house_check_stopped, 0);
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_PAUSED);
    house_restart(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    sleep_now(house, id);
    house_settle(house, id, check_frozen, 0);
    house_restart(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    sleep_now(house, id);
    house_settle(house, id, check_frozen, 0);
    house_remove(house, id, FALSE);
    g_assert_true(reconciler_wait_gone(house->reconciler, id, 10000));
    g_assert_cmpuint(house_count_containers(house, NULL), ==, 0);
}

static void test_death_in_sleep(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    freeze_one(house, id);
    world_kill(house->world, house_container(house, id).id);
    reconciler_poke(house->reconciler, id);
    house_settle(house, id, house_check_stopped, 0);
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_HIBERNATED);
    g_assert_cmpuint(house_told(house, "WORKSPACE_OFFLINE"), ==, 0);
    wake(house, id);
    house_settle(house, id, house_check_running, 0);
}

/* Nobody looked between its end and the wake. */
static void test_woken_after_its_death(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    freeze_one(house, id);
    world_lock(house->world);
    for (guint i = 0; i < WORLD_CONTAINERS; i++)
        house->world->containers[i].exists = FALSE;
    world_unlock(house->world);
    switch_wish(house, id, RUNTIME_FROZEN, RUNTIME_RUNNING);
    house_settle(house, id, house_check_running, 0);
    house_wait_told(house, "WORKSPACE_PROVISIONING", 1);
    g_assert_cmpuint(house_told(house, "WORKSPACE_OFFLINE"), ==, 0);
}

static void test_server_restart_in_sleep(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    freeze_one(house, id);
    house_close(house);
    house_open(house);
    reconciler_poke(house->reconciler, id);
    house_settle(house, id, check_frozen, 0);
    clock_advance(CLOCK_HOUR_US); /* silent for an hour, and nobody minds */
    reconciler_poke(house->reconciler, id);
    g_usleep(20000);
    g_assert_null(check_frozen(house, id));
    wake(house, id);
    house_settle(house, id, house_check_running, 0);
    g_assert_cmpuint(world_read(house->world, &house->world->starts), ==, 1);
}

static void test_frozen_by_hand_is_left(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    g_assert_true(engine_freeze(house->engine, house_container(house, id).id, NULL));
    reconciler_poke(house->reconciler, id);
    g_usleep(20000);
    g_assert_cmpint(house_container(house, id).state, ==, CONTAINER_PAUSED);
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_ONLINE);
}

/* ---- Everything may fail ---- */

static guint run_sleep(House *house, guint fail_at, WorldFault fault)
{
    char id[ID_SIZE] = "";

    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, STEP_US);
    world_lock(house->world);
    house->world->calls = 0;
    house->world->fail_at = fail_at;
    house->world->fault = fault;
    world_unlock(house->world);
    sleep_now(house, id);
    house_settle(house, id, check_asleep, STEP_US);
    wake(house, id);
    house_settle(house, id, house_check_running, STEP_US);
    house_remove(house, id, FALSE);
    house_settle(house, id, house_check_gone, STEP_US);
    g_assert_cmpuint(house_count_containers(house, NULL), ==, 0);
    return world_read(house->world, &house->world->calls);
}

static void test_survives_each_single_fault(House *house, gconstpointer data)
{
    static const WorldFault faults[] = {FAULT_BEFORE, FAULT_BEFORE_UNKNOWN, FAULT_AFTER};
    guint calls = run_sleep(house, 0, FAULT_NONE);

    (void)data;
    g_assert_cmpuint(calls, >, 8);
    for (guint i = 1; i <= calls; i++)
        for (guint j = 0; j < G_N_ELEMENTS(faults); j++)
            run_sleep(house, i, faults[j]);
}

#define ADD(path_, function_)                                                                      \
    g_test_add("/reconcile/freeze/" path_, House, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_setup(g_getenv("RECONCILE_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    ADD("a-frozen-one-keeps-container-and-generation", test_freeze_and_thaw);
    ADD("woken-at-any-moment-it-comes-back", test_woken_at_once);
    ADD("frozen-for-long-it-is-stopped", test_frozen_for_long_is_stopped);
    ADD("pause-restart-and-delete-work-on-a-frozen-one", test_pause_restart_and_delete);
    ADD("death-in-sleep-is-no-death", test_death_in_sleep);
    ADD("woken-after-its-death-it-is-made-anew", test_woken_after_its_death);
    ADD("a-server-restart-leaves-it-frozen", test_server_restart_in_sleep);
    ADD("frozen-by-hand-is-left-alone", test_frozen_by_hand_is_left);
    ADD("survives-each-single-fault", test_survives_each_single_fault);
    return g_test_run();
}
