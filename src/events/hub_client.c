#include "events/hub_client.h"

#include "base/clock.h"

#include <fcntl.h>

#define READ_LIMIT_BYTES  4096                  /* spec 04, 13.3 */
#define CLOSE_PATIENCE_US (3 * CLOCK_SECOND_US) /* for the peer's answer to our close */
#define REFILL_BYTES      (64 * 1024) /* handed to the socket at once; the rest stays shared */

HubSocket *hub_socket_new(int fd, const char *extra, gsize extra_length,
                          void (*release)(void *handle), void *handle, const char *workspace_id)
{
    HubSocket *client = g_new0(HubSocket, 1);
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    client->fd = fd;
    client->release = release;
    client->handle = handle;
    client->pinged_us = clock_monotonic_us();
    g_strlcpy(client->workspace_id, workspace_id ? workspace_id : "", sizeof client->workspace_id);
    g_queue_init(&client->waiting);
    client->socket = websocket_new(fd, extra, extra_length, READ_LIMIT_BYTES);
    /* The limits are those of our own queue, whose messages are shared; the socket copies only what
     * it is about to send. */
    websocket_limit_queue(client->socket, G_MAXUINT, G_MAXSIZE);
    return client;
}

void hub_socket_free(HubSocket *client)
{
    if (!client)
        return;
    g_queue_clear_full(&client->waiting, hub_message_unref);
    websocket_free(client->socket);
    client->release(client->handle);
    g_free(client);
}

static void drop_waiting(HubSocket *client)
{
    g_queue_clear_full(&client->waiting, hub_message_unref);
    client->waiting_bytes = 0;
}

void hub_socket_close(HubSocket *client, guint16 code, const char *reason, gint64 now_us)
{
    if (client->close_deadline_us)
        return;
    drop_waiting(client);
    websocket_close(client->socket, code, reason);
    client->close_deadline_us = now_us + CLOSE_PATIENCE_US;
    client->is_dirty = TRUE;
}

void hub_socket_send(HubSocket *client, HubMessage *message, const HubOptions *options,
                     gint64 now_us)
{
    guint count;
    gsize bytes;

    if (client->close_deadline_us || client->is_over || websocket_is_closing(client->socket))
        return;
    count = client->waiting.length + websocket_queued_messages(client->socket);
    bytes = client->waiting_bytes + websocket_queued_bytes(client->socket);
    if (count >= options->queue_messages ||
        (count > 0 && bytes + message->text->len > options->queue_bytes)) {
        hub_socket_close(client, WEBSOCKET_CLOSE_TRY_AGAIN, "reads too slowly", now_us);
        return;
    }
    g_queue_push_tail(&client->waiting, hub_message_ref(message));
    client->waiting_bytes += message->text->len;
    client->is_dirty = TRUE;
}

static void refill(HubSocket *client)
{
    while (client->waiting.length > 0 && websocket_queued_bytes(client->socket) < REFILL_BYTES) {
        HubMessage *message = g_queue_pop_head(&client->waiting);
        gboolean is_taken =
            websocket_push_text(client->socket, message->text->str, message->text->len);

        client->waiting_bytes -= message->text->len;
        hub_message_unref(message);
        if (!is_taken) { /* it is closing: the peer wants no more */
            drop_waiting(client);
            return;
        }
    }
}

void hub_socket_pump(HubSocket *client)
{
    client->is_dirty = FALSE;
    while (!client->is_over) {
        refill(client);
        if (!websocket_wants_write(client->socket))
            return;
        if (!websocket_on_writable(client->socket))
            client->is_over = TRUE;
        else if (websocket_wants_write(client->socket))
            return; /* the kernel takes no more now */
    }
}

void hub_socket_read(HubSocket *client)
{
    if (!websocket_on_readable(client->socket))
        client->is_over = TRUE;
    client->is_dirty = TRUE; /* a pong or a close may have been queued */
}

void hub_socket_sweep(HubSocket *client, const HubOptions *options, gint64 now_us)
{
    gint64 stalled_us = websocket_stalled_since_us(client->socket);

    /* It closes by itself (the peer broke the protocol): that peer gets no more time than others.
     */
    if (!client->close_deadline_us && websocket_is_closing(client->socket)) {
        drop_waiting(client);
        client->close_deadline_us = now_us + CLOSE_PATIENCE_US;
    }
    if (client->close_deadline_us) {
        client->is_over |= now_us >= client->close_deadline_us;
        return;
    }
    if (stalled_us && now_us - stalled_us >= (gint64)options->write_limit_ms * 1000) {
        client->is_over = TRUE;
        return;
    }
    if (now_us - websocket_last_activity_us(client->socket) >=
        (gint64)options->silence_limit_ms * 1000) {
        hub_socket_close(client, WEBSOCKET_CLOSE_GOING_AWAY, "no sign of life", now_us);
        return;
    }
    if (now_us - client->pinged_us >= (gint64)options->ping_interval_ms * 1000) {
        client->pinged_us = now_us;
        websocket_ping(client->socket);
        client->is_dirty = TRUE;
    }
}
