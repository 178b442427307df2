#include "http_client.h"

#include "memory.h"
#include "resolve.h"
#include "text_buffer.h"
#include "tls.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define USER_AGENT "workspace-agent/" WORKSPACE_AGENT_VERSION

struct HttpClient {
    struct event_base *base;
    struct evdns_base *no_dns; /* knows no server: evhttp reads literal addresses with it */
    char *ca_file;
    Tls *tls; /* NULL until the first https call */
};

/* A call goes: (resolve) -> connect and ask, once an address -> finish. Every step but the first
 * begins from the loop, so that nothing is freed inside a call-back of its own. */
struct HttpCall {
    HttpClient *client;
    struct evhttp_uri *uri;
    char *host; /* without brackets */
    bool is_post;
    char *bearer;
    char *workspace_id;
    char *body;
    size_t body_length;
    int64_t limit_ms;
    size_t answer_max_bytes;

    Resolve *resolve;
    Addresses addresses;
    size_t next_address;
    struct evhttp_connection *connection; /* the present try; NULL before */
    struct evhttp_request *request;       /* while it is under way */
    struct event *step;                   /* tries the next address, or finishes */
    struct event *deadline;
    bool is_over;

    int status;
    const char *reason;
    TextBuffer answer;
    void (*done)(void *argument, const HttpAnswer *answer);
    void *argument;
};

HttpClient *http_client_new(struct event_base *base, const char *ca_file)
{
    HttpClient *client = memory_new(sizeof *client);

    client->base = base;
    client->ca_file = memory_text_dup(ca_file);
    client->no_dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    return client;
}

void http_client_free(HttpClient *client)
{
    if (client == NULL)
        return;
    tls_free(client->tls);
    evdns_base_free(client->no_dns, 0);
    free(client->ca_file);
    free(client);
}

static void call_free(HttpCall *call)
{
    resolve_free(call->resolve);
    if (call->connection != NULL)
        evhttp_connection_free(call->connection);
    if (call->uri != NULL)
        evhttp_uri_free(call->uri);
    event_free(call->step);
    event_free(call->deadline);
    text_buffer_clear(&call->answer);
    free(call->host);
    free(call->bearer);
    free(call->workspace_id);
    free(call->body);
    free(call);
}

/* Ends the call at the next turn of the loop. */
static void finish(HttpCall *call, int status, const char *reason)
{
    if (call->is_over)
        return;
    call->is_over = true;
    call->status = status;
    call->reason = reason;
    event_active(call->step, EV_TIMEOUT, 0);
}

static bool is_https(const HttpCall *call)
{
    const char *scheme = evhttp_uri_get_scheme(call->uri);

    return scheme != NULL && strcasecmp(scheme, "https") == 0;
}

static int port_of(const HttpCall *call)
{
    int port = evhttp_uri_get_port(call->uri);

    return port > 0 ? port : is_https(call) ? 443 : 80;
}

/* The answer */

static void keep_answer(HttpCall *call, struct evhttp_request *request)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    size_t length = evbuffer_get_length(body);

    text_buffer_init(&call->answer, call->answer_max_bytes);
    if (!text_buffer_append(&call->answer, (const char *)evbuffer_pullup(body, -1), length)) {
        finish(call, 0, "the answer is too large");
        return;
    }
    finish(call, evhttp_request_get_response_code(request), "");
}

static const char *connect_failure(HttpCall *call)
{
    if (is_https(call))
        return tls_failure(evhttp_connection_get_bufferevent(call->connection));
    return "cannot connect";
}

/* libevent tells a failed connection by a status of 0, and one that broke off by no request. */
static void on_response(struct evhttp_request *request, void *argument)
{
    HttpCall *call = argument;

    call->request = NULL;
    if (call->is_over)
        return;
    if (request == NULL)
        finish(call, 0, "the connection broke off");
    else if (evhttp_request_get_response_code(request) != 0)
        keep_answer(call, request);
    else if (call->next_address < call->addresses.count)
        event_active(call->step, EV_TIMEOUT, 0); /* the next address may do */
    else
        finish(call, 0, connect_failure(call));
}

static void on_error(enum evhttp_request_error error, void *argument)
{
    HttpCall *call = argument;

    call->request = NULL;
    if (error == EVREQ_HTTP_DATA_TOO_LONG)
        finish(call, 0, "the answer is too large");
    else if (error == EVREQ_HTTP_TIMEOUT)
        finish(call, 0, "the server did not answer in time");
}

static void on_deadline(evutil_socket_t descriptor, short what, void *argument)
{
    HttpCall *call = argument;
    (void)descriptor;
    (void)what;

    finish(call, 0, "the server did not answer in time");
    if (call->request != NULL)
        evhttp_cancel_request(call->request);
    call->request = NULL;
}

/* Asking */

static void add_header(struct evhttp_request *request, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(request), name, value);
}

static void add_headers(HttpCall *call, struct evhttp_request *request)
{
    const char *host = evhttp_uri_get_host(call->uri);
    AUTO_FREE char *host_and_port = memory_printf("%s:%d", host, port_of(call));

    add_header(request, "Host", host_and_port);
    add_header(request, "User-Agent", USER_AGENT);
    add_header(request, "Accept", "application/json");
    add_header(request, "Connection", "close");
    if (call->body != NULL)
        add_header(request, "Content-Type", "application/json");
    if (call->bearer != NULL && call->bearer[0] != '\0') {
        AUTO_FREE char *value = memory_printf("Bearer %s", call->bearer);
        add_header(request, "Authorization", value);
    }
    if (call->workspace_id != NULL)
        add_header(request, "X-Workspace-ID", call->workspace_id);
}

static char *dup_target(const HttpCall *call)
{
    const char *path = evhttp_uri_get_path(call->uri);
    const char *query = evhttp_uri_get_query(call->uri);

    return memory_printf("%s%s%s", path != NULL && path[0] != '\0' ? path : "/",
                         query != NULL ? "?" : "", query != NULL ? query : "");
}

static struct bufferevent *bufferevent_new_for(HttpCall *call)
{
    HttpClient *client = call->client;

    if (!is_https(call))
        return bufferevent_socket_new(client->base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (client->tls == NULL)
        client->tls = tls_new(client->ca_file);
    if (client->tls == NULL)
        return NULL;
    return tls_bufferevent_new(client->tls, client->base, call->host);
}

static void ask(HttpCall *call)
{
    AUTO_FREE char *target = dup_target(call);
    struct evhttp_request *request = evhttp_request_new(on_response, call);

    evhttp_request_set_error_cb(request, on_error);
    add_headers(call, request);
    if (call->body != NULL)
        evbuffer_add(evhttp_request_get_output_buffer(request), call->body, call->body_length);
    call->request = request;
    if (evhttp_make_request(call->connection, request,
                            call->is_post ? EVHTTP_REQ_POST : EVHTTP_REQ_GET, target) != 0) {
        call->request = NULL;
        finish(call, 0, "cannot send the request");
    }
}

static void connect_to_next(HttpCall *call)
{
    const char *address = call->addresses.text[call->next_address++];
    struct bufferevent *bufferevent = bufferevent_new_for(call);

    if (call->connection != NULL)
        evhttp_connection_free(call->connection);
    call->connection = NULL;
    if (bufferevent == NULL) {
        finish(call, 0, "cannot set up TLS");
        return;
    }
    call->connection = evhttp_connection_base_bufferevent_new(
        call->client->base, call->client->no_dns, bufferevent, address, (uint16_t)port_of(call));
    evhttp_connection_set_timeout(call->connection, (int)((call->limit_ms + 999) / 1000));
    evhttp_connection_set_max_body_size(call->connection, (ev_ssize_t)call->answer_max_bytes);
    ask(call);
}

static void on_step(evutil_socket_t descriptor, short what, void *argument)
{
    HttpCall *call = argument;
    (void)descriptor;
    (void)what;

    if (!call->is_over) {
        connect_to_next(call);
        return;
    }
    const HttpAnswer answer = {
        .status = call->status,
        .reason = call->reason,
        .body = text_buffer_get(&call->answer),
        .body_length = call->answer.length,
    };
    call->done(call->argument, &answer);
    call_free(call);
}

/* Finding the host */

static void on_resolved(void *argument, const Addresses *addresses)
{
    HttpCall *call = argument;

    if (call->is_over)
        return;
    call->addresses = *addresses;
    if (addresses->count == 0)
        finish(call, 0, "no such host");
    else
        event_active(call->step, EV_TIMEOUT, 0);
}

static bool read_url(HttpCall *call, const char *url)
{
    call->uri = evhttp_uri_parse(url);
    const char *scheme = call->uri != NULL ? evhttp_uri_get_scheme(call->uri) : NULL;
    const char *host = call->uri != NULL ? evhttp_uri_get_host(call->uri) : NULL;

    if (scheme == NULL || host == NULL || host[0] == '\0' ||
        (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0))
        return false;
    size_t length = strlen(host);
    bool has_brackets = host[0] == '[' && host[length - 1] == ']';
    call->host = has_brackets ? memory_text_dup_length(host + 1, length - 2)
                              : memory_text_dup_length(host, length);
    return true;
}

static void find_host(HttpCall *call)
{
    if (resolve_is_literal(call->host) && strlen(call->host) < RESOLVE_ADDRESS_BYTES) {
        strcpy(call->addresses.text[0], call->host);
        call->addresses.count = 1;
        event_active(call->step, EV_TIMEOUT, 0);
        return;
    }
    call->resolve = resolve_start(call->client->base, call->host, on_resolved, call);
}

HttpCall *http_client_start(HttpClient *client, const HttpRequest *request,
                            void (*done)(void *argument, const HttpAnswer *answer), void *argument)
{
    const struct timeval limit = {.tv_sec = request->limit_ms / 1000,
                                  .tv_usec = request->limit_ms % 1000 * 1000};
    HttpCall *call = memory_new(sizeof *call);

    call->client = client;
    call->is_post = request->is_post;
    call->bearer = memory_text_dup(request->bearer);
    call->workspace_id = memory_text_dup(request->workspace_id);
    call->body = memory_text_dup_length(request->body, request->body_length);
    call->body_length = request->body_length;
    call->limit_ms = request->limit_ms;
    call->answer_max_bytes = request->answer_max_bytes;
    call->done = done;
    call->argument = argument;
    call->step = event_new(client->base, -1, 0, on_step, call);
    call->deadline = evtimer_new(client->base, on_deadline, call);
    evtimer_add(call->deadline, &limit);
    if (read_url(call, request->url))
        find_host(call);
    else
        finish(call, 0, "not an http or https URL");
    return call;
}

void http_call_cancel(HttpCall *call)
{
    if (call != NULL)
        call_free(call);
}
