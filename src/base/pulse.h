/* Signs of life of the program's loops.
 *
 * Each loop owns a pulse and gives it a tick from within itself, once a turn, so that a stuck loop
 * is seen; nobody ticks for another. A loop that waits for work of unknown time rests while it
 * waits. The list of all pulses is the whole program's. Source: spec 02, section 7. Thread: any;
 * the lock is a leaf (place 6 in base/sync.h). */
#pragma once

#include <glib.h>

typedef struct _Pulse Pulse;

/* The beginning of a loop, and its first tick. `interval_s`: how long one turn may take at most.
 * Names may repeat: then the list shows the one that is worst off. */
Pulse *pulse_new(const char *name, guint interval_s);
void pulse_free(Pulse *pulse); /* the loop ended; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pulse, pulse_free)

void pulse_tick(Pulse *pulse); /* a turn begins */
void pulse_rest(Pulse *pulse); /* a turn ended; until the next tick it waits for work */

typedef struct {
    char *name;
    gint64 tick_us; /* monotonic */
    guint interval_s;
    gboolean is_resting;
    gboolean is_healthy;
} PulseReading;

/* All of them, by name. GPtrArray of PulseReading, owned. */
GPtrArray *pulse_readings(void);
