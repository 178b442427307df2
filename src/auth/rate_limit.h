/* Fixed windows of requests per key (an address, or a workspace whose token came with the request).
 *
 * The first request of a key opens a window with `limit` places; when it is over, the next one
 * opens a new one. The table is bounded: when it is full, keys whose window is over make room, and
 * if none is, the new key is let through uncounted. Source: spec 03 section 6.1, F14. Thread: any.
 */
#pragma once

#include <glib.h>

typedef struct _RateLimit RateLimit;

RateLimit *rate_limit_new(gint64 limit, gint64 window_us);
void rate_limit_free(RateLimit *limit); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RateLimit, rate_limit_free)

typedef struct {
    gboolean allowed;
    gint64 limit;
    gint64 remaining;     /* after this request */
    gint64 reset_seconds; /* until the window ends, rounded down, at least 0 */
} RateVerdict;

/* Takes one place of `key`. */
RateVerdict rate_limit_take(RateLimit *limit, const char *key);
