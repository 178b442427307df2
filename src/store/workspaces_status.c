/* Table `workspaces`: changes of status. Each is one statement that names the states it may leave.
 */
#include "base/clock.h"
#include "store/columns.h"
#include "store/joined.h"
#include "store/workspaces.h"

#include <string.h>

/* What the server knew about reaching an agent is void; an external agent keeps its address. */
#define DROP_URL                                                                                   \
    " url = CASE WHEN runtime = 'external' THEN url ELSE NULL END,"                                \
    " agent_url = CASE WHEN runtime = 'external' THEN agent_url ELSE NULL END,"                    \
    " url_is_minted = CASE WHEN runtime = 'external' THEN url_is_minted ELSE 0 END,"

static gboolean change(Db *db, const char *sql, const DbValue *values, gsize count,
                       gboolean *changed, GError **error)
{
    gint64 rows = 0;

    if (!db_exec_values(db, sql, values, count, &rows, error))
        return FALSE;
    *changed = rows == 1;
    return TRUE;
}

/* For statements that need no more than $1, the id, and $2, now. */
static gboolean change_now(Db *db, const char *id, const char *sql, gboolean *changed,
                           GError **error)
{
    const DbValue values[] = {DB_TEXT(id), DB_INT(clock_now_us())};

    return change(db, sql, values, G_N_ELEMENTS(values), changed, error) ||
           error_prefix(error, "change the status of workspace %s", id);
}

/* ---- Registration ---- */

void store_register_result_clear(StoreRegisterResult *result)
{
    g_clear_pointer(&result->url, g_free);
}

/* What a registration finds. */
typedef struct {
    WorkspaceStatus status;
    gboolean url_is_minted;
    char *url;
    gint64 generation; /* of the wish, 0: none */
} Found;

static void found_clear(Found *found)
{
    g_free(found->url);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Found, found_clear)

static gboolean look(Db *db, const char *id, Found *found, gboolean *exists, GError **error)
{
    static const char sql[] = "SELECT w.status, w.url_is_minted, w.url, r.generation"
                              " FROM workspaces w LEFT JOIN workspace_runtime r"
                              " ON r.workspace_id = w.id WHERE w.id = $1";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(id));

    if (!rows)
        return FALSE;
    *exists = db_rows_next(rows);
    if (!*exists)
        return TRUE;
    found->status = workspace_status_parse(db_rows_text(rows, 0));
    found->url_is_minted = db_rows_int(rows, 1) != 0;
    found->url = column_text_dup(rows, 2);
    found->generation = db_rows_int(rows, 3);
    return TRUE;
}

static gboolean keeps_status(WorkspaceStatus status)
{
    return status == WORKSPACE_PAUSED || status == WORKSPACE_HIBERNATING ||
           status == WORKSPACE_HIBERNATED || status == WORKSPACE_REMOVED;
}

/* Whether a token made for `token_generation` belongs to an older container than is wished. */
static gboolean is_superseded(gint64 token_generation, gint64 generation)
{
    return token_generation != 0 && token_generation < generation;
}

static gboolean write_registration(Db *db, const char *id, const StoreRegistration *registration,
                                   const char *url, WorkspaceStatus status, GError **error)
{
    static const char sql[] =
        "UPDATE workspaces SET url = $2, agent_url = $3, agent_card = $4, last_heartbeat_at = $5,"
        " updated_at = $5, idle_since = CASE WHEN status <> 'online' AND $6 = 'online' THEN $5"
        " ELSE idle_since END, status = $6 WHERE id = $1 AND status <> 'removed'";

    return db_exec(db, sql, NULL, error, DB_TEXT(id), DB_TEXT(url), DB_TEXT(registration->url),
                   DB_TEXT(registration->agent_card), DB_INT(clock_now_us()),
                   DB_TEXT(workspace_status_name(status)));
}

/* The row is locked between looking and writing. */
static gboolean register_locked(Db *db, const char *id, const StoreRegistration *registration,
                                StoreRegisterResult *result, GError **error)
{
    g_auto(Found) found = {0};
    const char *url;

    if (!look(db, id, &found, &result->found, error))
        return FALSE;
    if (!result->found)
        return TRUE;
    result->before = result->after = found.status;
    result->generation = found.generation;
    if (found.status == WORKSPACE_REMOVED)
        return TRUE;
    result->superseded = is_superseded(registration->token_generation, found.generation);
    if (result->superseded)
        return TRUE;
    url = found.url_is_minted ? found.url : registration->url;
    if (!keeps_status(found.status))
        result->after = WORKSPACE_ONLINE;
    if (!write_registration(db, id, registration, url, result->after, error))
        return FALSE;
    result->url = g_strdup(url);
    result->stored = TRUE;
    return TRUE;
}

gboolean store_workspace_mark_online_by_register(Db *db, const char *id,
                                                 const StoreRegistration *registration,
                                                 StoreRegisterResult *result, GError **error)
{
    g_autoptr(DbTransaction) own = NULL;
    g_auto(StoreRegisterResult) outcome = {0};

    if (!joined_begin(db, &own, error) || !joined_lock_workspace(db, id, error) ||
        !register_locked(db, id, registration, &outcome, error) || !joined_commit(&own, error))
        return error_prefix(error, "register workspace %s", id);
    *result = outcome;
    outcome.url = NULL; /* it is the result's now */
    return TRUE;
}

/* ---- Heartbeats ---- */

gboolean store_workspace_mark_online_by_heartbeat(Db *db, const char *id, WorkspaceStatus from,
                                                  gint64 token_generation, gboolean *changed,
                                                  GError **error)
{
    static const char sql[] =
        "UPDATE workspaces SET status = 'online', idle_since = $2, updated_at = $2"
        " WHERE id = $1 AND status = $3 AND status IN ('provisioning', 'offline', 'failed')"
        " AND ($4 = 0 OR status <> 'provisioning' OR NOT EXISTS (SELECT 1 FROM workspace_runtime r"
        " WHERE r.workspace_id = $1 AND r.generation > $4))";
    const DbValue values[] = {DB_TEXT(id), DB_INT(clock_now_us()),
                              DB_TEXT(workspace_status_name(from)), DB_INT(token_generation)};

    return joined_exec_fenced(db, id, sql, values, G_N_ELEMENTS(values), changed, error) ||
           error_prefix(error, "change the status of workspace %s", id);
}

gboolean store_workspace_mark_degraded(Db *db, const char *id, gboolean *changed, GError **error)
{
    static const char sql[] = "UPDATE workspaces SET status = 'degraded', updated_at = $2"
                              " WHERE id = $1 AND status = 'online'";

    return change_now(db, id, sql, changed, error);
}

gboolean store_workspace_mark_recovered(Db *db, const char *id, gboolean *changed, GError **error)
{
    static const char sql[] = "UPDATE workspaces SET status = 'online', updated_at = $2"
                              " WHERE id = $1 AND status = 'degraded'";

    return change_now(db, id, sql, changed, error);
}

/* ---- Failure and silence ---- */

gboolean store_workspace_mark_failed(Db *db, const char *id, gint64 generation,
                                     const char *sample_error, gboolean *changed, GError **error)
{
    static const char sql[] =
        "UPDATE workspaces SET status = 'failed', last_sample_error = COALESCE($3,"
        " last_sample_error), updated_at = $2 WHERE id = $1 AND status = "
        "'provisioning'" JOINED_FENCE("$4");
    const DbValue values[] = {DB_TEXT(id), DB_INT(clock_now_us()), DB_TEXT(sample_error),
                              DB_INT(generation)};

    return joined_exec_fenced(db, id, sql, values, G_N_ELEMENTS(values), changed, error) ||
           error_prefix(error, "mark workspace %s failed", id);
}

gboolean store_workspace_mark_crash_loop(Db *db, const char *id, gint64 generation,
                                         gint64 silent_since_us, const char *sample_error,
                                         gboolean *changed, GError **error)
{
    static const char sql[] =
        "UPDATE workspaces SET status = 'failed', last_sample_error = COALESCE($3,"
        " last_sample_error), updated_at = $2 WHERE id = $1"
        " AND (status IN ('provisioning', 'offline')"
        " OR (status IN ('online', 'degraded') AND COALESCE(last_heartbeat_at, 0) < "
        "$5))" JOINED_FENCE("$4");
    const DbValue values[] = {DB_TEXT(id), DB_INT(clock_now_us()), DB_TEXT(sample_error),
                              DB_INT(generation), DB_INT(silent_since_us)};

    return joined_exec_fenced(db, id, sql, values, G_N_ELEMENTS(values), changed, error) ||
           error_prefix(error, "mark workspace %s failed", id);
}

gboolean store_workspace_mark_offline(Db *db, const char *id, gboolean *changed, GError **error)
{
    /* Names the states it may leave, so a removed or paused workspace cannot come back. */
    static const char sql[] = "UPDATE workspaces SET status = 'offline', updated_at = $2"
                              " WHERE id = $1 AND status IN ('online', 'degraded')";

    return change_now(db, id, sql, changed, error);
}

GPtrArray *store_workspace_mark_stale_offline(Db *db, StoreRuntimeKind kind, gint64 older_than_us,
                                              GError **error)
{
#define STALE                                                                                      \
    "UPDATE workspaces SET status = 'offline', updated_at = $2"                                    \
    " WHERE status IN ('online', 'degraded')"                                                      \
    " AND COALESCE(last_heartbeat_at, updated_at, 0) < $1"
    static const char *const sql[] = {
        [STORE_RUNTIME_ANY] = STALE " RETURNING id",
        [STORE_RUNTIME_EXTERNAL] = STALE " AND runtime = 'external' RETURNING id",
        [STORE_RUNTIME_CONTAINER] = STALE " AND COALESCE(runtime, '') <> 'external' RETURNING id",
    };
#undef STALE
    g_autoptr(DbRows) rows =
        db_query(db, sql[kind], error, DB_INT(older_than_us), DB_INT(clock_now_us()));
    g_autoptr(GPtrArray) ids = NULL;

    if (!rows)
        return NULL;
    ids = g_ptr_array_new_with_free_func(g_free);
    while (db_rows_next(rows))
        g_ptr_array_add(ids, column_text_dup(rows, 0));
    return g_steal_pointer(&ids);
}

/* ---- Wishes ---- */

/* "'paused','offline'": the names of a set of states. */
static char *status_list_dup(guint set)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (guint status = 0; status <= WORKSPACE_AWAITING_AGENT; status++)
        if (set & STORE_STATUS_BIT(status))
            g_string_append_printf(list, "%s'%s'", list->len > 0 ? "," : "",
                                   workspace_status_name((WorkspaceStatus)status));
    return g_string_free(g_steal_pointer(&list), FALSE);
}

gboolean store_workspace_mark_provisioning(Db *db, const char *id, guint from, gboolean *changed,
                                           GError **error)
{
    g_autofree char *states = status_list_dup(from & ~STORE_STATUS_BIT(WORKSPACE_REMOVED));
    g_autofree char *sql = NULL;

    g_return_val_if_fail(*states, FALSE);
    sql = g_strdup_printf("UPDATE workspaces SET status = 'provisioning'," DROP_URL
                          " provision_started_at = $2, updated_at = $2"
                          " WHERE id = $1 AND status IN (%s)",
                          states);
    return change_now(db, id, sql, changed, error);
}

gboolean store_workspace_mark_paused(Db *db, const char *id, gboolean *changed, GError **error)
{
    static const char sql[] =
        "UPDATE workspaces SET status = 'paused'," DROP_URL " updated_at = $2 WHERE id = $1"
        " AND status NOT IN ('removed', 'paused')";

    return change_now(db, id, sql, changed, error);
}

gboolean store_workspace_mark_hibernating(Db *db, const char *id, gboolean force, gboolean *changed,
                                          GError **error)
{
    static const char sql[] = "UPDATE workspaces SET status = 'hibernating', updated_at = $2"
                              " WHERE id = $1 AND status IN ('online', 'degraded')"
                              " AND ($3 = 1 OR active_tasks = 0)";
    const DbValue values[] = {DB_TEXT(id), DB_INT(clock_now_us()), DB_BOOL(force)};

    return change(db, sql, values, G_N_ELEMENTS(values), changed, error) ||
           error_prefix(error, "change the status of workspace %s", id);
}

gboolean store_workspace_mark_hibernated(Db *db, const char *id, gboolean *changed, GError **error)
{
    static const char sql[] = "UPDATE workspaces SET status = 'hibernated'," DROP_URL
                              " updated_at = $2 WHERE id = $1 AND status = 'hibernating'";

    return change_now(db, id, sql, changed, error);
}

gboolean store_workspace_mark_frozen(Db *db, const char *id, gboolean *changed, GError **error)
{
    static const char sql[] = "UPDATE workspaces SET status = 'hibernated', url = NULL,"
                              " url_is_minted = 0, updated_at = $2"
                              " WHERE id = $1 AND status = 'hibernating'";

    return change_now(db, id, sql, changed, error);
}

gboolean store_workspace_mark_thawed(Db *db, const char *id, gint64 generation, const char *url,
                                     gboolean *changed, GError **error)
{
    static const char sql[] =
        "UPDATE workspaces SET status = 'online', url = $3, url_is_minted = 1,"
        " last_heartbeat_at = $2, idle_since = $2, updated_at = $2"
        " WHERE id = $1 AND status IN ('hibernating', 'hibernated')" JOINED_FENCE("$4");
    const DbValue values[] = {DB_TEXT(id), DB_INT(clock_now_us()), DB_TEXT(url),
                              DB_INT(generation)};

    return joined_exec_fenced(db, id, sql, values, G_N_ELEMENTS(values), changed, error) ||
           error_prefix(error, "mark workspace %s thawed", id);
}
