#include "websocket.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <wslay/wslay.h>

#define CONNECT_LIMIT_MS 10000
#define UPGRADE_LIMIT_MS 10000
#define HEAD_BYTES_MAX   16384
#define SILENCE_LIMIT_US (75 * G_USEC_PER_SEC) /* the server pings every 20 s, ARCHITECTURE D20 */
#define POLL_MS          1000
#define KEY_BYTES        16

/* RFC 6455, section 1.3. */
#define ACCEPT_GUID  "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define CLOSE_POLICY 1008

struct _WebSocketClient {
    Api *api;
    CURL *easy;
    curl_socket_t descriptor;
    wslay_event_context_ptr frames;
    GString *received; /* bytes behind the upgrade's head, not yet read */
    gint64 heard_us;   /* when the last byte came */
    gboolean is_ended; /* the peer closed the connection */
    gboolean is_done;  /* the listener wants no more */
    guint close_code;  /* 0: none came */
    gboolean (*message)(const char *text, gsize length, void *data);
    void *data;
};

/* ---- Bytes ---- */

static gboolean wait_for(WebSocketClient *socket, short events, int limit_ms)
{
    struct pollfd entry = {.fd = socket->descriptor, .events = events};

    return poll(&entry, 1, limit_ms) > 0;
}

static gboolean send_all(WebSocketClient *socket, const char *bytes, gsize length)
{
    while (length > 0) {
        size_t sent = 0;
        CURLcode result = curl_easy_send(socket->easy, bytes, length, &sent);
        if (result == CURLE_AGAIN && !wait_for(socket, POLLOUT, UPGRADE_LIMIT_MS))
            return FALSE;
        if (result != CURLE_OK && result != CURLE_AGAIN)
            return FALSE;
        bytes += sent;
        length -= sent;
    }
    return TRUE;
}

/* Reads what there is: more than 0 bytes, 0 for "not now", -1 for "never again". */
static ssize_t receive(WebSocketClient *socket, void *bytes, gsize length)
{
    size_t count = 0;

    if (socket->received->len > 0) {
        count = MIN(length, socket->received->len);
        memcpy(bytes, socket->received->str, count);
        g_string_erase(socket->received, 0, (gssize)count);
        return (ssize_t)count;
    }
    CURLcode result = curl_easy_recv(socket->easy, bytes, length, &count);
    if (result == CURLE_AGAIN)
        return 0;
    socket->is_ended = result != CURLE_OK || count == 0;
    if (socket->is_ended)
        return -1;
    socket->heard_us = g_get_monotonic_time();
    return (ssize_t)count;
}

/* ---- Upgrade ---- */

static gboolean connect_to(WebSocketClient *socket, GError **error)
{
    const Target *target = api_target(socket->api);

    curl_easy_setopt(socket->easy, CURLOPT_URL, target->url);
    curl_easy_setopt(socket->easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(socket->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(socket->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(socket->easy, CURLOPT_SSL_ENABLE_ALPN, 0L); /* HTTP/1.1 upgrades only */
    curl_easy_setopt(socket->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(socket->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(socket->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_LIMIT_MS);
    if (target_is_loopback(target->url))
        curl_easy_setopt(socket->easy, CURLOPT_PROXY, "");
    CURLcode result = curl_easy_perform(socket->easy);
    if (result != CURLE_OK)
        return api_unreachable(socket->api, curl_easy_strerror(result), error);
    curl_easy_getinfo(socket->easy, CURLINFO_ACTIVESOCKET, &socket->descriptor);
    return TRUE;
}

static char *upgrade_dup(const Target *target, const char *path, const char *key)
{
    g_autoptr(GUri) uri = g_uri_parse(target->url, G_URI_FLAGS_ENCODED, NULL);
    const char *host = strstr(target->url, "://") + 3;
    g_autofree char *authority = g_strndup(host, strcspn(host, "/"));
    GString *head = g_string_new(NULL);
    const char *at = strrchr(authority, '@');

    g_string_append_printf(head, "GET %s%s HTTP/1.1\r\nHost: %s\r\n",
                           uri ? g_uri_get_path(uri) : "", path, at ? at + 1 : authority);
    g_string_append_printf(head,
                           "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n"
                           "User-Agent: workspacectl/" WORKSPACED_VERSION "\r\n",
                           key);
    if (target->token)
        g_string_append_printf(head, "Authorization: Bearer %s\r\n", target->token);
    g_string_append(head, "\r\n");
    return g_string_free(head, FALSE);
}

/* Reads until the blank line. The head goes to `head`, what follows stays in `received`. */
static gboolean read_head(WebSocketClient *socket, GString *head)
{
    char bytes[4096];
    gint64 deadline_us = g_get_monotonic_time() + UPGRADE_LIMIT_MS * 1000;

    while (head->len < HEAD_BYTES_MAX && g_get_monotonic_time() < deadline_us) {
        ssize_t count = receive(socket, bytes, sizeof bytes);
        if (count < 0)
            return FALSE;
        if (count == 0) {
            wait_for(socket, POLLIN, POLL_MS);
            continue;
        }
        g_string_append_len(head, bytes, count);
        const char *end = strstr(head->str, "\r\n\r\n");
        if (!end)
            continue;
        gsize length = (gsize)(end - head->str) + 4;
        g_string_append_len(socket->received, head->str + length, (gssize)(head->len - length));
        g_string_truncate(head, length);
        return TRUE;
    }
    return FALSE;
}

/* The value of a header of an answer; NULL when absent. Caller owns it. */
static char *header_dup(const char *head, const char *name)
{
    g_auto(GStrv) lines = g_strsplit(head, "\r\n", -1);

    for (char **line = lines; *line; line++) {
        gsize length = strlen(name);
        if (g_ascii_strncasecmp(*line, name, length) == 0 && (*line)[length] == ':')
            return g_strstrip(g_strdup(*line + length + 1));
    }
    return NULL;
}

static gboolean is_accepted(const char *head, const char *key)
{
    g_autofree char *expected_text = g_strconcat(key, ACCEPT_GUID, NULL);
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA1);
    guint8 hash[20];
    gsize size = sizeof hash;

    g_checksum_update(checksum, (const guchar *)expected_text, -1);
    g_checksum_get_digest(checksum, hash, &size);
    g_autofree char *expected = g_base64_encode(hash, size);
    g_autofree char *accept = header_dup(head, "Sec-WebSocket-Accept");
    return g_strcmp0(accept, expected) == 0;
}

/* Some other answer than the upgrade: as much of its body as has come tells why. */
static gboolean refuse(WebSocketClient *socket, long status, GError **error)
{
    /* Without a token the socket's route answers 400, as a smoke test of the reference wants it. */
    gboolean lacks_token = status == 400 && !api_target(socket->api)->token;
    g_auto(ApiAnswer) answer = {.status = lacks_token ? 401 : status, .retry_after_s = -1};

    if (socket->received->len == 0 && wait_for(socket, POLLIN, POLL_MS)) {
        char bytes[4096];
        ssize_t count = receive(socket, bytes, sizeof bytes);
        g_string_append_len(socket->received, bytes, MAX(count, 0));
    }
    answer.body = g_string_new_len(socket->received->str, (gssize)socket->received->len);
    return api_refusal(socket->api, &answer, error);
}

static gboolean upgrade(WebSocketClient *socket, const char *path, GError **error)
{
    guint8 random[KEY_BYTES];
    g_autoptr(GString) head = g_string_new(NULL);

    if (getrandom(random, sizeof random, 0) != sizeof random)
        abort(); /* the kernel always gives so few bytes */
    g_autofree char *key = g_base64_encode(random, sizeof random);
    g_autofree char *request = upgrade_dup(api_target(socket->api), path, key);
    if (!send_all(socket, request, strlen(request)) || !read_head(socket, head))
        return api_unreachable(socket->api, "it did not answer the WebSocket's request", error);
    long status = g_str_has_prefix(head->str, "HTTP/1.1 ") ? strtol(head->str + 9, NULL, 10) : 0;
    if (status != 101)
        return refuse(socket, status, error);
    return is_accepted(head->str, key) ||
           api_unreachable(socket->api, "it answered the WebSocket's request wrongly", error);
}

/* ---- Frames ---- */

static ssize_t on_receive(wslay_event_context_ptr frames, uint8_t *bytes, size_t length, int flags,
                          void *user)
{
    ssize_t count = receive(user, bytes, length);
    (void)flags;

    if (count > 0)
        return count;
    wslay_event_set_error(frames, count == 0 ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *bytes, size_t length,
                       int flags, void *user)
{
    WebSocketClient *socket = user;
    size_t sent = 0;
    CURLcode result = curl_easy_send(socket->easy, bytes, length, &sent);
    (void)flags;

    if (result == CURLE_OK)
        return (ssize_t)sent;
    wslay_event_set_error(frames, result == CURLE_AGAIN ? WSLAY_ERR_WOULDBLOCK
                                                        : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static int on_mask(wslay_event_context_ptr frames, uint8_t *bytes, size_t length, void *user)
{
    (void)frames;
    (void)user;
    return getrandom(bytes, length, 0) == (ssize_t)length ? 0 : -1;
}

static void on_message(wslay_event_context_ptr frames,
                       const struct wslay_event_on_msg_recv_arg *arg, void *user)
{
    WebSocketClient *socket = user;
    (void)frames;

    if (arg->opcode == WSLAY_CONNECTION_CLOSE)
        socket->close_code = arg->status_code;
    if (arg->opcode != WSLAY_TEXT_FRAME || socket->is_done)
        return;
    socket->is_done = !socket->message((const char *)arg->msg, arg->msg_length, socket->data);
    /* A reader who took his time (a pager) is no silence of the server. */
    socket->heard_us = g_get_monotonic_time();
}

static void frames_init(WebSocketClient *socket)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_receive,
        .send_callback = on_send,
        .genmask_callback = on_mask,
        .on_msg_recv_callback = on_message,
    };

    if (wslay_event_context_client_init(&socket->frames, &callbacks, socket) != 0)
        abort(); /* out of memory, as GLib does */
    wslay_event_config_set_max_recv_msg_length(socket->frames, WEBSOCKET_MESSAGE_BYTES_MAX);
}

/* ---- Contract ---- */

WebSocketClient *websocket_open(Api *api, const char *path, GError **error)
{
    g_autoptr(WebSocketClient) socket = g_new0(WebSocketClient, 1);

    socket->api = api;
    socket->received = g_string_new(NULL);
    socket->easy = curl_easy_init();
    socket->heard_us = g_get_monotonic_time();
    frames_init(socket);
    if (!connect_to(socket, error) || !upgrade(socket, path, error))
        return NULL;
    return g_steal_pointer(&socket);
}

void websocket_free(WebSocketClient *socket)
{
    if (!socket)
        return;
    wslay_event_context_free(socket->frames);
    curl_easy_cleanup(socket->easy);
    g_string_free(socket->received, TRUE);
    g_free(socket);
}

static gboolean end(const WebSocketClient *socket, GError **error)
{
    if (socket->close_code == CLOSE_POLICY)
        return ctl_fail(error, CTL_REFUSED,
                        "the server closed the connection: the token is no longer valid");
    return ctl_fail(error, CTL_UNREACHABLE, "the connection to %s was lost",
                    api_target(socket->api)->url);
}

gboolean websocket_listen(WebSocketClient *socket,
                          gboolean (*message)(const char *text, gsize length, void *data),
                          void *data, GError **error)
{
    socket->message = message;
    socket->data = data;
    for (;;) {
        gboolean is_well = wslay_event_recv(socket->frames) == 0;
        is_well = wslay_event_send(socket->frames) == 0 && is_well; /* pongs and the close frame */
        if (socket->is_done)
            return TRUE;
        gboolean is_silent = g_get_monotonic_time() - socket->heard_us > SILENCE_LIMIT_US;
        if (!is_well || socket->is_ended || socket->close_code != 0 || is_silent)
            return end(socket, error);
        short wanted = wslay_event_want_write(socket->frames) ? POLLIN | POLLOUT : POLLIN;
        wait_for(socket, wanted, POLL_MS);
    }
}
