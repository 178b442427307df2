/* A bounded queue with threads behind it that run what is put in.
 *
 * Work is an intrusive struct, so queueing allocates nothing. Thread: any, but for new, start, stop
 * and free. */
#pragma once

#include "base/sync.h"

typedef struct _WorkerPool WorkerPool;
typedef struct _PoolWork PoolWork;

/* First member of whatever is queued; `run` frees it. */
struct _PoolWork {
    void (*run)(PoolWork *work);
};

WorkerPool *worker_pool_new(guint workers, guint capacity);
void worker_pool_start(WorkerPool *pool);
/* FALSE when full or stopped: the work stays the caller's. */
G_GNUC_WARN_UNUSED_RESULT gboolean worker_pool_push(WorkerPool *pool, PoolWork *work);
/* Takes no more, runs what is queued, joins the threads. Repeatable. */
void worker_pool_stop(WorkerPool *pool);
void worker_pool_free(WorkerPool *pool); /* stops first; NULL is fine */

guint worker_pool_queued(WorkerPool *pool);
guint worker_pool_capacity(WorkerPool *pool);
guint worker_pool_busy(WorkerPool *pool);
guint worker_pool_size(WorkerPool *pool);
