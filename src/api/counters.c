#include "api/counters.h"

#include <stdatomic.h>
#include <string.h>

#define SLOTS                                                                                      \
    32 /* different (method, status) pairs of one route; what comes after shares the last slot */

static const char *const methods[] = {"GET",    "POST",    "PUT",     "PATCH", "HEAD",
                                      "DELETE", "OPTIONS", "CONNECT", "TRACE", "OTHER"};
#define METHOD_OTHER (G_N_ELEMENTS(methods) - 1)

const double counters_bucket_seconds[COUNTERS_BUCKETS] = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30};

typedef struct {
    atomic_uint key; /* method * 1000 + status; 0: free */
    atomic_ullong count;
    atomic_ullong duration_us;
} Slot;

struct _Counters {
    guint routes; /* "unmatched" included */
    atomic_ullong buckets[COUNTERS_BUCKETS];
    atomic_ullong total, total_us;
    Slot slots[]; /* routes * SLOTS */
};

Counters *counters_new(guint route_count)
{
    guint routes = route_count + 1;
    Counters *counters = g_malloc0(sizeof(Counters) + (gsize)routes * SLOTS * sizeof(Slot));

    counters->routes = routes;
    return counters;
}

void counters_free(Counters *counters)
{
    g_free(counters);
}

static guint method_index(const char *method)
{
    for (guint i = 0; i < METHOD_OTHER; i++)
        if (strcmp(methods[i], method) == 0)
            return i;
    return METHOD_OTHER;
}

static Slot *slot_of(Counters *counters, guint route, guint key)
{
    Slot *slots = &counters->slots[(gsize)route * SLOTS];

    for (guint i = 0; i < SLOTS; i++) {
        guint seen = atomic_load_explicit(&slots[i].key, memory_order_acquire);
        guint expected = 0;
        if (seen == key)
            return &slots[i];
        if (seen == 0 && atomic_compare_exchange_strong(&slots[i].key, &expected, key))
            return &slots[i];
        if (seen == 0 && expected == key)
            return &slots[i];
    }
    return &slots[SLOTS - 1];
}

static void add_to_histogram(Counters *counters, gint64 duration_us)
{
    double seconds = (double)duration_us / 1e6;

    atomic_fetch_add_explicit(&counters->total, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counters->total_us, (guint64)duration_us, memory_order_relaxed);
    for (guint i = 0; i < COUNTERS_BUCKETS; i++)
        if (seconds <= counters_bucket_seconds[i]) {
            atomic_fetch_add_explicit(&counters->buckets[i], 1, memory_order_relaxed);
            return;
        }
}

void counters_add(Counters *counters, guint route, const char *method, guint status,
                  gint64 duration_us)
{
    Slot *slot = slot_of(counters, MIN(route, counters->routes - 1),
                         method_index(method) * 1000 + MIN(status, 999));

    atomic_fetch_add_explicit(&slot->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&slot->duration_us, (guint64)MAX(duration_us, 0),
                              memory_order_relaxed);
    add_to_histogram(counters, MAX(duration_us, 0));
}

static int compare_samples(const void *a, const void *b)
{
    const CounterSample *left = a;
    const CounterSample *right = b;
    int order = (left->route > right->route) - (left->route < right->route);

    if (!order)
        order = strcmp(left->method, right->method);
    if (!order)
        order = (left->status > right->status) - (left->status < right->status);
    return order;
}

GArray *counters_samples(Counters *counters)
{
    GArray *samples = g_array_new(FALSE, FALSE, sizeof(CounterSample));

    for (guint i = 0; i < counters->routes * SLOTS; i++) {
        Slot *slot = &counters->slots[i];
        guint key = atomic_load_explicit(&slot->key, memory_order_acquire);
        CounterSample sample = {.route = i / SLOTS, .status = key % 1000};
        if (key == 0)
            continue;
        sample.method = methods[MIN(key / 1000, METHOD_OTHER)];
        sample.count = atomic_load_explicit(&slot->count, memory_order_relaxed);
        sample.duration_us = (gint64)atomic_load_explicit(&slot->duration_us, memory_order_relaxed);
        g_array_append_val(samples, sample);
    }
    g_array_sort(samples, compare_samples);
    return samples;
}

void counters_histogram(Counters *counters, guint64 cumulative[COUNTERS_BUCKETS], guint64 *count,
                        double *sum_seconds)
{
    guint64 sum = 0;

    for (guint i = 0; i < COUNTERS_BUCKETS; i++) {
        sum += atomic_load_explicit(&counters->buckets[i], memory_order_relaxed);
        cumulative[i] = sum;
    }
    *count = MAX(sum, atomic_load_explicit(&counters->total, memory_order_relaxed));
    *sum_seconds = (double)atomic_load_explicit(&counters->total_us, memory_order_relaxed) / 1e6;
}
