/* The volumes of deleted workspaces that are kept for a while: until their time, and no longer. */
#include "reconcile-house.h"
#include "reconcile/internal.h"
#include "store/adopted.h"

#define FOREIGN "99999999-0000-4000-8000-000000000001"

static void set_up(House *house, gconstpointer data)
{
    (void)data;
    house_build(house);
    house->pass_interval_ms = 3600 * 1000;
}

static void tear_down(House *house, gconstpointer data)
{
    (void)data;
    house_clear(house);
}

/* As the route does it. */
static void remove_keeping(House *house, const char *id, gint64 keep_us)
{
    g_autoptr(DbTransaction) transaction = db_begin(house->db, NULL);
    g_autoptr(StoreRemoval) removal = NULL;

    g_assert_true(store_workspace_remove(house->db, id, STORE_REMOVE_TREE, FALSE, &removal, NULL));
    g_assert_true(store_garbage_keep_volumes(house->db, id, clock_now_us() + keep_us, NULL));
    g_assert_true(db_commit(&transaction, NULL));
    tokens_forget(house->tokens, id);
    house_tell(house, id);
    g_assert_true(reconciler_wait_gone(house->reconciler, id, 10000)); /* only for the container */
    /* A pass that saw the container before and the database after it takes it for an orphan. */
    g_assert_true(reconciler_await_pass(house->reconciler, FALSE, 5000, NULL));
}

static void run(House *house, char id[ID_SIZE])
{
    house_open(house);
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
}

static void wait_pass(House *house)
{
    g_assert_true(reconciler_await_pass(house->reconciler, FALSE, 5000, NULL));
}

/* A pass leaves a workspace alone that is just being looked at; the next one does not. */
static void settle_gone(House *house, const char *id)
{
    for (guint i = 0; i < 200; i++) {
        wait_pass(house);
        if (!house_check_gone(house, id))
            return;
        g_usleep(5000);
    }
    g_assert_cmpstr(house_check_gone(house, id), ==, NULL);
}

static void assert_kept(House *house, const char *id, guint count)
{
    g_autoptr(RuntimeRow) runtime = house_runtime(house, id);
    g_autoptr(GPtrArray) kept = reconciler_kept(house->reconciler, NULL);
    g_autoptr(GPtrArray) orphans = reconciler_orphans(house->reconciler);
    gint64 pending = 9, oldest_us = 9;

    g_assert_null(runtime);
    g_assert_cmpuint(house_count_containers(house, id), ==, 0);
    g_assert_cmpuint(house_count_volumes(house, id), ==, count);
    g_assert_cmpuint(kept->len, ==, count); /* and no intent for what does not exist */
    g_assert_cmpuint(orphans->len, ==, 0);
    g_assert_true(reconciler_garbage(house->reconciler, &pending, &oldest_us, NULL));
    g_assert_cmpint(pending, ==, 0);
    g_assert_cmpint(oldest_us, ==, 0);
}

/* Nothing else is there, and the installation is younger than the engine: nothing was lost. */
static void test_the_last_of_a_new_installation(House *house, gconstpointer data)
{
    ReconcilerStatus status;
    char id[ID_SIZE] = "";

    (void)data;
    house->installation_is_new = TRUE;
    run(house, id);
    remove_keeping(house, id, CLOCK_HOUR_US);
    wait_pass(house);
    reconciler_status(house->reconciler, &status);
    g_assert_false(status.held);
    clock_advance(61 * CLOCK_MINUTE_US);
    settle_gone(house, id);
}

static void test_kept_until_their_time(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    guint count = 0;
    gint64 oldest_us = 0, pending = 0;

    (void)data;
    run(house, id);
    count = house_count_volumes(house, id);
    g_assert_cmpuint(count, >, 0);
    remove_keeping(house, id, 48 * CLOCK_HOUR_US);
    assert_kept(house, id, count);
    for (guint i = 0; i < 4; i++) { /* longer than a quarantine */
        clock_advance(11 * CLOCK_HOUR_US);
        wait_pass(house);
        reconciler_poke(house->reconciler, id);
        assert_kept(house, id, count);
    }
    house_close(house);
    house_open(house);
    wait_pass(house);
    clock_advance(2 * CLOCK_MINUTE_US);
    wait_pass(house);
    assert_kept(house, id, count);
    clock_advance(4 * CLOCK_HOUR_US);
    g_assert_true(reconciler_garbage(house->reconciler, &pending, &oldest_us, NULL));
    g_assert_cmpint(pending, ==, count); /* due since five minutes at the most, not for two days */
    g_assert_cmpint(clock_now_us() - oldest_us, <, CLOCK_HOUR_US);
    settle_gone(house, id);
}

/* Nor is anything lost when they are released, and do not go at the first try. */
static void test_reaped_from_a_new_installation(House *house, gconstpointer data)
{
    const ReconcilerReaping all = {.with_kept = TRUE, .patience_ms = 5000};
    g_autoptr(GPtrArray) found = NULL;
    g_autoptr(GPtrArray) left = NULL;
    ReconcilerStatus status;
    char id[ID_SIZE] = "";

    (void)data;
    house->installation_is_new = TRUE;
    run(house, id);
    remove_keeping(house, id, CLOCK_HOUR_US);
    g_assert_true(reconciler_reap(house->reconciler, &all, &found, &left, NULL));
    g_assert_cmpuint(found->len, >, 0);
    settle_gone(house, id);
    reconciler_status(house->reconciler, &status);
    g_assert_false(status.held);
}

static void test_reaped_only_by_name(House *house, gconstpointer data)
{
    const ReconcilerReaping plain = {.patience_ms = 5000};
    const ReconcilerReaping dry = {.dry_run = TRUE, .with_kept = TRUE, .patience_ms = 5000};
    const ReconcilerReaping all = {.with_kept = TRUE, .patience_ms = 5000};
    char id[ID_SIZE] = "";
    guint count = 0;

    (void)data;
    run(house, id);
    count = house_count_volumes(house, id);
    remove_keeping(house, id, CLOCK_HOUR_US);
    for (guint i = 0; i < 3; i++) {
        const ReconcilerReaping *reaping = i == 0 ? &plain : i == 1 ? &dry : &all;
        g_autoptr(GPtrArray) found = NULL;
        g_autoptr(GPtrArray) left = NULL;

        g_assert_true(reconciler_reap(house->reconciler, reaping, &found, &left, NULL));
        g_assert_cmpuint(found->len, ==, i == 0 ? 0 : count);
        g_assert_cmpuint(left->len, ==, i == 1 ? count : 0);
        if (i < 2)
            assert_kept(house, id, count);
    }
    settle_gone(house, id);
}

static void test_purge_takes_them_now(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    run(house, id);
    remove_keeping(house, id, CLOCK_HOUR_US);
    g_assert_cmpuint(house_count_volumes(house, id), >, 0);
    house_remove(house, id, TRUE);
    house_settle(house, id, house_check_gone, 0);
}

static void label(House *house, const char *name, const char *workspace, const char *installation)
{
    world_lock(house->world);
    world_set_labels(&world_add_volume(house->world, name)->labels,
                     &(EngineLabels){.installation = (char *)installation,
                                     .workspace = (char *)workspace,
                                     .kind = (char *)ENGINE_KIND_VOLUME_CONFIGS});
    world_unlock(house->world);
}

/* One that no row names, one of a former installation, and one of the same name as ours that is
 * somebody else's. */
static void test_every_volume_of_it_is_kept(House *house, gconstpointer data)
{
    AdoptedRow row = {
        .kind = ADOPTED_VOLUME, .ref = (char *)"former", .label = (char *)"volume-configs"};
    g_autofree char *other = NULL;
    g_autoptr(GPtrArray) kept = NULL;
    char id[ID_SIZE] = "";
    guint count = 0;

    (void)data;
    run(house, id);
    count = house_count_volumes(house, id);
    label(house, "unknown", id, HOUSE_INSTALLATION);
    label(house, "former", id, FOREIGN);
    other = g_strdup_printf("ws-%.12s-claude-sessions", id);
    g_assert_false(world_has_volume(house->world, other));
    label(house, other, "00000000-0000-4000-8000-000000000001", FOREIGN);
    g_strlcpy(row.workspace_id, id, sizeof row.workspace_id);
    g_assert_true(store_adopted_add(house->db, &row, NULL));
    remove_keeping(house, id, CLOCK_HOUR_US);
    wait_pass(house);
    kept = reconciler_kept(house->reconciler, NULL);
    g_assert_cmpuint(kept->len, ==, count + 2);
    g_assert_cmpuint(house_count_volumes(house, id), ==, count + 1);
    g_assert_true(world_has_volume(house->world, "former"));
    clock_advance(61 * CLOCK_MINUTE_US);
    settle_gone(house, id);
    g_assert_false(world_has_volume(house->world, "unknown"));
    g_assert_false(world_has_volume(house->world, "former"));
    g_assert_true(world_has_volume(house->world, other));
}

#define ADD(path_, function_) g_test_add("/kept/" path_, House, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_setup(g_getenv("RECONCILE_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    ADD("until-their-time", test_kept_until_their_time);
    ADD("the-last-of-a-new-installation", test_the_last_of_a_new_installation);
    ADD("reaped-from-a-new-installation", test_reaped_from_a_new_installation);
    ADD("reaped-only-by-name", test_reaped_only_by_name);
    ADD("purge-takes-them-now", test_purge_takes_them_now);
    ADD("every-volume-of-it", test_every_volume_of_it_is_kept);
    return g_test_run();
}
