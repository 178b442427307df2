#include "auth/tokens.h"

#include "base/clock.h"
#include "base/sync.h"
#include "store/tokens.h"
#include "store/workspaces.h"

#include <string.h>

#define USE_RESOLUTION_US CLOCK_MINUTE_US /* spec 03, F28: last_used_at at most once a minute */
#define MISS_LIFETIME_US  (2 * CLOCK_SECOND_US) /* how long "no such token" is believed */
#define MISSES_MAX        4096 /* unknown tokens remembered; more are asked for again */

typedef struct {
    guint8 hash[CRYPTO_HASH_SIZE];
    TokenOwner owner;
    gint64 used_at_us;    /* last use seen */
    gint64 written_at_us; /* last use that is in the database */
} CachedToken;

/* Invariants: `by_hash` owns every cached token; a workspace in `by_workspace` has all its live
 * tokens cached, one that is not there has none cached and is read again at the next use. */
struct _Tokens {
    Db *db;
    Mutex lock;
    GHashTable *by_hash;      /* hash (inside the token) -> CachedToken */
    GHashTable *by_workspace; /* id -> GPtrArray of CachedToken, borrowed */
    GHashTable *misses;       /* hash (owned) -> when it was asked for (gint64 *) */
    guint64 epoch; /* moves with every forget: what was read before must not be cached after */
    void (*changed)(const char *workspace_id, void *data);
    void *changed_data;
};

static guint hash_hash(gconstpointer key)
{
    guint value = 0;

    memcpy(&value, key, sizeof value);
    return value;
}

static gboolean hash_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, CRYPTO_HASH_SIZE) == 0;
}

static void hash_token(const char *token, guint8 hash[CRYPTO_HASH_SIZE])
{
    crypto_sha256(token, strlen(token), hash);
}

/* ---- The cache ---- */

static CachedToken *cached_new(const StoreToken *row)
{
    CachedToken *cached = g_new0(CachedToken, 1);

    memcpy(cached->hash, row->hash, CRYPTO_HASH_SIZE);
    memcpy(cached->owner.id, row->id, ID_SIZE);
    memcpy(cached->owner.workspace_id, row->workspace_id, ID_SIZE);
    cached->owner.generation = row->generation;
    cached->used_at_us = cached->written_at_us = row->last_used_at_us;
    return cached;
}

static GPtrArray *workspace_locked(Tokens *tokens, const char *workspace_id)
{
    GPtrArray *list = g_hash_table_lookup(tokens->by_workspace, workspace_id);

    if (!list) {
        list = g_ptr_array_new();
        g_hash_table_insert(tokens->by_workspace, g_strdup(workspace_id), list);
    }
    return list;
}

static void add_locked(Tokens *tokens, const StoreToken *row)
{
    CachedToken *cached = NULL;

    g_hash_table_remove(tokens->misses, row->hash);
    if (g_hash_table_contains(tokens->by_hash, row->hash))
        return;
    cached = cached_new(row);
    g_hash_table_insert(tokens->by_hash, cached->hash, cached);
    g_ptr_array_add(workspace_locked(tokens, row->workspace_id), cached);
}

static void drop_workspace_locked(Tokens *tokens, const char *workspace_id)
{
    GPtrArray *list = g_hash_table_lookup(tokens->by_workspace, workspace_id);

    for (guint i = 0; list && i < list->len; i++)
        g_hash_table_remove(tokens->by_hash, ((CachedToken *)list->pdata[i])->hash);
    g_hash_table_remove(tokens->by_workspace, workspace_id);
    g_hash_table_remove_all(tokens->misses);
    tokens->epoch++;
}

static guint64 epoch_get(Tokens *tokens)
{
    guint64 epoch = 0;

    mutex_lock(&tokens->lock);
    epoch = tokens->epoch;
    mutex_unlock(&tokens->lock);
    return epoch;
}

/* Reads all live tokens of the workspace into memory, unless something was revoked meanwhile. */
static gboolean load_workspace(Tokens *tokens, const char *workspace_id, guint *count,
                               GError **error)
{
    guint64 epoch = epoch_get(tokens);
    g_autoptr(GArray) rows = store_token_list_of(tokens->db, workspace_id, error);

    if (!rows)
        return FALSE;
    *count = rows->len;
    mutex_lock(&tokens->lock);
    if (epoch == tokens->epoch) {
        workspace_locked(tokens, workspace_id);
        for (guint i = 0; i < rows->len; i++)
            add_locked(tokens, &g_array_index(rows, StoreToken, i));
    }
    mutex_unlock(&tokens->lock);
    return TRUE;
}

Tokens *tokens_new(Db *db, GError **error)
{
    g_autoptr(GArray) rows = store_token_list_live(db, error);
    Tokens *tokens = NULL;

    if (!rows)
        return NULL;
    tokens = g_new0(Tokens, 1);
    tokens->db = db;
    mutex_init(&tokens->lock);
    tokens->by_hash = g_hash_table_new_full(hash_hash, hash_equal, NULL, g_free);
    tokens->by_workspace =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    tokens->misses = g_hash_table_new_full(hash_hash, hash_equal, g_free, g_free);
    mutex_lock(&tokens->lock);
    for (guint i = 0; i < rows->len; i++)
        add_locked(tokens, &g_array_index(rows, StoreToken, i));
    mutex_unlock(&tokens->lock);
    return tokens;
}

void tokens_free(Tokens *tokens)
{
    if (!tokens)
        return;
    g_hash_table_unref(tokens->by_workspace);
    g_hash_table_unref(tokens->by_hash);
    g_hash_table_unref(tokens->misses);
    mutex_clear(&tokens->lock);
    g_free(tokens);
}

void tokens_watch(Tokens *tokens, void (*changed)(const char *workspace_id, void *data), void *data)
{
    tokens->changed = changed;
    tokens->changed_data = data;
}

static void tell(Tokens *tokens, const char *workspace_id)
{
    if (tokens->changed)
        tokens->changed(workspace_id, tokens->changed_data);
}

void tokens_forget(Tokens *tokens, const char *workspace_id)
{
    mutex_lock(&tokens->lock);
    drop_workspace_locked(tokens, workspace_id);
    mutex_unlock(&tokens->lock);
    tell(tokens, workspace_id);
}

/* ---- Minting and revoking ---- */

gboolean tokens_mint(Tokens *tokens, const char *workspace_id, const char *origin,
                     gint64 generation, char token[CRYPTO_TOKEN_SIZE], GError **error)
{
    StoreToken row = {.generation = generation, .created_at_us = clock_now_us()};
    gboolean is_loaded = FALSE;

    crypto_token_make(token);
    hash_token(token, row.hash);
    id_make(row.id);
    g_strlcpy(row.workspace_id, workspace_id, sizeof row.workspace_id);
    g_strlcpy(row.prefix, token, sizeof row.prefix);
    g_strlcpy(row.origin, origin, sizeof row.origin);
    if (!store_token_insert(tokens->db, &row, error))
        return FALSE;
    mutex_lock(&tokens->lock);
    is_loaded = g_hash_table_contains(tokens->by_workspace, workspace_id);
    if (is_loaded)
        add_locked(tokens, &row);
    else
        g_hash_table_remove(tokens->misses, row.hash);
    mutex_unlock(&tokens->lock);
    return TRUE;
}

static gboolean mint_under_cap(Tokens *tokens, const char *workspace_id,
                               char token[CRYPTO_TOKEN_SIZE], GError **error)
{
    g_autoptr(DbTransaction) transaction = NULL;
    g_autoptr(WorkspaceRow) row = NULL;
    g_autofree char *lock_name = g_strconcat("tokens:", workspace_id, NULL);
    gint64 live = 0;

    transaction = db_begin(tokens->db, error);
    if (!transaction || !db_lock(tokens->db, lock_name, error) ||
        !store_workspace_find(tokens->db, workspace_id, &row, error) ||
        !store_token_count(tokens->db, workspace_id, &live, error))
        return FALSE;
    if (!row || row->status == WORKSPACE_REMOVED)
        return error_set(error, ERROR_NOT_FOUND, "workspace not found");
    if (live >= TOKENS_PER_WORKSPACE)
        return error_set(error, ERROR_OVER_LIMIT,
                         "the workspace has %d live tokens; revoke one first",
                         TOKENS_PER_WORKSPACE);
    return tokens_mint(tokens, workspace_id, TOKEN_ORIGIN_USER, 0, token, error) &&
           db_commit(&transaction, error);
}

gboolean tokens_mint_for_user(Tokens *tokens, const char *workspace_id,
                              char token[CRYPTO_TOKEN_SIZE], GError **error)
{
    if (mint_under_cap(tokens, workspace_id, token, error))
        return TRUE;
    tokens_forget(tokens, workspace_id); /* a token of a rolled back transaction may be cached */
    return FALSE;
}

gboolean tokens_revoke(Tokens *tokens, const char *workspace_id, const char *token_id,
                       gboolean *revoked, GError **error)
{
    if (!store_token_revoke(tokens->db, workspace_id, token_id, revoked, error))
        return FALSE;
    if (*revoked)
        tokens_forget(tokens, workspace_id);
    return TRUE;
}

gboolean tokens_revoke_issued(Tokens *tokens, const char *workspace_id, gint64 keep_generation,
                              GError **error)
{
    gint64 revoked = 0;

    if (!store_token_revoke_issued(tokens->db, workspace_id, keep_generation, &revoked, error))
        return FALSE;
    if (revoked > 0)
        tokens_forget(tokens, workspace_id);
    return TRUE;
}

gboolean tokens_revoke_attempt(Tokens *tokens, const char *workspace_id, gint64 generation,
                               GError **error)
{
    gint64 revoked = 0;

    if (!store_token_revoke_attempt(tokens->db, workspace_id, generation, &revoked, error))
        return FALSE;
    if (revoked > 0)
        tokens_forget(tokens, workspace_id);
    return TRUE;
}

/* ---- Looking up ---- */

static gboolean find_locked(Tokens *tokens, const guint8 hash[CRYPTO_HASH_SIZE], TokenOwner *owner)
{
    CachedToken *cached = g_hash_table_lookup(tokens->by_hash, hash);

    if (!cached)
        return FALSE;
    cached->used_at_us = clock_now_us();
    *owner = cached->owner;
    return TRUE;
}

static gboolean is_known_miss_locked(Tokens *tokens, const guint8 hash[CRYPTO_HASH_SIZE])
{
    const gint64 *asked_us = g_hash_table_lookup(tokens->misses, hash);

    return asked_us && clock_monotonic_us() - *asked_us < MISS_LIFETIME_US;
}

static void remember_miss_locked(Tokens *tokens, const guint8 hash[CRYPTO_HASH_SIZE])
{
    gint64 now_us = clock_monotonic_us();

    if (g_hash_table_size(tokens->misses) >= MISSES_MAX)
        g_hash_table_remove_all(tokens->misses);
    g_hash_table_insert(tokens->misses, g_memdup2(hash, CRYPTO_HASH_SIZE),
                        g_memdup2(&now_us, sizeof now_us));
}

gboolean tokens_peek(Tokens *tokens, const char *token, TokenOwner *owner)
{
    guint8 hash[CRYPTO_HASH_SIZE];
    gboolean found = FALSE;

    hash_token(token, hash);
    mutex_lock(&tokens->lock);
    found = find_locked(tokens, hash, owner);
    mutex_unlock(&tokens->lock);
    return found;
}

static void note_use(Tokens *tokens, const guint8 hash[CRYPTO_HASH_SIZE])
{
    TokenOwner owner;

    mutex_lock(&tokens->lock);
    find_locked(tokens, hash, &owner);
    mutex_unlock(&tokens->lock);
}

static gboolean ask_database(Tokens *tokens, const guint8 hash[CRYPTO_HASH_SIZE], TokenOwner *owner,
                             gboolean *found, GError **error)
{
    guint64 epoch = epoch_get(tokens);
    StoreToken row;
    guint count = 0;

    if (!store_token_find(tokens->db, hash, &row, found, error))
        return FALSE;
    if (*found) {
        memcpy(owner->id, row.id, ID_SIZE);
        memcpy(owner->workspace_id, row.workspace_id, ID_SIZE);
        owner->generation = row.generation;
        if (!load_workspace(tokens, row.workspace_id, &count, error))
            return FALSE;
        note_use(tokens, hash);
        return TRUE;
    }
    mutex_lock(&tokens->lock);
    if (epoch == tokens->epoch)
        remember_miss_locked(tokens, hash);
    mutex_unlock(&tokens->lock);
    return TRUE;
}

gboolean tokens_check(Tokens *tokens, const char *token, TokenOwner *owner, gboolean *found,
                      GError **error)
{
    guint8 hash[CRYPTO_HASH_SIZE];
    gboolean is_known = FALSE;

    hash_token(token, hash);
    mutex_lock(&tokens->lock);
    *found = find_locked(tokens, hash, owner);
    is_known = *found || is_known_miss_locked(tokens, hash);
    mutex_unlock(&tokens->lock);
    return is_known || ask_database(tokens, hash, owner, found, error);
}

gboolean tokens_has_live(Tokens *tokens, const char *workspace_id, gboolean *has, GError **error)
{
    const GPtrArray *list = NULL;
    gboolean is_loaded = FALSE;
    guint count = 0;

    mutex_lock(&tokens->lock);
    list = g_hash_table_lookup(tokens->by_workspace, workspace_id);
    is_loaded = list != NULL;
    count = list ? list->len : 0;
    mutex_unlock(&tokens->lock);
    if (!is_loaded && !load_workspace(tokens, workspace_id, &count, error))
        return FALSE;
    *has = count > 0;
    return TRUE;
}

gboolean tokens_any_live(Tokens *tokens, gboolean *any, GError **error)
{
    mutex_lock(&tokens->lock);
    *any = g_hash_table_size(tokens->by_hash) > 0;
    mutex_unlock(&tokens->lock);
    return *any || store_token_any_live(tokens->db, any, error);
}

/* ---- Uses ---- */

static GArray *take_uses(Tokens *tokens)
{
    GArray *uses = g_array_new(FALSE, TRUE, sizeof(StoreTokenUse));
    GHashTableIter iter;
    void *value = NULL;

    mutex_lock(&tokens->lock);
    g_hash_table_iter_init(&iter, tokens->by_hash);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        CachedToken *cached = value;
        StoreTokenUse use = {.used_at_us = cached->used_at_us};
        if (cached->written_at_us && cached->used_at_us - cached->written_at_us < USE_RESOLUTION_US)
            continue;
        if (cached->used_at_us == cached->written_at_us)
            continue;
        memcpy(use.id, cached->owner.id, ID_SIZE);
        g_array_append_val(uses, use);
        cached->written_at_us = cached->used_at_us;
    }
    mutex_unlock(&tokens->lock);
    return uses;
}

gboolean tokens_flush(Tokens *tokens, GError **error)
{
    g_autoptr(GArray) uses = take_uses(tokens);

    /* A failure loses the times of one minute at most; the next use brings a later one. */
    return uses->len == 0 ||
           store_token_touch(tokens->db, (const StoreTokenUse *)(void *)uses->data, uses->len,
                             error);
}
