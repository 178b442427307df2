/* Removing a tree of workspaces, in one transaction.
 *
 * The rows say "removed" and the wish says "absent" before anybody is told; what exists in an
 * engine is named in runtime_gc, so that it goes even when the server dies in the next moment.
 * Each statement takes all ids at once as a JSON array. Source: spec 01 section 8; spec 02 section
 * 17.3 D and 8.2 (names). */
#include "base/clock.h"
#include "base/json_view.h"
#include "store/columns.h"
#include "store/garbage.h"
#include "store/joined.h"
#include "store/runtime.h"
#include "store/workspaces.h"

#include <string.h>

void store_removal_free(StoreRemoval *removal)
{
    if (!removal)
        return;
    g_clear_pointer(&removal->members, g_ptr_array_unref);
    g_free(removal);
}

/* ---- One statement for many ids ---- */

/* Stands in SQL where the ids belong; $1 is the JSON array. */
#define IDS "@ids"

static char *with_ids_dup(Db *db, const char *sql)
{
    const char *list = db_kind(db) == DB_SQLITE
                           ? "(SELECT value FROM json_each($1))"
                           : "(SELECT json_array_elements_text(CAST($1 AS JSON)))";
    g_auto(GStrv) parts = g_strsplit(sql, IDS, -1);

    return g_strjoinv(list, parts);
}

/* $1 the ids, $2 now. */
static gboolean exec_for(Db *db, const char *sql, const char *ids, gint64 now_us, gint64 *changed,
                         GError **error)
{
    g_autofree char *text = with_ids_dup(db, sql);

    return db_exec(db, text, changed, error, DB_TEXT(ids), DB_INT(now_us));
}

/* Ids are UUIDs: nothing to escape. */
static char *ids_dup(const GPtrArray *members)
{
    g_autoptr(GString) list = g_string_new("[");

    for (guint i = 0; i < members->len; i++)
        g_string_append_printf(list, "%s\"%s\"", i > 0 ? "," : "",
                               ((const StoreMember *)members->pdata[i])->id);
    g_string_append_c(list, ']');
    return g_string_free(g_steal_pointer(&list), FALSE);
}

/* ---- Who goes ---- */

static gboolean load_root(Db *db, const char *id, StoreMember **root, GError **error)
{
    static const char sql[] = "SELECT id, parent_id, name, status FROM workspaces WHERE id = $1";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(id));

    if (!rows)
        return FALSE;
    if (!db_rows_next(rows))
        return error_set(error, ERROR_NOT_FOUND, "workspace not found");
    *root = g_new0(StoreMember, 1);
    column_id(rows, 0, (*root)->id);
    column_id(rows, 1, (*root)->parent_id);
    (*root)->name = column_text_dup(rows, 2);
    (*root)->status = workspace_status_parse(db_rows_text(rows, 3));
    return TRUE;
}

/* The whole tree, children before parents, rows removed before included. NULL on an error. */
static GPtrArray *list_tree(Db *db, const char *id, StoreRemoveExtent extent, GError **error)
{
    StoreMember *root = NULL;
    g_autoptr(GPtrArray) below = NULL;
    GPtrArray *tree;

    if (!load_root(db, id, &root, error))
        return NULL;
    tree = g_ptr_array_new_with_free_func((GDestroyNotify)store_member_free);
    below = store_workspace_list_descendants(db, id, error);
    for (guint i = below ? below->len : 0; i > 0; i--)
        g_ptr_array_add(tree, g_ptr_array_steal_index(below, i - 1));
    if (extent == STORE_REMOVE_TREE)
        g_ptr_array_add(tree, root);
    else
        store_member_free(root);
    if (!below)
        g_clear_pointer(&tree, g_ptr_array_unref);
    return tree;
}

static StoreMember *copy_member(const StoreMember *member)
{
    StoreMember *copy = g_memdup2(member, sizeof *member);

    copy->name = g_strdup(member->name);
    return copy;
}

static GPtrArray *pick_live(const GPtrArray *tree)
{
    GPtrArray *live = g_ptr_array_new_with_free_func((GDestroyNotify)store_member_free);

    for (guint i = 0; i < tree->len; i++) {
        const StoreMember *member = tree->pdata[i];
        if (member->status != WORKSPACE_REMOVED)
            g_ptr_array_add(live, copy_member(member));
    }
    return live;
}

/* Servers that change several rows lock them in the order of their ids. */
static gboolean lock_rows(Db *db, const char *ids, GError **error)
{
    g_autofree char *sql =
        with_ids_dup(db, "SELECT id FROM workspaces WHERE id IN " IDS " ORDER BY id FOR UPDATE");

    return db_kind(db) == DB_SQLITE || db_exec(db, sql, NULL, error, DB_TEXT(ids));
}

/* ---- What ends with a workspace ---- */

static const char *const endings[] = {
    "UPDATE workspaces SET status = 'removed', updated_at = $2 WHERE id IN " IDS,
    "DELETE FROM canvas_layouts WHERE workspace_id IN " IDS,
    "UPDATE workspace_auth_tokens SET revoked_at = $2 WHERE revoked_at IS NULL"
    " AND workspace_id IN " IDS,
    "UPDATE workspace_schedules SET enabled = 0, updated_at = $2 WHERE enabled = 1"
    " AND workspace_id IN " IDS,
    "UPDATE workspace_channels SET enabled = 0, updated_at = $2 WHERE enabled = 1"
    " AND workspace_id IN " IDS,
    "UPDATE a2a_queue SET status = 'dropped', completed_at = $2, last_error = 'workspace removed'"
    " WHERE status IN ('queued', 'dispatched') AND workspace_id IN " IDS,
    "UPDATE approval_requests SET status = 'denied', decided_by = 'system', decided_at = $2"
    " WHERE status IN ('pending', 'escalated') AND workspace_id IN " IDS,
    "UPDATE activity_logs SET status = 'failed', error_detail = 'workspace removed'"
    " WHERE activity_type = 'delegation' AND method = 'delegate'"
    " AND status IN ('pending', 'dispatched', 'queued') AND workspace_id IN " IDS,
    /* The wish. An external workspace that never had one has nothing in an engine. */
    "INSERT INTO workspace_runtime (workspace_id, desired, generation, phase, attempts, updated_at)"
    " SELECT w.id, 'absent', 1, 'pending', 0, $2 FROM workspaces w WHERE w.id IN " IDS
    " AND (COALESCE(w.runtime, '') <> 'external' OR EXISTS (SELECT 1 FROM workspace_runtime r"
    " WHERE r.workspace_id = w.id))"
    " ON CONFLICT (workspace_id) DO UPDATE SET desired = 'absent',"
    " generation = workspace_runtime.generation + 1, phase = 'pending', attempts = 0,"
    " next_attempt_at = NULL, last_error = NULL, seed = NULL, updated_at = excluded.updated_at",
};

static gboolean end_all(Db *db, const char *ids, gint64 now_us, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(endings); i++)
        if (!exec_for(db, endings[i], ids, now_us, NULL, error))
            return FALSE;
    return TRUE;
}

/* ---- What may exist in an engine ---- */

/* Everything that a workspace's row or wish names, for those that have a wish. */
static DbRows *query_objects(Db *db, const char *ids, GError **error)
{
    g_autofree char *sql = with_ids_dup(
        db, "SELECT r.workspace_id, r.container_id, r.volumes, r.instance_id, w.instance_id"
            " FROM workspace_runtime r LEFT JOIN workspaces w ON w.id = r.workspace_id"
            " WHERE r.workspace_id IN " IDS " ORDER BY r.workspace_id");

    return db_query(db, sql, error, DB_TEXT(ids));
}

static gboolean add_intent(Db *db, GarbageKind kind, const char *ref, const char *workspace_id,
                           gint64 now_us, GError **error)
{
    return !ref || *ref == '\0' || store_garbage_add(db, kind, ref, workspace_id, now_us, error);
}

/* The names that the provisioner gives, whether or not they are known to exist, and the recorded
 * container. Containers come first: they hold the volumes. */
static gboolean add_named(Db *db, const char *id, const char *recorded, gint64 now_us,
                          GError **error)
{
    g_autofree char *container = g_strdup_printf("ws-%.12s", id);
    g_autofree char *configs = g_strdup_printf("ws-%.12s-configs", id);
    g_autofree char *sessions = g_strdup_printf("ws-%.12s-claude-sessions", id);
    g_autofree char *files = g_strdup_printf("ws-%s-workspace", id);

    return add_intent(db, GARBAGE_CONTAINER, container, id, now_us, error) &&
           add_intent(db, GARBAGE_CONTAINER, recorded, id, now_us, error) &&
           add_intent(db, GARBAGE_VOLUME, configs, id, now_us, error) &&
           add_intent(db, GARBAGE_VOLUME, sessions, id, now_us, error) &&
           add_intent(db, GARBAGE_VOLUME, files, id, now_us, error);
}

/* `volumes` is a JSON object kind -> name, written by the reconciler. */
static gboolean add_volumes(Db *db, const char *volumes, const char *id, gint64 now_us,
                            GError **error)
{
    JsonView document;
    JsonWalk walk;

    if (!volumes || !json_view_parse(volumes, strlen(volumes), JSON_ONE_VALUE, &document, NULL))
        return TRUE;
    walk = json_view_walk(document);
    while (json_walk_next(&walk)) {
        g_autofree char *name = json_view_text_dup(walk.value, NULL);
        if (!add_intent(db, GARBAGE_VOLUME, name, id, now_us, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean add_intents(Db *db, const char *ids, gint64 now_us, GError **error)
{
    g_autoptr(DbRows) rows = query_objects(db, ids, error);

    if (!rows)
        return FALSE;
    while (db_rows_next(rows)) {
        const char *id = db_rows_text(rows, 0);
        if (!add_named(db, id, db_rows_text(rows, 1), now_us, error) ||
            !add_volumes(db, db_rows_text(rows, 2), id, now_us, error) ||
            !add_intent(db, GARBAGE_INSTANCE, db_rows_text(rows, 3), id, now_us, error) ||
            !add_intent(db, GARBAGE_INSTANCE, db_rows_text(rows, 4), id, now_us, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- Purge ---- */

/* Rows that refer to a workspace and do not go by themselves; the rest goes by foreign key. The
 * last one is the workspaces, so its count is theirs. */
static const char *const purges[] = {
    "UPDATE runtime_gc SET kept = 0, not_before = $2, created_at = $2 WHERE kept = 1"
    " AND workspace_id IN " IDS,
    "DELETE FROM agent_memories WHERE workspace_id IN " IDS,
    "DELETE FROM workspace_secrets WHERE workspace_id IN " IDS,
    "DELETE FROM approval_requests WHERE workspace_id IN " IDS,
    "DELETE FROM agents WHERE workspace_id IN " IDS,
    "UPDATE workspaces SET parent_id = NULL, updated_at = $2 WHERE parent_id IN " IDS,
    "UPDATE workspaces SET forwarded_to = NULL, updated_at = $2 WHERE forwarded_to IN " IDS,
    "DELETE FROM workspaces WHERE id IN " IDS,
};

static gboolean purge_all(Db *db, const char *ids, gint64 now_us, gint64 *purged, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(purges); i++)
        if (!exec_for(db, purges[i], ids, now_us, purged, error))
            return FALSE;
    return TRUE;
}

/* ---- The whole ---- */

static gboolean remove_tree(Db *db, const GPtrArray *tree, gboolean purge, StoreRemoval *removal,
                            GError **error)
{
    g_autofree char *all = ids_dup(tree);
    g_autofree char *live = ids_dup(removal->members);
    gint64 now_us = clock_now_us();

    if (!lock_rows(db, all, error))
        return FALSE;
    if (removal->members->len > 0 &&
        (!end_all(db, live, now_us, error) || !add_intents(db, live, now_us, error)))
        return FALSE;
    return !purge || tree->len == 0 || purge_all(db, all, now_us, &removal->rows_purged, error);
}

static gboolean has_member(const GPtrArray *members, const char *id)
{
    for (guint i = 0; i < members->len; i++)
        if (g_str_equal(((const StoreMember *)members->pdata[i])->id, id))
            return TRUE;
    return FALSE;
}

gboolean store_workspace_remove(Db *db, const char *id, StoreRemoveExtent extent, gboolean purge,
                                StoreRemoval **removal, GError **error)
{
    g_autoptr(DbTransaction) own = NULL;
    g_autoptr(GPtrArray) tree = NULL;
    g_autoptr(StoreRemoval) result = g_new0(StoreRemoval, 1);

    if (!joined_begin(db, &own, error) || !joined_lock_hierarchy(db, error) ||
        !(tree = list_tree(db, id, extent, error)))
        return error_prefix(error, "remove workspace %s", id);
    result->members = pick_live(tree);
    result->root_removed = has_member(result->members, id);
    if (!remove_tree(db, tree, purge, result, error) || !joined_commit(&own, error))
        return error_prefix(error, "remove workspace %s", id);
    *removal = g_steal_pointer(&result);
    return TRUE;
}
