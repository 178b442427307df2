#include "auth/tokens.h"
#include "db/migrations.h"
#include "store/workspaces.h"

#include <glib/gstdio.h>

typedef struct {
    char *folder;
    Db *db;
    Tokens *tokens;
    char id[ID_SIZE];
} Fixture;

static void insert_workspace(Db *db, char id[ID_SIZE])
{
    g_autoptr(WorkspaceRow) row = workspace_row_new();

    id_make(row->id);
    row->name = g_strdup("w");
    row->tier = 2;
    row->workspace_access = g_strdup("none");
    g_assert_true(store_workspace_insert(db, row, NULL));
    g_strlcpy(id, row->id, ID_SIZE);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    g_autofree char *url = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    fixture->folder = g_dir_make_tmp("tokens-XXXXXX", NULL);
    url = g_strdup_printf("sqlite:%s/a.db", fixture->folder);
    fixture->db = db_open(url, 1000, &error);
    g_assert_no_error(error);
    g_assert_true(db_migrate(fixture->db, NULL, &error));
    insert_workspace(fixture->db, fixture->id);
    fixture->tokens = tokens_new(fixture->db, &error);
    g_assert_no_error(error);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    static const char *const files[] = {"a.db", "a.db-wal", "a.db-shm"};

    (void)data;
    tokens_free(fixture->tokens);
    db_close(fixture->db);
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(fixture->folder, files[i], NULL);
        g_unlink(path);
    }
    g_rmdir(fixture->folder);
    g_free(fixture->folder);
}

static gboolean is_live(Fixture *fixture, const char *token)
{
    TokenOwner owner;
    gboolean found = FALSE;

    g_assert_true(tokens_check(fixture->tokens, token, &owner, &found, NULL));
    return found;
}

static void test_mint_check_revoke(Fixture *fixture, gconstpointer data)
{
    char token[CRYPTO_TOKEN_SIZE];
    TokenOwner owner;
    gboolean found = FALSE, revoked = FALSE, has = TRUE;

    (void)data;
    g_assert_true(tokens_has_live(fixture->tokens, fixture->id, &has, NULL));
    g_assert_false(has);
    g_assert_true(tokens_mint_for_user(fixture->tokens, fixture->id, token, NULL));
    g_assert_true(tokens_check(fixture->tokens, token, &owner, &found, NULL));
    g_assert_true(found);
    g_assert_cmpstr(owner.workspace_id, ==, fixture->id);
    g_assert_true(tokens_has_live(fixture->tokens, fixture->id, &has, NULL));
    g_assert_true(has);
    g_assert_true(tokens_revoke(fixture->tokens, fixture->id, owner.id, &revoked, NULL));
    g_assert_true(revoked);
    g_assert_false(is_live(fixture, token));
    g_assert_true(tokens_revoke(fixture->tokens, fixture->id, owner.id, &revoked, NULL));
    g_assert_false(revoked);
}

static void test_another_process_minted_it(Fixture *fixture, gconstpointer data)
{
    Tokens *other = tokens_new(fixture->db, NULL);
    char token[CRYPTO_TOKEN_SIZE];

    (void)data;
    g_assert_true(tokens_mint(other, fixture->id, TOKEN_ORIGIN_USER, 0, token, NULL));
    tokens_free(other);
    g_assert_true(is_live(fixture, token));
}

static void test_only_issued_tokens_are_rotated(Fixture *fixture, gconstpointer data)
{
    char provision[CRYPTO_TOKEN_SIZE], keep[CRYPTO_TOKEN_SIZE], user[CRYPTO_TOKEN_SIZE];

    (void)data;
    g_assert_true(
        tokens_mint(fixture->tokens, fixture->id, TOKEN_ORIGIN_PROVISION, 1, provision, NULL));
    g_assert_true(tokens_mint(fixture->tokens, fixture->id, TOKEN_ORIGIN_PROVISION, 2, keep, NULL));
    g_assert_true(tokens_mint_for_user(fixture->tokens, fixture->id, user, NULL));
    g_assert_true(tokens_revoke_issued(fixture->tokens, fixture->id, 2, NULL));
    g_assert_false(is_live(fixture, provision));
    g_assert_true(is_live(fixture, keep));
    g_assert_true(is_live(fixture, user));
}

static void test_the_cap_holds(Fixture *fixture, gconstpointer data)
{
    char token[CRYPTO_TOKEN_SIZE];
    g_autoptr(GError) error = NULL;

    (void)data;
    for (guint i = 0; i < TOKENS_PER_WORKSPACE; i++)
        g_assert_true(tokens_mint_for_user(fixture->tokens, fixture->id, token, NULL));
    g_assert_false(tokens_mint_for_user(fixture->tokens, fixture->id, token, &error));
    g_assert_true(error_is(error, ERROR_OVER_LIMIT));
    g_assert_true(is_live(fixture, token)); /* the last one that was made */
}

static void test_a_rolled_back_token_never_was(Fixture *fixture, gconstpointer data)
{
    char token[CRYPTO_TOKEN_SIZE];
    DbTransaction *transaction = db_begin(fixture->db, NULL);

    (void)data;
    g_assert_nonnull(transaction);
    g_assert_true(tokens_mint(fixture->tokens, fixture->id, TOKEN_ORIGIN_TEST, 0, token, NULL));
    db_rollback(transaction);
    tokens_forget(fixture->tokens, fixture->id);
    g_assert_false(is_live(fixture, token));
}

#define CASE(name_, function_)                                                                     \
    g_test_add("/tokens/" name_, Fixture, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    CASE("mint-check-revoke", test_mint_check_revoke);
    CASE("another-process-minted-it", test_another_process_minted_it);
    CASE("only-issued-tokens-are-rotated", test_only_issued_tokens_are_rotated);
    CASE("the-cap-holds", test_the_cap_holds);
    CASE("a-rolled-back-token-never-was", test_a_rolled_back_token_never_was);
    return g_test_run();
}
