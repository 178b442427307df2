/* Rows of workspaces and every guarded change of status. */
#include "base/sync.h"
#include "store/runtime.h"
#include "test-store-fixture.h"

/* ---- Rows ---- */

static WorkspaceRow *full_row(const char *parent)
{
    WorkspaceRow *row = workspace_row_new();

    id_make(row->id);
    g_strlcpy(row->parent_id, parent, ID_SIZE);
    row->name = g_strdup("K\xc3\xb6nig \"1\"");
    row->role = g_strdup("role");
    row->tier = 3;
    row->status = WORKSPACE_AWAITING_AGENT;
    row->source_bundle_id = g_strdup("bundle");
    row->agent_card = g_strdup("{\"a\":1.50}");
    row->url = g_strdup("http://127.0.0.1:1");
    row->url_is_minted = TRUE;
    row->agent_url = g_strdup("http://ws:8000");
    row->last_heartbeat_at_us = 11;
    row->last_error_rate = 0.25;
    row->last_sample_error = g_strdup("sample");
    row->active_tasks = 3;
    row->uptime_seconds = 4;
    row->created_at_us = 5;
    row->updated_at_us = 6;
    row->current_task = g_strdup("task");
    row->awareness_namespace = g_strdup("workspace:x");
    row->runtime = g_strdup("external");
    row->workspace_dir = g_strdup("/srv/x");
    row->workspace_access = g_strdup("read_only");
    row->budget_limit = 0;
    row->monthly_spend = 7;
    row->spend_period = 202601;
    row->hibernation_idle_minutes = 8;
    row->last_outbound_at_us = 9;
    row->max_concurrent_tasks = 10;
    row->instance_id = g_strdup("i-1");
    row->model = g_strdup("model");
    row->template_name = g_strdup("template");
    row->image = g_strdup("node:22");
    row->executor = g_strdup("command");
    row->command = g_strdup("cat");
    row->provision_started_at_us = 12;
    row->idle_since_us = 13;
    row->x = -1.5;
    row->y = 2.25;
    row->collapsed = TRUE;
    return row;
}

#define assert_same_text(field) g_assert_cmpstr(a->field, ==, b->field)
#define assert_same_int(field)  g_assert_cmpint(a->field, ==, b->field)

static void assert_same_texts(const WorkspaceRow *a, const WorkspaceRow *b)
{
    assert_same_text(id);
    assert_same_text(parent_id);
    assert_same_text(name);
    assert_same_text(role);
    assert_same_text(source_bundle_id);
    assert_same_text(agent_card);
    assert_same_text(url);
    assert_same_text(agent_url);
    assert_same_text(last_sample_error);
    assert_same_text(current_task);
    assert_same_text(awareness_namespace);
    assert_same_text(runtime);
    assert_same_text(workspace_dir);
    assert_same_text(workspace_access);
    assert_same_text(instance_id);
    assert_same_text(model);
    assert_same_text(template_name);
    assert_same_text(image);
    assert_same_text(executor);
    assert_same_text(command);
}

static void assert_same_numbers(const WorkspaceRow *a, const WorkspaceRow *b)
{
    assert_same_int(tier);
    assert_same_int(status);
    assert_same_int(url_is_minted);
    assert_same_int(last_heartbeat_at_us);
    assert_same_int(active_tasks);
    assert_same_int(uptime_seconds);
    assert_same_int(created_at_us);
    assert_same_int(updated_at_us);
    assert_same_int(budget_limit);
    assert_same_int(monthly_spend);
    assert_same_int(spend_period);
    assert_same_int(hibernation_idle_minutes);
    assert_same_int(last_outbound_at_us);
    assert_same_int(max_concurrent_tasks);
    assert_same_int(provision_started_at_us);
    assert_same_int(idle_since_us);
    assert_same_int(collapsed);
    g_assert_cmpfloat(a->last_error_rate, ==, b->last_error_rate);
    g_assert_cmpfloat(a->x, ==, b->x);
    g_assert_cmpfloat(a->y, ==, b->y);
}

static void assert_same_row(const WorkspaceRow *a, const WorkspaceRow *b)
{
    assert_same_texts(a, b);
    assert_same_numbers(a, b);
}

static void test_a_row_comes_back_as_it_went_in(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(WorkspaceRow) row = NULL, copy = NULL, found = NULL;
    char parent[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "parent", WORKSPACE_ONLINE, NULL, parent);
    row = full_row(parent);
    assert_done(store_workspace_insert(fixture->db, row, &error));
    found = store_read(fixture, row->id);
    assert_same_row(row, found);
    copy = workspace_row_copy(row);
    assert_same_row(row, copy);
    assert_fails(store_workspace_insert(fixture->db, row, &error), ERROR_CONFLICT);
}

static void test_an_empty_row_keeps_its_defaults(Fixture *fixture)
{
    g_autoptr(WorkspaceRow) row = NULL, none = NULL;
    g_autoptr(GError) error = NULL;
    char id[ID_SIZE], other[ID_SIZE];
    gint64 before_us = clock_now_us();

    fixture_migrate(fixture);
    store_make(fixture, "empty", WORKSPACE_PROVISIONING, NULL, id);
    row = store_read(fixture, id);
    g_assert_cmpint(row->budget_limit, ==, -1);
    g_assert_cmpint(row->max_concurrent_tasks, ==, 1);
    g_assert_cmpstr(row->workspace_access, ==, "none");
    g_assert_cmpstr(row->parent_id, ==, "");
    g_assert_null(row->role);
    g_assert_cmpint(row->created_at_us, >=, before_us);
    g_assert_cmpint(row->created_at_us, ==, row->updated_at_us);
    id_make(other);
    assert_done(store_workspace_find(fixture->db, other, &none, &error));
    g_assert_null(none);
    assert_fails(store_workspace_load(fixture->db, other, &none, &error), ERROR_NOT_FOUND);
}

static void test_a_parent_must_live(Fixture *fixture)
{
    g_autoptr(WorkspaceRow) row = workspace_row_new();
    g_autoptr(GError) error = NULL;
    gint64 count = 0;

    fixture_migrate(fixture);
    id_make(row->id);
    row->name = g_strdup("child");
    id_make(row->parent_id);
    assert_fails(store_workspace_insert(fixture->db, row, &error), ERROR_INVALID);
    store_make(fixture, "gone", WORKSPACE_REMOVED, NULL, row->parent_id);
    assert_fails(store_workspace_insert(fixture->db, row, &error), ERROR_INVALID);
    assert_done(store_workspace_count_live(fixture->db, &count, &error));
    g_assert_cmpint(count, ==, 0);
}

static void test_lists_are_by_creation(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) live = NULL, children = NULL;
    char first[ID_SIZE], second[ID_SIZE], third[ID_SIZE], removed[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "first", WORKSPACE_ONLINE, NULL, first);
    store_make(fixture, "second", WORKSPACE_PAUSED, first, second);
    store_make(fixture, "third", WORKSPACE_ONLINE, first, third);
    store_make(fixture, "removed", WORKSPACE_REMOVED, first, removed);
    store_sql(fixture, "UPDATE workspaces SET created_at = NULL WHERE id = $1", first, NULL);
    live = store_workspace_list_live(fixture->db, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(live->len, ==, 3);
    g_assert_cmpstr(((WorkspaceRow *)live->pdata[0])->id, ==, second);
    g_assert_cmpstr(((WorkspaceRow *)live->pdata[2])->id, ==, first);
    children = store_workspace_list_children(fixture->db, first, &error);
    g_assert_cmpuint(children->len, ==, 2);
    g_assert_cmpstr(((WorkspaceRow *)children->pdata[1])->id, ==, third);
}

static void test_provisioning_is_listed_by_its_start(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) rows = NULL;
    char old[ID_SIZE], young[ID_SIZE], external[ID_SIZE], online[ID_SIZE], never[ID_SIZE];
    static const char start[] = "UPDATE workspaces SET provision_started_at = 100 WHERE id = $1";

    fixture_migrate(fixture);
    store_make(fixture, "young", WORKSPACE_PROVISIONING, NULL, young);
    store_make(fixture, "old", WORKSPACE_PROVISIONING, NULL, old);
    store_make(fixture, "external", WORKSPACE_PROVISIONING, NULL, external);
    store_make(fixture, "online", WORKSPACE_ONLINE, NULL, online);
    store_make(fixture, "never", WORKSPACE_PROVISIONING, NULL, never);
    store_sql(fixture, start, old, NULL);
    store_sql(fixture, start, external, NULL);
    store_sql(fixture, start, online, NULL);
    store_sql(fixture, "UPDATE workspaces SET runtime = 'external' WHERE id = $1", external, NULL);
    store_sql(fixture, "UPDATE workspaces SET created_at = 50 WHERE id = $1", never, NULL);
    rows = store_workspace_list_provisioning(fixture->db, 1000, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(rows->len, ==, 2);
    g_assert_cmpstr(((WorkspaceRow *)rows->pdata[0])->id, ==, never);
    g_assert_cmpstr(((WorkspaceRow *)rows->pdata[1])->id, ==, old);
}

/* ---- Patching ---- */

static void test_a_patch_writes_only_its_fields(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(WorkspaceRow) wanted = NULL, found = NULL;
    StoreWorkspacePatch patch = {0};
    char parent[ID_SIZE], other[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "parent", WORKSPACE_ONLINE, NULL, parent);
    store_make(fixture, "other", WORKSPACE_ONLINE, NULL, other);
    wanted = full_row(parent);
    assert_done(store_workspace_insert(fixture->db, wanted, &error));
    patch.has_role = patch.has_budget_limit = patch.has_position = patch.has_parent = TRUE;
    patch.has_hibernation_idle_minutes = TRUE;
    patch.budget_limit = -1;
    patch.x = 7;
    patch.y = 8;
    patch.parent_id = other;
    assert_done(store_workspace_patch(fixture->db, wanted->id, &patch, &error));
    found = store_read(fixture, wanted->id);
    g_assert_cmpint(found->updated_at_us, >, wanted->updated_at_us);
    g_clear_pointer(&wanted->role, g_free);
    wanted->budget_limit = -1;
    wanted->hibernation_idle_minutes = 0;
    wanted->x = 7;
    wanted->y = 8;
    wanted->updated_at_us = found->updated_at_us;
    memcpy(wanted->parent_id, other, ID_SIZE);
    assert_same_row(wanted, found);
}

static void test_every_field_can_be_patched(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(WorkspaceRow) row = NULL;
    StoreWorkspacePatch patch = {
        .has_name = TRUE,
        .name = "new",
        .has_role = TRUE,
        .role = "r",
        .has_tier = TRUE,
        .tier = 4,
        .has_runtime = TRUE,
        .runtime = "claude-code",
        .has_workspace_dir = TRUE,
        .workspace_dir = "/x",
        .has_workspace_access = TRUE,
        .workspace_access = "read_write",
        .has_hibernation_idle_minutes = TRUE,
        .hibernation_idle_minutes = 5,
        .has_budget_limit = TRUE,
        .budget_limit = 100,
        .has_collapsed = TRUE,
        .collapsed = TRUE,
        .has_position = TRUE,
        .x = 1,
        .y = 2,
        .has_model = TRUE,
        .model = "m",
        .has_max_concurrent_tasks = TRUE,
        .max_concurrent_tasks = 6,
        .has_parent = TRUE,
    };
    char id[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "old", WORKSPACE_ONLINE, NULL, id);
    assert_done(store_workspace_patch(fixture->db, id, &patch, &error));
    row = store_read(fixture, id);
    g_assert_cmpstr(row->name, ==, "new");
    g_assert_cmpstr(row->role, ==, "r");
    g_assert_cmpint(row->tier, ==, 4);
    g_assert_cmpstr(row->runtime, ==, "claude-code");
    g_assert_cmpstr(row->workspace_dir, ==, "/x");
    g_assert_cmpstr(row->workspace_access, ==, "read_write");
    g_assert_cmpint(row->hibernation_idle_minutes, ==, 5);
    g_assert_cmpint(row->budget_limit, ==, 100);
    g_assert_cmpint(row->max_concurrent_tasks, ==, 6);
    g_assert_cmpstr(row->model, ==, "m");
    g_assert_true(row->collapsed && row->x == 1 && row->y == 2);
}

static void test_a_patch_writes_all_or_nothing(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(WorkspaceRow) row = NULL;
    StoreWorkspacePatch patch = {.has_name = TRUE, .name = "new", .has_parent = TRUE};
    char top[ID_SIZE], middle[ID_SIZE], low[ID_SIZE], gone[ID_SIZE], none[ID_SIZE];

    fixture_migrate(fixture);
    id_make(none);
    store_make(fixture, "top", WORKSPACE_ONLINE, NULL, top);
    store_make(fixture, "middle", WORKSPACE_ONLINE, top, middle);
    store_make(fixture, "low", WORKSPACE_ONLINE, middle, low);
    store_make(fixture, "gone", WORKSPACE_REMOVED, NULL, gone);
    const char *const refused[] = {top, middle, low, gone, none};
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        patch.parent_id = refused[i];
        assert_fails(store_workspace_patch(fixture->db, top, &patch, &error), ERROR_INVALID);
    }
    row = store_read(fixture, top);
    g_assert_cmpstr(row->name, ==, "top");
    patch.parent_id = top;
    assert_fails(store_workspace_patch(fixture->db, none, &patch, &error), ERROR_NOT_FOUND);
    patch.has_parent = FALSE;
    assert_fails(store_workspace_patch(fixture->db, none, &patch, &error), ERROR_NOT_FOUND);
    patch.has_position = TRUE;
    assert_done(store_workspace_patch(fixture->db, gone, &patch, &error));
}

typedef struct {
    Fixture *fixture;
    const char *id, *parent;
    gboolean is_done;
} Move;

static void move(void *data)
{
    Move *move_ = data;
    StoreWorkspacePatch patch = {.has_parent = TRUE, .parent_id = move_->parent};
    g_autoptr(GError) error = NULL;

    move_->is_done = store_workspace_patch(move_->fixture->db, move_->id, &patch, &error);
    if (!move_->is_done)
        g_assert_true(error_is(error, ERROR_INVALID));
}

static void test_two_moves_at_once_close_no_cycle(Fixture *fixture)
{
    char a[ID_SIZE], b[ID_SIZE];

    fixture_migrate(fixture);
    for (guint i = 0; i < 5; i++) {
        store_make(fixture, "a", WORKSPACE_ONLINE, NULL, a);
        store_make(fixture, "b", WORKSPACE_ONLINE, NULL, b);
        Move moves[] = {{fixture, a, b, FALSE}, {fixture, b, a, FALSE}};
        Thread *threads[] = {thread_start("move", move, &moves[0]),
                             thread_start("move", move, &moves[1])};
        thread_join(threads[0]);
        thread_join(threads[1]);
        g_assert_true(moves[0].is_done != moves[1].is_done);
    }
}

static void test_single_fields(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(WorkspaceRow) row = NULL;
    char id[ID_SIZE], gone[ID_SIZE];
    gboolean changed = FALSE;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    store_make(fixture, "gone", WORKSPACE_REMOVED, NULL, gone);
    assert_done(store_workspace_set_card(fixture->db, id, "{}", &changed, &error));
    g_assert_true(changed);
    assert_done(store_workspace_set_card(fixture->db, gone, "{}", &changed, &error));
    g_assert_false(changed);
    assert_done(store_workspace_touch_outbound(fixture->db, id, 50, &error));
    assert_done(store_workspace_touch_outbound(fixture->db, id, 40, &error));
    row = store_read(fixture, id);
    g_assert_cmpint(row->last_outbound_at_us, ==, 50);
    g_assert_cmpstr(row->agent_card, ==, "{}");
}

static void test_vital_signs(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(WorkspaceRow) row = NULL, gone_row = NULL;
    char id[ID_SIZE], gone[ID_SIZE];
    StoreVitals vitals[3] = {0};
    gint64 updated_at_us;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    store_make(fixture, "gone", WORKSPACE_REMOVED, NULL, gone);
    row = store_read(fixture, id);
    updated_at_us = row->updated_at_us;
    memcpy(vitals[0].id, id, ID_SIZE);
    memcpy(vitals[1].id, gone, ID_SIZE);
    id_make(vitals[2].id);
    vitals[0].error_rate = vitals[1].error_rate = 0.5;
    vitals[0].sample_error = "boom";
    vitals[0].active_tasks = 2;
    vitals[0].uptime_seconds = 30;
    vitals[0].current_task = "t";
    vitals[0].monthly_spend = 12;
    vitals[0].spend_period = 202602;
    vitals[0].heartbeat_at_us = 100;
    vitals[0].last_outbound_at_us = 100;
    vitals[0].idle_since_us = 90;
    assert_done(store_workspace_write_vitals(fixture->db, vitals, 3, &error));
    vitals[0] = (StoreVitals){.heartbeat_at_us = 99};
    memcpy(vitals[0].id, id, ID_SIZE);
    assert_done(store_workspace_write_vitals(fixture->db, vitals, 1, &error));
    assert_done(store_workspace_write_vitals(fixture->db, NULL, 0, &error));
    workspace_row_free(row);
    row = store_read(fixture, id);
    g_assert_cmpint(row->updated_at_us, ==, updated_at_us);
    g_assert_cmpint(row->last_heartbeat_at_us, ==, 100);
    g_assert_cmpint(row->last_outbound_at_us, ==, 100);
    g_assert_cmpstr(row->last_sample_error, ==, "boom");
    g_assert_cmpint(row->uptime_seconds, ==, 30);
    g_assert_cmpint(row->monthly_spend, ==, 12);
    g_assert_cmpint(row->spend_period, ==, 202602);
    g_assert_cmpint(row->active_tasks, ==, 0);
    g_assert_cmpint(row->idle_since_us, ==, 90);
    g_assert_cmpfloat(row->last_error_rate, ==, 0);
    g_assert_null(row->current_task);
    gone_row = store_read(fixture, gone);
    g_assert_cmpfloat(gone_row->last_error_rate, ==, 0);
}

/* ---- Status ---- */

typedef gboolean (*Mark)(Db *db, const char *id, gboolean *changed, GError **error);

static gboolean heartbeat_from_failed(Db *db, const char *id, gboolean *changed, GError **error)
{
    return store_workspace_mark_online_by_heartbeat(db, id, WORKSPACE_FAILED, 0, changed, error);
}

static gboolean heartbeat_from_offline(Db *db, const char *id, gboolean *changed, GError **error)
{
    return store_workspace_mark_online_by_heartbeat(db, id, WORKSPACE_OFFLINE, 0, changed, error);
}

static gboolean heartbeat_from_paused(Db *db, const char *id, gboolean *changed, GError **error)
{
    return store_workspace_mark_online_by_heartbeat(db, id, WORKSPACE_PAUSED, 0, changed, error);
}

static gboolean failed(Db *db, const char *id, gboolean *changed, GError **error)
{
    return store_workspace_mark_failed(db, id, 0, "why", changed, error);
}

static gboolean crash_loop(Db *db, const char *id, gboolean *changed, GError **error)
{
    return store_workspace_mark_crash_loop(db, id, 0, 1000, "why", changed, error);
}

static gboolean resume(Db *db, const char *id, gboolean *changed, GError **error)
{
    return store_workspace_mark_provisioning(db, id, STORE_FROM_RESUME, changed, error);
}

static gboolean wake(Db *db, const char *id, gboolean *changed, GError **error)
{
    return store_workspace_mark_provisioning(db, id, STORE_FROM_WAKE, changed, error);
}

static gboolean repair(Db *db, const char *id, gboolean *changed, GError **error)
{
    return store_workspace_mark_provisioning(db, id, STORE_FROM_REPAIR, changed, error);
}

static gboolean restart(Db *db, const char *id, gboolean *changed, GError **error)
{
    return store_workspace_mark_provisioning(
        db, id, STORE_FROM_RESTART | STORE_STATUS_BIT(WORKSPACE_REMOVED), changed, error);
}

static gboolean hibernating(Db *db, const char *id, gboolean *changed, GError **error)
{
    return store_workspace_mark_hibernating(db, id, FALSE, changed, error);
}

#define BIT(status) STORE_STATUS_BIT(WORKSPACE_##status)

/* Each change from each status: only the named ones move. */
static void test_status_leaves_only_named_states(Fixture *fixture)
{
    static const struct {
        Mark mark;
        guint from;
        WorkspaceStatus to;
    } cases[] = {
        {heartbeat_from_failed, BIT(FAILED), WORKSPACE_ONLINE},
        {heartbeat_from_offline, BIT(OFFLINE), WORKSPACE_ONLINE},
        {heartbeat_from_paused, 0, WORKSPACE_ONLINE},
        {store_workspace_mark_degraded, BIT(ONLINE), WORKSPACE_DEGRADED},
        {store_workspace_mark_recovered, BIT(DEGRADED), WORKSPACE_ONLINE},
        {failed, BIT(PROVISIONING), WORKSPACE_FAILED},
        {crash_loop, BIT(PROVISIONING) | BIT(OFFLINE) | BIT(ONLINE) | BIT(DEGRADED),
         WORKSPACE_FAILED},
        {store_workspace_mark_offline, BIT(ONLINE) | BIT(DEGRADED), WORKSPACE_OFFLINE},
        {resume, BIT(PAUSED), WORKSPACE_PROVISIONING},
        {wake, BIT(HIBERNATED), WORKSPACE_PROVISIONING},
        {repair, STORE_FROM_REPAIR, WORKSPACE_PROVISIONING},
        {restart, STORE_FROM_RESTART, WORKSPACE_PROVISIONING},
        {store_workspace_mark_paused, 0x3ff & ~(BIT(PAUSED) | BIT(REMOVED)), WORKSPACE_PAUSED},
        {hibernating, BIT(ONLINE) | BIT(DEGRADED), WORKSPACE_HIBERNATING},
        {store_workspace_mark_hibernated, BIT(HIBERNATING), WORKSPACE_HIBERNATED},
    };
    g_autoptr(GError) error = NULL;
    char id[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        for (guint status = 0; status <= WORKSPACE_AWAITING_AGENT; status++) {
            gboolean may = (cases[i].from & STORE_STATUS_BIT(status)) != 0;
            gboolean changed = !may;
            store_sql(fixture, "UPDATE workspaces SET status = $2 WHERE id = $1", id,
                      workspace_status_name((WorkspaceStatus)status));
            assert_done(cases[i].mark(fixture->db, id, &changed, &error));
            g_test_message("case %u from %s", i, workspace_status_name((WorkspaceStatus)status));
            g_assert_cmpint(changed, ==, may);
            g_assert_cmpint(store_status(fixture, id), ==,
                            may ? cases[i].to : (WorkspaceStatus)status);
        }
}

static void test_names_of_status(void)
{
    for (guint status = 0; status <= WORKSPACE_AWAITING_AGENT; status++)
        g_assert_cmpint(workspace_status_parse(workspace_status_name((WorkspaceStatus)status)), ==,
                        status);
    g_assert_cmpint(workspace_status_parse(NULL), ==, WORKSPACE_PROVISIONING);
    g_assert_cmpint(workspace_status_parse("strange"), ==, WORKSPACE_OFFLINE);
}

static void test_busy_workspaces_hibernate_only_by_force(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    char id[ID_SIZE];
    gboolean changed = TRUE;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    store_sql(fixture, "UPDATE workspaces SET active_tasks = 1 WHERE id = $1", id, NULL);
    assert_done(store_workspace_mark_hibernating(fixture->db, id, FALSE, &changed, &error));
    g_assert_false(changed);
    assert_done(store_workspace_mark_hibernating(fixture->db, id, TRUE, &changed, &error));
    g_assert_true(changed);
}

static void test_a_new_attempt_drops_the_url(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    static const char address[] = "UPDATE workspaces SET url = 'http://x', agent_url = 'http://y',"
                                  " url_is_minted = 1, runtime = $2 WHERE id = $1";
    static const Mark marks[] = {restart, store_workspace_mark_paused};
    char id[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    for (guint i = 0; i < G_N_ELEMENTS(marks); i++) {
        g_autoptr(WorkspaceRow) row = NULL, external = NULL;
        gint64 before_us = clock_now_us();
        gboolean changed = FALSE;
        store_sql(fixture, address, id, "builtin");
        assert_done(marks[i](fixture->db, id, &changed, &error));
        row = store_read(fixture, id);
        g_assert_true(changed && !row->url && !row->agent_url && !row->url_is_minted);
        if (row->status == WORKSPACE_PROVISIONING)
            g_assert_cmpint(row->provision_started_at_us, >=, before_us);
        store_sql(fixture, address, id, "external");
        store_sql(fixture, "UPDATE workspaces SET status = 'online' WHERE id = $1", id, NULL);
        assert_done(marks[i](fixture->db, id, &changed, &error));
        external = store_read(fixture, id);
        g_assert_cmpstr(external->url, ==, "http://x");
        store_sql(fixture, "UPDATE workspaces SET status = 'online' WHERE id = $1", id, NULL);
    }
}

static void test_silence_makes_offline(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) none = NULL, external_ids = NULL, ids = NULL;
    char silent[ID_SIZE], alive[ID_SIZE], external[ID_SIZE], paused[ID_SIZE];
    static const char beat[] = "UPDATE workspaces SET last_heartbeat_at = 100 WHERE id = $1";

    fixture_migrate(fixture);
    store_make(fixture, "silent", WORKSPACE_DEGRADED, NULL, silent);
    store_make(fixture, "alive", WORKSPACE_ONLINE, NULL, alive);
    store_make(fixture, "external", WORKSPACE_ONLINE, NULL, external);
    store_make(fixture, "paused", WORKSPACE_PAUSED, NULL, paused);
    store_sql(fixture, beat, silent, NULL);
    store_sql(fixture, beat, external, NULL);
    store_sql(fixture, beat, paused, NULL);
    store_sql(fixture, "UPDATE workspaces SET runtime = 'external' WHERE id = $1", external, NULL);
    none = store_workspace_mark_stale_offline(fixture->db, STORE_RUNTIME_ANY, 100, &error);
    g_assert_cmpuint(none->len, ==, 0);
    external_ids =
        store_workspace_mark_stale_offline(fixture->db, STORE_RUNTIME_EXTERNAL, 101, &error);
    g_assert_cmpuint(external_ids->len, ==, 1);
    g_assert_cmpstr(external_ids->pdata[0], ==, external);
    ids = store_workspace_mark_stale_offline(fixture->db, STORE_RUNTIME_CONTAINER, 101, &error);
    g_assert_cmpuint(ids->len, ==, 1);
    g_assert_cmpstr(ids->pdata[0], ==, silent);
    g_assert_cmpint(store_status(fixture, alive), ==, WORKSPACE_ONLINE);
    g_assert_cmpint(store_status(fixture, paused), ==, WORKSPACE_PAUSED);
}

/* ---- Fences ---- */

static gint64 wish(Fixture *fixture, const char *id)
{
    const RuntimeWish running = {.desired = RUNTIME_RUNNING};
    g_autoptr(GError) error = NULL;
    gint64 generation = 0;

    assert_done(store_runtime_wish(fixture->db, id, &running, &generation, &error));
    return generation;
}

static void test_an_older_generation_changes_nothing(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    char id[ID_SIZE];
    gboolean changed = TRUE;
    gint64 old, now;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_PROVISIONING, NULL, id);
    old = wish(fixture, id);
    now = wish(fixture, id);
    g_assert_cmpint(now, ==, old + 1);
    assert_done(store_workspace_mark_failed(fixture->db, id, old, "x", &changed, &error));
    g_assert_false(changed);
    assert_done(store_workspace_mark_crash_loop(fixture->db, id, old, 1, "x", &changed, &error));
    g_assert_false(changed);
    assert_done(store_workspace_set_minted_url(fixture->db, id, old, "u", &changed, &error));
    g_assert_false(changed);
    assert_done(store_workspace_mark_online_by_heartbeat(fixture->db, id, WORKSPACE_PROVISIONING,
                                                         old, &changed, &error));
    g_assert_false(changed);
    assert_done(store_workspace_set_minted_url(fixture->db, id, now, "u", &changed, &error));
    g_assert_true(changed);
    assert_done(store_workspace_mark_online_by_heartbeat(fixture->db, id, WORKSPACE_PROVISIONING,
                                                         now, &changed, &error));
    g_assert_true(changed);
    assert_done(store_workspace_mark_failed(fixture->db, id, now, "x", &changed, &error));
    g_assert_false(changed); /* an agent that registered meanwhile stays online */
    store_sql(fixture, "UPDATE workspaces SET status = 'offline' WHERE id = $1", id, NULL);
    assert_done(store_workspace_mark_online_by_heartbeat(fixture->db, id, WORKSPACE_OFFLINE, old,
                                                         &changed, &error));
    g_assert_true(changed); /* the fence is for provisioning only */
}

static void test_a_failure_keeps_or_sets_the_sample_error(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(WorkspaceRow) row = NULL, again = NULL;
    char id[ID_SIZE];
    gboolean changed = FALSE;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_PROVISIONING, NULL, id);
    assert_done(store_workspace_mark_failed(fixture->db, id, 0, "why", &changed, &error));
    row = store_read(fixture, id);
    g_assert_cmpstr(row->last_sample_error, ==, "why");
    assert_done(repair(fixture->db, id, &changed, &error));
    assert_done(store_workspace_mark_failed(fixture->db, id, 0, NULL, &changed, &error));
    again = store_read(fixture, id);
    g_assert_cmpstr(again->last_sample_error, ==, "why");
}

typedef struct {
    Fixture *fixture;
    const char *id;
    gint64 generation;
    gboolean changed;
} Failing;

static void fail_late(void *data)
{
    Failing *failing = data;
    g_autoptr(GError) error = NULL;

    assert_done(store_workspace_mark_failed(failing->fixture->db, failing->id, failing->generation,
                                            "x", &failing->changed, &error));
}

/* A restart is half done in another thread when the old attempt's failure comes. */
static void test_a_fence_sees_a_wish_that_was_being_made(Fixture *fixture)
{
    const RuntimeWish running = {.desired = RUNTIME_RUNNING};
    g_autoptr(GError) error = NULL;
    g_autoptr(DbTransaction) transaction = NULL;
    Failing failing = {.fixture = fixture};
    gboolean changed = FALSE;
    gint64 generation = 0;
    Thread *thread;
    char id[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_PROVISIONING, NULL, id);
    failing.id = id;
    failing.generation = wish(fixture, id);
    transaction = db_begin(fixture->db, &error);
    assert_done(repair(fixture->db, id, &changed, &error));
    thread = thread_start("late", fail_late, &failing);
    g_usleep(30 * 1000); /* it should wait by now; either order must hold */
    assert_done(store_runtime_wish(fixture->db, id, &running, &generation, &error));
    assert_done(db_commit(&transaction, &error));
    thread_join(thread);
    g_assert_false(failing.changed);
    g_assert_cmpint(store_status(fixture, id), ==, WORKSPACE_PROVISIONING);
}

/* ---- Registration ---- */

static void check_register(Fixture *fixture, const char *id, WorkspaceStatus before,
                           WorkspaceStatus after)
{
    const StoreRegistration registration = {.url = "http://a:1", .agent_card = "{\"n\":1}"};
    g_autoptr(GError) error = NULL;
    g_auto(StoreRegisterResult) result = {0};
    g_autoptr(WorkspaceRow) row = NULL;

    store_sql(fixture,
              "UPDATE workspaces SET status = $2, url = NULL, url_is_minted = 0"
              " WHERE id = $1",
              id, workspace_status_name(before));
    assert_done(
        store_workspace_mark_online_by_register(fixture->db, id, &registration, &result, &error));
    g_assert_true(result.found && !result.superseded);
    g_assert_cmpint(result.stored, ==, before != WORKSPACE_REMOVED);
    g_assert_cmpint(result.before, ==, before);
    g_assert_cmpint(result.after, ==, after);
    g_assert_cmpint(store_status(fixture, id), ==, after);
    row = store_read(fixture, id);
    g_assert_cmpstr(row->url, ==, before == WORKSPACE_REMOVED ? NULL : "http://a:1");
    g_assert_cmpstr(result.url, ==, row->url);
}

static void test_registration_keeps_wished_states(Fixture *fixture)
{
    const StoreRegistration registration = {.url = "u", .agent_card = "{}"};
    g_autoptr(GError) error = NULL;
    g_auto(StoreRegisterResult) nobody = {0};
    char id[ID_SIZE], none[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_PROVISIONING, NULL, id);
    for (guint status = 0; status <= WORKSPACE_AWAITING_AGENT; status++) {
        gboolean keeps = status == WORKSPACE_REMOVED || status == WORKSPACE_PAUSED ||
                         status == WORKSPACE_HIBERNATED || status == WORKSPACE_HIBERNATING;
        check_register(fixture, id, (WorkspaceStatus)status,
                       keeps ? (WorkspaceStatus)status : WORKSPACE_ONLINE);
    }
    id_make(none);
    assert_done(
        store_workspace_mark_online_by_register(fixture->db, none, &registration, &nobody, &error));
    g_assert_true(!nobody.found && !nobody.stored && !nobody.url);
}

static void test_registration_keeps_the_minted_url(Fixture *fixture)
{
    StoreRegistration registration = {.url = "http://ws:8000", .agent_card = "{}"};
    g_autoptr(GError) error = NULL;
    g_auto(StoreRegisterResult) result = {0}, old = {0};
    g_autoptr(WorkspaceRow) row = NULL;
    char id[ID_SIZE];
    gboolean changed = FALSE;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_PROVISIONING, NULL, id);
    registration.token_generation = wish(fixture, id);
    assert_done(
        store_workspace_set_minted_url(fixture->db, id, 1, "http://127.0.0.1:9", &changed, &error));
    assert_done(
        store_workspace_mark_online_by_register(fixture->db, id, &registration, &result, &error));
    g_assert_cmpstr(result.url, ==, "http://127.0.0.1:9");
    row = store_read(fixture, id);
    g_assert_cmpstr(row->url, ==, "http://127.0.0.1:9");
    g_assert_cmpstr(row->agent_url, ==, "http://ws:8000");
    g_assert_cmpint(row->last_heartbeat_at_us, >, 0);
    wish(fixture, id);
    registration.url = "http://old";
    assert_done(
        store_workspace_mark_online_by_register(fixture->db, id, &registration, &old, &error));
    g_assert_true(old.found && old.superseded && !old.stored);
    workspace_row_free(row);
    row = store_read(fixture, id);
    g_assert_cmpstr(row->agent_url, ==, "http://ws:8000");
}

int main(int argc, char **argv)
{
    fixture_main(argc, argv);
    g_test_add_func("/workspaces/names-of-status", test_names_of_status);
    store_add("/workspaces/a-row-comes-back-as-it-went-in", test_a_row_comes_back_as_it_went_in);
    store_add("/workspaces/an-empty-row-keeps-its-defaults", test_an_empty_row_keeps_its_defaults);
    store_add("/workspaces/a-parent-must-live", test_a_parent_must_live);
    store_add("/workspaces/lists-are-by-creation", test_lists_are_by_creation);
    store_add("/workspaces/provisioning-is-listed-by-its-start",
              test_provisioning_is_listed_by_its_start);
    store_add("/workspaces/a-patch-writes-only-its-fields", test_a_patch_writes_only_its_fields);
    store_add("/workspaces/every-field-can-be-patched", test_every_field_can_be_patched);
    store_add("/workspaces/a-patch-writes-all-or-nothing", test_a_patch_writes_all_or_nothing);
    store_add("/workspaces/two-moves-at-once-close-no-cycle",
              test_two_moves_at_once_close_no_cycle);
    store_add("/workspaces/single-fields", test_single_fields);
    store_add("/workspaces/vital-signs", test_vital_signs);
    store_add("/workspaces/status-leaves-only-named-states", test_status_leaves_only_named_states);
    store_add("/workspaces/busy-ones-hibernate-only-by-force",
              test_busy_workspaces_hibernate_only_by_force);
    store_add("/workspaces/a-new-attempt-drops-the-url", test_a_new_attempt_drops_the_url);
    store_add("/workspaces/silence-makes-offline", test_silence_makes_offline);
    store_add("/workspaces/an-older-generation-changes-nothing",
              test_an_older_generation_changes_nothing);
    store_add("/workspaces/a-failure-keeps-or-sets-the-sample-error",
              test_a_failure_keeps_or_sets_the_sample_error);
    store_add("/workspaces/a-fence-sees-a-wish-that-was-being-made",
              test_a_fence_sees_a_wish_that_was_being_made);
    store_add("/workspaces/registration-keeps-wished-states",
              test_registration_keeps_wished_states);
    store_add("/workspaces/registration-keeps-the-minted-url",
              test_registration_keeps_the_minted_url);
    return g_test_run();
}
