#include "auth/rate_limit.h"

#include "base/clock.h"
#include "base/sync.h"

#define SHARDS         16
#define KEYS_PER_SHARD 4096

typedef struct {
    gint64 opened_us; /* monotonic */
    gint64 used;
} Window;

typedef struct {
    Mutex lock;
    GHashTable *windows; /* key (owned) -> Window (owned) */
} Shard;

struct _RateLimit {
    gint64 limit, window_us;
    Shard shards[SHARDS];
};

RateLimit *rate_limit_new(gint64 limit, gint64 window_us)
{
    RateLimit *self = g_new0(RateLimit, 1);

    self->limit = limit;
    self->window_us = window_us;
    for (guint i = 0; i < SHARDS; i++) {
        mutex_init(&self->shards[i].lock);
        self->shards[i].windows = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    }
    return self;
}

void rate_limit_free(RateLimit *limit)
{
    if (!limit)
        return;
    for (guint i = 0; i < SHARDS; i++) {
        g_hash_table_unref(limit->shards[i].windows);
        mutex_clear(&limit->shards[i].lock);
    }
    g_free(limit);
}

typedef struct {
    gint64 now_us, window_us;
} Age;

static gboolean is_over(void *key, void *value, void *data)
{
    const Window *window = value;
    const Age *age = data;

    (void)key;
    return age->now_us - window->opened_us >= age->window_us;
}

/* NULL when the shard is full of running windows. */
static Window *window_locked(RateLimit *limit, Shard *shard, const char *key, gint64 now_us)
{
    Window *window = g_hash_table_lookup(shard->windows, key);
    Age age = {.now_us = now_us, .window_us = limit->window_us};

    if (!window) {
        if (g_hash_table_size(shard->windows) >= KEYS_PER_SHARD)
            g_hash_table_foreach_remove(shard->windows, is_over, &age);
        if (g_hash_table_size(shard->windows) >= KEYS_PER_SHARD)
            return NULL;
        window = g_new0(Window, 1);
        window->opened_us = now_us;
        g_hash_table_insert(shard->windows, g_strdup(key), window);
    } else if (now_us - window->opened_us >= limit->window_us) {
        *window = (Window){.opened_us = now_us};
    }
    return window;
}

RateVerdict rate_limit_take(RateLimit *limit, const char *key)
{
    Shard *shard = &limit->shards[g_str_hash(key) % SHARDS];
    gint64 now_us = clock_monotonic_us();
    RateVerdict verdict = {.allowed = TRUE, .limit = limit->limit, .remaining = limit->limit};
    Window *window = NULL;

    mutex_lock(&shard->lock);
    window = window_locked(limit, shard, key, now_us);
    if (window) {
        verdict.allowed = window->used < limit->limit;
        window->used += verdict.allowed;
        verdict.remaining = limit->limit - window->used;
        /* One microsecond less, so that a fresh window of 60 s says 59. */
        verdict.reset_seconds =
            (window->opened_us + limit->window_us - now_us - 1) / CLOCK_SECOND_US;
    }
    mutex_unlock(&shard->lock);
    return verdict;
}
