/* The stock of started agents that no workspace has taken yet: rows of `workspace_runtime` with a
 * `warm_key` and without a workspace.
 *
 * A member has the id that its workspace will have, so labels and names never change. Being taken
 * is one conditional UPDATE in the transaction that makes the workspace; every other change of a
 * member names `warm_key IS NOT NULL`, so it cannot touch a row that was just taken. The generation
 * stays, because the container carries it. Errors of all: those of db/db.h. Thread: workers (take),
 * reconciler. Source: issue 5, item 7. */
#pragma once

#include "store/runtime.h" /* store_runtime_list_warm */

/* One who fills or empties the stock at a time, until the end of the caller's transaction. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_warm_lock(Db *db, GError **error);

/* A new member: wished to run, generation 1, phase `pending`. `id` gets its id. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_warm_insert(Db *db, const char *key, char id[ID_SIZE],
                                                     GError **error);
/* Not wanted any more: wished to be absent. `dropped` FALSE: it was taken, or is gone. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_warm_drop(Db *db, const char *id, gboolean *dropped,
                                                   GError **error);
/* Phase `backoff` until `next_attempt_at_us`. `current` FALSE: it was taken, or dropped. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_warm_back_off(Db *db, const char *id, gint64 generation,
                                                       gint64 next_attempt_at_us,
                                                       const RuntimeFailure *failure,
                                                       gboolean *current, GError **error);

/* Takes one that runs, for a workspace that the caller's transaction makes: the row becomes that
 * workspace's own, with `spec` as its wish. `id` gets the workspace's id; "": there is none.
 * `address` gets where it is reached; the caller frees it. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_warm_take(Db *db, const char *key, const char *spec,
                                                   char id[ID_SIZE], char **address,
                                                   GError **error);
/* In place of the time below: telling it began, so it may know. */
#define WARM_TOLD_BEGUN (-1)
/* The agent of a taken one was told whose it is, in the run of its container that began at
 * `started_at_us`. `current` FALSE: a newer wish won. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_warm_told(Db *db, const char *id, gint64 generation,
                                                   gint64 started_at_us, gboolean *current,
                                                   GError **error);
/* The hand-over failed: generation + 1, phase `pending`, so that the container is replaced by one
 * that is made for the workspace. `current` FALSE: a newer wish won. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_warm_refuse(Db *db, const char *id, gint64 generation,
                                                     gboolean *current, GError **error);
