/* Any bytes from a WebSocket peer: messages are whole, within the limit and valid UTF-8; what waits
 * to be sent stays bounded. */
#include "http/websocket.h"

#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* GLib's check takes no NUL, which is a character like any other here. */
static gboolean is_utf8(const char *bytes, gsize length)
{
    g_autofree char *copy = g_malloc(length + 1);

    for (gsize i = 0; i < length; i++)
        copy[i] = bytes[i] ? bytes[i] : ' ';
    return g_utf8_validate_len(copy, length, NULL);
}

static void check_message(WebSocket *socket, gboolean is_text, const char *bytes, gsize length,
                          void *data)
{
    (void)data;
    g_assert(length <= LIMIT);
    if (is_text)
        g_assert(is_utf8(bytes, length));
    if (length % 3 == 0 && !websocket_is_closing(socket))
        g_assert(websocket_push_binary(socket, bytes, length) ||
                 websocket_queued_messages(socket) >= WEBSOCKET_QUEUE_MESSAGES);
}

/* The first byte says how much was read before the upgrade; the rest comes through the socket. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    WebSocket *socket;
    gsize early;
    int fds[2];

    if (size < 1 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0)
        return 0;
    early = MIN(data[0], size - 1);
    socket = websocket_new(fds[0], (const char *)data + 1, early, LIMIT);
    websocket_receive(socket, check_message, NULL);
    (void)!write(fds[1], data + 1 + early, size - 1 - early);
    for (guint i = 0; i < 4 && websocket_on_readable(socket); i++)
        if (websocket_wants_write(socket) && !websocket_on_writable(socket))
            break;
    g_assert(websocket_queued_messages(socket) <= WEBSOCKET_QUEUE_MESSAGES + 70);
    websocket_free(socket);
    close(fds[0]);
    close(fds[1]);
    return 0;
}
