/* How many requests each route answered, with which status, how fast. Lock-free to write; values
 * start at zero and never shrink. Source: spec 03 sections 8.1, 8.2, F15. Thread: any. */
#pragma once

#include <glib.h>

typedef struct _Counters Counters;

/* `route_count` routes; index route_count stands for "unmatched". */
Counters *counters_new(guint route_count);
void counters_free(Counters *counters);

/* A method outside the nine standard ones counts as OTHER. */
void counters_add(Counters *counters, guint route, const char *method, guint status,
                  gint64 duration_us);

typedef struct {
    guint route;
    const char *method;
    guint status;
    guint64 count;
    gint64 duration_us;
} CounterSample;
/* All samples, by route, method, status. GArray of CounterSample, owned. */
GArray *counters_samples(Counters *counters);

/* The latency histogram over all routes. */
#define COUNTERS_BUCKETS 14
extern const double counters_bucket_seconds[COUNTERS_BUCKETS];
void counters_histogram(Counters *counters, guint64 cumulative[COUNTERS_BUCKETS], guint64 *count,
                        double *sum_seconds);
