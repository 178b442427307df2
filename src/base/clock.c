#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

/* What clock_advance has added; both clocks show it. */
static _Atomic gint64 advanced_us;
static _Atomic guint pace = 1;

static gint64 read_clock(clockid_t which)
{
    struct timespec now;

    clock_gettime(which, &now);
    return (gint64)now.tv_sec * CLOCK_SECOND_US + now.tv_nsec / 1000 +
           atomic_load_explicit(&advanced_us, memory_order_relaxed);
}

gint64 clock_now_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

gint64 clock_monotonic_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void clock_advance(gint64 forward_us)
{
    atomic_fetch_add(&advanced_us, forward_us);
}

gint64 clock_outside_us(gint64 limit_us)
{
    return limit_us * atomic_load_explicit(&pace, memory_order_relaxed);
}

void clock_set_pace(guint times)
{
    atomic_store(&pace, times);
}

char *clock_format(gint64 time_us, char text[CLOCK_TEXT_SIZE])
{
    gint64 fraction = time_us % CLOCK_SECOND_US;
    time_t seconds = (time_t)(time_us / CLOCK_SECOND_US);
    struct tm parts;
    gsize length;

    if (fraction < 0) {
        fraction += CLOCK_SECOND_US;
        seconds--;
    }
    gmtime_r(&seconds, &parts);
    length = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    if (fraction > 0) {
        length +=
            (gsize)g_snprintf(text + length, CLOCK_TEXT_SIZE - length, ".%06d", (int)fraction);
        while (text[length - 1] == '0')
            length--;
    }
    text[length++] = 'Z';
    text[length] = '\0';
    return text;
}
