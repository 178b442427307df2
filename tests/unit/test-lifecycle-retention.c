/* What is old goes, what is young stays; on every database. */
#include "lifecycle/retention.h"
#include "store/activity.h"
#include "store/org_tokens.h"
#include "store/secrets.h"
#include "store/structure_events.h"
#include "store/tokens.h"
#include "store/usage.h"
#include "test-store-fixture.h"

#define DAYS_AGO(days_) (clock_now_us() - (days_)*CLOCK_DAY_US)

static void add_activity(Fixture *fixture, const char *id, gint64 at_us)
{
    g_autoptr(ActivityRow) row = activity_row_new();
    g_autoptr(GError) error = NULL;

    id_make(row->id);
    memcpy(row->workspace_id, id, ID_SIZE);
    row->activity_type = g_strdup("agent_log");
    row->created_at_us = at_us;
    assert_done(store_activity_insert(fixture->db, row, &error));
}

static void add_event(Fixture *fixture, const char *id, gint64 at_us)
{
    g_autoptr(GError) error = NULL;

    assert_done(store_structure_event_insert(fixture->db, "X", id, "{}", at_us, &error));
}

static void add_token(Fixture *fixture, const char *id, gint64 revoked_at_us)
{
    StoreToken token = {.created_at_us = 1};
    g_autoptr(GError) error = NULL;

    id_make(token.id);
    memcpy(token.workspace_id, id, ID_SIZE);
    crypto_random(token.hash, sizeof token.hash);
    g_strlcpy(token.origin, "user", sizeof token.origin);
    assert_done(store_token_insert(fixture->db, &token, &error));
    if (revoked_at_us)
        assert_done(db_exec(fixture->db,
                            "UPDATE workspace_auth_tokens SET revoked_at = $2 WHERE id = $1", NULL,
                            &error, DB_TEXT(token.id), DB_INT(revoked_at_us)));
}

static gint64 count(Fixture *fixture, const char *table, const char *id)
{
    g_autofree char *sql =
        g_strdup_printf("SELECT COUNT(*) FROM %s WHERE workspace_id = $1", table);

    return store_count(fixture, sql, id);
}

static void test_the_old_go(Fixture *fixture)
{
    char id[ID_SIZE];
    Retention retention = {.db = fixture->db, .activity_days = 7, .event_days = 90};
    g_autoptr(GError) error = NULL;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    for (gint64 days = 5; days <= 9; days += 4)
        add_activity(fixture, id, DAYS_AGO(days));
    for (gint64 days = 80; days <= 100; days += 20)
        add_event(fixture, id, DAYS_AGO(days));
    add_token(fixture, id, 0);
    add_token(fixture, id, DAYS_AGO(29));
    add_token(fixture, id, DAYS_AGO(31));
    assert_done(store_usage_add(fixture->db, id, 0, 1, 1, &error));
    retention_sweep(&retention);
    g_assert_cmpint(count(fixture, "activity_logs", id), ==, 1);
    g_assert_cmpint(count(fixture, "structure_events", id), ==, 1);
    g_assert_cmpint(count(fixture, "workspace_auth_tokens", id), ==, 2);
    g_assert_cmpint(count(fixture, "workspace_token_usage", id), ==, 1);
    retention.event_days = 0;
    add_event(fixture, id, 1);
    retention_sweep(&retention);
    g_assert_cmpint(count(fixture, "structure_events", id), ==, 2);
}

static void add_secret(Fixture *fixture, const char *id)
{
    g_autoptr(GError) error = NULL;

    assert_done(store_secret_put(fixture->db, id, "K", "v", 1, 0, &error));
}

static void set_updated(Fixture *fixture, const char *id, gint64 at_us)
{
    g_autoptr(GError) error = NULL;

    assert_done(db_exec(fixture->db, "UPDATE workspaces SET updated_at = $2 WHERE id = $1", NULL,
                        &error, DB_TEXT(id), DB_INT(at_us)));
}

static void test_secrets_go_with_their_workspace(Fixture *fixture)
{
    char live[ID_SIZE], fresh[ID_SIZE], old[ID_SIZE];
    const Retention retention = {.db = fixture->db, .activity_days = 7};

    fixture_migrate(fixture);
    store_make(fixture, "live", WORKSPACE_ONLINE, NULL, live);
    store_make(fixture, "fresh", WORKSPACE_REMOVED, NULL, fresh);
    store_make(fixture, "old", WORKSPACE_REMOVED, NULL, old);
    set_updated(fixture, live, DAYS_AGO(100));
    set_updated(fixture, fresh, DAYS_AGO(6));
    set_updated(fixture, old, DAYS_AGO(8));
    add_secret(fixture, live);
    add_secret(fixture, fresh);
    add_secret(fixture, old);
    retention_sweep(&retention);
    g_assert_cmpint(count(fixture, "workspace_secrets", live), ==, 1);
    g_assert_cmpint(count(fixture, "workspace_secrets", fresh), ==, 1);
    g_assert_cmpint(count(fixture, "workspace_secrets", old), ==, 0);
}

static void test_more_than_one_batch_goes(Fixture *fixture)
{
    char id[ID_SIZE];
    atomic_bool is_stopping = TRUE;
    Retention retention = {.db = fixture->db, .activity_days = 7, .is_stopping = &is_stopping};
    g_autoptr(DbTransaction) transaction = NULL;
    g_autoptr(GError) error = NULL;

    fixture_migrate(fixture);
    store_make(fixture, "a", WORKSPACE_ONLINE, NULL, id);
    transaction = db_begin(fixture->db, &error);
    for (gint64 i = 0; i < RETENTION_BATCH + 10; i++)
        add_activity(fixture, id, i + 1);
    assert_done(db_commit(&transaction, &error));
    retention_sweep(&retention);
    g_assert_cmpint(count(fixture, "activity_logs", id), ==, RETENTION_BATCH + 10);
    atomic_store(&is_stopping, FALSE);
    retention_sweep(&retention);
    g_assert_cmpint(count(fixture, "activity_logs", id), ==, 0);
}

int main(int argc, char **argv)
{
    fixture_main(argc, argv);
    store_add("/lifecycle/retention/the-old-go", test_the_old_go);
    store_add("/lifecycle/retention/secrets-go-with-their-workspace",
              test_secrets_go_with_their_workspace);
    store_add("/lifecycle/retention/more-than-one-batch-goes", test_more_than_one_batch_goes);
    return g_test_run();
}
