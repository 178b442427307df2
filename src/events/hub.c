/* The hub as other threads see it: events and clients come in, credentials end, it starts and
 * stops. See hub.h. */
#include "base/clock.h"
#include "events/hub_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CHANGES_KEPT_US  CLOCK_MINUTE_US /* a change of tokens is remembered for late comers */
#define CHANGES_KEPT_MIN 1024            /* entries from which on old ones are dropped */

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
    hub->thread = thread_start("hub", hub_thread_run, hub);
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
