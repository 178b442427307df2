/* The proxy as a whole: start, pings of streams, stop. */
#include "a2a/proxy_internal.h"
#include "base/clock.h"
#include "base/pulse.h"

#include <string.h>

#define MAX_FORWARDS_DEFAULT   1024
#define PINGS_MAX_S            5           /* of one round of pings */
#define STREAM_PING_DEFAULT_MS (20 * 1000) /* ARCHITECTURE D20 */
#define PARKED_MAX             256         /* a message may have 1 MiB */

/* ---- The pinger ---- */

static void relay_unref_item(void *relay)
{
    relay_unref(relay);
}

static GPtrArray *relays_dup_locked(Proxy *proxy) REQUIRES(proxy->lock)
{
    GPtrArray *copy = g_ptr_array_new_full(proxy->relays->len, relay_unref_item);

    for (guint i = 0; i < proxy->relays->len; i++)
        g_ptr_array_add(copy, relay_ref(proxy->relays->pdata[i]));
    return copy;
}

/* The relays under way, after a wait; NULL when the proxy stops. */
static GPtrArray *relays_wait(Proxy *proxy, gint64 interval_us)
{
    GPtrArray *relays = NULL;
    gint64 deadline_us = clock_monotonic_us() + interval_us / 4;

    mutex_lock(&proxy->lock);
    while (!proxy->is_stopping && proxy->relays->len == 0) {
        condition_wait_until(&proxy->relayed, &proxy->lock, G_MAXINT64);
        deadline_us = clock_monotonic_us() + interval_us / 4;
    }
    while (!proxy->is_stopping && condition_wait_until(&proxy->relayed, &proxy->lock, deadline_us))
        ;
    if (!proxy->is_stopping)
        relays = relays_dup_locked(proxy);
    mutex_unlock(&proxy->lock);
    return relays;
}

static void ping_streams(void *data)
{
    Proxy *proxy = data;
    gint64 interval_us = (gint64)proxy->options.stream_ping_ms * 1000;
    g_autoptr(Pulse) pulse = pulse_new("stream-pinger", PINGS_MAX_S);
    GPtrArray *relays;

    pulse_rest(pulse); /* without a stream it waits for one */
    while ((relays = relays_wait(proxy, interval_us))) {
        gint64 now_us = clock_monotonic_us();
        pulse_tick(pulse);
        for (guint i = 0; i < relays->len; i++)
            relay_ping(relays->pdata[i], now_us, interval_us);
        g_ptr_array_unref(relays);
        pulse_rest(pulse);
    }
}

/* ---- Start and end ---- */

Proxy *proxy_new(const ProxyOptions *options)
{
    Proxy *proxy = g_new0(Proxy, 1);
    guint expected =
        options->options.max_forwards ? options->options.max_forwards : MAX_FORWARDS_DEFAULT;
    const ParkingOptions parking = {
        .capacity = PARKED_MAX,
        .has_left = admission_has_left,
        .release = admission_release,
        .data = proxy,
    };

    proxy->options = *options;
    if (!proxy->options.stream_ping_ms)
        proxy->options.stream_ping_ms = STREAM_PING_DEFAULT_MS;
    mutex_init(&proxy->lock);
    condition_init(&proxy->left);
    condition_init(&proxy->relayed);
    proxy->forwards = g_hash_table_new(NULL, NULL);
    proxy->relays = g_ptr_array_new_with_free_func(relay_unref_item);
    proxy->outcomes = outcomes_new(options->db, options->tree, options->events, expected);
    proxy->parking = parking_new(&parking, options->events);
    proxy->pinger = thread_start("a2a-pinger", ping_streams, proxy);
    return proxy;
}

/* References to all running calls. */
static GPtrArray *calls_dup_locked(Proxy *proxy) REQUIRES(proxy->lock)
{
    GPtrArray *calls = g_ptr_array_new();
    GHashTableIter iter;
    void *key;

    g_hash_table_iter_init(&iter, proxy->forwards);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const Forward *forward = key;
        if (forward->call && !forward->is_done)
            g_ptr_array_add(calls, http_call_ref(forward->call));
    }
    return calls;
}

static void forwards_cancel_all(Proxy *proxy)
{
    GPtrArray *calls;

    mutex_lock(&proxy->lock);
    proxy->is_stopping = TRUE;
    condition_broadcast(&proxy->relayed);
    calls = calls_dup_locked(proxy);
    mutex_unlock(&proxy->lock);
    for (guint i = 0; i < calls->len; i++) {
        http_call_cancel(calls->pdata[i]);
        http_call_unref(calls->pdata[i]);
    }
    g_ptr_array_unref(calls);
}

void proxy_stop(Proxy *proxy)
{
    forwards_cancel_all(proxy);
    parking_stop(proxy->parking);
    mutex_lock(&proxy->lock);
    while (proxy->active > 0 || proxy->visits > 0)
        condition_wait_until(&proxy->left, &proxy->lock, G_MAXINT64);
    mutex_unlock(&proxy->lock);
    thread_join(g_steal_pointer(&proxy->pinger));
    outcomes_stop(proxy->outcomes);
}

void proxy_free(Proxy *proxy)
{
    if (!proxy)
        return;
    proxy_stop(proxy);
    parking_free(proxy->parking);
    outcomes_free(proxy->outcomes);
    g_hash_table_unref(proxy->forwards);
    g_ptr_array_unref(proxy->relays);
    condition_clear(&proxy->left);
    condition_clear(&proxy->relayed);
    mutex_clear(&proxy->lock);
    g_free(proxy);
}

void proxy_stats(Proxy *proxy, ProxyStats *stats)
{
    *stats = (ProxyStats){
        .active = forwards_active(proxy->options.forwards),
        .unwritten = outcomes_waiting(proxy->outcomes),
        .refused = forwards_refused(proxy->options.forwards) + atomic_load(&proxy->crowded),
        .parked = parking_count(proxy->parking),
        .forwarded = atomic_load(&proxy->forwarded),
    };
}
