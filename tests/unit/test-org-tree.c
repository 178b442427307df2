#include "base/clock.h"
#include "db/migrations.h"
#include "org/spend.h"
#include "org/tree.h"
#include "store/usage.h"
#include "store/workspaces.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
    char *folder;
    Db *db;
    OrgTree *tree;
    char root[ID_SIZE], a[ID_SIZE], b[ID_SIZE], leaf[ID_SIZE], other[ID_SIZE];
} Fixture;

static void insert(Db *db, const char *name, const char *parent, char id[ID_SIZE])
{
    static gint64 created_us = 1000000;
    g_autoptr(WorkspaceRow) row = workspace_row_new();

    id_make(row->id);
    row->name = g_strdup(name);
    row->tier = 2;
    row->workspace_access = g_strdup("none");
    row->created_at_us = created_us++;
    if (parent)
        g_strlcpy(row->parent_id, parent, ID_SIZE);
    g_assert_true(store_workspace_insert(db, row, NULL));
    g_strlcpy(id, row->id, ID_SIZE);
}

/* root - a - leaf, root - b; other is a root of its own. */
static void set_up(Fixture *fixture, gconstpointer data)
{
    g_autofree char *url = NULL;

    (void)data;
    fixture->folder = g_dir_make_tmp("tree-XXXXXX", NULL);
    url = g_strdup_printf("sqlite:%s/a.db", fixture->folder);
    fixture->db = db_open(url, 1000, NULL);
    g_assert_true(db_migrate(fixture->db, NULL, NULL));
    insert(fixture->db, "root", NULL, fixture->root);
    insert(fixture->db, "b", fixture->root, fixture->b);
    insert(fixture->db, "a", fixture->root, fixture->a);
    insert(fixture->db, "leaf", fixture->a, fixture->leaf);
    insert(fixture->db, "other", NULL, fixture->other);
    fixture->tree = org_tree_new(fixture->db, NULL);
    g_assert_nonnull(fixture->tree);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    static const char *const files[] = {"a.db", "a.db-wal", "a.db-shm"};

    (void)data;
    org_tree_free(fixture->tree);
    db_close(fixture->db);
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(fixture->folder, files[i], NULL);
        g_unlink(path);
    }
    g_rmdir(fixture->folder);
    g_free(fixture->folder);
}

static void assert_both_ways(Fixture *fixture, const char *x, const char *y, gboolean allowed)
{
    g_assert_cmpint(org_tree_may_talk(fixture->tree, x, y), ==, allowed);
    g_assert_cmpint(org_tree_may_talk(fixture->tree, y, x), ==, allowed);
}

static void test_who_may_talk(Fixture *fixture, gconstpointer data)
{
    static const char unknown[] = "00000000-0000-4000-8000-000000000000";

    (void)data;
    assert_both_ways(fixture, fixture->a, fixture->b, TRUE);         /* siblings */
    assert_both_ways(fixture, fixture->root, fixture->other, TRUE);  /* roots */
    assert_both_ways(fixture, fixture->root, fixture->a, TRUE);      /* parent */
    assert_both_ways(fixture, fixture->root, fixture->leaf, TRUE);   /* any ancestor */
    assert_both_ways(fixture, fixture->leaf, fixture->b, FALSE);     /* nephew */
    assert_both_ways(fixture, fixture->leaf, fixture->other, FALSE); /* another tree */
    assert_both_ways(fixture, fixture->leaf, unknown, FALSE);
    g_assert_true(org_tree_may_talk(fixture->tree, unknown, unknown));
}

static void test_cycles_are_seen(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_assert_true(org_tree_would_cycle(fixture->tree, fixture->root, fixture->leaf));
    g_assert_true(org_tree_would_cycle(fixture->tree, fixture->a, fixture->a));
    g_assert_false(org_tree_would_cycle(fixture->tree, fixture->leaf, fixture->b));
}

static void test_peers_in_order(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GPtrArray) peers = org_tree_peers(fixture->tree, fixture->a);

    (void)data;
    g_assert_cmpuint(peers->len, ==, 3);
    g_assert_cmpstr(org_node_row(peers->pdata[0])->id, ==, fixture->b);
    g_assert_cmpstr(org_node_row(peers->pdata[1])->id, ==, fixture->leaf);
    g_assert_cmpstr(org_node_row(peers->pdata[2])->id, ==, fixture->root);
    g_assert_null(org_tree_peers(fixture->tree, "00000000-0000-4000-8000-000000000000"));
}

static void test_heartbeats_reach_the_database(Fixture *fixture, gconstpointer data)
{
    OrgVitals vitals = {.error_rate = 0.25,
                        .sample_error = "oops",
                        .active_tasks = 2,
                        .uptime_seconds = 60,
                        .current_task = "think",
                        .monthly_spend = 150,
                        .heartbeat_at_us = clock_now_us()};
    g_autoptr(OrgNode) before = NULL;
    g_autoptr(WorkspaceRow) row = NULL;
    guint64 version = org_tree_version(fixture->tree);

    (void)data;
    g_assert_true(org_tree_beat(fixture->tree, fixture->a, &vitals, &before));
    g_assert_cmpint(org_node_row(before)->active_tasks, ==, 0);
    g_assert_cmpuint(org_tree_version(fixture->tree), !=, version);
    /* A row that is read before the flush must not take the signs back. */
    g_assert_true(org_tree_refresh(fixture->tree, fixture->a, NULL));
    g_autoptr(OrgNode) now = org_tree_find(fixture->tree, fixture->a);
    g_assert_cmpstr(org_node_row(now)->current_task, ==, "think");
    g_assert_true(org_tree_flush(fixture->tree, NULL));
    g_assert_true(store_workspace_load(fixture->db, fixture->a, &row, NULL));
    g_assert_cmpint(row->active_tasks, ==, 2);
    g_assert_cmpstr(row->last_sample_error, ==, "oops");
    g_assert_cmpint(row->monthly_spend, ==, 150);
    g_assert_false(
        org_tree_beat(fixture->tree, "00000000-0000-4000-8000-000000000000", &vitals, NULL));
}

static void test_removed_ones_leave(Fixture *fixture, gconstpointer data)
{
    g_autoptr(StoreRemoval) removal = NULL;

    (void)data;
    g_assert_true(
        store_workspace_remove(fixture->db, fixture->a, STORE_REMOVE_TREE, FALSE, &removal, NULL));
    g_assert_true(org_tree_refresh(fixture->tree, fixture->a, NULL));
    g_assert_true(org_tree_refresh(fixture->tree, fixture->leaf, NULL));
    g_assert_cmpuint(org_tree_size(fixture->tree), ==, 3);
    g_assert_null(org_tree_find(fixture->tree, fixture->leaf));
    g_assert_false(org_tree_may_talk(fixture->tree, fixture->root, fixture->a));
}

static void test_the_list_is_in_order_of_creation(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GPtrArray) nodes = org_tree_list(fixture->tree);

    (void)data;
    g_assert_cmpuint(nodes->len, ==, 5);
    for (guint i = 1; i < nodes->len; i++)
        g_assert_cmpint(org_node_row(nodes->pdata[i - 1])->created_at_us, <,
                        org_node_row(nodes->pdata[i])->created_at_us);
}

#define CASE(name_, function_)                                                                     \
    g_test_add("/tree/" name_, Fixture, NULL, set_up, function_, tear_down)

/* ---- Spending ---- */

static gint64 spent(Fixture *fixture, gint64 at_us)
{
    g_autoptr(OrgNode) node = org_tree_find(fixture->tree, fixture->a);

    return spend_cents(org_node_row(node), at_us);
}

static void test_usage_is_counted_in_its_month(Fixture *fixture, gconstpointer data)
{
    gint64 now_us = clock_now_us(), from_us = 0, to_us = 0;

    (void)data;
    spend_period_bounds(now_us, &from_us, &to_us);
    org_tree_add_usage(fixture->tree, fixture->a, 19999, now_us);
    g_assert_cmpint(spent(fixture, now_us), ==, 1);
    g_assert_true(org_tree_refresh(fixture->tree, fixture->a, NULL)); /* it outlives a read */
    g_assert_cmpint(spent(fixture, now_us), ==, 1);
    g_assert_cmpint(spent(fixture, to_us), ==, 0);
    org_tree_add_usage(fixture->tree, fixture->a, 30000, to_us);
    g_assert_cmpint(spent(fixture, to_us), ==, 3);
    org_tree_add_usage(fixture->tree, fixture->a, 90000, from_us); /* late, of the month before */
    g_assert_cmpint(spent(fixture, to_us), ==, 3);
    org_tree_add_usage(fixture->tree, "00000000-0000-4000-8000-000000000000", 1, now_us);
}

static void test_usage_is_read_at_start(Fixture *fixture, gconstpointer data)
{
    gint64 now_us = clock_now_us(), from_us = 0, to_us = 0;

    (void)data;
    spend_period_bounds(now_us, &from_us, &to_us);
    g_assert_true(store_usage_add(fixture->db, fixture->a, from_us, 0, 2000, NULL));
    g_assert_true(store_usage_add(fixture->db, fixture->a, to_us - CLOCK_DAY_US, 10000, 0, NULL));
    g_assert_true(store_usage_add(fixture->db, fixture->a, from_us - 1, 10000000, 0, NULL));
    g_assert_true(store_usage_add(fixture->db, fixture->b, from_us, 10000000, 0, NULL));
    org_tree_free(fixture->tree);
    fixture->tree = org_tree_new(fixture->db, NULL);
    g_assert_cmpint(spent(fixture, now_us), ==, 6);
}

static void test_another_servers_usage_is_seen(Fixture *fixture, gconstpointer data)
{
    gint64 now_us = clock_now_us(), from_us = 0, to_us = 0;

    (void)data;
    spend_period_bounds(now_us, &from_us, &to_us);
    org_tree_add_usage(fixture->tree, fixture->b, 90000, now_us); /* counted twice, say */
    g_assert_true(store_usage_add(fixture->db, fixture->a, from_us, 0, 2000, NULL));
    g_assert_true(store_usage_add(fixture->db, fixture->b, from_us, 0, 2000, NULL));
    g_assert_true(org_tree_read_usage(fixture->tree, NULL));
    g_assert_cmpint(spent(fixture, now_us), ==, 3);
    g_autoptr(OrgNode) node = org_tree_find(fixture->tree, fixture->b);
    g_assert_cmpint(spend_cents(org_node_row(node), now_us), ==, 3);
}

static void test_the_greater_spending_counts(void)
{
    gint64 january_us = 1767225600 * CLOCK_SECOND_US; /* 2026-01-01 */
    WorkspaceRow row = {.budget_limit = 500, .monthly_spend = 550, .spend_period = 202601};

    g_assert_cmpint(spend_period(january_us), ==, 202601);
    g_assert_cmpint(spend_period(january_us - 1), ==, 202512);
    g_assert_true(spend_is_over(&row, january_us));
    row.metered_period = 202601;
    row.metered_micro_usd = 5510000;
    g_assert_cmpint(spend_cents(&row, january_us), ==, 551);
    g_assert_cmpint(spend_cents(&row, january_us + 31 * CLOCK_DAY_US), ==, 0);
    g_assert_false(spend_is_over(&row, january_us + 31 * CLOCK_DAY_US));
    row.budget_limit = 0;
    g_assert_true(spend_is_over(&row, january_us + 31 * CLOCK_DAY_US));
    row.budget_limit = -1;
    g_assert_false(spend_is_over(&row, january_us));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    CASE("who-may-talk", test_who_may_talk);
    CASE("cycles-are-seen", test_cycles_are_seen);
    CASE("peers-in-order", test_peers_in_order);
    CASE("heartbeats-reach-the-database", test_heartbeats_reach_the_database);
    CASE("removed-ones-leave", test_removed_ones_leave);
    CASE("the-list-is-in-order-of-creation", test_the_list_is_in_order_of_creation);
    CASE("usage-is-counted-in-its-month", test_usage_is_counted_in_its_month);
    CASE("usage-is-read-at-start", test_usage_is_read_at_start);
    CASE("another-servers-usage-is-seen", test_another_servers_usage_is_seen);
    g_test_add_func("/tree/the-greater-spending-counts", test_the_greater_spending_counts);
    return g_test_run();
}
