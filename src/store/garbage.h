/* Table `runtime_gc`: intents to remove something from the engine, kept until it is verified gone.
 *
 * Written in the transaction that deletes a workspace, worked off by the reconciler. An intent
 * names one object for one workspace; before anything is removed its owner label must name that
 * workspace too (two ids may share the 12 characters that make a name). Errors of all: those of
 * db/db.h. Thread: any but I/O. Source: spec 02, section 17.3 B, D, H. */
#pragma once

#include "base/errors.h"
#include "base/ids.h"
#include "db/db.h"

typedef enum { GARBAGE_CONTAINER, GARBAGE_VOLUME, GARBAGE_INSTANCE } GarbageKind;
const char *garbage_kind_name(GarbageKind kind);

typedef struct {
    char id[ID_SIZE];
    GarbageKind kind;
    char *ref;                  /* name or id in the engine */
    char workspace_id[ID_SIZE]; /* "" when it belongs to none */
    gint64 not_before_us;
    gint64 attempts;
    char *last_error;
    gint64 created_at_us; /* of one that was put off: since when it was due */
    gboolean is_kept;     /* a deleted workspace's volume that shall stay until not_before */
} GarbageRow;
void garbage_row_free(GarbageRow *row); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GarbageRow, garbage_row_free)

/* Records an intent; one that is there already stays as it is. `workspace_id` may be NULL. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_garbage_add(Db *db, GarbageKind kind, const char *ref,
                                                     const char *workspace_id, gint64 not_before_us,
                                                     GError **error);
/* Intents whose time has come, oldest first; containers before volumes of the same age. GPtrArray
 * of GarbageRow, owned; NULL on an error. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_garbage_list_due(Db *db, gint64 now_us, guint limit,
                                                            GError **error);
/* Those that failed before and will be tried again, in the same order. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_garbage_list_tried(Db *db, guint limit, GError **error);
/* All of one workspace, due or not. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_garbage_list_of(Db *db, const char *workspace_id,
                                                           GError **error);
/* Not yet: attempts + 1. It counts as pending since it was due, and is not kept any more. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_garbage_retry(Db *db, const char *id, gint64 not_before_us,
                                                       const char *last_error, GError **error);
/* The same for an object that may have no intent yet: it gets one. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_garbage_fail(Db *db, GarbageKind kind, const char *ref,
                                                      const char *workspace_id,
                                                      gint64 not_before_us, const char *last_error,
                                                      GError **error);
/* Verified gone: the intent is deleted. Repeatable. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_garbage_done(Db *db, const char *id, GError **error);
/* What is due at `now_us`, or was tried already; what is only kept for later does not count.
 * `oldest_us`: since when the oldest is due; 0 when nothing is pending. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_garbage_count(Db *db, gint64 now_us, gint64 *pending,
                                                       gint64 *oldest_us, GError **error);
/* Records an intent unless it is there already; says when it is due and since when it stands. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_garbage_keep(Db *db, GarbageKind kind, const char *ref,
                                                      const char *workspace_id,
                                                      gint64 not_before_us, gint64 *due_us,
                                                      gint64 *since_us, GError **error);

/* ---- Kept volumes: those of deleted workspaces, by an administrator's setting ---- */

/* The volumes that are to go with this workspace stay until `until_us`. Part of the transaction
 * that removes it. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_garbage_keep_volumes(Db *db, const char *workspace_id,
                                                              gint64 until_us, GError **error);
/* One more of them, which nobody knew of. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_garbage_keep_volume(Db *db, const char *ref,
                                                             const char *workspace_id,
                                                             gint64 until_us, GError **error);
/* All, by the time they go. GPtrArray of GarbageRow, owned; NULL on an error. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_garbage_list_kept(Db *db, GError **error);
/* `next_due_us` is 0 when there is none. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_garbage_count_kept(Db *db, gint64 *kept,
                                                            gint64 *next_due_us, GError **error);
/* They are kept no longer: due at `now_us`. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_garbage_release_kept(Db *db, gint64 now_us,
                                                              GError **error);
