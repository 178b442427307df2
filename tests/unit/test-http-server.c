/* Requests in, answers out: over real sockets. Run under ThreadSanitizer as well. */
#include "test-http-house.h"

#include <glib/gstdio.h>

/* ---- Handlers ---- */

static void say_ok(HttpRequest *request)
{
    http_reply_json(request, 200, g_string_new("{\"status\":\"ok\"}"));
}

static void echo(HttpRequest *request)
{
    gsize length = 0;
    const char *body = http_request_body(request, &length);
    g_autoptr(GBytes) bytes = g_bytes_new(body, length);

    http_reply_bytes(request, 200, "application/octet-stream", bytes);
}

static const char *or_null(const char *text)
{
    return text ? text : "NULL";
}

static void tell_all(HttpRequest *request)
{
    GString *text = g_string_new(NULL);
    g_autoptr(GBytes) bytes = NULL;
    const char *id = http_request_id(request);

    g_assert_true(id == http_request_id(request));
    g_string_printf(
        text, "%s|%s|%s|%s|%s|%s|%s|%d|%s|%s\n", http_request_method(request),
        http_request_path(request), http_request_raw_path(request),
        or_null(http_request_query(request, "a")), or_null(http_request_query(request, "empty")),
        or_null(http_request_query(request, "none")), http_request_peer(request),
        http_request_peer_is_loopback(request), or_null(http_request_header(request, "x-TEST")),
        or_null(http_request_header(request, "host")));
    g_assert_cmpstr(http_request_attached(request), ==, "learnt");
    g_assert_null(http_request_parameter(request, "id"));
    bytes = g_string_free_to_bytes(text);
    http_reply_bytes(request, 200, "text/plain", bytes);
}

static void add_headers(HttpRequest *request)
{
    http_reply_header(request, "X-One", "first");
    http_reply_header(request, "x-one", "second");
    http_reply_header(request, "Vary", "Origin");
    http_reply_header(request, "Vary", "Accept");
    http_reply_header(request, "X-Evil", "a\r\nInjected: yes");
    http_reply_empty(request, 204);
}

static void tell_parameter(HttpRequest *request)
{
    RouterMatch match = {.parameter_count = 1, .parameters = {{"id", "7/8", 1}}};

    http_request_set_parameters(request, &match);
    http_reply_error(request, 409, http_request_parameter(request, "id"));
}

static void answer_later(void *data)
{
    g_autoptr(HttpRequest) request = data;

    g_usleep(2000);
    say_ok(request);
}

static void forget(void *data)
{
    http_request_unref(data);
}

static Thread *_Atomic helper;

/* Of a path that starts one; it may have answered before it is written down. */
static void join_helper(const char *path)
{
    Thread *thread = NULL;

    if (!strstr(path, "defer") && !strstr(path, "forget"))
        return;
    while (!(thread = atomic_exchange(&helper, NULL)))
        sched_yield();
    thread_join(thread);
}

static void defer(HttpRequest *request)
{
    atomic_store(&helper, thread_start("later", answer_later, http_request_defer(request)));
}

static void defer_and_forget(HttpRequest *request)
{
    atomic_store(&helper, thread_start("forgets", forget, http_request_defer(request)));
}

static void never_answer(HttpRequest *request)
{
    (void)request;
}

/* A handler that a test can hold. */
static struct {
    Mutex lock;
    Condition changed;
    gboolean is_open;
    guint inside;
    HttpRequest *kept;
} gate;

static void gate_set(gboolean is_open)
{
    mutex_lock(&gate.lock);
    gate.is_open = is_open;
    condition_broadcast(&gate.changed);
    mutex_unlock(&gate.lock);
}

static void wait_at_gate(HttpRequest *request)
{
    mutex_lock(&gate.lock);
    gate.inside++;
    condition_broadcast(&gate.changed);
    while (!gate.is_open)
        condition_wait_until(&gate.changed, &gate.lock, G_MAXINT64);
    gate.inside--;
    mutex_unlock(&gate.lock);
    say_ok(request);
}

static void wait_inside(guint count)
{
    mutex_lock(&gate.lock);
    while (gate.inside < count)
        condition_wait_until(&gate.changed, &gate.lock, G_MAXINT64);
    mutex_unlock(&gate.lock);
}

static void keep(HttpRequest *request)
{
    mutex_lock(&gate.lock);
    gate.kept = http_request_defer(request);
    gate.inside++;
    condition_broadcast(&gate.changed);
    mutex_unlock(&gate.lock);
}

static HttpRequest *take_kept(void)
{
    HttpRequest *kept;

    mutex_lock(&gate.lock);
    while (!gate.kept)
        condition_wait_until(&gate.changed, &gate.lock, G_MAXINT64);
    kept = g_steal_pointer(&gate.kept);
    gate.inside--;
    mutex_unlock(&gate.lock);
    return kept;
}

static const TestRoute routes[] = {
    {"/fast", say_ok, 0, TRUE},
    {"/slow", say_ok, 0, FALSE},
    {"/echo", echo, 1000, FALSE},
    {"/echo-fast", echo, 100000, TRUE},
    {"/all ü", tell_all, 0, TRUE},
    {"/headers", add_headers, 0, TRUE},
    {"/parameter", tell_parameter, 0, FALSE},
    {"/defer", defer, 0, FALSE},
    {"/defer-fast", defer, 0, TRUE},
    {"/forget", defer_and_forget, 0, FALSE},
    {"/forget-fast", defer_and_forget, 0, TRUE},
    {"/never", never_answer, 0, FALSE},
    {"/gate", wait_at_gate, 0, FALSE},
    {"/keep", keep, 0, TRUE},
    {NULL},
};

/* ---- Reading and answering ---- */

static void test_plain_answers(void)
{
    static const char *const paths[] = {"/fast", "/slow", "/defer", "/defer-fast"};
    g_autoptr(TestServer) house = test_server_new(routes, NULL);

    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autofree char *request = g_strdup_printf("GET %s HTTP/1.1\r\n" LAST, paths[i]);
        g_autofree char *answer = converse(house->port, request);
        assert_starts(answer, "HTTP/1.1 200 OK\r\n");
        assert_holds(answer, "\r\nContent-Type: application/json; charset=utf-8\r\n");
        assert_holds(answer, "\r\nContent-Length: 15\r\n");
        assert_holds(answer, "\r\nX-Finished: yes\r\n");
        assert_holds(answer, "\r\n\r\n{\"status\":\"ok\"}");
        join_helper(paths[i]);
    }
}

static void test_every_part_of_a_request_is_read(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autofree char *answer =
        converse(house->port, "GET /all%20%C3%BC?a=x+%2B&empty&a=2 HTTP/1.1\r\nX-Test:  v v \r\n"
                              "x-test: other\r\n" LAST);
    g_autofree char *absolute =
        converse(house->port, "GET http://other:1/all%20%c3%bc?a HTTP/1.1\r\n" LAST);

    assert_holds(answer, "\r\n\r\nGET|/all ü|/all%20%C3%BC|x +||NULL|127.0.0.1|1|v v|x\n");
    assert_holds(absolute, "|/all ü|/all%20%c3%bc||NULL|NULL|127.0.0.1|1|NULL|other:1\n");
}

static void test_headers_of_an_answer(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autofree char *answer = converse(house->port, "GET /headers HTTP/1.1\r\n" LAST);

    assert_starts(answer, "HTTP/1.1 204 ");
    assert_holds(answer, "\r\nX-One: second\r\n");
    assert_holds(answer, "\r\nVary: Origin\r\n");
    assert_holds(answer, "\r\nVary: Accept\r\n");
    g_assert_null(strstr(answer, "first"));
    g_assert_null(strstr(answer, "Injected"));
    g_assert_true(g_str_has_suffix(answer, "\r\n\r\n"));
}

static void test_parameters_and_errors(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autofree char *answer = converse(house->port, "GET /parameter HTTP/1.1\r\n" LAST);
    g_autofree char *missing = converse(house->port, "GET /nowhere HTTP/1.1\r\n" LAST);

    assert_starts(answer, "HTTP/1.1 409 ");
    assert_holds(answer, "\r\n\r\n{\"error\":\"7\"}");
    assert_starts(missing, "HTTP/1.1 404 ");
}

static void test_head_has_no_body(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autofree char *answer = converse(house->port, "HEAD /fast HTTP/1.1\r\n" LAST);

    assert_holds(answer, "\r\nContent-Length: 15\r\n");
    g_assert_true(g_str_has_suffix(answer, "\r\n\r\n"));
}

static void test_nobody_is_left_without_an_answer(void)
{
    static const char *const paths[] = {"/never", "/forget", "/forget-fast"};
    g_autoptr(TestServer) house = test_server_new(routes, NULL);

    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autofree char *request = g_strdup_printf("GET %s HTTP/1.1\r\n" LAST, paths[i]);
        g_autofree char *answer = converse(house->port, request);
        assert_starts(answer, "HTTP/1.1 500 ");
        assert_holds(answer, "{\"error\":\"internal error\"}");
        join_helper(paths[i]);
    }
}

static void test_requests_in_a_row_and_at_once(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autofree char *answers = NULL;
    g_autoptr(GString) piece = g_string_new(NULL);
    int fd = connect_to(house->port);
    guint count = 0;

    for (guint i = 0; i < 3; i++) { /* kept alive */
        g_string_truncate(piece, 0);
        send_text(fd, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
        g_assert_true(read_until(fd, piece, "\"ok\"}"));
    }
    close(fd);
    /* pipelined, bodies among them */
    answers = converse(house->port, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
                                    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                                    "GET /fast HTTP/1.1\r\nHost: x\r\n\r\n"
                                    "GET /slow HTTP/1.1\r\n" LAST);
    for (const char *at = answers; (at = strstr(at, "HTTP/1.1 200")); at++)
        count++;
    g_assert_cmpuint(count, ==, 4);
    assert_holds(answers, "\r\n\r\nabcHTTP/1.1 200");
}

/* ---- Bodies ---- */

static void test_bodies_are_read_whole(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autofree char *chunked =
        converse(house->port, "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST
                              "4\r\nWiki\r\n5;ext=1\r\npedia\r\n0\r\nTrailer: x\r\n\r\n");
    g_autofree char *text = g_strnfill(90000, 'b');
    g_autofree char *request =
        g_strdup_printf("POST /echo-fast HTTP/1.1\r\nContent-Length: 90000\r\n" LAST "%s", text);
    g_autofree char *large = converse(house->port, request);
    g_autofree char *none = converse(house->port, "POST /echo HTTP/1.1\r\n" LAST);

    assert_holds(chunked, "\r\n\r\nWikipedia");
    assert_holds(large, "\r\nContent-Length: 90000\r\n");
    g_assert_true(g_str_has_suffix(large, text));
    assert_holds(none, "\r\nContent-Length: 0\r\n");
}

static void test_continue_is_sent_when_wanted(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    int fd = connect_to(house->port);

    send_text(fd, "POST /echo HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n" LAST);
    g_assert_true(read_until(fd, text, "HTTP/1.1 100 Continue\r\n\r\n"));
    send_text(fd, "hi");
    g_assert_true(read_until(fd, text, "\r\n\r\nhi"));
    close(fd);
}

static void test_too_long_bodies_are_refused(void)
{
    static const char *const heads[] = {
        /* a promise is refused before it is kept */
        "POST /echo HTTP/1.1\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n" LAST,
        "POST /echo HTTP/1.1\r\nContent-Length: 9999999999999\r\n" LAST,
        "POST /nowhere HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n" LAST,
    };
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autofree char *body = g_strnfill(2000, 'x');
    g_autofree char *declared =
        g_strdup_printf("POST /echo HTTP/1.1\r\nContent-Length: 2000\r\nHost: x\r\n\r\n%sGET /fast "
                        "HTTP/1.1\r\n" LAST,
                        body);
    g_autofree char *chunked = g_strdup_printf(
        "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST "7d0\r\n%s\r\n0\r\n\r\n",
        body);
    g_autofree char *answer = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(heads); i++) {
        g_autofree char *refusal = converse(house->port, heads[i]);
        assert_starts(refusal, "HTTP/1.1 413 ");
        assert_holds(refusal, "{\"error\":\"request body too large\"}");
        assert_holds(refusal, "X-Finished: yes");
    }
    answer = converse(house->port, declared);
    assert_starts(answer, "HTTP/1.1 413 ");
    assert_holds(answer, "HTTP/1.1 200 OK"); /* the connection lives on */
    g_clear_pointer(&answer, g_free);
    answer = converse(house->port, chunked);
    assert_starts(answer, "HTTP/1.1 413 ");
    g_assert_cmpint(atomic_load(&house->last_status), ==, 413);
}

/* ---- What should not be sent ---- */

static void test_malformed_requests_are_refused(void)
{
    static const struct {
        const char *request, *status;
    } cases[] = {
        {"GET /%zz HTTP/1.1\r\n" LAST, "HTTP/1.1 400"},
        {"GET /%00 HTTP/1.1\r\n" LAST, "HTTP/1.1 400"},
        {"GET /a b HTTP/1.1\r\n" LAST, "HTTP/1.1 400"},
        {"GET nowhere HTTP/1.1\r\n" LAST, "HTTP/1.1 400"},
        {"GET * HTTP/1.1\r\n" LAST, "HTTP/1.1 400"},
        {"OPTIONS * HTTP/1.1\r\n" LAST, "HTTP/1.1 200"},
        {"G(T /fast HTTP/1.1\r\n" LAST, "HTTP/1.1 400"},
        {"GET /fast HTTP/1.1\r\n\r\n", "HTTP/1.1 400"},
        {"GET /fast HTTP/1.1\r\nHost: y\r\n" LAST, "HTTP/1.1 400"},
        {"GET /fast HTTP/1.1\r\nBad Name: y\r\n" LAST, "HTTP/1.1 400"},
        {"GET /fast HTTP/1.1\r\nNo-colon\r\n" LAST, "HTTP/1.1 400"},
        {"POST /echo HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n" LAST "ab",
         "HTTP/1.1 400"},
        {"POST /echo HTTP/1.1\r\nContent-Length: -1\r\n" LAST, "HTTP/1.1 400"},
        {"POST /echo HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n" LAST
         "0\r\n\r\n",
         "HTTP/1.1 400"},
        {"POST /echo HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n" LAST, "HTTP/1.1 501"},
        {"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1."},
        {"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST "zz\r\n", "HTTP/1.1 400"},
        {"GET /fast HTTP/1.1\r\nExpect: miracles\r\n" LAST, "HTTP/1.1 417"},
        {"GET /fast HTTP/3.0\r\n" LAST, "HTTP/1.1 505"},
        {"GET /fast HTTP/1.0\r\n\r\n", "HTTP/1.1 200"},
        {"\r\n\r\nGET /fast HTTP/1.1\r\n" LAST, "HTTP/1.1 200"},
    };
    g_autoptr(TestServer) house = test_server_new(routes, NULL);

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *answer = converse(house->port, cases[i].request);
        if (!g_str_has_prefix(answer, cases[i].status))
            g_error("%s: expected %s, got %s", cases[i].request, cases[i].status, answer);
    }
}

static void test_noise_does_no_harm(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autofree char *long_header = g_strnfill(100000, 'h');
    g_autofree char *too_long =
        g_strdup_printf("GET /fast HTTP/1.1\r\nX-Long: %s\r\n" LAST, long_header);
    g_autofree char *answer = NULL;
    int fd = connect_to(house->port);

    send_bytes(fd, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0\0\n\n",
               15); /* TLS at the door */
    shutdown(fd, SHUT_WR);
    close(fd);
    fd = connect_to(house->port);
    (void)!send(fd, too_long, strlen(too_long), MSG_NOSIGNAL);
    close(fd);
    for (guint i = 0; i < 20; i++) { /* heads that never end */
        fd = connect_to(house->port);
        send_text(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
        close(fd);
    }
    answer = converse(house->port, "GET /fast HTTP/1.1\r\n" LAST);
    assert_starts(answer, "HTTP/1.1 200");
}

/* libmicrohttpd must not be stopped while it looks at one: it would crash. */
static void test_a_stop_in_the_midst_of_long_heads(void)
{
    g_autofree char *long_header = g_strnfill(100000, 'h');
    g_autofree char *too_long =
        g_strdup_printf("GET /fast HTTP/1.1\r\nX-Long: %s\r\n" LAST, long_header);

    for (guint round = 0; round < 20; round++) {
        g_autoptr(TestServer) house = test_server_new(routes, NULL);

        for (guint i = 0; i < 20; i++) {
            int fd = connect_to(house->port);

            (void)!send(fd, too_long, strlen(too_long), MSG_NOSIGNAL | MSG_DONTWAIT);
            close(fd);
        }
    }
}

static void test_idle_connections_are_closed(void)
{
    HttpServerOptions options = {.idle_timeout_s = 1};
    g_autoptr(TestServer) house = test_server_new(routes, &options);
    g_autofree char *half = converse(house->port, "GET /fast HTT"); /* waits for the close */

    g_assert_cmpstr(half, ==, "");
    g_assert_cmpint(atomic_load(&house->finished), ==, 0);
}

static gboolean none_is_left(void *data)
{
    HttpServerStats stats;

    http_server_stats(((TestServer *)data)->server, &stats);
    return stats.connections == 0;
}

/* What comes together with the end of the connection: long before the idle limit. */
static void test_half_requests_of_leavers_are_given_back(void)
{
    static const char *const halves[] = {
        "GET /fa",
        "GET /fast HTTP/1.1\r\nHo",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
        "GET /fast HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    g_autoptr(TestServer) house = test_server_new(routes, NULL);

    for (guint i = 0; i < 80; i++) {
        int fd = connect_to(house->port);
        send_text(fd, halves[i % G_N_ELEMENTS(halves)]);
        close(fd);
    }
    assert_soon(none_is_left, house);
}

/* ---- Load ---- */

static void test_a_full_queue_says_so(void)
{
    HttpServerOptions options = {.workers = 1, .queue_capacity = 1};
    g_autoptr(TestServer) house = test_server_new(routes, &options);
    g_autofree char *answer = NULL;
    int running = connect_to(house->port), waiting = connect_to(house->port);
    HttpServerStats stats;

    gate_set(FALSE);
    send_text(running, "GET /gate HTTP/1.1\r\n" LAST);
    wait_inside(1);
    send_text(waiting, "GET /gate HTTP/1.1\r\n" LAST);
    do
        http_server_stats(house->server, &stats);
    while (stats.queued < 1);
    answer = converse(house->port, "GET /slow HTTP/1.1\r\n" LAST);
    assert_starts(answer, "HTTP/1.1 503 ");
    assert_holds(answer, "\r\nRetry-After: 1\r\n");
    g_assert_false(http_server_post(house->server, g_free, NULL));
    http_server_stats(house->server, &stats);
    g_assert_cmpuint(stats.refused, ==, 2);
    g_assert_cmpuint(stats.workers_busy, ==, 1);
    g_assert_cmpuint(stats.workers, ==, 1);
    g_assert_cmpuint(stats.queue_capacity, ==, 1);
    g_assert_cmpuint(stats.connections, >=, 2);
    gate_set(TRUE);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        g_assert_true(read_until(i == 0 ? running : waiting, text, "\"ok\"}"));
        close(i == 0 ? running : waiting);
    }
}

static void set_flag(void *data)
{
    atomic_store((atomic_bool *)data, TRUE);
}

static void test_other_work_runs_in_the_pool(void)
{
    atomic_bool was_run = FALSE;
    g_autoptr(TestServer) house = test_server_new(routes, NULL);

    g_assert_true(http_server_post(house->server, set_flag, &was_run));
    assert_soon(flag_is_set, &was_run);
}

static void hammer(void *data)
{
    static const char *const requests[] = {
        "GET /fast HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    };
    TestServer *house = data;
    int fd = connect_to(house->port);

    for (guint i = 0; i < 150; i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        send_text(fd, requests[i % G_N_ELEMENTS(requests)]);
        g_assert_true(read_until(fd, text, i % 3 == 2 ? "\r\n\r\nabc" : "\"ok\"}"));
    }
    close(fd);
}

static void test_many_clients_at_once(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    Thread *threads[8];

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = thread_start("hammer", hammer, house);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        thread_join(threads[i]);
    g_assert_cmpint(atomic_load(&house->finished), ==, 8 * 150);
}

static void test_connections_above_the_limit_wait(void)
{
    HttpServerOptions options = {.max_connections = 2};
    g_autoptr(TestServer) house = test_server_new(routes, &options);
    int first = connect_to(house->port), second = connect_to(house->port), third;
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < 2; i++) {
        send_text(i == 0 ? first : second, "GET /fast HTTP/1.1\r\nHost: x\r\n\r\n");
        g_assert_true(read_until(i == 0 ? first : second, text, "\"ok\"}"));
        g_string_truncate(text, 0);
    }
    third = connect_to(house->port); /* in the backlog */
    send_text(third, "GET /fast HTTP/1.1\r\n" LAST);
    g_assert_cmpint(recv(third, (char[1]){0}, 1, MSG_DONTWAIT), ==, -1);
    close(first);
    g_assert_true(read_until(third, text, "\"ok\"}"));
    close(second);
    close(third);
}

/* ---- Clients that leave ---- */

static gboolean kept_client_is_gone(void *data)
{
    return http_request_client_gone(data);
}

static void test_a_client_that_leaves_stops_nothing(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autoptr(HttpRequest) kept = NULL;
    int fd = connect_to(house->port);

    send_text(fd, "GET /keep HTTP/1.1\r\nHost: x\r\n\r\n");
    kept = take_kept();
    g_assert_false(http_request_client_gone(kept));
    close(fd);
    assert_soon(kept_client_is_gone, kept);
    say_ok(kept); /* into the void */
    g_assert_true(http_reply_sent(kept));
    g_assert_cmpuint(http_reply_status(kept), ==, 200);
}

static gboolean kept_is_over(void *data)
{
    return !http_request_client_gone(data);
}

static void test_a_client_that_stays_is_not_gone(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autoptr(HttpRequest) kept = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    int fd = connect_to(house->port);

    send_text(fd, "GET /keep HTTP/1.1\r\nHost: x\r\n\r\nGET /fast HTTP/1.1\r\n" LAST);
    kept = take_kept();
    g_assert_false(http_request_client_gone(kept));
    say_ok(kept);
    g_assert_true(read_until(fd, text, NULL));
    assert_soon(kept_is_over, kept);
    close(fd);
}

/* ---- Stopping ---- */

static void open_gate_soon(void *data)
{
    (void)data;
    g_usleep(50000);
    gate_set(TRUE);
}

static void test_a_stop_waits_for_running_handlers(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    int fd = connect_to(house->port), idle = connect_to(house->port);
    Thread *opener;

    gate_set(FALSE);
    send_text(fd, "GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_inside(1);
    opener = thread_start("opener", open_gate_soon, NULL);
    http_server_stop(house->server, PATIENCE_MS);
    thread_join(opener);
    g_assert_true(read_until(fd, text, NULL));
    assert_starts(text->str, "HTTP/1.1 200 OK\r\n");
    assert_holds(text->str, "\r\nConnection: close\r\n");
    g_assert_cmpint(recv(idle, (char[1]){0}, 1, 0), <=, 0);
    close(fd);
    close(idle);
    g_assert_false(http_server_post(house->server, g_free, NULL));
}

static void test_a_stop_cuts_what_does_not_end(void)
{
    TestServer *house = test_server_new(routes, NULL);
    g_autoptr(HttpRequest) kept = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    int fd = connect_to(house->port);

    send_text(fd, "GET /keep HTTP/1.1\r\nHost: x\r\n\r\n");
    kept = take_kept();
    http_server_stop(house->server, 10);
    g_assert_true(read_until(fd, text, NULL));
    g_assert_cmpstr(text->str, ==, "");
    close(fd);
    test_server_free(house);
    g_assert_true(http_request_client_gone(kept));
    say_ok(kept); /* the server is gone, the request is not */
}

static void test_a_server_that_never_started_stops(void)
{
    static const char *const listen[] = {"127.0.0.1:0", NULL};
    HttpServerOptions options = {
        .listen = listen, .route = test_route, .serve = test_serve, .finish = test_finish};
    g_autoptr(GError) error = NULL;
    g_autoptr(HttpServer) server = http_server_new(&options, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(http_server_port(server), >, 0);
    http_server_stop(server, 0);
    http_server_stop(server, 0);
}

/* ---- Addresses ---- */

static void converse_with(int fd, const char *request, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);

    send_text(fd, request);
    g_assert_true(read_until(fd, text, NULL));
    assert_holds(text->str, expected);
    close(fd);
}

static void test_unix_and_ipv6_addresses(void)
{
    g_autofree char *folder = g_dir_make_tmp("http-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "socket", NULL);
    g_autofree char *name = g_strconcat("unix:", path, NULL);
    const char *const listen[] = {name, "[::1]:0", "127.0.0.1:0", NULL};
    HttpServerOptions options = {.listen = listen};
    TestServer *house = test_server_new(routes, &options);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons(house->port)};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    converse_with(fd, "GET /all%20%C3%BC HTTP/1.1\r\n" LAST, "|unix|0|");
    fd = socket(AF_INET6, SOCK_STREAM, 0); /* the first TCP address */
    g_assert_cmpint(connect(fd, (struct sockaddr *)&v6, sizeof v6), ==, 0);
    converse_with(fd, "GET /all%20%C3%BC HTTP/1.1\r\n" LAST, "|::1|1|");
    test_server_free(house);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_rmdir(folder);
}

static void test_mapped_peers_are_ipv4(void)
{
    static const char *const listen[] = {"[::]:0", NULL};
    HttpServerOptions options = {.listen = listen};
    g_autoptr(TestServer) house = test_server_new(routes, &options);

    converse_with(connect_to(house->port), "GET /all%20%C3%BC HTTP/1.1\r\n" LAST, "|127.0.0.1|1|");
}

static void assert_refused(const char *address, ErrorCode code, const char *complaint)
{
    const char *const listen[] = {address, NULL};
    HttpServerOptions options = {
        .listen = listen, .route = test_route, .serve = test_serve, .finish = test_finish};
    g_autoptr(GError) error = NULL;

    g_assert_null(http_server_new(&options, &error));
    g_assert_true(error_is(error, code));
    assert_holds(error->message, complaint);
}

static void test_addresses_that_cannot_be_had(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autofree char *taken = g_strdup_printf("127.0.0.1:%u", house->port);

    assert_refused(taken, ERROR_UNAVAILABLE, taken);
    assert_refused("192.0.2.1:80", ERROR_UNAVAILABLE, "192.0.2.1:80");
    assert_refused("::1:80", ERROR_INVALID, "::1:80");
    assert_refused("127.0.0.1", ERROR_INVALID, "127.0.0.1");
    assert_refused("127.0.0.1:http", ERROR_INVALID, "http");
    assert_refused("unix:relative", ERROR_INVALID, "relative");
}

/* ---- Ids ---- */

static void tell_id(HttpRequest *request)
{
    http_reply_error(request, 200, http_request_id(request));
}

static void test_request_ids(void)
{
    static const TestRoute with_id[] = {{"/id", tell_id, 0, TRUE}, {NULL}};
    g_autoptr(TestServer) house = test_server_new(with_id, NULL);
    g_autofree char *given =
        converse(house->port, "GET /id HTTP/1.1\r\nX-Request-Id: a.b-c_1\r\n" LAST);
    g_autofree char *bad = converse(house->port, "GET /id HTTP/1.1\r\nX-Request-Id: a b\r\n" LAST);
    g_autofree char *none = converse(house->port, "GET /id HTTP/1.1\r\n" LAST);

    assert_holds(given, "{\"error\":\"a.b-c_1\"}");
    g_assert_null(strstr(bad, "a b"));
    g_assert_cmpuint(strlen(strstr(bad, "\r\n\r\n")), ==, strlen("\r\n\r\n{\"error\":\"\"}") + 36);
    g_assert_cmpstr(strstr(bad, "\r\n\r\n"), !=, strstr(none, "\r\n\r\n"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mutex_init(&gate.lock);
    condition_init(&gate.changed);
    g_test_add_func("/http/server/plain-answers", test_plain_answers);
    g_test_add_func("/http/server/every-part-of-a-request-is-read",
                    test_every_part_of_a_request_is_read);
    g_test_add_func("/http/server/headers-of-an-answer", test_headers_of_an_answer);
    g_test_add_func("/http/server/parameters-and-errors", test_parameters_and_errors);
    g_test_add_func("/http/server/head-has-no-body", test_head_has_no_body);
    g_test_add_func("/http/server/nobody-is-left-without-an-answer",
                    test_nobody_is_left_without_an_answer);
    g_test_add_func("/http/server/requests-in-a-row-and-at-once",
                    test_requests_in_a_row_and_at_once);
    g_test_add_func("/http/server/request-ids", test_request_ids);
    g_test_add_func("/http/server/bodies-are-read-whole", test_bodies_are_read_whole);
    g_test_add_func("/http/server/continue-is-sent-when-wanted", test_continue_is_sent_when_wanted);
    g_test_add_func("/http/server/too-long-bodies-are-refused", test_too_long_bodies_are_refused);
    g_test_add_func("/http/server/malformed-requests-are-refused",
                    test_malformed_requests_are_refused);
    g_test_add_func("/http/server/noise-does-no-harm", test_noise_does_no_harm);
    g_test_add_func("/http/server/a-stop-in-the-midst-of-long-heads",
                    test_a_stop_in_the_midst_of_long_heads);
    g_test_add_func("/http/server/idle-connections-are-closed", test_idle_connections_are_closed);
    g_test_add_func("/http/server/half-requests-of-leavers-are-given-back",
                    test_half_requests_of_leavers_are_given_back);
    g_test_add_func("/http/server/a-full-queue-says-so", test_a_full_queue_says_so);
    g_test_add_func("/http/server/other-work-runs-in-the-pool", test_other_work_runs_in_the_pool);
    g_test_add_func("/http/server/many-clients-at-once", test_many_clients_at_once);
    g_test_add_func("/http/server/connections-above-the-limit-wait",
                    test_connections_above_the_limit_wait);
    g_test_add_func("/http/server/a-client-that-leaves-stops-nothing",
                    test_a_client_that_leaves_stops_nothing);
    g_test_add_func("/http/server/a-client-that-stays-is-not-gone",
                    test_a_client_that_stays_is_not_gone);
    g_test_add_func("/http/server/a-stop-waits-for-running-handlers",
                    test_a_stop_waits_for_running_handlers);
    g_test_add_func("/http/server/a-stop-cuts-what-does-not-end",
                    test_a_stop_cuts_what_does_not_end);
    g_test_add_func("/http/server/a-server-that-never-started-stops",
                    test_a_server_that_never_started_stops);
    g_test_add_func("/http/server/unix-and-ipv6-addresses", test_unix_and_ipv6_addresses);
    g_test_add_func("/http/server/mapped-peers-are-ipv4", test_mapped_peers_are_ipv4);
    g_test_add_func("/http/server/addresses-that-cannot-be-had", test_addresses_that_cannot_be_had);
    return g_test_run();
}
