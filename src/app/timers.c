#include "app/timers.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/sync.h"

#define TURN_US CLOCK_SECOND_US /* the thread's own pulse */

typedef struct {
    const char *name;
    gint64 interval_us, due_us;
    void (*work)(void *data);
    void *data;
    atomic_bool is_running;
    Pulse *pulse; /* ticks when a turn of the work itself ends */
} Job;

struct _Timers {
    HttpServer *server;
    GPtrArray *jobs; /* Job, owned; fixed once started */
    Cancel *cancel;
    Thread *thread;
};

static void job_free(void *data)
{
    Job *job = data;

    pulse_free(job->pulse);
    g_free(job);
}

Timers *timers_new(HttpServer *server)
{
    Timers *timers = g_new0(Timers, 1);

    timers->server = server;
    timers->jobs = g_ptr_array_new_with_free_func(job_free);
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
    job->pulse = pulse_new(name, MAX(interval_ms / 1000, 1));
    g_ptr_array_add(timers->jobs, job);
}

static void run_job(void *data)
{
    Job *job = data;

    job->work(job->data);
    pulse_tick(job->pulse);
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
    g_autoptr(Pulse) pulse = pulse_new("timers", TURN_US / CLOCK_SECOND_US);

    while (!cancel_wait_until(timers->cancel, turn(timers)))
        pulse_tick(pulse);
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
