/* Putting a workspace to sleep and waking it. A short sleep keeps the container, frozen; what must
 * really end, or slept for long, is stopped and keeps its volumes. */
#include "lifecycle/hibernate.h"

#include "base/log.h"
#include "events/payloads.h"
#include "lifecycle/checks.h"
#include "lifecycle/notices.h"
#include "store/workspaces.h"

#define SLEEP_PATIENCE_MS 15000 /* a stop has 10 s of grace */
#define WAKE_TRIES        3
#define FROM_SLEEP        (STORE_FROM_WAKE | STORE_STATUS_BIT(WORKSPACE_HIBERNATING))

/* ---- To sleep ---- */

/* `seeded`, too: an agent may be online a moment before its start is recorded. */
static gboolean may_run(const RuntimeRow *runtime)
{
    return runtime->phase == RUNTIME_SEEDED || runtime->phase == RUNTIME_STARTED ||
           runtime->phase == RUNTIME_READY;
}

static gboolean may_freeze(const Lifecycle *lifecycle, const RuntimeRow *runtime, gboolean force)
{
    return !force && lifecycle->config->hibernate_stop_after_minutes > 0 &&
           runtime->desired == RUNTIME_RUNNING && may_run(runtime);
}

/* Without a container there is nothing to wait for. */
static gboolean end_at_once(const Lifecycle *lifecycle, const WorkspaceRow *row, Notices *notices,
                            GError **error)
{
    gboolean changed = FALSE;

    return store_workspace_mark_hibernated(lifecycle->db, row->id, &changed, error) &&
           (!changed || notices_add(notices, "WORKSPACE_HIBERNATED", row->id,
                                    event_hibernated_payload_dup(row), error));
}

static gboolean wish_sleep(const Lifecycle *lifecycle, const WorkspaceRow *row, gboolean force,
                           Notices *notices, GError **error)
{
    const RuntimeWish stop = {.desired = RUNTIME_STOPPED};
    g_autoptr(RuntimeRow) runtime = NULL;
    gboolean is_switched = FALSE;
    gint64 generation = 0;

    if (!store_runtime_find(lifecycle->db, row->id, &runtime, error))
        return FALSE;
    if (!runtime || lifecycle_is_external(row))
        return end_at_once(lifecycle, row, notices, error);
    if (may_freeze(lifecycle, runtime, force) &&
        !store_runtime_switch(lifecycle->db, row->id, runtime->generation, RUNTIME_RUNNING,
                              RUNTIME_FROZEN, &is_switched, error))
        return FALSE;
    return is_switched || store_runtime_wish(lifecycle->db, row->id, &stop, &generation, error);
}

static gboolean claim(const Lifecycle *lifecycle, const WorkspaceRow *row, gboolean force,
                      Notices *notices, gboolean *claimed, GError **error)
{
    g_autoptr(DbTransaction) transaction = db_begin(lifecycle->db, error);

    if (!transaction ||
        !store_workspace_mark_hibernating(lifecycle->db, row->id, force, claimed, error))
        return FALSE;
    return !*claimed ||
           (wish_sleep(lifecycle, row, force, notices, error) && db_commit(&transaction, error));
}

/* A message may have passed the check of the status before it changed: who is talked to stays
 * awake. From the refresh on no further one passes. */
static void wake_if_talked_to(const Lifecycle *lifecycle, const char *id)
{
    if (lifecycle->has_messages && lifecycle->has_messages(id, lifecycle->data))
        lifecycle_wake(lifecycle, id);
}

gboolean hibernate_begin(const Lifecycle *lifecycle, const WorkspaceRow *row, gboolean force,
                         gboolean *claimed, GError **error)
{
    g_auto(Notices) notices = {.lifecycle = lifecycle};

    *claimed = FALSE;
    if (!claim(lifecycle, row, force, &notices, claimed, error))
        return FALSE;
    if (!*claimed)
        return TRUE;
    if (!org_tree_refresh(lifecycle->tree, row->id, NULL))
        log_warning("a change shows up in memory a little later", LOG_TEXT("workspace", row->id));
    notices_tell(&notices);
    log_info("workspace goes to sleep", LOG_TEXT("workspace", row->id),
             LOG_TEXT("how", force ? "forced" : "idle"));
    if (!force)
        wake_if_talked_to(lifecycle, row->id);
    reconciler_poke(lifecycle->reconciler, row->id);
    return TRUE;
}

/* Memory knows of tasks a moment before the database does. */
static gint64 active_tasks(const Lifecycle *lifecycle, const WorkspaceRow *row)
{
    g_autoptr(OrgNode) node = org_tree_find(lifecycle->tree, row->id);

    return node ? org_node_row(node)->active_tasks : row->active_tasks;
}

gboolean lifecycle_hibernate(const Lifecycle *lifecycle, const char *id, gboolean force,
                             WorkspaceHibernated *hibernated, GError **error)
{
    g_autoptr(WorkspaceRow) row = NULL;
    gboolean claimed = FALSE;

    *hibernated = (WorkspaceHibernated){0};
    if (!org_tree_flush(lifecycle->tree, error) ||
        !store_workspace_load(lifecycle->db, id, &row, error))
        return FALSE;
    if (row->status != WORKSPACE_ONLINE && row->status != WORKSPACE_DEGRADED)
        return error_set(error, ERROR_NOT_FOUND, "workspace not found, or not online");
    hibernated->active_tasks = force ? 0 : active_tasks(lifecycle, row);
    if (hibernated->active_tasks > 0)
        return TRUE;
    if (!hibernate_begin(lifecycle, row, force, &claimed, error))
        return FALSE;
    if (!claimed)
        return error_set(error, ERROR_CONFLICT, "the workspace has just changed its state");
    hibernated->status =
        status_signal_wait_left(lifecycle->status, id, WORKSPACE_HIBERNATING, SLEEP_PATIENCE_MS);
    if (hibernated->status != WORKSPACE_HIBERNATING && hibernated->status != WORKSPACE_HIBERNATED)
        return error_set(error, ERROR_CONFLICT, "the workspace was woken again: somebody needs it");
    return TRUE;
}

gboolean hibernate_finish(const Lifecycle *lifecycle, const WorkspaceRow *row, GError **error)
{
    g_autoptr(DbTransaction) transaction = db_begin(lifecycle->db, error);
    g_auto(Notices) notices = {.lifecycle = lifecycle};

    if (!transaction || !end_at_once(lifecycle, row, &notices, error) ||
        !db_commit(&transaction, error))
        return FALSE;
    notices_tell(&notices);
    return TRUE;
}

/* ---- Awake ---- */

static gboolean can_thaw(const RuntimeRow *runtime)
{
    return runtime->desired == RUNTIME_FROZEN &&
           (runtime->phase == RUNTIME_PHASE_FROZEN || may_run(runtime));
}

static gboolean start_again(const Lifecycle *lifecycle, const WorkspaceRow *row,
                            const RuntimeRow *runtime, Notices *notices, gboolean *woken,
                            GError **error)
{
    const RuntimeWish run = {.desired = RUNTIME_RUNNING};
    gint64 generation = 0;

    if (!store_workspace_mark_provisioning(lifecycle->db, row->id, FROM_SLEEP, woken, error))
        return FALSE;
    if (!*woken)
        return TRUE;
    if (runtime && !lifecycle_is_external(row) &&
        !store_runtime_wish(lifecycle->db, row->id, &run, &generation, error))
        return FALSE;
    return notices_add(notices, "WORKSPACE_PROVISIONING", row->id,
                       event_provisioning_payload_dup(row, NULL, NULL), error);
}

/* `woken` FALSE without an error: it is awake, is being woken, or changed meanwhile (`again`). */
static gboolean try_wake(const Lifecycle *lifecycle, const char *id, Notices *notices,
                         gboolean *woken, gboolean *again, GError **error)
{
    g_autoptr(DbTransaction) transaction = db_begin(lifecycle->db, error);
    g_autoptr(WorkspaceRow) row = NULL;
    g_autoptr(RuntimeRow) runtime = NULL;

    *woken = *again = FALSE;
    if (!transaction || !store_workspace_find(lifecycle->db, id, &row, error) ||
        !store_runtime_find(lifecycle->db, id, &runtime, error))
        return FALSE;
    if (!row || (row->status != WORKSPACE_HIBERNATING && row->status != WORKSPACE_HIBERNATED) ||
        (runtime && runtime->desired == RUNTIME_RUNNING))
        return TRUE;
    if (runtime && can_thaw(runtime)) {
        if (!store_runtime_switch(lifecycle->db, id, runtime->generation, RUNTIME_FROZEN,
                                  RUNTIME_RUNNING, woken, error))
            return FALSE;
        *again = !*woken;
    } else if (!start_again(lifecycle, row, runtime, notices, woken, error)) {
        return FALSE;
    }
    return db_commit(&transaction, error);
}

void lifecycle_wake(const Lifecycle *lifecycle, const char *id)
{
    g_auto(Notices) notices = {.lifecycle = lifecycle};
    g_autoptr(GError) error = NULL;
    gboolean woken = FALSE, again = TRUE;

    for (guint i = 0; i < WAKE_TRIES && again; i++)
        if (!try_wake(lifecycle, id, &notices, &woken, &again, &error)) {
            log_warning("a workspace could not be woken", LOG_TEXT("workspace", id),
                        LOG_CAUSE(error));
            return;
        }
    if (!woken)
        return;
    log_info("workspace wakes up", LOG_TEXT("workspace", id));
    notices_tell(&notices);
    reconciler_poke(lifecycle->reconciler, id);
}
