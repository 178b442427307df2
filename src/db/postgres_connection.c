#include "db/postgres_connection.h"

#include "base/clock.h"
#include "base/log.h"
#include "db/statement_cache.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <string.h>

/* The server gives up first (see session_settings), this is for a server that does not answer. */
#define STATEMENT_LIMIT_US (60 * CLOCK_SECOND_US)
/* A wait looks at the clock at least this often, so that a test's clock_advance is seen. */
#define LONGEST_SLEEP_US (200 * 1000)

/* Types of the server, from its catalogue pg_type. */
#define TYPE_UNKNOWN 0
#define TYPE_BOOL    16
#define TYPE_BYTEA   17
#define TYPE_INT8    20
#define TYPE_INT2    21
#define TYPE_INT4    23
#define TYPE_TEXT    25
#define TYPE_FLOAT4  700
#define TYPE_FLOAT8  701

static const char session_settings[] =
    "SET statement_timeout = '50s'; SET lock_timeout = '30s';"
    "SET idle_in_transaction_session_timeout = '120s'; SET client_min_messages = warning;"
    "SET bytea_output = hex; SET default_transaction_isolation = 'read committed'";

struct _PostgresConnection {
    PGconn *handle;
    StatementCache *statements; /* SQL -> number of the prepared statement */
    guint last_number;
    gboolean is_lost;
    gboolean may_have_run; /* it was sent, and the server did not say that it failed */
};

/* ---- Errors ---- */

/* The first message line; the rest may quote values. */
static char *first_line_dup(const char *message)
{
    return g_strndup(message, strcspn(message, "\n"));
}

/* The connection can no longer be trusted. Returns FALSE. */
static gboolean lose(PostgresConnection *connection, const char *reason, GError **error)
{
    g_autofree char *line = first_line_dup(reason);

    connection->is_lost = TRUE;
    return error_set(error, ERROR_UNAVAILABLE, "postgres: %s", *line ? line : "connection lost");
}

static gboolean state_is(const char *state, const char *const *states)
{
    for (; *states; states++)
        if (g_str_has_prefix(state, *states))
            return TRUE;
    return FALSE;
}

/* Turns an SQLSTATE into our error. Returns FALSE. */
static gboolean fail_state(PostgresConnection *connection, const char *state, const char *message,
                           GError **error)
{
    /* Ended by an administrator or a crash; or read-only after a fail-over, or with prepared
     * statements that are no longer valid: another connection may do better. */
    static const char *const ended[] = {"08", "57P0", NULL};
    static const char *const useless[] = {"25006", "26000", "0A000", NULL};
    /* No resources, locked too long, cancelled by a time-out. */
    static const char *const short_of[] = {"53", "55P03", "57014", "58", NULL};
    static const char *const collided[] = {"40001", "40P01", NULL};
    g_autofree char *line = first_line_dup(message);

    if (g_str_equal(state, "08P01")) /* too few values: our mistake, not the connection's */
        return error_set(error, ERROR_INTERNAL, "postgres: %s (%s)", line, state);
    if (state_is(state, ended))
        return lose(connection, line, error);
    connection->may_have_run = FALSE;
    if (state_is(state, useless))
        return lose(connection, line, error);
    if (state_is(state, short_of))
        return error_set(error, ERROR_UNAVAILABLE, "postgres: %s (%s)", line, state);
    if (state_is(state, collided))
        return error_set(error, ERROR_CONFLICT, "it was changed by another request, try again");
    if (g_str_equal(state, "23505"))
        return error_set(error, ERROR_CONFLICT, "it exists already");
    if (g_str_equal(state, "23503"))
        return error_set(error, ERROR_CONFLICT, "what it belongs to does not exist");
    return error_set(error, ERROR_INTERNAL, "postgres: %s (%s)", line, state);
}

static gboolean fail_result(PostgresConnection *connection, const PGresult *result, GError **error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    /* Without a state the message is libpq's own: the connection broke. */
    if (!state)
        return lose(connection, PQresultErrorMessage(result), error);
    log_debug("the database refused a statement", LOG_TEXT("state", state),
              LOG_TEXT("reason", message ? message : ""));
    return fail_state(connection, state, message ? message : "", error);
}

/* ---- Waiting for the server ---- */

static gboolean wait_socket(PostgresConnection *connection, short events, gint64 deadline_us)
{
    for (;;) {
        struct pollfd watch = {.fd = PQsocket(connection->handle), .events = events};
        gint64 left_us = deadline_us - clock_monotonic_us();
        int ready;
        if (left_us <= 0 || watch.fd < 0)
            return FALSE;
        ready = poll(&watch, 1, (int)(MIN(left_us, LONGEST_SLEEP_US) / 1000 + 1));
        if (ready > 0)
            return TRUE;
        if (ready < 0 && errno != EINTR)
            return FALSE;
    }
}

static gboolean send_all(PostgresConnection *connection, gint64 deadline_us)
{
    int left;

    while ((left = PQflush(connection->handle)) == 1) {
        if (!wait_socket(connection, POLLIN | POLLOUT, deadline_us))
            return FALSE;
        /* The server may be unable to read until its answer has been taken. */
        if (!PQconsumeInput(connection->handle))
            return FALSE;
    }
    return left == 0;
}

static gboolean wait_answer(PostgresConnection *connection, gint64 deadline_us)
{
    while (PQisBusy(connection->handle))
        if (!wait_socket(connection, POLLIN, deadline_us) || !PQconsumeInput(connection->handle))
            return FALSE;
    return TRUE;
}

static gboolean is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

/* Everything the server answers up to "ready for the next": an implicit commit comes after the
 * statement's own answer and can still fail. Gives the last result, or the first error. */
static PGresult *take_answer(PostgresConnection *connection, gint64 deadline_us, GError **error)
{
    PGresult *kept = NULL;
    PGresult *next;

    while (wait_answer(connection, deadline_us)) {
        next = PQgetResult(connection->handle);
        if (!next) {
            if (kept && PQstatus(connection->handle) == CONNECTION_OK)
                return kept;
            break;
        }
        if (kept && !is_good(kept)) {
            PQclear(next);
            continue;
        }
        PQclear(kept);
        kept = next;
    }
    if (kept && !is_good(kept)) /* the server said why it ended the connection */
        fail_result(connection, kept, error);
    else
        lose(connection, PQerrorMessage(connection->handle), error);
    connection->is_lost = TRUE;
    PQclear(kept);
    return NULL;
}

/* Sends what was just queued (`queued` is libpq's word for it) and takes the answer. */
static PGresult *exchange(PostgresConnection *connection, int queued, gint64 limit_us,
                          GError **error)
{
    gint64 deadline_us = clock_monotonic_us() + clock_outside_us(limit_us);
    PGresult *result;

    if (!queued) {
        lose(connection, PQerrorMessage(connection->handle), error);
        return NULL;
    }
    /* A server that ends the connection says so before it does: take its words when sending fails.
     */
    if (!send_all(connection, deadline_us) && PQstatus(connection->handle) != CONNECTION_OK) {
        lose(connection, PQerrorMessage(connection->handle), error);
        return NULL;
    }
    result = take_answer(connection, deadline_us, error);
    if (!result)
        return NULL;
    if (!is_good(result)) {
        fail_result(connection, result, error);
        g_clear_pointer(&result, PQclear);
    }
    return result;
}

/* ---- Opening ---- */

/* What the server says unasked. While a connection is idle, libpq takes even the goodbye for a
 * notice; it comes a moment before the socket ends. */
static void take_notice(void *data, const PGresult *result)
{
    PostgresConnection *connection = data;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

    if (g_strcmp0(severity, "FATAL") == 0 || g_strcmp0(severity, "PANIC") == 0)
        connection->is_lost = TRUE;
}

static PGconn *dial(const char *url)
{
    /* What stands before dbname is a default that the URL may change. */
    static const char *const keys[] = {
        "connect_timeout",           "keepalives_idle",  "keepalives_interval",
        "keepalives_count",          "tcp_user_timeout", "dbname",
        "fallback_application_name", "client_encoding",  NULL,
    };
    const char *const values[] = {"5", "15", "5", "3", "30000", url, "workspaced", "UTF8", NULL};

    return PQconnectdbParams(keys, values, 1);
}

PostgresConnection *postgres_connection_open(const char *url, GError **error)
{
    g_autoptr(PostgresConnection) connection = g_new0(PostgresConnection, 1);

    connection->statements = statement_cache_new(DB_STATEMENTS_KEPT, NULL);
    connection->handle = dial(url);
    if (PQstatus(connection->handle) != CONNECTION_OK) {
        lose(connection, PQerrorMessage(connection->handle), error);
        return NULL;
    }
    PQsetNoticeReceiver(connection->handle, take_notice, connection);
    if (PQsetnonblocking(connection->handle, 1) != 0 ||
        !postgres_connection_command(connection, session_settings, NULL, STATEMENT_LIMIT_US,
                                     error)) {
        if (error && !*error)
            lose(connection, PQerrorMessage(connection->handle), error);
        return NULL;
    }
    return g_steal_pointer(&connection);
}

void postgres_connection_close(PostgresConnection *connection)
{
    if (!connection)
        return;
    statement_cache_free(connection->statements);
    PQfinish(connection->handle);
    g_free(connection);
}

gboolean postgres_connection_is_usable(PostgresConnection *connection)
{
    struct pollfd watch = {.fd = PQsocket(connection->handle), .events = POLLIN};

    if (watch.fd < 0 || PQstatus(connection->handle) != CONNECTION_OK)
        return FALSE;
    if (poll(&watch, 1, 0) <= 0)
        return TRUE;
    /* Something came unasked: a parameter's new value, which is harmless, a goodbye (take_notice
     * hears it), or the end of the socket, which libpq notices while it reads. */
    if (!PQconsumeInput(connection->handle) || PQisBusy(connection->handle) ||
        PQstatus(connection->handle) != CONNECTION_OK || connection->is_lost)
        return FALSE;
    watch.revents = 0;
    return poll(&watch, 1, 0) <= 0;
}

gboolean postgres_connection_is_lost(const PostgresConnection *connection)
{
    return connection->is_lost;
}

gboolean postgres_connection_may_have_run(const PostgresConnection *connection)
{
    return connection->may_have_run;
}

/* ---- Running ---- */

gboolean postgres_connection_command(PostgresConnection *connection, const char *sql,
                                     const char *tag, gint64 limit_us, GError **error)
{
    PGresult *result = exchange(connection, PQsendQuery(connection->handle, sql), limit_us, error);
    gboolean is_right;

    if (!result)
        return FALSE;
    is_right = !tag || g_str_equal(PQcmdStatus(result), tag);
    PQclear(result);
    return is_right || error_set(error, ERROR_INTERNAL, "postgres: it did not %s", tag);
}

static Oid type_of(const DbValue *value)
{
    switch (value->kind) {
    case DB_VALUE_INT:
        return TYPE_INT8;
    case DB_VALUE_DOUBLE:
        return TYPE_FLOAT8;
    case DB_VALUE_TEXT:
        return TYPE_TEXT;
    case DB_VALUE_BLOB:
        return TYPE_BYTEA;
    default:
        return TYPE_UNKNOWN; /* the server finds it from the place where it is used */
    }
}

#define NAME_BYTES 16

static void name_of(guint number, char name[NAME_BYTES])
{
    g_snprintf(name, NAME_BYTES, "s%u", number);
}

/* Forgets the statement unused for longest, here and on the server. */
static gboolean make_room(PostgresConnection *connection, GError **error)
{
    void *oldest = statement_cache_make_room(connection->statements);
    char name[NAME_BYTES];
    g_autofree char *sql = NULL;

    if (!oldest)
        return TRUE;
    name_of(GPOINTER_TO_UINT(oldest), name);
    sql = g_strconcat("DEALLOCATE ", name, NULL);
    return postgres_connection_command(connection, sql, NULL, STATEMENT_LIMIT_US, error);
}

static gboolean prepare(PostgresConnection *connection, const DbStatement *statement,
                        char name[NAME_BYTES], GError **error)
{
    guint number = GPOINTER_TO_UINT(statement_cache_get(connection->statements, statement->sql));
    g_autofree Oid *types = NULL;
    PGresult *result;

    if (number != 0) {
        name_of(number, name);
        return TRUE;
    }
    if (!make_room(connection, error))
        return FALSE;
    types = g_new(Oid, statement->count + 1);
    for (gsize i = 0; i < statement->count; i++)
        types[i] = type_of(&statement->values[i]);
    number = ++connection->last_number;
    name_of(number, name);
    result = exchange(
        connection,
        PQsendPrepare(connection->handle, name, statement->sql, (int)statement->count, types),
        STATEMENT_LIMIT_US, error);
    if (!result)
        return FALSE;
    PQclear(result);
    statement_cache_put(connection->statements, statement->sql, GUINT_TO_POINTER(number));
    return TRUE;
}

/* Parameters as libpq wants them: text of numbers, bytes of blobs. */
typedef struct {
    const char **values;
    int *lengths;
    int *formats;
    char (*numbers)[G_ASCII_DTOSTR_BUF_SIZE];
} Parameters;

static void parameters_clear(Parameters *parameters)
{
    g_free(parameters->values);
    g_free(parameters->lengths);
    g_free(parameters->formats);
    g_free(parameters->numbers);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Parameters, parameters_clear)

static void parameters_fill(Parameters *parameters, const DbStatement *statement)
{
    parameters->values = g_new0(const char *, statement->count + 1);
    parameters->lengths = g_new0(int, statement->count + 1);
    parameters->formats = g_new0(int, statement->count + 1);
    parameters->numbers = g_malloc0_n(statement->count + 1, sizeof *parameters->numbers);
    for (gsize i = 0; i < statement->count; i++) {
        const DbValue *value = &statement->values[i];
        char *number = parameters->numbers[i];
        parameters->values[i] = value->kind == DB_VALUE_NULL ? NULL : number;
        if (value->kind == DB_VALUE_INT) {
            g_snprintf(number, G_ASCII_DTOSTR_BUF_SIZE, "%" G_GINT64_FORMAT, value->number);
        } else if (value->kind == DB_VALUE_DOUBLE) {
            g_ascii_dtostr(number, G_ASCII_DTOSTR_BUF_SIZE, value->real);
        } else if (value->kind != DB_VALUE_NULL) {
            parameters->values[i] = value->bytes;
            parameters->lengths[i] = (int)value->size;
            parameters->formats[i] = value->kind == DB_VALUE_BLOB;
        }
    }
}

static void collect_blob(DbRows *rows, const char *hex)
{
    size_t size = 0;
    unsigned char *bytes = PQunescapeBytea((const unsigned char *)hex, &size);

    if (!bytes)
        g_error("out of memory");
    db_rows_add_blob(rows, bytes, size);
    PQfreemem(bytes);
}

static void collect_cell(const PGresult *result, int row, int column, DbRows *rows)
{
    const char *text = PQgetvalue(result, row, column);

    if (PQgetisnull(result, row, column)) {
        db_rows_add_null(rows);
        return;
    }
    switch (PQftype(result, column)) {
    case TYPE_INT8:
    case TYPE_INT4:
    case TYPE_INT2:
        db_rows_add_int(rows, g_ascii_strtoll(text, NULL, 10));
        break;
    case TYPE_BOOL: /* of an expression; SQLite has numbers there */
        db_rows_add_int(rows, *text == 't');
        break;
    case TYPE_FLOAT8:
    case TYPE_FLOAT4:
        db_rows_add_double(rows, g_ascii_strtod(text, NULL));
        break;
    case TYPE_BYTEA:
        collect_blob(rows, text);
        break;
    default:
        db_rows_add_text(rows, text, (gsize)PQgetlength(result, row, column));
    }
}

static void collect(const PGresult *result, DbRows *rows)
{
    int columns = PQnfields(result);

    db_rows_reset(rows);
    db_rows_set_columns(rows, (guint)columns);
    for (int row = 0; row < PQntuples(result); row++)
        for (int column = 0; column < columns; column++)
            collect_cell(result, row, column, rows);
}

gboolean postgres_connection_run(PostgresConnection *connection, const DbStatement *statement,
                                 DbRows *rows, gint64 *changed, GError **error)
{
    g_auto(Parameters) parameters = {0};
    char name[NAME_BYTES];
    PGresult *result;

    connection->may_have_run = FALSE;
    for (gsize i = 0; i < statement->count; i++)
        if (statement->values[i].size > G_MAXINT32)
            return error_set(error, ERROR_INTERNAL, "postgres: a value is too large");
    if (!prepare(connection, statement, name, error))
        return FALSE;
    parameters_fill(&parameters, statement);
    connection->may_have_run = TRUE;
    result =
        exchange(connection,
                 PQsendQueryPrepared(connection->handle, name, (int)statement->count,
                                     parameters.values, parameters.lengths, parameters.formats, 0),
                 STATEMENT_LIMIT_US, error);
    if (!result)
        return FALSE;
    if (rows)
        collect(result, rows);
    if (changed)
        *changed = g_ascii_strtoll(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return TRUE;
}
