#include "refresh/refresh.h"

#include "base/pulse.h"
#include "engine/image_reference.h"
#include "refresh/internal.h"

#include <string.h>

#define ORDERS_MAX 8
#define TURN_MAX_S 3600 /* of a round of pulls */

static void order_free(gpointer data)
{
    RefreshOrder *order = data;

    g_free(order->runtime);
    g_free(order);
}

/* ---- Making ---- */

static RegistryDigests *open_registry(const RefreshOptions *options)
{
    const Config *config = options->config;
    g_autofree char *registry = image_reference_registry_dup(config->image_prefix);
    g_autofree char *base = config->registry_url ? g_strdup(config->registry_url)
                                                 : g_strconcat("https://", registry, NULL);

    return registry_digests_new(options->client, base, registry, config->ghcr_user,
                                config->ghcr_token);
}

Refresh *refresh_new(const RefreshOptions *options)
{
    Refresh *refresh = g_new0(Refresh, 1);

    refresh->options = *options;
    refresh->registry = open_registry(options);
    refresh->unseen = g_hash_table_new(g_str_hash, g_str_equal);
    refresh->cancel = cancel_new();
    mutex_init(&refresh->lock);
    condition_init(&refresh->changed);
    g_queue_init(&refresh->orders);
    return refresh;
}

/* ---- The thread that pulls ---- */

static void answer(RefreshOrder *order, Refresh *refresh)
{
    g_auto(RefreshResult) result = {0};

    refresh_run(refresh, order->runtime, order->recreate, &result);
    order->done(&result, order->data);
}

/* NULL: it is time to look, or to stop. */
static RefreshOrder *wait_order(Refresh *refresh, gint64 due_us)
{
    RefreshOrder *order = NULL;

    mutex_lock(&refresh->lock);
    while (!refresh->is_stopping && !(order = g_queue_pop_head(&refresh->orders)))
        if (!condition_wait_until(&refresh->changed, &refresh->lock, due_us))
            break;
    mutex_unlock(&refresh->lock);
    return order;
}

static void pull_run(void *data)
{
    Refresh *refresh = data;
    const Config *config = refresh->options.config;
    gboolean watches = config->image_auto_refresh && refresh->options.can_pull;
    gint64 interval_us = config->image_check_seconds * CLOCK_SECOND_US;
    gint64 due_us = watches ? 0 : G_MAXINT64;
    g_autoptr(Pulse) pulse = pulse_new("image-auto-refresh", TURN_MAX_S);

    while (!cancel_fired(refresh->cancel)) {
        pulse_rest(pulse);
        RefreshOrder *order = wait_order(refresh, due_us);

        pulse_tick(pulse);
        if (order) {
            answer(order, refresh);
            order_free(order);
        } else if (watches && clock_monotonic_us() >= due_us) {
            refresh_watch(refresh);
            due_us = clock_monotonic_us() + interval_us;
        }
    }
}

/* ---- The thread that brings workspaces over ---- */

static void wait_roll(Refresh *refresh, gint64 due_us)
{
    mutex_lock(&refresh->lock);
    while (!refresh->is_stopping && !refresh->wants_roll)
        if (!condition_wait_until(&refresh->changed, &refresh->lock, due_us))
            break;
    refresh->wants_roll = FALSE;
    mutex_unlock(&refresh->lock);
}

static void roll_run(void *data)
{
    Refresh *refresh = data;
    g_autoptr(Pulse) pulse = pulse_new("image-roll", TURN_MAX_S);

    while (!cancel_fired(refresh->cancel)) {
        gint64 due_us = 0;

        pulse_tick(pulse);
        due_us = refresh_roll(refresh);
        pulse_rest(pulse);
        wait_roll(refresh, due_us);
    }
}

void refresh_want_roll(Refresh *refresh)
{
    mutex_lock(&refresh->lock);
    refresh->wants_roll = TRUE;
    condition_broadcast(&refresh->changed);
    mutex_unlock(&refresh->lock);
}

/* ---- Orders ---- */

static gboolean is_known(const Refresh *refresh, const char *runtime)
{
    return !runtime || g_strv_contains(refresh_known(refresh), runtime);
}

gboolean refresh_order(Refresh *refresh, const char *runtime, gboolean recreate, RefreshDone done,
                       void *data, GError **error)
{
    RefreshOrder *order = NULL;
    gboolean has_room = FALSE;

    if (!refresh->options.can_pull)
        return error_set(error, ERROR_NOT_FOUND, "this server has no engine that pulls images");
    if (!is_known(refresh, runtime))
        return error_set(error, ERROR_INVALID, "unknown runtime");
    order = g_new0(RefreshOrder, 1);
    *order = (RefreshOrder){g_strdup(runtime), recreate, done, data};
    mutex_lock(&refresh->lock);
    has_room = !refresh->is_stopping && refresh->orders.length < ORDERS_MAX;
    if (has_room)
        g_queue_push_tail(&refresh->orders, order);
    condition_broadcast(&refresh->changed);
    mutex_unlock(&refresh->lock);
    if (has_room)
        return TRUE;
    order_free(order);
    return error_set(error, ERROR_BUSY, "too many image refreshes wait");
}

const char *const *refresh_known(const Refresh *refresh)
{
    return runtimes_with_image(refresh->options.runtimes);
}

/* ---- Life ---- */

void refresh_start(Refresh *refresh)
{
    refresh->pull_thread = thread_start("image-refresh", pull_run, refresh);
    refresh->roll_thread = thread_start("image-roll", roll_run, refresh);
}

static void refuse_waiting(Refresh *refresh)
{
    RefreshOrder *order = NULL;

    while ((order = g_queue_pop_head(&refresh->orders))) {
        RefreshResult result = {0};

        error_set(&result.error, ERROR_UNAVAILABLE, "the server stops");
        order->done(&result, order->data);
        g_clear_error(&result.error);
        order_free(order);
    }
}

void refresh_stop(Refresh *refresh)
{
    cancel_fire(refresh->cancel);
    registry_digests_stop(refresh->registry);
    mutex_lock(&refresh->lock);
    refresh->is_stopping = TRUE;
    if (refresh->pulling)
        cancel_fire(refresh->pulling);
    condition_broadcast(&refresh->changed);
    mutex_unlock(&refresh->lock);
    thread_join(g_steal_pointer(&refresh->pull_thread));
    thread_join(g_steal_pointer(&refresh->roll_thread));
    refuse_waiting(refresh);
}

void refresh_free(Refresh *refresh)
{
    if (!refresh)
        return;
    refresh_stop(refresh);
    registry_digests_free(refresh->registry);
    g_clear_pointer(&refresh->rolled, g_hash_table_unref);
    g_hash_table_unref(refresh->unseen);
    cancel_unref(refresh->cancel);
    condition_clear(&refresh->changed);
    mutex_clear(&refresh->lock);
    g_free(refresh);
}
