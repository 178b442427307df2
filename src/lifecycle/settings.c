#include "lifecycle/settings.h"

#include "base/json_out.h"
#include "base/log.h"
#include "store/workspace_config.h"
#include "store/workspaces.h"

#include <string.h>

/* ---- Configuration ---- */

/* Members in the order of their first appearance; of equal keys the last value counts. */
static void take_members(JsonView object, GPtrArray *order, GHashTable *members)
{
    JsonWalk walk = json_view_walk(object);

    while (json_walk_next(&walk)) {
        char *key = json_view_text_dup(walk.key, NULL);
        if (!g_hash_table_contains(members, key))
            g_ptr_array_add(order, g_strdup(key));
        g_hash_table_insert(members, key, json_view_compact_dup(walk.value));
    }
}

char *config_document_merge(const char *document, JsonView patch, GError **error)
{
    g_autoptr(GPtrArray) order = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) members = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GString) merged = g_string_new(NULL);
    JsonOut out = json_out_start(merged);
    JsonView old;

    /* Another program may have left no object here: it then ends with the first change. */
    if (document && json_view_parse(document, strlen(document), JSON_ONE_VALUE, &old, NULL) &&
        json_view_kind(old) == JSON_KIND_OBJECT)
        take_members(old, order, members);
    take_members(patch, order, members);
    json_out_object(&out, NULL);
    for (guint i = 0; i < order->len; i++)
        json_out_raw(&out, order->pdata[i], g_hash_table_lookup(members, order->pdata[i]));
    json_out_end(&out);
    if (merged->len > CONFIG_DOCUMENT_MAX_BYTES) {
        error_set(error, ERROR_TOO_LARGE, "the merged configuration would be longer than %d bytes",
                  CONFIG_DOCUMENT_MAX_BYTES);
        return NULL;
    }
    return g_string_free(g_steal_pointer(&merged), FALSE);
}

static gboolean check_live(const Lifecycle *lifecycle, const char *id, GError **error)
{
    g_autoptr(OrgNode) node = org_tree_find(lifecycle->tree, id);

    return node || error_set(error, ERROR_NOT_FOUND, "workspace not found");
}

gboolean lifecycle_config_merge(const Lifecycle *lifecycle, const char *id, JsonView patch,
                                GError **error)
{
    g_autofree char *lock = g_strconcat("workspace_config:", id, NULL);
    g_autoptr(DbTransaction) transaction = NULL;
    g_autofree char *stored = NULL;
    g_autofree char *merged = NULL;

    if (!check_live(lifecycle, id, error))
        return FALSE;
    transaction = db_begin(lifecycle->db, error);
    /* Two merges at once must both be in the result. */
    if (!transaction || !db_lock(lifecycle->db, lock, error) ||
        !store_config_find(lifecycle->db, id, &stored, error))
        return FALSE;
    merged = config_document_merge(stored, patch, error);
    return merged && store_config_put(lifecycle->db, id, merged, error) &&
           db_commit(&transaction, error);
}

/* ---- Budget ---- */

gboolean lifecycle_budget_set(const Lifecycle *lifecycle, const char *id, gint64 limit,
                              GError **error)
{
    StoreWorkspacePatch patch = {.has_budget_limit = TRUE, .budget_limit = limit};

    if (!check_live(lifecycle, id, error) ||
        !store_workspace_patch(lifecycle->db, id, &patch, error))
        return FALSE;
    if (!org_tree_refresh(lifecycle->tree, id, NULL))
        log_warning("a budget shows up in memory a little later", LOG_TEXT("workspace", id));
    return TRUE;
}
