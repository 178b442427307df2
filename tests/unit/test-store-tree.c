/* The hierarchy, and removing a tree with everything that belongs to it. */
#include "base/sync.h"
#include "store/activity.h"
#include "store/garbage.h"
#include "store/memories.h"
#include "store/runtime.h"
#include "store/secrets.h"
#include "store/structure_events.h"
#include "store/tokens.h"
#include "store/usage.h"
#include "test-store-fixture.h"

static void assert_member(const GPtrArray *members, guint index, const char *id)
{
    g_assert_cmpuint(index, <, members->len);
    g_assert_cmpstr(((const StoreMember *)members->pdata[index])->id, ==, id);
}

static void make_cycle(Fixture *fixture, const char *a, const char *b)
{
    store_sql(fixture, "UPDATE workspaces SET parent_id = $2 WHERE id = $1", a, b);
    store_sql(fixture, "UPDATE workspaces SET parent_id = $2 WHERE id = $1", b, a);
}

/* ---- Walking ---- */

static void test_descendants_come_after_their_parents(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) below = NULL, none = NULL;
    char top[ID_SIZE], a[ID_SIZE], gone[ID_SIZE], low[ID_SIZE], lowest[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "top", WORKSPACE_ONLINE, NULL, top);
    store_make(fixture, "lowest", WORKSPACE_ONLINE, top, lowest);
    store_make(fixture, "low", WORKSPACE_ONLINE, top, low);
    store_make(fixture, "gone", WORKSPACE_ONLINE, top, gone);
    store_make(fixture, "a", WORKSPACE_ONLINE, top, a);
    store_sql(fixture, "UPDATE workspaces SET parent_id = $2 WHERE id = $1", low, gone);
    store_sql(fixture, "UPDATE workspaces SET parent_id = $2 WHERE id = $1", lowest, low);
    store_sql(fixture, "UPDATE workspaces SET status = 'removed' WHERE id = $1", gone, NULL);
    below = store_workspace_list_descendants(fixture->db, top, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(below->len, ==, 4);
    assert_member(below, 0, gone);
    assert_member(below, 1, a);
    assert_member(below, 2, low);
    assert_member(below, 3, lowest);
    g_assert_cmpint(((StoreMember *)below->pdata[0])->status, ==, WORKSPACE_REMOVED);
    g_assert_cmpstr(((StoreMember *)below->pdata[3])->parent_id, ==, low);
    g_assert_cmpstr(((StoreMember *)below->pdata[3])->name, ==, "lowest");
    none = store_workspace_list_descendants(fixture->db, lowest, &error);
    g_assert_cmpuint(none->len, ==, 0);
}

static void test_the_nearest_paused_ancestor_is_found(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    char top[ID_SIZE], middle[ID_SIZE], low[ID_SIZE], lowest[ID_SIZE];
    StoreMember *found = NULL;

    fixture_migrate(fixture);
    store_make(fixture, "top", WORKSPACE_PAUSED, NULL, top);
    store_make(fixture, "middle", WORKSPACE_PAUSED, top, middle);
    store_make(fixture, "low", WORKSPACE_ONLINE, middle, low);
    store_make(fixture, "lowest", WORKSPACE_PAUSED, low, lowest);
    assert_done(store_workspace_find_paused_ancestor(fixture->db, lowest, &found, &error));
    g_assert_cmpstr(found->id, ==, middle);
    g_assert_cmpstr(found->name, ==, "middle");
    store_member_free(found);
    assert_done(store_workspace_find_paused_ancestor(fixture->db, top, &found, &error));
    g_assert_null(found);
    assert_done(store_workspace_find_paused_ancestor(fixture->db, "none", &found, &error));
    g_assert_null(found);
}

static void test_cycles_end(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) below = NULL;
    g_autoptr(StoreRemoval) removal = NULL;
    char a[ID_SIZE], b[ID_SIZE], c[ID_SIZE];
    StoreMember *found = NULL;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, a);
    store_make(fixture, "b", WORKSPACE_ONLINE, NULL, b);
    store_make(fixture, "c", WORKSPACE_ONLINE, a, c);
    make_cycle(fixture, a, b);
    below = store_workspace_list_descendants(fixture->db, a, &error);
    g_assert_cmpuint(below->len, ==, 2);
    assert_done(store_workspace_find_paused_ancestor(fixture->db, c, &found, &error));
    g_assert_null(found);
    assert_done(store_workspace_remove(fixture->db, a, STORE_REMOVE_TREE, TRUE, &removal, &error));
    g_assert_cmpint(removal->rows_purged, ==, 3);
}

/* ---- Removing ---- */

/* One row of everything that hangs on a workspace. */
static void furnish(Fixture *fixture, const char *id)
{
    static const char *const sql[] = {
        "INSERT INTO agents (id, workspace_id, model) VALUES ('ag-' || $1, $1, 'm')",
        "INSERT INTO workspace_config (workspace_id, updated_at) VALUES ($1, 1)",
        "INSERT INTO workspace_memory (id, workspace_id, key, value, updated_at)"
        " VALUES ('me-' || $1, $1, 'k', '1', 1)",
        "INSERT INTO approval_requests (id, workspace_id, action, created_at)"
        " VALUES ('ap-' || $1, $1, 'a', 1)",
        "INSERT INTO workspace_schedules (id, workspace_id, name, cron_expr, prompt, created_at,"
        " updated_at) VALUES ('sc-' || $1, $1, 'n', '* * * * *', 'p', 1, 1)",
        "INSERT INTO workspace_channels (id, workspace_id, channel_type, created_at, updated_at)"
        " VALUES ('ch-' || $1, $1, 'slack', 1, 1)",
        "INSERT INTO org_plugin_allowlist (id, org_id, plugin_name, enabled_by, enabled_at)"
        " VALUES ('al-' || $1, $1, 'p', 'x', 1)",
        "INSERT INTO workspace_artifacts (id, workspace_id, cf_repo_name, cf_namespace, created_at,"
        " updated_at) VALUES ('ar-' || $1, $1, 'r', 'n', 1, 1)",
        "INSERT INTO audit_events (id, timestamp, agent_id, session_id, operation, hmac,"
        " workspace_id) VALUES ('au-' || $1, 1, 'a', 's', 'task_start', 'h', $1)",
        "INSERT INTO a2a_queue (id, workspace_id, body, enqueued_at) VALUES ('q-' || $1, $1, '{}',"
        " 1)",
        "INSERT INTO workflow_checkpoints (id, workspace_id, workflow_id, step_name, step_index,"
        " completed_at) VALUES ('wf-' || $1, $1, 'w', 's', 1, 1)",
        "INSERT INTO org_api_tokens (id, token_hash, prefix, org_id, created_at)"
        " SELECT 'ot-' || $1, t.token_hash, 'p', $1, 1 FROM workspace_auth_tokens t"
        " WHERE t.workspace_id = $1",
    };
    StoreToken token = {.prefix = "12345678", .origin = "user"};
    g_autoptr(ActivityRow) order = activity_row_new();
    g_autoptr(GError) error = NULL;

    id_make(token.id);
    memcpy(token.workspace_id, id, ID_SIZE);
    crypto_random(token.hash, sizeof token.hash);
    assert_done(store_token_insert(fixture->db, &token, &error));
    memcpy(order->workspace_id, id, ID_SIZE);
    order->activity_type = g_strdup("delegation");
    order->method = g_strdup("delegate");
    order->status = g_strdup("dispatched");
    assert_done(store_activity_insert(fixture->db, order, &error));
    assert_done(store_secret_put(fixture->db, id, "K", "v", 1, 0, &error));
    assert_done(store_memory_insert(fixture->db, id, "c", "LOCAL", NULL, NULL, &error));
    assert_done(store_usage_add(fixture->db, id, 0, 1, 1, &error));
    assert_done(store_structure_event_insert(fixture->db, "E", id, NULL, 1, &error));
    for (guint i = 0; i < G_N_ELEMENTS(sql); i++)
        store_sql(fixture, sql[i], id, NULL);
}

static void wish_running(Fixture *fixture, const char *id, const char *container,
                         const char *volumes)
{
    const RuntimeWish wish = {.desired = RUNTIME_RUNNING, .spec = "{}"};
    const RuntimeProgress progress = {.phase = RUNTIME_STARTED,
                                      .container_id = container,
                                      .volumes = volumes,
                                      .instance_id = "i-7"};
    g_autoptr(GError) error = NULL;
    gint64 generation = 0;
    gboolean current = FALSE;

    assert_done(store_runtime_wish(fixture->db, id, &wish, &generation, &error));
    assert_done(store_runtime_progress(fixture->db, id, generation, &progress, &current, &error));
    g_assert_true(current);
}

static gboolean has_intent(const GPtrArray *intents, GarbageKind kind, const char *ref)
{
    for (guint i = 0; i < intents->len; i++) {
        const GarbageRow *row = intents->pdata[i];
        if (row->kind == kind && g_str_equal(row->ref, ref))
            return TRUE;
    }
    return FALSE;
}

static void assert_intents(Fixture *fixture, const char *id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) intents = store_garbage_list_of(fixture->db, id, &error);
    g_autofree char *container = g_strdup_printf("ws-%.12s", id);
    g_autofree char *configs = g_strdup_printf("ws-%.12s-configs", id);
    g_autofree char *sessions = g_strdup_printf("ws-%.12s-claude-sessions", id);
    g_autofree char *files = g_strdup_printf("ws-%s-workspace", id);

    g_assert_no_error(error);
    g_assert_cmpuint(intents->len, ==, 7);
    g_assert_true(has_intent(intents, GARBAGE_CONTAINER, container));
    g_assert_true(has_intent(intents, GARBAGE_CONTAINER, "container-1"));
    g_assert_true(has_intent(intents, GARBAGE_VOLUME, configs));
    g_assert_true(has_intent(intents, GARBAGE_VOLUME, sessions));
    g_assert_true(has_intent(intents, GARBAGE_VOLUME, files));
    g_assert_true(has_intent(intents, GARBAGE_VOLUME, "own-configs"));
    g_assert_true(has_intent(intents, GARBAGE_INSTANCE, "i-7"));
    for (guint i = 0; i < 2; i++) /* containers before volumes */
        g_assert_cmpint(((GarbageRow *)intents->pdata[i])->kind, ==, GARBAGE_CONTAINER);
}

static void assert_ended(Fixture *fixture, const char *id)
{
    static const char *const zeros[] = {
        "SELECT COUNT(*) FROM canvas_layouts WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM workspace_auth_tokens WHERE workspace_id = $1 AND revoked_at IS NULL",
        "SELECT COUNT(*) FROM workspace_schedules WHERE workspace_id = $1 AND enabled = 1",
        "SELECT COUNT(*) FROM workspace_channels WHERE workspace_id = $1 AND enabled = 1",
        "SELECT COUNT(*) FROM a2a_queue WHERE workspace_id = $1 AND status <> 'dropped'",
        "SELECT COUNT(*) FROM approval_requests WHERE workspace_id = $1 AND status = 'pending'",
        "SELECT COUNT(*) FROM activity_logs WHERE workspace_id = $1 AND status = 'dispatched'",
    };

    for (guint i = 0; i < G_N_ELEMENTS(zeros); i++)
        g_assert_cmpint(store_count(fixture, zeros[i], id), ==, 0);
    g_assert_cmpint(store_status(fixture, id), ==, WORKSPACE_REMOVED);
}

static void test_removal_ends_all_and_names_what_exists(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreRemoval) removal = NULL, again = NULL;
    g_autoptr(RuntimeRow) wish = NULL, before = NULL;
    char top[ID_SIZE], child[ID_SIZE], gone[ID_SIZE], low[ID_SIZE], other[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "top", WORKSPACE_ONLINE, NULL, top);
    store_make(fixture, "child", WORKSPACE_PAUSED, top, child);
    store_make(fixture, "gone", WORKSPACE_ONLINE, top, gone);
    store_make(fixture, "low", WORKSPACE_DEGRADED, gone, low);
    store_make(fixture, "other", WORKSPACE_ONLINE, NULL, other);
    store_sql(fixture, "UPDATE workspaces SET status = 'removed' WHERE id = $1", gone, NULL);
    furnish(fixture, top);
    furnish(fixture, other);
    wish_running(fixture, top, "container-1", "{\"configs\":\"own-configs\"}");
    assert_done(
        store_workspace_remove(fixture->db, top, STORE_REMOVE_TREE, FALSE, &removal, &error));
    g_assert_cmpuint(removal->members->len, ==, 3);
    assert_member(removal->members, 0, low);
    assert_member(removal->members, 1, child);
    assert_member(removal->members, 2, top);
    g_assert_cmpint(((StoreMember *)removal->members->pdata[0])->status, ==, WORKSPACE_DEGRADED);
    g_assert_true(removal->root_removed);
    g_assert_cmpint(removal->rows_purged, ==, 0);
    assert_ended(fixture, top);
    assert_intents(fixture, top);
    assert_done(store_runtime_find(fixture->db, top, &wish, &error));
    g_assert_cmpint(wish->desired, ==, RUNTIME_ABSENT);
    g_assert_cmpint(wish->phase, ==, RUNTIME_PENDING);
    g_assert_cmpint(wish->generation, ==, 2);
    assert_done(store_runtime_find(fixture->db, gone, &before, &error));
    g_assert_null(before); /* removed before: left as it is */
    g_assert_cmpint(store_status(fixture, other), ==, WORKSPACE_ONLINE);
    g_assert_cmpint(store_count(fixture,
                                "SELECT COUNT(*) FROM workspace_auth_tokens"
                                " WHERE workspace_id = $1 AND revoked_at IS NULL",
                                other),
                    ==, 1);
    assert_done(store_workspace_remove(fixture->db, top, STORE_REMOVE_TREE, FALSE, &again, &error));
    g_assert_cmpuint(again->members->len, ==, 0);
    g_assert_false(again->root_removed);
}

static void test_a_purge_leaves_intents_and_events_only(Fixture *fixture)
{
    static const char *const zeros[] = {
        "SELECT COUNT(*) FROM workspaces WHERE id = $1",
        "SELECT COUNT(*) FROM agents WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM workspace_secrets WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM workspace_config WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM workspace_memory WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM approval_requests WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM agent_memories WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM activity_logs WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM workspace_schedules WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM workspace_channels WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM workspace_auth_tokens WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM org_plugin_allowlist WHERE org_id = $1",
        "SELECT COUNT(*) FROM workspace_token_usage WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM workspace_artifacts WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM audit_events WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM a2a_queue WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM workflow_checkpoints WHERE workspace_id = $1",
        "SELECT COUNT(*) FROM org_api_tokens WHERE org_id = $1",
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreRemoval) removal = NULL, later = NULL;
    char top[ID_SIZE], gone[ID_SIZE], other[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "top", WORKSPACE_ONLINE, NULL, top);
    store_make(fixture, "gone", WORKSPACE_ONLINE, top, gone);
    store_make(fixture, "other", WORKSPACE_ONLINE, NULL, other);
    furnish(fixture, top);
    furnish(fixture, gone);
    wish_running(fixture, top, "container-1", "{\"configs\":\"own-configs\"}");
    store_sql(fixture, "UPDATE workspaces SET status = 'removed' WHERE id = $1", gone, NULL);
    store_sql(fixture, "UPDATE workspaces SET forwarded_to = $2 WHERE id = $1", other, top);
    assert_done(
        store_workspace_remove(fixture->db, top, STORE_REMOVE_TREE, TRUE, &removal, &error));
    g_assert_cmpint(removal->rows_purged, ==, 2);
    g_assert_cmpuint(removal->members->len, ==, 1);
    for (guint i = 0; i < G_N_ELEMENTS(zeros); i++) {
        g_assert_cmpint(store_count(fixture, zeros[i], top), ==, 0);
        g_assert_cmpint(store_count(fixture, zeros[i], gone), ==, 0);
    }
    g_assert_cmpint(fixture_number(fixture->db, "SELECT COUNT(*) FROM structure_events"), ==, 2);
    g_assert_cmpint(fixture_number(fixture->db, "SELECT COUNT(*) FROM org_api_tokens"), ==, 2);
    assert_intents(fixture, top);
    g_assert_cmpint(store_status(fixture, other), ==, WORKSPACE_ONLINE);
    assert_fails(store_workspace_remove(fixture->db, top, STORE_REMOVE_TREE, TRUE, &later, &error),
                 ERROR_NOT_FOUND);
}

static void test_a_collapse_spares_the_root(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreRemoval) removal = NULL, none = NULL;
    char top[ID_SIZE], child[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "top", WORKSPACE_ONLINE, NULL, top);
    store_make(fixture, "child", WORKSPACE_ONLINE, top, child);
    assert_done(
        store_workspace_remove(fixture->db, top, STORE_REMOVE_BELOW, FALSE, &removal, &error));
    g_assert_cmpuint(removal->members->len, ==, 1);
    assert_member(removal->members, 0, child);
    g_assert_false(removal->root_removed);
    g_assert_cmpint(store_status(fixture, top), ==, WORKSPACE_ONLINE);
    assert_done(
        store_workspace_remove(fixture->db, child, STORE_REMOVE_BELOW, TRUE, &none, &error));
    g_assert_cmpuint(none->members->len, ==, 0);
}

static void test_external_workspaces_leave_no_garbage(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreRemoval) removal = NULL;
    g_autoptr(RuntimeRow) wish = NULL;
    char id[ID_SIZE];
    gint64 pending = 9, oldest_us = 9;

    fixture_migrate(fixture);
    store_make(fixture, "external", WORKSPACE_ONLINE, NULL, id);
    store_sql(fixture, "UPDATE workspaces SET runtime = 'external' WHERE id = $1", id, NULL);
    assert_done(
        store_workspace_remove(fixture->db, id, STORE_REMOVE_TREE, FALSE, &removal, &error));
    assert_done(store_garbage_count(fixture->db, G_MAXINT64, &pending, &oldest_us, &error));
    g_assert_cmpint(pending, ==, 0);
    g_assert_cmpint(oldest_us, ==, 0);
    assert_done(store_runtime_find(fixture->db, id, &wish, &error));
    g_assert_null(wish);
}

static void test_a_removal_that_rolls_back_leaves_no_trace(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreRemoval) removal = NULL;
    char id[ID_SIZE];
    DbTransaction *transaction;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    transaction = db_begin(fixture->db, &error);
    assert_done(store_workspace_remove(fixture->db, id, STORE_REMOVE_TREE, TRUE, &removal, &error));
    db_rollback(transaction);
    g_assert_cmpint(store_status(fixture, id), ==, WORKSPACE_ONLINE);
    g_assert_cmpint(fixture_number(fixture->db, "SELECT COUNT(*) FROM runtime_gc"), ==, 0);
}

/* ---- Races ---- */

typedef struct {
    Fixture *fixture;
    const char *parent;
    guint made;
} Maker;

static void make_children(void *data)
{
    Maker *maker = data;

    for (guint i = 0; i < 30; i++) {
        g_autoptr(WorkspaceRow) row = workspace_row_new();
        g_autoptr(GError) error = NULL;
        id_make(row->id);
        row->name = g_strdup("child");
        row->status = WORKSPACE_ONLINE;
        memcpy(row->parent_id, maker->parent, ID_SIZE);
        if (store_workspace_insert(maker->fixture->db, row, &error))
            maker->made++;
        else
            g_assert_true(error_is(error, ERROR_INVALID));
    }
}

static void test_no_child_is_born_under_a_removed_parent(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreRemoval) removal = NULL;
    char top[ID_SIZE];
    Maker makers[3];
    Thread *threads[G_N_ELEMENTS(makers)];
    guint made = 0;

    fixture_migrate(fixture);
    store_make(fixture, "top", WORKSPACE_ONLINE, NULL, top);
    for (guint i = 0; i < G_N_ELEMENTS(makers); i++) {
        makers[i] = (Maker){fixture, top, 0};
        threads[i] = thread_start("maker", make_children, &makers[i]);
    }
    g_usleep(10 * 1000);
    assert_done(
        store_workspace_remove(fixture->db, top, STORE_REMOVE_TREE, FALSE, &removal, &error));
    for (guint i = 0; i < G_N_ELEMENTS(makers); i++) {
        thread_join(threads[i]);
        made += makers[i].made;
    }
    g_assert_cmpint(fixture_number(fixture->db, "SELECT COUNT(*) FROM workspaces WHERE status <>"
                                                " 'removed'"),
                    ==, 0);
    g_assert_cmpuint(removal->members->len, ==, made + 1);
}

static void remove_it(void *data)
{
    Maker *maker = data;
    g_autoptr(StoreRemoval) removal = NULL;
    g_autoptr(GError) error = NULL;

    assert_done(store_workspace_remove(maker->fixture->db, maker->parent, STORE_REMOVE_TREE, FALSE,
                                       &removal, &error));
    maker->made = removal->members->len;
}

static void test_two_removals_share_the_members(Fixture *fixture)
{
    char top[ID_SIZE], child[ID_SIZE];
    Maker removers[4];
    Thread *threads[G_N_ELEMENTS(removers)];
    guint removed = 0;

    fixture_migrate(fixture);
    store_make(fixture, "top", WORKSPACE_ONLINE, NULL, top);
    for (guint i = 0; i < 20; i++)
        store_make(fixture, "child", WORKSPACE_ONLINE, top, child);
    for (guint i = 0; i < G_N_ELEMENTS(removers); i++) {
        removers[i] = (Maker){fixture, i % 2 ? child : top, 0};
        threads[i] = thread_start("remover", remove_it, &removers[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(removers); i++) {
        thread_join(threads[i]);
        removed += removers[i].made;
    }
    g_assert_cmpuint(removed, ==, 21);
}

int main(int argc, char **argv)
{
    fixture_main(argc, argv);
    store_add("/tree/descendants-come-after-their-parents",
              test_descendants_come_after_their_parents);
    store_add("/tree/the-nearest-paused-ancestor-is-found",
              test_the_nearest_paused_ancestor_is_found);
    store_add("/tree/cycles-end", test_cycles_end);
    store_add("/tree/removal-ends-all-and-names-what-exists",
              test_removal_ends_all_and_names_what_exists);
    store_add("/tree/a-purge-leaves-intents-and-events-only",
              test_a_purge_leaves_intents_and_events_only);
    store_add("/tree/a-collapse-spares-the-root", test_a_collapse_spares_the_root);
    store_add("/tree/external-workspaces-leave-no-garbage",
              test_external_workspaces_leave_no_garbage);
    store_add("/tree/a-removal-that-rolls-back-leaves-no-trace",
              test_a_removal_that_rolls_back_leaves_no_trace);
    store_add("/tree/no-child-is-born-under-a-removed-parent",
              test_no_child_is_born_under_a_removed_parent);
    store_add("/tree/two-removals-share-the-members", test_two_removals_share_the_members);
    return g_test_run();
}
