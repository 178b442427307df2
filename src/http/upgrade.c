/* From a request to a WebSocket: the handshake, and handing the socket over.
 *
 * The new owner gets a duplicate of the descriptor, and libmicrohttpd's connection, with its
 * memory, ends at once. So an upgraded socket outlives the server's daemons and is limited by its
 * owner alone. Source: RFC 6455, section 4.2; spec 04, section 13.1. */
#include "http/exchange.h"
#include "http/hangup.h"
#include "http/websocket.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY_LENGTH 24 /* 16 bytes in base64 */
#define KEY_BYTES  16

/* ---- Handshake ---- */

static gboolean list_has(const char *list, const char *word)
{
    g_auto(GStrv) parts = list ? g_strsplit(list, ",", 32) : NULL;

    for (guint i = 0; parts && parts[i]; i++)
        if (g_ascii_strcasecmp(g_strstrip(parts[i]), word) == 0)
            return TRUE;
    return FALSE;
}

static gboolean key_is_right(const char *key)
{
    g_autofree guchar *bytes = NULL;
    gsize length = 0;

    if (!key || strlen(key) != KEY_LENGTH)
        return FALSE;
    bytes = g_base64_decode(key, &length);
    return length == KEY_BYTES;
}

static gboolean handshake_check(HttpRequest *request, GError **error)
{
    if (strcmp(request->method, "GET") != 0 || !request->is_http_1_1)
        return error_set(error, ERROR_INVALID, "a WebSocket begins with GET and HTTP/1.1");
    if (!list_has(http_request_header(request, "Connection"), "upgrade") ||
        !list_has(http_request_header(request, "Upgrade"), "websocket"))
        return error_set(error, ERROR_INVALID, "this address speaks WebSocket only");
    if (g_strcmp0(http_request_header(request, "Sec-WebSocket-Version"), "13") != 0)
        return error_set(error, ERROR_INVALID, "WebSocket version 13 is required");
    if (!key_is_right(http_request_header(request, "Sec-WebSocket-Key")))
        return error_set(error, ERROR_INVALID, "Sec-WebSocket-Key is not 16 bytes in base64");
    return TRUE;
}

/* ---- Handing over ---- */

static void release_socket(void *handle)
{
    close(GPOINTER_TO_INT(handle));
}

static void hand_over(HttpRequest *request, int fd, const char *extra, gsize extra_length)
{
    HttpUpgradeFunction function = request->upgrade;

    request->upgrade = NULL;
    function(fd, extra, extra_length, release_socket, GINT_TO_POINTER(fd), request->upgrade_data);
}

static int duplicate(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int flags = copy >= 0 ? fcntl(copy, F_GETFL) : -1;

    if (flags >= 0)
        (void)fcntl(copy, F_SETFL, flags | O_NONBLOCK);
    return copy;
}

static void take_connection(void *data, struct MHD_Connection *connection, void *context,
                            const char *extra, size_t extra_length, MHD_socket fd,
                            struct MHD_UpgradeResponseHandle *handle)
{
    HttpRequest *request = data;
    int copy = duplicate(fd);

    /* The duplicate would keep the descriptor in the set. */
    hangup_watch_forget(server_hangups(request->server), request->watched);
    (void)connection;
    (void)context;
    if (copy >= 0)
        hand_over(request, copy, extra, extra_length);
    else
        upgrade_abandon(request);
    /* Now, for libmicrohttpd reports the end of an upgraded connection with a lock held that is
     * taken inside ours elsewhere. */
    exchange_conclude(request, MHD_REQUEST_TERMINATED_COMPLETED_OK);
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

void upgrade_abandon(HttpRequest *request)
{
    int pair[2];

    if (!request->upgrade)
        return;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        g_critical("no descriptor is left for a socket that ends"); /* its owner's data is lost */
        request->upgrade = NULL;
        return;
    }
    close(pair[1]);
    hand_over(request, pair[0], NULL, 0);
}

gboolean http_reply_websocket(HttpRequest *request, HttpUpgradeFunction function, void *data,
                              GError **error)
{
    struct MHD_Response *response;
    char accept[WEBSOCKET_ACCEPT_SIZE];

    if (!handshake_check(request, error))
        return FALSE;
    websocket_accept_key(http_request_header(request, "Sec-WebSocket-Key"), accept);
    response = MHD_create_response_for_upgrade(take_connection, request);
    g_assert(response);
    MHD_add_response_header(response, "Upgrade", "websocket");
    MHD_add_response_header(response, "Sec-WebSocket-Accept", accept);
    request->upgrade = function;
    request->upgrade_data = data;
    reply_send(request, 101, response);
    return TRUE;
}
