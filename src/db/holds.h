/* Named locks between the servers of one database that last across transactions and calls of other
 * rooms.
 *
 * They belong to the session of one connection of their own (PostgreSQL's advisory locks), which
 * says nothing between two calls: so holding one costs no transaction, a server that dies lets go
 * of all at once, and no clock is compared. The other way, a lease in a row with an owner and an
 * expiry, would cost two writes a look, a thread that renews it while an image is pulled, and
 * clocks that agree. What a session can do and a lease cannot is end unnoticed: whoever holds one
 * asks db_holds_is_kept at each of his checkpoints.
 *
 * On SQLite there is one server for a database: every lock is granted. Errors: those of db.h.
 * Thread: any but I/O. Source: spec 02, section 17.3 C, E. */
#pragma once

#include "db/db.h"

typedef struct _DbHolds DbHolds;
typedef guint64 DbTicket; /* 0: none */

/* Opens a connection of its own to `url`. NULL on an error. */
DbHolds *db_holds_open(const char *url, guint patience_ms, GError **error);
void db_holds_close(DbHolds *holds); /* lets go of all; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DbHolds, db_holds_close)

/* Tries, never waits. `ticket` is 0 when somebody else holds it. The holder must not ask again for
 * the same name. */
G_GNUC_WARN_UNUSED_RESULT gboolean db_holds_try(DbHolds *holds, const char *name, DbTicket *ticket,
                                                GError **error);
/* Whether what was granted with this ticket is still ours: FALSE after the session was lost. */
G_GNUC_WARN_UNUSED_RESULT gboolean db_holds_is_kept(DbHolds *holds, DbTicket ticket, gboolean *kept,
                                                    GError **error);
/* Lets go. One that cannot be told to the database goes with the session. */
void db_holds_release(DbHolds *holds, const char *name, DbTicket ticket);
