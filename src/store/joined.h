/* Work that belongs together: in the caller's transaction when the thread has one, else in its own.
 * Private to src/store.
 *
 *     g_autoptr(DbTransaction) own = NULL;
 *     if (!joined_begin(db, &own, error) || !...)
 *         return FALSE;
 *     return joined_commit(&own, error);
 *
 * Order of locks on PostgreSQL, outermost first: the hierarchy, rows of `workspaces` by id, all
 * other rows. */
#pragma once

#include "base/errors.h"
#include "db/db.h"

/* `own` stays NULL when the thread is in a transaction. */
G_GNUC_WARN_UNUSED_RESULT gboolean joined_begin(Db *db, DbTransaction **own, GError **error);
/* Commits `own`; the caller's transaction is the caller's to commit. */
G_GNUC_WARN_UNUSED_RESULT gboolean joined_commit(DbTransaction **own, GError **error);

/* Keeps everybody else from changing who is whose parent, until the transaction ends. */
G_GNUC_WARN_UNUSED_RESULT gboolean joined_lock_hierarchy(Db *db, GError **error);
/* Keeps everybody else from changing this workspace's row or its wish, until the transaction ends.
 * A statement after it sees the newest wish; without it PostgreSQL would look at the wish of the
 * moment when a statement began to wait for the row. */
G_GNUC_WARN_UNUSED_RESULT gboolean joined_lock_workspace(Db *db, const char *id, GError **error);

/* One statement that is fenced by a wish's generation: locks the workspace, then runs it. */
G_GNUC_WARN_UNUSED_RESULT gboolean joined_exec_fenced(Db *db, const char *id, const char *sql,
                                                      const DbValue *values, gsize count,
                                                      gboolean *changed, GError **error);
/* `$n` is the generation, 0: no fence; `$1` the workspace. */
#define JOINED_FENCE(parameter_)                                                                   \
    " AND (" parameter_ " = 0 OR NOT EXISTS (SELECT 1 FROM workspace_runtime r"                    \
    " WHERE r.workspace_id = $1 AND r.generation <> " parameter_ "))"
