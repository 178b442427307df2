/* Table `org_api_tokens`: SHA-256 of organisation tokens. Live: not revoked.
 * Errors of all: those of db/db.h. Thread: any but I/O. Source: spec 03, sections 5.1 and 5.4; spec
 * 01, 19.16. */
#pragma once

#include "base/crypto.h"
#include "base/errors.h"
#include "base/ids.h"
#include "db/db.h"
#include "store/tokens.h"

typedef struct {
    char id[ID_SIZE];
    guint8 hash[CRYPTO_HASH_SIZE]; /* for insert; not filled by reads */
    char prefix[STORE_TOKEN_PREFIX_SIZE];
    char *name;           /* NULL: none */
    char *created_by;     /* NULL: unknown */
    char org_id[ID_SIZE]; /* "": none */
    gint64 created_at_us;
    gint64 last_used_at_us;
} StoreOrgToken;
void store_org_token_free(StoreOrgToken *token); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreOrgToken, store_org_token_free)

/* `created_at_us` 0 becomes now. Error: ERROR_CONFLICT when org_id names no workspace. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_org_token_insert(Db *db, const StoreOrgToken *token,
                                                          GError **error);
/* Live ones, newest first. GPtrArray of StoreOrgToken, owned; NULL on an error. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_org_token_list(Db *db, guint limit, GError **error);
/* NULL when no live token has this hash. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_org_token_find(Db *db, const guint8 hash[CRYPTO_HASH_SIZE],
                                                        StoreOrgToken **token, GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean store_org_token_revoke(Db *db, const char *id, gboolean *revoked,
                                                          GError **error);
/* last_used_at, never moving back. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_org_token_touch(Db *db, const char *id, gint64 used_at_us,
                                                         GError **error);
/* Deletes at most `limit` of those revoked before that moment. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_org_token_delete_revoked(Db *db, gint64 before_us,
                                                                  guint limit, gint64 *deleted,
                                                                  GError **error);
