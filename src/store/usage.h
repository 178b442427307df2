/* Table `workspace_token_usage`: model tokens of a workspace by UTC day.
 * Cost is kept in millionths of a US dollar, so that sums are exact. Errors of all: those of
 * db/db.h. Thread: any but I/O. Source: spec 01, sections 17.3 and 19.18. */
#pragma once

#include "base/errors.h"
#include "db/db.h"

#define USAGE_INPUT_MICRO_USD  3 /* a token; spec 01, 17.3 */
#define USAGE_OUTPUT_MICRO_USD 15

typedef struct {
    gint64 input_tokens;
    gint64 output_tokens;
    gint64 call_count;
    gint64 cost_micro_usd;
} UsageTotal;

/* What so many tokens cost. */
gint64 usage_cost_micro_usd(gint64 input_tokens, gint64 output_tokens);

/* Adds one call to the day that begins at `day_us` (UTC midnight). Error: ERROR_CONFLICT when the
 * workspace is unknown. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_usage_add(Db *db, const char *workspace_id, gint64 day_us,
                                                   gint64 input_tokens, gint64 output_tokens,
                                                   GError **error);
/* What the days in [from_us, to_us) cost each workspace: id -> gint64 millionths of a dollar, both
 * owned by the table. Caller owns it; NULL on an error. */
G_GNUC_WARN_UNUSED_RESULT GHashTable *store_usage_cost_each(Db *db, gint64 from_us, gint64 to_us,
                                                            GError **error);
/* The sum of all days in [from_us, to_us); zeros when there is none. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_usage_sum(Db *db, const char *workspace_id, gint64 from_us,
                                                   gint64 to_us, UsageTotal *total, GError **error);
