/* Time, behind functions, so that a test can turn it.
 *
 * Wall time is stored and shown, never waited for. Monotonic time is waited for, never stored.
 * All values are microseconds. Thread: any. */
#pragma once

#include <glib.h>

#define CLOCK_SECOND_US G_GINT64_CONSTANT(1000000)
#define CLOCK_MINUTE_US (60 * CLOCK_SECOND_US)
#define CLOCK_HOUR_US   (60 * CLOCK_MINUTE_US)
#define CLOCK_DAY_US    (24 * CLOCK_HOUR_US)

#define CLOCK_TEXT_SIZE 40 /* bytes for clock_format, NUL included */

/* Wall time, microseconds since the epoch, UTC. */
gint64 clock_now_us(void);

/* Monotonic time; its zero means nothing. */
gint64 clock_monotonic_us(void);

/* Turns both clocks forward (tests only; adds up). Waits of base/sync see the jump at their next
 * wake. */
void clock_advance(gint64 forward_us);

/* How long to wait for a program that no test can turn (a database): `limit_us`, or so many times
 * as long as a test whose clock runs fast has said. */
gint64 clock_outside_us(gint64 limit_us);
void clock_set_pace(guint times); /* tests only; 1 at first */

/* RFC 3339 in UTC, up to 6 digits of fraction, trailing zeros dropped: "2026-01-02T03:04:05.678Z".
 * Writes into `text` and returns it. Source: spec 01, section 1. */
char *clock_format(gint64 time_us, char text[CLOCK_TEXT_SIZE]);
