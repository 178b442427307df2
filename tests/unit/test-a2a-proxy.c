/* The proxy against small real agents on loopback: what each end of a call becomes for the caller,
 * the log and the events. */
#include "a2a/proxy.h"
#include "base/json_view.h"
#include "store/usage.h"
#include "test-a2a-house.h"

#define HELLO   "{\"method\":\"message/send\",\"params\":{\"message\":{\"role\":\"user\"}}}"
#define UNKNOWN "00000000-0000-4000-8000-000000000000"

typedef struct {
    House house;
    HttpClient *client;
    Proxy *proxy;
    A2aOptions options;
    atomic_uint looks, wakes;
    gboolean is_dead; /* what a look at a container gives */
    gboolean has_workers;
} Fixture;

static guint patience_ms; /* for a sleeping workspace; of the next fixture */

static gboolean post(void (*work)(void *work_data), void *work_data, void *data)
{
    Fixture *fixture = data;

    return fixture->has_workers && house_post(work, work_data, &fixture->house);
}

static gboolean verify_dead(const char *workspace_id, void *data)
{
    Fixture *fixture = data;

    (void)workspace_id;
    atomic_fetch_add(&fixture->looks, 1);
    return fixture->is_dead;
}

static void wake(const char *workspace_id, void *data)
{
    (void)workspace_id;
    atomic_fetch_add(&((Fixture *)data)->wakes, 1);
}

static void open_with(Fixture *fixture, A2aOptions options, guint capacity)
{
    memset(fixture, 0, sizeof *fixture);
    fixture->has_workers = TRUE;
    house_open(&fixture->house, capacity);
    fixture->client = http_client_new(64);
    const ProxyOptions proxy = {
        .db = fixture->house.db,
        .tree = fixture->house.tree,
        .events = fixture->house.events,
        .client = fixture->client,
        .forwards = fixture->house.forwards,
        .options = options,
        .post = post,
        .verify_dead = verify_dead,
        .wake = wake,
        .data = fixture,
        .wake_patience_ms = patience_ms,
    };
    fixture->proxy = proxy_new(&proxy);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    (void)data;
    open_with(fixture, (A2aOptions){.development = TRUE, .idle_timeout_s = 10}, 64);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    (void)data;
    proxy_free(fixture->proxy);
    http_client_free(fixture->client);
    g_assert_cmpuint(forwards_active(fixture->house.forwards), ==, 0);
    house_close(&fixture->house);
}

/* ---- One call ---- */

typedef struct {
    Mutex lock;
    Condition ready;
    gboolean is_done;
    guint status;
    char *body;
    gint64 retry_after_s;
    gboolean is_agents, unreachable;
} Reply;

static void on_reply(const ProxyAnswer *answer, void *data)
{
    Reply *reply = data;
    const char *bytes = g_bytes_get_data(answer->body, NULL);

    mutex_lock(&reply->lock);
    g_assert_false(reply->is_done);
    reply->is_done = TRUE;
    reply->status = answer->status;
    reply->body = g_strndup(bytes ? bytes : "", g_bytes_get_size(answer->body));
    reply->retry_after_s = answer->retry_after_s;
    reply->is_agents = answer->is_agents;
    reply->unreachable = answer->unreachable;
    condition_signal(&reply->ready);
    mutex_unlock(&reply->lock);
}

static void reply_clear(Reply *reply)
{
    mutex_clear(&reply->lock);
    condition_clear(&reply->ready);
    g_free(reply->body);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reply, reply_clear)

static void start_call(Fixture *fixture, const ProxyCall *call, const char *body, Reply *reply)
{
    memset(reply, 0, sizeof *reply);
    mutex_init(&reply->lock);
    condition_init(&reply->ready);
    proxy_call(fixture->proxy, call, body, strlen(body), on_reply, reply);
}

static void wait_reply(Reply *reply)
{
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_US;

    mutex_lock(&reply->lock);
    while (!reply->is_done && condition_wait_until(&reply->ready, &reply->lock, deadline_us))
        ;
    g_assert_true(reply->is_done);
    mutex_unlock(&reply->lock);
}

static void send_as(Fixture *fixture, const char *caller, const char *target, const char *body,
                    Reply *reply)
{
    const ProxyCall call = {.target_id = target, .caller_id = caller, .logging = TRUE};

    start_call(fixture, &call, body, reply);
    wait_reply(reply);
}

static void assert_member(const char *json, const char *key, const char *expected)
{
    JsonView view, member;
    g_autofree char *text = NULL;

    g_assert_true(json_view_parse(json, strlen(json), JSON_ONE_VALUE, &view, NULL));
    if (json_view_member(view, key, JSON_KEYS_EXACT, &member))
        text = g_strndup(member.start, (gsize)(member.end - member.start));
    g_assert_cmpstr(text, ==, expected);
}

static gboolean all_is_written(void *data)
{
    ProxyStats stats;

    proxy_stats(((Fixture *)data)->proxy, &stats);
    return stats.unwritten == 0 && stats.active == 0;
}

/* The rows of the target once everything is written. */
static GPtrArray *rows_of(Fixture *fixture, const char *id)
{
    assert_soon(all_is_written, fixture);
    return house_activity(&fixture->house, id);
}

static const ActivityRow *only_row(const GPtrArray *rows)
{
    g_assert_cmpuint(rows->len, ==, 1);
    return rows->pdata[0];
}

/* ---- An answer ---- */

static void test_answer_passes_byte_for_byte(Fixture *fixture, gconstpointer data)
{
    static const AgentStep steps[] = {
        AGENT_ANSWER("201 Created", "text/x-any",
                     "{\"result\": {\"usage\":{\"input_tokens\":10,\"output_tokens\":5},"
                     "\"metadata\":{\"tool_trace\":[1, 2]}} }"),
        {0}};
    Agent agent;
    char id[ID_SIZE];
    g_auto(Reply) reply = {0};
    g_autofree char *request = NULL;
    g_autofree char *announced = NULL;
    UsageTotal usage;

    (void)data;
    agent_start(&agent, steps, AGENT_CLOSES);
    house_add(&fixture->house, "Ada", NULL, agent.url, id);
    send_as(fixture, "", id, HELLO, &reply);

    g_assert_cmpuint(reply.status, ==, 201);
    g_assert_cmpstr(reply.body, ==,
                    "{\"result\": {\"usage\":{\"input_tokens\":10,\"output_tokens\":5},"
                    "\"metadata\":{\"tool_trace\":[1, 2]}} }");
    g_assert_true(reply.is_agents);
    request = agent_request_dup(&agent, 0);
    g_assert_true(g_str_has_prefix(request, "POST /a?b=c HTTP/1.1\r\n"));
    g_assert_nonnull(strcasestr(request, "\r\nContent-Type: application/json\r\n"));
    g_assert_nonnull(strcasestr(request, "\r\nContent-Length: "));
    g_assert_null(strcasestr(request, "Authorization"));
    g_assert_null(strcasestr(request, "X-Workspace-ID"));
    g_assert_null(strcasestr(request, "Accept-Encoding"));
    g_assert_null(strcasestr(request, "Expect:"));
    g_assert_nonnull(strstr(request, "\"jsonrpc\":\"2.0\""));
    g_assert_nonnull(strstr(request, "\"messageId\":\""));

    g_autoptr(GPtrArray) rows = rows_of(fixture, id);
    const ActivityRow *row = only_row(rows);
    g_assert_cmpstr(row->activity_type, ==, "a2a_receive");
    g_assert_cmpstr(row->source_id, ==, "");
    g_assert_cmpstr(row->target_id, ==, id);
    g_assert_cmpstr(row->method, ==, "message/send");
    g_assert_cmpstr(row->summary, ==, "message/send \xE2\x86\x92 Ada");
    g_assert_cmpstr(row->status, ==, "ok");
    g_assert_cmpstr(row->tool_trace, ==, "[1,2]");
    g_assert_nonnull(strstr(row->request_body, "\"messageId\":"));
    g_assert_true(g_str_has_prefix(row->response_body, "{\"result\":{\"usage\""));
    g_assert_cmpint(row->duration_ms, >=, 1);

    /* Exactly one reply for the chat, before the row's own event. */
    g_assert_cmpuint(house_count(&fixture->house, "A2A_RESPONSE"), ==, 1);
    g_assert_cmpuint(house_count(&fixture->house, "ACTIVITY_LOGGED"), ==, 1);
    announced = house_event_dup(&fixture->house, "");
    g_assert_true(g_str_has_prefix(announced, "ACTIVITY_LOGGED"));
    g_assert_true(store_usage_sum(fixture->house.db, id, 0, G_MAXINT64, &usage, NULL));
    g_assert_cmpint(usage.input_tokens, ==, 10);
    g_assert_cmpint(usage.call_count, ==, 1);
    g_assert_cmpint(usage.cost_micro_usd, ==, 105);
    agent_stop(&agent);
}

static void test_answers_that_are_no_json_are_kept_as_text(Fixture *fixture, gconstpointer data)
{
    static const struct {
        AgentStep steps[2];
        const char *answer, *stored;
    } cases[] = {
        {{AGENT_ANSWER("200 OK", "text/plain", "just text")}, "just text", "\"just text\""},
        {{AGENT_ANSWER("200 OK", "a/b", "{\"r\":\"a\\u0000\"}")},
         "{\"r\":\"a\\u0000\"}",
         "{\"r\":\"a\\ufffd\"}"},
        {{AGENT_ANSWER("200 OK", "a/b", "{\"r\":\"\xff\"}")},
         "{\"r\":\"\xff\"}",
         "{\"r\":\"\xEF\xBF\xBD\"}"},
        {{AGENT_ANSWER("200 OK", "a/b", "")}, "", "\"\""},
    };

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        Agent agent;
        char id[ID_SIZE];
        g_auto(Reply) reply = {0};
        agent_start(&agent, cases[i].steps, AGENT_CLOSES);
        house_add(&fixture->house, "agent", NULL, agent.url, id);
        send_as(fixture, "", id, HELLO, &reply);
        g_assert_cmpstr(reply.body, ==, cases[i].answer);
        g_autoptr(GPtrArray) rows = rows_of(fixture, id);
        g_assert_cmpstr(only_row(rows)->response_body, ==, cases[i].stored);
        g_assert_cmpstr(only_row(rows)->status, ==, "ok");
        g_assert_cmpuint(house_count(&fixture->house, "A2A_RESPONSE"), ==, i + 1);
        agent_stop(&agent);
    }
}

static void test_agents_errors_pass(Fixture *fixture, gconstpointer data)
{
    static const AgentStep slow[] = {
        {.bytes = "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 16\r\n\r\n"
                  "{\"error\":\"slow\"}"},
        {0}};
    static const AgentStep moved[] = {
        {.bytes = "HTTP/1.1 307 Moved\r\nLocation: http://169.254.169.254/\r\n"
                  "Content-Length: 0\r\n\r\n"},
        {0}};
    Agent first, second;
    char a[ID_SIZE], b[ID_SIZE];
    g_auto(Reply) limited = {0};
    g_auto(Reply) redirected = {0};

    (void)data;
    agent_start(&first, slow, AGENT_CLOSES);
    agent_start(&second, moved, AGENT_CLOSES);
    house_add(&fixture->house, "a", NULL, first.url, a);
    house_add(&fixture->house, "b", NULL, second.url, b);
    send_as(fixture, "", a, HELLO, &limited);
    g_assert_cmpuint(limited.status, ==, 429);
    g_assert_cmpstr(limited.body, ==, "{\"error\":\"slow\"}");
    g_assert_cmpint(limited.retry_after_s, ==, 7);
    g_autoptr(GPtrArray) rows = rows_of(fixture, a);
    g_assert_cmpstr(only_row(rows)->status, ==, "error");

    send_as(fixture, "", b, HELLO, &redirected);
    g_assert_cmpuint(redirected.status, ==, 307);
    g_assert_cmpstr(redirected.body, ==, "{\"error\":\"Temporary Redirect\"}");
    g_autoptr(GPtrArray) moved_rows = rows_of(fixture, b);
    g_assert_cmpstr(only_row(moved_rows)->status, ==, "ok");
    agent_stop(&first);
    agent_stop(&second);
}

static void test_callers_of_all_kinds(Fixture *fixture, gconstpointer data)
{
    static const AgentStep steps[] = {AGENT_ANSWER("200 OK", "application/json", "{}"), {0}};
    Agent agent;
    char root[ID_SIZE], child[ID_SIZE], other[ID_SIZE];
    g_auto(Reply) from_child = {0};
    g_auto(Reply) from_other = {0};
    g_auto(Reply) from_system = {0};
    g_auto(Reply) quiet = {0};
    g_auto(Reply) unknown = {0};

    (void)data;
    agent_start(&agent, steps, AGENT_CLOSES);
    house_add(&fixture->house, "root", NULL, agent.url, root);
    house_add(&fixture->house, "child", root, agent.url, child);
    house_add(&fixture->house, "other", NULL, agent.url, other);

    send_as(fixture, child, root, HELLO, &from_child);
    g_assert_cmpuint(from_child.status, ==, 200);
    send_as(fixture, other, child, HELLO, &from_other);
    g_assert_cmpuint(from_other.status, ==, 403);
    send_as(fixture, "system:test", child, HELLO, &from_system);
    g_assert_cmpuint(from_system.status, ==, 200);
    send_as(fixture, other, UNKNOWN, HELLO, &unknown);
    g_assert_cmpuint(unknown.status, ==, 403);

    g_autoptr(GPtrArray) rows = rows_of(fixture, root);
    g_assert_cmpstr(only_row(rows)->source_id, ==, child);
    g_autoptr(GPtrArray) child_rows = rows_of(fixture, child);
    g_assert_cmpstr(only_row(child_rows)->source_id, ==, "");
    g_assert_cmpuint(house_count(&fixture->house, "A2A_RESPONSE"), ==, 0); /* no human asked */
    g_autoptr(OrgNode) caller = org_tree_find(fixture->house.tree, child);
    g_assert_cmpint(org_node_row(caller)->last_outbound_at_us, >, 0);

    const ProxyCall call = {.target_id = other, .caller_id = ""};
    start_call(fixture, &call, HELLO, &quiet);
    wait_reply(&quiet);
    g_autoptr(GPtrArray) no_rows = rows_of(fixture, other);
    g_assert_cmpuint(no_rows->len, ==, 0);
    agent_stop(&agent);
}

/* ---- Refused before the call ---- */

static void add_in_state(Fixture *fixture, WorkspaceStatus status, const char *url,
                         char id[ID_SIZE])
{
    WorkspaceRow *row = house_row("x", NULL, url);

    row->status = status;
    house_insert(&fixture->house, row, id);
}

static void assert_refused(Fixture *fixture, const char *target, const char *body, guint status,
                           const char *key, const char *value)
{
    g_auto(Reply) reply = {0};

    send_as(fixture, "", target, body, &reply);
    g_assert_cmpuint(reply.status, ==, status);
    assert_member(reply.body, key, value);
    g_assert_false(reply.is_agents);
}

static void test_refusals_in_their_order(Fixture *fixture, gconstpointer data)
{
    static const AgentStep steps[] = {AGENT_ANSWER("200 OK", "application/json", "{}"), {0}};
    Agent agent;
    char id[ID_SIZE];

    (void)data;
    agent_start(&agent, steps, AGENT_CLOSES);
    assert_refused(fixture, UNKNOWN, "not json", 404, "error", "\"workspace not found\"");
    add_in_state(fixture, WORKSPACE_PROVISIONING, NULL, id);
    assert_refused(fixture, id, "not json", 503, "error", "\"workspace has no URL\"");
    assert_refused(fixture, id, HELLO, 503, "status", "\"provisioning\"");
    add_in_state(fixture, WORKSPACE_PAUSED, agent.url, id);
    assert_refused(fixture, id, HELLO, 503, "status", "\"paused\"");
    add_in_state(fixture, WORKSPACE_HIBERNATED, NULL, id);
    assert_refused(fixture, id, HELLO, 503, "waking", "true");
    g_assert_cmpuint(atomic_load(&fixture->wakes), ==, 1);
    add_in_state(fixture, WORKSPACE_ONLINE, "file:///etc/passwd", id);
    assert_refused(fixture, id, "not json", 502, "error", "\"the workspace's URL is not allowed\"");
    add_in_state(fixture, WORKSPACE_OFFLINE, agent.url, id);
    assert_refused(fixture, id, "not json", 400, "error", "\"invalid JSON\"");
    assert_refused(fixture, id, "[]", 400, "error", "\"invalid JSON\"");
    g_assert_cmpuint(agent_calls(&agent), ==, 0);
    agent_stop(&agent);
}

/* ---- A workspace that sleeps ---- */

static void set_up_patient(Fixture *fixture, gconstpointer data)
{
    (void)data;
    patience_ms = 20000;
    set_up(fixture, NULL);
    patience_ms = 0;
}

static void awake(Fixture *fixture, const char *id, const char *url)
{
    g_assert_true(db_exec(fixture->house.db,
                          "UPDATE workspaces SET status = 'online', url = $2 WHERE id = $1", NULL,
                          NULL, DB_TEXT(id), DB_TEXT(url)));
    g_assert_true(org_tree_refresh(fixture->house.tree, id, NULL));
    events_announce(fixture->house.events, "WORKSPACE_ONLINE", id, "{}", clock_now_us());
}

static guint parked(Fixture *fixture)
{
    ProxyStats stats;

    proxy_stats(fixture->proxy, &stats);
    return stats.parked;
}

static void test_messages_wait_for_a_wake(Fixture *fixture, gconstpointer data)
{
    static const AgentStep steps[] = {AGENT_ANSWER("200 OK", "application/json", "{\"a\":1}"),
                                      AGENT_ANSWER("200 OK", "application/json", "{\"a\":1}"),
                                      AGENT_ANSWER("200 OK", "application/json", "{\"a\":1}"),
                                      {0}};
    ProxyCall call = {.caller_id = "", .logging = TRUE};
    Reply replies[3];
    Agent agent;
    char id[ID_SIZE];

    (void)data;
    agent_start(&agent, steps, AGENT_CLOSES);
    add_in_state(fixture, WORKSPACE_HIBERNATED, NULL, id);
    assert_refused(fixture, id, "not json", 400, "error", "\"invalid JSON\"");
    call.target_id = id;
    for (guint i = 0; i < G_N_ELEMENTS(replies); i++)
        start_call(fixture, &call, HELLO, &replies[i]);
    g_assert_cmpuint(parked(fixture), ==, G_N_ELEMENTS(replies));
    g_assert_cmpuint(atomic_load(&fixture->wakes), ==, 1);
    g_assert_cmpuint(agent_calls(&agent), ==, 0);
    awake(fixture, id, agent.url);
    for (guint i = 0; i < G_N_ELEMENTS(replies); i++) {
        wait_reply(&replies[i]);
        g_assert_cmpuint(replies[i].status, ==, 200);
        reply_clear(&replies[i]);
    }
    g_assert_cmpuint(parked(fixture), ==, 0);
    agent_stop(&agent);
}

static void test_a_wait_ends(Fixture *fixture, gconstpointer data)
{
    ProxyCall call = {.caller_id = "", .timeout_s = 1};
    g_auto(Reply) late = {0};
    g_auto(Reply) gone = {0};
    char id[ID_SIZE];

    (void)data;
    add_in_state(fixture, WORKSPACE_HIBERNATING, NULL, id);
    call.target_id = id;
    start_call(fixture, &call, HELLO, &late);
    wait_reply(&late);
    g_assert_cmpuint(late.status, ==, 503);
    g_assert_cmpint(late.retry_after_s, ==, 15);
    assert_member(late.body, "waking", "true");
    assert_member(late.body, "retry_after", "15");
    call.timeout_s = 0;
    start_call(fixture, &call, HELLO, &gone);
    proxy_stop(fixture->proxy); /* waits for it */
    wait_reply(&gone);
    g_assert_cmpuint(gone.status, ==, 503);
    g_assert_cmpuint(atomic_load(&fixture->wakes), ==, 2);
}

static void add_with_budget(Fixture *fixture, const char *url, gint64 limit, gint64 spend,
                            gint64 period, char id[ID_SIZE])
{
    WorkspaceRow *row = house_row("x", NULL, url);

    row->budget_limit = limit;
    row->monthly_spend = spend;
    row->spend_period = period;
    house_insert(&fixture->house, row, id);
}

static void test_budget(Fixture *fixture, gconstpointer data)
{
    static const AgentStep steps[] = {AGENT_ANSWER("200 OK", "application/json", "{}"), {0}};
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    gint64 month = g_date_time_get_year(now) * 100 + g_date_time_get_month(now);
    Agent agent;
    char id[ID_SIZE];
    g_auto(Reply) below = {0};
    g_auto(Reply) metered = {0};
    g_auto(Reply) last_month = {0};
    g_auto(Reply) unlimited = {0};

    (void)data;
    agent_start(&agent, steps, AGENT_CLOSES);
    add_with_budget(fixture, agent.url, 500, 500, month, id);
    assert_refused(fixture, id, "not json", 402, "error", "\"workspace budget limit exceeded\"");
    add_with_budget(fixture, agent.url, 0, 0, month, id);
    assert_refused(fixture, id, HELLO, 402, "error", "\"workspace budget limit exceeded\"");
    add_with_budget(fixture, agent.url, 500, 499, month, id);
    send_as(fixture, "", id, HELLO, &below);
    g_assert_cmpuint(below.status, ==, 200);
    /* What was metered counts when it is more than what was reported. */
    org_tree_add_usage(fixture->house.tree, id, 4999999, clock_now_us());
    send_as(fixture, "", id, HELLO, &metered);
    g_assert_cmpuint(metered.status, ==, 200);
    org_tree_add_usage(fixture->house.tree, id, 1, clock_now_us());
    assert_refused(fixture, id, HELLO, 402, "error", "\"workspace budget limit exceeded\"");
    add_with_budget(fixture, agent.url, 500, 900, 200001, id);
    send_as(fixture, "", id, HELLO, &last_month);
    g_assert_cmpuint(last_month.status, ==, 200);
    add_with_budget(fixture, agent.url, -1, G_GINT64_CONSTANT(1000000000000), month, id);
    send_as(fixture, "", id, HELLO, &unlimited);
    g_assert_cmpuint(unlimited.status, ==, 200);
    agent_stop(&agent);
}

static void test_loopback_needs_development_or_our_own_engine(void)
{
    static const AgentStep steps[] = {AGENT_ANSWER("200 OK", "application/json", "{}"), {0}};
    Fixture fixture;
    Agent agent;
    char foreign[ID_SIZE], own[ID_SIZE];
    g_auto(Reply) refused = {0};
    g_auto(Reply) reached = {0};
    WorkspaceRow *row;

    open_with(&fixture, (A2aOptions){.strict = TRUE}, 64);
    agent_start(&agent, steps, AGENT_CLOSES);
    house_add(&fixture.house, "foreign", NULL, agent.url, foreign);
    row = house_row("own", NULL, agent.url);
    row->url_is_minted = TRUE;
    house_insert(&fixture.house, row, own);
    send_as(&fixture, "", foreign, HELLO, &refused);
    g_assert_cmpuint(refused.status, ==, 502);
    g_assert_false(refused.unreachable);
    g_assert_cmpuint(agent_calls(&agent), ==, 0);
    g_assert_cmpuint(atomic_load(&fixture.looks), ==, 0);
    send_as(&fixture, "", own, HELLO, &reached);
    g_assert_cmpuint(reached.status, ==, 200);
    g_autoptr(GPtrArray) rows = rows_of(&fixture, foreign);
    g_assert_cmpuint(rows->len, ==, 0);
    agent_stop(&agent);
    tear_down(&fixture, NULL);
}

/* ---- No answer, or half of one ---- */

static void assert_failed_row(Fixture *fixture, const char *id, const char *detail)
{
    g_autoptr(GPtrArray) rows = rows_of(fixture, id);
    const ActivityRow *row = only_row(rows);

    g_assert_cmpstr(row->status, ==, "error");
    g_assert_nonnull(strstr(row->error_detail, detail));
    g_assert_true(g_str_has_prefix(row->summary, "A2A request to agent failed: "));
    g_assert_null(row->response_body);
    g_assert_cmpint(row->duration_ms, >=, 1);
}

static void test_half_an_answer(Fixture *fixture, gconstpointer data)
{
    static const AgentStep good[] = {
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"half\":"}, {0}};
    static const AgentStep bad[] = {
        {.bytes = "HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\n{\"half\":"}, {0}};
    Agent first, second;
    char a[ID_SIZE], b[ID_SIZE];
    g_auto(Reply) delivered = {0};
    g_auto(Reply) lost = {0};

    (void)data;
    agent_start(&first, good, AGENT_CLOSES);
    agent_start(&second, bad, AGENT_CLOSES);
    house_add(&fixture->house, "agent", NULL, first.url, a);
    house_add(&fixture->house, "agent", NULL, second.url, b);
    send_as(fixture, "", a, HELLO, &delivered);
    g_assert_cmpuint(delivered.status, ==, 502);
    assert_member(delivered.body, "delivery_confirmed", "true");
    g_autoptr(GPtrArray) rows = rows_of(fixture, a);
    g_assert_cmpstr(only_row(rows)->status, ==, "ok");
    g_assert_cmpstr(only_row(rows)->response_body, ==, "\"{\\\"half\\\":\"");
    g_assert_cmpuint(house_count(&fixture->house, "A2A_RESPONSE"), ==, 0);

    send_as(fixture, "", b, HELLO, &lost);
    g_assert_cmpuint(lost.status, ==, 502);
    assert_member(lost.body, "delivery_confirmed", "false");
    g_autoptr(GPtrArray) none = rows_of(fixture, b);
    g_assert_cmpuint(none->len, ==, 0);
    agent_stop(&first);
    agent_stop(&second);
}

static void test_closed_port(Fixture *fixture, gconstpointer data)
{
    Agent agent;
    char id[ID_SIZE];
    g_auto(Reply) reply = {0};

    (void)data;
    agent_start(&agent, NULL, AGENT_CLOSES);
    house_add(&fixture->house, "agent", NULL, agent.url, id);
    agent_stop(&agent);
    send_as(fixture, "", id, HELLO, &reply);
    g_assert_cmpuint(reply.status, ==, 502);
    assert_member(reply.body, "error", "\"failed to reach workspace agent\"");
    g_assert_true(reply.unreachable);
    g_assert_cmpuint(atomic_load(&fixture->looks), ==, 1);
    assert_failed_row(fixture, id, "offline");
}

static void test_connection_closed_without_an_answer(Fixture *fixture, gconstpointer data)
{
    static const AgentEnd ends[] = {AGENT_CLOSES, AGENT_RESETS};

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
        Agent agent;
        char id[ID_SIZE];
        g_auto(Reply) reply = {0};
        agent_start(&agent, NULL, ends[i]);
        house_add(&fixture->house, "agent", NULL, agent.url, id);
        send_as(fixture, "", id, HELLO, &reply);
        g_assert_cmpuint(reply.status, ==, 503);
        assert_member(reply.body, "busy", "true");
        assert_member(reply.body, "native_session", NULL);
        g_assert_cmpint(reply.retry_after_s, ==, 30);
        g_assert_cmpuint(agent_calls(&agent), ==, 1); /* never sent twice */
        assert_failed_row(fixture, id, "connection reset");
        agent_stop(&agent);
    }
}

static void test_malformed_answer(Fixture *fixture, gconstpointer data)
{
    static const AgentStep steps[] = {{.bytes = "garbage garbage garbage\r\n\r\n"}, {0}};
    Agent agent;
    char id[ID_SIZE];
    g_auto(Reply) reply = {0};

    (void)data;
    agent_start(&agent, steps, AGENT_CLOSES);
    house_add(&fixture->house, "agent", NULL, agent.url, id);
    send_as(fixture, "", id, HELLO, &reply);
    g_assert_cmpuint(reply.status, ==, 502);
    assert_member(reply.body, "error", "\"failed to reach workspace agent\"");
    agent_stop(&agent);
}

static void test_answer_over_the_limit(Fixture *fixture, gconstpointer data)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    g_autofree char *much = g_strnfill(11 * 1024 * 1024, 'x');
    const AgentStep steps[] = {{.bytes = head}, {.bytes = much}, {0}};
    Agent agent;
    char id[ID_SIZE];
    g_auto(Reply) reply = {0};

    (void)data;
    agent_start(&agent, steps, AGENT_CLOSES);
    house_add(&fixture->house, "agent", NULL, agent.url, id);
    send_as(fixture, "", id, HELLO, &reply);
    g_assert_cmpuint(reply.status, ==, 502);
    assert_member(reply.body, "delivery_confirmed", "true");
    assert_failed_row(fixture, id, "too long");
    agent_stop(&agent);
}

/* ---- Time ---- */

static void test_callers_limit(Fixture *fixture, gconstpointer data)
{
    Agent agent;
    char id[ID_SIZE];
    ProxyCall call = {.target_id = id, .caller_id = "", .timeout_s = 1, .logging = TRUE};
    gint64 started_us = clock_monotonic_us();
    g_auto(Reply) reply = {0};

    (void)data;
    agent_start(&agent, NULL, AGENT_HOLDS);
    house_add(&fixture->house, "agent", NULL, agent.url, id);
    start_call(fixture, &call, HELLO, &reply);
    wait_reply(&reply);
    g_assert_cmpuint(reply.status, ==, 503);
    assert_member(reply.body, "busy", "true");
    g_assert_cmpint(clock_monotonic_us() - started_us, <, 3 * CLOCK_SECOND_US);
    g_assert_cmpuint(agent_calls(&agent), ==, 1);
    assert_failed_row(fixture, id, "deadline exceeded");
    agent_stop(&agent);
}

static void test_silence_ends_a_call_and_signs_of_life_do_not(void)
{
    static const AgentStep late[] = {
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", .pause_ms = 1800}, {0}};
    Fixture fixture;
    Agent silent, slow;
    char a[ID_SIZE], b[ID_SIZE];
    g_auto(Reply) given_up = {0};
    g_auto(Reply) answered = {0};
    ProxyCall call = {.target_id = b, .caller_id = "", .logging = TRUE};

    open_with(&fixture, (A2aOptions){.development = TRUE, .idle_timeout_s = 1}, 64);
    agent_start(&silent, NULL, AGENT_HOLDS);
    agent_start(&slow, late, AGENT_CLOSES);
    house_add(&fixture.house, "agent", NULL, silent.url, a);
    house_add(&fixture.house, "agent", NULL, slow.url, b);
    start_call(&fixture, &call, HELLO, &answered);
    for (guint i = 0; i < 6; i++) { /* by turns: a heartbeat, an event of the workspace */
        g_usleep(300 * 1000);
        if (i % 2)
            forwards_touch(fixture.house.forwards, b);
        else
            events_broadcast(fixture.house.events, "TASK_UPDATED", b, "{}");
    }
    wait_reply(&answered);
    g_assert_cmpuint(answered.status, ==, 200);
    send_as(&fixture, "", a, HELLO, &given_up);
    g_assert_cmpuint(given_up.status, ==, 503);
    assert_member(given_up.body, "busy", "true");
    assert_failed_row(&fixture, a, "timeout");
    agent_stop(&silent);
    agent_stop(&slow);
    tear_down(&fixture, NULL);
}

static void test_declared_window_and_session(Fixture *fixture, gconstpointer data)
{
    const Declared declared = {.capabilities = CAPABILITY_SESSION, .idle_timeout_s = 1};
    gint64 started_us = clock_monotonic_us();
    Agent agent;
    char id[ID_SIZE];
    g_auto(Reply) reply = {0};

    (void)data;
    agent_start(&agent, NULL, AGENT_HOLDS);
    house_add(&fixture->house, "agent", NULL, agent.url, id);
    forwards_declare(fixture->house.forwards, id, &declared);
    send_as(fixture, "", id, HELLO, &reply);
    g_assert_cmpuint(reply.status, ==, 503);
    assert_member(reply.body, "native_session", "true");
    g_assert_cmpint(clock_monotonic_us() - started_us, <, 5 * CLOCK_SECOND_US);
    agent_stop(&agent);
}

/* ---- Dead containers ---- */

static void test_dead_container_is_told_and_marked(Fixture *fixture, gconstpointer data)
{
    Agent agent;
    char id[ID_SIZE], external[ID_SIZE];
    WorkspaceRow *row;
    g_auto(Reply) reply = {0};
    g_auto(Reply) other = {0};

    (void)data;
    fixture->is_dead = TRUE;
    agent_start(&agent, NULL, AGENT_CLOSES);
    house_add(&fixture->house, "agent", NULL, agent.url, id);
    row = house_row("agent", NULL, agent.url);
    g_free(row->runtime);
    row->runtime = g_strdup("external");
    house_insert(&fixture->house, row, external);

    send_as(fixture, "", id, HELLO, &reply);
    g_assert_cmpuint(reply.status, ==, 503);
    assert_member(reply.body, "restarting", "true");
    g_assert_true(reply.unreachable);
    g_assert_cmpint(house_status(&fixture->house, id), ==, WORKSPACE_OFFLINE);
    g_assert_cmpuint(house_count(&fixture->house, "WORKSPACE_OFFLINE"), ==, 1);
    g_autoptr(GPtrArray) rows = rows_of(fixture, id);
    g_assert_cmpuint(rows->len, ==, 0);

    /* Nothing of ours runs there: no look, no change. */
    send_as(fixture, "", external, HELLO, &other);
    assert_member(other.body, "busy", "true");
    g_assert_cmpuint(atomic_load(&fixture->looks), ==, 1);
    g_assert_cmpint(house_status(&fixture->house, external), ==, WORKSPACE_ONLINE);
    agent_stop(&agent);
}

static void test_dead_container_of_a_paused_row_changes_nothing(Fixture *fixture,
                                                                gconstpointer data)
{
    Agent agent;
    char id[ID_SIZE];
    gboolean changed = FALSE;
    g_auto(Reply) reply = {0};

    (void)data;
    fixture->is_dead = TRUE;
    agent_start(&agent, NULL, AGENT_CLOSES);
    house_add(&fixture->house, "agent", NULL, agent.url, id);
    /* Behind the tree's back, as another replica would. */
    g_assert_true(store_workspace_mark_paused(fixture->house.db, id, &changed, NULL) && changed);
    send_as(fixture, "", id, HELLO, &reply);
    g_assert_cmpuint(reply.status, ==, 503);
    g_assert_cmpint(house_status(&fixture->house, id), ==, WORKSPACE_PAUSED);
    g_assert_cmpuint(house_count(&fixture->house, "WORKSPACE_OFFLINE"), ==, 0);
    agent_stop(&agent);
}

static void test_without_free_workers_nobody_looks(Fixture *fixture, gconstpointer data)
{
    Agent agent;
    char id[ID_SIZE];
    g_auto(Reply) reply = {0};

    (void)data;
    fixture->is_dead = TRUE;
    fixture->has_workers = FALSE;
    agent_start(&agent, NULL, AGENT_CLOSES);
    house_add(&fixture->house, "agent", NULL, agent.url, id);
    send_as(fixture, "", id, HELLO, &reply);
    assert_member(reply.body, "busy", "true");
    g_assert_cmpuint(atomic_load(&fixture->looks), ==, 0);
    agent_stop(&agent);
}

/* ---- Limits ---- */

static gboolean agent_was_called(void *data)
{
    return agent_calls(data) > 0;
}

static void test_one_more_than_there_are_places(void)
{
    static const AgentStep steps[] = {
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", .pause_ms = 400}, {0}};
    Fixture fixture;
    Agent agent;
    char id[ID_SIZE];
    ProxyStats stats;
    g_auto(Reply) first = {0};
    g_auto(Reply) second = {0};
    g_auto(Reply) third = {0};
    ProxyCall call = {.target_id = id, .caller_id = "", .logging = TRUE};

    open_with(&fixture, (A2aOptions){.development = TRUE}, 1);
    agent_start(&agent, steps, AGENT_CLOSES);
    house_add(&fixture.house, "agent", NULL, agent.url, id);
    start_call(&fixture, &call, HELLO, &first);
    assert_soon(agent_was_called, &agent);
    send_as(&fixture, "", id, HELLO, &second);
    g_assert_cmpuint(second.status, ==, 503);
    assert_member(second.body, "busy", "true");
    g_assert_cmpint(second.retry_after_s, ==, 30);
    wait_reply(&first);
    g_assert_cmpuint(first.status, ==, 200);
    assert_soon(all_is_written, &fixture);
    send_as(&fixture, "", id, HELLO, &third);
    g_assert_cmpuint(third.status, ==, 200);
    assert_soon(all_is_written, &fixture);
    proxy_stats(fixture.proxy, &stats);
    g_assert_cmpuint(stats.refused, ==, 1);
    g_assert_cmpuint(stats.forwarded, ==, 2);
    agent_stop(&agent);
    tear_down(&fixture, NULL);
}

static void test_stop_ends_what_is_under_way(Fixture *fixture, gconstpointer data)
{
    Agent agent;
    char id[ID_SIZE];
    ProxyCall call = {.target_id = id, .caller_id = "", .logging = TRUE};
    g_auto(Reply) reply = {0};
    g_auto(Reply) late = {0};

    (void)data;
    agent_start(&agent, NULL, AGENT_HOLDS);
    house_add(&fixture->house, "agent", NULL, agent.url, id);
    start_call(fixture, &call, HELLO, &reply);
    assert_soon(agent_was_called, &agent);
    proxy_stop(fixture->proxy);
    wait_reply(&reply);
    assert_member(reply.body, "busy", "true");
    g_autoptr(GPtrArray) rows = house_activity(&fixture->house, id);
    g_assert_cmpuint(rows->len, ==, 1); /* written before the stop came back */
    send_as(fixture, "", id, HELLO, &late);
    assert_member(late.body, "busy", "true");
    agent_stop(&agent);
}

/* ---- Many at once ---- */

#define MANY 60

static void test_many_at_once(Fixture *fixture, gconstpointer data)
{
    static const AgentStep steps[] = {
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", .pause_ms = 50}, {0}};
    g_autofree Reply *replies = g_new0(Reply, MANY);
    Agent agent;
    char id[ID_SIZE];
    ProxyCall call = {.target_id = id, .caller_id = "", .logging = TRUE};

    (void)data;
    agent_start(&agent, steps, AGENT_CLOSES);
    house_add(&fixture->house, "agent", NULL, agent.url, id);
    for (guint i = 0; i < MANY; i++)
        start_call(fixture, &call, HELLO, &replies[i]);
    for (guint i = 0; i < MANY; i++) {
        wait_reply(&replies[i]);
        g_assert_cmpuint(replies[i].status, ==, 200);
        reply_clear(&replies[i]);
    }
    g_autoptr(GPtrArray) rows = rows_of(fixture, id);
    g_assert_cmpuint(rows->len, ==, MANY);
    g_assert_cmpuint(house_count(&fixture->house, "A2A_RESPONSE"), ==, MANY);
    g_assert_cmpuint(house_count(&fixture->house, "ACTIVITY_LOGGED"), ==, MANY);
    agent_stop(&agent);
}

static void test_purged_workspace_spoils_no_other_row(Fixture *fixture, gconstpointer data)
{
    static const AgentStep slow[] = {
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", .pause_ms = 300}, {0}};
    Agent agent;
    char kept[ID_SIZE], purged[ID_SIZE];
    ProxyCall to_kept = {.target_id = kept, .caller_id = "", .logging = TRUE};
    ProxyCall to_purged = {.target_id = purged, .caller_id = "", .logging = TRUE};
    g_auto(Reply) first = {0};
    g_auto(Reply) second = {0};
    g_autoptr(StoreRemoval) removal = NULL;

    (void)data;
    agent_start(&agent, slow, AGENT_CLOSES);
    house_add(&fixture->house, "kept", NULL, agent.url, kept);
    house_add(&fixture->house, "purged", NULL, agent.url, purged);
    start_call(fixture, &to_purged, HELLO, &first);
    start_call(fixture, &to_kept, HELLO, &second);
    g_assert_true(
        store_workspace_remove(fixture->house.db, purged, STORE_REMOVE_TREE, TRUE, &removal, NULL));
    wait_reply(&first);
    wait_reply(&second);
    g_assert_cmpuint(first.status, ==, 200);
    g_autoptr(GPtrArray) rows = rows_of(fixture, kept);
    g_assert_cmpuint(rows->len, ==, 1);
    g_assert_cmpuint(house_count(&fixture->house, "ACTIVITY_LOGGED"), ==, 2);
    agent_stop(&agent);
}

#define ADD(path_, function_)                                                                      \
    g_test_add("/a2a/proxy/" path_, Fixture, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("answer-passes-byte-for-byte", test_answer_passes_byte_for_byte);
    ADD("answers-that-are-no-json-are-kept-as-text",
        test_answers_that_are_no_json_are_kept_as_text);
    ADD("agents-errors-pass", test_agents_errors_pass);
    ADD("callers-of-all-kinds", test_callers_of_all_kinds);
    ADD("refusals-in-their-order", test_refusals_in_their_order);
    g_test_add("/a2a/proxy/messages-wait-for-a-wake", Fixture, NULL, set_up_patient,
               test_messages_wait_for_a_wake, tear_down);
    g_test_add("/a2a/proxy/a-wait-for-a-wake-ends", Fixture, NULL, set_up_patient, test_a_wait_ends,
               tear_down);
    ADD("budget", test_budget);
    g_test_add_func("/a2a/proxy/loopback-needs-development-or-our-own-engine",
                    test_loopback_needs_development_or_our_own_engine);
    ADD("half-an-answer", test_half_an_answer);
    ADD("closed-port", test_closed_port);
    ADD("connection-closed-without-an-answer", test_connection_closed_without_an_answer);
    ADD("malformed-answer", test_malformed_answer);
    ADD("answer-over-the-limit", test_answer_over_the_limit);
    ADD("callers-limit", test_callers_limit);
    g_test_add_func("/a2a/proxy/silence-ends-a-call-and-signs-of-life-do-not",
                    test_silence_ends_a_call_and_signs_of_life_do_not);
    ADD("declared-window-and-session", test_declared_window_and_session);
    ADD("dead-container-is-told-and-marked", test_dead_container_is_told_and_marked);
    ADD("dead-container-of-a-paused-row-changes-nothing",
        test_dead_container_of_a_paused_row_changes_nothing);
    ADD("without-free-workers-nobody-looks", test_without_free_workers_nobody_looks);
    g_test_add_func("/a2a/proxy/one-more-than-there-are-places",
                    test_one_more_than_there_are_places);
    ADD("stop-ends-what-is-under-way", test_stop_ends_what_is_under_way);
    ADD("many-at-once", test_many_at_once);
    ADD("purged-workspace-spoils-no-other-row", test_purged_workspace_spoils_no_other_row);
    return g_test_run();
}
