/* The server's end of one WebSocket (RFC 6455, version 13, no extensions) over a non-blocking
 * socket.
 *
 * It has no loop and no thread of its own: whoever owns the socket polls it (level-triggered) and
 * calls websocket_on_readable and websocket_on_writable. Messages are framed by wslay. Everything
 * is bounded: what waits to be sent by count and bytes, what comes in by `max_message`. A peer that
 * breaks the protocol is closed with 1002, bad UTF-8 with 1007, a message over the limit with 1009;
 * its own close is echoed with its code; its pings are answered at once. Source: spec 04,
 * section 13.3. Thread: one WebSocket belongs to one thread at a time. */
#pragma once

#include <glib.h>

typedef struct _WebSocket WebSocket;

#define WEBSOCKET_QUEUE_MESSAGES 256               /* spec 04, 13.3: send buffer */
#define WEBSOCKET_QUEUE_BYTES    (4 * 1024 * 1024) /* what these may weigh together */

enum {
    WEBSOCKET_CLOSE_NORMAL = 1000,
    WEBSOCKET_CLOSE_GOING_AWAY = 1001,
    WEBSOCKET_CLOSE_POLICY = 1008,
    WEBSOCKET_CLOSE_INTERNAL = 1011,
    WEBSOCKET_CLOSE_TRY_AGAIN = 1013,
};

/* A whole message, valid UTF-8 when `is_text`; borrowed for the call. Must not free the socket. */
typedef void (*WebSocketReceiver)(WebSocket *socket, gboolean is_text, const char *bytes,
                                  gsize length, void *data);

/* `fd` stays the caller's: it closes it after websocket_free. `extra`: bytes of the peer that were
 * read already (copied). `max_message`: longest message accepted, over all its fragments. Never
 * fails. */
WebSocket *websocket_new(int fd, const char *extra, gsize extra_length, gsize max_message);
void websocket_free(WebSocket *socket); /* sends nothing; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WebSocket, websocket_free)

/* Without a receiver what comes in is discarded. */
void websocket_receive(WebSocket *socket, WebSocketReceiver receiver, void *data);
/* Other limits than the two above. */
void websocket_limit_queue(WebSocket *socket, guint max_messages, gsize max_bytes);

/* Queues a message; the bytes are copied, text must be valid UTF-8. FALSE when the queue is full or
 * the socket is closing: the owner closes it (1013) or drops the message. Nothing is written before
 * the next websocket_on_writable, which may be called at once. */
G_GNUC_WARN_UNUSED_RESULT gboolean websocket_push_text(WebSocket *socket, const char *text,
                                                       gsize length);
G_GNUC_WARN_UNUSED_RESULT gboolean websocket_push_binary(WebSocket *socket, const void *bytes,
                                                         gsize length);
void websocket_ping(WebSocket *socket);
/* Queues a close frame, in front of waiting messages. After it the peer has to answer: poll on
 * until a call below returns FALSE, at most a few seconds. `reason` may be NULL; it is cut to 123
 * bytes. Repeatable: only the first counts. */
void websocket_close(WebSocket *socket, guint16 code, const char *reason);

/* Both return FALSE when the conversation is over (closed by both sides, cut, or failed): free it
 * and close the descriptor. on_readable reads at most some KiB a call, so that one peer cannot hold
 * the loop, and writes what that asks for. Call it once right after websocket_new when there were
 * extra bytes: poll(2) does not see them. */
G_GNUC_WARN_UNUSED_RESULT gboolean websocket_on_readable(WebSocket *socket);
G_GNUC_WARN_UNUSED_RESULT gboolean websocket_on_writable(WebSocket *socket);
gboolean websocket_wants_write(WebSocket *socket);

gboolean websocket_is_closing(WebSocket *socket); /* a close was sent, queued or received */
guint websocket_queued_messages(WebSocket *socket);
gsize websocket_queued_bytes(WebSocket *socket);
/* Monotonic time (base/clock) of the last byte from the peer; at first, of its creation. */
gint64 websocket_last_activity_us(WebSocket *socket);
/* Since when output waits without a byte going out; 0 when nothing waits. For the write deadline.
 */
gint64 websocket_stalled_since_us(WebSocket *socket);
/* Code of the peer's close: 1005 without a code, 1006 while there was no close. */
guint16 websocket_peer_code(WebSocket *socket);

/* The value of Sec-WebSocket-Accept for a key. */
#define WEBSOCKET_ACCEPT_SIZE 29 /* 28 characters and the NUL */
void websocket_accept_key(const char *key, char accept[WEBSOCKET_ACCEPT_SIZE]);
