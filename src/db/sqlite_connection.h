/* One connection to a SQLite file with its prepared statements. Private to src/db.
 *
 * Opened without SQLite's own locks: whoever holds the connection is its only thread. Errors are
 * translated here and nowhere else. Source: sqlite.org/wal.html, sqlite.org/rescode.html. */
#pragma once

#include "db/backend.h"

typedef struct _SqliteConnection SqliteConnection;

typedef enum { SQLITE_CONNECTION_WRITER, SQLITE_CONNECTION_READER } SqliteRole;

/* ERROR_UNAVAILABLE when the file cannot be opened or is no database. */
SqliteConnection *sqlite_connection_open(const char *path, SqliteRole role, GError **error);
void sqlite_connection_close(SqliteConnection *connection); /* NULL is fine */
/* One statement; `rows` and `changed` may be NULL. Errors: those of db.h. */
gboolean sqlite_connection_run(SqliteConnection *connection, const DbStatement *statement,
                               DbRows *rows, gint64 *changed, GError **error);
/* BEGIN, COMMIT and their like: no parameters, no rows. */
gboolean sqlite_connection_command(SqliteConnection *connection, const char *sql, GError **error);
/* COMMIT. ERROR_OUTCOME_UNKNOWN when the log could not be flushed: a later start may find it there.
 */
gboolean sqlite_connection_commit(SqliteConnection *connection, GError **error);
gboolean sqlite_connection_script(SqliteConnection *connection, const char *sql, GError **error);
/* FALSE also after an error (disk full, I/O) that made SQLite roll everything back. */
gboolean sqlite_connection_in_transaction(SqliteConnection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SqliteConnection, sqlite_connection_close)
