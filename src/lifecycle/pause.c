/* Stopping a workspace with all below it, and starting them again. One transaction marks every row,
 * records every wish and event; the containers follow, whoever hangs up. */
#include "base/log.h"
#include "events/payloads.h"
#include "lifecycle/checks.h"
#include "lifecycle/notices.h"
#include "store/runtime.h"
#include "store/workspaces.h"

/* Of an external workspace only the row changes. */
static gboolean wish(const Lifecycle *lifecycle, const WorkspaceRow *row, RuntimeDesired desired,
                     GError **error)
{
    const RuntimeWish wanted = {.desired = desired};
    gint64 generation = 0;

    return lifecycle_is_external(row) ||
           store_runtime_wish(lifecycle->db, row->id, &wanted, &generation, error);
}

/* ---- Pause ---- */

static gboolean pause_one(const Lifecycle *lifecycle, const char *id, Notices *notices,
                          gboolean *changed, GError **error)
{
    g_autoptr(WorkspaceRow) row = NULL;

    if (!store_workspace_mark_paused(lifecycle->db, id, changed, error))
        return FALSE;
    if (!*changed)
        return TRUE;
    return store_workspace_load(lifecycle->db, id, &row, error) &&
           wish(lifecycle, row, RUNTIME_STOPPED, error) &&
           notices_add(notices, "WORKSPACE_PAUSED", id, event_paused_payload_dup(row->name), error);
}

static gboolean pause_tree(const Lifecycle *lifecycle, const char *id, Notices *notices,
                           guint *count, GError **error)
{
    g_autoptr(DbTransaction) transaction = db_begin(lifecycle->db, error);
    g_autoptr(GPtrArray) below = NULL;
    gboolean changed = FALSE;

    if (!transaction || !store_workspace_lock_tree(lifecycle->db, id, error) ||
        !pause_one(lifecycle, id, notices, &changed, error))
        return FALSE;
    if (!changed)
        return error_set(error, ERROR_NOT_FOUND, "workspace not found or already paused");
    *count = 1;
    below = store_workspace_list_descendants(lifecycle->db, id, error);
    if (!below)
        return FALSE;
    for (guint i = 0; i < below->len; i++) {
        if (!pause_one(lifecycle, ((const StoreMember *)below->pdata[i])->id, notices, &changed,
                       error))
            return FALSE;
        *count += changed;
    }
    return db_commit(&transaction, error);
}

gboolean lifecycle_pause(const Lifecycle *lifecycle, const char *id, guint *count, GError **error)
{
    g_auto(Notices) notices = {.lifecycle = lifecycle};

    *count = 0;
    if (!pause_tree(lifecycle, id, &notices, count, error))
        return FALSE;
    notices_tell(&notices);
    log_info("workspace paused", LOG_TEXT("workspace", id), LOG_INT("count", *count));
    return TRUE;
}

/* ---- Resume ---- */

static gboolean resume_one(const Lifecycle *lifecycle, const char *id, Notices *notices,
                           gboolean *changed, GError **error)
{
    g_autoptr(WorkspaceRow) row = NULL;

    if (!store_workspace_mark_provisioning(lifecycle->db, id, STORE_FROM_RESUME, changed, error))
        return FALSE;
    if (!*changed)
        return TRUE;
    return store_workspace_load(lifecycle->db, id, &row, error) &&
           wish(lifecycle, row, RUNTIME_RUNNING, error) &&
           notices_add(notices, "WORKSPACE_PROVISIONING", id,
                       event_provisioning_payload_dup(row, NULL, NULL), error);
}

/* Below `id`, through resumed ones only: parents come before their children. */
static gboolean resume_below(const Lifecycle *lifecycle, const char *id, Notices *notices,
                             guint *count, GError **error)
{
    g_autoptr(GPtrArray) below = store_workspace_list_descendants(lifecycle->db, id, error);
    g_autoptr(GHashTable) resumed = g_hash_table_new(g_str_hash, g_str_equal);
    gboolean changed = FALSE;

    if (!below)
        return FALSE;
    g_hash_table_add(resumed, (char *)id);
    for (guint i = 0; i < below->len; i++) {
        StoreMember *member = below->pdata[i];

        if (!g_hash_table_contains(resumed, member->parent_id))
            continue;
        if (!resume_one(lifecycle, member->id, notices, &changed, error))
            return FALSE;
        if (changed)
            g_hash_table_add(resumed, member->id);
        *count += changed;
    }
    return TRUE;
}

static gboolean resume_tree(const Lifecycle *lifecycle, const char *id, Notices *notices,
                            guint *count, GError **error)
{
    g_autoptr(DbTransaction) transaction = db_begin(lifecycle->db, error);
    gboolean changed = FALSE;

    if (!transaction || !store_workspace_lock_tree(lifecycle->db, id, error) ||
        !resume_one(lifecycle, id, notices, &changed, error))
        return FALSE;
    if (!changed)
        return error_set(error, ERROR_NOT_FOUND, "workspace not found or not paused");
    *count = 1;
    return resume_below(lifecycle, id, notices, count, error) && db_commit(&transaction, error);
}

gboolean lifecycle_resume(const Lifecycle *lifecycle, const char *id, WorkspaceResumed *resumed,
                          GError **error)
{
    g_auto(Notices) notices = {.lifecycle = lifecycle};
    g_autoptr(WorkspaceRow) row = NULL;

    *resumed = (WorkspaceResumed){0};
    if (!store_workspace_load(lifecycle->db, id, &row, error))
        return FALSE;
    if (row->status != WORKSPACE_PAUSED)
        return error_set(error, ERROR_NOT_FOUND, "workspace not found or not paused");
    resumed->has_no_engine = !lifecycle_is_external(row) && !lifecycle_has_engine(lifecycle);
    if (resumed->has_no_engine)
        return TRUE;
    if (!lifecycle_check_ancestors(lifecycle, id, error) ||
        !resume_tree(lifecycle, id, &notices, &resumed->count, error))
        return FALSE;
    notices_tell(&notices);
    log_info("workspace resumed", LOG_TEXT("workspace", id), LOG_INT("count", resumed->count));
    return TRUE;
}
