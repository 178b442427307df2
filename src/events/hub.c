/* The hub: one thread, one epoll set, every socket. See hub.h.
 *
 * Other threads reach it in one way only: they put something under `lock` (a message, a new client,
 * an id to close) and wake the thread. All else belongs to the thread. */
#include "events/hub.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/sync.h"
#include "events/hub_client.h"
#include "events/hub_message.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TURN_US (5 * CLOCK_SECOND_US) /* the thread turns at least this often */
#define SWEEP_MAX_US                                                                               \
    CLOCK_SECOND_US /* deadlines are looked at this often while there are clients */
#define SWEEP_MIN_US     (10 * 1000)
#define HAND_OUT_BATCH   32              /* messages between two rounds of writing */
#define STOP_PATIENCE_US CLOCK_SECOND_US /* for close frames at shutdown */
#define CHANGES_KEPT_US                                                                            \
    CLOCK_MINUTE_US           /* how long a change of tokens is remembered for late comers */
#define CHANGES_KEPT_MIN 1024 /* entries from which on old ones are dropped */
#define EPOLL_BATCH      64

/* An SSE subscriber. */
typedef struct {
    char workspace_id[ID_SIZE];
    HttpStream *stream; /* owned; NULL once closed */
    gint64 pinged_us;   /* 0: the first ping is still to be sent */
} Subscriber;

/* What token an agent socket came with; kept apart so that threads with a database can ask. */
typedef struct {
    guint64 id; /* of its HubSocket */
    char workspace_id[ID_SIZE];
    char *token;
} Badge;

struct _Hub {
    HubOptions options; /* constant */
    int epoll_fd, wake_fd;
    Thread *thread;
    atomic_int socket_count, stream_count;

    Mutex lock;   /* place 5; guards everything down to the next blank line */
    GQueue inbox; /* HubMessage references */
    gsize inbox_bytes;
    gboolean is_overrun;    /* the inbox was full: everybody missed something */
    GPtrArray *new_sockets; /* HubSocket, owned */
    GPtrArray *new_streams; /* Subscriber, owned */
    GArray *condemned;      /* guint64 ids of sockets to close with 1008 */
    GPtrArray *badges;      /* Badge, owned */
    GHashTable *streamed;   /* workspace id -> number of subscribers */
    GHashTable *changes;    /* workspace id -> gint64: last change of its tokens, monotonic */
    guint64 next_id;
    gboolean is_awake; /* a wake-up is under way */
    gboolean is_stopping, has_stopped;

    GPtrArray *sockets;     /* the thread's: HubSocket */
    GPtrArray *subscribers; /* the thread's: Subscriber */
};

static const HubOptions defaults = {
    .queue_messages = 256,
    .queue_bytes = 8 * 1024 * 1024,
    .inbox_bytes = 64 * 1024 * 1024,
    .ping_interval_ms = 20 * 1000,
    .silence_limit_ms = 60 * 1000,
    .write_limit_ms = 10 * 1000,
    .stream_ping_ms = 15 * 1000,
    .max_clients = 10000,
};

static void badge_free(void *data)
{
    Badge *badge = data;

    explicit_bzero(badge->token, strlen(badge->token));
    g_free(badge->token);
    g_free(badge);
}

static void wake_locked(Hub *hub) REQUIRES(hub->lock)
{
    guint64 one = 1;

    if (hub->is_awake)
        return;
    hub->is_awake = TRUE;
    /* Never blocks: the counter cannot come near its end. */
    if (write(hub->wake_fd, &one, sizeof one) < 0)
        hub->is_awake = FALSE;
}

/* ---- Events come in (emitters' threads) ---- */

/* Ids of connected agents, each once. */
static GPtrArray *agent_ids_dup(Hub *hub)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *ids = g_ptr_array_new_with_free_func(g_free);

    mutex_lock(&hub->lock);
    for (guint i = 0; i < hub->badges->len; i++) {
        const Badge *badge = hub->badges->pdata[i];
        if (!g_hash_table_add(seen, (void *)badge->workspace_id))
            continue;
        g_ptr_array_add(ids, g_strdup(badge->workspace_id));
    }
    mutex_unlock(&hub->lock);
    return ids;
}

/* Who may hear of a removal is decided now: in a moment the chart has forgotten the workspace. */
static void remember_witnesses(Hub *hub, HubMessage *message)
{
    g_autoptr(GPtrArray) ids = agent_ids_dup(hub);

    message->witnesses = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < ids->len; i++) {
        const char *id = ids->pdata[i];
        if (hub->options.may_talk &&
            hub->options.may_talk(id, message->workspace_id, hub->options.data))
            g_ptr_array_add(message->witnesses, g_strdup(id));
    }
}

static void inbox_push(Hub *hub, HubMessage *message)
{
    gsize size = hub_message_size(message);

    mutex_lock(&hub->lock);
    if (hub->is_overrun) {
        /* nobody will get it: all are about to be closed */
    } else if (hub->inbox_bytes + size > hub->options.inbox_bytes && hub->inbox.length > 0) {
        hub->is_overrun = TRUE;
    } else {
        hub->inbox_bytes += size;
        g_queue_push_tail(&hub->inbox, hub_message_ref(message));
    }
    wake_locked(hub);
    mutex_unlock(&hub->lock);
}

static gboolean is_streamed(Hub *hub, const char *workspace_id)
{
    gboolean result;

    mutex_lock(&hub->lock);
    result = g_hash_table_contains(hub->streamed, workspace_id);
    mutex_unlock(&hub->lock);
    return result;
}

static void on_event(const Event *event, void *data)
{
    Hub *hub = data;
    HubMessage *message;

    if (atomic_load(&hub->socket_count) == 0 && atomic_load(&hub->stream_count) == 0)
        return;
    message = hub_message_new(event, is_streamed(hub, event->workspace_id));
    if (message->is_removal)
        remember_witnesses(hub, message);
    inbox_push(hub, message);
    hub_message_unref(message);
}

void hub_listen(Hub *hub, Events *events)
{
    events_listen(events, on_event, hub);
}

/* ---- Clients come in (any thread) ---- */

/* A last word to somebody who cannot be taken in. */
static void refuse_socket(HubSocket *client, guint16 code, const char *reason)
{
    hub_socket_close(client, code, reason, clock_monotonic_us());
    hub_socket_pump(client);
    hub_socket_free(client);
}

static gboolean has_room(Hub *hub)
{
    return (guint)(atomic_load(&hub->socket_count) + atomic_load(&hub->stream_count)) <
           hub->options.max_clients;
}

/* A change of tokens between the look at the credential and now has not closed this socket; so it
 * is done here. */
static gboolean credential_is_stale_locked(Hub *hub, const HubClient *client) REQUIRES(hub->lock)
{
    const gint64 *changed_us = g_hash_table_lookup(hub->changes, client->workspace_id);

    return client->checked_at_us && changed_us && *changed_us >= client->checked_at_us;
}

static Badge *badge_new(const HubClient *client)
{
    Badge *badge = g_new0(Badge, 1);

    g_strlcpy(badge->workspace_id, client->workspace_id, sizeof badge->workspace_id);
    badge->token = g_strdup(client->token ? client->token : "");
    return badge;
}

void hub_add_socket(Hub *hub, int fd, const char *extra, gsize extra_length,
                    void (*release)(void *handle), void *handle, const HubClient *client)
{
    HubSocket *entry =
        hub_socket_new(fd, extra, extra_length, release, handle, client->workspace_id);
    gboolean is_agent = entry->workspace_id[0] != '\0';
    gboolean is_taken = FALSE;
    guint16 code = WEBSOCKET_CLOSE_TRY_AGAIN;

    mutex_lock(&hub->lock);
    if (hub->is_stopping) {
        code = WEBSOCKET_CLOSE_GOING_AWAY;
    } else if (is_agent && credential_is_stale_locked(hub, client)) {
        code = WEBSOCKET_CLOSE_POLICY;
    } else if (has_room(hub)) {
        entry->id = ++hub->next_id;
        if (is_agent) {
            Badge *badge = badge_new(client);
            badge->id = entry->id;
            g_ptr_array_add(hub->badges, badge);
        }
        atomic_fetch_add(&hub->socket_count, 1);
        g_ptr_array_add(hub->new_sockets, entry);
        wake_locked(hub);
        is_taken = TRUE;
    }
    mutex_unlock(&hub->lock);
    if (!is_taken)
        refuse_socket(entry, code, NULL);
}

void hub_add_stream(Hub *hub, HttpStream *stream, const char *workspace_id)
{
    Subscriber *subscriber = g_new0(Subscriber, 1);
    gboolean is_taken = FALSE;

    subscriber->stream = stream;
    g_strlcpy(subscriber->workspace_id, workspace_id, sizeof subscriber->workspace_id);
    mutex_lock(&hub->lock);
    if (!hub->is_stopping && has_room(hub)) {
        guint count = GPOINTER_TO_UINT(g_hash_table_lookup(hub->streamed, workspace_id));
        g_hash_table_replace(hub->streamed, g_strdup(workspace_id), GUINT_TO_POINTER(count + 1));
        atomic_fetch_add(&hub->stream_count, 1);
        g_ptr_array_add(hub->new_streams, subscriber);
        wake_locked(hub);
        is_taken = TRUE;
    }
    mutex_unlock(&hub->lock);
    if (is_taken)
        return;
    http_stream_close(stream, FALSE);
    g_free(subscriber);
}

/* ---- Credentials that end (threads with a database) ---- */

static gboolean change_is_old(void *key, void *value, void *data)
{
    (void)key;
    return *(gint64 *)value < *(gint64 *)data;
}

static void note_change_locked(Hub *hub, const char *workspace_id) REQUIRES(hub->lock)
{
    gint64 *now_us = g_new(gint64, 1);
    gint64 old_us;

    *now_us = clock_monotonic_us();
    old_us = *now_us - CHANGES_KEPT_US;
    g_hash_table_replace(hub->changes, g_strdup(workspace_id), now_us);
    if (g_hash_table_size(hub->changes) > CHANGES_KEPT_MIN)
        g_hash_table_foreach_remove(hub->changes, change_is_old, &old_us);
}

/* Copies of the workspace's badges. */
static GPtrArray *badges_dup(Hub *hub, const char *workspace_id)
{
    GPtrArray *copies = g_ptr_array_new_with_free_func(badge_free);

    mutex_lock(&hub->lock);
    note_change_locked(hub, workspace_id);
    for (guint i = 0; i < hub->badges->len; i++) {
        const Badge *badge = hub->badges->pdata[i];
        Badge *copy;
        if (strcmp(badge->workspace_id, workspace_id) != 0)
            continue;
        copy = g_memdup2(badge, sizeof *badge);
        copy->token = g_strdup(badge->token);
        g_ptr_array_add(copies, copy);
    }
    mutex_unlock(&hub->lock);
    return copies;
}

void hub_workspace_tokens_changed(Hub *hub, const char *workspace_id)
{
    g_autoptr(GPtrArray) badges = badges_dup(hub, workspace_id);
    g_autoptr(GArray) dead = g_array_new(FALSE, FALSE, sizeof(guint64));

    for (guint i = 0; i < badges->len; i++) {
        const Badge *badge = badges->pdata[i];
        gboolean lives = badge->token[0] != '\0' && hub->options.token_lives &&
                         hub->options.token_lives(workspace_id, badge->token, hub->options.data);
        if (!lives)
            g_array_append_val(dead, badge->id);
    }
    if (dead->len == 0)
        return;
    mutex_lock(&hub->lock);
    g_array_append_vals(hub->condemned, dead->data, dead->len);
    wake_locked(hub);
    mutex_unlock(&hub->lock);
}

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

static void run(void *data)
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

/* ---- Start and end ---- */

static HubOptions with_defaults(const HubOptions *given)
{
    HubOptions options = *given;

#define DEFAULT(field_)                                                                            \
    if (!options.field_)                                                                           \
    options.field_ = defaults.field_
    DEFAULT(queue_messages);
    DEFAULT(queue_bytes);
    DEFAULT(inbox_bytes);
    DEFAULT(ping_interval_ms);
    DEFAULT(silence_limit_ms);
    DEFAULT(write_limit_ms);
    DEFAULT(stream_ping_ms);
    DEFAULT(max_clients);
#undef DEFAULT
    return options;
}

Hub *hub_new(const HubOptions *options)
{
    Hub *hub = g_new0(Hub, 1);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    hub->options = with_defaults(options);
    mutex_init(&hub->lock);
    g_queue_init(&hub->inbox);
    hub->new_sockets = g_ptr_array_new();
    hub->new_streams = g_ptr_array_new();
    hub->condemned = g_array_new(FALSE, FALSE, sizeof(guint64));
    hub->badges = g_ptr_array_new_with_free_func(badge_free);
    hub->streamed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    hub->changes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    hub->sockets = g_ptr_array_new();
    hub->subscribers = g_ptr_array_new();
    hub->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    hub->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (hub->epoll_fd < 0 || hub->wake_fd < 0 ||
        epoll_ctl(hub->epoll_fd, EPOLL_CTL_ADD, hub->wake_fd, &event) != 0)
        g_error("hub: %s", g_strerror(errno));
    hub->thread = thread_start("hub", run, hub);
    return hub;
}

void hub_stop(Hub *hub)
{
    gboolean is_first;

    mutex_lock(&hub->lock);
    is_first = !hub->has_stopped;
    hub->is_stopping = hub->has_stopped = TRUE;
    wake_locked(hub);
    mutex_unlock(&hub->lock);
    if (is_first)
        thread_join(g_steal_pointer(&hub->thread));
}

void hub_free(Hub *hub)
{
    if (!hub)
        return;
    hub_stop(hub);
    g_queue_clear_full(&hub->inbox, hub_message_unref);
    g_ptr_array_unref(hub->new_sockets);
    g_ptr_array_unref(hub->new_streams);
    g_array_unref(hub->condemned);
    g_ptr_array_unref(hub->badges);
    g_hash_table_unref(hub->streamed);
    g_hash_table_unref(hub->changes);
    g_ptr_array_unref(hub->sockets);
    g_ptr_array_unref(hub->subscribers);
    close(hub->epoll_fd);
    close(hub->wake_fd);
    mutex_clear(&hub->lock);
    g_free(hub);
}

guint hub_sockets(Hub *hub)
{
    return (guint)atomic_load(&hub->socket_count);
}

guint hub_streams(Hub *hub)
{
    return (guint)atomic_load(&hub->stream_count);
}
