#include "engine/docker/exchange.h"

#include "base/clock.h"
#include "base/errors.h"

#include <string.h>

#define REFUSAL_BODY_MAX (64 * 1024) /* of an answer that is no success; the rest is dropped */
#define POLL_MAX_MS      1000        /* so that a turned clock is seen */
#define PROTOCOLS        "http,https"

struct _DockerLine {
    CURLM *multi; /* holds the kept connection */
    CURL *easy;
};

/* What one exchange knows while it runs. */
typedef struct {
    DockerLine *line;
    const DockerRequest *request;
    DockerAnswer *answer;
    struct curl_slist *headers;
    gboolean was_sent;    /* the request has begun to leave */
    gboolean has_head;    /* the answer has begun */
    gboolean is_started;  /* headers of a success are here */
    gboolean is_over_cap; /* the answer grew over its limit */
    gboolean is_stopped;  /* the sink wanted no more */
    gint64 begun_us;
    gint64 last_piece_us;
    char reason[CURL_ERROR_SIZE];
} Exchange;

typedef enum { END_DONE, END_CANCELLED, END_LATE, END_IDLE } End;

static void curl_start(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

DockerLine *docker_line_new(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    DockerLine *line = g_new0(DockerLine, 1);

    pthread_once(&once, curl_start);
    line->multi = curl_multi_init();
    line->easy = curl_easy_init();
    if (!line->multi || !line->easy)
        g_error("libcurl gives no handle");
    curl_multi_setopt(line->multi, CURLMOPT_MAXCONNECTS, 1L);
    return line;
}

void docker_line_free(DockerLine *line)
{
    if (!line)
        return;
    curl_easy_cleanup(line->easy);
    curl_multi_cleanup(line->multi);
    g_free(line);
}

void docker_answer_clear(DockerAnswer *answer)
{
    if (answer->body)
        g_string_free(answer->body, TRUE);
    *answer = (DockerAnswer){0};
}

gboolean docker_exchange_fail(GError **error, const DockerRequest *request, gboolean was_sent,
                              const char *reason)
{
    gboolean is_unknown = was_sent && request->has_effect;

    return error_set(error, is_unknown ? ERROR_OUTCOME_UNKNOWN : ERROR_UNAVAILABLE,
                     "docker: %s %s: %s", request->method, request->path, reason);
}

/* ---- Call-backs of libcurl ---- */

/* Called right before the first byte of the request leaves, on a new and on a kept connection. */
static int on_connected(void *data, char *peer, char *local, int peer_port, int local_port)
{
    Exchange *exchange = data;

    (void)peer, (void)local, (void)peer_port, (void)local_port;
    exchange->was_sent = TRUE;
    return CURL_PREREQFUNC_OK;
}

static gboolean header_is(const char *line, gsize length, const char *name, const char **value)
{
    gsize name_length = strlen(name);

    if (length <= name_length || line[name_length] != ':' ||
        g_ascii_strncasecmp(line, name, name_length) != 0)
        return FALSE;
    *value = line + name_length + 1;
    while (**value == ' ')
        (*value)++;
    return TRUE;
}

static void read_header(DockerAnswer *answer, const char *line, gsize length)
{
    const char *value;

    if (header_is(line, length, "Content-Type", &value))
        answer->is_json = g_ascii_strncasecmp(value, "application/json", 16) == 0;
    else if (header_is(line, length, "Api-Version", &value) && strncmp(value, "1.", 2) == 0)
        answer->api_minor = (guint)MIN(g_ascii_strtoull(value + 2, NULL, 10), 9999);
    else if (header_is(line, length, "Libpod-Api-Version", &value))
        answer->is_podman = TRUE;
}

static void note_peer(Exchange *exchange)
{
    char *peer = NULL;

    curl_easy_getinfo(exchange->line->easy, CURLINFO_PRIMARY_IP, &peer);
    g_strlcpy(exchange->answer->peer, peer && peer[0] != '/' ? peer : "", DOCKER_PEER_SIZE);
}

static guint status_of(Exchange *exchange)
{
    long status = 0;
    curl_easy_getinfo(exchange->line->easy, CURLINFO_RESPONSE_CODE, &status);
    return (guint)status;
}

/* A line arrives complete, with CR and LF and not always a NUL; libcurl bounds it (100 KiB, 300 KiB
 * in all). */
static size_t on_header(char *bytes, size_t size, size_t count, void *data)
{
    Exchange *exchange = data;
    g_autofree char *line = g_strndup(bytes, size * count);

    exchange->has_head = TRUE;
    exchange->last_piece_us = clock_monotonic_us();
    read_header(exchange->answer, line, size * count);
    if (strcmp(line, "\r\n") == 0 && status_of(exchange) / 100 == 2 && !exchange->is_started) {
        exchange->is_started = TRUE;
        if (exchange->request->started)
            exchange->request->started(exchange->request->data);
    }
    return size * count;
}

static void keep_refusal(Exchange *exchange, const char *bytes, gsize length)
{
    GString *body = exchange->answer->body;
    g_string_append_len(body, bytes, (gssize)MIN(length, REFUSAL_BODY_MAX - body->len));
}

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    Exchange *exchange = data;
    const DockerRequest *request = exchange->request;
    gsize length = size * count;
    gsize max_body = request->max_body ? request->max_body : DOCKER_BODY_MAX;

    exchange->last_piece_us = clock_monotonic_us();
    if (status_of(exchange) / 100 != 2) {
        keep_refusal(exchange, bytes, length);
        return length;
    }
    if (request->sink) {
        exchange->is_stopped = !request->sink(bytes, length, request->data);
        return exchange->is_stopped ? CURL_WRITEFUNC_ERROR : length;
    }
    if (length > max_body - exchange->answer->body->len) {
        exchange->is_over_cap = TRUE;
        return CURL_WRITEFUNC_ERROR;
    }
    g_string_append_len(exchange->answer->body, bytes, (gssize)length);
    return length;
}

/* ---- Setting up ---- */

void docker_exchange_prepare(CURL *easy, const DockerEndpoint *endpoint, const char *target)
{
    g_autofree char *url = g_strconcat(endpoint->base_url, target, NULL);

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, PROTOCOLS);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    if (endpoint->socket_path)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, endpoint->socket_path);
    if (!endpoint->is_tls)
        return;
    curl_easy_setopt(easy, CURLOPT_CAINFO, endpoint->ca_file);
    curl_easy_setopt(easy, CURLOPT_SSLCERT, endpoint->certificate_file);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, endpoint->key_file);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, endpoint->verify_peer ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, endpoint->verify_peer ? 2L : 0L);
}

static void set_method(Exchange *exchange)
{
    CURL *easy = exchange->line->easy;
    const DockerRequest *request = exchange->request;

    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "DELETE") == 0)
        return;
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
}

static void set_headers(Exchange *exchange)
{
    const DockerRequest *request = exchange->request;
    const char *type = request->content_type ? request->content_type : "application/json";
    g_autofree char *type_line = g_strdup_printf("Content-Type: %s", type);
    struct curl_slist *headers = NULL;

    headers = curl_slist_append(headers, request->body ? type_line : "Content-Type:");
    headers =
        curl_slist_append(headers, request->expects_continue ? "Expect: 100-continue" : "Expect:");
    if (request->extra_header)
        headers = curl_slist_append(headers, request->extra_header);
    exchange->headers = headers;
    curl_easy_setopt(exchange->line->easy, CURLOPT_HTTPHEADER, headers);
}

static void set_up(Exchange *exchange, const DockerEndpoint *endpoint, const char *target)
{
    CURL *easy = exchange->line->easy;

    curl_easy_reset(easy);
    docker_exchange_prepare(easy, endpoint, target);
    set_method(exchange);
    set_headers(exchange);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "workspaced/" WORKSPACED_VERSION);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->reason);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    if (exchange->request->has_effect) {
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    }
}

/* ---- Running ---- */

/* Milliseconds until one of the limits is reached; 0 with `end` set when one is. */
static int time_left(Exchange *exchange, gint64 deadline_us, End *end)
{
    const DockerRequest *request = exchange->request;
    gint64 now_us = clock_monotonic_us();
    gint64 left_ms = POLL_MAX_MS;

    if (request->deadline_ms) {
        left_ms = MIN(left_ms, (deadline_us - now_us + 999) / 1000);
        if (left_ms <= 0)
            *end = END_LATE;
    }
    if (request->head_ms && !exchange->has_head && *end == END_DONE) {
        gint64 head_end_us = exchange->begun_us + (gint64)request->head_ms * 1000;
        left_ms = MIN(left_ms, (head_end_us - now_us + 999) / 1000);
        if (left_ms <= 0)
            *end = END_LATE;
    }
    if (request->idle_ms && *end == END_DONE) {
        gint64 idle_end_us = exchange->last_piece_us + (gint64)request->idle_ms * 1000;
        left_ms = MIN(left_ms, (idle_end_us - now_us + 999) / 1000);
        if (left_ms <= 0)
            *end = END_IDLE;
    }
    return (int)MAX(left_ms, 0);
}

static gboolean take_result(Exchange *exchange, CURLcode *result)
{
    int left = 0;
    CURLMsg *message;

    while ((message = curl_multi_info_read(exchange->line->multi, &left)))
        if (message->msg == CURLMSG_DONE) {
            *result = message->data.result;
            return TRUE;
        }
    return FALSE;
}

/* Drives the transfer until it is done or a limit of ours ends it. */
static End run(Exchange *exchange, CURLcode *result)
{
    const DockerRequest *request = exchange->request;
    gint64 deadline_us = clock_monotonic_us() + (gint64)request->deadline_ms * 1000;
    struct curl_waitfd wake = {.events = CURL_WAIT_POLLIN};
    End end = END_DONE;

    exchange->begun_us = exchange->last_piece_us = clock_monotonic_us();
    if (request->cancel)
        wake.fd = cancel_fd(request->cancel);
    for (;;) {
        int running = 0;
        curl_multi_perform(exchange->line->multi, &running);
        if (take_result(exchange, result))
            return END_DONE;
        if (cancel_fired(request->cancel))
            return END_CANCELLED;
        int wait_ms = time_left(exchange, deadline_us, &end);
        if (end != END_DONE)
            return end;
        curl_multi_poll(exchange->line->multi, request->cancel ? &wake : NULL,
                        request->cancel ? 1 : 0, wait_ms, NULL);
    }
}

static gboolean fail_over_cap(const DockerRequest *request, GError **error)
{
    if (request->has_effect)
        return docker_exchange_fail(error, request, TRUE, "the answer is too large");
    if (request->cap_is_outcome)
        return error_set(error, ERROR_TOO_LARGE, "more than %" G_GSIZE_FORMAT " bytes",
                         request->max_body);
    return error_set(error, ERROR_INTERNAL, "docker: %s: the answer is too large", request->path);
}

static gboolean conclude(Exchange *exchange, End end, CURLcode result, gboolean *is_broken,
                         GError **error)
{
    const DockerRequest *request = exchange->request;
    const char *reason = exchange->reason[0] ? exchange->reason : curl_easy_strerror(result);

    exchange->answer->status = status_of(exchange);
    note_peer(exchange);
    if (end == END_CANCELLED || exchange->is_stopped) {
        exchange->answer->is_cancelled = TRUE;
        return TRUE;
    }
    if (exchange->is_over_cap)
        return fail_over_cap(request, error);
    if (end == END_DONE && result == CURLE_OK)
        return TRUE;
    *is_broken = TRUE;
    if (end == END_LATE)
        reason = "no answer within its time";
    if (end == END_IDLE)
        reason = "the answer stalled";
    return docker_exchange_fail(error, request, exchange->was_sent, reason);
}

gboolean docker_exchange(DockerLine *line, const DockerEndpoint *endpoint, const char *target,
                         const DockerRequest *request, DockerAnswer *answer, gboolean *is_broken,
                         GError **error)
{
    Exchange exchange = {.line = line, .request = request, .answer = answer};
    CURLcode result = CURLE_OK;
    gboolean ok;

    *is_broken = FALSE;
    if (!answer->body)
        answer->body = g_string_new(NULL);
    set_up(&exchange, endpoint, target);
    curl_multi_add_handle(line->multi, line->easy);
    End end = run(&exchange, &result);
    ok = conclude(&exchange, end, result, is_broken, error);
    curl_multi_remove_handle(line->multi, line->easy); /* closes an unfinished connection */
    curl_easy_reset(line->easy);
    curl_slist_free_all(exchange.headers);
    return ok;
}
