/* PostgreSQL: a pool of at most CONNECTIONS_MAX connections, opened when needed.
 *
 * A lost connection is replaced at the next call. A read outside of a transaction, the begin of
 * one, and a single write that was not sent yet are tried once more on another connection, because
 * nothing can have happened. A single write lost after it was sent, and a commit, may have
 * happened: ERROR_OUTCOME_UNKNOWN. Source: ARCHITECTURE section 5, D10. */
#include "base/clock.h"
#include "base/log.h"
#include "base/sync.h"
#include "db/postgres_connection.h"

#include <libpq-fe.h>
#include <unistd.h>

#define CONNECTIONS_MAX  8
#define RETRY_PAUSE_US   (250 * 1000)
#define COMMAND_LIMIT_US (60 * CLOCK_SECOND_US)
#define PING_LIMIT_US    (3 * CLOCK_SECOND_US)
/* A migration may rewrite a large table. */
#define SCRIPT_LIMIT_US (30 * CLOCK_MINUTE_US)

typedef struct {
    Db base;
    char *url;

    Mutex lock;         /* place 6; guards all below */
    GQueue idle;        /* of PostgresConnection */
    guint connections;  /* opened or being opened */
    Condition returned; /* a connection, or the right to open one, came back */
} PostgresDb;

struct _DbSession {
    PostgresConnection *connection;
};

/* ---- The pool ---- */

/* Takes an idle connection, or the right to open one (*connection NULL). */
static gboolean take_locked(PostgresDb *db, PostgresConnection **connection) REQUIRES(db->lock)
{
    gint64 deadline_us = clock_monotonic_us() + clock_outside_us(DB_TURN_US);
    gboolean is_late = FALSE;

    while (!db->idle.head && db->connections == CONNECTIONS_MAX) {
        if (is_late)
            return FALSE;
        is_late = !condition_wait_until(&db->returned, &db->lock, deadline_us);
    }
    *connection = g_queue_pop_tail(&db->idle); /* the one used last */
    db->connections += *connection == NULL;
    return TRUE;
}

/* `connection` NULL: it could not be opened, or was closed. */
static void give_locked(PostgresDb *db, PostgresConnection *connection) REQUIRES(db->lock)
{
    if (connection)
        g_queue_push_tail(&db->idle, connection);
    else
        db->connections--;
    condition_signal(&db->returned);
}

static void give(PostgresDb *db, PostgresConnection *connection)
{
    if (connection && postgres_connection_is_lost(connection)) {
        postgres_connection_close(connection);
        connection = NULL;
    }
    mutex_lock(&db->lock);
    give_locked(db, connection);
    mutex_unlock(&db->lock);
}

/* Opens a connection for a place that was taken; gives the place back when that fails. */
static PostgresConnection *open_taken(PostgresDb *db, GError **error)
{
    PostgresConnection *connection = postgres_connection_open(db->url, error);

    if (!connection) {
        error_prefix(error, "%s", db->base.name);
        give(db, NULL);
    }
    return connection;
}

static PostgresConnection *take(PostgresDb *db, GError **error)
{
    PostgresConnection *connection = NULL;
    gboolean may;

    for (;;) {
        mutex_lock(&db->lock);
        may = take_locked(db, &connection);
        mutex_unlock(&db->lock);
        if (!may) {
            error_set(error, ERROR_UNAVAILABLE, "%s: all connections are in use", db->base.name);
            return NULL;
        }
        if (!connection)
            return open_taken(db, error);
        if (postgres_connection_is_usable(connection))
            return connection;
        postgres_connection_close(connection);
        give(db, NULL);
    }
}

/* ---- Transactions ---- */

static DbSession *begin(Db *self, GError **error)
{
    PostgresDb *db = (PostgresDb *)self;

    for (gboolean is_second = FALSE;; is_second = TRUE) {
        PostgresConnection *connection = take(db, error);
        gboolean is_lost;
        if (!connection)
            return NULL;
        if (postgres_connection_command(connection, "BEGIN", "BEGIN", COMMAND_LIMIT_US, error)) {
            DbSession *session = g_new0(DbSession, 1);
            session->connection = connection;
            return session;
        }
        is_lost = postgres_connection_is_lost(connection);
        give(db, connection);
        if (!is_lost || is_second)
            return NULL;
        g_clear_error(error);
    }
}

static gboolean commit(Db *self, DbSession *session, GError **error)
{
    PostgresConnection *connection = session->connection;
    /* One that ended before the COMMIT is sent has committed nothing. */
    gboolean is_sent = postgres_connection_is_usable(connection);
    g_autoptr(GError) failure = NULL;
    gboolean is_done =
        postgres_connection_command(connection, "COMMIT", "COMMIT", COMMAND_LIMIT_US, &failure);
    gboolean is_lost = postgres_connection_is_lost(connection);

    g_free(session);
    give((PostgresDb *)self, connection);
    if (is_done)
        return TRUE;
    if (is_lost && is_sent)
        return error_set(error, ERROR_OUTCOME_UNKNOWN, "commit: %s", failure->message);
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

static void rollback(Db *self, DbSession *session)
{
    PostgresConnection *connection = session->connection;
    g_autoptr(GError) error = NULL;

    g_free(session);
    if (!postgres_connection_is_lost(connection) &&
        !postgres_connection_command(connection, "ROLLBACK", "ROLLBACK", COMMAND_LIMIT_US, &error))
        log_debug("a transaction was not rolled back but lost", LOG_CAUSE(error));
    give((PostgresDb *)self, connection);
}

/* ---- Statements ---- */

/* What became of a statement that stood for itself. */
typedef enum { TRY_DONE, TRY_FAILED, TRY_LOST, TRY_UNKNOWN } Try;

static Try try_alone(PostgresDb *db, const DbStatement *statement, DbRows *rows, gint64 *changed,
                     GError **error)
{
    PostgresConnection *connection = take(db, error);
    Try outcome = TRY_FAILED;

    if (!connection)
        return TRY_FAILED;
    if (postgres_connection_run(connection, statement, rows, changed, error))
        outcome = TRY_DONE;
    else if (postgres_connection_is_lost(connection))
        outcome = !statement->is_read && postgres_connection_may_have_run(connection) ? TRY_UNKNOWN
                                                                                      : TRY_LOST;
    give(db, connection);
    return outcome;
}

static gboolean run_alone(PostgresDb *db, const DbStatement *statement, DbRows *rows,
                          gint64 *changed, GError **error)
{
    g_autoptr(GError) failure = NULL;
    Try outcome = try_alone(db, statement, rows, changed, &failure);

    if (outcome == TRY_LOST) {
        g_clear_error(&failure);
        outcome = try_alone(db, statement, rows, changed, &failure);
    }
    if (outcome == TRY_DONE)
        return TRUE;
    if (outcome == TRY_UNKNOWN)
        return error_set(error, ERROR_OUTCOME_UNKNOWN, "write: %s", failure->message);
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

static gboolean run(Db *self, DbSession *session, const DbStatement *statement, DbRows *rows,
                    gint64 *changed, GError **error)
{
    if (session)
        return postgres_connection_run(session->connection, statement, rows, changed, error);
    return run_alone((PostgresDb *)self, statement, rows, changed, error);
}

static gboolean script(Db *self, DbSession *session, const char *sql, GError **error)
{
    (void)self;
    return postgres_connection_command(session->connection, "SET LOCAL statement_timeout = 0", NULL,
                                       COMMAND_LIMIT_US, error) &&
           postgres_connection_command(session->connection, sql, NULL, SCRIPT_LIMIT_US, error);
}

static gboolean lock_name(Db *self, DbSession *session, const char *name, GError **error)
{
    const DbValue values[] = {DB_TEXT(name)};
    const DbStatement statement = {"SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", values,
                                   1, FALSE};

    return run(self, session, &statement, NULL, NULL, error);
}

static gboolean ping(Db *self, GError **error)
{
    PostgresDb *db = (PostgresDb *)self;
    PostgresConnection *connection = take(db, error);
    gboolean is_done;

    if (!connection)
        return FALSE;
    is_done = postgres_connection_command(connection, "SELECT 1", NULL, PING_LIMIT_US, error);
    give(db, connection);
    return is_done;
}

/* ---- Opening and closing ---- */

static void close_pool(Db *self) UNCHECKED_SYNC
{
    PostgresDb *db = (PostgresDb *)self;

    g_assert(db->idle.length == db->connections);
    while (db->idle.head)
        postgres_connection_close(g_queue_pop_head(&db->idle));
    condition_clear(&db->returned);
    mutex_clear(&db->lock);
    g_free(db->url);
    g_free(db);
}

static const DbOps postgres_ops = {
    .kind = DB_POSTGRES,
    .close = close_pool,
    .ping = ping,
    .run = run,
    .script = script,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .lock = lock_name,
};

static const char *option(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword; options++)
        if (g_str_equal(options->keyword, keyword))
            return options->val ? options->val : "";
    return "";
}

/* "postgres://host/name" without user, password and options. NULL for an unreadable URL. */
static char *display_name_dup(const char *url, GError **error)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    char *name;

    if (!options) {
        /* libpq's message would quote the URL and with it the password. */
        error_set(error, ERROR_INVALID, "the PostgreSQL URL cannot be read");
        return NULL;
    }
    name = g_strdup_printf("postgres://%s/%s", option(options, "host"), option(options, "dbname"));
    PQconninfoFree(options);
    return name;
}

/* The first connection, tried until `patience_ms` have passed: both may start at the same time. */
static gboolean connect_first(PostgresDb *db, guint patience_ms, GError **error)
{
    gint64 deadline_us = clock_monotonic_us() + (gint64)patience_ms * 1000;

    for (;;) {
        g_autoptr(GError) failure = NULL;
        PostgresConnection *connection = take(db, &failure);
        if (connection) {
            give(db, connection);
            return TRUE;
        }
        if (clock_monotonic_us() + RETRY_PAUSE_US >= deadline_us) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        log_debug("the database is not there yet", LOG_CAUSE(failure));
        g_usleep(RETRY_PAUSE_US);
    }
}

Db *postgres_open(const char *url, guint patience_ms, GError **error)
{
    g_autofree char *name = display_name_dup(url, error);
    g_autoptr(Db) opened = NULL;
    PostgresDb *db;

    if (!name)
        return NULL;
    db = g_new0(PostgresDb, 1);
    db->base.ops = &postgres_ops;
    db->base.name = g_steal_pointer(&name);
    db->url = g_strdup(url);
    mutex_init(&db->lock);
    condition_init(&db->returned);
    opened = &db->base;
    if (!connect_first(db, patience_ms, error))
        return NULL;
    return g_steal_pointer(&opened);
}
