/* The idle monitor. Idle since: the latest of the last message in or out, the last task, and the
 * moment it came online. Decisions are made from memory; each is asked again by a guarded change.
 * Source: spec 01 section 9.5; spec 02 section 13.5. */
#include "base/clock.h"
#include "base/log.h"
#include "lifecycle/checks.h"
#include "lifecycle/hibernate.h"
#include "store/workspaces.h"

#define HIBERNATING_MAX_US (2 * CLOCK_MINUTE_US) /* spec 01, 9.5 */
#define FROZEN_LIMIT       100                   /* stopped in one sweep */

static gboolean is_up(const WorkspaceRow *row)
{
    return row->status == WORKSPACE_ONLINE || row->status == WORKSPACE_DEGRADED;
}

/* One that never did anything is idle since it came. */
static gint64 idle_since_us(const WorkspaceRow *row)
{
    if (row->idle_since_us)
        return row->idle_since_us;
    return MAX(row->provision_started_at_us, row->created_at_us);
}

static gboolean is_idle(const Lifecycle *lifecycle, const WorkspaceRow *row, gint64 now_us)
{
    gint64 limit_us = row->hibernation_idle_minutes * CLOCK_MINUTE_US;

    return limit_us > 0 && is_up(row) && row->active_tasks == 0 && !lifecycle_is_external(row) &&
           now_us - idle_since_us(row) >= limit_us &&
           !(lifecycle->has_messages && lifecycle->has_messages(row->id, lifecycle->data));
}

/* The database knows what other servers on it have seen. */
static void put_to_sleep(const Lifecycle *lifecycle, const WorkspaceRow *seen, gint64 now_us)
{
    g_autoptr(WorkspaceRow) row = NULL;
    g_autoptr(GError) error = NULL;
    gboolean claimed = FALSE;

    if (store_workspace_find(lifecycle->db, seen->id, &row, &error) &&
        (!row || !is_idle(lifecycle, row, now_us)))
        return;
    if (!row || !hibernate_begin(lifecycle, row, FALSE, &claimed, &error))
        log_warning("an idle workspace stays awake", LOG_TEXT("workspace", seen->id),
                    LOG_CAUSE(error));
}

/* Whatever kept it (an engine that is away): people see the end, the wish stays. */
static void finish(const Lifecycle *lifecycle, const WorkspaceRow *row)
{
    g_autoptr(GError) error = NULL;

    log_warning("a workspace takes long to fall asleep", LOG_TEXT("workspace", row->id));
    if (!hibernate_finish(lifecycle, row, &error))
        log_warning("a workspace stays half asleep", LOG_TEXT("workspace", row->id),
                    LOG_CAUSE(error));
    reconciler_poke(lifecycle->reconciler, row->id);
}

static void sweep_node(const Lifecycle *lifecycle, const WorkspaceRow *row, gint64 now_us)
{
    if (row->status == WORKSPACE_HIBERNATING && now_us - row->updated_at_us >= HIBERNATING_MAX_US)
        finish(lifecycle, row);
    else if (is_idle(lifecycle, row, now_us))
        put_to_sleep(lifecycle, row, now_us);
}

/* ---- Frozen for long ---- */

static void stop_frozen(const Lifecycle *lifecycle, const RuntimeRow *row)
{
    g_autoptr(GError) error = NULL;
    gboolean changed = FALSE;

    if (!store_runtime_switch(lifecycle->db, row->workspace_id, row->generation, RUNTIME_FROZEN,
                              RUNTIME_STOPPED, &changed, &error)) {
        log_warning("a frozen workspace stays frozen", LOG_TEXT("workspace", row->workspace_id),
                    LOG_CAUSE(error));
        return;
    }
    if (!changed)
        return;
    log_info("a workspace slept for long and is stopped", LOG_TEXT("workspace", row->workspace_id));
    reconciler_poke(lifecycle->reconciler, row->workspace_id);
}

static gboolean anybody_sleeps(const GPtrArray *nodes)
{
    for (guint i = 0; i < nodes->len; i++)
        if (org_node_row(nodes->pdata[i])->status == WORKSPACE_HIBERNATED)
            return TRUE;
    return FALSE;
}

static void sweep_frozen(const Lifecycle *lifecycle, gint64 now_us)
{
    gint64 limit_us = lifecycle->config->hibernate_stop_after_minutes * CLOCK_MINUTE_US;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) rows =
        store_runtime_list_frozen(lifecycle->db, now_us - limit_us, FROZEN_LIMIT, &error);

    if (!rows) {
        log_warning("frozen workspaces could not be looked up", LOG_CAUSE(error));
        return;
    }
    for (guint i = 0; i < rows->len; i++)
        stop_frozen(lifecycle, rows->pdata[i]);
}

void lifecycle_idle_sweep(const Lifecycle *lifecycle)
{
    g_autoptr(GPtrArray) nodes = org_tree_list(lifecycle->tree);
    gint64 now_us = clock_now_us();

    for (guint i = 0; i < nodes->len; i++)
        sweep_node(lifecycle, org_node_row(nodes->pdata[i]), now_us);
    if (anybody_sleeps(nodes))
        sweep_frozen(lifecycle, now_us);
}
