/* What is written down as things happen: activity, events, usage, memories. */
#include "store/activity.h"
#include "store/memories.h"
#include "store/structure_events.h"
#include "store/usage.h"
#include "test-store-fixture.h"

/* ---- Activity ---- */

static ActivityRow *make_activity(Fixture *fixture, const char *workspace, const char *type,
                                  const char *method, gboolean from_agent, gint64 created_at_us)
{
    ActivityRow *row = activity_row_new();
    g_autoptr(GError) error = NULL;

    memcpy(row->workspace_id, workspace, ID_SIZE);
    row->activity_type = g_strdup(type);
    row->method = g_strdup(method);
    row->created_at_us = created_at_us;
    if (from_agent)
        id_make(row->source_id);
    assert_done(store_activity_insert(fixture->db, row, &error));
    return row;
}

static void test_activity_comes_back_as_it_went_in(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ActivityRow) row = activity_row_new(), found = NULL, by_key = NULL, none = NULL;
    g_autoptr(ActivityRow) bare = NULL, bare_found = NULL;
    char id[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    memcpy(row->workspace_id, id, ID_SIZE);
    id_make(row->source_id);
    id_make(row->target_id);
    row->activity_type = g_strdup("a2a_receive");
    row->method = g_strdup("message/send");
    row->summary = g_strdup("s \xe2\x86\x92 t");
    row->request_body = g_strdup("{\"n\":1.50}");
    row->response_body = g_strdup("\"\\u0001\"");
    row->tool_trace = g_strdup("[]");
    row->duration_ms = 0;
    row->status = g_strdup("error");
    row->error_detail = g_strdup("timeout");
    row->idempotency_key = g_strdup("key");
    assert_done(store_activity_insert(fixture->db, row, &error));
    assert_done(store_activity_find(fixture->db, row->id, &found, &error));
    g_assert_cmpstr(found->workspace_id, ==, id);
    g_assert_cmpstr(found->source_id, ==, row->source_id);
    g_assert_cmpstr(found->target_id, ==, row->target_id);
    g_assert_cmpstr(found->activity_type, ==, "a2a_receive");
    g_assert_cmpstr(found->method, ==, "message/send");
    g_assert_cmpstr(found->summary, ==, row->summary);
    g_assert_cmpstr(found->request_body, ==, row->request_body);
    g_assert_cmpstr(found->response_body, ==, row->response_body);
    g_assert_cmpstr(found->tool_trace, ==, "[]");
    g_assert_cmpint(found->duration_ms, ==, 0);
    g_assert_cmpstr(found->status, ==, "error");
    g_assert_cmpstr(found->error_detail, ==, "timeout");
    g_assert_cmpint(found->created_at_us, ==, row->created_at_us);
    assert_done(store_activity_find_by_key(fixture->db, id, "key", &by_key, &error));
    g_assert_cmpstr(by_key->id, ==, row->id);
    assert_done(store_activity_find_by_key(fixture->db, id, "other", &none, &error));
    g_assert_null(none);
    id_make(row->id);
    assert_fails(store_activity_insert(fixture->db, row, &error), ERROR_CONFLICT);
    bare = make_activity(fixture, id, "error", NULL, FALSE, 0);
    assert_done(store_activity_find(fixture->db, bare->id, &bare_found, &error));
    g_assert_cmpstr(bare_found->status, ==, "ok");
    g_assert_cmpint(bare_found->duration_ms, ==, -1);
    g_assert_cmpstr(bare_found->source_id, ==, "");
    id_make(bare->workspace_id);
    bare->id[0] = '\0';
    assert_fails(store_activity_insert(fixture->db, bare, &error), ERROR_CONFLICT);
}

static void assert_list(Fixture *fixture, const char *id, ActivityFilter filter, guint count,
                        gint64 first_us)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) rows = NULL;

    if (filter.limit == 0)
        filter.limit = 10;
    rows = store_activity_list(fixture->db, id, &filter, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(rows->len, ==, count);
    if (count > 0)
        g_assert_cmpint(((ActivityRow *)rows->pdata[0])->created_at_us, ==, first_us);
}

static void test_activity_is_filtered(Fixture *fixture)
{
    static const struct {
        const char *type, *method;
        gboolean from_agent;
    } made[] = {
        {"a2a_receive", "message/send", FALSE},
        {"a2a_receive", "message/send", TRUE},
        {"delegation", "delegate", TRUE},
        {"a2a_send", "tasks/get", FALSE},
    };
    char id[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    for (guint i = 0; i < G_N_ELEMENTS(made); i++)
        activity_row_free(
            make_activity(fixture, id, made[i].type, made[i].method, made[i].from_agent, i + 1));
    assert_list(fixture, id, (ActivityFilter){0}, 4, 4);
    assert_list(fixture, id, (ActivityFilter){.limit = 2}, 2, 4);
    assert_list(fixture, id, (ActivityFilter){.before_us = 4}, 3, 3);
    assert_list(fixture, id, (ActivityFilter){.activity_type = "a2a_receive"}, 2, 2);
    assert_list(fixture, id, (ActivityFilter){.method = "message/send"}, 2, 2);
    assert_list(fixture, id, (ActivityFilter){.source = ACTIVITY_FROM_CANVAS}, 2, 4);
    assert_list(fixture, id, (ActivityFilter){.source = ACTIVITY_FROM_AGENT}, 2, 3);
    assert_list(fixture, id,
                (ActivityFilter){.activity_type = "a2a_receive",
                                 .method = "message/send",
                                 .source = ACTIVITY_FROM_AGENT,
                                 .before_us = 3},
                1, 2);
    assert_list(fixture, "none", (ActivityFilter){0}, 0, 0);
}

static void test_results_leave_only_the_named_status(Fixture *fixture)
{
    const ActivityResult completed = {
        .status = "completed", .response_body = "{}", .duration_ms = 7};
    const ActivityResult detail = {
        .error_detail = "e", .summary = "s", .tool_trace = "[]", .duration_ms = -1};
    g_autoptr(GError) error = NULL;
    g_autoptr(ActivityRow) row = NULL, found = NULL;
    char id[ID_SIZE];
    gboolean changed = TRUE;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    row = make_activity(fixture, id, "delegation", "delegate", FALSE, 0);
    assert_done(store_activity_set_result(fixture->db, row->id, "dispatched", &completed, &changed,
                                          &error));
    g_assert_false(changed);
    assert_done(
        store_activity_set_result(fixture->db, row->id, "ok", &completed, &changed, &error));
    g_assert_true(changed);
    assert_done(store_activity_set_result(fixture->db, row->id, NULL, &detail, &changed, &error));
    g_assert_true(changed);
    assert_done(store_activity_find(fixture->db, row->id, &found, &error));
    g_assert_cmpstr(found->status, ==, "completed");
    g_assert_cmpstr(found->response_body, ==, "{}");
    g_assert_cmpint(found->duration_ms, ==, 7);
    g_assert_cmpstr(found->error_detail, ==, "e");
    assert_done(store_activity_delete(fixture->db, row->id, &error));
    assert_done(store_activity_set_result(fixture->db, row->id, NULL, &detail, &changed, &error));
    g_assert_false(changed);
}

static void test_old_activity_goes_in_pieces(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    char id[ID_SIZE];
    gint64 deleted = 0;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    for (guint i = 1; i <= 6; i++)
        activity_row_free(make_activity(fixture, id, "error", NULL, FALSE, i));
    assert_done(store_activity_delete_before(fixture->db, 6, 3, &deleted, &error));
    g_assert_cmpint(deleted, ==, 3);
    assert_list(fixture, id, (ActivityFilter){0}, 3, 6);
    assert_done(store_activity_delete_before(fixture->db, 6, 3, &deleted, &error));
    g_assert_cmpint(deleted, ==, 2);
}

/* ---- Events ---- */

static void test_events_are_listed_newest_first(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) all = NULL, of_one = NULL, older = NULL;
    const StructureEventRow *row;
    gint64 deleted = 0;
    char id[ID_SIZE];

    fixture_migrate(fixture);
    id_make(id);
    assert_done(store_structure_event_insert(fixture->db, "A", id, "{\"x\":1}", 1, &error));
    assert_done(store_structure_event_insert(fixture->db, "B", NULL, NULL, 2, &error));
    assert_done(store_structure_event_insert(fixture->db, "C", "", NULL, 3, &error));
    assert_done(store_structure_event_insert(fixture->db, "D", id, NULL, 4, &error));
    all = store_structure_event_list(fixture->db, NULL, 3, 0, &error);
    g_assert_cmpuint(all->len, ==, 3);
    row = all->pdata[0];
    g_assert_cmpstr(row->event_type, ==, "D");
    g_assert_null(row->payload);
    g_assert_cmpstr(((StructureEventRow *)all->pdata[1])->workspace_id, ==, "");
    of_one = store_structure_event_list(fixture->db, id, 10, 0, &error);
    g_assert_cmpuint(of_one->len, ==, 2);
    row = of_one->pdata[1];
    g_assert_cmpstr(row->payload, ==, "{\"x\":1}");
    g_assert_cmpstr(row->workspace_id, ==, id);
    g_assert_cmpint(row->created_at_us, ==, 1);
    older = store_structure_event_list(fixture->db, id, 10, 4, &error);
    g_assert_cmpuint(older->len, ==, 1);
    assert_done(store_structure_event_delete_before(fixture->db, 4, 2, &deleted, &error));
    g_assert_cmpint(deleted, ==, 2);
    assert_done(store_structure_event_delete_before(fixture->db, 4, 2, &deleted, &error));
    g_assert_cmpint(deleted, ==, 1);
}

/* ---- Usage ---- */

static void test_usage_adds_up_by_day(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    UsageTotal total = {0};
    char id[ID_SIZE], unknown[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    assert_done(store_usage_sum(fixture->db, id, 0, G_MAXINT64, &total, &error));
    g_assert_cmpint(total.call_count, ==, 0);
    assert_done(store_usage_add(fixture->db, id, 0, 10, 5, &error));
    assert_done(store_usage_add(fixture->db, id, 0, 1, 0, &error));
    assert_done(store_usage_add(fixture->db, id, CLOCK_DAY_US, 10000000, 10000000, &error));
    assert_done(store_usage_sum(fixture->db, id, 0, CLOCK_DAY_US, &total, &error));
    g_assert_cmpint(total.input_tokens, ==, 11);
    g_assert_cmpint(total.output_tokens, ==, 5);
    g_assert_cmpint(total.call_count, ==, 2);
    g_assert_cmpint(total.cost_micro_usd, ==, 11 * 3 + 5 * 15);
    assert_done(store_usage_sum(fixture->db, id, 0, 2 * CLOCK_DAY_US, &total, &error));
    g_assert_cmpint(total.call_count, ==, 3);
    g_assert_cmpint(total.cost_micro_usd, ==, 11 * 3 + 5 * 15 + 180000000);
    id_make(unknown);
    assert_fails(store_usage_add(fixture->db, unknown, 0, 1, 1, &error), ERROR_CONFLICT);
}

/* ---- Memories ---- */

static void test_memories_are_kept(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    char id[ID_SIZE], unknown[ID_SIZE], memory[ID_SIZE] = "";

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    assert_done(
        store_memory_insert(fixture->db, id, "content", "TEAM", "workspace:x", memory, &error));
    assert_done(store_memory_insert(fixture->db, id, "content", "LOCAL", NULL, NULL, &error));
    g_assert_cmpint(store_count(fixture,
                                "SELECT COUNT(*) FROM agent_memories WHERE id = $1"
                                " AND scope = 'TEAM' AND namespace = 'workspace:x'",
                                memory),
                    ==, 1);
    g_assert_cmpint(fixture_number(fixture->db, "SELECT COUNT(*) FROM agent_memories"
                                                " WHERE namespace = 'general'"),
                    ==, 1);
    id_make(unknown);
    assert_fails(store_memory_insert(fixture->db, unknown, "c", "LOCAL", NULL, NULL, &error),
                 ERROR_CONFLICT);
}

int main(int argc, char **argv)
{
    fixture_main(argc, argv);
    store_add("/activity/comes-back-as-it-went-in", test_activity_comes_back_as_it_went_in);
    store_add("/activity/is-filtered", test_activity_is_filtered);
    store_add("/activity/results-leave-only-the-named-status",
              test_results_leave_only_the_named_status);
    store_add("/activity/old-rows-go-in-pieces", test_old_activity_goes_in_pieces);
    store_add("/events/are-listed-newest-first", test_events_are_listed_newest_first);
    store_add("/usage/adds-up-by-day", test_usage_adds_up_by_day);
    store_add("/memories/are-kept", test_memories_are_kept);
    return g_test_run();
}
