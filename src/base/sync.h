/* Locks, conditions, threads, counters and cancellation, on pthread and C11 atomics.
 *
 * GLib's own (GMutex, GAsyncQueue, GThreadPool, atomic boxes) are invisible to ThreadSanitizer, so
 * the server uses these. Lock types carry clang's annotations: with REQUIRES(hub->lock) on a
 * function, -Wthread-safety finds a missing lock while compiling.
 *
 * The order of locks, outermost first; a thread that holds one may take only those below it:
 *   0 order of events    1 reconcile executor    2 a2a proxy, then its forwards    3 org tree
 *   4 token cache    5 hub    6 queues, pools
 * A lock guards memory, not work: no I/O, SQL, call-back, engine call or log line while it is held.
 */
#pragma once

#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>

#if defined(__clang__)
#define SYNC_ATTRIBUTE(x) __attribute__((x))
#else
#define SYNC_ATTRIBUTE(x)
#endif
#define CAPABILITY(x)  SYNC_ATTRIBUTE(capability(x))
#define GUARDED_BY(x)  SYNC_ATTRIBUTE(guarded_by(x))
#define REQUIRES(...)  SYNC_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define ACQUIRES(...)  SYNC_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define RELEASES(...)  SYNC_ATTRIBUTE(release_capability(__VA_ARGS__))
#define UNCHECKED_SYNC SYNC_ATTRIBUTE(no_thread_safety_analysis)

/* ---- Mutex and condition ---- */

typedef struct CAPABILITY("mutex") {
    pthread_mutex_t handle;
} Mutex;

typedef struct {
    pthread_cond_t handle; /* waits on the monotonic clock */
} Condition;

void mutex_init(Mutex *mutex);
void mutex_clear(Mutex *mutex);
void mutex_lock(Mutex *mutex) ACQUIRES(*mutex);
void mutex_unlock(Mutex *mutex) RELEASES(*mutex);

void condition_init(Condition *condition);
void condition_clear(Condition *condition);
void condition_signal(Condition *condition);
void condition_broadcast(Condition *condition);
/* Waits until signalled or until the monotonic clock (base/clock) shows `deadline_us`; G_MAXINT64
 * waits for ever. FALSE when the deadline passed. May wake early: check your condition in a loop.
 */
gboolean condition_wait_until(Condition *condition, Mutex *mutex, gint64 deadline_us)
    REQUIRES(*mutex);

/* ---- Threads ---- */

typedef struct _Thread Thread;
typedef void (*ThreadFunction)(void *data);

/* Starts a named thread (at most 15 characters) with a small stack (512 KiB). Aborts on failure:
 * the server cannot work without its threads, and they are all started at boot. */
Thread *thread_start(const char *name, ThreadFunction function, void *data);
/* Waits for its end and frees it. NULL is fine. */
void thread_join(Thread *thread);

/* ---- Reference counts ---- */

typedef struct {
    atomic_int value;
} RefCount;

void ref_init(RefCount *count); /* starts at 1 */
void ref_take(RefCount *count);
/* TRUE when this was the last reference: the caller frees now. */
G_GNUC_WARN_UNUSED_RESULT gboolean ref_drop(RefCount *count);

/* ---- Cancellation: a flag that also wakes poll(2) ---- */

typedef struct _Cancel Cancel;

Cancel *cancel_new(void);
Cancel *cancel_ref(Cancel *cancel);
void cancel_unref(Cancel *cancel);     /* NULL is fine */
void cancel_fire(Cancel *cancel);      /* repeatable; any thread */
gboolean cancel_fired(Cancel *cancel); /* NULL was never fired */
/* Readable for ever once fired; owned by `cancel`. */
int cancel_fd(Cancel *cancel);
/* Sleeps until fired or the deadline on the monotonic clock. TRUE when fired. */
gboolean cancel_wait_until(Cancel *cancel, gint64 deadline_us);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cancel, cancel_unref)

/* ---- A bounded queue of pointers ---- */

typedef struct _Queue Queue;

/* `capacity` items at most. `free_item` releases what is left at queue_free; may be NULL. */
Queue *queue_new(guint capacity, GDestroyNotify free_item);
void queue_free(Queue *queue); /* NULL is fine; nobody may be waiting */
/* Moves `item` in. FALSE when full or closed: the caller still owns it. Refusals are counted. */
G_GNUC_WARN_UNUSED_RESULT gboolean queue_push(Queue *queue, void *item);
/* Takes the oldest; waits until one comes, the deadline passes (NULL) or the queue is closed and
 * empty (NULL). */
void *queue_pop(Queue *queue, gint64 deadline_us);
/* No more pushes; poppers drain what is there, then get NULL at once. */
void queue_close(Queue *queue);
guint queue_length(Queue *queue);
guint64 queue_refusals(Queue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Queue, queue_free)
