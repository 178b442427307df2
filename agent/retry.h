/* Decisions about trying again, apart from doing it: how long to wait, and when a refused token
 * is refused for good. Pure but for the jitter, which the caller passes in. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RETRY_FIRST_MS 200
#define RETRY_LAST_MS  30000

/* Wait before the next try after `failures` (1 or more) in a row: 0.2 s, doubling up to 30 s, and
 * up to a quarter more.
 *   random  a random number; it decides the jitter */
int64_t retry_delay_ms(unsigned failures, uint32_t random);

/* Refusals of the token since the server last accepted one. */
typedef struct {
    unsigned count;
    int64_t first_ms; /* monotonic clock */
} Refusals;

#define REFUSALS_NEEDED 3 /* a server that is just being restored may refuse once or twice */

/* Counts a refusal. True when the token is refused for good: at least REFUSALS_NEEDED times, over
 * at least `patience_ms`. */
bool refusals_add(Refusals *refusals, int64_t now_ms, int64_t patience_ms);
void refusals_reset(Refusals *refusals);
