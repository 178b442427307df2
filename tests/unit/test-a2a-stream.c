/* The proxy behind a real HTTP server: event streams that pass as they come, clients that are slow
 * or leave, headers. */
#include "a2a/proxy.h"
#include "http/server.h"
#include "test-a2a-house.h"

#define HELLO "{\"method\":\"message/stream\",\"params\":{\"message\":{\"role\":\"user\"}}}"
#define HEAD  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
#define EVENT(text_)                                                                               \
    "data: {\"result\":{\"kind\":\"artifact-update\",\"append\":true,\"artifact\":{\"parts\":[{"   \
    "\"kind\":\"text\",\"text\":\"" text_ "\"}]}}}\n\n"

typedef struct {
    House house;
    HttpClient *client;
    HttpServer *server;
    Proxy *proxy;
    char id[ID_SIZE]; /* the target */
} Fixture;

static HttpAdmission route(HttpRequest *request, void *data)
{
    (void)request;
    (void)data;
    return (HttpAdmission){.max_body_bytes = 1024 * 1024};
}

static void serve(HttpRequest *request, void *data)
{
    Fixture *fixture = data;
    const ProxyCall call = {
        .target_id = fixture->id, .caller_id = "", .logging = TRUE, .accepts_stream = TRUE};

    proxy_forward(fixture->proxy, http_request_defer(request), &call);
}

static void finish(HttpRequest *request, void *data)
{
    (void)request;
    (void)data;
}

static gboolean post(void (*work)(void *work_data), void *work_data, void *data)
{
    return http_server_post(((Fixture *)data)->server, work, work_data);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    static const char *const listen[] = {"127.0.0.1:0", NULL};
    g_autoptr(GError) error = NULL;

    (void)data;
    house_open(&fixture->house, 16);
    fixture->client = http_client_new(16);
    const HttpServerOptions server = {.listen = listen,
                                      .io_threads = 1,
                                      .workers = 2,
                                      .idle_timeout_s =
                                          2, /* a broken stream ends at the latest then */
                                      .route = route,
                                      .serve = serve,
                                      .finish = finish,
                                      .data = fixture};
    fixture->server = http_server_new(&server, &error);
    g_assert_no_error(error);
    const ProxyOptions proxy = {.db = fixture->house.db,
                                .tree = fixture->house.tree,
                                .events = fixture->house.events,
                                .client = fixture->client,
                                .forwards = fixture->house.forwards,
                                .options = {.development = TRUE, .idle_timeout_s = 10},
                                .post = post,
                                .data = fixture,
                                .stream_ping_ms = 200};
    fixture->proxy = proxy_new(&proxy);
    http_server_start(fixture->server);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    (void)data;
    proxy_stop(fixture->proxy);
    http_server_stop(fixture->server, 2000);
    http_server_free(fixture->server);
    proxy_free(fixture->proxy);
    http_client_free(fixture->client);
    house_close(&fixture->house);
}

/* ---- A client that reads as it likes ---- */

static int client_open(Fixture *fixture)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(http_server_port(fixture->server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_autofree char *request = g_strdup_printf(
        "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
        strlen(HELLO), HELLO);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(send(fd, request, strlen(request), MSG_NOSIGNAL), ==, (int)strlen(request));
    return fd;
}

/* Reads until the text is there; FALSE at the end of the connection. */
static gboolean client_read_until(int fd, GString *into, const char *text)
{
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_US;
    char part[16384];

    while (!text || !strstr(into->str, text)) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t count;
        g_assert_cmpint(clock_monotonic_us(), <, deadline_us);
        if (poll(&wait, 1, 100) == 0)
            continue;
        count = read(fd, part, sizeof part);
        if (count <= 0)
            return FALSE;
        g_string_append_len(into, part, count);
    }
    return TRUE;
}

/* The body of a chunked answer without its framing. `is_whole`: the last chunk was there. */
static GString *unchunk(const GString *answer, gboolean *is_whole)
{
    const char *place = strstr(answer->str, "\r\n\r\n");
    const char *end = answer->str + answer->len;
    GString *body = g_string_new(NULL);

    g_assert_nonnull(strcasestr(answer->str, "Transfer-Encoding: chunked"));
    *is_whole = FALSE;
    for (place += 4; place < end;) {
        char *after = NULL;
        gsize length = (gsize)g_ascii_strtoull(place, &after, 16);
        if (length == 0 || after + 2 + length > end) {
            *is_whole = length == 0 && after > place;
            break;
        }
        g_string_append_len(body, after + 2, (gssize)length);
        place = after + 2 + length + 2;
    }
    return body;
}

static gboolean all_is_written(void *data)
{
    ProxyStats stats;

    proxy_stats(((Fixture *)data)->proxy, &stats);
    return stats.unwritten == 0 && stats.active == 0;
}

static GPtrArray *rows_of(Fixture *fixture)
{
    assert_soon(all_is_written, fixture);
    return house_activity(&fixture->house, fixture->id);
}

static void start_agent(Fixture *fixture, Agent *agent, const AgentStep *steps, AgentEnd end)
{
    agent_start(agent, steps, end);
    house_add(&fixture->house, "Ada", NULL, agent->url, fixture->id);
}

/* ---- Cases ---- */

static void test_events_pass_as_they_come(Fixture *fixture, gconstpointer data)
{
    static const AgentStep steps[] = {
        {.bytes = HEAD EVENT("Hel")}, {.bytes = EVENT("lo"), .pause_ms = 700}, {0}};
    Agent agent;
    int fd;
    g_autoptr(GString) answer = g_string_new(NULL);
    g_autoptr(GString) body = NULL;
    gint64 started_us = clock_monotonic_us();
    gboolean is_whole = FALSE;

    (void)data;
    start_agent(fixture, &agent, steps, AGENT_CLOSES);
    fd = client_open(fixture);
    g_assert_true(client_read_until(fd, answer, "Hel"));
    g_assert_cmpint(clock_monotonic_us() - started_us, <, 600 * 1000);
    g_assert_false(client_read_until(fd, answer, NULL));
    close(fd);
    g_assert_true(g_str_has_prefix(answer->str, "HTTP/1.1 200 "));
    g_assert_nonnull(strcasestr(answer->str, "\r\nContent-Type: text/event-stream\r\n"));
    g_assert_nonnull(strcasestr(answer->str, "\r\nCache-Control: no-cache\r\n"));
    body = unchunk(answer, &is_whole);
    g_assert_true(is_whole);
    g_assert_true(g_str_has_prefix(body->str, EVENT("Hel")));
    g_assert_nonnull(strstr(body->str, EVENT("Hel") ": ping\n")); /* while the agent was silent */
    g_assert_true(g_str_has_suffix(body->str, EVENT("lo")));

    g_autoptr(GPtrArray) rows = rows_of(fixture);
    g_assert_cmpuint(rows->len, ==, 1);
    const ActivityRow *row = rows->pdata[0];
    g_assert_cmpstr(row->status, ==, "ok");
    g_assert_cmpstr(row->method, ==, "message/stream");
    g_assert_nonnull(strstr(row->response_body, "\"text\":\"Hello\""));
    g_assert_cmpuint(house_count(&fixture->house, "A2A_RESPONSE"), ==, 1);
    agent_stop(&agent);
}

static void test_broken_stream_is_broken_for_the_client(Fixture *fixture, gconstpointer data)
{
    /* The last step only lets time pass, so that the client has read what came before the break. */
    static const AgentStep steps[] = {{.bytes =
                                           "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                           "Content-Length: 100000\r\n\r\n" EVENT("half")},
                                      {.bytes = ": end\n", .pause_ms = 300},
                                      {.bytes = ": end\n", .pause_ms = 300},
                                      {0}};
    Agent agent;
    int fd;
    g_autoptr(GString) answer = g_string_new(NULL);
    g_autoptr(GString) body = NULL;
    gboolean is_whole = TRUE;

    (void)data;
    start_agent(fixture, &agent, steps, AGENT_CLOSES);
    fd = client_open(fixture);
    g_assert_true(client_read_until(fd, answer, "half"));
    g_assert_false(client_read_until(fd, answer, NULL));
    close(fd);
    body = unchunk(answer, &is_whole);
    g_assert_false(is_whole);
    g_autoptr(GPtrArray) rows = rows_of(fixture);
    g_assert_cmpuint(rows->len, ==, 1);
    g_assert_cmpstr(((const ActivityRow *)rows->pdata[0])->status, ==, "error");
    g_assert_cmpuint(house_count(&fixture->house, "A2A_RESPONSE"), ==, 0);
    agent_stop(&agent);
}

static void test_stream_goes_on_without_its_client(Fixture *fixture, gconstpointer data)
{
    static const AgentStep steps[] = {
        {.bytes = HEAD EVENT("Hel")}, {.bytes = EVENT("lo"), .pause_ms = 500}, {0}};
    Agent agent;
    int fd;
    g_autoptr(GString) answer = g_string_new(NULL);

    (void)data;
    start_agent(fixture, &agent, steps, AGENT_CLOSES);
    fd = client_open(fixture);
    g_assert_true(client_read_until(fd, answer, "Hel"));
    close(fd);
    g_autoptr(GPtrArray) rows = rows_of(fixture);
    g_assert_cmpuint(rows->len, ==, 1);
    g_assert_nonnull(strstr(((const ActivityRow *)rows->pdata[0])->response_body, "Hello"));
    agent_stop(&agent);
}

#define LONG_EVENTS 14000 /* 14 MB: more than the kernel takes for a client that does not read */

static void test_slow_client_gets_every_byte(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GString) sent = g_string_new(HEAD);
    g_autoptr(GString) answer = g_string_new(NULL);
    g_autoptr(GString) body = NULL;
    g_autofree char *filler = g_strnfill(1000, 'f');
    gboolean is_whole = FALSE;
    Agent agent;
    int fd;

    (void)data;
    for (guint i = 0; i < LONG_EVENTS; i++)
        g_string_append_printf(sent, "data: {\"n\":%u,\"f\":\"%s\"}\n\n", i, filler);
    const AgentStep steps[] = {{.bytes = sent->str, .length = sent->len}, {0}};
    start_agent(fixture, &agent, steps, AGENT_CLOSES);
    fd = client_open(fixture);
    g_usleep(700 * 1000); /* meanwhile everything is full, and the pings have no room */
    g_assert_false(client_read_until(fd, answer, NULL));
    close(fd);
    body = unchunk(answer, &is_whole);
    g_assert_true(is_whole);
    g_assert_cmpstr(body->str, ==, sent->str + strlen(HEAD));
    agent_stop(&agent);
}

static void test_answer_that_is_no_stream(Fixture *fixture, gconstpointer data)
{
    static const AgentStep steps[] = {
        {.bytes = "HTTP/1.1 503 No\r\nContent-Type: text/event-stream\r\nRetry-After: 9\r\n"
                  "Content-Length: 15\r\n\r\n{\"error\":\"why\"}"},
        {0}};
    Agent agent;
    int fd;
    g_autoptr(GString) answer = g_string_new(NULL);

    (void)data;
    start_agent(fixture, &agent, steps, AGENT_CLOSES);
    fd = client_open(fixture);
    g_assert_false(client_read_until(fd, answer, NULL));
    close(fd);
    g_assert_true(g_str_has_prefix(answer->str, "HTTP/1.1 503 "));
    g_assert_nonnull(strcasestr(answer->str, "\r\nRetry-After: 9\r\n"));
    g_assert_nonnull(strcasestr(answer->str, "\r\nContent-Type: application/json\r\n"));
    g_assert_true(g_str_has_suffix(answer->str, "{\"error\":\"why\"}"));
    agent_stop(&agent);
}

static void test_answer_is_logged_without_its_client(Fixture *fixture, gconstpointer data)
{
    static const AgentStep steps[] = {
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", .pause_ms = 400}, {0}};
    Agent agent;
    int fd;

    (void)data;
    start_agent(fixture, &agent, steps, AGENT_CLOSES);
    fd = client_open(fixture);
    g_usleep(100 * 1000);
    close(fd);
    g_usleep(50 * 1000);
    g_autoptr(GPtrArray) rows = rows_of(fixture);
    g_assert_cmpuint(rows->len, ==, 1);
    g_assert_cmpuint(house_count(&fixture->house, "A2A_RESPONSE"), ==, 1);
    agent_stop(&agent);
}

static void test_stop_ends_streams(Fixture *fixture, gconstpointer data)
{
    static const AgentStep steps[] = {{.bytes = HEAD EVENT("Hel")}, {0}};
    Agent agent;
    int fd;
    g_autoptr(GString) answer = g_string_new(NULL);
    g_autoptr(GString) body = NULL;
    gboolean is_whole = TRUE;

    (void)data;
    start_agent(fixture, &agent, steps, AGENT_HOLDS);
    fd = client_open(fixture);
    g_assert_true(client_read_until(fd, answer, "Hel"));
    proxy_stop(fixture->proxy);
    g_assert_false(client_read_until(fd, answer, NULL));
    close(fd);
    body = unchunk(answer, &is_whole);
    g_assert_false(is_whole);
    agent_stop(&agent);
}

#define ADD(path_, function_)                                                                      \
    g_test_add("/a2a/stream/" path_, Fixture, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("events-pass-as-they-come", test_events_pass_as_they_come);
    ADD("broken-one-is-broken-for-the-client", test_broken_stream_is_broken_for_the_client);
    ADD("goes-on-without-its-client", test_stream_goes_on_without_its_client);
    ADD("slow-client-gets-every-byte", test_slow_client_gets_every_byte);
    ADD("answer-that-is-no-stream", test_answer_that_is_no_stream);
    ADD("answer-is-logged-without-its-client", test_answer_is_logged_without_its_client);
    ADD("stop-ends-streams", test_stop_ends_streams);
    return g_test_run();
}
