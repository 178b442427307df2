/* One libpq connection with its prepared statements. Private to src/db.
 *
 * Every call has a deadline of its own, so that a server that stopped answering (and whose kernel
 * still does) holds nobody for ever: such a connection counts as lost. Errors are translated here
 * and nowhere else. Source: PostgreSQL manual, "libpq" and appendix A (error codes). */
#pragma once

#include "db/backend.h"

typedef struct _PostgresConnection PostgresConnection;

/* ERROR_UNAVAILABLE when the server cannot be reached or refuses. */
PostgresConnection *postgres_connection_open(const char *url, GError **error);
void postgres_connection_close(PostgresConnection *connection); /* NULL is fine */
/* Whether an idle connection can be used: the server has not ended it meanwhile. */
gboolean postgres_connection_is_usable(PostgresConnection *connection);
/* Whether the last call lost the connection: close it. */
gboolean postgres_connection_is_lost(const PostgresConnection *connection);
/* Whether the statement of the last postgres_connection_run may have run although it failed. */
gboolean postgres_connection_may_have_run(const PostgresConnection *connection);

/* One statement; `rows` and `changed` may be NULL. A lost connection: ERROR_UNAVAILABLE. */
gboolean postgres_connection_run(PostgresConnection *connection, const DbStatement *statement,
                                 DbRows *rows, gint64 *changed, GError **error);
/* Statements without parameters. `tag` (may be NULL) is what the server must say it did. */
gboolean postgres_connection_command(PostgresConnection *connection, const char *sql,
                                     const char *tag, gint64 limit_us, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PostgresConnection, postgres_connection_close)
