#include "db/statement_cache.h"

typedef struct {
    char *sql;
    void *value;
    GList link; /* in `by_use` */
} Entry;

struct _StatementCache {
    guint capacity;
    GDestroyNotify free_value;
    GHashTable *by_sql; /* sql (owned by the entry) -> Entry */
    GQueue by_use;      /* the one used last comes first */
};

StatementCache *statement_cache_new(guint capacity, GDestroyNotify free_value)
{
    StatementCache *cache = g_new0(StatementCache, 1);

    cache->capacity = capacity;
    cache->free_value = free_value;
    cache->by_sql = g_hash_table_new(g_str_hash, g_str_equal);
    return cache;
}

static void *take_out(StatementCache *cache, Entry *entry)
{
    void *value = entry->value;

    g_queue_unlink(&cache->by_use, &entry->link);
    g_hash_table_remove(cache->by_sql, entry->sql);
    g_free(entry->sql);
    g_free(entry);
    return value;
}

void statement_cache_free(StatementCache *cache)
{
    if (!cache)
        return;
    while (cache->by_use.head) {
        void *value = take_out(cache, cache->by_use.head->data);
        if (cache->free_value)
            cache->free_value(value);
    }
    g_hash_table_unref(cache->by_sql);
    g_free(cache);
}

void *statement_cache_get(StatementCache *cache, const char *sql)
{
    Entry *entry = g_hash_table_lookup(cache->by_sql, sql);

    if (!entry)
        return NULL;
    g_queue_unlink(&cache->by_use, &entry->link);
    g_queue_push_head_link(&cache->by_use, &entry->link);
    return entry->value;
}

void *statement_cache_make_room(StatementCache *cache)
{
    if (cache->by_use.length < cache->capacity)
        return NULL;
    return take_out(cache, cache->by_use.tail->data);
}

void statement_cache_put(StatementCache *cache, const char *sql, void *value)
{
    Entry *entry = g_new0(Entry, 1);

    g_assert(cache->by_use.length < cache->capacity);
    entry->sql = g_strdup(sql);
    entry->value = value;
    entry->link.data = entry;
    g_hash_table_insert(cache->by_sql, entry->sql, entry);
    g_queue_push_head_link(&cache->by_use, &entry->link);
}
