#include "http/worker_pool.h"

#include "base/pulse.h"

#define HANDLER_MAX_S                                                                              \
    60 /* handlers wait for nobody; the longest is a delete, or a call to GitHub */

struct _WorkerPool {
    Queue *queue;
    guint size, capacity;
    Thread *
        *threads; /* NULL before start and after stop; owner: the thread that starts and stops */
    atomic_uint busy;
};

static void work(void *data)
{
    WorkerPool *pool = data;
    g_autoptr(Pulse) pulse = pulse_new("http-workers", HANDLER_MAX_S);
    PoolWork *next;

    pulse_rest(pulse);
    while ((next = queue_pop(pool->queue, G_MAXINT64))) {
        pulse_tick(pulse);
        atomic_fetch_add(&pool->busy, 1);
        next->run(next);
        atomic_fetch_sub(&pool->busy, 1);
        pulse_rest(pulse);
    }
}

WorkerPool *worker_pool_new(guint workers, guint capacity)
{
    WorkerPool *pool = g_new0(WorkerPool, 1);

    g_assert(workers > 0);
    pool->queue = queue_new(capacity, NULL);
    pool->size = workers;
    pool->capacity = capacity;
    return pool;
}

void worker_pool_start(WorkerPool *pool)
{
    g_return_if_fail(!pool->threads);
    pool->threads = g_new0(Thread *, pool->size);
    for (guint i = 0; i < pool->size; i++) {
        char name[16];
        g_snprintf(name, sizeof name, "worker-%u", i);
        pool->threads[i] = thread_start(name, work, pool);
    }
}

gboolean worker_pool_push(WorkerPool *pool, PoolWork *next)
{
    return queue_push(pool->queue, next);
}

/* What was queued before the first thread started is run here, so that nothing is lost. */
static void run_leftovers(WorkerPool *pool)
{
    PoolWork *next;

    while ((next = queue_pop(pool->queue, 0)))
        next->run(next);
}

void worker_pool_stop(WorkerPool *pool)
{
    queue_close(pool->queue);
    for (guint i = 0; pool->threads && i < pool->size; i++)
        thread_join(pool->threads[i]);
    g_clear_pointer(&pool->threads, g_free);
    run_leftovers(pool);
}

void worker_pool_free(WorkerPool *pool)
{
    if (!pool)
        return;
    worker_pool_stop(pool);
    queue_free(pool->queue);
    g_free(pool);
}

guint worker_pool_queued(WorkerPool *pool)
{
    return queue_length(pool->queue);
}

guint worker_pool_capacity(WorkerPool *pool)
{
    return pool->capacity;
}

guint worker_pool_busy(WorkerPool *pool)
{
    return atomic_load(&pool->busy);
}

guint worker_pool_size(WorkerPool *pool)
{
    return pool->size;
}
