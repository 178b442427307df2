/* Removing a workspace and all below it. The transaction holds the whole wish, intents for every
 * container and volume included; what follows it can only make the answer say more. */
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "lifecycle/lifecycle.h"
#include "lifecycle/team.h"
#include "store/garbage.h"
#include "store/structure_events.h"
#include "store/workspaces.h"

#define CLEANUP_PATIENCE_MS 10000 /* spec 02, 17.3 D */
#define EVENT_COLLAPSED     "WORKSPACE_COLLAPSED"

void workspace_removed_clear(WorkspaceRemoved *removed)
{
    g_clear_pointer(&removed->children, g_ptr_array_unref);
    *removed = (WorkspaceRemoved){0};
}

static StoreMember *member_of(const WorkspaceRow *row)
{
    StoreMember *member = g_new0(StoreMember, 1);

    g_strlcpy(member->id, row->id, ID_SIZE);
    g_strlcpy(member->parent_id, row->parent_id, ID_SIZE);
    member->name = g_strdup(row->name);
    member->status = row->status;
    return member;
}

static gboolean list_children(const Lifecycle *lifecycle, const char *id, WorkspaceRemoved *removed,
                              GError **error)
{
    g_autoptr(GPtrArray) rows = store_workspace_list_children(lifecycle->db, id, error);

    if (!rows)
        return FALSE;
    removed->children = g_ptr_array_new_with_free_func((GDestroyNotify)store_member_free);
    for (guint i = 0; i < rows->len; i++)
        g_ptr_array_add(removed->children, member_of(rows->pdata[i]));
    return TRUE;
}

static char *removed_payload(gboolean is_root, guint cascade_deleted)
{
    return is_root ? g_strdup_printf("{\"cascade_deleted\":%u}", cascade_deleted) : g_strdup("{}");
}

/* Runs `step` for each member that went, children before parents, the root last. */
typedef gboolean (*MemberStep)(const Lifecycle *lifecycle, const char *id, const char *payload,
                               gint64 now_us, GError **error);

static gboolean each_member(const Lifecycle *lifecycle, const StoreRemoval *removal,
                            const char *root, gint64 now_us, MemberStep step, GError **error)
{
    guint below = removal->members->len - (removal->root_removed ? 1 : 0);

    for (guint i = 0; i < removal->members->len; i++) {
        const StoreMember *member = removal->members->pdata[i];
        g_autofree char *payload = removed_payload(g_str_equal(member->id, root), below);
        /* A microsecond apart, so that a reader sorted by time sees the same order. */
        if (!step(lifecycle, member->id, payload, now_us + i, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean record_step(const Lifecycle *lifecycle, const char *id, const char *payload,
                            gint64 now_us, GError **error)
{
    return event_store(lifecycle->db, "WORKSPACE_REMOVED", id, payload, now_us, error);
}

/* First every cache lets go, then listeners hear of it, then the reconciler begins: whoever reacts
 * to the event must not find the workspace any more. */
static gboolean forget_step(const Lifecycle *lifecycle, const char *id, const char *payload,
                            gint64 now_us, GError **error)
{
    (void)payload;
    (void)now_us;
    (void)error;
    tokens_forget(lifecycle->tokens, id);
    if (!org_tree_refresh(lifecycle->tree, id, NULL))
        log_warning("a removed workspace leaves memory a little later", LOG_TEXT("workspace", id));
    return TRUE;
}

static gboolean announce_step(const Lifecycle *lifecycle, const char *id, const char *payload,
                              gint64 now_us, GError **error)
{
    (void)error;
    events_announce(lifecycle->events, "WORKSPACE_REMOVED", id, payload, now_us);
    reconciler_poke(lifecycle->reconciler, id);
    log_info("workspace removed", LOG_TEXT("workspace", id), LOG_TEXT("why", "asked by a client"));
    return TRUE;
}

/* An accidental delete can be undone: what its volumes hold stays for a while. */
static gboolean keep_volumes(const Lifecycle *lifecycle, const StoreRemoval *removal, gint64 now_us,
                             GError **error)
{
    double hours = lifecycle->config ? lifecycle->config->volume_retention_hours : 0;
    gint64 until_us = now_us + (gint64)(hours * (double)CLOCK_HOUR_US);

    for (guint i = 0; i < removal->members->len && until_us > now_us; i++) {
        const StoreMember *member = removal->members->pdata[i];

        if (!store_garbage_keep_volumes(lifecycle->db, member->id, until_us, error))
            return FALSE;
    }
    return TRUE;
}

/* What a removal is: who goes, and what is told about who stays. */
typedef struct {
    StoreRemoveExtent extent;
    gboolean purge;
} Removing;

static char *collapsed_payload(const StoreRemoval *removal)
{
    g_autoptr(GString) payload = g_string_new(NULL);
    JsonOut out = json_out_start(payload);

    json_out_object(&out, NULL);
    json_out_array(&out, "removed_children");
    for (guint i = removal->members->len; i > 0; i--)
        json_out_text(&out, NULL, ((const StoreMember *)removal->members->pdata[i - 1])->name);
    json_out_end(&out);
    json_out_end(&out);
    return g_string_free(g_steal_pointer(&payload), FALSE);
}

/* The parent that stays says it after all who went. */
static gboolean record_collapsed(const Lifecycle *lifecycle, const char *id,
                                 const StoreRemoval *removal, gint64 now_us, GError **error)
{
    g_autofree char *payload = collapsed_payload(removal);

    return event_store(lifecycle->db, EVENT_COLLAPSED, id, payload, now_us + removal->members->len,
                       error);
}

static gboolean remove_tree(const Lifecycle *lifecycle, const char *id, Removing removing,
                            StoreRemoval **removal, gint64 now_us, GError **error)
{
    g_autoptr(DbTransaction) transaction = db_begin(lifecycle->db, error);
    g_autoptr(StoreRemoval) result = NULL;

    if (!transaction ||
        !store_workspace_remove(lifecycle->db, id, removing.extent, removing.purge, &result,
                                error) ||
        (!removing.purge && !keep_volumes(lifecycle, result, now_us, error)) ||
        !each_member(lifecycle, result, id, now_us, record_step, error) ||
        (removing.extent == STORE_REMOVE_BELOW &&
         !record_collapsed(lifecycle, id, result, now_us, error)) ||
        !db_commit(&transaction, error))
        return FALSE;
    *removal = g_steal_pointer(&result);
    return TRUE;
}

static gboolean wait_cleaned(const Lifecycle *lifecycle, const StoreRemoval *removal)
{
    gint64 deadline_us = clock_monotonic_us() + CLEANUP_PATIENCE_MS * 1000;
    gboolean is_cleaned = TRUE;

    for (guint i = 0; i < removal->members->len && is_cleaned; i++) {
        const StoreMember *member = removal->members->pdata[i];
        gint64 left_us = MAX(deadline_us - clock_monotonic_us(), 0);
        is_cleaned =
            reconciler_wait_gone(lifecycle->reconciler, member->id, (guint)(left_us / 1000));
    }
    return is_cleaned;
}

gboolean lifecycle_remove(const Lifecycle *lifecycle, const char *id, gboolean confirmed,
                          gboolean purge, WorkspaceRemoved *removed, GError **error)
{
    g_autoptr(StoreRemoval) removal = NULL;
    gint64 now_us = clock_now_us();

    *removed = (WorkspaceRemoved){0};
    if (!list_children(lifecycle, id, removed, error))
        return FALSE;
    if (removed->children->len > 0 && !confirmed) {
        removed->needs_confirmation = TRUE;
        return TRUE;
    }
    if (!remove_tree(lifecycle, id, (Removing){STORE_REMOVE_TREE, purge}, &removal, now_us, error))
        return FALSE;
    each_member(lifecycle, removal, id, now_us, forget_step, NULL);
    each_member(lifecycle, removal, id, now_us, announce_step, NULL);
    removed->cascade_deleted = removal->members->len - (removal->root_removed ? 1 : 0);
    if (purge && !removal->root_removed)
        reconciler_poke(lifecycle->reconciler, id); /* volumes that were kept until now */
    removed->is_cleaned = wait_cleaned(lifecycle, removal);
    return TRUE;
}

/* ---- Collapse ---- */

static void tell_collapsed(const Lifecycle *lifecycle, const char *id, const StoreRemoval *removal,
                           gint64 now_us)
{
    g_autofree char *payload = collapsed_payload(removal);

    events_announce(lifecycle->events, EVENT_COLLAPSED, id, payload,
                    now_us + removal->members->len);
}

GPtrArray *lifecycle_collapse(const Lifecycle *lifecycle, const char *id, GError **error)
{
    g_autoptr(OrgNode) node = org_tree_find(lifecycle->tree, id);
    g_autoptr(StoreRemoval) removal = NULL;
    gint64 now_us = clock_now_us();
    GPtrArray *names = NULL;

    if (!node) {
        error_set(error, ERROR_NOT_FOUND, "workspace not found");
        return NULL;
    }
    if (!remove_tree(lifecycle, id, (Removing){STORE_REMOVE_BELOW, FALSE}, &removal, now_us, error))
        return NULL;
    each_member(lifecycle, removal, id, now_us, forget_step, NULL);
    each_member(lifecycle, removal, id, now_us, announce_step, NULL);
    tell_collapsed(lifecycle, id, removal, now_us);
    (void)wait_cleaned(lifecycle, removal); /* their end is certain; a client may look at once */
    names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = removal->members->len; i > 0; i--)
        g_ptr_array_add(names, g_strdup(((StoreMember *)removal->members->pdata[i - 1])->name));
    return names;
}
