#include "db/holds.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sync.h"
#include "db/backend.h"

#define TURN_US (30 * CLOCK_SECOND_US)

struct _DbHolds {
    Db *db; /* used by one thread at a time, so that it never has a second connection; NULL: SQLite
             */

    Mutex lock; /* place 6; guards what follows; never held across a query */
    Condition returned;
    gboolean is_busy;
    gint64 session;   /* the database's number of the connection that was used last */
    DbTicket current; /* of all that was granted in this session */
};

DbHolds *db_holds_open(const char *url, guint patience_ms, GError **error)
{
    DbHolds *holds = NULL;
    Db *db = NULL;

    if (!g_str_has_prefix(url, "sqlite:")) {
        db = db_open(url, patience_ms, error);
        if (!db)
            return NULL;
    }
    holds = g_new0(DbHolds, 1);
    holds->db = db;
    holds->current = 1;
    mutex_init(&holds->lock);
    condition_init(&holds->returned);
    return holds;
}

void db_holds_close(DbHolds *holds)
{
    if (!holds)
        return;
    db_close(holds->db);
    condition_clear(&holds->returned);
    mutex_clear(&holds->lock);
    g_free(holds);
}

static gboolean take_turn(DbHolds *holds, GError **error)
{
    gint64 deadline_us = clock_monotonic_us() + clock_outside_us(TURN_US);
    gboolean is_mine = FALSE;

    mutex_lock(&holds->lock);
    while (holds->is_busy)
        if (!condition_wait_until(&holds->returned, &holds->lock, deadline_us))
            break;
    is_mine = !holds->is_busy;
    holds->is_busy = TRUE;
    mutex_unlock(&holds->lock);
    return is_mine || error_set(error, ERROR_UNAVAILABLE, "the connection for locks is stuck");
}

/* `session` 0: nothing was learnt. */
static DbTicket give_turn(DbHolds *holds, gint64 session)
{
    DbTicket current = 0;
    gboolean was_lost = FALSE;

    mutex_lock(&holds->lock);
    if (session && session != holds->session) {
        was_lost = holds->session != 0;
        holds->session = session;
        holds->current++;
    }
    current = holds->current;
    holds->is_busy = FALSE;
    condition_signal(&holds->returned);
    mutex_unlock(&holds->lock);
    if (was_lost)
        log_warning("the connection for locks between servers was lost and made anew");
    return current;
}

/* Runs `sql`, whose first column is the session and whose second the answer. */
static gboolean ask(DbHolds *holds, const char *sql, const char *name, gint64 *answer,
                    DbTicket *current, GError **error)
{
    g_autoptr(DbRows) rows = NULL;
    gint64 session = 0;

    if (!take_turn(holds, error))
        return FALSE;
    rows = db_query(holds->db, sql, error, DB_TEXT(name));
    if (rows && db_rows_next(rows)) {
        session = db_rows_int(rows, 0);
        *answer = db_rows_int(rows, 1);
    }
    *current = give_turn(holds, session);
    return rows != NULL;
}

gboolean db_holds_try(DbHolds *holds, const char *name, DbTicket *ticket, GError **error)
{
    static const char sql[] = "SELECT pg_backend_pid(),"
                              " CASE WHEN pg_try_advisory_lock(hashtextextended($1, 0))"
                              " THEN 1 ELSE 0 END";
    DbTicket current = 0;
    gint64 granted = 0;

    if (!holds->db) {
        *ticket = holds->current;
        return TRUE;
    }
    if (!ask(holds, sql, name, &granted, &current, error))
        return FALSE;
    *ticket = granted ? current : 0;
    return TRUE;
}

gboolean db_holds_is_kept(DbHolds *holds, DbTicket ticket, gboolean *kept, GError **error)
{
    static const char sql[] = "SELECT pg_backend_pid(), 1 WHERE $1 = ''";
    DbTicket current = 0;
    gint64 answer = 0;

    if (!holds->db) {
        *kept = ticket != 0;
        return TRUE;
    }
    if (!ask(holds, sql, "", &answer, &current, error))
        return FALSE;
    *kept = ticket == current;
    return TRUE;
}

void db_holds_release(DbHolds *holds, const char *name, DbTicket ticket)
{
    static const char sql[] = "SELECT pg_backend_pid(),"
                              " CASE WHEN pg_advisory_unlock(hashtextextended($1, 0))"
                              " THEN 1 ELSE 0 END";
    g_autoptr(GError) cause = NULL;
    DbTicket current = 0;
    gint64 released = 0;

    if (!holds->db || !ticket)
        return;
    mutex_lock(&holds->lock);
    current = holds->current;
    mutex_unlock(&holds->lock);
    if (ticket == current && !ask(holds, sql, name, &released, &current, &cause))
        log_debug("a lock goes with its session", LOG_TEXT("name", name), LOG_CAUSE(cause));
}
