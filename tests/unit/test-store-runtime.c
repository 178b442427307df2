/* Wishes, progress fenced by their generation, and what waits for removal. */
#include "store/garbage.h"
#include "store/installation.h"
#include "store/runtime.h"
#include "test-store-fixture.h"

static gint64 wish(Fixture *fixture, const char *id, RuntimeDesired desired, const char *spec,
                   const char *seed)
{
    g_autoptr(GBytes) bytes = seed ? g_bytes_new(seed, strlen(seed)) : NULL;
    const RuntimeWish wanted = {.desired = desired, .spec = spec, .seed = bytes};
    g_autoptr(GError) error = NULL;
    gint64 generation = 0;

    assert_done(store_runtime_wish(fixture->db, id, &wanted, &generation, &error));
    return generation;
}

static RuntimeRow *read_wish(Fixture *fixture, const char *id)
{
    g_autoptr(GError) error = NULL;
    RuntimeRow *row = NULL;

    assert_done(store_runtime_find(fixture->db, id, &row, &error));
    return row;
}

static void test_a_wish_raises_the_generation_and_starts_anew(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(RuntimeRow) first = NULL, second = NULL, third = NULL;
    char id[ID_SIZE];
    gboolean current = FALSE;
    RuntimeWish drop = {.desired = RUNTIME_RUNNING, .drop_seed = TRUE};
    gint64 generation = 0;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_PROVISIONING, NULL, id);
    g_assert_cmpint(wish(fixture, id, RUNTIME_RUNNING, "{\"a\":1}", "tar"), ==, 1);
    first = read_wish(fixture, id);
    g_assert_cmpstr(first->spec, ==, "{\"a\":1}");
    g_assert_cmpmem(g_bytes_get_data(first->seed, NULL), g_bytes_get_size(first->seed), "tar", 3);
    g_assert_true(first->has_seed);
    g_assert_cmpint(first->phase, ==, RUNTIME_PENDING);
    assert_done(
        store_runtime_back_off(fixture->db, id, 1, 500, "no image", NULL, &current, &error));
    g_assert_true(current);
    g_assert_cmpint(wish(fixture, id, RUNTIME_STOPPED, NULL, NULL), ==, 2);
    second = read_wish(fixture, id);
    g_assert_cmpint(second->desired, ==, RUNTIME_STOPPED);
    g_assert_cmpstr(second->spec, ==, "{\"a\":1}");
    g_assert_true(second->has_seed);
    g_assert_cmpint(second->attempts, ==, 0);
    g_assert_cmpint(second->next_attempt_at_us, ==, 0);
    g_assert_null(second->last_error);
    assert_done(store_runtime_wish(fixture->db, id, &drop, &generation, &error));
    third = read_wish(fixture, id);
    g_assert_cmpint(generation, ==, 3);
    g_assert_false(third->has_seed);
}

static void test_only_live_workspaces_may_run(Fixture *fixture)
{
    const RuntimeWish running = {.desired = RUNTIME_RUNNING};
    const RuntimeWish stopped = {.desired = RUNTIME_STOPPED};
    const RuntimeWish absent = {.desired = RUNTIME_ABSENT};
    g_autoptr(GError) error = NULL;
    char gone[ID_SIZE], none[ID_SIZE];
    gint64 generation = 0;

    fixture_migrate(fixture);
    id_make(none);
    store_make(fixture, "gone", WORKSPACE_REMOVED, NULL, gone);
    assert_fails(store_runtime_wish(fixture->db, gone, &running, &generation, &error),
                 ERROR_NOT_FOUND);
    assert_fails(store_runtime_wish(fixture->db, none, &stopped, &generation, &error),
                 ERROR_NOT_FOUND);
    assert_done(store_runtime_wish(fixture->db, none, &absent, &generation, &error));
    g_assert_cmpint(generation, ==, 1);
}

static void check_progress(Fixture *fixture, const char *id)
{
    g_autoptr(RuntimeRow) row = read_wish(fixture, id);

    g_assert_cmpint(row->phase, ==, RUNTIME_SEEDED);
    g_assert_cmpstr(row->container_id, ==, "c");
    g_assert_null(row->address);
    g_assert_cmpstr(row->image_digest, ==, "sha");
    g_assert_cmpstr(row->instance_id, ==, "i");
    g_assert_cmpstr(row->volumes, ==, "{}");
    g_assert_null(row->last_error);
    g_assert_false(row->has_seed);
    g_assert_cmpint(row->attempts, ==, 0);
    g_assert_cmpint(row->next_attempt_at_us, ==, 0);
}

static void test_progress_keeps_and_clears(Fixture *fixture)
{
    const RuntimeProgress created = {.phase = RUNTIME_CREATED,
                                     .container_id = "c",
                                     .address = "http://x",
                                     .image_digest = "sha",
                                     .instance_id = "i",
                                     .volumes = "{}",
                                     .last_error = "e"};
    const RuntimeProgress seeded = {
        .phase = RUNTIME_SEEDED, .address = "", .clear_seed = TRUE, .reset_attempts = TRUE};
    g_autoptr(GError) error = NULL;
    char id[ID_SIZE];
    gboolean current = FALSE;
    gint64 attempts = 0;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_PROVISIONING, NULL, id);
    wish(fixture, id, RUNTIME_RUNNING, "{}", "tar");
    assert_done(store_runtime_back_off(fixture->db, id, 1, 500, "x", &attempts, &current, &error));
    assert_done(store_runtime_back_off(fixture->db, id, 1, 600, NULL, &attempts, &current, &error));
    g_assert_cmpint(attempts, ==, 2);
    assert_done(store_runtime_progress(fixture->db, id, 1, &created, &current, &error));
    g_assert_true(current);
    assert_done(store_runtime_progress(fixture->db, id, 1, &seeded, &current, &error));
    g_assert_true(current);
    check_progress(fixture, id);
}

static void test_superseded_progress_writes_nothing(Fixture *fixture)
{
    const RuntimeProgress ready = {.phase = RUNTIME_READY, .container_id = "old"};
    g_autoptr(GError) error = NULL;
    g_autoptr(RuntimeRow) row = NULL;
    char id[ID_SIZE];
    gboolean current = TRUE, found = FALSE;
    RuntimeDesired desired = RUNTIME_ABSENT;
    gint64 generation = 0, attempts = -1;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_PROVISIONING, NULL, id);
    wish(fixture, id, RUNTIME_RUNNING, "{}", NULL);
    wish(fixture, id, RUNTIME_RUNNING, NULL, NULL);
    assert_done(store_runtime_progress(fixture->db, id, 1, &ready, &current, &error));
    g_assert_false(current);
    assert_done(store_runtime_back_off(fixture->db, id, 1, 5, "x", &attempts, &current, &error));
    g_assert_false(current);
    g_assert_cmpint(attempts, ==, -1);
    row = read_wish(fixture, id);
    g_assert_cmpint(row->phase, ==, RUNTIME_PENDING);
    g_assert_null(row->container_id);
    assert_done(store_runtime_peek(fixture->db, id, &desired, &generation, &found, &error));
    g_assert_true(found && desired == RUNTIME_RUNNING && generation == 2);
    assert_done(store_runtime_peek(fixture->db, "none", &desired, &generation, &found, &error));
    g_assert_false(found);
}

static void test_a_generation_is_only_raised(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    char id[ID_SIZE];
    gint64 now = 0;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    wish(fixture, id, RUNTIME_RUNNING, "{}", NULL);
    assert_done(store_runtime_raise(fixture->db, id, 7, &now, &error));
    g_assert_cmpint(now, ==, 7);
    assert_done(store_runtime_raise(fixture->db, id, 3, &now, &error));
    g_assert_cmpint(now, ==, 7);
    g_assert_cmpint(wish(fixture, id, RUNTIME_RUNNING, NULL, NULL), ==, 8);
}

static void test_lists(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) all = NULL, due = NULL, none = NULL;
    char early[ID_SIZE], late[ID_SIZE], other[ID_SIZE];
    gboolean current = FALSE;

    fixture_migrate(fixture);
    store_make(fixture, "early", WORKSPACE_ONLINE, NULL, early);
    store_make(fixture, "late", WORKSPACE_ONLINE, NULL, late);
    store_make(fixture, "other", WORKSPACE_ONLINE, NULL, other);
    wish(fixture, early, RUNTIME_RUNNING, "{}", "tar");
    wish(fixture, late, RUNTIME_RUNNING, "{}", NULL);
    wish(fixture, other, RUNTIME_RUNNING, "{}", NULL);
    assert_done(store_runtime_back_off(fixture->db, late, 1, 200, "x", NULL, &current, &error));
    assert_done(store_runtime_back_off(fixture->db, early, 1, 100, "x", NULL, &current, &error));
    assert_done(store_runtime_save_log(fixture->db, early, "last words", &error));
    all = store_runtime_list(fixture->db, &error);
    g_assert_cmpuint(all->len, ==, 3);
    none = store_runtime_list_due(fixture->db, 99, 10, &error);
    g_assert_cmpuint(none->len, ==, 0);
    due = store_runtime_list_due(fixture->db, 200, 10, &error);
    g_assert_cmpuint(due->len, ==, 2);
    const RuntimeRow *first = due->pdata[0];
    g_assert_cmpstr(first->workspace_id, ==, early);
    g_assert_true(first->has_seed && !first->seed && !first->last_log);
    g_autoptr(RuntimeRow) whole = read_wish(fixture, early);
    g_assert_cmpstr(whole->last_log, ==, "last words");
}

static void check_failure(Fixture *fixture, const char *id, const char *reason, gint64 exit_code)
{
    g_autoptr(RuntimeRow) row = read_wish(fixture, id);

    g_assert_cmpstr(row->reason, ==, reason);
    g_assert_cmpint(row->has_exit_code ? row->exit_code : -1, ==, exit_code);
    g_assert_cmpint(row->failed_at_us != 0, ==, reason != NULL);
    g_assert_cmpstr(row->last_error, ==, reason ? "it did not run" : NULL);
}

static void test_a_failure_stays_until_it_is_over(Fixture *fixture)
{
    const RuntimeFailure ended = {.reason = REASON_EXIT_CODE,
                                  .sentence = "it did not run",
                                  .has_exit_code = TRUE,
                                  .exit_code = 3};
    const RuntimeFailure full = {.reason = REASON_DISK_FULL, .sentence = "it did not run"};
    const RuntimeProgress started = {.phase = RUNTIME_STARTED};
    const RuntimeProgress well = {.phase = RUNTIME_READY, .reset_attempts = TRUE};
    g_autoptr(GError) error = NULL;
    char id[ID_SIZE];
    gboolean current = FALSE;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_PROVISIONING, NULL, id);
    wish(fixture, id, RUNTIME_RUNNING, "{}", NULL);
    check_failure(fixture, id, NULL, -1);
    assert_done(store_runtime_fail(fixture->db, id, 1, &ended, &current, &error));
    g_assert_true(current);
    assert_done(store_runtime_progress(fixture->db, id, 1, &started, &current, &error));
    check_failure(fixture, id, "exit_code", 3);
    assert_done(store_runtime_fail(fixture->db, id, 1, &full, &current, &error));
    check_failure(fixture, id, "disk_full", -1);
    assert_done(store_runtime_progress(fixture->db, id, 1, &well, &current, &error));
    check_failure(fixture, id, NULL, -1);
    assert_done(store_runtime_fail(fixture->db, id, 1, &ended, &current, &error));
    wish(fixture, id, RUNTIME_RUNNING, NULL, NULL);
    check_failure(fixture, id, NULL, -1);
    assert_done(store_runtime_fail(fixture->db, id, 1, &ended, &current, &error));
    g_assert_false(current); /* of an older wish */
    check_failure(fixture, id, NULL, -1);
}

static void test_a_wish_goes_when_nothing_is_left(Fixture *fixture)
{
    const RuntimeProgress gone = {.phase = RUNTIME_GONE};
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreRemoval) removal = NULL;
    g_autoptr(GPtrArray) intents = NULL;
    char id[ID_SIZE];
    gboolean deleted = TRUE, current = FALSE;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    wish(fixture, id, RUNTIME_RUNNING, "{}", NULL);
    assert_done(store_runtime_progress(fixture->db, id, 1, &gone, &current, &error));
    assert_done(store_runtime_delete_gone(fixture->db, id, 1, &deleted, &error));
    g_assert_false(deleted); /* still wished */
    assert_done(
        store_workspace_remove(fixture->db, id, STORE_REMOVE_TREE, FALSE, &removal, &error));
    assert_done(store_runtime_delete_gone(fixture->db, id, 2, &deleted, &error));
    g_assert_false(deleted); /* not gone yet */
    assert_done(store_runtime_progress(fixture->db, id, 2, &gone, &current, &error));
    assert_done(store_runtime_delete_gone(fixture->db, id, 2, &deleted, &error));
    g_assert_false(deleted); /* intents are left */
    intents = store_garbage_list_of(fixture->db, id, &error);
    for (guint i = 0; i < intents->len; i++)
        assert_done(store_garbage_done(fixture->db, ((GarbageRow *)intents->pdata[i])->id, &error));
    assert_done(store_runtime_delete_gone(fixture->db, id, 1, &deleted, &error));
    g_assert_false(deleted); /* another generation */
    assert_done(store_runtime_delete_gone(fixture->db, id, 2, &deleted, &error));
    g_assert_true(deleted);
}

static void test_garbage_waits_for_its_time(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) due = NULL, later = NULL;
    const GarbageRow *row;
    gint64 pending = 0, oldest_us = 0, due_us = 0, since_us = 0;

    fixture_migrate(fixture);
    assert_done(store_garbage_add(fixture->db, GARBAGE_CONTAINER, "c", "w1", 100, &error));
    assert_done(store_garbage_add(fixture->db, GARBAGE_CONTAINER, "c", "w1", 999, &error));
    assert_done(store_garbage_add(fixture->db, GARBAGE_CONTAINER, "c", "w2", 900, &error));
    assert_done(store_garbage_add(fixture->db, GARBAGE_VOLUME, "v", NULL, 100, &error));
    assert_done(store_garbage_count(fixture->db, G_MAXINT64, &pending, &oldest_us, &error));
    g_assert_cmpint(pending, ==, 3);
    g_assert_cmpint(oldest_us, >, 0);
    assert_done(store_garbage_count(fixture->db, 100, &pending, &oldest_us, &error));
    g_assert_cmpint(pending, ==, 2); /* the third is only kept for later */
    assert_done(store_garbage_keep(fixture->db, GARBAGE_VOLUME, "v", NULL, 700, &due_us, &since_us,
                                   &error));
    g_assert_cmpint(due_us, ==, 100); /* stood there already */
    g_assert_cmpint(since_us, >, 0);
    due = store_garbage_list_due(fixture->db, 100, 10, &error);
    g_assert_cmpuint(due->len, ==, 2);
    row = due->pdata[0];
    g_assert_cmpstr(row->ref, ==, "c");
    g_assert_cmpstr(row->workspace_id, ==, "w1");
    g_assert_cmpint(row->not_before_us, ==, 100);
    g_assert_cmpstr(((GarbageRow *)due->pdata[1])->workspace_id, ==, "");
    assert_done(store_garbage_retry(fixture->db, row->id, 500, "in use", &error));
    later = store_garbage_list_due(fixture->db, 500, 1, &error);
    g_assert_cmpuint(later->len, ==, 1);
    row = later->pdata[0];
    g_assert_cmpint(row->attempts, ==, 1);
    g_assert_cmpstr(row->last_error, ==, "in use");
    assert_done(store_garbage_done(fixture->db, row->id, &error));
    assert_done(store_garbage_done(fixture->db, row->id, &error));
    assert_done(store_garbage_count(fixture->db, G_MAXINT64, &pending, &oldest_us, &error));
    g_assert_cmpint(pending, ==, 2);
}

/* With an intent or without one before: it counts on from there, and is kept no longer. */
static void test_what_cannot_go_is_remembered(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) tried = NULL;
    const GarbageRow *row = NULL;

    fixture_migrate(fixture);
    assert_done(store_garbage_add(fixture->db, GARBAGE_VOLUME, "v", "w1", 100, &error));
    assert_done(store_garbage_keep_volumes(fixture->db, "w1", 900, &error));
    assert_done(store_garbage_add(fixture->db, GARBAGE_VOLUME, "not tried", "w1", 100, &error));
    assert_done(store_garbage_fail(fixture->db, GARBAGE_VOLUME, "v", "w1", 200, "held", &error));
    assert_done(store_garbage_fail(fixture->db, GARBAGE_VOLUME, "new", "w2", 300, "busy", &error));
    assert_done(store_garbage_fail(fixture->db, GARBAGE_VOLUME, "v", "w1", 400, "again", &error));
    tried = store_garbage_list_tried(fixture->db, 10, &error);
    g_assert_cmpuint(tried->len, ==, 2);
    row = tried->pdata[0];
    g_assert_cmpstr(row->ref, ==, "v");
    g_assert_cmpint(row->attempts, ==, 2);
    g_assert_cmpstr(row->last_error, ==, "again");
    g_assert_cmpint(row->not_before_us, ==, 400);
    g_assert_false(row->is_kept);
    row = tried->pdata[1];
    g_assert_cmpstr(row->ref, ==, "new");
    g_assert_cmpstr(row->workspace_id, ==, "w2");
    g_assert_cmpint(row->attempts, ==, 1);
}

static void test_volumes_are_kept_until_their_time(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) kept = NULL, due = NULL, rest = NULL;
    gint64 pending = 0, oldest_us = 0, count = 0, next_us = 0, due_us = 0, since_us = 0;
    gint64 now_us = clock_now_us(), late_us = now_us + 90 * CLOCK_MINUTE_US;

    fixture_migrate(fixture);
    assert_done(store_garbage_add(fixture->db, GARBAGE_CONTAINER, "c", "w1", now_us, &error));
    assert_done(store_garbage_add(fixture->db, GARBAGE_VOLUME, "v", "w1", now_us, &error));
    assert_done(store_garbage_add(fixture->db, GARBAGE_VOLUME, "v", "w2", now_us, &error));
    assert_done(store_garbage_keep(fixture->db, GARBAGE_VOLUME, "q", "w3", late_us, &due_us,
                                   &since_us, &error)); /* in quarantine */
    assert_done(store_garbage_keep_volumes(fixture->db, "w1", now_us + CLOCK_HOUR_US, &error));
    assert_done(
        store_garbage_keep_volume(fixture->db, "x", "w1", now_us + 2 * CLOCK_HOUR_US, &error));
    assert_done(store_garbage_keep_volume(fixture->db, "v", "w1", late_us, &error)); /* stands */
    kept = store_garbage_list_kept(fixture->db, &error);
    g_assert_cmpuint(kept->len, ==, 2);
    g_assert_cmpstr(((GarbageRow *)kept->pdata[0])->ref, ==, "v");
    g_assert_cmpstr(((GarbageRow *)kept->pdata[0])->workspace_id, ==, "w1");
    g_assert_true(((GarbageRow *)kept->pdata[0])->is_kept);
    g_assert_cmpint(((GarbageRow *)kept->pdata[0])->not_before_us, ==, now_us + CLOCK_HOUR_US);
    assert_done(store_garbage_count_kept(fixture->db, &count, &next_us, &error));
    g_assert_cmpint(count, ==, 2);
    g_assert_cmpint(next_us, ==, now_us + CLOCK_HOUR_US);
    assert_done(store_garbage_count(fixture->db, now_us, &pending, &oldest_us, &error));
    g_assert_cmpint(pending, ==, 2);
    /* What could not go at its time is garbage since then, and kept no longer. */
    due = store_garbage_list_due(fixture->db, now_us + CLOCK_HOUR_US, 10, &error);
    g_assert_cmpuint(due->len, ==, 3);
    for (guint i = 0; i < due->len; i++) {
        const GarbageRow *row = due->pdata[i];
        if (row->is_kept)
            assert_done(store_garbage_retry(fixture->db, row->id, late_us, "in use", &error));
        else
            assert_done(store_garbage_done(fixture->db, row->id, &error));
    }
    assert_done(
        store_garbage_count(fixture->db, now_us + CLOCK_HOUR_US, &pending, &oldest_us, &error));
    g_assert_cmpint(pending, ==, 1);
    g_assert_cmpint(oldest_us, ==, now_us + CLOCK_HOUR_US);
    assert_done(store_garbage_release_kept(fixture->db, now_us, &error));
    assert_done(store_garbage_count_kept(fixture->db, &count, &next_us, &error));
    g_assert_cmpint(count, ==, 0);
    g_assert_cmpint(next_us, ==, 0);
    rest = store_garbage_list_due(fixture->db, now_us, 10, &error);
    g_assert_cmpuint(rest->len, ==, 1); /* the quarantine is none of it */
    g_assert_cmpstr(((GarbageRow *)rest->pdata[0])->ref, ==, "x");
}

static void test_kept_volumes_outlive_the_wish(Fixture *fixture)
{
    const RuntimeProgress gone = {.phase = RUNTIME_GONE};
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreRemoval) removal = NULL, purged = NULL;
    g_autoptr(GPtrArray) intents = NULL;
    char id[ID_SIZE];
    gboolean deleted = TRUE, current = FALSE;
    gint64 count = 0, next_us = 0;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    wish(fixture, id, RUNTIME_RUNNING, "{}", NULL);
    assert_done(
        store_workspace_remove(fixture->db, id, STORE_REMOVE_TREE, FALSE, &removal, &error));
    assert_done(store_garbage_keep_volumes(fixture->db, id, clock_now_us() + 1000000, &error));
    assert_done(store_runtime_progress(fixture->db, id, 2, &gone, &current, &error));
    assert_done(store_runtime_delete_gone(fixture->db, id, 2, &deleted, &error));
    g_assert_false(deleted); /* a container's intent is left */
    intents = store_garbage_list_of(fixture->db, id, &error);
    for (guint i = 0; i < intents->len; i++)
        if (((GarbageRow *)intents->pdata[i])->kind != GARBAGE_VOLUME)
            assert_done(
                store_garbage_done(fixture->db, ((GarbageRow *)intents->pdata[i])->id, &error));
    assert_done(store_runtime_delete_gone(fixture->db, id, 2, &deleted, &error));
    g_assert_true(deleted);
    assert_done(store_garbage_count_kept(fixture->db, &count, &next_us, &error));
    g_assert_cmpint(count, ==, 3);
    assert_done(store_workspace_remove(fixture->db, id, STORE_REMOVE_TREE, TRUE, &purged, &error));
    assert_done(store_garbage_count_kept(fixture->db, &count, &next_us, &error));
    g_assert_cmpint(count, ==, 0);
    g_assert_cmpint(
        fixture_number(fixture->db, "SELECT COUNT(*) FROM runtime_gc WHERE attempts = 0"), ==, 3);
}

static void test_there_is_one_installation(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(InstallationRow) none = NULL, row = NULL;
    gint64 made_at_us;

    fixture_migrate(fixture);
    assert_done(store_installation_find(fixture->db, &none, &error));
    g_assert_null(none);
    assert_done(store_installation_put(fixture->db, "one", NULL, &error));
    assert_done(store_installation_find(fixture->db, &row, &error));
    g_assert_null(row->daemon_id);
    made_at_us = row->created_at_us;
    assert_done(store_installation_put(fixture->db, "one", "daemon", &error));
    assert_done(store_installation_put(fixture->db, "two", NULL, &error));
    installation_row_free(row);
    assert_done(store_installation_find(fixture->db, &row, &error));
    g_assert_cmpstr(row->id, ==, "two");
    g_assert_cmpstr(row->daemon_id, ==, "daemon");
    g_assert_cmpint(row->created_at_us, ==, made_at_us);
}

int main(int argc, char **argv)
{
    fixture_main(argc, argv);
    store_add("/runtime/a-wish-raises-the-generation-and-starts-anew",
              test_a_wish_raises_the_generation_and_starts_anew);
    store_add("/runtime/only-live-workspaces-may-run", test_only_live_workspaces_may_run);
    store_add("/runtime/progress-keeps-and-clears", test_progress_keeps_and_clears);
    store_add("/runtime/superseded-progress-writes-nothing",
              test_superseded_progress_writes_nothing);
    store_add("/runtime/a-generation-is-only-raised", test_a_generation_is_only_raised);
    store_add("/runtime/lists", test_lists);
    store_add("/runtime/a-failure-stays-until-it-is-over", test_a_failure_stays_until_it_is_over);
    store_add("/runtime/a-wish-goes-when-nothing-is-left", test_a_wish_goes_when_nothing_is_left);
    store_add("/garbage/it-waits-for-its-time", test_garbage_waits_for_its_time);
    store_add("/garbage/what-cannot-go-is-remembered", test_what_cannot_go_is_remembered);
    store_add("/garbage/kept-until-their-time", test_volumes_are_kept_until_their_time);
    store_add("/garbage/kept-volumes-outlive-the-wish", test_kept_volumes_outlive_the_wish);
    store_add("/installation/there-is-one", test_there_is_one_installation);
    return g_test_run();
}
