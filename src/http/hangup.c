#include "http/hangup.h"

#include "base/sync.h"
#include "http/exchange.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64

struct _HangupWatch {
    int epoll_fd, wake_fd;
    Mutex lock;          /* guards what follows */
    GHashTable *streams; /* descriptor -> HttpStream, a reference */
    Thread *thread;      /* NULL before the first descriptor */
    gboolean is_stopping;
};

HangupWatch *hangup_watch_new(void)
{
    HangupWatch *watch = g_new0(HangupWatch, 1);

    mutex_init(&watch->lock);
    watch->epoll_fd = watch->wake_fd = -1;
    watch->streams = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)stream_unref);
    return watch;
}

static void report(HangupWatch *watch, int fd)
{
    HttpStream *stream;

    mutex_lock(&watch->lock);
    stream = g_hash_table_lookup(watch->streams, GINT_TO_POINTER(fd));
    if (stream)
        stream_ref(stream);
    mutex_unlock(&watch->lock);
    if (!stream)
        return;
    stream_hung_up(stream);
    stream_unref(stream);
}

static void run(void *data)
{
    HangupWatch *watch = data;
    struct epoll_event events[EVENTS_AT_ONCE];

    for (;;) {
        int count = epoll_wait(watch->epoll_fd, events, EVENTS_AT_ONCE, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == watch->wake_fd)
                return;
            report(watch, events[i].data.fd);
        }
    }
}

static void close_descriptors(HangupWatch *watch)
{
    if (watch->epoll_fd >= 0)
        close(watch->epoll_fd);
    if (watch->wake_fd >= 0)
        close(watch->wake_fd);
    watch->epoll_fd = watch->wake_fd = -1;
}

static void start_locked(HangupWatch *watch) REQUIRES(watch->lock)
{
    struct epoll_event event = {.events = EPOLLIN};

    watch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->epoll_fd < 0 || watch->wake_fd < 0) { /* without it, pings find out */
        close_descriptors(watch);
        return;
    }
    event.data.fd = watch->wake_fd;
    epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, watch->wake_fd, &event);
    watch->thread = thread_start("http-hangups", run, watch);
}

void hangup_watch_add(HangupWatch *watch, int fd, HttpStream *stream)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.fd = fd};

    mutex_lock(&watch->lock);
    if (!watch->thread && !watch->is_stopping)
        start_locked(watch);
    if (watch->thread && epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) {
        stream_ref(stream);
        g_hash_table_insert(watch->streams, GINT_TO_POINTER(fd), stream);
    }
    mutex_unlock(&watch->lock);
}

void hangup_watch_remove(HangupWatch *watch, int fd)
{
    mutex_lock(&watch->lock);
    if (g_hash_table_remove(watch->streams, GINT_TO_POINTER(fd)))
        epoll_ctl(watch->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    mutex_unlock(&watch->lock);
}

void hangup_watch_stop(HangupWatch *watch)
{
    Thread *thread;

    mutex_lock(&watch->lock);
    watch->is_stopping = TRUE;
    thread = g_steal_pointer(&watch->thread);
    mutex_unlock(&watch->lock);
    if (!thread)
        return;
    eventfd_write(watch->wake_fd, 1);
    thread_join(thread);
    mutex_lock(&watch->lock);
    close_descriptors(watch);
    mutex_unlock(&watch->lock);
}

void hangup_watch_free(HangupWatch *watch)
{
    if (!watch)
        return;
    hangup_watch_stop(watch);
    g_hash_table_unref(watch->streams);
    mutex_clear(&watch->lock);
    g_free(watch);
}
