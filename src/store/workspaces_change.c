/* Table `workspaces`: new rows and changes that leave the status alone. */
#include "base/clock.h"
#include "store/columns.h"
#include "store/joined.h"
#include "store/workspaces.h"

#include <string.h>

/* ---- The parent ---- */

static gboolean check_parent(Db *db, const char *parent_id, GError **error)
{
    static const char sql[] =
        "SELECT COUNT(*) FROM workspaces WHERE id = $1 AND status <> 'removed'";
    const DbValue values[] = {DB_TEXT(parent_id)};
    gint64 count = 0;

    if (!column_read_int(db, sql, values, 1, &count, error))
        return FALSE;
    return count == 1 || error_set(error, ERROR_INVALID, "parent_id names no workspace");
}

/* Refuses a parent that is the workspace itself or below it. UNION drops rows seen before, so a
 * cycle that is already there ends. */
static gboolean check_no_cycle(Db *db, const char *id, const char *parent_id, GError **error)
{
    static const char sql[] =
        "WITH RECURSIVE above(id) AS (SELECT CAST($2 AS TEXT)"
        " UNION SELECT w.parent_id FROM workspaces w JOIN above ON w.id = above.id"
        " WHERE w.parent_id IS NOT NULL)"
        " SELECT COUNT(*) FROM above WHERE id = $1";
    const DbValue values[] = {DB_TEXT(id), DB_TEXT(parent_id)};
    gint64 count = 0;

    if (!column_read_int(db, sql, values, 2, &count, error))
        return FALSE;
    return count == 0 || error_set(error, ERROR_INVALID,
                                   "parent_id must not be the workspace itself or one below it");
}

/* ---- Inserting ---- */

static gboolean insert_row(Db *db, const WorkspaceRow *row, gint64 now_us, GError **error)
{
    static const char sql[] =
        "INSERT INTO workspaces (id, name, role, tier, status, source_bundle_id, agent_card, url,"
        " url_is_minted, agent_url, parent_id, last_heartbeat_at, last_error_rate,"
        " last_sample_error, active_tasks, uptime_seconds, created_at, updated_at, current_task,"
        " awareness_namespace, runtime, workspace_dir, workspace_access, budget_limit,"
        " monthly_spend, spend_period, hibernation_idle_minutes, last_outbound_at,"
        " max_concurrent_tasks, instance_id, model, template_name, image, executor, command,"
        " provision_started_at, idle_since)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,"
        " $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36,"
        " $37)";

    return db_exec(
        db, sql, NULL, error, DB_TEXT(row->id), DB_TEXT(row->name), DB_TEXT(row->role),
        DB_INT(row->tier), DB_TEXT(workspace_status_name(row->status)),
        DB_TEXT(row->source_bundle_id), DB_TEXT(row->agent_card), DB_TEXT(row->url),
        DB_BOOL(row->url_is_minted), DB_TEXT(row->agent_url), DB_ID(row->parent_id),
        DB_TIME(row->last_heartbeat_at_us), DB_DOUBLE(row->last_error_rate),
        DB_TEXT(row->last_sample_error), DB_INT(row->active_tasks), DB_INT(row->uptime_seconds),
        DB_INT(row->created_at_us ? row->created_at_us : now_us),
        DB_INT(row->updated_at_us ? row->updated_at_us : now_us), DB_TEXT(row->current_task),
        DB_TEXT(row->awareness_namespace), DB_TEXT(row->runtime), DB_TEXT(row->workspace_dir),
        DB_TEXT(row->workspace_access ? row->workspace_access : "none"),
        row->budget_limit < 0 ? DB_NULL : DB_INT(row->budget_limit), DB_INT(row->monthly_spend),
        DB_TIME(row->spend_period), DB_TIME(row->hibernation_idle_minutes),
        DB_TIME(row->last_outbound_at_us), DB_INT(row->max_concurrent_tasks),
        DB_TEXT(row->instance_id), DB_TEXT(row->model), DB_TEXT(row->template_name),
        DB_TEXT(row->image), DB_TEXT(row->executor), DB_TEXT(row->command),
        DB_TIME(row->provision_started_at_us), DB_TIME(row->idle_since_us));
}

static gboolean insert_layout(Db *db, const WorkspaceRow *row, GError **error)
{
    static const char sql[] =
        "INSERT INTO canvas_layouts (workspace_id, x, y, collapsed) VALUES ($1, $2, $3, $4)";

    return db_exec(db, sql, NULL, error, DB_TEXT(row->id), DB_DOUBLE(row->x), DB_DOUBLE(row->y),
                   DB_BOOL(row->collapsed));
}

gboolean store_workspace_insert(Db *db, const WorkspaceRow *row, GError **error)
{
    g_autoptr(DbTransaction) own = NULL;
    gboolean has_parent = row->parent_id[0] != '\0';

    if (!joined_begin(db, &own, error))
        return FALSE;
    if (has_parent &&
        (!joined_lock_hierarchy(db, error) || !check_parent(db, row->parent_id, error)))
        return FALSE;
    if (!insert_row(db, row, clock_now_us(), error) || !insert_layout(db, row, error))
        return error_prefix(error, "insert workspace %s", row->id);
    return joined_commit(&own, error);
}

/* ---- Patching ---- */

#define PATCH_COLUMNS_MAX 16

/* SET list and values of one UPDATE; $1 is the id, $2 the time. */
typedef struct {
    GString *sql;
    DbValue values[PATCH_COLUMNS_MAX];
    gsize count;
} Update;

static void set_column(Update *update, gboolean wanted, const char *column, DbValue value)
{
    if (!wanted)
        return;
    g_assert(update->count < PATCH_COLUMNS_MAX);
    update->values[update->count++] = value;
    g_string_append_printf(update->sql, ", %s = $%zu", column, update->count);
}

static void set_columns(Update *update, const StoreWorkspacePatch *patch)
{
    set_column(update, patch->has_name, "name", DB_TEXT(patch->name));
    set_column(update, patch->has_role, "role", DB_TEXT(patch->role));
    set_column(update, patch->has_tier, "tier", DB_INT(patch->tier));
    set_column(update, patch->has_parent, "parent_id", DB_ID(patch->parent_id));
    set_column(update, patch->has_runtime, "runtime", DB_TEXT(patch->runtime));
    set_column(update, patch->has_workspace_dir, "workspace_dir", DB_TEXT(patch->workspace_dir));
    set_column(update, patch->has_workspace_access, "workspace_access",
               DB_TEXT(patch->workspace_access ? patch->workspace_access : "none"));
    set_column(update, patch->has_hibernation_idle_minutes, "hibernation_idle_minutes",
               DB_TIME(patch->hibernation_idle_minutes));
    set_column(update, patch->has_budget_limit, "budget_limit",
               patch->budget_limit < 0 ? DB_NULL : DB_INT(patch->budget_limit));
    set_column(update, patch->has_model, "model", DB_TEXT(patch->model));
    set_column(update, patch->has_max_concurrent_tasks, "max_concurrent_tasks",
               DB_INT(patch->max_concurrent_tasks));
}

static gboolean patch_row(Db *db, const char *id, const StoreWorkspacePatch *patch, GError **error)
{
    g_autoptr(GString) sql = g_string_new("UPDATE workspaces SET updated_at = $2");
    Update update = {.sql = sql, .values = {DB_TEXT(id), DB_INT(clock_now_us())}, .count = 2};
    gint64 rows = 0;

    set_columns(&update, patch);
    g_string_append(sql, " WHERE id = $1");
    if (!db_exec_values(db, sql->str, update.values, update.count, &rows, error))
        return FALSE;
    return rows == 1 || error_set(error, ERROR_NOT_FOUND, "workspace not found");
}

static gboolean patch_layout(Db *db, const char *id, const StoreWorkspacePatch *patch,
                             GError **error)
{
    static const char position[] =
        "INSERT INTO canvas_layouts (workspace_id, x, y) VALUES ($1, $2, $3)"
        " ON CONFLICT (workspace_id) DO UPDATE SET x = excluded.x, y = excluded.y";
    static const char collapsed[] =
        "INSERT INTO canvas_layouts (workspace_id, collapsed) VALUES ($1, $2)"
        " ON CONFLICT (workspace_id) DO UPDATE SET collapsed = excluded.collapsed";

    if (patch->has_position &&
        !db_exec(db, position, NULL, error, DB_TEXT(id), DB_DOUBLE(patch->x), DB_DOUBLE(patch->y)))
        return FALSE;
    return !patch->has_collapsed ||
           db_exec(db, collapsed, NULL, error, DB_TEXT(id), DB_BOOL(patch->collapsed));
}

static gboolean check_exists(Db *db, const char *id, GError **error)
{
    const DbValue values[] = {DB_TEXT(id)};
    gint64 count = 0;

    if (!column_read_int(db, "SELECT COUNT(*) FROM workspaces WHERE id = $1", values, 1, &count,
                         error))
        return FALSE;
    return count == 1 || error_set(error, ERROR_NOT_FOUND, "workspace not found");
}

static gboolean check_new_parent(Db *db, const char *id, const StoreWorkspacePatch *patch,
                                 GError **error)
{
    if (!patch->has_parent || !patch->parent_id || *patch->parent_id == '\0')
        return TRUE;
    return joined_lock_hierarchy(db, error) && check_exists(db, id, error) &&
           check_parent(db, patch->parent_id, error) &&
           check_no_cycle(db, id, patch->parent_id, error);
}

gboolean store_workspace_patch(Db *db, const char *id, const StoreWorkspacePatch *patch,
                               GError **error)
{
    g_autoptr(DbTransaction) own = NULL;

    if (!joined_begin(db, &own, error) || !check_new_parent(db, id, patch, error) ||
        !patch_row(db, id, patch, error) || !patch_layout(db, id, patch, error))
        return error_prefix(error, "patch workspace %s", id);
    return joined_commit(&own, error);
}

/* ---- Single fields ---- */

gboolean store_workspace_set_card(Db *db, const char *id, const char *card, gboolean *changed,
                                  GError **error)
{
    static const char sql[] = "UPDATE workspaces SET agent_card = $2, updated_at = $3"
                              " WHERE id = $1 AND status <> 'removed'";
    gint64 rows = 0;

    if (!db_exec(db, sql, &rows, error, DB_TEXT(id), DB_TEXT(card), DB_INT(clock_now_us())))
        return error_prefix(error, "set the card of workspace %s", id);
    *changed = rows == 1;
    return TRUE;
}

gboolean store_workspace_touch_outbound(Db *db, const char *id, gint64 at_us, GError **error)
{
    static const char sql[] = "UPDATE workspaces SET last_outbound_at = $2"
                              " WHERE id = $1 AND COALESCE(last_outbound_at, 0) < $2";

    return db_exec(db, sql, NULL, error, DB_TEXT(id), DB_INT(at_us));
}

gboolean store_workspace_set_minted_url(Db *db, const char *id, gint64 generation, const char *url,
                                        gboolean *changed, GError **error)
{
    static const char sql[] = "UPDATE workspaces SET url = $2, url_is_minted = 1, updated_at = $3"
                              " WHERE id = $1 AND status NOT IN ('paused', 'hibernating', "
                              "'hibernated', 'removed')" JOINED_FENCE("$4");
    const DbValue values[] = {DB_TEXT(id), DB_TEXT(url), DB_INT(clock_now_us()),
                              DB_INT(generation)};

    return joined_exec_fenced(db, id, sql, values, G_N_ELEMENTS(values), changed, error) ||
           error_prefix(error, "set the url of workspace %s", id);
}

/* ---- Vital signs ---- */

static gboolean write_vitals(Db *db, const StoreVitals *vitals, GError **error)
{
    static const char sql[] =
        "UPDATE workspaces SET last_error_rate = $2, last_sample_error = COALESCE($3,"
        " last_sample_error), active_tasks = $4, uptime_seconds = CASE WHEN $5 = 0 THEN"
        " uptime_seconds ELSE $5 END, current_task = $6, monthly_spend = CASE WHEN $7 = 0 THEN"
        " monthly_spend ELSE $7 END, spend_period = CASE WHEN $7 = 0 THEN spend_period ELSE $8 END,"
        " last_heartbeat_at = CASE WHEN $9 > COALESCE(last_heartbeat_at, 0) THEN $9 ELSE"
        " last_heartbeat_at END, last_outbound_at = CASE WHEN $10 > COALESCE(last_outbound_at, 0)"
        " THEN $10 ELSE last_outbound_at END, idle_since = CASE WHEN $11 > COALESCE(idle_since, 0)"
        " THEN $11 ELSE idle_since END"
        " WHERE id = $1 AND status <> 'removed'";

    return db_exec(db, sql, NULL, error, DB_TEXT(vitals->id), DB_DOUBLE(vitals->error_rate),
                   DB_TEXT(vitals->sample_error), DB_INT(vitals->active_tasks),
                   DB_INT(vitals->uptime_seconds), DB_TEXT(vitals->current_task),
                   DB_INT(vitals->monthly_spend), DB_INT(vitals->spend_period),
                   DB_INT(vitals->heartbeat_at_us), DB_INT(vitals->last_outbound_at_us),
                   DB_INT(vitals->idle_since_us));
}

static int by_id(const void *a, const void *b)
{
    const StoreVitals *const *first = a;
    const StoreVitals *const *second = b;

    return strcmp((*first)->id, (*second)->id);
}

gboolean store_workspace_write_vitals(Db *db, const StoreVitals *vitals, gsize count,
                                      GError **error)
{
    g_autoptr(DbTransaction) own = NULL;
    g_autofree const StoreVitals **sorted = g_new(const StoreVitals *, count + 1);

    if (count == 0)
        return TRUE;
    for (gsize i = 0; i < count; i++)
        sorted[i] = &vitals[i];
    /* Two servers that write the same rows must lock them in the same order. */
    qsort(sorted, count, sizeof *sorted, by_id);
    if (!joined_begin(db, &own, error))
        return FALSE;
    for (gsize i = 0; i < count; i++)
        if (!write_vitals(db, sorted[i], error))
            return error_prefix(error, "write vital signs");
    return joined_commit(&own, error);
}
