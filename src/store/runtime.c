#include "store/runtime.h"

#include "base/clock.h"
#include "store/columns.h"
#include "store/joined.h"

/* ---- Names ---- */

static const char *const desired_names[] = {
    [RUNTIME_RUNNING] = "running",
    [RUNTIME_STOPPED] = "stopped",
    [RUNTIME_ABSENT] = "absent",
    [RUNTIME_FROZEN] = "frozen",
};

static const char *const phase_names[] = {
    [RUNTIME_PENDING] = "pending",     [RUNTIME_PULLING] = "pulling",
    [RUNTIME_CREATED] = "created",     [RUNTIME_SEEDED] = "seeded",
    [RUNTIME_STARTED] = "started",     [RUNTIME_READY] = "ready",
    [RUNTIME_STOPPING] = "stopping",   [RUNTIME_GONE] = "gone",
    [RUNTIME_BACKOFF] = "backoff",     [RUNTIME_FAILED] = "failed",
    [RUNTIME_PHASE_FROZEN] = "frozen",
};

const char *runtime_desired_name(RuntimeDesired desired)
{
    g_return_val_if_fail((guint)desired < G_N_ELEMENTS(desired_names), "stopped");
    return desired_names[desired];
}

const char *runtime_phase_name(RuntimePhase phase)
{
    g_return_val_if_fail((guint)phase < G_N_ELEMENTS(phase_names), "pending");
    return phase_names[phase];
}

static guint index_of(const char *name, const char *const *names, guint count)
{
    for (guint i = 0; i < count; i++)
        if (g_strcmp0(name, names[i]) == 0)
            return i;
    return 0; /* the table's CHECK lets nothing else in */
}

/* ---- Rows ---- */

void runtime_row_free(RuntimeRow *row)
{
    if (!row)
        return;
    g_clear_pointer(&row->seed, g_bytes_unref);
    g_free(row->spec);
    g_free(row->container_id);
    g_free(row->address);
    g_free(row->image_digest);
    g_free(row->instance_id);
    g_free(row->volumes);
    g_free(row->last_error);
    g_free(row->reason);
    g_free(row->warm_key);
    g_free(row->warm_container);
    g_free(row->last_log);
    g_free(row);
}

/* The order of read_row; seed and log, which may be large, stand behind it where they are wanted.
 */
#define COLUMNS                                                                                    \
    "workspace_id, desired, generation, spec, seed IS NOT NULL, phase, container_id, address,"     \
    " image_digest, instance_id, volumes, attempts, next_attempt_at, last_error, updated_at,"      \
    " reason, exit_code, warm_key, failed_at, warm_container, warm_started_at"
#define SEED_COLUMN 21
#define LOG_COLUMN  22

static RuntimeRow *read_row(DbRows *rows)
{
    RuntimeRow *row = g_new0(RuntimeRow, 1);

    column_id(rows, 0, row->workspace_id);
    row->desired =
        (RuntimeDesired)index_of(db_rows_text(rows, 1), desired_names, G_N_ELEMENTS(desired_names));
    row->generation = db_rows_int(rows, 2);
    row->spec = column_text_dup(rows, 3);
    row->phase =
        (RuntimePhase)index_of(db_rows_text(rows, 5), phase_names, G_N_ELEMENTS(phase_names));
    row->container_id = column_text_dup(rows, 6);
    row->address = column_text_dup(rows, 7);
    row->image_digest = column_text_dup(rows, 8);
    row->instance_id = column_text_dup(rows, 9);
    row->volumes = column_text_dup(rows, 10);
    row->attempts = db_rows_int(rows, 11);
    row->next_attempt_at_us = db_rows_int(rows, 12);
    row->last_error = column_text_dup(rows, 13);
    row->updated_at_us = db_rows_int(rows, 14);
    row->reason = column_text_dup(rows, 15);
    row->has_exit_code = !db_rows_is_null(rows, 16);
    row->exit_code = db_rows_int(rows, 16);
    row->warm_key = column_text_dup(rows, 17);
    row->failed_at_us = db_rows_int(rows, 18);
    row->warm_container = column_text_dup(rows, 19);
    row->warm_started_at_us = db_rows_int(rows, 20);
    return row;
}

static GPtrArray *read_all(DbRows *rows)
{
    GPtrArray *all;

    if (!rows)
        return NULL;
    all = g_ptr_array_new_with_free_func((GDestroyNotify)runtime_row_free);
    while (db_rows_next(rows)) {
        RuntimeRow *row = read_row(rows);
        row->has_seed = db_rows_int(rows, 4) != 0;
        g_ptr_array_add(all, row);
    }
    return all;
}

/* ---- The wish ---- */

static gboolean check_alive(Db *db, const char *workspace_id, GError **error)
{
    static const char sql[] =
        "SELECT COUNT(*) FROM workspaces WHERE id = $1 AND status <> 'removed'";
    const DbValue values[] = {DB_TEXT(workspace_id)};
    gint64 count = 0;

    if (!column_read_int(db, sql, values, 1, &count, error))
        return FALSE;
    return count == 1 || error_set(error, ERROR_NOT_FOUND, "workspace not found");
}

static gboolean write_wish(Db *db, const char *workspace_id, const RuntimeWish *wish,
                           gint64 *generation, GError **error)
{
    static const char sql[] =
        "INSERT INTO workspace_runtime (workspace_id, desired, generation, spec, seed, phase,"
        " updated_at) VALUES ($1, $2, 1, $3, $4, 'pending', $5)"
        " ON CONFLICT (workspace_id) DO UPDATE SET desired = excluded.desired,"
        " generation = workspace_runtime.generation + 1,"
        " spec = COALESCE(excluded.spec, workspace_runtime.spec),"
        " seed = CASE WHEN $6 = 1 THEN excluded.seed"
        " ELSE COALESCE(excluded.seed, workspace_runtime.seed) END,"
        " phase = 'pending', attempts = 0, next_attempt_at = NULL, last_error = NULL,"
        " reason = NULL, exit_code = NULL, failed_at = NULL,"
        " updated_at = excluded.updated_at RETURNING generation";
    gsize size = 0;
    const void *seed = wish->seed ? g_bytes_get_data(wish->seed, &size) : NULL;
    const DbValue values[] = {
        DB_TEXT(workspace_id),  DB_TEXT(runtime_desired_name(wish->desired)),
        DB_TEXT(wish->spec),    DB_BLOB(seed, size),
        DB_INT(clock_now_us()), DB_BOOL(wish->drop_seed),
    };

    return column_read_int(db, sql, values, G_N_ELEMENTS(values), generation, error);
}

gboolean store_runtime_wish(Db *db, const char *workspace_id, const RuntimeWish *wish,
                            gint64 *generation, GError **error)
{
    g_autoptr(DbTransaction) own = NULL;

    if (!joined_begin(db, &own, error) || !joined_lock_workspace(db, workspace_id, error))
        return FALSE;
    if (wish->desired != RUNTIME_ABSENT && !check_alive(db, workspace_id, error))
        return FALSE;
    if (!write_wish(db, workspace_id, wish, generation, error))
        return error_prefix(error, "record the wish for workspace %s", workspace_id);
    return joined_commit(&own, error);
}

gboolean store_runtime_raise(Db *db, const char *workspace_id, gint64 generation,
                             gint64 *now_generation, GError **error)
{
    static const char sql[] =
        "UPDATE workspace_runtime SET generation = CASE WHEN generation < $2 THEN $2"
        " ELSE generation END, updated_at = $3 WHERE workspace_id = $1 RETURNING generation";
    const DbValue values[] = {DB_TEXT(workspace_id), DB_INT(generation), DB_INT(clock_now_us())};

    return column_read_int(db, sql, values, G_N_ELEMENTS(values), now_generation, error) ||
           error_prefix(error, "raise the generation of workspace %s", workspace_id);
}

gboolean store_runtime_switch(Db *db, const char *workspace_id, gint64 generation,
                              RuntimeDesired from, RuntimeDesired to, gboolean *changed,
                              GError **error)
{
    static const char sql[] = "UPDATE workspace_runtime SET desired = $4, updated_at = $5"
                              " WHERE workspace_id = $1 AND generation = $2 AND desired = $3";
    gint64 rows = 0;

    if (!db_exec(db, sql, &rows, error, DB_TEXT(workspace_id), DB_INT(generation),
                 DB_TEXT(runtime_desired_name(from)), DB_TEXT(runtime_desired_name(to)),
                 DB_INT(clock_now_us())))
        return error_prefix(error, "switch the wish for workspace %s", workspace_id);
    *changed = rows == 1;
    return TRUE;
}

/* ---- Reading ---- */

gboolean store_runtime_find(Db *db, const char *workspace_id, RuntimeRow **row, GError **error)
{
    static const char sql[] =
        "SELECT " COLUMNS ", seed, last_log FROM workspace_runtime WHERE workspace_id = $1";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(workspace_id));

    if (!rows)
        return error_prefix(error, "find the wish for workspace %s", workspace_id);
    *row = NULL;
    if (db_rows_next(rows)) {
        *row = read_row(rows);
        (*row)->seed = column_bytes_dup(rows, SEED_COLUMN);
        (*row)->has_seed = (*row)->seed != NULL;
        (*row)->last_log = column_text_dup(rows, LOG_COLUMN);
    }
    return TRUE;
}

gboolean store_runtime_peek(Db *db, const char *workspace_id, RuntimeDesired *desired,
                            gint64 *generation, gboolean *found, GError **error)
{
    static const char sql[] =
        "SELECT desired, generation FROM workspace_runtime WHERE workspace_id = $1";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(workspace_id));

    if (!rows)
        return error_prefix(error, "peek at the wish for workspace %s", workspace_id);
    *found = db_rows_next(rows);
    if (*found) {
        *desired = (RuntimeDesired)index_of(db_rows_text(rows, 0), desired_names,
                                            G_N_ELEMENTS(desired_names));
        *generation = db_rows_int(rows, 1);
    }
    return TRUE;
}

gboolean store_runtime_glance(Db *db, const char *workspace_id, RuntimeDesired *desired,
                              RuntimePhase *phase, gboolean *found, GError **error)
{
    static const char sql[] =
        "SELECT desired, phase FROM workspace_runtime WHERE workspace_id = $1";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(workspace_id));

    if (!rows)
        return error_prefix(error, "glance at the wish for workspace %s", workspace_id);
    *found = db_rows_next(rows);
    if (!*found)
        return TRUE;
    *desired =
        (RuntimeDesired)index_of(db_rows_text(rows, 0), desired_names, G_N_ELEMENTS(desired_names));
    *phase = (RuntimePhase)index_of(db_rows_text(rows, 1), phase_names, G_N_ELEMENTS(phase_names));
    return TRUE;
}

GPtrArray *store_runtime_list_frozen(Db *db, gint64 before_us, guint limit, GError **error)
{
    static const char sql[] = "SELECT " COLUMNS " FROM workspace_runtime"
                              " WHERE desired = 'frozen' AND updated_at < $1"
                              " ORDER BY updated_at, workspace_id LIMIT $2";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_INT(before_us), DB_INT(limit));

    return read_all(rows);
}

GPtrArray *store_runtime_list(Db *db, GError **error)
{
    static const char sql[] = "SELECT " COLUMNS " FROM workspace_runtime ORDER BY workspace_id";
    g_autoptr(DbRows) rows = db_query(db, sql, error);

    return read_all(rows);
}

/* By the key first, or SQLite reads the whole table in the order of ids instead of the few. */
GPtrArray *store_runtime_list_warm(Db *db, GError **error)
{
    static const char sql[] = "SELECT " COLUMNS " FROM workspace_runtime WHERE warm_key IS NOT NULL"
                              " AND desired = 'running' ORDER BY warm_key, workspace_id";
    g_autoptr(DbRows) rows = db_query(db, sql, error);

    return read_all(rows);
}

/* Without an order the table is read as it lies, not row by row through its index. */
GPtrArray *store_runtime_list_brief(Db *db, GError **error)
{
    static const char sql[] =
        "SELECT workspace_id, desired, generation, phase, container_id, next_attempt_at, warm_key,"
        " warm_container, warm_started_at, reason FROM workspace_runtime";
    g_autoptr(DbRows) rows = db_query(db, sql, error);
    GPtrArray *all = NULL;

    if (!rows)
        return NULL;
    all = g_ptr_array_new_with_free_func((GDestroyNotify)runtime_row_free);
    while (db_rows_next(rows)) {
        RuntimeRow *row = g_new0(RuntimeRow, 1);

        column_id(rows, 0, row->workspace_id);
        row->desired = (RuntimeDesired)index_of(db_rows_text(rows, 1), desired_names,
                                                G_N_ELEMENTS(desired_names));
        row->generation = db_rows_int(rows, 2);
        row->phase =
            (RuntimePhase)index_of(db_rows_text(rows, 3), phase_names, G_N_ELEMENTS(phase_names));
        row->container_id = column_text_dup(rows, 4);
        row->next_attempt_at_us = db_rows_int(rows, 5);
        row->warm_key = column_text_dup(rows, 6);
        row->warm_container = column_text_dup(rows, 7);
        row->warm_started_at_us = db_rows_int(rows, 8);
        row->reason = column_text_dup(rows, 9);
        g_ptr_array_add(all, row);
    }
    return all;
}

GPtrArray *store_runtime_list_due(Db *db, gint64 now_us, guint limit, GError **error)
{
    static const char sql[] = "SELECT " COLUMNS " FROM workspace_runtime WHERE phase = 'backoff'"
                              " AND COALESCE(next_attempt_at, 0) <= $1"
                              " ORDER BY next_attempt_at, workspace_id LIMIT $2";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_INT(now_us), DB_INT(limit));

    return read_all(rows);
}

gboolean store_runtime_end_removed(Db *db, gint64 *ended, GError **error)
{
    static const char sql[] =
        "UPDATE workspace_runtime SET desired = 'absent', generation = generation + 1,"
        " phase = 'pending', attempts = 0, next_attempt_at = NULL, last_error = NULL, seed = NULL,"
        " updated_at = $1 WHERE desired <> 'absent' AND warm_key IS NULL"
        " AND workspace_id IN (SELECT id FROM workspaces WHERE status = 'removed')";

    return db_exec(db, sql, ended, error, DB_INT(clock_now_us()));
}

/* ---- Progress ---- */

/* NULL keeps, "" clears. */
#define KEEP_OR_CLEAR(column_, parameter_)                                                         \
    " " column_ " = NULLIF(COALESCE(" parameter_ ", " column_ "), ''),"

gboolean store_runtime_progress(Db *db, const char *workspace_id, gint64 generation,
                                const RuntimeProgress *progress, gboolean *current, GError **error)
{
    static const char sql[] =
        "UPDATE workspace_runtime SET phase = $3," KEEP_OR_CLEAR("container_id", "$4")
            KEEP_OR_CLEAR("address", "$5") KEEP_OR_CLEAR("image_digest", "$6")
                KEEP_OR_CLEAR("instance_id", "$7") KEEP_OR_CLEAR(
                    "volumes",
                    "$8") " last_error = CASE WHEN $11 = 1 THEN NULLIF($9, '')"
                          " ELSE NULLIF(COALESCE($9, last_error), '') END,"
                          " seed = CASE WHEN $10 = 1 THEN NULL ELSE seed END,"
                          " attempts = CASE WHEN $11 = 1 THEN 0 ELSE attempts END,"
                          " next_attempt_at = CASE WHEN $11 = 1 THEN NULL ELSE next_attempt_at END,"
                          " reason = CASE WHEN $11 = 1 THEN NULL ELSE reason END,"
                          " exit_code = CASE WHEN $11 = 1 THEN NULL ELSE exit_code END,"
                          " failed_at = CASE WHEN $11 = 1 THEN NULL ELSE failed_at END,"
                          " updated_at = $12 WHERE workspace_id = $1 AND generation = $2";
    gint64 rows = 0;

    if (!db_exec(db, sql, &rows, error, DB_TEXT(workspace_id), DB_INT(generation),
                 DB_TEXT(runtime_phase_name(progress->phase)), DB_TEXT(progress->container_id),
                 DB_TEXT(progress->address), DB_TEXT(progress->image_digest),
                 DB_TEXT(progress->instance_id), DB_TEXT(progress->volumes),
                 DB_TEXT(progress->last_error), DB_BOOL(progress->clear_seed),
                 DB_BOOL(progress->reset_attempts), DB_INT(clock_now_us())))
        return error_prefix(error, "record progress of workspace %s", workspace_id);
    *current = rows == 1;
    return TRUE;
}

/* Workspaces carry the platform's id, too: other rooms and programs look there. */
static gboolean write_instance(Db *db, const char *workspace_id, const char *instance,
                               GError **error)
{
    static const char sql[] = "UPDATE workspaces SET instance_id = $2 WHERE id = $1";

    return db_exec(db, sql, NULL, error, DB_TEXT(workspace_id), DB_TEXT(instance));
}

gboolean store_runtime_name_hosted(Db *db, const char *workspace_id, const char *ordered,
                                   const char *id, const char *instance, gboolean *known,
                                   GError **error)
{
    static const char sql[] = "UPDATE workspace_runtime SET container_id = $3, instance_id = $4,"
                              " updated_at = $5 WHERE workspace_id = $1 AND container_id = $2";
    g_autoptr(DbTransaction) own = NULL;
    gint64 rows = 0;

    if (!joined_begin(db, &own, error) || !joined_lock_workspace(db, workspace_id, error) ||
        !db_exec(db, sql, &rows, error, DB_TEXT(workspace_id), DB_TEXT(ordered), DB_TEXT(id),
                 DB_TEXT(instance), DB_INT(clock_now_us())) ||
        (rows == 1 && !write_instance(db, workspace_id, instance, error)) ||
        !joined_commit(&own, error))
        return error_prefix(error, "record the machine of workspace %s", workspace_id);
    *known = rows == 1;
    return TRUE;
}

gboolean store_runtime_forget_hosted(Db *db, const char *workspace_id, const char *id,
                                     gboolean raise_generation, GError **error)
{
    static const char sql[] =
        "UPDATE workspace_runtime SET container_id = NULL, instance_id = NULL,"
        " generation = generation + $3, updated_at = $4"
        " WHERE workspace_id = $1 AND container_id = $2";
    g_autoptr(DbTransaction) own = NULL;
    gint64 rows = 0;

    if (!joined_begin(db, &own, error) || !joined_lock_workspace(db, workspace_id, error) ||
        !db_exec(db, sql, &rows, error, DB_TEXT(workspace_id), DB_TEXT(id),
                 DB_BOOL(raise_generation), DB_INT(clock_now_us())) ||
        (rows == 1 && !write_instance(db, workspace_id, NULL, error)) ||
        !joined_commit(&own, error))
        return error_prefix(error, "forget the machine of workspace %s", workspace_id);
    return TRUE;
}

gboolean store_runtime_back_off(Db *db, const char *workspace_id, gint64 generation,
                                gint64 next_attempt_at_us, const char *last_error, gint64 *attempts,
                                gboolean *current, GError **error)
{
    static const char sql[] =
        "UPDATE workspace_runtime SET phase = 'backoff', attempts = attempts + 1,"
        " next_attempt_at = $3, last_error = COALESCE($4, last_error), updated_at = $5"
        " WHERE workspace_id = $1 AND generation = $2 RETURNING attempts";
    g_autoptr(DbRows) rows =
        db_query(db, sql, error, DB_TEXT(workspace_id), DB_INT(generation),
                 DB_INT(next_attempt_at_us), DB_TEXT(last_error), DB_INT(clock_now_us()));

    if (!rows)
        return error_prefix(error, "put workspace %s off", workspace_id);
    *current = db_rows_next(rows);
    if (*current && attempts)
        *attempts = db_rows_int(rows, 0);
    return TRUE;
}

gboolean store_runtime_fail(Db *db, const char *workspace_id, gint64 generation,
                            const RuntimeFailure *failure, gboolean *current, GError **error)
{
    static const char sql[] =
        "UPDATE workspace_runtime SET reason = $3, exit_code = $4, last_error = $5, failed_at = $6,"
        " updated_at = $6 WHERE workspace_id = $1 AND generation = $2";
    gint64 rows = 0;

    if (!db_exec(db, sql, &rows, error, DB_TEXT(workspace_id), DB_INT(generation),
                 DB_TEXT(reason_word(failure->reason)),
                 failure->has_exit_code ? DB_INT(failure->exit_code) : DB_NULL,
                 DB_TEXT(failure->sentence), DB_INT(clock_now_us())))
        return error_prefix(error, "record why workspace %s failed", workspace_id);
    *current = rows == 1;
    return TRUE;
}

gboolean store_runtime_lift(Db *db, const char *workspace_id, gint64 generation, Reason reason,
                            gboolean *changed, GError **error)
{
    static const char sql[] =
        "UPDATE workspace_runtime SET reason = NULL, last_error = NULL, exit_code = NULL,"
        " failed_at = NULL WHERE workspace_id = $1 AND generation = $2 AND reason = $3";
    gint64 rows = 0;

    if (!db_exec(db, sql, &rows, error, DB_TEXT(workspace_id), DB_INT(generation),
                 DB_TEXT(reason_word(reason))))
        return error_prefix(error, "lift the failure of workspace %s", workspace_id);
    *changed = rows == 1;
    return TRUE;
}

gboolean store_runtime_save_log(Db *db, const char *workspace_id, const char *log, GError **error)
{
    static const char sql[] = "UPDATE workspace_runtime SET last_log = $2 WHERE workspace_id = $1";

    return db_exec(db, sql, NULL, error, DB_TEXT(workspace_id), DB_TEXT(log)) ||
           error_prefix(error, "save the log of workspace %s", workspace_id);
}

gboolean store_runtime_delete_gone(Db *db, const char *workspace_id, gint64 generation,
                                   gboolean *deleted, GError **error)
{
    static const char sql[] =
        "DELETE FROM workspace_runtime WHERE workspace_id = $1 AND desired = 'absent'"
        " AND generation = $2 AND phase = 'gone'"
        " AND NOT EXISTS (SELECT 1 FROM workspaces w WHERE w.id = $1 AND w.status <> 'removed')"
        " AND NOT EXISTS (SELECT 1 FROM runtime_gc g WHERE g.workspace_id = $1 AND g.kept = 0)";
    static const char adoptions[] =
        "DELETE FROM adopted_objects WHERE workspace_id = $1"
        " AND NOT EXISTS (SELECT 1 FROM runtime_gc g WHERE g.workspace_id = $1"
        " AND g.kind = adopted_objects.kind AND g.ref = adopted_objects.ref)";
    g_autoptr(DbTransaction) own = NULL;
    gint64 rows = 0;

    if (!joined_begin(db, &own, error) ||
        !db_exec(db, sql, &rows, error, DB_TEXT(workspace_id), DB_INT(generation)) ||
        (rows == 1 && !db_exec(db, adoptions, NULL, error, DB_TEXT(workspace_id))) ||
        !joined_commit(&own, error))
        return error_prefix(error, "forget workspace %s", workspace_id);
    *deleted = rows == 1;
    return TRUE;
}
