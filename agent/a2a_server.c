#include "a2a_server.h"

#include "a2a_message.h"
#include "a2a_methods.h"
#include "log.h"
#include "memory.h"
#include "pending_reply.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HEADERS_MAX_BYTES 16384
#define SILENCE_SECONDS   60
#define BACKLOG           128
#define ACCEPT_PAUSE_MS   100 /* when there is no descriptor for another connection */
#define UNIX_PREFIX       "unix:"
#define UNIX_SOCKET_MODE  0660

struct A2aServer {
    A2aAgent *agent;
    struct evhttp *http;
    struct evconnlistener *listener; /* owned by `http` */
    json_t *card;
    char *socket_path; /* NULL unless a Unix socket */
};

/* Answers */

static void reply_error(struct evhttp_request *request, int status, const char *reason)
{
    a2a_reply_json(request, status, json_pack("{s:s}", "error", reason));
}

static const char *path_of(struct evhttp_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;

    return path != NULL ? path : "";
}

static void handle_get(A2aServer *server, struct evhttp_request *request)
{
    const char *path = path_of(request);

    if (strcmp(path, "/.well-known/agent-card.json") == 0 ||
        strcmp(path, "/.well-known/agent.json") == 0) /* before A2A 0.3 */
        a2a_reply_json(request, HTTP_OK, json_incref(server->card));
    else if (strcmp(path, "/health") == 0)
        a2a_reply_json(request, HTTP_OK, json_pack("{s:s}", "status", "ok"));
    else
        reply_error(request, HTTP_NOTFOUND, "not found; POST a JSON-RPC request");
}

static void on_request(struct evhttp_request *request, void *argument)
{
    A2aServer *server = argument;
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    size_t length = evbuffer_get_length(body);

    if (evhttp_request_get_command(request) != EVHTTP_REQ_POST)
        handle_get(server, request);
    else
        a2a_methods_handle(server->agent, request,
                           length > 0 ? (const char *)evbuffer_pullup(body, -1) : "", length);
}

/* Listening */

static void on_accept_again(evutil_socket_t descriptor, short what, void *argument)
{
    (void)descriptor;
    (void)what;
    evconnlistener_enable(argument);
}

/* Without this a listener would be called again and again while no descriptor is free. The
 * argument is evhttp's own. */
static void on_accept_failed(struct evconnlistener *listener, void *argument)
{
    const struct timeval pause = {.tv_usec = ACCEPT_PAUSE_MS * 1000};
    int reason = EVUTIL_SOCKET_ERROR();
    (void)argument;

    if (reason != EMFILE && reason != ENFILE && reason != ENOBUFS && reason != ENOMEM)
        return;
    evconnlistener_disable(listener);
    event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, on_accept_again, listener,
                    &pause);
}

static struct evconnlistener *listen_on(struct event_base *base, const struct sockaddr *address,
                                        int length, char **error)
{
    struct evconnlistener *listener = evconnlistener_new_bind(
        base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
        BACKLOG, address, length);

    if (listener == NULL)
        *error = memory_printf("cannot listen: %s", strerror(errno));
    return listener;
}

static struct evconnlistener *listen_on_unix_socket(A2aServer *server, const char *path,
                                                    char **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat there;

    if (strlen(path) >= sizeof address.sun_path) {
        *error = memory_printf("the path of the socket is longer than %zu bytes",
                               sizeof address.sun_path - 1);
        return NULL;
    }
    strcpy(address.sun_path, path);
    if (lstat(path, &there) == 0 && S_ISSOCK(there.st_mode))
        unlink(path); /* left behind by an earlier run */
    struct evconnlistener *listener =
        listen_on(server->agent->base, (const struct sockaddr *)&address, sizeof address, error);
    if (listener == NULL)
        return NULL;
    if (chmod(path, UNIX_SOCKET_MODE) != 0)
        log_warning("cannot set the mode of the socket: %s", strerror(errno));
    server->socket_path = memory_text_dup(path);
    return listener;
}

static struct evconnlistener *listen_on_port(A2aServer *server, const char *host, uint16_t port,
                                             char **error)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct event_base *base = server->agent->base;

    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        return listen_on(base, (const struct sockaddr *)&v4, sizeof v4, error);
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
        return listen_on(base, (const struct sockaddr *)&v6, sizeof v6, error);
    *error = memory_printf("WORKSPACE_AGENT_LISTEN must be an IP address or unix:/path");
    return NULL;
}

static uint16_t port_of_listener(struct evconnlistener *listener)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;

    if (getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &length) != 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}

static struct evhttp *http_new(A2aServer *server)
{
    struct evhttp *http = evhttp_new(server->agent->base);

    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST);
    evhttp_set_max_headers_size(http, HEADERS_MAX_BYTES);
    evhttp_set_max_body_size(http, A2A_REQUEST_MAX_BYTES);
    evhttp_set_timeout(http, SILENCE_SECONDS);
    evhttp_set_gencb(http, on_request, server);
    return http;
}

A2aServer *a2a_server_new(A2aAgent *agent, const Config *config, uint16_t *port, char **error)
{
    A2aServer *server = memory_new(sizeof *server);
    size_t prefix = strlen(UNIX_PREFIX);

    server->agent = agent;
    server->card = json_object();
    server->http = http_new(server);
    if (strncmp(config->listen, UNIX_PREFIX, prefix) == 0)
        server->listener = listen_on_unix_socket(server, config->listen + prefix, error);
    else
        server->listener = listen_on_port(server, config->listen, config->port, error);
    if (server->listener == NULL) {
        a2a_server_free(server);
        return NULL;
    }
    *port = port_of_listener(server->listener);
    evhttp_bind_listener(server->http, server->listener);
    evconnlistener_set_error_cb(server->listener, on_accept_failed);
    return server;
}

void a2a_server_take_card(A2aServer *server, json_t *card)
{
    json_decref(server->card);
    server->card = card;
}

void a2a_server_free(A2aServer *server)
{
    if (server == NULL)
        return;
    pending_reply_end_all(server->agent);
    evhttp_free(server->http);
    if (server->socket_path != NULL)
        unlink(server->socket_path);
    free(server->socket_path);
    json_decref(server->card);
    free(server);
}
