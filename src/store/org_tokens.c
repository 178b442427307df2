#include "store/org_tokens.h"

#include "base/clock.h"
#include "store/columns.h"

void store_org_token_free(StoreOrgToken *token)
{
    if (!token)
        return;
    g_free(token->name);
    g_free(token->created_by);
    g_free(token);
}

gboolean store_org_token_insert(Db *db, const StoreOrgToken *token, GError **error)
{
    static const char sql[] =
        "INSERT INTO org_api_tokens (id, token_hash, prefix, name, created_by, org_id, created_at,"
        " last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

    return db_exec(db, sql, NULL, error, DB_TEXT(token->id),
                   DB_BLOB(token->hash, sizeof token->hash), DB_TEXT(token->prefix),
                   DB_TEXT(token->name), DB_TEXT(token->created_by), DB_ID(token->org_id),
                   DB_INT(token->created_at_us ? token->created_at_us : clock_now_us()),
                   DB_TIME(token->last_used_at_us)) ||
           error_prefix(error, "insert an organisation token");
}

/* ---- Reading ---- */

#define LIVE                                                                                       \
    "SELECT id, prefix, name, created_by, org_id, created_at, last_used_at FROM org_api_tokens"    \
    " WHERE revoked_at IS NULL"

static StoreOrgToken *read_token(DbRows *rows)
{
    StoreOrgToken *token = g_new0(StoreOrgToken, 1);

    column_id(rows, 0, token->id);
    column_copy(rows, 1, token->prefix, sizeof token->prefix);
    token->name = column_text_dup(rows, 2);
    token->created_by = column_text_dup(rows, 3);
    column_id(rows, 4, token->org_id);
    token->created_at_us = db_rows_int(rows, 5);
    token->last_used_at_us = db_rows_int(rows, 6);
    return token;
}

GPtrArray *store_org_token_list(Db *db, guint limit, GError **error)
{
    static const char sql[] = LIVE " ORDER BY created_at DESC, id LIMIT $1";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_INT(limit));
    GPtrArray *all;

    if (!rows)
        return NULL;
    all = g_ptr_array_new_with_free_func((GDestroyNotify)store_org_token_free);
    while (db_rows_next(rows))
        g_ptr_array_add(all, read_token(rows));
    return all;
}

gboolean store_org_token_find(Db *db, const guint8 hash[CRYPTO_HASH_SIZE], StoreOrgToken **token,
                              GError **error)
{
    g_autoptr(DbRows) rows =
        db_query(db, LIVE " AND token_hash = $1", error, DB_BLOB(hash, CRYPTO_HASH_SIZE));

    if (!rows)
        return error_prefix(error, "find an organisation token");
    *token = db_rows_next(rows) ? read_token(rows) : NULL;
    return TRUE;
}

/* ---- Changing ---- */

gboolean store_org_token_revoke(Db *db, const char *id, gboolean *revoked, GError **error)
{
    static const char sql[] =
        "UPDATE org_api_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    gint64 rows = 0;

    if (!db_exec(db, sql, &rows, error, DB_TEXT(id), DB_INT(clock_now_us())))
        return error_prefix(error, "revoke organisation token %s", id);
    *revoked = rows == 1;
    return TRUE;
}

gboolean store_org_token_touch(Db *db, const char *id, gint64 used_at_us, GError **error)
{
    static const char sql[] = "UPDATE org_api_tokens SET last_used_at = $2"
                              " WHERE id = $1 AND COALESCE(last_used_at, 0) < $2";

    return db_exec(db, sql, NULL, error, DB_TEXT(id), DB_INT(used_at_us));
}

gboolean store_org_token_delete_revoked(Db *db, gint64 before_us, guint limit, gint64 *deleted,
                                        GError **error)
{
    static const char sql[] = "DELETE FROM org_api_tokens WHERE id IN (SELECT id FROM"
                              " org_api_tokens WHERE revoked_at < $1 LIMIT $2)";

    return db_exec(db, sql, deleted, error, DB_INT(before_us), DB_INT(limit)) ||
           error_prefix(error, "delete revoked organisation tokens");
}
