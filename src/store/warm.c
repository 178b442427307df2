#include "store/warm.h"

#include "base/clock.h"
#include "store/columns.h"
#include "store/joined.h"

#define LOCK_NAME "warm-pool"

gboolean store_warm_lock(Db *db, GError **error)
{
    return db_lock(db, LOCK_NAME, error);
}

gboolean store_warm_insert(Db *db, const char *key, char id[ID_SIZE], GError **error)
{
    static const char sql[] =
        "INSERT INTO workspace_runtime (workspace_id, desired, generation, spec, phase, warm_key,"
        " updated_at) VALUES ($1, 'running', 1, '{}', 'pending', $2, $3)";

    id_make(id);
    return db_exec(db, sql, NULL, error, DB_TEXT(id), DB_TEXT(key), DB_INT(clock_now_us())) ||
           error_prefix(error, "add to the stock of started agents");
}

gboolean store_warm_drop(Db *db, const char *id, gboolean *dropped, GError **error)
{
    static const char sql[] =
        "UPDATE workspace_runtime SET desired = 'absent', generation = generation + 1,"
        " phase = 'pending', attempts = 0, next_attempt_at = NULL, updated_at = $2"
        " WHERE workspace_id = $1 AND warm_key IS NOT NULL AND desired = 'running'";
    gint64 rows = 0;

    if (!db_exec(db, sql, &rows, error, DB_TEXT(id), DB_INT(clock_now_us())))
        return error_prefix(error, "drop a started agent");
    *dropped = rows == 1;
    return TRUE;
}

gboolean store_warm_back_off(Db *db, const char *id, gint64 generation, gint64 next_attempt_at_us,
                             const RuntimeFailure *failure, gboolean *current, GError **error)
{
    static const char sql[] =
        "UPDATE workspace_runtime SET phase = 'backoff', attempts = attempts + 1,"
        " next_attempt_at = $3, reason = $4, exit_code = $5, last_error = $6, failed_at = $7,"
        " updated_at = $7 WHERE workspace_id = $1 AND generation = $2 AND warm_key IS NOT NULL AND "
        "desired = 'running'";
    gint64 rows = 0;

    if (!db_exec(db, sql, &rows, error, DB_TEXT(id), DB_INT(generation), DB_INT(next_attempt_at_us),
                 DB_TEXT(reason_word(failure->reason)),
                 failure->has_exit_code ? DB_INT(failure->exit_code) : DB_NULL,
                 DB_TEXT(failure->sentence), DB_INT(clock_now_us())))
        return error_prefix(error, "put a started agent off");
    *current = rows == 1;
    return TRUE;
}

/* ---- Being taken ---- */

/* The one that has run longest: it is the least likely to fail. PostgreSQL passes over those that
 * another transaction is just taking; SQLite has one writer. */
#define TAKE(skip_)                                                                                \
    "UPDATE workspace_runtime SET warm_key = NULL, warm_container = container_id,"                 \
    " warm_started_at = NULL, spec = $2, attempts = 0, next_attempt_at = NULL, last_error = NULL," \
    " reason = NULL, exit_code = NULL, failed_at = NULL,"                                          \
    " updated_at = $3 WHERE workspace_id = (SELECT workspace_id FROM workspace_runtime"            \
    " WHERE warm_key = $1 AND desired = 'running' AND phase IN ('started', 'ready')"               \
    " AND container_id IS NOT NULL ORDER BY updated_at, workspace_id LIMIT 1" skip_ ")"            \
    " RETURNING workspace_id, address"

gboolean store_warm_take(Db *db, const char *key, const char *spec, char id[ID_SIZE],
                         char **address, GError **error)
{
    static const char on_sqlite[] = TAKE("");
    static const char on_postgres[] = TAKE(" FOR UPDATE SKIP LOCKED");
    g_autoptr(DbRows) rows = db_query(db, db_kind(db) == DB_SQLITE ? on_sqlite : on_postgres, error,
                                      DB_TEXT(key), DB_TEXT(spec), DB_INT(clock_now_us()));

    if (!rows)
        return error_prefix(error, "take a started agent");
    id[0] = '\0';
    *address = NULL;
    if (db_rows_next(rows)) {
        column_id(rows, 0, id);
        *address = column_text_dup(rows, 1);
    }
    return TRUE;
}

gboolean store_warm_told(Db *db, const char *id, gint64 generation, gint64 started_at_us,
                         gboolean *current, GError **error)
{
    static const char sql[] =
        "UPDATE workspace_runtime SET warm_started_at = $3, phase = 'started', updated_at = $4"
        " WHERE workspace_id = $1 AND generation = $2 AND warm_container IS NOT NULL"
        " AND ($3 <> -1 OR warm_started_at IS NULL)"; /* WARM_TOLD_BEGUN: by one, once */
    gint64 rows = 0;

    if (!db_exec(db, sql, &rows, error, DB_TEXT(id), DB_INT(generation), DB_INT(started_at_us),
                 DB_INT(clock_now_us())))
        return error_prefix(error, "record the hand-over of workspace %s", id);
    *current = rows == 1;
    return TRUE;
}

gboolean store_warm_refuse(Db *db, const char *id, gint64 generation, gboolean *current,
                           GError **error)
{
    static const char sql[] =
        "UPDATE workspace_runtime SET generation = generation + 1, phase = 'pending',"
        " warm_container = NULL, warm_started_at = NULL, updated_at = $3"
        " WHERE workspace_id = $1 AND generation = $2 AND desired = 'running'";
    g_autoptr(DbTransaction) own = NULL;
    gint64 rows = 0;

    if (!joined_begin(db, &own, error) || !joined_lock_workspace(db, id, error))
        return FALSE;
    if (!db_exec(db, sql, &rows, error, DB_TEXT(id), DB_INT(generation), DB_INT(clock_now_us())))
        return error_prefix(error, "refuse the hand-over to workspace %s", id);
    *current = rows == 1;
    return joined_commit(&own, error);
}
