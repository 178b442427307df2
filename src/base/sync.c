#include "base/sync.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define THREAD_STACK_BYTES (512 * 1024)
/* A wait looks at the clock at least this often, so that a test's clock_advance is seen. */
#define LONGEST_SLEEP_US (200 * 1000)

/* ---- Mutex and condition ---- */

static void check(int result, const char *what)
{
    if (result != 0)
        g_error("%s: %s", what, g_strerror(result));
}

void mutex_init(Mutex *mutex)
{
    check(pthread_mutex_init(&mutex->handle, NULL), "pthread_mutex_init");
}

void mutex_clear(Mutex *mutex)
{
    check(pthread_mutex_destroy(&mutex->handle), "pthread_mutex_destroy");
}

void mutex_lock(Mutex *mutex) UNCHECKED_SYNC
{
    check(pthread_mutex_lock(&mutex->handle), "pthread_mutex_lock");
}

void mutex_unlock(Mutex *mutex) UNCHECKED_SYNC
{
    check(pthread_mutex_unlock(&mutex->handle), "pthread_mutex_unlock");
}

void condition_init(Condition *condition)
{
    pthread_condattr_t attributes;

    check(pthread_condattr_init(&attributes), "pthread_condattr_init");
    check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC), "pthread_condattr_setclock");
    check(pthread_cond_init(&condition->handle, &attributes), "pthread_cond_init");
    pthread_condattr_destroy(&attributes);
}

void condition_clear(Condition *condition)
{
    check(pthread_cond_destroy(&condition->handle), "pthread_cond_destroy");
}

void condition_signal(Condition *condition)
{
    check(pthread_cond_signal(&condition->handle), "pthread_cond_signal");
}

void condition_broadcast(Condition *condition)
{
    check(pthread_cond_broadcast(&condition->handle), "pthread_cond_broadcast");
}

gboolean condition_wait_until(Condition *condition, Mutex *mutex, gint64 deadline_us)
{
    gint64 left;
    struct timespec until;
    int result;

    if (deadline_us == G_MAXINT64) {
        check(pthread_cond_wait(&condition->handle, &mutex->handle), "pthread_cond_wait");
        return TRUE;
    }
    left = deadline_us - clock_monotonic_us();
    if (left <= 0)
        return FALSE;
    /* The real clock, not the turned one: pthread knows no other. */
    clock_gettime(CLOCK_MONOTONIC, &until);
    left = MIN(left, LONGEST_SLEEP_US);
    until.tv_sec += (time_t)(left / CLOCK_SECOND_US);
    until.tv_nsec += (long)(left % CLOCK_SECOND_US) * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    result = pthread_cond_timedwait(&condition->handle, &mutex->handle, &until);
    if (result != 0 && result != ETIMEDOUT)
        check(result, "pthread_cond_timedwait");
    return clock_monotonic_us() < deadline_us;
}

/* ---- Threads ---- */

struct _Thread {
    pthread_t handle;
    ThreadFunction function;
    void *data;
    char name[16];
};

static void *run_thread(void *data)
{
    Thread *thread = data;

    pthread_setname_np(pthread_self(), thread->name);
    thread->function(thread->data);
    return NULL;
}

Thread *thread_start(const char *name, ThreadFunction function, void *data)
{
    Thread *thread = g_new0(Thread, 1);
    pthread_attr_t attributes;

    thread->function = function;
    thread->data = data;
    g_strlcpy(thread->name, name, sizeof thread->name);
    check(pthread_attr_init(&attributes), "pthread_attr_init");
    check(pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES), "pthread_attr_setstacksize");
    check(pthread_create(&thread->handle, &attributes, run_thread, thread), "pthread_create");
    pthread_attr_destroy(&attributes);
    return thread;
}

void thread_join(Thread *thread)
{
    if (!thread)
        return;
    check(pthread_join(thread->handle, NULL), "pthread_join");
    g_free(thread);
}

/* ---- Reference counts ---- */

void ref_init(RefCount *count)
{
    atomic_init(&count->value, 1);
}

void ref_take(RefCount *count)
{
    int before = atomic_fetch_add_explicit(&count->value, 1, memory_order_relaxed);
    g_assert(before > 0);
}

gboolean ref_drop(RefCount *count)
{
    int before = atomic_fetch_sub_explicit(&count->value, 1, memory_order_acq_rel);
    g_assert(before > 0);
    return before == 1;
}

/* ---- Cancellation ---- */

struct _Cancel {
    RefCount references;
    atomic_bool fired;
    int fd;
};

Cancel *cancel_new(void)
{
    Cancel *cancel = g_new0(Cancel, 1);

    ref_init(&cancel->references);
    cancel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cancel->fd < 0)
        g_error("eventfd: %s", g_strerror(errno));
    return cancel;
}

Cancel *cancel_ref(Cancel *cancel)
{
    ref_take(&cancel->references);
    return cancel;
}

void cancel_unref(Cancel *cancel)
{
    if (!cancel || !ref_drop(&cancel->references))
        return;
    close(cancel->fd);
    g_free(cancel);
}

void cancel_fire(Cancel *cancel)
{
    guint64 one = 1;

    atomic_store(&cancel->fired, TRUE);
    /* Cannot fail in a way that matters: a full counter is readable, too. */
    if (write(cancel->fd, &one, sizeof one) < 0)
        return;
}

gboolean cancel_fired(Cancel *cancel)
{
    return cancel && atomic_load(&cancel->fired);
}

int cancel_fd(Cancel *cancel)
{
    return cancel->fd;
}

gboolean cancel_wait_until(Cancel *cancel, gint64 deadline_us)
{
    while (!cancel_fired(cancel)) {
        struct pollfd watch = {.fd = cancel->fd, .events = POLLIN};
        gint64 left = deadline_us - clock_monotonic_us();
        if (left <= 0)
            return FALSE;
        poll(&watch, 1, (int)((MIN(left, LONGEST_SLEEP_US) + 999) / 1000));
    }
    return TRUE;
}

/* ---- Queue ---- */

struct _Queue {
    guint capacity;
    GDestroyNotify free_item;

    Mutex lock; /* guards what follows (clang cannot read GUARDED_BY on a member in C) */
    Condition ready;
    void **ring;
    guint head, length;
    gboolean closed;
    guint64 refusals;
};

Queue *queue_new(guint capacity, GDestroyNotify free_item)
{
    Queue *queue = g_new0(Queue, 1);

    g_assert(capacity > 0);
    mutex_init(&queue->lock);
    condition_init(&queue->ready);
    queue->ring = g_new0(void *, capacity);
    queue->capacity = capacity;
    queue->free_item = free_item;
    return queue;
}

void queue_free(Queue *queue) UNCHECKED_SYNC
{
    if (!queue)
        return;
    while (queue->length > 0 && queue->free_item) {
        queue->free_item(queue->ring[queue->head]);
        queue->head = (queue->head + 1) % queue->capacity;
        queue->length--;
    }
    condition_clear(&queue->ready);
    mutex_clear(&queue->lock);
    g_free(queue->ring);
    g_free(queue);
}

gboolean queue_push(Queue *queue, void *item)
{
    gboolean taken;

    mutex_lock(&queue->lock);
    taken = !queue->closed && queue->length < queue->capacity;
    if (taken) {
        queue->ring[(queue->head + queue->length) % queue->capacity] = item;
        queue->length++;
    } else {
        queue->refusals++;
    }
    mutex_unlock(&queue->lock);
    if (taken)
        condition_signal(&queue->ready);
    return taken;
}

void *queue_pop(Queue *queue, gint64 deadline_us)
{
    void *item = NULL;

    mutex_lock(&queue->lock);
    while (queue->length == 0 && !queue->closed)
        if (!condition_wait_until(&queue->ready, &queue->lock, deadline_us))
            break;
    if (queue->length > 0) {
        item = queue->ring[queue->head];
        queue->head = (queue->head + 1) % queue->capacity;
        queue->length--;
    }
    mutex_unlock(&queue->lock);
    return item;
}

void queue_close(Queue *queue)
{
    mutex_lock(&queue->lock);
    queue->closed = TRUE;
    mutex_unlock(&queue->lock);
    condition_broadcast(&queue->ready);
}

guint queue_length(Queue *queue)
{
    guint length;

    mutex_lock(&queue->lock);
    length = queue->length;
    mutex_unlock(&queue->lock);
    return length;
}

guint64 queue_refusals(Queue *queue)
{
    guint64 refusals;

    mutex_lock(&queue->lock);
    refusals = queue->refusals;
    mutex_unlock(&queue->lock);
    return refusals;
}
