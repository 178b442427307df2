/* What a workspace has spent this month, in US cents. Pure.
 *
 * The agent reports a running total; what its answers said of tokens is metered by us. The greater
 * of the two counts, each only for the month (UTC) it belongs to: nobody has to reset anything.
 * Source: spec 01, section 17.2. */
#pragma once

#include "store/workspace_row.h"

/* The month of a moment as yyyymm. */
gint64 spend_period(gint64 time_us);
/* The month of a moment as [from, to). */
void spend_period_bounds(gint64 time_us, gint64 *from_us, gint64 *to_us);

gint64 spend_cents(const WorkspaceRow *row, gint64 now_us);
/* Whether nothing more may be spent. A limit of 0 is always reached. */
gboolean spend_is_over(const WorkspaceRow *row, gint64 now_us);
