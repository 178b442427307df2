#include "db/sqlite_connection.h"

#include "base/log.h"
#include "db/statement_cache.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

/* How long another process may hold the file. */
#define OTHER_PROCESS_MS 5000

struct _SqliteConnection {
    sqlite3 *handle;
    StatementCache *statements;
};

/* ---- Errors ---- */

static gboolean fail_constraint(int code, GError **error)
{
    switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return error_set(error, ERROR_CONFLICT, "it exists already");
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return error_set(error, ERROR_CONFLICT, "what it belongs to does not exist");
    default:
        return error_set(error, ERROR_INTERNAL, "sqlite: a rule of the schema is broken (%d)",
                         code);
    }
}

/* Turns the connection's last error into ours. Returns FALSE. */
static gboolean fail(SqliteConnection *connection, GError **error)
{
    int code = sqlite3_extended_errcode(connection->handle);
    const char *message = sqlite3_errmsg(connection->handle);

    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        log_debug("the database refused a row", LOG_TEXT("reason", message));
        return fail_constraint(code, error);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return error_set(error, ERROR_UNAVAILABLE, "sqlite: %s (%d)", message, code);
    default:
        return error_set(error, ERROR_INTERNAL, "sqlite: %s (%d)", message, code);
    }
}

/* ---- Opening ---- */

static void configure_once(void)
{
    /* Counting memory takes a lock on every allocation, and nobody reads the count. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
}

static void finalize(void *statement)
{
    sqlite3_finalize(statement);
}

/* The small page cache keeps an idle server small; the system caches the file anyway. */
static gboolean set_up(SqliteConnection *connection, SqliteRole role, GError **error)
{
    static const char common[] = "PRAGMA foreign_keys = ON; PRAGMA cache_size = -1024;";
    static const char writer[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                 "PRAGMA journal_size_limit = 8388608;";
    static const char reader[] = "PRAGMA query_only = ON;";

    sqlite3_extended_result_codes(connection->handle, 1);
    sqlite3_busy_timeout(connection->handle, OTHER_PROCESS_MS);
    return sqlite_connection_script(connection, common, error) &&
           sqlite_connection_script(connection, role == SQLITE_CONNECTION_WRITER ? writer : reader,
                                    error);
}

SqliteConnection *sqlite_connection_open(const char *path, SqliteRole role, GError **error)
{
    static pthread_once_t configured = PTHREAD_ONCE_INIT;
    g_autoptr(SqliteConnection) connection = g_new0(SqliteConnection, 1);

    pthread_once(&configured, configure_once);
    connection->statements = statement_cache_new(DB_STATEMENTS_KEPT, finalize);
    if (sqlite3_open_v2(path, &connection->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK ||
        !set_up(connection, role, error)) {
        if (error && !*error)
            fail(connection, error);
        error_prefix(error, "open %s", path);
        return NULL;
    }
    return g_steal_pointer(&connection);
}

void sqlite_connection_close(SqliteConnection *connection)
{
    if (!connection)
        return;
    statement_cache_free(connection->statements);
    sqlite3_close_v2(connection->handle);
    g_free(connection);
}

gboolean sqlite_connection_in_transaction(SqliteConnection *connection)
{
    return !sqlite3_get_autocommit(connection->handle);
}

/* ---- Running ---- */

static sqlite3_stmt *prepare(SqliteConnection *connection, const char *sql, GError **error)
{
    sqlite3_stmt *statement = statement_cache_get(connection->statements, sql);

    if (statement)
        return statement;
    if (sqlite3_prepare_v3(connection->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                           NULL) != SQLITE_OK) {
        fail(connection, error);
        return NULL;
    }
    sqlite3_finalize(statement_cache_make_room(connection->statements));
    statement_cache_put(connection->statements, sql, statement);
    return statement;
}

static int bind_value(sqlite3_stmt *statement, int index, const DbValue *value)
{
    switch (value->kind) {
    case DB_VALUE_INT:
        return sqlite3_bind_int64(statement, index, value->number);
    case DB_VALUE_DOUBLE:
        return sqlite3_bind_double(statement, index, value->real);
    case DB_VALUE_TEXT:
        return sqlite3_bind_text64(statement, index, value->bytes, value->size, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case DB_VALUE_BLOB:
        /* A NULL pointer would bind NULL, and an empty blob has any pointer. */
        return sqlite3_bind_blob64(statement, index, value->bytes, value->size, SQLITE_STATIC);
    default:
        return sqlite3_bind_null(statement, index);
    }
}

/* SQLite numbers "$2" by its first appearance, so each parameter is bound by its name. */
static gboolean bind(SqliteConnection *connection, sqlite3_stmt *statement,
                     const DbStatement *wanted, GError **error)
{
    int parameters = sqlite3_bind_parameter_count(statement);

    for (int index = 1; index <= parameters; index++) {
        const char *name = sqlite3_bind_parameter_name(statement, index);
        gsize number = name && *name == '$' ? strtoul(name + 1, NULL, 10) : 0;
        if (number == 0 || number > wanted->count)
            return error_set(error, ERROR_INTERNAL, "sqlite: no value for a parameter of: %s",
                             wanted->sql);
        if (bind_value(statement, index, &wanted->values[number - 1]) != SQLITE_OK)
            return fail(connection, error);
    }
    return TRUE;
}

static void collect_cell(sqlite3_stmt *statement, int column, DbRows *rows)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        db_rows_add_int(rows, sqlite3_column_int64(statement, column));
        break;
    case SQLITE_FLOAT:
        db_rows_add_double(rows, sqlite3_column_double(statement, column));
        break;
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(statement, column);
        db_rows_add_text(rows, text, (gsize)sqlite3_column_bytes(statement, column));
        break;
    }
    case SQLITE_BLOB: {
        const void *bytes = sqlite3_column_blob(statement, column);
        db_rows_add_blob(rows, bytes, (gsize)sqlite3_column_bytes(statement, column));
        break;
    }
    default:
        db_rows_add_null(rows);
    }
}

static gboolean step_all(SqliteConnection *connection, sqlite3_stmt *statement, DbRows *rows,
                         GError **error)
{
    int columns = sqlite3_column_count(statement);
    int result;

    if (rows)
        db_rows_set_columns(rows, (guint)columns);
    while ((result = sqlite3_step(statement)) == SQLITE_ROW)
        for (int column = 0; rows && column < columns; column++)
            collect_cell(statement, column, rows);
    return result == SQLITE_DONE || fail(connection, error);
}

gboolean sqlite_connection_run(SqliteConnection *connection, const DbStatement *statement,
                               DbRows *rows, gint64 *changed, GError **error)
{
    sqlite3_stmt *prepared = prepare(connection, statement->sql, error);
    gboolean is_done;

    if (!prepared)
        return FALSE;
    is_done =
        bind(connection, prepared, statement, error) && step_all(connection, prepared, rows, error);
    if (is_done && changed)
        *changed = sqlite3_stmt_readonly(prepared) ? 0 : sqlite3_changes64(connection->handle);
    /* Values are borrowed for the call; secrets must not stay bound. */
    sqlite3_reset(prepared);
    sqlite3_clear_bindings(prepared);
    return is_done;
}

gboolean sqlite_connection_command(SqliteConnection *connection, const char *sql, GError **error)
{
    const DbStatement statement = {.sql = sql};

    return sqlite_connection_run(connection, &statement, NULL, NULL, error);
}

gboolean sqlite_connection_commit(SqliteConnection *connection, GError **error)
{
    g_autoptr(GError) failure = NULL;
    int code;

    if (sqlite_connection_command(connection, "COMMIT", &failure))
        return TRUE;
    code = sqlite3_extended_errcode(connection->handle);
    if ((code & 0xff) == SQLITE_IOERR)
        return error_set(error, ERROR_OUTCOME_UNKNOWN, "%s", failure->message);
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

gboolean sqlite_connection_script(SqliteConnection *connection, const char *sql, GError **error)
{
    if (sqlite3_exec(connection->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        return fail(connection, error);
    return TRUE;
}
