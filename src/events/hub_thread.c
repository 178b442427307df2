/* The hub's thread: one epoll set, every socket and stream. */
#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "events/hub_internal.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define TURN_US          (5 * CLOCK_SECOND_US) /* the thread turns at least this often */
#define SWEEP_MAX_US     CLOCK_SECOND_US       /* deadlines are looked at this often ... */
#define SWEEP_MIN_US     (10 * 1000)           /* ... while there are clients */
#define HAND_OUT_BATCH   32                    /* messages between two rounds of writing */
#define STOP_PATIENCE_US CLOCK_SECOND_US       /* for close frames at shutdown */
#define EPOLL_BATCH      64

/* ---- The thread: sockets ---- */

static void socket_watch(Hub *hub, HubSocket *client)
{
    guint32 wanted = EPOLLIN | (websocket_wants_write(client->socket) ? EPOLLOUT : 0);
    struct epoll_event event = {.events = wanted, .data.ptr = client};

    if (wanted == client->interest)
        return;
    if (epoll_ctl(hub->epoll_fd, client->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, client->fd,
                  &event) == 0)
        client->interest = wanted;
    else
        client->is_over = TRUE;
}

static void badge_remove(Hub *hub, guint64 id)
{
    mutex_lock(&hub->lock);
    for (guint i = 0; i < hub->badges->len; i++) {
        const Badge *badge = hub->badges->pdata[i];
        if (badge->id == id) {
            g_ptr_array_remove_index_fast(hub->badges, i);
            break;
        }
    }
    mutex_unlock(&hub->lock);
}

static void socket_remove(Hub *hub, HubSocket *client)
{
    if (client->workspace_id[0])
        badge_remove(hub, client->id);
    if (client->interest)
        (void)epoll_ctl(hub->epoll_fd, EPOLL_CTL_DEL, client->fd, NULL);
    g_ptr_array_remove_index_fast(hub->sockets, client->index);
    if (client->index < hub->sockets->len)
        ((HubSocket *)hub->sockets->pdata[client->index])->index = client->index;
    hub_socket_free(client);
    atomic_fetch_sub(&hub->socket_count, 1);
}

/* Writes what is new, watches for what is not done, takes the client out when it is over. */
static void socket_settle(Hub *hub, HubSocket *client)
{
    if (client->is_dirty && !client->is_over) {
        hub_socket_pump(client);
        socket_watch(hub, client);
    }
    if (client->is_over)
        socket_remove(hub, client);
}

static void sockets_settle(Hub *hub)
{
    for (guint i = hub->sockets->len; i-- > 0;)
        socket_settle(hub, hub->sockets->pdata[i]);
}

static void socket_admit(Hub *hub, HubSocket *client)
{
    client->index = hub->sockets->len;
    g_ptr_array_add(hub->sockets, client);
    hub_socket_read(client); /* bytes that came with the handshake */
    socket_watch(hub, client);
}

static void sockets_condemn(Hub *hub, const GArray *ids, gint64 now_us)
{
    for (guint k = 0; k < ids->len; k++)
        for (guint i = 0; i < hub->sockets->len; i++) {
            HubSocket *client = hub->sockets->pdata[i];
            if (client->id == g_array_index(ids, guint64, k))
                hub_socket_close(client, WEBSOCKET_CLOSE_POLICY, "credential revoked", now_us);
        }
}

static void sockets_close_all(Hub *hub, guint16 code, const char *reason, gint64 now_us)
{
    for (guint i = 0; i < hub->sockets->len; i++)
        hub_socket_close(hub->sockets->pdata[i], code, reason, now_us);
    sockets_settle(hub);
}

/* ---- The thread: streams ---- */

static void stream_forget(Hub *hub, const char *workspace_id)
{
    guint count;

    mutex_lock(&hub->lock);
    count = GPOINTER_TO_UINT(g_hash_table_lookup(hub->streamed, workspace_id));
    if (count > 1)
        g_hash_table_replace(hub->streamed, g_strdup(workspace_id), GUINT_TO_POINTER(count - 1));
    else
        g_hash_table_remove(hub->streamed, workspace_id);
    mutex_unlock(&hub->lock);
}

static void stream_remove(Hub *hub, guint index, gboolean is_broken)
{
    Subscriber *subscriber = hub->subscribers->pdata[index];

    stream_forget(hub, subscriber->workspace_id);
    http_stream_close(subscriber->stream, is_broken);
    g_ptr_array_remove_index_fast(hub->subscribers, index);
    g_free(subscriber);
    atomic_fetch_sub(&hub->stream_count, 1);
}

static void streams_close_all(Hub *hub, gboolean is_broken)
{
    while (hub->subscribers->len > 0)
        stream_remove(hub, hub->subscribers->len - 1, is_broken);
}

static void streams_send(Hub *hub, const HubMessage *message)
{
    for (guint i = hub->subscribers->len; message->stream_text && i-- > 0;) {
        const Subscriber *subscriber = hub->subscribers->pdata[i];
        if (strcmp(subscriber->workspace_id, message->workspace_id) != 0)
            continue;
        if (!http_stream_push(subscriber->stream, message->stream_text->str,
                              message->stream_text->len))
            stream_remove(hub, i, TRUE); /* reads too slowly: it comes back */
        else if (message->is_removal)
            stream_remove(hub, i, FALSE);
    }
}

static void streams_sweep(Hub *hub, gint64 now_us)
{
    static const char ping[] = ": ping\n\n";

    for (guint i = hub->subscribers->len; i-- > 0;) {
        Subscriber *subscriber = hub->subscribers->pdata[i];
        if (http_stream_client_gone(subscriber->stream)) {
            stream_remove(hub, i, FALSE);
            continue;
        }
        if (subscriber->pinged_us &&
            now_us - subscriber->pinged_us < (gint64)hub->options.stream_ping_ms * 1000)
            continue;
        subscriber->pinged_us = now_us;
        if (!http_stream_push(subscriber->stream, ping, sizeof ping - 1))
            stream_remove(hub, i, TRUE);
    }
}

/* ---- The thread: handing out ---- */

static gboolean may_see(Hub *hub, const HubSocket *client, const HubMessage *message)
{
    if (!client->workspace_id[0])
        return TRUE;
    if (!message->workspace_id[0])
        return FALSE;
    if (strcmp(client->workspace_id, message->workspace_id) == 0)
        return TRUE;
    if (message->is_private)
        return FALSE;
    if (message->is_removal)
        return hub_message_has_witness(message, client->workspace_id);
    return hub->options.may_talk &&
           hub->options.may_talk(client->workspace_id, message->workspace_id, hub->options.data);
}

static void hand_out(Hub *hub, HubMessage *message, gint64 now_us)
{
    for (guint i = 0; i < hub->sockets->len; i++) {
        HubSocket *client = hub->sockets->pdata[i];
        if (may_see(hub, client, message))
            hub_socket_send(client, message, &hub->options, now_us);
    }
    streams_send(hub, message);
    if (!message->is_removal)
        return;
    sockets_settle(hub); /* it may still learn that it is gone */
    for (guint i = 0; i < hub->sockets->len; i++) {
        HubSocket *client = hub->sockets->pdata[i];
        if (client->workspace_id[0] && strcmp(client->workspace_id, message->workspace_id) == 0)
            hub_socket_close(client, WEBSOCKET_CLOSE_POLICY, "workspace removed", now_us);
    }
}

typedef struct {
    GQueue inbox;
    GPtrArray *sockets, *streams;
    GArray *condemned;
    gboolean is_overrun, is_stopping;
} Delivery;

/* Takes everything other threads put down, all at once. */
static void delivery_take(Hub *hub, Delivery *delivery)
{
    mutex_lock(&hub->lock);
    hub->is_awake = FALSE;
    delivery->inbox = hub->inbox;
    g_queue_init(&hub->inbox);
    hub->inbox_bytes = 0;
    delivery->sockets = g_steal_pointer(&hub->new_sockets);
    hub->new_sockets = g_ptr_array_new();
    delivery->streams = g_steal_pointer(&hub->new_streams);
    hub->new_streams = g_ptr_array_new();
    delivery->condemned = g_steal_pointer(&hub->condemned);
    hub->condemned = g_array_new(FALSE, FALSE, sizeof(guint64));
    delivery->is_overrun = hub->is_overrun;
    hub->is_overrun = FALSE;
    delivery->is_stopping = hub->is_stopping;
    mutex_unlock(&hub->lock);
}

/* New clients first: what was emitted after they came is theirs; one message more than that does no
 * harm. */
static gboolean deliver(Hub *hub)
{
    gint64 now_us = clock_monotonic_us();
    Delivery delivery;
    HubMessage *message;
    guint handed = 0;

    delivery_take(hub, &delivery);
    for (guint i = 0; i < delivery.sockets->len; i++)
        socket_admit(hub, delivery.sockets->pdata[i]);
    for (guint i = 0; i < delivery.streams->len; i++)
        g_ptr_array_add(hub->subscribers, delivery.streams->pdata[i]);
    if (delivery.streams->len > 0)
        streams_sweep(hub, now_us); /* the first ping, before any event */
    while ((message = g_queue_pop_head(&delivery.inbox))) {
        hand_out(hub, message, now_us);
        hub_message_unref(message);
        if (++handed % HAND_OUT_BATCH == 0)
            sockets_settle(hub);
    }
    sockets_condemn(hub, delivery.condemned, now_us);
    if (delivery.is_overrun) {
        log_warning("events came faster than they could be sent; clients start over",
                    LOG_INT("sockets", hub->sockets->len));
        sockets_close_all(hub, WEBSOCKET_CLOSE_TRY_AGAIN, "too many events", now_us);
        streams_close_all(hub, TRUE);
    }
    sockets_settle(hub);
    g_ptr_array_unref(delivery.sockets);
    g_ptr_array_unref(delivery.streams);
    g_array_unref(delivery.condemned);
    return !delivery.is_stopping;
}

/* ---- The thread: its loop ---- */

static gint64 sweep_interval_us(const HubOptions *options)
{
    guint shortest_ms = MIN(MIN(options->ping_interval_ms, options->silence_limit_ms),
                            MIN(options->write_limit_ms, options->stream_ping_ms));

    return CLAMP((gint64)shortest_ms * 1000 / 4, SWEEP_MIN_US, SWEEP_MAX_US);
}

static void sweep(Hub *hub, gint64 now_us)
{
    for (guint i = 0; i < hub->sockets->len; i++)
        hub_socket_sweep(hub->sockets->pdata[i], &hub->options, now_us);
    sockets_settle(hub);
    streams_sweep(hub, now_us);
}

/* Waits for sockets or a wake-up. TRUE when woken. */
static gboolean poll_once(Hub *hub, gint64 wait_us)
{
    struct epoll_event events[EPOLL_BATCH];
    int count = epoll_wait(hub->epoll_fd, events, EPOLL_BATCH, (int)((wait_us + 999) / 1000));
    gboolean is_woken = FALSE;

    for (int i = 0; i < count; i++) {
        HubSocket *client = events[i].data.ptr;
        guint64 counter;
        if (!client) {
            is_woken = read(hub->wake_fd, &counter, sizeof counter) > 0 || is_woken;
            continue;
        }
        hub_socket_read(client); /* also finds out about errors and hang-ups */
        socket_settle(hub, client);
    }
    return is_woken;
}

static void run_until_stopped(Hub *hub)
{
    g_autoptr(Pulse) pulse = pulse_new("event-hub", TURN_US / CLOCK_SECOND_US);
    gint64 interval_us = sweep_interval_us(&hub->options);
    gint64 swept_us = clock_monotonic_us();

    for (;;) {
        gboolean has_clients = hub->sockets->len > 0 || hub->subscribers->len > 0;
        gint64 now_us = clock_monotonic_us();
        gint64 wait_us = has_clients ? MAX(swept_us + interval_us - now_us, 0) : TURN_US;

        if (poll_once(hub, wait_us) && !deliver(hub))
            return;
        now_us = clock_monotonic_us();
        pulse_tick(pulse);
        if (now_us - swept_us >= interval_us) {
            swept_us = now_us;
            sweep(hub, now_us);
        }
    }
}

void hub_thread_run(void *data)
{
    Hub *hub = data;
    gint64 deadline_us;

    run_until_stopped(hub);
    streams_close_all(hub, FALSE);
    sockets_close_all(hub, WEBSOCKET_CLOSE_GOING_AWAY, "server stops", clock_monotonic_us());
    deadline_us = clock_monotonic_us() + STOP_PATIENCE_US;
    while (hub->sockets->len > 0 && clock_monotonic_us() < deadline_us)
        poll_once(hub, 50 * 1000);
    while (hub->sockets->len > 0)
        socket_remove(hub, hub->sockets->pdata[0]);
}
