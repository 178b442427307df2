/* The stock of started agents: what is wished of it, and its members' life in a world in memory. */
#include "reconcile-house.h"
#include "reconcile/warm_plan.h"
#include "store/warm.h"

#include <string.h>

/* ---- The setting ---- */

static void test_the_last_colon_splits(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) targets =
        warm_targets_parse(" builtin:3 , registry:5000/team/agent:v2:10,,", &error);
    const WarmTarget *first = NULL, *second = NULL;

    g_assert_no_error(error);
    g_assert_cmpuint(targets->len, ==, 2);
    first = targets->pdata[0];
    second = targets->pdata[1];
    g_assert_cmpstr(first->image, ==, "builtin");
    g_assert_cmpuint(first->count, ==, 3);
    g_assert_cmpstr(second->image, ==, "registry:5000/team/agent:v2");
    g_assert_cmpuint(second->count, ==, 10);
}

static void test_junk_is_refused(void)
{
    static const char *const junk[] = {"builtin",    "builtin:",           ":3",
                                       "builtin:-1", "builtin:1001",       "builtin:1x",
                                       "a b:1",      "builtin:1,builtin:2"};

    for (guint i = 0; i < G_N_ELEMENTS(junk); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(warm_targets_parse(junk[i], &error));
        g_assert_true(error_is(error, ERROR_INVALID));
        g_assert_nonnull(strstr(error->message, "WARM_POOL"));
    }
}

static void test_nothing_wishes_nothing(void)
{
    g_autoptr(GPtrArray) none = warm_targets_parse(NULL, NULL);
    g_autoptr(GPtrArray) blank = warm_targets_parse(" ", NULL);

    g_assert_cmpuint(none->len, ==, 0);
    g_assert_cmpuint(blank->len, ==, 0);
}

/* ---- The difference ---- */

#define KEY "builtin 0011223344556677"

/* `phases`: one letter a member: r ready, s started, p pending, b back-off, o of another key, d of
 * another image id. */
static GPtrArray *make_rows(const char *phases)
{
    GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)runtime_row_free);

    for (guint i = 0; phases[i]; i++) {
        RuntimeRow *row = g_new0(RuntimeRow, 1);

        g_snprintf(row->workspace_id, ID_SIZE, "%c%u", phases[i], i);
        row->warm_key = g_strdup(phases[i] == 'o' ? "builtin ffffffffffffffff" : KEY);
        row->image_digest = g_strdup(phases[i] == 'd' ? "sha256:2" : "sha256:1");
        row->phase = phases[i] == 'p'   ? RUNTIME_PENDING
                     : phases[i] == 'b' ? RUNTIME_BACKOFF
                     : phases[i] == 'r' ? RUNTIME_READY
                                        : RUNTIME_STARTED;
        row->next_attempt_at_us = phases[i] == 'b' ? i + 1 : 0;
        g_ptr_array_add(rows, row);
    }
    return rows;
}

static void check_plan(guint count, const char *phases, guint adds, const char *drops, guint ready)
{
    g_autofree char *text = g_strdup_printf("builtin:%u", count);
    g_autoptr(GPtrArray) targets = warm_targets_parse(text, NULL);
    g_autoptr(GPtrArray) rows = make_rows(phases);
    g_autoptr(GString) dropped = g_string_new(NULL);
    WarmTarget *target = targets->pdata[0];
    g_auto(WarmPlan) plan = {0};

    target->key = g_strdup(KEY);
    target->digest = g_strdup("sha256:1");
    warm_plan_make(targets, rows, &plan);
    for (guint i = 0; i < plan.drop->len; i++)
        g_string_append(dropped, plan.drop->pdata[i]);
    g_test_message("%u of %s", count, phases);
    g_assert_cmpuint(plan.add->len, ==, adds);
    g_assert_cmpstr(dropped->str, ==, drops);
    g_assert_cmpuint(plan.ready, ==, ready);
}

static void test_one_is_made_at_a_time(void)
{
    check_plan(3, "", 1, "", 0);
    check_plan(3, "p", 0, "", 0);
    check_plan(3, "s", 1, "", 1);
    check_plan(3, "rsp", 0, "", 2);
    check_plan(2, "rs", 0, "", 2);
    check_plan(0, "", 0, "", 0);
}

static void test_trouble_keeps_others_from_trying(void)
{
    check_plan(3, "b", 0, "", 0);
    check_plan(3, "rb", 0, "", 1);
    check_plan(3, "bb", 0, "b0", 0); /* the one whose turn comes last stays */
    check_plan(3, "pb", 0, "", 0);
}

static void test_a_surplus_goes_worst_first(void)
{
    check_plan(1, "bpr", 0, "p1b0", 1);
    check_plan(0, "rs", 0, "r0s1", 0);
    check_plan(2, "rsr", 0, "r2", 2);
}

static void test_what_was_made_for_something_else_goes(void)
{
    check_plan(2, "or", 1, "o0", 1);
    check_plan(1, "d", 1, "d0", 0);
}

/* ---- Members in the world ---- */

typedef struct {
    House house;
    Config config;
} Stock;

/* `data`: the setting. */
static void set_up_closed(Stock *stock, gconstpointer data)
{
    house_build(&stock->house);
    stock->config = (Config){.default_tier = 2,
                             .allow_privileged = TRUE,
                             .liveness_seconds = 180,
                             .warm_pool = (char *)data};
    stock->house.config = &stock->config;
    stock->house.pass_interval_ms = 20;
}

static void set_up(Stock *stock, gconstpointer data)
{
    set_up_closed(stock, data);
    house_open(&stock->house);
}

static void tear_down(Stock *stock, gconstpointer data)
{
    (void)data;
    house_clear(&stock->house);
}

static guint count_ready(House *house)
{
    g_autoptr(GPtrArray) rows = store_runtime_list_warm(house->db, NULL);
    guint ready = 0;

    for (guint i = 0; i < rows->len; i++)
        ready += ((RuntimeRow *)rows->pdata[i])->phase == RUNTIME_STARTED ||
                 ((RuntimeRow *)rows->pdata[i])->phase == RUNTIME_READY;
    return ready;
}

static void wait_ready(House *house, guint count)
{
    gint64 deadline_us = g_get_monotonic_time() + HOUSE_PATIENCE_US;

    while (count_ready(house) != count) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline_us);
        g_usleep(1000);
    }
}

static void wait_figure(const House *house, const guint *figure, guint least)
{
    gint64 deadline_us = g_get_monotonic_time() + HOUSE_PATIENCE_US;

    while (world_read(house->world, figure) < least) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline_us);
        g_usleep(1000);
    }
}

/* What a create does. */
/* `is_begun`: an attempt to tell it was cut off, before anybody could look. */
static void take_as(House *house, char id[ID_SIZE], gboolean is_begun)
{
    const char *key = reconciler_warm_key(house->reconciler, NULL);
    g_autoptr(DbTransaction) transaction = db_begin(house->db, NULL);
    g_autoptr(WorkspaceRow) row = workspace_row_new();
    gboolean current = FALSE;

    g_assert_nonnull(key);
    g_assert_true(store_warm_take(house->db, key, WISH_SPEC_NOTHING, row->id, &row->url, NULL));
    g_assert_cmpstr(row->id, !=, "");
    row->url_is_minted = TRUE;
    row->name = g_strdup("Worker");
    row->runtime = g_strdup("builtin");
    row->tier = 2;
    row->workspace_access = g_strdup("none");
    row->provision_started_at_us = clock_now_us();
    g_assert_true(store_workspace_insert(house->db, row, NULL));
    g_assert_true(store_secret_put(house->db, row->id, "KEY", "quiet", 5, 0, NULL));
    if (is_begun)
        g_assert_true(store_warm_told(house->db, row->id, 1, WARM_TOLD_BEGUN, &current, NULL) &&
                      current);
    g_assert_true(db_commit(&transaction, NULL));
    g_strlcpy(id, row->id, ID_SIZE);
    g_assert_true(org_tree_refresh(house->tree, id, NULL));
}

static void take(House *house, char id[ID_SIZE])
{
    take_as(house, id, FALSE);
}

static void hand_over_one(House *house, char id[ID_SIZE])
{
    take(house, id);
    reconciler_warm_note(house->reconciler, TRUE);
    reconciler_poke(house->reconciler, id);
}

static const char *check_told(House *house, const char *id)
{
    g_autoptr(RuntimeRow) row = house_runtime(house, id);

    return row && row->warm_started_at_us > 0 ? NULL : "not told yet";
}

/* Members know no secret and have no token; whoever takes one gets both, in the same container. */
static void test_a_member_becomes_a_workspace(Stock *stock, gconstpointer data)
{
    House *house = &stock->house;
    char id[ID_SIZE];
    WorldContainer before, after;
    g_autofree char *environment = NULL;
    g_autofree char *token = NULL;
    ReconcilerStatus status;

    (void)data;
    g_assert_true(store_secret_put(house->db, NULL, "SHARED", "global", 6, 0, NULL));
    wait_ready(house, 2);
    g_assert_cmpuint(org_tree_size(house->tree), ==, 0);
    take(house, id);
    before = house_container(house, id);
    g_assert_nonnull(strstr(before.environment, "WORKSPACE_AGENT_STANDBY=1\n"));
    g_assert_null(strstr(before.environment, "SHARED"));
    token = house_file(house, &before, ".auth_token");
    g_assert_null(token);
    reconciler_warm_note(house->reconciler, TRUE);
    reconciler_poke(house->reconciler, id);
    house_settle(house, id, house_check_running, 0);
    house_settle(house, id, check_told, 0);
    after = house_container(house, id);
    g_assert_cmpstr(after.id, ==, before.id);
    g_assert_cmpint(after.labels.generation, ==, 1);
    environment = house_file(house, &after, ".workspaced-environment");
    g_assert_nonnull(environment); /* a NUL ends what the test's file gives */
    wait_ready(house, 2);
    reconciler_status(house->reconciler, &status);
    g_assert_cmpuint(status.warm_wished, ==, 2);
    g_assert_cmpuint(status.warm_handed_over, ==, 1);
    g_assert_cmpuint(status.warm_refused, ==, 0);
    house_remove(house, id, FALSE);
    house_settle(house, id, house_check_gone, 0);
    g_assert_cmpuint(house_count_containers(house, NULL), ==, 2);
}

/* Restarted by the engine, its agent stands by again without an environment: made anew. */
static void test_a_restarted_one_is_made_anew(Stock *stock, gconstpointer data)
{
    House *house = &stock->house;
    char id[ID_SIZE];
    WorldContainer before, after;

    (void)data;
    wait_ready(house, 1);
    hand_over_one(house, id);
    house_settle(house, id, check_told, 0);
    house_settle(house, id, house_check_running, 0);
    before = house_container(house, id);
    world_lock(house->world);
    world_find(house->world, before.id)->started_at_us += 1000000;
    world_unlock(house->world);
    reconciler_poke(house->reconciler, id);
    for (guint i = 0; i < 5000 && strcmp(house_container(house, id).id, before.id) == 0; i++)
        g_usleep(1000);
    house_settle(house, id, house_check_running, 0);
    after = house_container(house, id);
    g_assert_cmpstr(after.id, !=, before.id);
    g_assert_null(strstr(after.environment, "WORKSPACE_AGENT_STANDBY"));
    g_assert_nonnull(strstr(after.environment, "KEY=quiet\n"));
}

/* The same while no server ran: the first pass looks. */
static void test_one_restarted_behind_our_back_is_made_anew(Stock *stock, gconstpointer data)
{
    House *house = &stock->house;
    char id[ID_SIZE];
    WorldContainer before;

    (void)data;
    wait_ready(house, 1);
    hand_over_one(house, id);
    house_settle(house, id, check_told, 0);
    house_settle(house, id, house_check_running, 0);
    before = house_container(house, id);
    house_close(house);
    world_lock(house->world);
    world_find(house->world, before.id)->started_at_us += 1000000;
    world_unlock(house->world);
    house_open(house);
    for (guint i = 0; i < 5000 && strcmp(house_container(house, id).id, before.id) == 0; i++)
        g_usleep(1000);
    house_settle(house, id, house_check_running, 0);
    g_assert_cmpstr(house_container(house, id).id, !=, before.id);
}

/* An attempt that was cut off may have been heard: nobody repeats it. */
static void test_a_cut_off_hand_over_ends_in_a_new_container(Stock *stock, gconstpointer data)
{
    House *house = &stock->house;
    char id[ID_SIZE];
    WorldContainer after;

    (void)data;
    wait_ready(house, 1);
    take_as(house, id, TRUE);
    reconciler_poke(house->reconciler, id);
    for (guint i = 0; i < 5000 && house_container(house, id).labels.generation == 1; i++)
        g_usleep(1000);
    house_settle(house, id, house_check_running, 0);
    after = house_container(house, id);
    g_assert_cmpint(after.labels.generation, ==, 2);
    g_assert_cmpint(house_told(house, "WORKSPACE_PROVISION_FAILED"), ==, 0);
}

static guint run_hand_over(House *house, guint fail_at, WorldFault fault)
{
    char id[ID_SIZE];
    guint calls = 0;

    for (guint i = 0; i < 10000 && count_ready(house) == 0; i++) {
        clock_advance(CLOCK_SECOND_US / 10); /* the fault may have met the next member */
        g_usleep(1000);
    }
    take(house, id);
    world_lock(house->world);
    house->world->calls = 0;
    house->world->fail_at = fail_at;
    house->world->fault = fault;
    world_unlock(house->world);
    reconciler_poke(house->reconciler, id);
    house_settle(house, id, house_check_running, CLOCK_SECOND_US);
    calls = world_read(house->world, &house->world->calls);
    world_lock(house->world);
    house->world->fail_at = 0;
    world_unlock(house->world);
    house_remove(house, id, FALSE);
    house_settle(house, id, house_check_gone, CLOCK_SECOND_US);
    reconciler_warm_note(house->reconciler, TRUE);
    return calls;
}

static void test_a_hand_over_survives_each_fault(Stock *stock, gconstpointer data)
{
    guint calls = run_hand_over(&stock->house, 0, FAULT_NONE);

    (void)data;
    g_assert_cmpuint(calls, >, 0);
    for (guint n = 1; n <= calls; n++)
        for (WorldFault fault = FAULT_BEFORE; fault <= FAULT_AFTER; fault++)
            run_hand_over(&stock->house, n, fault);
    g_assert_cmpint(house_told(&stock->house, "WORKSPACE_PROVISION_FAILED"), ==, 0);
}

/* Every container ends at once: one try, and none before a minute is over. */
static void test_a_broken_image_costs_a_try_a_minute(Stock *stock, gconstpointer data)
{
    House *house = &stock->house;

    (void)data;
    world_write(house->world, &house->world->dies_at_start, TRUE);
    house_open(house);
    for (guint minute = 1; minute <= 3; minute++) {
        g_autoptr(GPtrArray) rows = NULL;

        wait_figure(house, &house->world->starts, minute);
        g_usleep(150 * 1000); /* some passes, in which another try would come */
        g_assert_cmpuint(world_read(house->world, &house->world->starts), ==, minute);
        rows = store_runtime_list_warm(house->db, NULL);
        g_assert_cmpuint(rows->len, ==, 1);
        g_assert_nonnull(((RuntimeRow *)rows->pdata[0])->last_error);
        clock_advance(61 * CLOCK_SECOND_US);
        reconciler_poke(house->reconciler, ((RuntimeRow *)rows->pdata[0])->workspace_id);
    }
}

static void test_an_absent_image_says_so(Stock *stock, gconstpointer data)
{
    House *house = &stock->house;

    (void)data;
    for (guint i = 0; i < 5000; i++) {
        g_autoptr(GPtrArray) rows = store_runtime_list_warm(house->db, NULL);

        if (rows->len == 1 && ((RuntimeRow *)rows->pdata[0])->phase == RUNTIME_BACKOFF) {
            g_assert_nonnull(strstr(((RuntimeRow *)rows->pdata[0])->last_error, "nowhere:1"));
            g_assert_cmpuint(world_read(house->world, &house->world->pulls), ==, 1);
            return;
        }
        g_usleep(1000);
    }
    g_assert_not_reached();
}

/* One that died is replaced; so is a whole stock, one after the other. */
static void test_dead_members_are_replaced(Stock *stock, gconstpointer data)
{
    House *house = &stock->house;

    (void)data;
    wait_ready(house, 2);
    clock_advance(2 * CLOCK_MINUTE_US);
    world_lock(house->world);
    for (guint i = 0; i < WORLD_CONTAINERS; i++)
        if (house->world->containers[i].exists)
            world_end_locked(house->world, &house->world->containers[i], 1);
    world_unlock(house->world);
    wait_figure(house, &house->world->starts, 4);
    wait_ready(house, 2);
    for (guint i = 0; i < 5000 && house_count_containers(house, NULL) != 2; i++)
        g_usleep(1000);
    g_assert_cmpuint(house_count_containers(house, NULL), ==, 2);
}

static void wait_containers(House *house, guint count)
{
    for (guint i = 0; i < 10000 && (house_count_containers(house, NULL) != count ||
                                    house_count_volumes(house, NULL) != 2 * count);
         i++)
        g_usleep(1000);
    g_assert_cmpuint(house_count_containers(house, NULL), ==, count);
    g_assert_cmpuint(house_count_volumes(house, NULL), ==, 2 * count);
}

static void test_a_restart_keeps_what_fits(Stock *stock, gconstpointer data)
{
    House *house = &stock->house;
    guint starts = 0;

    (void)data;
    wait_ready(house, 2);
    starts = world_read(house->world, &house->world->starts);
    house_close(house);
    house_open(house);
    g_usleep(100 * 1000);
    g_assert_cmpuint(world_read(house->world, &house->world->starts), ==, starts);
    wait_ready(house, 2);
    house_close(house);
    stock->config.warm_pool = (char *)"builtin:1"; /* less is wished */
    house_open(house);
    wait_containers(house, 1);
    house_close(house);
    stock->config.tier2_memory_mb = 256; /* others are wished */
    house_open(house);
    wait_figure(house, &house->world->starts, starts + 1);
    wait_containers(house, 1);
    house_close(house);
    stock->config.warm_pool = NULL; /* none is */
    house_open(house);
    wait_containers(house, 0);
    g_assert_cmpuint(count_ready(house), ==, 0);
}

/* Two servers on one database fill one gap once. */
static void test_two_servers_do_not_overfill(Stock *stock, gconstpointer data)
{
    House *house = &stock->house;
    House twin = *house;

    (void)data;
    twin.db = NULL;
    twin.last_failure = NULL;
    twin.told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    mutex_init(&twin.lock);
    house_open(house);
    house_open(&twin);
    wait_ready(house, 5);
    for (guint i = 0; i < 20; i++) { /* and while they are taken */
        char id[ID_SIZE];

        g_assert_cmpuint(count_ready(house), <=, 5);
        if (i % 4 == 0) {
            wait_ready(house, 5);
            hand_over_one(i % 8 == 0 ? house : &twin, id);
            house_settle(house, id, house_check_running, 0);
            house_remove(house, id, FALSE);
        }
        g_usleep(5000);
    }
    wait_ready(house, 5);
    house_close(&twin);
    house_close(house);
    house_open(house);
    wait_containers(house, 5);
    g_hash_table_unref(twin.told);
    g_free(twin.last_failure);
    mutex_clear(&twin.lock);
}

static void test_a_bad_setting_is_refused_at_the_start(void)
{
    g_autoptr(GError) error = NULL;
    Config config = {.warm_pool = (char *)"builtin"};
    ReconcilerOptions options = {.installation = HOUSE_INSTALLATION, .config = &config};

    g_assert_null(reconciler_new(&options, &error));
    g_assert_true(error_is(error, ERROR_INVALID));
}

#define ADD(path_, setting_, set_up_, function_)                                                   \
    g_test_add("/reconcile/warm/" path_, Stock, setting_, set_up_, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_setup(g_getenv("RECONCILE_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    g_test_add_func("/reconcile/warm/the-last-colon-splits", test_the_last_colon_splits);
    g_test_add_func("/reconcile/warm/junk-is-refused", test_junk_is_refused);
    g_test_add_func("/reconcile/warm/nothing-wishes-nothing", test_nothing_wishes_nothing);
    g_test_add_func("/reconcile/warm/one-is-made-at-a-time", test_one_is_made_at_a_time);
    g_test_add_func("/reconcile/warm/trouble-keeps-others-from-trying",
                    test_trouble_keeps_others_from_trying);
    g_test_add_func("/reconcile/warm/a-surplus-goes-worst-first", test_a_surplus_goes_worst_first);
    g_test_add_func("/reconcile/warm/what-was-made-for-something-else-goes",
                    test_what_was_made_for_something_else_goes);
    g_test_add_func("/reconcile/warm/a-bad-setting-is-refused-at-the-start",
                    test_a_bad_setting_is_refused_at_the_start);
    ADD("a-member-becomes-a-workspace", "builtin:2", set_up, test_a_member_becomes_a_workspace);
    ADD("a-restarted-one-is-made-anew", "builtin:1", set_up, test_a_restarted_one_is_made_anew);
    ADD("one-restarted-behind-our-back-is-made-anew", "builtin:1", set_up,
        test_one_restarted_behind_our_back_is_made_anew);
    ADD("two-servers-do-not-overfill", "builtin:5", set_up_closed,
        test_two_servers_do_not_overfill);
    ADD("a-cut-off-hand-over-ends-in-a-new-container", "builtin:1", set_up,
        test_a_cut_off_hand_over_ends_in_a_new_container);
    ADD("a-hand-over-survives-each-fault", "builtin:1", set_up,
        test_a_hand_over_survives_each_fault);
    ADD("a-broken-image-costs-a-try-a-minute", "builtin:3", set_up_closed,
        test_a_broken_image_costs_a_try_a_minute);
    ADD("an-absent-image-says-so", "nowhere:1:2", set_up, test_an_absent_image_says_so);
    ADD("dead-members-are-replaced", "builtin:2", set_up, test_dead_members_are_replaced);
    ADD("a-restart-keeps-what-fits", "builtin:2", set_up, test_a_restart_keeps_what_fits);
    return g_test_run();
}
