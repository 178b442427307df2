#include "a2a/parking.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/pulse.h"
#include "base/sync.h"

#include <string.h>

#define LOOK_US    (200 * 1000) /* how often clients that went away are looked for */
#define TURN_MAX_S 5            /* of letting go whose wait is over */

typedef struct {
    char id[ID_SIZE];
    void *entry;
    gint64 until_us;
    gboolean is_over;
    ParkingEnd end; /* when it is over */
} Spot;

struct _Parking {
    ParkingOptions options; /* constant */
    Thread *thread;
    atomic_uint count; /* of spots: events look no further while it is 0 */
    Mutex lock;        /* guards what follows; only the thread takes spots out */
    Condition changed;
    GPtrArray *spots; /* Spot, owned */
    gboolean is_stopping;
};

/* ---- The thread ---- */

static void end_spot(Spot *spot, ParkingEnd end)
{
    if (spot->is_over)
        return;
    spot->is_over = TRUE;
    spot->end = end;
}

/* Takes out what is over. */
static GPtrArray *take_over_locked(Parking *parking, gint64 now_us) REQUIRES(parking->lock)
{
    GPtrArray *over = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < parking->spots->len;) {
        Spot *spot = parking->spots->pdata[i];

        if (parking->is_stopping)
            end_spot(spot, PARKING_STOPPED);
        else if (spot->until_us <= now_us)
            end_spot(spot, PARKING_EXPIRED);
        if (spot->is_over)
            g_ptr_array_add(over, g_ptr_array_steal_index(parking->spots, i)); /* keeps the order */
        else
            i++;
    }
    atomic_fetch_sub(&parking->count, over->len);
    return over;
}

static gint64 next_look_us_locked(const Parking *parking, gint64 now_us) REQUIRES(parking->lock)
{
    gint64 next_us = parking->spots->len > 0 ? now_us + LOOK_US : G_MAXINT64;

    for (guint i = 0; i < parking->spots->len; i++)
        next_us = MIN(next_us, ((const Spot *)parking->spots->pdata[i])->until_us);
    return next_us;
}

static gboolean has_work_locked(const Parking *parking) REQUIRES(parking->lock)
{
    for (guint i = 0; i < parking->spots->len; i++)
        if (((const Spot *)parking->spots->pdata[i])->is_over)
            return TRUE;
    return parking->is_stopping;
}

/* The spots stay: nobody else takes them out. */
static void find_left(Parking *parking)
{
    g_autoptr(GPtrArray) spots = g_ptr_array_new();
    g_autoptr(GPtrArray) left = g_ptr_array_new();

    mutex_lock(&parking->lock);
    for (guint i = 0; i < parking->spots->len; i++)
        g_ptr_array_add(spots, parking->spots->pdata[i]);
    mutex_unlock(&parking->lock);
    for (guint i = 0; i < spots->len; i++)
        if (parking->options.has_left(((const Spot *)spots->pdata[i])->entry))
            g_ptr_array_add(left, spots->pdata[i]);
    mutex_lock(&parking->lock);
    for (guint i = 0; i < left->len; i++)
        end_spot(left->pdata[i], PARKING_LEFT);
    mutex_unlock(&parking->lock);
}

/* Waits for something to do. FALSE: the parking stops. */
static gboolean wait_turn(Parking *parking, GPtrArray **over)
{
    gint64 until_us = 0;
    gboolean goes_on = TRUE;

    mutex_lock(&parking->lock);
    until_us = next_look_us_locked(parking, clock_monotonic_us());
    while (!has_work_locked(parking)) {
        if (!condition_wait_until(&parking->changed, &parking->lock, until_us))
            break;
        until_us = MIN(until_us, next_look_us_locked(parking, clock_monotonic_us()));
    }
    *over = take_over_locked(parking, clock_monotonic_us());
    goes_on = !parking->is_stopping;
    mutex_unlock(&parking->lock);
    return goes_on;
}

static void release_all(Parking *parking, GPtrArray *over)
{
    for (guint i = 0; i < over->len; i++) {
        const Spot *spot = over->pdata[i];
        parking->options.release(spot->entry, spot->end, parking->options.data);
    }
    g_ptr_array_unref(over);
}

static void run(void *data)
{
    Parking *parking = data;
    g_autoptr(Pulse) pulse = pulse_new("message-parking", TURN_MAX_S);
    GPtrArray *over = NULL;
    gboolean goes_on = TRUE;

    while (goes_on) {
        pulse_rest(pulse);
        goes_on = wait_turn(parking, &over);
        pulse_tick(pulse);
        release_all(parking, over);
        find_left(parking);
    }
}

/* ---- Events ---- */

static gboolean decides(const char *type)
{
    static const char *const types[] = {"WORKSPACE_ONLINE", "WORKSPACE_PROVISION_FAILED",
                                        "WORKSPACE_PAUSED", "WORKSPACE_HIBERNATED",
                                        "WORKSPACE_REMOVED"};

    for (guint i = 0; i < G_N_ELEMENTS(types); i++)
        if (strcmp(type, types[i]) == 0)
            return TRUE;
    return FALSE;
}

void parking_decide(Parking *parking, const char *workspace_id)
{
    if (atomic_load(&parking->count) == 0)
        return;
    mutex_lock(&parking->lock);
    for (guint i = 0; i < parking->spots->len; i++) {
        Spot *spot = parking->spots->pdata[i];
        if (strcmp(spot->id, workspace_id) == 0)
            end_spot(spot, PARKING_DECIDED);
    }
    condition_broadcast(&parking->changed);
    mutex_unlock(&parking->lock);
}

static void note(const Event *event, void *data)
{
    if (decides(event->type))
        parking_decide(data, event->workspace_id);
}

/* ---- From outside ---- */

gboolean parking_enter(Parking *parking, const char *workspace_id, void *entry, gint64 until_us)
{
    gboolean enters = FALSE;

    mutex_lock(&parking->lock);
    enters = !parking->is_stopping && parking->spots->len < parking->options.capacity;
    if (enters) {
        Spot *spot = g_new0(Spot, 1);
        g_strlcpy(spot->id, workspace_id, ID_SIZE);
        spot->entry = entry;
        spot->until_us = until_us;
        g_ptr_array_add(parking->spots, spot);
        atomic_fetch_add(&parking->count, 1);
        condition_broadcast(&parking->changed);
    }
    mutex_unlock(&parking->lock);
    return enters;
}

gboolean parking_has(Parking *parking, const char *workspace_id)
{
    gboolean has = FALSE;

    if (atomic_load(&parking->count) == 0)
        return FALSE;
    mutex_lock(&parking->lock);
    for (guint i = 0; i < parking->spots->len && !has; i++)
        has = strcmp(((const Spot *)parking->spots->pdata[i])->id, workspace_id) == 0;
    mutex_unlock(&parking->lock);
    return has;
}

guint parking_count(Parking *parking)
{
    return atomic_load(&parking->count);
}

/* ---- Life ---- */

Parking *parking_new(const ParkingOptions *options, Events *events)
{
    Parking *parking = g_new0(Parking, 1);

    parking->options = *options;
    mutex_init(&parking->lock);
    condition_init(&parking->changed);
    parking->spots = g_ptr_array_new_with_free_func(g_free);
    events_listen(events, note, parking);
    parking->thread = thread_start("a2a-parking", run, parking);
    return parking;
}

void parking_stop(Parking *parking)
{
    mutex_lock(&parking->lock);
    parking->is_stopping = TRUE;
    condition_broadcast(&parking->changed);
    mutex_unlock(&parking->lock);
    thread_join(g_steal_pointer(&parking->thread));
}

void parking_free(Parking *parking)
{
    if (!parking)
        return;
    parking_stop(parking);
    g_ptr_array_unref(parking->spots);
    condition_clear(&parking->changed);
    mutex_clear(&parking->lock);
    g_free(parking);
}
