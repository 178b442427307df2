#include "http/websocket.h"

#include "base/clock.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#define READ_BUDGET_BYTES (64 * 1024) /* of one websocket_on_readable */
#define REASON_MAX_BYTES  123         /* RFC 6455, section 5.5 */
#define PONGS_MAX         64          /* a peer that pings without reading the answers is cut */
#define DRAIN_MAX_BYTES   (1024 * 1024)
#define BATCH_BYTES       (8 * 1024) /* small frames that are sent together */

struct _WebSocket {
    int fd;
    wslay_event_context_ptr wslay;
    char *extra; /* read before us; NULL once consumed */
    gsize extra_length, extra_taken;
    gsize read_left;     /* of the budget */
    gsize drained_bytes; /* thrown away after we stopped listening */
    gboolean peer_ended, has_failed;
    gboolean frame_was_broken; /* wslay closes these without a code; we owe a 1002 */
    gboolean has_said_goodbye; /* websocket_close was called */
    uint8_t *batch;            /* while frames are sent; on the stack */
    gsize batch_length;
    GByteArray *unsent; /* the rest of a batch: wslay believes it sent */
    guint pongs;        /* queued, as far as we can tell from outside */
    guint max_messages;
    gsize max_bytes;
    gint64 last_activity_us, stalled_since_us;
    WebSocketReceiver receiver;
    void *receiver_data;
};

/* ---- What wslay calls ---- */

static ssize_t stop_reading(WebSocket *socket, int error)
{
    wslay_event_set_error(socket->wslay, error);
    return -1;
}

static ssize_t take_extra(WebSocket *socket, uint8_t *buffer, size_t max)
{
    gsize taken = MIN(max, socket->extra_length - socket->extra_taken);

    memcpy(buffer, socket->extra + socket->extra_taken, taken);
    socket->extra_taken += taken;
    if (socket->extra_taken == socket->extra_length)
        g_clear_pointer(&socket->extra, g_free);
    return (ssize_t)taken;
}

static ssize_t receive_bytes(wslay_event_context_ptr wslay, uint8_t *buffer, size_t max, int flags,
                             void *data)
{
    WebSocket *socket = data;
    ssize_t got;

    (void)wslay;
    (void)flags;
    if (socket->extra)
        return take_extra(socket, buffer, max);
    if (socket->read_left == 0)
        return stop_reading(socket, WSLAY_ERR_WOULDBLOCK);
    do
        got = recv(socket->fd, buffer, MIN(max, socket->read_left), 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        socket->read_left -= (gsize)got;
        socket->last_activity_us = clock_monotonic_us();
        return got;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return stop_reading(socket, WSLAY_ERR_WOULDBLOCK);
    socket->peer_ended = TRUE;
    return stop_reading(socket, WSLAY_ERR_CALLBACK_FAILURE);
}

/* Bytes taken by the kernel; -1 when it takes none now, or when the connection is broken. */
static ssize_t send_to_kernel(WebSocket *socket, const uint8_t *bytes, size_t length)
{
    ssize_t sent;

    do
        sent = send(socket->fd, bytes, length, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        socket->stalled_since_us = 0;
    else if (errno != EAGAIN && errno != EWOULDBLOCK)
        socket->has_failed = TRUE;
    return sent;
}

static ssize_t refuse_to_send(WebSocket *socket)
{
    wslay_event_set_error(socket->wslay,
                          socket->has_failed ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
    return -1;
}

/* TRUE when the batch is empty again; else its rest waits in `unsent`, and nothing may be sent
 * before it. */
static gboolean flush_batch(WebSocket *socket)
{
    gsize length = socket->batch_length;
    ssize_t sent = length > 0 ? send_to_kernel(socket, socket->batch, length) : 0;
    gsize taken = sent > 0 ? (gsize)sent : 0;

    socket->batch_length = 0;
    if (taken == length)
        return TRUE;
    socket->unsent = g_byte_array_new();
    g_byte_array_append(socket->unsent, socket->batch + taken, (guint)(length - taken));
    return FALSE;
}

static gboolean send_unsent(WebSocket *socket)
{
    ssize_t sent = send_to_kernel(socket, socket->unsent->data, socket->unsent->len);

    if (sent > 0)
        g_byte_array_remove_range(socket->unsent, 0, (guint)sent);
    if (socket->unsent->len > 0)
        return FALSE;
    g_clear_pointer(&socket->unsent, g_byte_array_unref);
    return TRUE;
}

/* wslay hands over heads and bodies of frames one by one; small ones go to the kernel together. */
static ssize_t send_bytes(wslay_event_context_ptr wslay, const uint8_t *bytes, size_t length,
                          int flags, void *data)
{
    /* wslay answers a malformed frame with a close without a code; the RFC (section 7.4.1) and our
     * contract want 1002. */
    static const uint8_t bare_close[] = {0x88, 0x00}, close_1002[] = {0x88, 0x02, 0x03, 0xea};
    WebSocket *socket = data;
    gboolean is_replaced = socket->frame_was_broken && length == sizeof bare_close &&
                           memcmp(bytes, bare_close, length) == 0;
    gsize batched = is_replaced ? sizeof close_1002 : length;

    (void)wslay;
    (void)flags;
    if (socket->unsent || (batched > BATCH_BYTES - socket->batch_length && !flush_batch(socket)))
        return refuse_to_send(socket);
    if (batched > BATCH_BYTES) {
        ssize_t sent = send_to_kernel(socket, bytes, length);
        return sent >= 0 ? sent : refuse_to_send(socket);
    }
    memcpy(socket->batch + socket->batch_length, is_replaced ? close_1002 : bytes, batched);
    socket->batch_length += batched;
    return (ssize_t)length;
}

/* A close with half a code, which wslay takes for one without. */
static void on_frame(wslay_event_context_ptr wslay,
                     const struct wslay_event_on_frame_recv_start_arg *frame, void *data)
{
    WebSocket *socket = data;

    (void)wslay;
    if (frame->opcode == WSLAY_CONNECTION_CLOSE && frame->payload_length == 1)
        socket->frame_was_broken = TRUE;
}

static void on_message(wslay_event_context_ptr wslay,
                       const struct wslay_event_on_msg_recv_arg *message, void *data)
{
    WebSocket *socket = data;
    const char *bytes = message->msg ? (const char *)message->msg : "";

    (void)wslay;
    if (message->opcode == WSLAY_PING)
        socket->pongs++;
    if (wslay_is_ctrl_frame(message->opcode) || !socket->receiver)
        return;
    socket->receiver(socket, message->opcode == WSLAY_TEXT_FRAME, bytes, message->msg_length,
                     socket->receiver_data);
}

/* ---- Life ---- */

WebSocket *websocket_new(int fd, const char *extra, gsize extra_length, gsize max_message)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = receive_bytes,
        .send_callback = send_bytes,
        .on_frame_recv_start_callback = on_frame,
        .on_msg_recv_callback = on_message,
    };
    WebSocket *socket = g_new0(WebSocket, 1);

    if (wslay_event_context_server_init(&socket->wslay, &callbacks, socket) != 0)
        g_error("wslay: out of memory");
    wslay_event_config_set_max_recv_msg_length(socket->wslay, max_message);
    socket->fd = fd;
    socket->extra = extra_length > 0 ? g_memdup2(extra, extra_length) : NULL;
    socket->extra_length = extra_length;
    socket->max_messages = WEBSOCKET_QUEUE_MESSAGES;
    socket->max_bytes = WEBSOCKET_QUEUE_BYTES;
    socket->last_activity_us = clock_monotonic_us();
    return socket;
}

void websocket_free(WebSocket *socket)
{
    if (!socket)
        return;
    wslay_event_context_free(socket->wslay);
    if (socket->unsent)
        g_byte_array_unref(socket->unsent);
    g_free(socket->extra);
    g_free(socket);
}

void websocket_receive(WebSocket *socket, WebSocketReceiver receiver, void *data)
{
    socket->receiver = receiver;
    socket->receiver_data = data;
}

void websocket_limit_queue(WebSocket *socket, guint max_messages, gsize max_bytes)
{
    socket->max_messages = max_messages;
    socket->max_bytes = max_bytes;
}

/* ---- Sending ---- */

static gboolean push(WebSocket *socket, guint8 opcode, const void *bytes, gsize length)
{
    struct wslay_event_msg message = {opcode, bytes, length};
    guint count = websocket_queued_messages(socket);
    gsize waiting = websocket_queued_bytes(socket);

    if (websocket_is_closing(socket) || count >= socket->max_messages ||
        length > socket->max_bytes || waiting > socket->max_bytes - length)
        return FALSE;
    return wslay_event_queue_msg(socket->wslay, &message) == 0;
}

gboolean websocket_push_text(WebSocket *socket, const char *text, gsize length)
{
    return push(socket, WSLAY_TEXT_FRAME, text, length);
}

gboolean websocket_push_binary(WebSocket *socket, const void *bytes, gsize length)
{
    return push(socket, WSLAY_BINARY_FRAME, bytes, length);
}

void websocket_ping(WebSocket *socket)
{
    struct wslay_event_msg ping = {WSLAY_PING, NULL, 0};

    if (!websocket_is_closing(socket))
        (void)wslay_event_queue_msg(socket->wslay, &ping);
}

/* The longest prefix that fits and does not end within a character. */
static gsize reason_length(const char *reason)
{
    gsize length = strlen(reason);

    if (length <= REASON_MAX_BYTES)
        return length;
    length = REASON_MAX_BYTES;
    while (length > 0 && ((guchar)reason[length] & 0xc0) == 0x80)
        length--;
    return length;
}

void websocket_close(WebSocket *socket, guint16 code, const char *reason)
{
    const char *text = reason ? reason : "";

    socket->has_said_goodbye = TRUE;
    /* Refused by wslay when a close was queued before: only the first counts. */
    (void)wslay_event_queue_close(socket->wslay, code, (const uint8_t *)text, reason_length(text));
}

/* ---- The loop's side ---- */

static gboolean is_over(WebSocket *socket)
{
    if (socket->peer_ended || socket->has_failed)
        return TRUE;
    return !socket->unsent && wslay_event_get_close_sent(socket->wslay) &&
           wslay_event_get_close_received(socket->wslay);
}

/* Sends what wslay has, in batches. */
static void send_frames(WebSocket *socket)
{
    uint8_t batch[BATCH_BYTES];
    guint before = websocket_queued_messages(socket), sent;

    socket->batch = batch;
    socket->batch_length = 0;
    if (wslay_event_send(socket->wslay) != 0)
        socket->has_failed = TRUE;
    flush_batch(socket);
    socket->batch = NULL;
    sent = before - websocket_queued_messages(socket);
    socket->pongs -= MIN(socket->pongs, sent); /* control frames go first */
}

gboolean websocket_on_writable(WebSocket *socket)
{
    if (!socket->unsent || send_unsent(socket))
        send_frames(socket);
    if (!websocket_wants_write(socket))
        socket->stalled_since_us = 0;
    else if (socket->stalled_since_us == 0) /* the kernel took a part */
        socket->stalled_since_us = clock_monotonic_us();
    return !is_over(socket);
}

/* We have said goodbye because of an error. The peer may still be sending: closing now would reset
 * the connection and could take our close frame from it, so its bytes are thrown away until it
 * ends. */
static void drain(WebSocket *socket)
{
    char waste[4096];
    ssize_t got;

    g_clear_pointer(&socket->extra, g_free);
    do {
        got = recv(socket->fd, waste, sizeof waste, 0);
        if (got > 0)
            socket->drained_bytes += (gsize)got;
    } while (got > 0 && socket->drained_bytes <= DRAIN_MAX_BYTES);
    if (got == 0 || socket->drained_bytes > DRAIN_MAX_BYTES ||
        (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        socket->peer_ended = TRUE;
}

gboolean websocket_on_readable(WebSocket *socket)
{
    socket->read_left = READ_BUDGET_BYTES;
    if (!wslay_event_want_read(socket->wslay))
        drain(socket);
    else if (wslay_event_recv(socket->wslay) != 0 && !socket->peer_ended)
        socket->frame_was_broken = TRUE;
    if (socket->pongs > PONGS_MAX)
        socket->has_failed = TRUE;
    if (websocket_wants_write(socket) && !socket->peer_ended)
        return websocket_on_writable(socket);
    return !is_over(socket);
}

gboolean websocket_wants_write(WebSocket *socket)
{
    return socket->unsent || wslay_event_want_write(socket->wslay) != 0;
}

/* ---- State ---- */

gboolean websocket_is_closing(WebSocket *socket)
{
    /* wslay stops reading when it queues a close of its own, and takes no message behind a close of
     * ours. */
    return socket->has_said_goodbye || wslay_event_get_close_received(socket->wslay) ||
           wslay_event_get_close_sent(socket->wslay) || !wslay_event_want_read(socket->wslay);
}

guint websocket_queued_messages(WebSocket *socket)
{
    return (guint)wslay_event_get_queued_msg_count(socket->wslay);
}

gsize websocket_queued_bytes(WebSocket *socket)
{
    return wslay_event_get_queued_msg_length(socket->wslay);
}

gint64 websocket_last_activity_us(WebSocket *socket)
{
    return socket->last_activity_us;
}

gint64 websocket_stalled_since_us(WebSocket *socket)
{
    return socket->stalled_since_us;
}

guint16 websocket_peer_code(WebSocket *socket)
{
    return wslay_event_get_status_code_received(socket->wslay);
}

/* ---- Handshake ---- */

void websocket_accept_key(const char *key, char accept[WEBSOCKET_ACCEPT_SIZE])
{
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, section 1.3 */
    g_autofree char *text = g_strconcat(key, magic, NULL);
    guchar digest[20];
    g_autofree char *base64 = NULL;

    if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(), NULL) != 1)
        g_error("SHA-1 is not available");
    base64 = g_base64_encode(digest, sizeof digest);
    g_strlcpy(accept, base64, WEBSOCKET_ACCEPT_SIZE);
}
