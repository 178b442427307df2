#include "org/spend.h"

#include "base/clock.h"

#include <time.h>

#define MICRO_USD_PER_CENT 10000

static struct tm parts_of(gint64 time_us)
{
    time_t seconds = (time_t)(time_us / CLOCK_SECOND_US);
    struct tm parts = {0};

    gmtime_r(&seconds, &parts);
    return parts;
}

gint64 spend_period(gint64 time_us)
{
    struct tm parts = parts_of(time_us);

    return (gint64)(parts.tm_year + 1900) * 100 + parts.tm_mon + 1;
}

void spend_period_bounds(gint64 time_us, gint64 *from_us, gint64 *to_us)
{
    struct tm parts = parts_of(time_us);
    struct tm from = {.tm_year = parts.tm_year, .tm_mon = parts.tm_mon, .tm_mday = 1};
    struct tm to = {.tm_year = parts.tm_year, .tm_mon = parts.tm_mon + 1, .tm_mday = 1};

    *from_us = (gint64)timegm(&from) * CLOCK_SECOND_US;
    *to_us = (gint64)timegm(&to) * CLOCK_SECOND_US;
}

/* A report without a month is an old database's: it counts. */
static gint64 reported_cents(const WorkspaceRow *row, gint64 period)
{
    return row->spend_period == 0 || row->spend_period >= period ? row->monthly_spend : 0;
}

static gint64 metered_cents(const WorkspaceRow *row, gint64 period)
{
    return row->metered_period >= period ? row->metered_micro_usd / MICRO_USD_PER_CENT : 0;
}

gint64 spend_cents(const WorkspaceRow *row, gint64 now_us)
{
    gint64 period = spend_period(now_us);

    return MAX(reported_cents(row, period), metered_cents(row, period));
}

gboolean spend_is_over(const WorkspaceRow *row, gint64 now_us)
{
    return row->budget_limit >= 0 && spend_cents(row, now_us) >= row->budget_limit;
}
