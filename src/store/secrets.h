/* Tables `workspace_secrets` and `global_secrets`. Values are bytes with the version that says how
 * they are sealed: 0 plain, 1 AES-256-GCM (base/crypto). Sealing and opening is the caller's;
 * nothing is decrypted here. `workspace_id` NULL means global everywhere. Errors of all: those of
 * db/db.h. Thread: any but I/O. Source: spec 03, section 7; spec 01, 19.4 and 19.5. */
#pragma once

#include "base/errors.h"
#include "base/ids.h"
#include "db/db.h"

typedef struct {
    char *key;
    gboolean is_global;
    GBytes *value; /* NULL in store_secret_list */
    gint64 encryption_version;
    gint64 created_at_us;
    gint64 updated_at_us;
} SecretRow;
void secret_row_free(SecretRow *row); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SecretRow, secret_row_free)

/* Inserts or replaces; created_at is kept. Error: ERROR_CONFLICT when the workspace is unknown. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_secret_put(Db *db, const char *workspace_id,
                                                    const char *key, const void *value, gsize size,
                                                    gint64 encryption_version, GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean store_secret_delete(Db *db, const char *workspace_id,
                                                       const char *key, gboolean *deleted,
                                                       GError **error);
/* Keys and times of one scope, by key. GPtrArray of SecretRow without values, owned; NULL on an
 * error. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_secret_list(Db *db, const char *workspace_id,
                                                       GError **error);
/* The same with values. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_secret_list_values(Db *db, const char *workspace_id,
                                                              GError **error);
/* All global ones, then all of the workspace, each by key, with values: later ones win. One query.
 */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_secret_list_effective(Db *db, const char *workspace_id,
                                                                 GError **error);
/* NULL when there is none in that scope. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_secret_find(Db *db, const char *workspace_id,
                                                     const char *key, SecretRow **row,
                                                     GError **error);
/* Whom a change of a global secret concerns: not removed, not paused, not external, without an own
 * secret of that key. GPtrArray of char *, owned; NULL on an error. Source: spec 03, 7.4. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_secret_list_inheriting(Db *db, const char *key,
                                                                  GError **error);
/* Deletes at most `limit` of workspaces that were removed before that moment. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_secret_delete_removed(Db *db, gint64 before_us,
                                                               guint limit, gint64 *deleted,
                                                               GError **error);
