/* One thread that knows whether the engine answers and when the next pass is due (whether it is the
 * one we know: identity.c); and one that listens to its events.
 *
 * A daemon that is down or slow makes its containers unknown, never dead: while it is down the
 * executor is paused, so nothing can be concluded. Three failed pings in a row are "down"; one that
 * succeeds is "up", followed by a full pass. Source: spec 02, section 17.3 A, E, F, G; ARCHITECTURE
 * D17. */
#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "reconcile/internal.h"
#include "reconcile/warm.h"

#include <string.h>

#define PINGS_UNTIL_DOWN    3
#define PING_AGAIN_US       CLOCK_SECOND_US
#define PING_DOWN_US        (2 * CLOCK_SECOND_US)
#define DOWN_LOG_US         CLOCK_MINUTE_US
#define EVENTS_AGAIN_MIN_US CLOCK_SECOND_US /* spec 02, 17.3 F */
#define EVENTS_AGAIN_MAX_US (30 * CLOCK_SECOND_US)

/* ---- Is it there? ---- */

static void set_up(Reconciler *reconciler, gboolean is_up)
{
    gint64 since_us = 0;
    gboolean was_down = FALSE;

    mutex_lock(&reconciler->lock);
    since_us = reconciler->status.engine_down_since_us;
    was_down = since_us != 0;
    reconciler->status.engine_up = is_up;
    if (is_up)
        reconciler->status.engine_down_since_us = 0;
    else if (!was_down)
        reconciler->status.engine_down_since_us = clock_now_us();
    mutex_unlock(&reconciler->lock);
    if (is_up && was_down)
        log_info("the engine answers again",
                 LOG_INT("away_s", (clock_now_us() - since_us) / CLOCK_SECOND_US));
}

static void log_down(Reconciler *reconciler, const GError *cause)
{
    gint64 now_us = clock_monotonic_us();

    if (reconciler->down_logged_us && now_us - reconciler->down_logged_us < DOWN_LOG_US)
        return;
    reconciler->down_logged_us = now_us;
    log_warning("the engine cannot be reached; nothing is started, stopped or concluded",
                LOG_CAUSE(cause));
}

/* TRUE: it answers. */
static gboolean find_engine(Reconciler *reconciler)
{
    for (guint failures = 0; failures < PINGS_UNTIL_DOWN;) {
        g_autoptr(GError) cause = NULL;

        if (engine_ping(reconciler->options.engine, &cause)) {
            set_up(reconciler, TRUE);
            return TRUE;
        }
        if (++failures == PINGS_UNTIL_DOWN) {
            executor_pause(reconciler->executor, TRUE);
            set_up(reconciler, FALSE);
            log_down(reconciler, cause);
        } else if (cancel_wait_until(reconciler->cancel, clock_monotonic_us() + PING_AGAIN_US)) {
            return FALSE;
        }
    }
    return FALSE;
}

/* ---- The watching thread ---- */

typedef enum { DUE_NOTHING, DUE_REVIEW, DUE_SUSPECTS, DUE_PING, DUE_PASS } Due;

/* Waits for the next thing to do. */
static Due wait_due(Reconciler *reconciler, gint64 pass_due_us)
{
    Due due = DUE_NOTHING;

    mutex_lock(&reconciler->lock);
    while (due == DUE_NOTHING && !cancel_fired(reconciler->cancel)) {
        if (reconciler->wants_pass || clock_monotonic_us() >= pass_due_us)
            due = DUE_PASS;
        else if (reconciler->wants_ping)
            due = DUE_PING;
        else if (reconciler->suspects->len > 0)
            due = DUE_SUSPECTS;
        else if (reconciler->wants_review || clock_monotonic_us() >= warm_due_us(reconciler->warm))
            due = DUE_REVIEW;
        else
            condition_wait_until(&reconciler->changed, &reconciler->lock,
                                 MIN(pass_due_us, warm_due_us(reconciler->warm)));
    }
    if (due == DUE_PASS)
        reconciler->wants_pass = FALSE;
    if (due == DUE_PASS || due == DUE_PING)
        reconciler->wants_ping = FALSE;
    reconciler->wants_review = FALSE;
    mutex_unlock(&reconciler->lock);
    return due;
}

/* The gate opens only for an engine that answers and is ours. */
static gboolean open_gate(Reconciler *reconciler)
{
    g_autoptr(GError) cause = NULL;
    gboolean is_known = FALSE;

    if (!reconciler->options.engine) {
        executor_pause(reconciler->executor, FALSE);
        return TRUE;
    }
    if (!find_engine(reconciler))
        return FALSE;
    if (!identity_check(reconciler, &is_known, &cause)) {
        log_warning("the engine's identity is not known yet", LOG_CAUSE(cause));
        return FALSE;
    }
    executor_pause(reconciler->executor, !is_known);
    return is_known;
}

/* Whether it is one that reaps. */
static gboolean begin_pass(Reconciler *reconciler, guint64 *number)
{
    gboolean reaps = FALSE;

    mutex_lock(&reconciler->lock);
    *number = ++reconciler->passes_begun;
    reaps = *number == reconciler->reaping_pass;
    mutex_unlock(&reconciler->lock);
    return reaps;
}

static void note_pass(Reconciler *reconciler, guint64 number, gint64 began_us)
{
    gint64 now_us = clock_monotonic_us();

    mutex_lock(&reconciler->lock);
    reconciler->passes_done = number;
    condition_broadcast(&reconciler->changed);
    reconciler->status.last_pass_us = now_us;
    reconciler->status.pass_duration_us = now_us - began_us;
    mutex_unlock(&reconciler->lock);
}

static gboolean is_held(Reconciler *reconciler)
{
    gboolean is_held = FALSE;

    mutex_lock(&reconciler->lock);
    is_held = reconciler->status.held;
    mutex_unlock(&reconciler->lock);
    return is_held;
}

/* Once, so that who wants to join our containers finds their network before the first of them; each
 * start looks again. */
static void ensure_network(Reconciler *reconciler)
{
    const ReconcilerOptions *options = &reconciler->options;
    g_autoptr(GError) cause = NULL;

    if (!options->engine || reconciler->has_network || engine_is_hosted(options->engine))
        return;
    reconciler->has_network = reconciler_ensure_network(reconciler, &cause);
    if (!reconciler->has_network)
        log_warning("the containers' network cannot be made yet", LOG_CAUSE(cause));
}

#define LEADER "reconcile passes"

/* One server of several does the passes; when it dies, or its session does, the next one that asks.
 * A pass that somebody here waits for is done by any. */
static gboolean leads(Reconciler *reconciler, GError **error)
{
    DbHolds *holds = reconciler->options.holds;
    gboolean kept = TRUE;

    if (!holds)
        reconciler->leads = 1;
    else if (reconciler->leads && !db_holds_is_kept(holds, reconciler->leads, &kept, error))
        return FALSE;
    if (!kept)
        reconciler->leads = 0;
    if (holds && !reconciler->leads && !db_holds_try(holds, LEADER, &reconciler->leads, error))
        return FALSE;
    mutex_lock(&reconciler->lock);
    reconciler->status.leads = reconciler->leads != 0;
    mutex_unlock(&reconciler->lock);
    return TRUE;
}

static gboolean is_awaited(Reconciler *reconciler, guint64 number)
{
    gboolean is_awaited = FALSE;

    mutex_lock(&reconciler->lock);
    is_awaited = number <= reconciler->awaited_pass;
    mutex_unlock(&reconciler->lock);
    return is_awaited;
}

static gboolean pass(Reconciler *reconciler, guint64 *number, GError **error)
{
    gboolean reaps = begin_pass(reconciler, number);

    if (!leads(reconciler, error))
        return FALSE;
    return (!reconciler->leads && !is_awaited(reconciler, *number)) ||
           pass_run(reconciler, reaps, error);
}

/* When to come again, monotonic. */
static gint64 do_pass(Reconciler *reconciler)
{
    gint64 began_us = clock_monotonic_us();
    gint64 interval_us = (gint64)reconciler->options.pass_interval_ms * 1000;
    guint64 number = 0;
    g_autoptr(GError) cause = NULL;

    if (!open_gate(reconciler))
        return clock_monotonic_us() +
               (is_held(reconciler) ? interval_us : MIN(PING_DOWN_US, interval_us));
    ensure_network(reconciler);
    if (pass(reconciler, &number, &cause)) {
        note_pass(reconciler, number, began_us);
        return clock_monotonic_us() + interval_us;
    }
    log_warning("a pass was cut short", LOG_CAUSE(cause));
    return clock_monotonic_us() + MIN(PING_DOWN_US, interval_us);
}

void engine_watch_run(void *data)
{
    Reconciler *reconciler = data;
    g_autoptr(Pulse) pulse =
        pulse_new("reconciler", MAX(reconciler->options.pass_interval_ms / 1000, 1));
    gint64 pass_due_us = 0;

    while (!cancel_fired(reconciler->cancel)) {
        Due due = wait_due(reconciler, pass_due_us);

        pulse_tick(pulse);
        if (reconciler->images)
            images_review(reconciler->images);
        if (due == DUE_PASS)
            pass_due_us = do_pass(reconciler);
        else if (due == DUE_SUSPECTS)
            orphans_look_at_suspects(reconciler);
        else if (due == DUE_PING && !open_gate(reconciler))
            pass_due_us = clock_monotonic_us() + PING_DOWN_US;
        warm_tend(reconciler->warm, due == DUE_PASS);
    }
}

/* ---- Events ---- */

typedef struct {
    Reconciler *reconciler;
    Pulse *pulse;
    gint64 last_us; /* wall time of the last event */
    gboolean was_connected;
} Stream;

/* Between two passes the events keep the figures true. */
static void count_container(Reconciler *reconciler, const EngineEvent *event)
{
    if (event->type == ENGINE_EVENT_DESTROY) {
        sightings_drop(reconciler->sightings, "container", event->container_id);
        sightings_drop(reconciler->sightings, "helper", event->container_id);
    }
    mutex_lock(&reconciler->lock);
    if (event->type == ENGINE_EVENT_CREATE)
        g_hash_table_add(reconciler->containers, g_strdup(event->container_id));
    else if (event->type == ENGINE_EVENT_DESTROY)
        g_hash_table_remove(reconciler->containers, event->container_id);
    mutex_unlock(&reconciler->lock);
}

static void take_event(const EngineEvent *event, void *data)
{
    Stream *stream = data;
    Reconciler *reconciler = stream->reconciler;
    const char *id = event->labels.workspace;

    stream->last_us = MAX(stream->last_us, event->time_us);
    if (event->type == ENGINE_EVENT_CONNECTED) {
        stream->was_connected = TRUE;
        reconciler_want_pass(reconciler);
        return;
    }
    if (g_strcmp0(event->labels.installation, reconciler->options.installation) != 0)
        return;
    count_container(reconciler, event);
    if (event->type == ENGINE_EVENT_CREATE || event->type == ENGINE_EVENT_START)
        orphans_suspect(reconciler, event);
    if (!id || strlen(id) != ID_SIZE - 1)
        return;
    if (event->type == ENGINE_EVENT_DIE &&
        watch_note_death(reconciler->watch, id, event->container_id, event->exit_code))
        executor_poke(reconciler->executor, id);
    else if (event->type == ENGINE_EVENT_OUT_OF_MEMORY)
        watch_note_out_of_memory(reconciler->watch, id, event->container_id);
    else if (event->type == ENGINE_EVENT_HEALTH)
        executor_poke(reconciler->executor, id);
    else if (event->type == ENGINE_EVENT_START || event->type == ENGINE_EVENT_DESTROY)
        executor_poke_idle(reconciler->executor, id);
}

static void note_event(const EngineEvent *event, void *data)
{
    Stream *stream = data;

    pulse_tick(stream->pulse);
    take_event(event, data);
    pulse_rest(stream->pulse);
}

void engine_events_run(void *data)
{
    Reconciler *reconciler = data;
    g_autoptr(Pulse) pulse = pulse_new("engine-events", EVENTS_AGAIN_MAX_US / CLOCK_SECOND_US);
    Stream stream = {.reconciler = reconciler, .pulse = pulse};
    gint64 wait_us = EVENTS_AGAIN_MIN_US;

    while (!cancel_fired(reconciler->cancel)) {
        g_autoptr(GError) cause = NULL;

        stream.was_connected = FALSE;
        pulse_rest(pulse); /* an idle engine says nothing; its driver sees a dead connection */
        if (!engine_events(reconciler->options.engine, reconciler->options.installation,
                           stream.last_us, reconciler->cancel, note_event, &stream, &cause))
            log_debug("the engine's events broke off", LOG_CAUSE(cause));
        pulse_tick(pulse);
        wait_us =
            stream.was_connected ? EVENTS_AGAIN_MIN_US : MIN(wait_us * 2, EVENTS_AGAIN_MAX_US);
        cancel_wait_until(reconciler->cancel, clock_monotonic_us() + wait_us);
    }
}
