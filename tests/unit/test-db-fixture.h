/* A database of its own for each test case, on SQLite always and on PostgreSQL when
 * WORKSPACED_TEST_POSTGRES_URL names a server: there each case makes a schema and drops it. */
#pragma once

#include "base/errors.h"
#include "base/ids.h"
#include "base/log.h"
#include "db/migrations.h"

#include <glib/gstdio.h>
#include <string.h>

#define POSTGRES_VARIABLE "WORKSPACED_TEST_POSTGRES_URL"

typedef struct {
    DbKind kind;
    char *url;
    char *name;   /* of the schema, and of the application on PostgreSQL */
    char *folder; /* SQLite: a temporary folder */
    Db *db;
} Fixture;

typedef void (*FixtureFunction)(Fixture *fixture);

static inline Db *fixture_open_admin(void)
{
    g_autoptr(GError) error = NULL;
    Db *admin = db_open(g_getenv(POSTGRES_VARIABLE), 5000, &error);

    g_assert_no_error(error);
    return admin;
}

static inline void fixture_admin_exec(const char *format, const char *name)
{
    g_autoptr(Db) admin = fixture_open_admin();
    g_autofree char *sql = g_strdup_printf(format, name);
    g_autoptr(GError) error = NULL;
    gboolean is_done = db_exec(admin, sql, NULL, &error);

    g_assert_no_error(error);
    g_assert_true(is_done);
}

static inline void fixture_make_place(Fixture *fixture)
{
    char id[ID_SIZE];

    id_make(id);
    fixture->name = g_strdup_printf("t%.8s%.4s", id, id + 9);
    if (fixture->kind == DB_SQLITE) {
        fixture->folder = g_dir_make_tmp("workspaced-db-XXXXXX", NULL);
        g_assert_nonnull(fixture->folder);
        fixture->url = g_strdup_printf("sqlite:%s/test.db", fixture->folder);
        return;
    }
    fixture_admin_exec("CREATE SCHEMA %s", fixture->name);
    fixture->url = g_strdup_printf(
        "%s%coptions=-csearch_path%%3D%s&application_name=%s", g_getenv(POSTGRES_VARIABLE),
        strchr(g_getenv(POSTGRES_VARIABLE), '?') ? '&' : '?', fixture->name, fixture->name);
}

static inline Db *fixture_open(const Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    Db *db = db_open(fixture->url, 5000, &error);

    g_assert_no_error(error);
    g_assert_nonnull(db);
    return db;
}

static inline void fixture_drop_place(Fixture *fixture)
{
    static const char *const files[] = {"test.db", "test.db-wal", "test.db-shm"};

    if (fixture->kind == DB_POSTGRES) {
        fixture_admin_exec("DROP SCHEMA %s CASCADE", fixture->name);
    } else {
        for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
            g_autofree char *path = g_build_filename(fixture->folder, files[i], NULL);
            g_unlink(path);
        }
        g_rmdir(fixture->folder);
    }
    g_free(fixture->folder);
    g_free(fixture->name);
    g_free(fixture->url);
}

typedef struct {
    DbKind kind;
    FixtureFunction function;
} FixtureCase;

static inline void fixture_run(gconstpointer data)
{
    const FixtureCase *test = data;
    Fixture fixture = {.kind = test->kind};

    fixture_make_place(&fixture);
    fixture.db = fixture_open(&fixture);
    test->function(&fixture);
    db_close(fixture.db);
    fixture_drop_place(&fixture);
}

static inline void fixture_add_on(DbKind kind, const char *path, FixtureFunction function)
{
    g_autofree char *full = g_strconcat(kind == DB_SQLITE ? "/sqlite" : "/postgres", path, NULL);
    FixtureCase *test = g_new0(FixtureCase, 1);

    test->kind = kind;
    test->function = function;
    g_test_add_data_func_full(full, test, fixture_run, g_free);
}

static inline gboolean fixture_has_postgres(void)
{
    const char *url = g_getenv(POSTGRES_VARIABLE);

    return url && *url;
}

/* Registers the case for each database there is. */
static inline void fixture_add(const char *path, FixtureFunction function)
{
    fixture_add_on(DB_SQLITE, path, function);
    if (fixture_has_postgres())
        fixture_add_on(DB_POSTGRES, path, function);
}

/* ---- Short words for tests ---- */

static inline void fixture_migrate(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    gboolean is_done = db_migrate(fixture->db, NULL, &error);

    g_assert_no_error(error);
    g_assert_true(is_done);
}

/* What `call` returns must be TRUE, with `error` unset. */
#define assert_done(call)                                                                          \
    do {                                                                                           \
        gboolean done_ = (call);                                                                   \
        g_assert_no_error(error);                                                                  \
        g_assert_true(done_);                                                                      \
    } while (0)
/* It must be FALSE (or NULL) with an error of that code, which is then forgotten. */
#define assert_fails(call, code_)                                                                  \
    do {                                                                                           \
        gboolean done_ = (call) ? TRUE : FALSE;                                                    \
        g_assert_false(done_);                                                                     \
        g_assert_nonnull(error);                                                                   \
        g_assert_cmpstr(error_code_name(error_code(error)), ==, error_code_name(code_));           \
        g_clear_error(&error);                                                                     \
    } while (0)

static inline gint64 fixture_number(Db *db, const char *sql)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DbRows) rows = db_query(db, sql, &error);

    g_assert_no_error(error);
    g_assert_true(db_rows_next(rows));
    return db_rows_int(rows, 0);
}

static inline int fixture_main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return 0;
}
