/* The prepared statements of one connection by their text, those used last. Private to src/db.
 * Thread: whoever has the connection. */
#pragma once

#include <glib.h>

typedef struct _StatementCache StatementCache;

/* `free_value` may be NULL. */
StatementCache *statement_cache_new(guint capacity, GDestroyNotify free_value);
void statement_cache_free(StatementCache *cache); /* NULL is fine */
/* NULL when it is not there. Borrowed. */
void *statement_cache_get(StatementCache *cache, const char *sql);
/* Hands out the one unused for longest when the cache is full, else NULL; then put fits. */
void *statement_cache_make_room(StatementCache *cache);
/* Takes `value`; copies `sql`. */
void statement_cache_put(StatementCache *cache, const char *sql, void *value);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StatementCache, statement_cache_free)
