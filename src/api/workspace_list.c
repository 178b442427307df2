#include "api/workspace_list.h"

#include "api/workspace_json.h"
#include "base/clock.h"
#include "base/sync.h"
#include "org/spend.h"

struct _ListCache {
    Mutex lock;
    GBytes *json;                /* NULL: nothing yet */
    guint64 version;             /* of the tree `json` was made from */
    gint64 period;               /* the month it was made in: spending begins anew with the next */
    gint64 engine_down_since_us; /* as it was then */
};

ListCache *list_cache_new(void)
{
    ListCache *cache = g_new0(ListCache, 1);

    mutex_init(&cache->lock);
    return cache;
}

void list_cache_free(ListCache *cache)
{
    if (!cache)
        return;
    g_clear_pointer(&cache->json, g_bytes_unref);
    mutex_clear(&cache->lock);
    g_free(cache);
}

static GBytes *find_locked(ListCache *cache, guint64 version, gint64 period,
                           gint64 engine_down_since_us)
{
    return cache->json && cache->version == version && cache->period == period &&
                   cache->engine_down_since_us == engine_down_since_us
               ? g_bytes_ref(cache->json)
               : NULL;
}

static GBytes *make(OrgTree *tree, gint64 engine_down_since_us)
{
    g_autoptr(GPtrArray) nodes = org_tree_list(tree);
    g_autoptr(GString) json = g_string_sized_new(2 + (gsize)nodes->len * 512);
    JsonOut out = json_out_start(json);

    json_out_array(&out, NULL);
    for (guint i = 0; i < nodes->len; i++)
        workspace_json_write(&out, org_node_row(nodes->pdata[i]), WORKSPACE_IN_LIST,
                             engine_down_since_us);
    json_out_end(&out);
    return g_string_free_to_bytes(g_steal_pointer(&json));
}

GBytes *list_cache_get(ListCache *cache, OrgTree *tree, gint64 engine_down_since_us)
{
    /* The version is asked first: what changes while the list is made leads to a newer one at the
     * next call. */
    guint64 version = org_tree_version(tree);
    gint64 period = spend_period(clock_now_us());
    GBytes *json = NULL;
    GBytes *old = NULL;

    mutex_lock(&cache->lock);
    json = find_locked(cache, version, period, engine_down_since_us);
    mutex_unlock(&cache->lock);
    if (json)
        return json;
    json = make(tree, engine_down_since_us);
    mutex_lock(&cache->lock);
    if (!cache->json || cache->version <= version || cache->period < period) {
        old = cache->json;
        cache->json = g_bytes_ref(json);
        cache->version = version;
        cache->period = period;
        cache->engine_down_since_us = engine_down_since_us;
    }
    mutex_unlock(&cache->lock);
    if (old)
        g_bytes_unref(old);
    return json;
}
