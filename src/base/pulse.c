#include "base/pulse.h"

#include "base/clock.h"
#include "base/sync.h"

#include <string.h>

/* A loop counts as stuck when it missed its turn three times over, and a little: clocks and loaded
 * machines are not exact. */
#define MISSED_TURNS 3
#define GRACE_S      5

struct _Pulse {
    char *name;
    guint interval_s;
    _Atomic gint64 tick_us;
    atomic_bool is_resting;
};

static Mutex lock = {PTHREAD_MUTEX_INITIALIZER};
static GPtrArray *pulses GUARDED_BY(lock); /* Pulse, borrowed; NULL: none yet */

Pulse *pulse_new(const char *name, guint interval_s)
{
    Pulse *pulse = g_new0(Pulse, 1);

    pulse->name = g_strdup(name);
    pulse->interval_s = interval_s;
    pulse_tick(pulse);
    mutex_lock(&lock);
    if (!pulses)
        pulses = g_ptr_array_new();
    g_ptr_array_add(pulses, pulse);
    mutex_unlock(&lock);
    return pulse;
}

void pulse_free(Pulse *pulse)
{
    if (!pulse)
        return;
    mutex_lock(&lock);
    g_ptr_array_remove_fast(pulses, pulse);
    if (pulses->len == 0)
        g_clear_pointer(&pulses, g_ptr_array_unref);
    mutex_unlock(&lock);
    g_free(pulse->name);
    g_free(pulse);
}

void pulse_tick(Pulse *pulse)
{
    atomic_store(&pulse->tick_us, clock_monotonic_us());
    atomic_store(&pulse->is_resting, FALSE);
}

void pulse_rest(Pulse *pulse)
{
    atomic_store(&pulse->tick_us, clock_monotonic_us());
    atomic_store(&pulse->is_resting, TRUE);
}

/* ---- Reading ---- */

static void reading_free(void *data)
{
    PulseReading *reading = data;

    g_free(reading->name);
    g_free(reading);
}

static PulseReading *read_pulse(const Pulse *pulse, gint64 now_us)
{
    PulseReading *reading = g_new0(PulseReading, 1);
    gint64 allowed_us = ((gint64)pulse->interval_s * MISSED_TURNS + GRACE_S) * CLOCK_SECOND_US;

    reading->name = g_strdup(pulse->name);
    reading->interval_s = pulse->interval_s;
    /* In this order: a tick that comes between the two makes it look younger, never older. */
    reading->is_resting = atomic_load(&pulse->is_resting);
    reading->tick_us = atomic_load(&pulse->tick_us);
    reading->is_healthy = reading->is_resting || now_us - reading->tick_us <= allowed_us;
    return reading;
}

/* By name; of one name the sick one first, then the oldest tick. */
static int compare(gconstpointer a, gconstpointer b)
{
    const PulseReading *left = *(const PulseReading *const *)a;
    const PulseReading *right = *(const PulseReading *const *)b;
    int order = strcmp(left->name, right->name);

    if (order == 0)
        order = (left->is_healthy ? 1 : 0) - (right->is_healthy ? 1 : 0);
    return order ? order : (left->tick_us > right->tick_us) - (left->tick_us < right->tick_us);
}

static void keep_first_of_each_name(GPtrArray *readings)
{
    for (guint i = 1; i < readings->len;) {
        const PulseReading *before = readings->pdata[i - 1];
        const PulseReading *reading = readings->pdata[i];
        if (strcmp(before->name, reading->name) == 0)
            g_ptr_array_remove_index(readings, i);
        else
            i++;
    }
}

GPtrArray *pulse_readings(void)
{
    GPtrArray *readings = g_ptr_array_new_with_free_func(reading_free);
    gint64 now_us = clock_monotonic_us();

    mutex_lock(&lock);
    for (guint i = 0; pulses && i < pulses->len; i++)
        g_ptr_array_add(readings, read_pulse(pulses->pdata[i], now_us));
    mutex_unlock(&lock);
    g_ptr_array_sort(readings, compare);
    keep_first_of_each_name(readings);
    return readings;
}
