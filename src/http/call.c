#include "http/call.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_CONNECT_MS   30000              /* spec 04, section 5.8 */
#define DEFAULT_ANSWER_BYTES (10 * 1024 * 1024) /* spec 04, section 5.8 */
#define FIRST_ANSWER_BYTES   1024
#define RETRY_AFTER_MAX_S    (24 * 60 * 60)

/* ---- Life ---- */

static gboolean names_content_type(const char *const *headers)
{
    for (; headers && *headers; headers++)
        if (g_ascii_strncasecmp(*headers, "Content-Type:", strlen("Content-Type:")) == 0)
            return TRUE;
    return FALSE;
}

static struct curl_slist *copy_headers(const char *const *headers)
{
    /* A name without a value takes away what libcurl would send by itself. */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    if (!names_content_type(headers))
        list = curl_slist_append(list, "Content-Type:");
    for (; headers && *headers; headers++)
        list = curl_slist_append(list, *headers);
    return list;
}

HttpCall *call_new(HttpClient *client, const HttpCallSpec *spec)
{
    HttpCall *call = g_new0(HttpCall, 1);

    ref_init(&call->references);
    call->client = client_ref(client);
    call->method = g_strdup(spec->method ? spec->method : "POST");
    call->url = g_strdup(spec->url);
    call->unix_socket = g_strdup(spec->unix_socket);
    call->headers = copy_headers(spec->headers);
    call->wanted_header = spec->wanted_header;
    call->body = spec->body ? g_bytes_ref(spec->body) : NULL;
    call->policy = spec->policy;
    call->trusted = spec->trusted || spec->unix_socket;
    call->connect_timeout_ms =
        spec->connect_timeout_ms ? spec->connect_timeout_ms : DEFAULT_CONNECT_MS;
    call->idle_timeout_us = (gint64)spec->idle_timeout_ms * 1000;
    call->total_timeout_us = (gint64)spec->total_timeout_ms * 1000;
    call->max_answer_bytes = spec->max_answer_bytes ? spec->max_answer_bytes : DEFAULT_ANSWER_BYTES;
    call->head = spec->head;
    call->chunk = spec->chunk;
    call->done = spec->done;
    call->data = spec->data;
    call->started_us = call->heard_us = clock_monotonic_us();
    atomic_init(&call->touched_us, call->started_us);
    call->result = (HttpCallResult){.content_type = "", .retry_after_s = -1, .reason = ""};
    return call;
}

HttpCall *http_call_ref(HttpCall *call)
{
    ref_take(&call->references);
    return call;
}

void http_call_unref(HttpCall *call)
{
    if (!call || !ref_drop(&call->references))
        return;
    g_free(call->method);
    g_free(call->url);
    g_free(call->unix_socket);
    curl_slist_free_all(call->headers);
    g_clear_pointer(&call->body, g_bytes_unref);
    if (call->result.body)
        g_string_free(call->result.body, TRUE);
    g_free((char *)(gsize)call->result.wanted_value);
    if (*call->result.content_type)
        g_free((char *)(gsize)call->result.content_type);
    client_unref(call->client);
    g_free(call);
}

void http_call_touch(HttpCall *call)
{
    atomic_store(&call->touched_us, clock_monotonic_us());
}

/* ---- Where it may connect to ---- */

/* A kept connection broke after the request went out. libcurl would send it again, on a new
 * connection or another kept one, and the agent might act twice. */
static gboolean was_sent_already(HttpCall *call)
{
    long sent = 0;

    curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent);
    call->was_reset =
        sent > 0 && strcmp(call->method, "GET") != 0 && strcmp(call->method, "HEAD") != 0;
    return call->was_reset;
}

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    HttpCall *call = data;

    (void)purpose;
    if (was_sent_already(call))
        return CURL_SOCKET_BAD;
    if (call->was_forbidden ||
        (!call->trusted && !guard_address_allowed(&address->addr, call->policy))) {
        call->was_forbidden = TRUE;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* A kept connection may have been opened by a call that was allowed more. */
static int judge_connection(void *data, char *peer, char *self, int peer_port, int self_port)
{
    HttpCall *call = data;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    gboolean is_allowed = FALSE;

    (void)self;
    (void)peer_port;
    (void)self_port;
    if (was_sent_already(call))
        return CURL_PREREQFUNC_ABORT;
    if (call->trusted)
        return CURL_PREREQFUNC_OK;
    if (inet_pton(AF_INET, peer, &v4.sin_addr) == 1)
        is_allowed = guard_address_allowed((struct sockaddr *)&v4, call->policy);
    else if (inet_pton(AF_INET6, peer, &v6.sin6_addr) == 1)
        is_allowed = guard_address_allowed((struct sockaddr *)&v6, call->policy);
    call->was_forbidden = !is_allowed;
    return is_allowed ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* ---- What comes back ---- */

static char *header_value_dup(const char *line, gsize length, const char *name)
{
    gsize name_length = strlen(name);

    if (length <= name_length || line[name_length] != ':' ||
        g_ascii_strncasecmp(line, name, name_length) != 0)
        return NULL;
    return g_strstrip(g_strndup(line + name_length + 1, length - name_length - 1));
}

static void note_header(HttpCall *call, const char *line, gsize length)
{
    char *type = header_value_dup(line, length, "Content-Type");
    g_autofree char *retry = header_value_dup(line, length, "Retry-After");
    char *end = NULL;

    if (type && *type && !*call->result.content_type)
        call->result.content_type = g_steal_pointer(&type);
    g_free(type);
    if (call->wanted_header && !call->result.wanted_value)
        call->result.wanted_value = header_value_dup(line, length, call->wanted_header);
    if (retry && g_ascii_isdigit(*retry)) {
        guint64 seconds = g_ascii_strtoull(retry, &end, 10);
        call->result.retry_after_s = *end ? -1 : (gint64)MIN(seconds, RETRY_AFTER_MAX_S);
    }
}

static void end_head(HttpCall *call)
{
    long status = 0;

    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 && status != 101)
        return; /* an interim answer: another head follows */
    call->head_in = TRUE;
    call->result.status = (guint)status;
    call->result.head_us = clock_monotonic_us() - call->started_us;
    call->result.streamed =
        call->head && call->chunk &&
        call->head(call, call->result.status, call->result.content_type, call->data);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *data)
{
    HttpCall *call = data;
    gsize length = size * count;

    call->heard_us = clock_monotonic_us();
    if (call->head_in)
        return length; /* trailers */
    if (length == 0 || *bytes == '\r' || *bytes == '\n')
        end_head(call);
    else
        note_header(call, bytes, length);
    return length;
}

static size_t collect(HttpCall *call, const char *bytes, gsize length)
{
    if (!call->result.body)
        call->result.body = g_string_sized_new(FIRST_ANSWER_BYTES);
    if (length > call->max_answer_bytes - call->result.body->len) {
        call->result.over_limit = TRUE;
        return 0;
    }
    g_string_append_len(call->result.body, bytes, (gssize)length);
    return length;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    HttpCall *call = data;
    gsize length = size * count;

    call->heard_us = clock_monotonic_us();
    if (!call->result.streamed)
        return collect(call, bytes, length);
    call->is_paused = !call->chunk(call, bytes, length, call->data);
    return call->is_paused ? CURL_WRITEFUNC_PAUSE : length;
}

/* ---- Options ---- */

static void prepare_method(HttpCall *call, CURL *easy)
{
    gsize length = 0;
    const char *body = call->body ? g_bytes_get_data(call->body, &length) : "";
    gboolean is_post = strcmp(call->method, "POST") == 0;

    if (is_post || call->body) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body ? body : "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    }
    if (strcmp(call->method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else if (!is_post)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
}

static void prepare_connection(HttpCall *call, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, judge_connection);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    if (call->unix_socket)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, call->unix_socket);
}

void call_prepare(HttpCall *call, CURL *easy)
{
    call->easy = easy;
    curl_easy_setopt(easy, CURLOPT_URL, call->url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "workspaced/" WORKSPACED_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_error);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    prepare_method(call, easy);
    prepare_connection(call, easy);
}

/* ---- How it ended ---- */

gint64 call_expiry_us(HttpCall *call, CallEnd *end)
{
    gint64 alive_us = MAX(call->heard_us, (gint64)atomic_load(&call->touched_us));
    /* While the reader is not ready the agent's silence is our doing. */
    gint64 idle_us =
        call->idle_timeout_us && !call->is_paused ? alive_us + call->idle_timeout_us : G_MAXINT64;
    gint64 total_us =
        call->total_timeout_us ? call->started_us + call->total_timeout_us : G_MAXINT64;

    *end = idle_us < total_us ? END_IDLE : END_DEADLINE;
    return MIN(idle_us, total_us);
}

/* The border where libcurl's codes end. */
static HttpCallOutcome outcome_of(HttpCall *call, CURLcode code)
{
    if (call->was_forbidden && !call->head_in)
        return HTTP_CALL_FORBIDDEN;
    if (call->head_in)
        return code == CURLE_OK ? HTTP_CALL_ANSWERED : HTTP_CALL_BROKEN_BODY;
    if (call->was_reset)
        return HTTP_CALL_RESET;
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT: /* only the limit to connect is libcurl's, the others are ours */
        return HTTP_CALL_CONNECT_TIMEOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return HTTP_CALL_RESET;
    default:
        return HTTP_CALL_REFUSED;
    }
}

static HttpCallOutcome outcome_by_us(HttpCall *call, CallEnd end)
{
    if (end == END_CANCELLED)
        return HTTP_CALL_CANCELLED;
    if (call->head_in)
        return HTTP_CALL_BROKEN_BODY;
    return end == END_IDLE ? HTTP_CALL_IDLE : HTTP_CALL_DEADLINE;
}

/* In front of libcurl's own sentence: words that logs and clients look for. */
static const char *reason_prefix(HttpCall *call, CallEnd end, CURLcode code)
{
    if (call->result.over_limit)
        return "answer over its limit";
    if (end == END_IDLE)
        return "idle timeout";
    if (end == END_DEADLINE)
        return "deadline exceeded (timeout)";
    if (end == END_CANCELLED)
        return "cancelled";
    switch (call->result.outcome) {
    case HTTP_CALL_FORBIDDEN:
        return "address not allowed";
    case HTTP_CALL_CONNECT_TIMEOUT:
        return "connect timeout";
    case HTTP_CALL_RESET:
    case HTTP_CALL_BROKEN_BODY:
        return "connection reset";
    default:
        break;
    }
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        return "connection refused";
    case CURLE_COULDNT_RESOLVE_HOST:
        return "no such host";
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return "malformed answer";
    default:
        return "call failed";
    }
}

void call_conclude(HttpCall *call, CallEnd end, CURLcode code)
{
    const char *detail = *call->curl_error ? call->curl_error : curl_easy_strerror(code);

    call->result.total_us = clock_monotonic_us() - call->started_us;
    call->result.outcome =
        end == END_BY_TRANSFER ? outcome_of(call, code) : outcome_by_us(call, end);
    if (call->result.outcome == HTTP_CALL_ANSWERED)
        return;
    g_snprintf(call->reason, sizeof call->reason, end == END_BY_TRANSFER ? "%s: %s" : "%s",
               reason_prefix(call, end, code), detail);
    call->result.reason = call->reason;
}
