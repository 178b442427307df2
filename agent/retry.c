#include "retry.h"

int64_t retry_delay_ms(unsigned failures, uint32_t random)
{
    int64_t delay_ms = RETRY_FIRST_MS;

    for (unsigned i = 1; i < failures && delay_ms < RETRY_LAST_MS; i++)
        delay_ms *= 2;
    if (delay_ms > RETRY_LAST_MS)
        delay_ms = RETRY_LAST_MS;
    return delay_ms + random % (delay_ms / 4 + 1);
}

bool refusals_add(Refusals *refusals, int64_t now_ms, int64_t patience_ms)
{
    if (refusals->count == 0)
        refusals->first_ms = now_ms;
    refusals->count++;
    return refusals->count >= REFUSALS_NEEDED && now_ms - refusals->first_ms >= patience_ms;
}

void refusals_reset(Refusals *refusals)
{
    *refusals = (Refusals){0};
}
