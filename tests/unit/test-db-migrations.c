/* The schema: applied once, whole files or nothing, never by an older program. */
#include "base/sync.h"
#include "db/migrations_table.h"
#include "test-db-fixture.h"

static gboolean has_table(Db *db, const char *table)
{
    g_autofree char *sql = g_strdup_printf("SELECT COUNT(*) FROM %s", table);
    g_autoptr(DbRows) rows = db_query(db, sql, NULL);

    return rows != NULL;
}

static void test_all_tables_are_made_once(Fixture *fixture)
{
    static const char *const tables[] = {
        "workspaces",
        "agents",
        "structure_events",
        "workspace_secrets",
        "global_secrets",
        "canvas_layouts",
        "canvas_viewport",
        "workspace_config",
        "workspace_memory",
        "approval_requests",
        "agent_memories",
        "activity_logs",
        "workspace_schedules",
        "workspace_channels",
        "workspace_auth_tokens",
        "org_api_tokens",
        "org_plugin_allowlist",
        "workspace_token_usage",
        "workspace_artifacts",
        "audit_events",
        "platform_instructions",
        "a2a_queue",
        "workflow_checkpoints",
        "workspace_runtime",
        "runtime_gc",
        "platform_instance",
        "schema_migrations",
    };
    g_autoptr(GError) error = NULL;
    guint applied = 0;

    assert_done(db_migrate(fixture->db, &applied, &error));
    g_assert_cmpuint(applied, >, 0);
    g_assert_cmpint(fixture_number(fixture->db, "SELECT COUNT(*) FROM schema_migrations"), ==,
                    applied);
    assert_done(db_migrate(fixture->db, &applied, &error));
    g_assert_cmpuint(applied, ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(tables); i++)
        g_assert_true(has_table(fixture->db, tables[i]));
}

static void test_a_newer_schema_is_refused(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    fixture_migrate(fixture);
    assert_done(db_exec(fixture->db,
                        "INSERT INTO schema_migrations (filename, applied_at)"
                        " VALUES ('999_future.sql', 1)",
                        NULL, &error));
    g_assert_false(db_migrate(fixture->db, NULL, &error));
    g_assert_nonnull(strstr(error->message, "newer than this program"));
    g_assert_nonnull(strstr(error->message, "999_future.sql"));
    assert_fails(FALSE, ERROR_CONFLICT);
}

static void test_a_broken_file_leaves_nothing(Fixture *fixture)
{
    static const Migration broken[] = {
        {"001_good.sql", TRUE, TRUE, "CREATE TABLE good (id TEXT);"},
        {"002_broken.sql", TRUE, TRUE,
         "CREATE TABLE half (id TEXT);\nINSERT INTO nowhere VALUES (1);"},
        {"003_later.sql", TRUE, TRUE, "CREATE TABLE later (id TEXT);"},
        {0},
    };
    static const Migration repaired[] = {
        {"001_good.sql", TRUE, TRUE, "CREATE TABLE never (id TEXT);"},
        {"002_broken.sql", TRUE, TRUE, "CREATE TABLE half (id TEXT);"},
        {0},
    };
    g_autoptr(GError) error = NULL;
    guint applied = 9;

    g_assert_false(migrations_apply(fixture->db, broken, &applied, &error));
    g_assert_nonnull(strstr(error->message, "002_broken.sql"));
    assert_fails(FALSE, ERROR_INTERNAL);
    g_assert_true(has_table(fixture->db, "good"));
    g_assert_false(has_table(fixture->db, "half"));
    g_assert_false(has_table(fixture->db, "later"));
    assert_done(migrations_apply(fixture->db, repaired, &applied, &error));
    g_assert_cmpuint(applied, ==, 1);
    g_assert_true(has_table(fixture->db, "half"));
    g_assert_false(has_table(fixture->db, "never"));
}

static void test_files_of_the_other_database_are_left_out(Fixture *fixture)
{
    static const Migration list[] = {
        {"001_both.sql", TRUE, TRUE, "CREATE TABLE first (id TEXT);"},
        {"002_x.postgres.sql", FALSE, TRUE, "CREATE TABLE only_postgres (id TEXT);"},
        {"002_x.sqlite.sql", TRUE, FALSE, "CREATE TABLE only_sqlite (id TEXT);"},
        {0},
    };
    g_autoptr(GError) error = NULL;
    guint applied = 0;

    assert_done(migrations_apply(fixture->db, list, &applied, &error));
    g_assert_cmpuint(applied, ==, 2);
    g_assert_cmpint(has_table(fixture->db, "only_sqlite"), ==, fixture->kind == DB_SQLITE);
    g_assert_cmpint(has_table(fixture->db, "only_postgres"), ==, fixture->kind == DB_POSTGRES);
}

typedef struct {
    const Fixture *fixture;
    guint applied;
} Server;

static void start_server(void *data)
{
    Server *server = data;
    g_autoptr(Db) db = fixture_open(server->fixture);
    g_autoptr(GError) error = NULL;

    assert_done(db_migrate(db, &server->applied, &error));
}

static void test_servers_that_start_at_once_share_the_work(Fixture *fixture)
{
    Server servers[3];
    Thread *threads[G_N_ELEMENTS(servers)];
    guint applied = 0;

    for (guint i = 0; i < G_N_ELEMENTS(servers); i++) {
        servers[i] = (Server){fixture, 0};
        threads[i] = thread_start("server", start_server, &servers[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(servers); i++) {
        thread_join(threads[i]);
        applied += servers[i].applied;
    }
    g_assert_cmpint(fixture_number(fixture->db, "SELECT COUNT(*) FROM schema_migrations"), ==,
                    applied);
}

int main(int argc, char **argv)
{
    fixture_main(argc, argv);
    fixture_add("/migrations/all-tables-are-made-once", test_all_tables_are_made_once);
    fixture_add("/migrations/a-newer-schema-is-refused", test_a_newer_schema_is_refused);
    fixture_add("/migrations/a-broken-file-leaves-nothing", test_a_broken_file_leaves_nothing);
    fixture_add("/migrations/files-of-the-other-database-are-left-out",
                test_files_of_the_other_database_are_left_out);
    fixture_add("/migrations/servers-that-start-at-once-share-the-work",
                test_servers_that_start_at_once_share_the_work);
    return g_test_run();
}
