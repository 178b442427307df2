/* Calls to a server that does what it should, and to one that does not. Run under ThreadSanitizer
 * as well. */
#include "http/client.h"
#include "test-http-house.h"

#include <glib/gstdio.h>

/* ---- A server that misbehaves as its paths say ---- */

typedef struct {
    int listen_fd;
    guint16 port;
    Thread *acceptor;
    atomic_uint connections, requests;
    atomic_bool is_closing;
} Agent;

typedef struct {
    Agent *agent;
    int fd;
    guint number;
} Visit;

static gboolean read_request(int fd, GString *request)
{
    const char *body, *length;

    if (!read_until(fd, request, "\r\n\r\n"))
        return FALSE;
    body = strstr(request->str, "\r\n\r\n") + 4;
    length = strstr(request->str, "\r\nContent-Length: ");
    while (length &&
           request->len - (gsize)(body - request->str) < g_ascii_strtoull(length + 18, NULL, 10)) {
        char piece[65536];
        ssize_t got = recv(fd, piece, sizeof piece, 0);
        gsize body_at = (gsize)(body - request->str);
        if (got <= 0)
            return FALSE;
        g_string_append_len(request, piece, got);
        body = request->str + body_at;
        length = strstr(request->str, "\r\nContent-Length: ");
    }
    return TRUE;
}

static gboolean say(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Waits until the client leaves. */
static void be_silent(int fd)
{
    char waste[16];

    while (recv(fd, waste, sizeof waste, 0) > 0)
        ;
}

static void say_much(int fd)
{
    g_autofree char *piece = g_strnfill(64 * 1024, 'm');

    say(fd, "HTTP/1.1 200 OK\r\n\r\n");
    for (guint i = 0; i < 320; i++)
        if (!say(fd, piece))
            return;
}

static void drip(int fd)
{
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    for (guint i = 0; i < 10; i++) {
        g_usleep(40000);
        if (!say(fd, "d"))
            return;
    }
}

static void say_back(int fd, const char *request)
{
    g_autofree char *head = g_strdup_printf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                            "Content-Length: %zu\r\n\r\n",
                                            strlen(request));

    say(fd, head);
    say(fd, request);
}

static void reset_connection(int fd)
{
    struct linger reset = {1, 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

/* TRUE: another request may follow. */
static gboolean behave(Visit *visit, const char *path, const char *request)
{
    int fd = visit->fd;
    g_autofree char *number =
        g_strdup_printf("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%u", visit->number % 10);

    if (g_str_has_prefix(path, "/back"))
        say_back(fd, request);
    else if (strcmp(path, "/number") == 0)
        say(fd, number);
    else if (strcmp(path, "/chunked") == 0)
        say(fd, "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nContent-type:  a/b \r\n\r\n"
                "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n");
    else if (strcmp(path, "/interim") == 0)
        say(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
    else if (strcmp(path, "/moved") == 0)
        say(fd, "HTTP/1.1 302 Found\r\nLocation: /number\r\nContent-Length: 0\r\n\r\n");
    else {
        if (strcmp(path, "/until-close") == 0)
            say(fd, "HTTP/1.0 200 OK\r\n\r\nold");
        else if (strcmp(path, "/half-head") == 0)
            say(fd, "HTTP/1.1 200 OK\r\nContent-");
        else if (strcmp(path, "/garbage") == 0)
            say(fd, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
        else if (strcmp(path, "/half-body") == 0)
            say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        else if (strcmp(path, "/half-chunk") == 0)
            say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        else if (strcmp(path, "/much") == 0)
            say_much(fd);
        else if (strcmp(path, "/drip") == 0)
            drip(fd);
        else if (strcmp(path, "/reset") == 0)
            reset_connection(fd);
        else if (strcmp(path, "/silent") == 0)
            be_silent(fd);
        else if (strcmp(path, "/silent-body") == 0) {
            say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart");
            be_silent(fd);
        } /* else "/gone": says nothing and leaves */
        return FALSE;
    }
    return TRUE;
}

static void receive_visit(void *data)
{
    Visit *visit = data;
    gboolean goes_on = TRUE;

    while (goes_on) {
        g_autoptr(GString) request = g_string_new(NULL);
        g_auto(GStrv) words = NULL;
        goes_on = FALSE;
        if (!read_request(visit->fd, request))
            break;
        atomic_fetch_add(&visit->agent->requests, 1);
        words = g_strsplit(request->str, " ", 3);
        goes_on = behave(visit, words[1], request->str);
    }
    close(visit->fd);
    g_free(visit);
}

static void accept_visits(void *data)
{
    Agent *agent = data;
    g_autoptr(GPtrArray) threads =
        g_ptr_array_new_with_free_func((GDestroyNotify)(void (*)(void))thread_join);

    while (!atomic_load(&agent->is_closing)) {
        Visit *visit;
        int fd = accept4(agent->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        visit = g_new0(Visit, 1);
        visit->agent = agent;
        visit->fd = fd;
        visit->number = atomic_fetch_add(&agent->connections, 1) + 1;
        g_ptr_array_add(threads, thread_start("visit", receive_visit, visit));
    }
}

static Agent *agent_new(const char *unix_path)
{
    Agent *agent = g_new0(Agent, 1);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t length = sizeof address;

    agent->listen_fd = socket(unix_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (unix_path) {
        g_strlcpy(name.sun_path, unix_path, sizeof name.sun_path);
        g_assert_cmpint(bind(agent->listen_fd, (struct sockaddr *)&name, sizeof name), ==, 0);
    } else {
        g_assert_cmpint(bind(agent->listen_fd, (struct sockaddr *)&address, length), ==, 0);
        getsockname(agent->listen_fd, (struct sockaddr *)&address, &length);
        agent->port = ntohs(address.sin_port);
    }
    g_assert_cmpint(listen(agent->listen_fd, 64), ==, 0);
    agent->acceptor = thread_start("agent", accept_visits, agent);
    return agent;
}

static void agent_free(Agent *agent)
{
    atomic_store(&agent->is_closing, TRUE);
    shutdown(agent->listen_fd, SHUT_RDWR);
    thread_join(agent->acceptor);
    close(agent->listen_fd);
    g_free(agent);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Agent, agent_free)

/* ---- Calls and what came of them ---- */

typedef struct {
    Mutex lock;
    Condition changed;
    guint done, heads, chunks, refusals;
    gboolean streams, refuses;
    HttpCallOutcome outcome;
    guint status;
    gint64 retry_after_s;
    gboolean over_limit, streamed;
    char *content_type, *reason;
    GString *body, *stream;
} Log;

static Log *log_new(void)
{
    Log *log = g_new0(Log, 1);

    mutex_init(&log->lock);
    condition_init(&log->changed);
    log->stream = g_string_new(NULL);
    return log;
}

static void log_clear(Log *log)
{
    g_clear_pointer(&log->content_type, g_free);
    g_clear_pointer(&log->reason, g_free);
    if (log->body)
        g_string_free(log->body, TRUE);
    log->body = NULL;
    log->done = 0;
}

static void log_free(Log *log)
{
    log_clear(log);
    g_string_free(log->stream, TRUE);
    condition_clear(&log->changed);
    mutex_clear(&log->lock);
    g_free(log);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Log, log_free)

static gboolean on_head(HttpCall *call, guint status, const char *content_type, void *data)
{
    Log *log = data;
    gboolean streams;

    (void)call;
    g_assert_cmpuint(status, >=, 200);
    g_assert_nonnull(content_type);
    mutex_lock(&log->lock);
    log->heads++;
    streams = log->streams;
    condition_broadcast(&log->changed);
    mutex_unlock(&log->lock);
    return streams;
}

static gboolean on_chunk(HttpCall *call, const char *bytes, gsize length, void *data)
{
    Log *log = data;
    gboolean is_taken;

    (void)call;
    mutex_lock(&log->lock);
    is_taken = !log->refuses;
    if (is_taken)
        g_string_append_len(log->stream, bytes, (gssize)length);
    log->chunks += is_taken;
    log->refusals += !is_taken;
    condition_broadcast(&log->changed);
    mutex_unlock(&log->lock);
    return is_taken;
}

static void on_done(HttpCall *call, const HttpCallResult *result, void *data)
{
    Log *log = data;

    (void)call;
    mutex_lock(&log->lock);
    g_assert_cmpuint(log->done, ==, 0);
    log->done++;
    log->outcome = result->outcome;
    log->status = result->status;
    log->retry_after_s = result->retry_after_s;
    log->over_limit = result->over_limit;
    log->streamed = result->streamed;
    log->content_type = g_strdup(result->content_type);
    log->reason = g_strdup(result->reason);
    log->body = result->body ? g_string_new(result->body->str) : g_string_new(NULL);
    g_assert_cmpint(result->head_us, <=, result->total_us);
    condition_broadcast(&log->changed);
    mutex_unlock(&log->lock);
}

static void wait_for(Log *log, guint *number)
{
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_MS * 1000;

    mutex_lock(&log->lock);
    while (*number == 0)
        g_assert_true(condition_wait_until(&log->changed, &log->lock, deadline_us) || *number > 0);
    mutex_unlock(&log->lock);
}

static const GuardPolicy development = {TRUE, TRUE};

static HttpCall *start(HttpClient *client, const Agent *agent, const char *path, Log *log,
                       const HttpCallSpec *more)
{
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u%s", agent->port, path);
    HttpCallSpec spec = more ? *more : (HttpCallSpec){.policy = development};
    g_autoptr(GError) error = NULL;
    HttpCall *call;

    spec.url = spec.url ? spec.url : url;
    spec.head = on_head;
    spec.chunk = on_chunk;
    spec.done = on_done;
    spec.data = log;
    call = http_client_start(client, &spec, &error);
    g_assert_no_error(error);
    return call;
}

static void run(HttpClient *client, const Agent *agent, const char *path, Log *log,
                const HttpCallSpec *more)
{
    g_autoptr(HttpCall) call = NULL;

    log_clear(log);
    call = start(client, agent, path, log, more);
    wait_for(log, &log->done);
}

/* ---- Answers ---- */

static void test_a_request_is_sent_as_told(void)
{
    static const char *const headers[] = {"X-One: 1", "Content-Type: application/json", NULL};
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autoptr(Log) log = log_new();
    g_autoptr(GBytes) body = g_bytes_new_static("{\"a\":1}", 7);
    g_autofree char *url =
        g_strdup_printf("http://user:pass@127.0.0.1:%u/back?q=1#fragment", agent->port);
    HttpCallSpec spec = {.url = url, .headers = headers, .body = body, .policy = development};

    g_setenv("http_proxy", "http://127.0.0.1:1", TRUE);
    run(client, agent, "", log, &spec);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_ANSWERED);
    g_assert_cmpuint(log->status, ==, 200);
    g_assert_cmpstr(log->content_type, ==, "text/plain");
    assert_starts(log->body->str, "POST /back?q=1 HTTP/1.1\r\n");
    assert_holds(log->body->str, "\r\nX-One: 1\r\n");
    assert_holds(log->body->str, "\r\nContent-Type: application/json\r\n");
    assert_holds(log->body->str, "\r\nContent-Length: 7\r\n");
    assert_holds(log->body->str, "\r\nAuthorization: Basic dXNlcjpwYXNz\r\n");
    assert_holds(log->body->str, "\r\n\r\n{\"a\":1}");
    g_assert_null(strstr(log->body->str, "Expect"));
    g_assert_null(strstr(log->body->str, "Accept-Encoding"));
    g_unsetenv("http_proxy");
}

static void test_methods(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autoptr(Log) log = log_new();
    g_autoptr(GBytes) body = g_bytes_new_static("b", 1);
    HttpCallSpec get = {.method = "GET", .policy = development};
    HttpCallSpec put = {.method = "PUT", .body = body, .policy = development};
    HttpCallSpec head = {.method = "HEAD", .policy = development};

    run(client, agent, "/back", log, &get);
    assert_starts(log->body->str, "GET /back ");
    g_assert_null(strstr(log->body->str, "Content-"));
    run(client, agent, "/back", log, &put);
    assert_starts(log->body->str, "PUT /back ");
    g_assert_true(g_str_has_suffix(log->body->str, "\r\n\r\nb"));
    run(client, agent, "/back", log, NULL);
    assert_holds(log->body->str, "\r\nContent-Length: 0\r\n");
    g_assert_null(strstr(log->body->str, "Content-Type"));
    run(client, agent, "/until-close", log, &head);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_ANSWERED);
    g_assert_cmpuint(log->body->len, ==, 0);
}

static void test_forms_of_answers(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autoptr(Log) log = log_new();

    run(client, agent, "/chunked", log, NULL);
    g_assert_cmpuint(log->status, ==, 201);
    g_assert_cmpstr(log->content_type, ==, "a/b");
    g_assert_cmpstr(log->body->str, ==, "abcde");
    g_assert_cmpint(log->retry_after_s, ==, -1);
    run(client, agent, "/until-close", log, NULL);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_ANSWERED);
    g_assert_cmpstr(log->body->str, ==, "old");
    g_assert_cmpstr(log->content_type, ==, "");
    run(client, agent, "/interim", log, NULL);
    g_assert_cmpuint(log->status, ==, 503);
    g_assert_cmpint(log->retry_after_s, ==, 7);
    run(client, agent, "/moved", log, NULL);
    g_assert_cmpuint(log->status, ==, 302); /* and nobody follows */
    g_assert_cmpuint(atomic_load(&agent->requests), ==, 4);
    g_assert_cmpuint(log->heads, ==, 4);
}

static void test_connections_are_kept(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autoptr(Log) log = log_new();

    for (guint i = 0; i < 5; i++) {
        run(client, agent, "/number", log, NULL);
        g_assert_cmpstr(log->body->str, ==, "1");
    }
    g_assert_cmpuint(http_client_active(client), ==, 0);
}

/* ---- What goes wrong ---- */

static void test_outcomes_are_told_apart(void)
{
    static const struct {
        const char *path;
        HttpCallOutcome outcome;
        guint status;
        const char *reason;
    } cases[] = {
        {"/gone", HTTP_CALL_RESET, 0, "connection reset"},
        {"/reset", HTTP_CALL_RESET, 0, "connection reset"},
        {"/garbage", HTTP_CALL_REFUSED, 0, "malformed answer"},
        {"/half-body", HTTP_CALL_BROKEN_BODY, 200, "connection reset"},
        {"/half-chunk", HTTP_CALL_BROKEN_BODY, 200, "connection reset"},
        {"/much", HTTP_CALL_BROKEN_BODY, 200, "over its limit"},
        {"/silent", HTTP_CALL_IDLE, 0, "idle timeout"},
        {"/silent-body", HTTP_CALL_BROKEN_BODY, 200, "timeout"},
    };
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autoptr(Log) log = log_new();
    HttpCallSpec spec = {.policy = development, .idle_timeout_ms = 200};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        run(client, agent, cases[i].path, log, &spec);
        if (log->outcome != cases[i].outcome || log->status != cases[i].status)
            g_error("%s: outcome %d, status %u: %s", cases[i].path, log->outcome, log->status,
                    log->reason);
        assert_holds(log->reason, cases[i].reason);
        g_assert_cmpint(log->over_limit, ==, strcmp(cases[i].path, "/much") == 0);
    }
    run(client, agent, "/half-body", log, NULL);
    g_assert_cmpstr(log->body->str, ==, "half"); /* what came is shown */
    run(client, agent, "/half-head", log, NULL);
    g_assert_cmpuint(log->status, ==, 0);
    g_assert_cmpint(log->outcome, !=, HTTP_CALL_ANSWERED);
}

static void test_calls_that_reach_nobody(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autoptr(Log) log = log_new();
    int deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fillers[4];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    g_autofree char *url = NULL;
    HttpCallSpec nobody = {.url = "http://127.0.0.1:1/", .policy = development};
    HttpCallSpec nowhere = {.url = "http://no.such.host.invalid/", .policy = development};
    HttpCallSpec strange = {.url = "ftp://127.0.0.1/", .policy = development};
    HttpCallSpec slow = {.policy = development, .connect_timeout_ms = 200};

    run(client, agent, "", log, &nobody);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_REFUSED);
    assert_holds(log->reason, "connection refused");
    run(client, agent, "", log, &nowhere);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_REFUSED);
    assert_holds(log->reason, "no such host");
    run(client, agent, "", log, &strange);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_REFUSED);
    /* a full backlog answers no SYN */
    g_assert_cmpint(bind(deaf, (struct sockaddr *)&address, length), ==, 0);
    g_assert_cmpint(listen(deaf, 0), ==, 0);
    getsockname(deaf, (struct sockaddr *)&address, &length);
    for (guint i = 0; i < G_N_ELEMENTS(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&address, length);
    }
    url = g_strdup_printf("http://127.0.0.1:%u/", ntohs(address.sin_port));
    slow.url = url;
    run(client, agent, "", log, &slow);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_CONNECT_TIMEOUT);
    assert_holds(log->reason, "timeout");
    for (guint i = 0; i < G_N_ELEMENTS(fillers); i++)
        close(fillers[i]);
    close(deaf);
}

/* A kept connection that dies after the request went out: the agent may have acted, so it is not
 * sent twice. */
static void test_a_request_is_never_sent_twice(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autoptr(Log) log = log_new();

    run(client, agent, "/number", log, NULL);
    run(client, agent, "/gone", log, NULL);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_RESET);
    g_assert_cmpuint(atomic_load(&agent->requests), ==, 2);
    g_assert_cmpuint(atomic_load(&agent->connections), ==, 1);
}

/* ---- Limits of time ---- */

static void test_deadline_and_idle_window(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autoptr(Log) log = log_new();
    HttpCallSpec total = {.policy = development, .total_timeout_ms = 100};
    HttpCallSpec both = {.policy = development, .total_timeout_ms = 100, .idle_timeout_ms = 5000};
    HttpCallSpec idle = {.policy = development, .idle_timeout_ms = 200};

    run(client, agent, "/silent", log, &total);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_DEADLINE);
    assert_holds(log->reason, "timeout");
    run(client, agent, "/silent", log, &both);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_DEADLINE);
    run(client, agent, "/drip", log, &idle); /* 400 ms in all: every byte counts */
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_ANSWERED);
    g_assert_cmpstr(log->body->str, ==, "dddddddddd");
    run(client, agent, "/drip", log, &total);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_BROKEN_BODY);
}

static void test_touching_keeps_a_call_alive(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autoptr(Log) log = log_new();
    HttpCallSpec idle = {.policy = development, .idle_timeout_ms = 300};
    g_autoptr(HttpCall) call = start(client, agent, "/silent", log, &idle);
    gint64 began_us = clock_monotonic_us();

    while (clock_monotonic_us() - began_us < 600 * 1000) {
        http_call_touch(call);
        g_usleep(10000);
    }
    g_assert_cmpuint(http_client_active(client), ==, 1);
    wait_for(log, &log->done);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_IDLE);
    http_call_touch(call); /* nothing left to touch */
    http_call_resume(call);
    http_call_cancel(call);
}

static void test_cancelling(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autoptr(Log) log = log_new();
    HttpCall *call = start(client, agent, "/silent", log, NULL);

    http_call_cancel(call); /* perhaps before it began */
    wait_for(log, &log->done);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_CANCELLED);
    http_call_unref(call);
    log_clear(log);
    log->heads = 0;
    call = start(client, agent, "/silent-body", log, NULL);
    wait_for(log, &log->heads);
    http_call_cancel(call);
    http_call_cancel(call);
    wait_for(log, &log->done);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_CANCELLED);
    g_assert_cmpuint(log->status, ==, 200);
    http_call_unref(call);
}

/* ---- Streams ---- */

static void test_a_stream_is_passed_on(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autoptr(Log) log = log_new();

    log->streams = TRUE;
    run(client, agent, "/much", log, NULL); /* more than an answer may have */
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_ANSWERED);
    g_assert_true(log->streamed);
    g_assert_cmpuint(log->body->len, ==, 0);
    g_assert_cmpuint(log->stream->len, ==, 320 * 64 * 1024);
}

static void set_refuses(Log *log, gboolean refuses)
{
    mutex_lock(&log->lock);
    log->refuses = refuses;
    log->refusals = 0;
    mutex_unlock(&log->lock);
}

static void test_a_slow_reader_pauses_the_agent(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autoptr(Log) log = log_new();
    HttpCallSpec spec = {.policy = development, .idle_timeout_ms = 100};
    g_autoptr(HttpCall) call = NULL;

    log->streams = TRUE;
    log->refuses = TRUE;
    call = start(client, agent, "/much", log, &spec);
    for (guint i = 0; i < 3; i++) {
        wait_for(log, &log->refusals);
        if (i == 0)
            g_usleep(250000); /* the idle window does not count against the agent now */
        set_refuses(log, TRUE);
        http_call_resume(call); /* too early: the same bytes come again */
    }
    wait_for(log, &log->refusals);
    set_refuses(log, FALSE);
    http_call_resume(call);
    wait_for(log, &log->done);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_ANSWERED);
    g_assert_cmpuint(log->stream->len, ==, 320 * 64 * 1024);
}

/* ---- The guard ---- */

static void test_the_guard_judges_the_address(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autoptr(Log) log = log_new();
    g_autofree char *by_name = g_strdup_printf("http://localhost:%u/number", agent->port);
    g_autofree char *shorthand = g_strdup_printf("http://2130706433:%u/number", agent->port);
    HttpCallSpec strict = {0}, named = {.url = by_name}, short_form = {.url = shorthand};
    HttpCallSpec trusted = {.trusted = TRUE};

    run(client, agent, "/number", log, &strict);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_FORBIDDEN);
    assert_holds(log->reason, "not allowed");
    run(client, agent, "", log, &named);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_FORBIDDEN);
    run(client, agent, "", log, &short_form);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_FORBIDDEN);
    g_assert_cmpuint(atomic_load(&agent->connections), ==, 0);
    run(client, agent, "/number", log, &trusted);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_ANSWERED);
    /* a connection that a trusted call has left open is not for others */
    run(client, agent, "/number", log, &strict);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_FORBIDDEN);
    g_assert_cmpuint(atomic_load(&agent->requests), ==, 1);
}

static void test_unix_sockets(void)
{
    g_autofree char *folder = g_dir_make_tmp("http-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "socket", NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autoptr(Log) log = log_new();
    HttpCallSpec spec = {.unix_socket = path, .url = "http://engine/back"};
    Agent *agent = agent_new(path);

    run(client, agent, "", log, &spec);
    g_assert_cmpint(log->outcome, ==, HTTP_CALL_ANSWERED);
    assert_holds(log->body->str, "\r\nHost: engine\r\n");
    g_clear_pointer(&client, http_client_free);
    agent_free(agent);
    g_unlink(path);
    g_rmdir(folder);
}

/* ---- Many, and the end ---- */

static void test_too_many_calls_are_refused(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(1);
    g_autoptr(Log) log = log_new();
    g_autoptr(HttpCall) call = start(client, agent, "/silent", log, NULL);
    g_autoptr(GError) error = NULL;
    HttpCallSpec spec = {.url = "http://127.0.0.1:1/", .done = on_done};

    g_assert_null(http_client_start(client, &spec, &error));
    g_assert_true(error_is(error, ERROR_BUSY));
    g_assert_cmpuint(http_client_active(client), ==, 1);
    http_call_cancel(call);
    wait_for(log, &log->done);
}

static void test_the_end_cancels_all(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    HttpClient *client = http_client_new(8);
    HttpCall *calls[4];
    Log *logs[4];

    for (guint i = 0; i < 4; i++) {
        logs[i] = log_new();
        calls[i] = start(client, agent, i % 2 ? "/silent" : "/silent-body", logs[i], NULL);
    }
    http_client_free(client);
    for (guint i = 0; i < 4; i++) {
        g_assert_cmpuint(logs[i]->done, ==, 1);
        g_assert_cmpint(logs[i]->outcome, ==, HTTP_CALL_CANCELLED);
        http_call_resume(calls[i]); /* the client is gone, the call is not */
        http_call_cancel(calls[i]);
        http_call_unref(calls[i]);
        log_free(logs[i]);
    }
}

static void call_some(void *data)
{
    void **both = data;
    g_autoptr(Log) log = log_new();

    for (guint i = 0; i < 40; i++) {
        run(both[0], both[1], i % 4 == 3 ? "/gone" : "/number", log, NULL);
        g_assert_cmpint(log->outcome, ==, i % 4 == 3 ? HTTP_CALL_RESET : HTTP_CALL_ANSWERED);
    }
}

static void test_many_callers_at_once(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(64);
    void *both[] = {client, agent};
    Thread *threads[6];

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = thread_start("caller", call_some, both);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        thread_join(threads[i]);
    g_assert_cmpuint(atomic_load(&agent->requests), ==, 6 * 40);
}

static void assert_fetch_fails(HttpClient *client, const Agent *agent, const char *path,
                               GuardPolicy policy, ErrorCode code)
{
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u%s", agent->port, path);
    HttpCallSpec spec = {.url = url, .policy = policy, .total_timeout_ms = 200};
    g_autoptr(GError) error = NULL;
    GString *body = NULL;
    guint status = 0;

    g_assert_false(http_client_fetch(client, &spec, &status, &body, &error));
    g_assert_true(error_is(error, code));
    g_assert_null(body);
}

static void test_fetching(void)
{
    g_autoptr(Agent) agent = agent_new(NULL);
    g_autoptr(HttpClient) client = http_client_new(8);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/chunked", agent->port);
    HttpCallSpec spec = {.url = url, .policy = development};
    g_autoptr(GError) error = NULL;
    GString *body = NULL;
    guint status = 0;

    g_assert_true(http_client_fetch(client, &spec, &status, &body, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(status, ==, 201);
    g_assert_cmpstr(body->str, ==, "abcde");
    g_string_free(body, TRUE);
    assert_fetch_fails(client, agent, "/gone", development, ERROR_OUTCOME_UNKNOWN);
    assert_fetch_fails(client, agent, "/silent", development, ERROR_OUTCOME_UNKNOWN);
    assert_fetch_fails(client, agent, "/garbage", development, ERROR_UNAVAILABLE);
    assert_fetch_fails(client, agent, "/number", (GuardPolicy){0}, ERROR_FORBIDDEN);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/http/client/a-request-is-sent-as-told", test_a_request_is_sent_as_told);
    g_test_add_func("/http/client/methods", test_methods);
    g_test_add_func("/http/client/forms-of-answers", test_forms_of_answers);
    g_test_add_func("/http/client/connections-are-kept", test_connections_are_kept);
    g_test_add_func("/http/client/outcomes-are-told-apart", test_outcomes_are_told_apart);
    g_test_add_func("/http/client/calls-that-reach-nobody", test_calls_that_reach_nobody);
    g_test_add_func("/http/client/a-request-is-never-sent-twice",
                    test_a_request_is_never_sent_twice);
    g_test_add_func("/http/client/deadline-and-idle-window", test_deadline_and_idle_window);
    g_test_add_func("/http/client/touching-keeps-a-call-alive", test_touching_keeps_a_call_alive);
    g_test_add_func("/http/client/cancelling", test_cancelling);
    g_test_add_func("/http/client/a-stream-is-passed-on", test_a_stream_is_passed_on);
    g_test_add_func("/http/client/a-slow-reader-pauses-the-agent",
                    test_a_slow_reader_pauses_the_agent);
    g_test_add_func("/http/client/the-guard-judges-the-address", test_the_guard_judges_the_address);
    g_test_add_func("/http/client/unix-sockets", test_unix_sockets);
    g_test_add_func("/http/client/too-many-calls-are-refused", test_too_many_calls_are_refused);
    g_test_add_func("/http/client/the-end-cancels-all", test_the_end_cancels_all);
    g_test_add_func("/http/client/many-callers-at-once", test_many_callers_at_once);
    g_test_add_func("/http/client/fetching", test_fetching);
    return g_test_run();
}
