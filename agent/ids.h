/* Identifiers and times as the A2A protocol writes them, and the clock that waits are measured
 * with. */
#pragma once

#include <stdint.h>

#define ID_BYTES        37 /* 36 characters of a UUID and the end */
#define TIMESTAMP_BYTES 25 /* 2026-01-31T12:00:00.000Z and the end */

/* A random UUID, version 4, lower case. */
void id_new(char id[ID_BYTES]);

/* Now, UTC, RFC 3339 with milliseconds. */
void timestamp_now(char text[TIMESTAMP_BYTES]);

/* Milliseconds on the monotonic clock. */
int64_t clock_monotonic_ms(void);

/* A random number below `limit`; 0 when the limit is 0. */
uint32_t random_below(uint32_t limit);
