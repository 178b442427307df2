#include "store/tokens.h"

#include "base/clock.h"
#include "store/columns.h"
#include "store/joined.h"

#include <string.h>

/* ---- Changing ---- */

/* A removal that commits between this look and the insert would leave a live token behind: hence
 * the lock. */
static gboolean may_insert(Db *db, const StoreToken *token, GError **error)
{
    static const char sql[] =
        "SELECT 1 FROM workspaces WHERE id = $1 AND status <> 'removed'" JOINED_FENCE("$2");
    g_autoptr(DbRows) rows = NULL;

    if (!joined_lock_workspace(db, token->workspace_id, error))
        return FALSE;
    rows = db_query(db, sql, error, DB_TEXT(token->workspace_id), DB_INT(token->generation));
    if (!rows)
        return FALSE;
    if (db_rows_next(rows))
        return TRUE;
    if (!db_rows_done(rows, error))
        return FALSE;
    return token->generation
               ? error_set(error, ERROR_SUPERSEDED, "a newer wish won")
               : error_set(error, ERROR_CONFLICT, "the workspace is unknown or removed");
}

static gboolean insert(Db *db, const StoreToken *token, GError **error)
{
    static const char sql[] =
        "INSERT INTO workspace_auth_tokens (id, workspace_id, token_hash, prefix, origin,"
        " generation, created_at, last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

    return db_exec(db, sql, NULL, error, DB_TEXT(token->id), DB_TEXT(token->workspace_id),
                   DB_BLOB(token->hash, sizeof token->hash), DB_TEXT(token->prefix),
                   DB_TEXT(token->origin), DB_INT(token->generation),
                   DB_INT(token->created_at_us ? token->created_at_us : clock_now_us()),
                   DB_TIME(token->last_used_at_us));
}

gboolean store_token_insert(Db *db, const StoreToken *token, GError **error)
{
    g_autoptr(DbTransaction) own = NULL;

    return (joined_begin(db, &own, error) && may_insert(db, token, error) &&
            insert(db, token, error) && joined_commit(&own, error)) ||
           error_prefix(error, "insert a token of workspace %s", token->workspace_id);
}

gboolean store_token_revoke(Db *db, const char *workspace_id, const char *id, gboolean *revoked,
                            GError **error)
{
    static const char sql[] = "UPDATE workspace_auth_tokens SET revoked_at = $3"
                              " WHERE id = $1 AND workspace_id = $2 AND revoked_at IS NULL";
    gint64 rows = 0;

    if (!db_exec(db, sql, &rows, error, DB_TEXT(id), DB_TEXT(workspace_id), DB_INT(clock_now_us())))
        return error_prefix(error, "revoke token %s", id);
    *revoked = rows == 1;
    return TRUE;
}

gboolean store_token_revoke_issued(Db *db, const char *workspace_id, gint64 keep_generation,
                                   gint64 *revoked, GError **error)
{
    static const char sql[] =
        "UPDATE workspace_auth_tokens SET revoked_at = $3 WHERE workspace_id = $1"
        " AND revoked_at IS NULL AND origin IN ('provision', 'register')"
        " AND ($2 = 0 OR generation <> $2)";

    return db_exec(db, sql, revoked, error, DB_TEXT(workspace_id), DB_INT(keep_generation),
                   DB_INT(clock_now_us())) ||
           error_prefix(error, "revoke issued tokens of workspace %s", workspace_id);
}

gboolean store_token_revoke_attempt(Db *db, const char *workspace_id, gint64 generation,
                                    gint64 *revoked, GError **error)
{
    static const char sql[] =
        "UPDATE workspace_auth_tokens SET revoked_at = $3 WHERE workspace_id = $1"
        " AND revoked_at IS NULL AND origin IN ('provision', 'register')"
        " AND COALESCE(generation, 0) <= $2";

    return db_exec(db, sql, revoked, error, DB_TEXT(workspace_id), DB_INT(generation),
                   DB_INT(clock_now_us())) ||
           error_prefix(error, "revoke tokens of an attempt of workspace %s", workspace_id);
}

static gboolean touch(Db *db, const StoreTokenUse *use, GError **error)
{
    static const char sql[] = "UPDATE workspace_auth_tokens SET last_used_at = $2"
                              " WHERE id = $1 AND COALESCE(last_used_at, 0) < $2";

    return db_exec(db, sql, NULL, error, DB_TEXT(use->id), DB_INT(use->used_at_us));
}

static int by_id(const void *a, const void *b)
{
    const StoreTokenUse *const *first = a;
    const StoreTokenUse *const *second = b;

    return strcmp((*first)->id, (*second)->id);
}

gboolean store_token_touch(Db *db, const StoreTokenUse *uses, gsize count, GError **error)
{
    g_autoptr(DbTransaction) own = NULL;
    g_autofree const StoreTokenUse **sorted = g_new(const StoreTokenUse *, count + 1);

    if (count == 0)
        return TRUE;
    for (gsize i = 0; i < count; i++)
        sorted[i] = &uses[i];
    /* Two servers that write the same rows must lock them in the same order. */
    qsort(sorted, count, sizeof *sorted, by_id);
    if (!joined_begin(db, &own, error))
        return FALSE;
    for (gsize i = 0; i < count; i++)
        if (!touch(db, sorted[i], error))
            return error_prefix(error, "write the use of tokens");
    return joined_commit(&own, error);
}

/* ---- Reading ---- */

#define COLUMNS                                                                                    \
    "t.id, t.workspace_id, t.token_hash, t.prefix, t.origin, t.generation, t.created_at,"          \
    " t.last_used_at"
/* A token dies with its workspace, whether or not somebody revoked it. */
#define LIVE                                                                                       \
    " FROM workspace_auth_tokens t JOIN workspaces w ON w.id = t.workspace_id"                     \
    " WHERE t.revoked_at IS NULL AND w.status <> 'removed'"

static void read_token(DbRows *rows, StoreToken *token)
{
    gsize size = 0;
    const void *hash = db_rows_blob(rows, 2, &size);

    memset(token, 0, sizeof *token);
    column_id(rows, 0, token->id);
    column_id(rows, 1, token->workspace_id);
    if (hash)
        memcpy(token->hash, hash, MIN(size, sizeof token->hash));
    column_copy(rows, 3, token->prefix, sizeof token->prefix);
    column_copy(rows, 4, token->origin, sizeof token->origin);
    token->generation = db_rows_int(rows, 5);
    token->created_at_us = db_rows_int(rows, 6);
    token->last_used_at_us = db_rows_int(rows, 7);
}

static GArray *read_all(DbRows *rows)
{
    GArray *all;

    if (!rows)
        return NULL;
    all = g_array_new(FALSE, FALSE, sizeof(StoreToken));
    while (db_rows_next(rows)) {
        StoreToken token;
        read_token(rows, &token);
        g_array_append_val(all, token);
    }
    return all;
}

GArray *store_token_list(Db *db, const char *workspace_id, guint limit, guint offset,
                         GError **error)
{
    static const char sql[] = "SELECT " COLUMNS LIVE " AND t.workspace_id = $1"
                              " ORDER BY t.created_at DESC, t.id LIMIT $2 OFFSET $3";
    g_autoptr(DbRows) rows =
        db_query(db, sql, error, DB_TEXT(workspace_id), DB_INT(limit), DB_INT(offset));

    return read_all(rows);
}

GArray *store_token_list_live(Db *db, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, "SELECT " COLUMNS LIVE, error);

    return read_all(rows);
}

GArray *store_token_list_of(Db *db, const char *workspace_id, GError **error)
{
    static const char sql[] =
        "SELECT " COLUMNS LIVE " AND t.workspace_id = $1 ORDER BY t.created_at DESC, t.id";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(workspace_id));

    return read_all(rows);
}

static gboolean find(Db *db, const char *sql, const guint8 hash[CRYPTO_HASH_SIZE],
                     StoreToken *token, gboolean *found, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_BLOB(hash, CRYPTO_HASH_SIZE));

    if (!rows)
        return error_prefix(error, "find a token");
    *found = db_rows_next(rows);
    if (*found)
        read_token(rows, token);
    return TRUE;
}

gboolean store_token_find(Db *db, const guint8 hash[CRYPTO_HASH_SIZE], StoreToken *token,
                          gboolean *found, GError **error)
{
    return find(db, "SELECT " COLUMNS LIVE " AND t.token_hash = $1", hash, token, found, error);
}

gboolean store_token_find_any(Db *db, const guint8 hash[CRYPTO_HASH_SIZE], StoreToken *token,
                              gboolean *found, GError **error)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM workspace_auth_tokens t WHERE t.token_hash = $1";

    return find(db, sql, hash, token, found, error);
}

/* ---- Counting ---- */

gboolean store_token_count(Db *db, const char *workspace_id, gint64 *live, GError **error)
{
    const DbValue values[] = {DB_TEXT(workspace_id)};

    return column_read_int(db, "SELECT COUNT(*)" LIVE " AND t.workspace_id = $1", values, 1, live,
                           error);
}

static gboolean has_one(Db *db, const char *sql, const DbValue *values, gsize count, gboolean *has,
                        GError **error)
{
    gint64 one = 0;

    if (!column_read_int(db, sql, values, count, &one, error))
        return FALSE;
    *has = one != 0;
    return TRUE;
}

gboolean store_token_has_live(Db *db, const char *workspace_id, gboolean *has, GError **error)
{
    const DbValue values[] = {DB_TEXT(workspace_id)};

    return has_one(db, "SELECT 1" LIVE " AND t.workspace_id = $1 LIMIT 1", values, 1, has, error);
}

gboolean store_token_any_live(Db *db, gboolean *any, GError **error)
{
    return has_one(db, "SELECT 1" LIVE " LIMIT 1", NULL, 0, any, error);
}

gboolean store_token_delete_revoked(Db *db, gint64 before_us, guint limit, gint64 *deleted,
                                    GError **error)
{
    static const char sql[] =
        "DELETE FROM workspace_auth_tokens WHERE id IN (SELECT id FROM workspace_auth_tokens"
        " WHERE revoked_at < $1 LIMIT $2)";

    return db_exec(db, sql, deleted, error, DB_INT(before_us), DB_INT(limit)) ||
           error_prefix(error, "delete revoked tokens");
}
