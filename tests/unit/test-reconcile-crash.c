/* kill -9 at every engine call: a process that dies before or after the effect of a call, and the
 * next one that finds what it left. */
#include "reconcile-house.h"

#include <sys/wait.h>

/* ThreadSanitizer lets each ending process sleep for a second otherwise. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "atexit_sleep_ms=0";
}

#define STEP_US (5 * CLOCK_SECOND_US)

typedef enum { LIFE_START, LIFE_RESTART, LIFE_REMOVE, LIFE_FREEZE, LIFE_THAW, LIFE_COUNT } Life;

typedef struct {
    Life life;
    char id[ID_SIZE];
} Scene;

/* ---- Sleep ---- */

static void switch_wish(House *house, const char *id, RuntimeDesired from, RuntimeDesired to)
{
    g_autoptr(RuntimeRow) row = house_runtime(house, id);
    gboolean changed = FALSE;

    g_assert_true(store_runtime_switch(house->db, id, row->generation, from, to, &changed, NULL));
    g_assert_true(changed);
}

static void put_to_sleep(House *house, const char *id)
{
    g_autoptr(DbTransaction) transaction = db_begin(house->db, NULL);
    gboolean changed = FALSE;

    g_assert_true(store_workspace_mark_hibernating(house->db, id, FALSE, &changed, NULL));
    switch_wish(house, id, RUNTIME_RUNNING, RUNTIME_FROZEN);
    g_assert_true(db_commit(&transaction, NULL));
}

static const char *check_frozen(House *house, const char *id)
{
    g_autoptr(RuntimeRow) runtime = house_runtime(house, id);

    if (house_status(house, id) != WORKSPACE_HIBERNATED)
        return "not hibernated";
    if (house_container(house, id).state != CONTAINER_PAUSED)
        return "the container is not halted";
    return runtime->phase == RUNTIME_PHASE_FROZEN ? NULL : "the phase is not frozen";
}

/* ---- A scene ---- */

static void wish(House *house, const Scene *scene)
{
    if (scene->life == LIFE_RESTART)
        house_restart(house, scene->id, NULL);
    else if (scene->life == LIFE_REMOVE)
        house_remove(house, scene->id, TRUE);
    else if (scene->life == LIFE_FREEZE)
        put_to_sleep(house, scene->id);
    else
        switch_wish(house, scene->id, RUNTIME_FROZEN, RUNTIME_RUNNING);
}

/* What has happened before the process of interest begins. */
static void prepare(House *house, Scene *scene)
{
    if (scene->life == LIFE_START) {
        house_add(house, scene->id, NULL); /* no reconciler is there yet */
        return;
    }
    house_open(house);
    house_add(house, scene->id, NULL);
    house_settle(house, scene->id, house_check_running, STEP_US);
    if (scene->life == LIFE_THAW) {
        put_to_sleep(house, scene->id);
        house_tell(house, scene->id);
        house_settle(house, scene->id, check_frozen, STEP_US);
    }
    house_close(house);
    house_open_db(house);
    wish(house, scene);
}

static void arm(House *house, guint fail_at, WorldFault fault)
{
    world_lock(house->world);
    house->world->calls = 0;
    house->world->fail_at = fail_at;
    house->world->fault = fault;
    world_unlock(house->world);
}

static HouseCheck goal(const Scene *scene)
{
    if (scene->life == LIFE_FREEZE)
        return check_frozen;
    return scene->life == LIFE_REMOVE ? house_check_gone : house_check_running;
}

/* The process that may die. Gives whether it did. */
static gboolean run_and_die(House *house, const Scene *scene)
{
    int status = 0;
    pid_t child = fork();

    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        house_open(house);
        house_settle(house, scene->id, goal(scene), STEP_US);
        _exit(0); /* not even a good end is clean: nothing is closed */
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFEXITED(status));
    g_assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == WORLD_EXIT);
    world_init_lock(house->world); /* whoever held it is dead */
    return WEXITSTATUS(status) == WORLD_EXIT;
}

static void recover(House *house, const Scene *scene)
{
    arm(house, 0, FAULT_NONE);
    house_open(house);
    house_settle(house, scene->id, goal(scene), STEP_US);
    if (scene->life != LIFE_REMOVE) {
        house_remove(house, scene->id, FALSE);
        house_settle(house, scene->id, house_check_gone, STEP_US);
    }
    g_assert_cmpuint(house_count_containers(house, NULL), ==, 0);
    g_assert_cmpuint(house_count_volumes(house, NULL), ==, 0);
}

/* FALSE: this call is never made. */
static gboolean run_scene(Life life, guint fail_at, WorldFault fault)
{
    House house;
    Scene scene = {.life = life};
    gboolean died = FALSE;

    house_build(&house);
    prepare(&house, &scene);
    g_clear_pointer(&house.db, db_close);
    arm(&house, fail_at, fault);
    died = run_and_die(&house, &scene);
    recover(&house, &scene);
    house_clear(&house);
    return died;
}

static void sweep(gconstpointer data)
{
    Life life = (Life)GPOINTER_TO_UINT(data);
    guint n = 1;

    for (; run_scene(life, n, FAULT_CRASH_BEFORE); n++)
        run_scene(life, n, FAULT_CRASH_AFTER);
    g_test_message("%u calls", n - 1);
    g_assert_cmpuint(n, >, life == LIFE_FREEZE || life == LIFE_THAW ? 1 : 8);
}

int main(int argc, char **argv)
{
    static const char *const paths[LIFE_COUNT] = {
        [LIFE_START] = "/reconcile/crash-during-start",
        [LIFE_RESTART] = "/reconcile/crash-during-restart",
        [LIFE_REMOVE] = "/reconcile/crash-during-remove",
        [LIFE_FREEZE] = "/reconcile/crash-during-freeze",
        [LIFE_THAW] = "/reconcile/crash-during-thaw",
    };

    g_test_init(&argc, &argv, NULL);
    log_setup(g_getenv("RECONCILE_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    for (guint life = 0; life < LIFE_COUNT; life++)
        g_test_add_data_func(paths[life], GUINT_TO_POINTER(life), sweep);
    return g_test_run();
}
