#include "base/clock.h"
#include "base/ids.h"
#include "http/exchange.h"
#include "http/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define QUERY_PAIRS_MAX 128
#define GIVEN_ID_MAX    63

typedef struct _HttpQueryPairs {
    guint count;
    HttpQueryPair pairs[];
} HttpQueryPairs;

/* ---- Life ---- */

static void read_ipv4(HttpRequest *request, const struct in_addr *address)
{
    inet_ntop(AF_INET, address, request->peer, sizeof request->peer);
    request->peer_is_loopback = ntohl(address->s_addr) >> 24 == 127;
}

static void read_ipv6(HttpRequest *request, const struct in6_addr *address)
{
    struct in_addr mapped;

    if (IN6_IS_ADDR_V4MAPPED(address)) {
        memcpy(&mapped, &address->s6_addr[12], sizeof mapped);
        read_ipv4(request, &mapped);
        return;
    }
    inet_ntop(AF_INET6, address, request->peer, sizeof request->peer);
    request->peer_is_loopback = IN6_IS_ADDR_LOOPBACK(address);
}

static void read_peer(HttpRequest *request, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;

    if (address && address->sa_family == AF_INET)
        read_ipv4(request, &((const struct sockaddr_in *)(const void *)address)->sin_addr);
    else if (address && address->sa_family == AF_INET6)
        read_ipv6(request, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    else
        g_strlcpy(request->peer, "unix", sizeof request->peer);
}

static void read_connection(HttpRequest *request, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    request->connection = connection;
    request->fd = info ? info->connect_fd : -1;
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    request->watched = info ? info->socket_context : NULL;
    read_peer(request, connection);
}

HttpRequest *request_new(HttpServer *server, struct MHD_Connection *connection, const char *target)
{
    HttpRequest *request = g_malloc(sizeof *request);

    memset(request, 0, G_STRUCT_OFFSET(HttpRequest, arena)); /* the arena's own needs none */
    ref_init(&request->references);
    mutex_init(&request->lock);
    arena_init(&request->arena, request->arena_bytes, sizeof request->arena_bytes);
    request->server = server_ref(server);
    request->started_us = clock_monotonic_us();
    request->target = arena_text(&request->arena, target, strlen(target));
    read_connection(request, connection);
    return request;
}

void request_ref(HttpRequest *request)
{
    ref_take(&request->references);
}

void request_release(HttpRequest *request)
{
    if (!ref_drop(&request->references))
        return;
    if (request->free_attached)
        request->free_attached(request->attached);
    if (request->stream)
        stream_unref(request->stream);
    g_clear_pointer(&request->reply_bytes, g_bytes_unref);
    g_free(request->body);
    arena_clear(&request->arena);
    mutex_clear(&request->lock);
    server_unref(request->server);
    g_free(request);
}

void request_drop_hold(HttpRequest *request)
{
    if (atomic_fetch_sub(&request->holds, 1) == 1 && request->status == 0)
        http_reply_error(request, 500, "internal error");
}

HttpRequest *http_request_defer(HttpRequest *request)
{
    int before = atomic_fetch_add(&request->holds, 1);

    g_assert(before > 0); /* only from a handler, or by who has deferred it already */
    request_ref(request);
    return request;
}

void http_request_unref(HttpRequest *request)
{
    if (!request)
        return;
    request_drop_hold(request);
    request_release(request);
}

/* ---- Reading ---- */

const char *http_request_method(HttpRequest *request)
{
    return request->method;
}

const char *http_request_path(HttpRequest *request)
{
    return request->path;
}

const char *http_request_raw_path(HttpRequest *request)
{
    return request->raw_path;
}

const char *http_request_header(HttpRequest *request, const char *name)
{
    /* The host of an absolute target replaces the header; spec 03, section 1.3. */
    if (request->host && g_ascii_strcasecmp(name, "Host") == 0)
        return request->host;
    for (guint i = 0; i < request->header_count; i++)
        if (g_ascii_strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

static void parse_query(HttpRequest *request)
{
    guint max = MIN(http_query_count(request->query_text), QUERY_PAIRS_MAX);
    char *copy = arena_text(&request->arena, request->query_text, strlen(request->query_text));

    request->query =
        arena_take(&request->arena, sizeof(HttpQueryPairs) + max * sizeof(HttpQueryPair));
    request->query->count = http_query_parse(copy, request->query->pairs, max);
}

const char *http_request_query(HttpRequest *request, const char *name)
{
    if (!request->query_text)
        return NULL;
    if (!request->query)
        parse_query(request);
    for (guint i = 0; i < request->query->count; i++)
        if (strcmp(request->query->pairs[i].name, name) == 0)
            return request->query->pairs[i].value;
    return NULL;
}

void http_request_set_parameters(HttpRequest *request, const RouterMatch *match)
{
    request->parameters =
        arena_take(&request->arena, MAX(match->parameter_count, 1) * sizeof(HttpHeader));
    request->parameter_count = match->parameter_count;
    for (guint i = 0; i < match->parameter_count; i++) {
        const RouterParameter *parameter = &match->parameters[i];
        request->parameters[i] = (HttpHeader){
            parameter->name, arena_text(&request->arena, parameter->value, parameter->length)};
    }
}

const char *http_request_parameter(HttpRequest *request, const char *name)
{
    for (guint i = 0; i < request->parameter_count; i++)
        if (strcmp(request->parameters[i].name, name) == 0)
            return request->parameters[i].value;
    return NULL;
}

const char *http_request_body(HttpRequest *request, gsize *length)
{
    if (length)
        *length = request->body_length;
    return request->body ? request->body : "";
}

const char *http_request_peer(HttpRequest *request)
{
    return request->peer;
}

gboolean http_request_peer_is_loopback(HttpRequest *request)
{
    return request->peer_is_loopback;
}

static gboolean is_given_id(const char *text)
{
    gsize length = text ? strlen(text) : 0;

    if (length < 1 || length > GIVEN_ID_MAX)
        return FALSE;
    for (; *text; text++)
        if (!g_ascii_isalnum(*text) && *text != '.' && *text != '_' && *text != '-')
            return FALSE;
    return TRUE;
}

const char *http_request_id(HttpRequest *request)
{
    const char *given;
    char made[ID_SIZE];

    if (request->id)
        return request->id;
    given = http_request_header(request, "X-Request-Id");
    if (is_given_id(given)) {
        request->id = given;
    } else {
        id_make(made);
        request->id = arena_text(&request->arena, made, sizeof made - 1);
    }
    return request->id;
}

gint64 http_request_started_us(HttpRequest *request)
{
    return request->started_us;
}

/* The peer has closed its side, or the connection is broken. Bytes that wait to be read (a request
 * that follows) do not hide it. */
static gboolean peer_has_left(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLRDHUP};

    return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

gboolean http_request_client_gone(HttpRequest *request)
{
    gboolean is_gone;

    mutex_lock(&request->lock); /* while the connection is ours its descriptor stays open */
    is_gone =
        request->connection ? peer_has_left(request->fd) : request->client_left || request->is_cut;
    mutex_unlock(&request->lock);
    return is_gone;
}

void http_request_attach(HttpRequest *request, void *value, GDestroyNotify free_value)
{
    if (request->free_attached)
        request->free_attached(request->attached);
    request->attached = value;
    request->free_attached = free_value;
}

void *http_request_attached(HttpRequest *request)
{
    return request->attached;
}
