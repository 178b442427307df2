/* Tokens of workspaces and organisations, and secrets. */
#include "store/org_tokens.h"
#include "store/runtime.h"
#include "store/secrets.h"
#include "store/tokens.h"
#include "test-store-fixture.h"

/* ---- Tokens ---- */

static StoreToken make_token(Fixture *fixture, const char *workspace, const char *origin,
                             gint64 generation, gint64 created_at_us)
{
    StoreToken token = {
        .generation = generation, .created_at_us = created_at_us, .prefix = "12345678"};
    g_autoptr(GError) error = NULL;

    id_make(token.id);
    memcpy(token.workspace_id, workspace, ID_SIZE);
    g_strlcpy(token.origin, origin, sizeof token.origin);
    crypto_random(token.hash, sizeof token.hash);
    assert_done(store_token_insert(fixture->db, &token, &error));
    return token;
}

static gboolean is_live(Fixture *fixture, const StoreToken *token)
{
    g_autoptr(GError) error = NULL;
    StoreToken found = {0};
    gboolean is_found = FALSE;

    assert_done(store_token_find(fixture->db, token->hash, &found, &is_found, &error));
    if (is_found)
        g_assert_cmpstr(found.id, ==, token->id);
    return is_found;
}

static void test_a_token_comes_back_as_it_went_in(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    StoreToken token, found = {0};
    gboolean is_found = FALSE;
    char id[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    token = make_token(fixture, id, "provision", 3, 77);
    assert_done(store_token_find(fixture->db, token.hash, &found, &is_found, &error));
    g_assert_true(is_found);
    g_assert_cmpstr(found.id, ==, token.id);
    g_assert_cmpstr(found.workspace_id, ==, id);
    g_assert_cmpmem(found.hash, sizeof found.hash, token.hash, sizeof token.hash);
    g_assert_cmpstr(found.prefix, ==, "12345678");
    g_assert_cmpstr(found.origin, ==, "provision");
    g_assert_cmpint(found.generation, ==, 3);
    g_assert_cmpint(found.created_at_us, ==, 77);
    g_assert_cmpint(found.last_used_at_us, ==, 0);
    assert_fails(store_token_insert(fixture->db, &token, &error), ERROR_CONFLICT);
    id_make(token.id);
    id_make(token.workspace_id);
    token.hash[0] ^= 1;
    token.generation = 0;
    assert_fails(store_token_insert(fixture->db, &token, &error), ERROR_CONFLICT);
}

/* Cause L10: a start that mints while its workspace is being removed left a live token behind. */
static void test_no_token_for_what_was_removed_or_superseded(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    StoreToken token = {.prefix = "12345678", .origin = "provision"};
    RuntimeWish wish = {.desired = RUNTIME_RUNNING, .spec = "{}"};
    gint64 generation = 0;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, token.workspace_id);
    assert_done(store_runtime_wish(fixture->db, token.workspace_id, &wish, &generation, &error));
    id_make(token.id);
    token.generation = generation + 1;
    assert_fails(store_token_insert(fixture->db, &token, &error), ERROR_SUPERSEDED);
    token.generation = generation;
    assert_done(store_token_insert(fixture->db, &token, &error));
    assert_done(db_exec(fixture->db, "UPDATE workspaces SET status = 'removed'", NULL, &error));
    id_make(token.id);
    token.hash[0] ^= 1;
    assert_fails(store_token_insert(fixture->db, &token, &error), ERROR_SUPERSEDED);
    token.generation = 0;
    assert_fails(store_token_insert(fixture->db, &token, &error), ERROR_CONFLICT);
}

static void test_live_is_not_revoked_and_not_removed(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    StoreToken kept, revoked, found = {0};
    gboolean done = FALSE, has = TRUE, any = FALSE, is_found = FALSE;
    char id[ID_SIZE], other[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    store_make(fixture, "other", WORKSPACE_ONLINE, NULL, other);
    kept = make_token(fixture, id, "user", 0, 0);
    revoked = make_token(fixture, id, "user", 0, 0);
    assert_done(store_token_revoke(fixture->db, other, revoked.id, &done, &error));
    g_assert_false(done); /* of another workspace */
    assert_done(store_token_revoke(fixture->db, id, revoked.id, &done, &error));
    g_assert_true(done);
    assert_done(store_token_revoke(fixture->db, id, revoked.id, &done, &error));
    g_assert_false(done);
    g_assert_false(is_live(fixture, &revoked));
    g_assert_true(is_live(fixture, &kept));
    assert_done(store_token_any_live(fixture->db, &any, &error));
    g_assert_true(any);
    store_sql(fixture, "UPDATE workspaces SET status = 'removed' WHERE id = $1", id, NULL);
    g_assert_false(is_live(fixture, &kept));
    assert_done(store_token_find_any(fixture->db, revoked.hash, &found, &is_found, &error));
    g_assert_true(is_found);
    g_assert_cmpstr(found.workspace_id, ==, id);
    assert_done(store_token_has_live(fixture->db, id, &has, &error));
    g_assert_false(has);
    assert_done(store_token_any_live(fixture->db, &any, &error));
    g_assert_false(any);
}

static void test_rotation_spares_what_users_made(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    StoreToken user, test, old, current, registered;
    gint64 revoked = 0;
    char id[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    user = make_token(fixture, id, "user", 0, 0);
    test = make_token(fixture, id, "test", 0, 0);
    old = make_token(fixture, id, "provision", 1, 0);
    current = make_token(fixture, id, "provision", 2, 0);
    registered = make_token(fixture, id, "register", 0, 0);
    assert_done(store_token_revoke_issued(fixture->db, id, 2, &revoked, &error));
    g_assert_cmpint(revoked, ==, 2);
    g_assert_false(is_live(fixture, &old) || is_live(fixture, &registered));
    g_assert_true(is_live(fixture, &current) && is_live(fixture, &user) && is_live(fixture, &test));
    assert_done(store_token_revoke_issued(fixture->db, id, 0, NULL, &error));
    g_assert_false(is_live(fixture, &current));
    g_assert_true(is_live(fixture, &user));
}

static void test_a_failed_attempt_ends_no_later_ones_token(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    StoreToken user, first, second;
    gint64 revoked = 0;
    char id[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    user = make_token(fixture, id, "user", 0, 0);
    first = make_token(fixture, id, "provision", 1, 0);
    second = make_token(fixture, id, "provision", 2, 0);
    assert_done(store_token_revoke_attempt(fixture->db, id, 1, &revoked, &error));
    g_assert_cmpint(revoked, ==, 1);
    g_assert_false(is_live(fixture, &first));
    g_assert_true(is_live(fixture, &second) && is_live(fixture, &user));
}

static void test_lists_of_tokens(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) page = NULL, of_one = NULL, live = NULL;
    gint64 count = 0;
    char id[ID_SIZE], other[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    store_make(fixture, "other", WORKSPACE_ONLINE, NULL, other);
    for (guint i = 1; i <= 5; i++)
        make_token(fixture, id, "user", 0, i);
    make_token(fixture, other, "user", 0, 9);
    page = store_token_list(fixture->db, id, 2, 1, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(page->len, ==, 2);
    g_assert_cmpint(g_array_index(page, StoreToken, 0).created_at_us, ==, 4);
    of_one = store_token_list_of(fixture->db, id, &error);
    g_assert_cmpuint(of_one->len, ==, 5);
    live = store_token_list_live(fixture->db, &error);
    g_assert_cmpuint(live->len, ==, 6);
    assert_done(store_token_count(fixture->db, id, &count, &error));
    g_assert_cmpint(count, ==, 5);
}

static void test_use_never_moves_back(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    StoreTokenUse uses[2] = {{.used_at_us = 50}, {.used_at_us = 60}};
    StoreToken tokens[2], found = {0};
    gboolean is_found = FALSE;
    char id[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    for (guint i = 0; i < 2; i++) {
        tokens[i] = make_token(fixture, id, "user", 0, 0);
        memcpy(uses[i].id, tokens[i].id, ID_SIZE);
    }
    assert_done(store_token_touch(fixture->db, uses, 2, &error));
    uses[1].used_at_us = 10;
    assert_done(store_token_touch(fixture->db, uses, 2, &error));
    assert_done(store_token_touch(fixture->db, NULL, 0, &error));
    assert_done(store_token_find(fixture->db, tokens[1].hash, &found, &is_found, &error));
    g_assert_cmpint(found.last_used_at_us, ==, 60);
}

/* ---- Organisation tokens ---- */

static void test_organisation_tokens(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = NULL;
    g_autoptr(StoreOrgToken) full = g_new0(StoreOrgToken, 1), plain = g_new0(StoreOrgToken, 1);
    g_autoptr(StoreOrgToken) found = NULL, none = NULL;
    gboolean revoked = FALSE;

    fixture_migrate(fixture);
    id_make(full->id);
    id_make(plain->id);
    crypto_random(full->hash, sizeof full->hash);
    crypto_random(plain->hash, sizeof plain->hash);
    g_strlcpy(full->prefix, "abcdefgh", sizeof full->prefix);
    full->name = g_strdup("ci");
    full->created_by = g_strdup("admin-token");
    full->created_at_us = 5;
    store_make(fixture, "org", WORKSPACE_ONLINE, NULL, full->org_id);
    assert_done(store_org_token_insert(fixture->db, full, &error));
    assert_done(store_org_token_insert(fixture->db, plain, &error));
    assert_done(store_org_token_touch(fixture->db, full->id, 20, &error));
    assert_done(store_org_token_touch(fixture->db, full->id, 10, &error));
    list = store_org_token_list(fixture->db, 10, &error);
    g_assert_cmpuint(list->len, ==, 2);
    g_assert_cmpstr(((StoreOrgToken *)list->pdata[0])->id, ==, plain->id);
    g_assert_null(((StoreOrgToken *)list->pdata[0])->name);
    g_assert_cmpstr(((StoreOrgToken *)list->pdata[0])->org_id, ==, "");
    assert_done(store_org_token_find(fixture->db, full->hash, &found, &error));
    g_assert_cmpstr(found->name, ==, "ci");
    g_assert_cmpstr(found->created_by, ==, "admin-token");
    g_assert_cmpstr(found->org_id, ==, full->org_id);
    g_assert_cmpstr(found->prefix, ==, "abcdefgh");
    g_assert_cmpint(found->last_used_at_us, ==, 20);
    assert_done(store_org_token_revoke(fixture->db, full->id, &revoked, &error));
    g_assert_true(revoked);
    assert_done(store_org_token_revoke(fixture->db, full->id, &revoked, &error));
    g_assert_false(revoked);
    assert_done(store_org_token_find(fixture->db, full->hash, &none, &error));
    g_assert_null(none);
    id_make(plain->org_id);
    id_make(plain->id);
    plain->hash[0] ^= 1;
    assert_fails(store_org_token_insert(fixture->db, plain, &error), ERROR_CONFLICT);
}

/* ---- Secrets ---- */

static void assert_secret(const GPtrArray *list, guint index, const char *key, gboolean is_global,
                          const char *value)
{
    const SecretRow *row;

    g_assert_cmpuint(index, <, list->len);
    row = list->pdata[index];
    g_assert_cmpstr(row->key, ==, key);
    g_assert_cmpint(row->is_global, ==, is_global);
    if (value)
        g_assert_cmpmem(g_bytes_get_data(row->value, NULL), g_bytes_get_size(row->value), value,
                        strlen(value));
    else
        g_assert_null(row->value);
}

static void put(Fixture *fixture, const char *workspace, const char *key, const char *value)
{
    g_autoptr(GError) error = NULL;

    assert_done(store_secret_put(fixture->db, workspace, key, value, strlen(value), 1, &error));
}

static void test_secrets_of_both_scopes(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) own = NULL, global = NULL, effective = NULL, values = NULL;
    g_autoptr(SecretRow) row = NULL, none = NULL;
    char id[ID_SIZE], unknown[ID_SIZE];
    gboolean deleted = FALSE;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    put(fixture, NULL, "b", "gb");
    put(fixture, NULL, "A", "ga");
    put(fixture, id, "b", "first");
    put(fixture, id, "b", "wb");
    put(fixture, id, "Z", "");
    own = store_secret_list(fixture->db, id, &error);
    g_assert_cmpuint(own->len, ==, 2);
    assert_secret(own, 0, "Z", FALSE, NULL); /* by bytes, capitals first */
    assert_secret(own, 1, "b", FALSE, NULL);
    global = store_secret_list(fixture->db, NULL, &error);
    assert_secret(global, 0, "A", TRUE, NULL);
    values = store_secret_list_values(fixture->db, NULL, &error);
    assert_secret(values, 1, "b", TRUE, "gb");
    effective = store_secret_list_effective(fixture->db, id, &error);
    g_assert_cmpuint(effective->len, ==, 4);
    assert_secret(effective, 0, "A", TRUE, "ga");
    assert_secret(effective, 1, "b", TRUE, "gb");
    assert_secret(effective, 2, "Z", FALSE, "");
    assert_secret(effective, 3, "b", FALSE, "wb");
    assert_done(store_secret_find(fixture->db, id, "b", &row, &error));
    g_assert_cmpint(row->encryption_version, ==, 1);
    g_assert_cmpint(row->created_at_us, <=, row->updated_at_us);
    assert_done(store_secret_find(fixture->db, id, "A", &none, &error));
    g_assert_null(none);
    assert_done(store_secret_delete(fixture->db, id, "b", &deleted, &error));
    g_assert_true(deleted);
    assert_done(store_secret_delete(fixture->db, id, "b", &deleted, &error));
    g_assert_false(deleted);
    assert_done(store_secret_delete(fixture->db, NULL, "b", &deleted, &error));
    g_assert_true(deleted);
    id_make(unknown);
    assert_fails(store_secret_put(fixture->db, unknown, "k", "v", 1, 0, &error), ERROR_CONFLICT);
}

static void test_who_inherits_a_global_secret(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) ids = NULL;
    char inherits[ID_SIZE], own[ID_SIZE], paused[ID_SIZE], external[ID_SIZE], gone[ID_SIZE];

    fixture_migrate(fixture);
    store_make(fixture, "inherits", WORKSPACE_ONLINE, NULL, inherits);
    store_make(fixture, "own", WORKSPACE_ONLINE, NULL, own);
    store_make(fixture, "paused", WORKSPACE_PAUSED, NULL, paused);
    store_make(fixture, "external", WORKSPACE_ONLINE, NULL, external);
    store_make(fixture, "gone", WORKSPACE_REMOVED, NULL, gone);
    store_sql(fixture, "UPDATE workspaces SET runtime = 'external' WHERE id = $1", external, NULL);
    put(fixture, NULL, "K", "v");
    put(fixture, own, "K", "v");
    put(fixture, inherits, "OTHER", "v");
    ids = store_secret_list_inheriting(fixture->db, "K", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(ids->len, ==, 1);
    g_assert_cmpstr(ids->pdata[0], ==, inherits);
}

int main(int argc, char **argv)
{
    fixture_main(argc, argv);
    store_add("/tokens/one-comes-back-as-it-went-in", test_a_token_comes_back_as_it_went_in);
    store_add("/tokens/none-for-what-was-removed-or-superseded",
              test_no_token_for_what_was_removed_or_superseded);
    store_add("/tokens/live-is-not-revoked-and-not-removed",
              test_live_is_not_revoked_and_not_removed);
    store_add("/tokens/rotation-spares-what-users-made", test_rotation_spares_what_users_made);
    store_add("/tokens/a-failed-attempt-ends-no-later-ones-token",
              test_a_failed_attempt_ends_no_later_ones_token);
    store_add("/tokens/lists", test_lists_of_tokens);
    store_add("/tokens/use-never-moves-back", test_use_never_moves_back);
    store_add("/org-tokens/all", test_organisation_tokens);
    store_add("/secrets/both-scopes", test_secrets_of_both_scopes);
    store_add("/secrets/who-inherits-a-global-one", test_who_inherits_a_global_secret);
    return g_test_run();
}
