#include "http/hangup.h"

#include "base/clock.h"
#include "base/sync.h"
#include "http/exchange.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64
#define GRACE_MS       1000 /* for what is still on its way through libmicrohttpd */

struct _WatchedConnection {
    atomic_bool is_busy;
    /* Guarded by the watch's lock. */
    int fd;             /* -1 once forgotten */
    HttpStream *stream; /* a reference */
    gint64 left_us;     /* when the client was seen to leave; 0 before */
};

struct _HangupWatch {
    int epoll_fd;
    Mutex lock;              /* guards what follows, and the connections */
    GHashTable *connections; /* descriptor -> WatchedConnection, borrowed */
    GHashTable *leaving;     /* those of them whose client has left: a set of WatchedConnection */
};

HangupWatch *hangup_watch_new(void)
{
    HangupWatch *watch = g_new0(HangupWatch, 1);

    mutex_init(&watch->lock);
    watch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch->connections = g_hash_table_new(NULL, NULL);
    watch->leaving = g_hash_table_new(NULL, NULL);
    return watch;
}

void hangup_watch_free(HangupWatch *watch)
{
    if (!watch)
        return;
    if (watch->epoll_fd >= 0)
        close(watch->epoll_fd);
    g_hash_table_unref(watch->connections);
    g_hash_table_unref(watch->leaving);
    mutex_clear(&watch->lock);
    g_free(watch);
}

int hangup_watch_fd(HangupWatch *watch)
{
    return watch->epoll_fd;
}

/* ---- The connection's thread ---- */

WatchedConnection *hangup_watch_open(HangupWatch *watch, int fd)
{
    WatchedConnection *connection = g_new0(WatchedConnection, 1);
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.fd = fd};

    mutex_lock(&watch->lock);
    connection->fd = -1;
    if (epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) {
        connection->fd = fd;
        g_hash_table_insert(watch->connections, GINT_TO_POINTER(fd), connection);
    }
    mutex_unlock(&watch->lock);
    return connection;
}

void hangup_watch_forget(HangupWatch *watch, WatchedConnection *connection)
{
    if (!connection)
        return;
    mutex_lock(&watch->lock);
    if (connection->fd >= 0) {
        epoll_ctl(watch->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
        g_hash_table_remove(watch->connections, GINT_TO_POINTER(connection->fd));
        g_hash_table_remove(watch->leaving, connection);
    }
    connection->fd = -1;
    mutex_unlock(&watch->lock);
}

void hangup_watch_close(HangupWatch *watch, WatchedConnection *connection)
{
    hangup_watch_forget(watch, connection);
    g_free(connection);
}

void hangup_watch_set_busy(WatchedConnection *connection, gboolean is_busy)
{
    if (connection)
        atomic_store(&connection->is_busy, is_busy);
}

gboolean hangup_watch_set_stream(HangupWatch *watch, WatchedConnection *connection,
                                 HttpStream *stream)
{
    HttpStream *former;
    gboolean has_left;

    if (!connection)
        return TRUE;
    mutex_lock(&watch->lock);
    former = connection->stream;
    connection->stream = stream;
    if (stream)
        stream_ref(stream);
    has_left = connection->left_us > 0;
    mutex_unlock(&watch->lock);
    if (former)
        stream_unref(former);
    return !has_left;
}

void hangup_watch_end_all(HangupWatch *watch)
{
    GHashTableIter iterator;
    gpointer fd = NULL;

    mutex_lock(&watch->lock);
    g_hash_table_iter_init(&iterator, watch->connections);
    while (g_hash_table_iter_next(&iterator, &fd, NULL))
        shutdown(GPOINTER_TO_INT(fd), SHUT_RDWR);
    mutex_unlock(&watch->lock);
}

/* ---- The watching thread ---- */

/* A descriptor may have been closed and given out anew since the event was read: what counts is how
 * it stands now. */
static gboolean has_left(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLRDHUP};

    return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void note_event(HangupWatch *watch, int fd)
{
    WatchedConnection *connection;
    HttpStream *stream = NULL;

    mutex_lock(&watch->lock);
    connection = g_hash_table_lookup(watch->connections, GINT_TO_POINTER(fd));
    if (connection && has_left(fd)) {
        connection->left_us = clock_monotonic_us();
        g_hash_table_add(watch->leaving, connection);
        stream = connection->stream;
        if (stream)
            stream_ref(stream);
    }
    mutex_unlock(&watch->lock);
    if (!stream)
        return;
    stream_hung_up(stream);
    stream_unref(stream);
}

/* TRUE: done with it. */
static gboolean end_leaver(void *key, void *value, void *data)
{
    WatchedConnection *connection = key;
    gint64 now_us = *(gint64 *)data;

    (void)value;
    if (atomic_load(&connection->is_busy))
        connection->left_us = now_us; /* a second from its answer on */
    if (now_us - connection->left_us < GRACE_MS * 1000)
        return FALSE;
    shutdown(connection->fd, SHUT_RDWR);
    return TRUE;
}

int hangup_watch_turn(HangupWatch *watch)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(watch->epoll_fd, events, EVENTS_AT_ONCE, 0);
    gint64 now_us = clock_monotonic_us();
    guint waiting;

    for (int i = 0; i < count; i++)
        note_event(watch, events[i].data.fd);
    mutex_lock(&watch->lock);
    g_hash_table_foreach_remove(watch->leaving, end_leaver, &now_us);
    waiting = g_hash_table_size(watch->leaving);
    mutex_unlock(&watch->lock);
    return waiting > 0 ? GRACE_MS : -1;
}
