#include "app/timers.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sync.h"

#define TURN_US CLOCK_SECOND_US /* the thread's own pulse, for /admin/liveness */

typedef struct {
    const char *name;
    gint64 interval_us, due_us;
    void (*work)(void *data);
    void *data;
    atomic_bool is_running;
} Job;

struct _Timers {
    HttpServer *server;
    GPtrArray *jobs; /* Job, owned; fixed once started */
    Cancel *cancel;
    Thread *thread;
    atomic_llong tick_us;
};

Timers *timers_new(HttpServer *server)
{
    Timers *timers = g_new0(Timers, 1);

    timers->server = server;
    timers->jobs = g_ptr_array_new_with_free_func(g_free);
    timers->cancel = cancel_new();
    return timers;
}

void timers_add(Timers *timers, const char *name, guint interval_ms, void (*work)(void *data),
                void *data)
{
    Job *job = g_new0(Job, 1);

    job->name = name;
    job->interval_us = (gint64)interval_ms * 1000;
    job->work = work;
    job->data = data;
    g_ptr_array_add(timers->jobs, job);
}

static void run_job(void *data)
{
    Job *job = data;

    job->work(job->data);
    atomic_store(&job->is_running, FALSE);
}

static void hand_out(Timers *timers, Job *job)
{
    _Bool expected = 0;

    if (!atomic_compare_exchange_strong(&job->is_running, &expected, TRUE))
        return; /* the last turn still runs */
    if (http_server_post(timers->server, run_job, job))
        return;
    atomic_store(&job->is_running, FALSE);
    log_warning("periodic work waits for a worker", LOG_TEXT("job", job->name));
}

/* Hands out what is due; gives the moment of the next turn. */
static gint64 turn(Timers *timers)
{
    gint64 now_us = clock_monotonic_us();
    gint64 next_us = now_us + TURN_US;

    atomic_store(&timers->tick_us, now_us);
    for (guint i = 0; i < timers->jobs->len; i++) {
        Job *job = timers->jobs->pdata[i];
        if (job->due_us <= now_us) {
            hand_out(timers, job);
            job->due_us = now_us + job->interval_us;
        }
        next_us = MIN(next_us, job->due_us);
    }
    return next_us;
}

static void run(void *data)
{
    Timers *timers = data;

    while (!cancel_wait_until(timers->cancel, turn(timers)))
        continue;
}

void timers_start(Timers *timers)
{
    for (guint i = 0; i < timers->jobs->len; i++) {
        Job *job = timers->jobs->pdata[i];
        job->due_us = clock_monotonic_us() + job->interval_us;
    }
    timers->thread = thread_start("timers", run, timers);
}

void timers_stop(Timers *timers)
{
    cancel_fire(timers->cancel);
    thread_join(g_steal_pointer(&timers->thread));
}

void timers_free(Timers *timers)
{
    if (!timers)
        return;
    timers_stop(timers);
    cancel_unref(timers->cancel);
    g_ptr_array_unref(timers->jobs);
    g_free(timers);
}

atomic_llong *timers_tick_us(Timers *timers)
{
    return &timers->tick_us;
}
