/* Table `workspace_auth_tokens`: SHA-256 of a workspace's bearer tokens; never a token itself.
 *
 * Live: not revoked, and its workspace is not removed. Errors of all: those of db/db.h. Thread: any
 * but I/O. Source: spec 03 section 5, spec 01 sections 19.15 and 19.26. */
#pragma once

#include "base/crypto.h"
#include "base/errors.h"
#include "base/ids.h"
#include "db/db.h"

#define STORE_TOKEN_PREFIX_SIZE 9 /* 8 characters and the NUL */

typedef struct {
    char id[ID_SIZE];
    char workspace_id[ID_SIZE];
    guint8 hash[CRYPTO_HASH_SIZE];
    char prefix[STORE_TOKEN_PREFIX_SIZE];
    char origin[16];   /* "provision", "register", "user", "test" */
    gint64 generation; /* 0: not bound to one */
    gint64 created_at_us;
    gint64 last_used_at_us; /* 0: never */
} StoreToken;

/* `created_at_us` 0 becomes now. Errors: ERROR_CONFLICT when the workspace is unknown or removed;
 * ERROR_SUPERSEDED when the token is bound to a generation and the wish is another one. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_token_insert(Db *db, const StoreToken *token,
                                                      GError **error);
/* Revokes a live token of that workspace. `revoked` FALSE: no such one. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_token_revoke(Db *db, const char *workspace_id,
                                                      const char *id, gboolean *revoked,
                                                      GError **error);
/* Revokes those of origin `provision` and `register`, except those of `keep_generation` (0: none is
 * kept). `revoked` may be NULL. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_token_revoke_issued(Db *db, const char *workspace_id,
                                                             gint64 keep_generation,
                                                             gint64 *revoked, GError **error);
/* The same for those of an attempt that failed, and older ones: what a later generation was given
 * stays. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_token_revoke_attempt(Db *db, const char *workspace_id,
                                                              gint64 generation, gint64 *revoked,
                                                              GError **error);
/* Live ones, newest first. GArray of StoreToken, owned; NULL on an error. */
G_GNUC_WARN_UNUSED_RESULT GArray *store_token_list(Db *db, const char *workspace_id, guint limit,
                                                   guint offset, GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean store_token_count(Db *db, const char *workspace_id, gint64 *live,
                                                     GError **error);
/* Every live token, for the cache. GArray of StoreToken. */
G_GNUC_WARN_UNUSED_RESULT GArray *store_token_list_live(Db *db, GError **error);
/* The live tokens of one workspace, unlimited, for the cache. */
G_GNUC_WARN_UNUSED_RESULT GArray *store_token_list_of(Db *db, const char *workspace_id,
                                                      GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean store_token_find(Db *db, const guint8 hash[CRYPTO_HASH_SIZE],
                                                    StoreToken *token, gboolean *found,
                                                    GError **error);
/* A revoked token still tells a removed workspace's agent that it is removed (spec 01, 6.3). Any
 * state; live or not. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_token_find_any(Db *db, const guint8 hash[CRYPTO_HASH_SIZE],
                                                        StoreToken *token, gboolean *found,
                                                        GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean store_token_has_live(Db *db, const char *workspace_id,
                                                        gboolean *has, GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean store_token_any_live(Db *db, gboolean *any, GError **error);

typedef struct {
    char id[ID_SIZE];
    gint64 used_at_us;
} StoreTokenUse;
/* Writes last_used_at of many in one transaction; it never moves back. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_token_touch(Db *db, const StoreTokenUse *uses, gsize count,
                                                     GError **error);
/* Deletes at most `limit` of those revoked before that moment. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_token_delete_revoked(Db *db, gint64 before_us, guint limit,
                                                              gint64 *deleted, GError **error);
