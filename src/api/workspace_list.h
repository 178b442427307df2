/* The list of all workspaces, made once per change of the tree and then shared by all who ask.
 * Thread: any. Lock: its own, held for two pointers only. */
#pragma once

#include "org/tree.h"

typedef struct _ListCache ListCache;

ListCache *list_cache_new(void);
void list_cache_free(ListCache *cache); /* NULL is fine */

/* The JSON array as of now. The caller owns a reference. */
GBytes *list_cache_get(ListCache *cache, OrgTree *tree, gint64 engine_down_since_us);
