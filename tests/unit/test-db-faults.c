/* What is lost when something dies: nothing that was acknowledged. */
#include "base/clock.h"
#include "base/sync.h"
#include "test-db-fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_FLAG    "--write-until-killed"
#define CHILD_WRITERS 4
#define ACKNOWLEDGED  60 /* before the child is killed */

static void make_table(Db *db)
{
    g_autoptr(GError) error = NULL;

    assert_done(db_exec(db, "CREATE TABLE things (id TEXT NOT NULL PRIMARY KEY, number BIGINT)",
                        NULL, &error));
}

static gboolean insert(Db *db, const char *id, gint64 number, GError **error)
{
    return db_exec(db, "INSERT INTO things (id, number) VALUES ($1, $2)", NULL, error, DB_TEXT(id),
                   DB_INT(number));
}

static gint64 count_things(Db *db)
{
    return fixture_number(db, "SELECT COUNT(*) FROM things");
}

/* ---- A killed process ---- */

typedef struct {
    Db *db;
    guint number;
} Writer;

static gboolean write_pair(Db *db, const char *id, GError **error)
{
    g_autoptr(DbTransaction) transaction = db_begin(db, error);
    g_autofree char *other = g_strconcat(id, "-other", NULL);

    return transaction && insert(db, id, 1, error) && insert(db, other, -1, error) &&
           db_commit(&transaction, error);
}

/* Tells the parent each id after its commit. */
static void write_until_killed(void *data)
{
    const Writer *writer = data;

    for (guint i = 0;; i++) {
        g_autofree char *line = g_strdup_printf("%u-%u\n", writer->number, i);
        g_autofree char *id = g_strndup(line, strlen(line) - 1);
        if (!write_pair(writer->db, id, NULL) ||
            write(STDOUT_FILENO, line, strlen(line)) != (ssize_t)strlen(line))
            exit(1);
    }
}

static int run_child(const char *url)
{
    Db *db = db_open(url, 5000, NULL);
    Writer writers[CHILD_WRITERS];
    Thread *threads[CHILD_WRITERS];

    if (!db)
        return 1;
    for (guint i = 0; i < CHILD_WRITERS; i++) {
        writers[i] = (Writer){db, i};
        threads[i] = thread_start("writer", write_until_killed, &writers[i]);
    }
    for (guint i = 0; i < CHILD_WRITERS; i++)
        thread_join(threads[i]);
    return 0;
}

static FILE *start_child(const char *url, pid_t *child)
{
    int ends[2];

    g_assert_cmpint(pipe(ends), ==, 0);
    *child = fork();
    g_assert_cmpint(*child, >=, 0);
    if (*child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "test-db-faults", CHILD_FLAG, url, NULL);
        _exit(127);
    }
    close(ends[1]);
    return fdopen(ends[0], "r");
}

/* Ids the child acknowledged, complete lines only. */
static GPtrArray *read_acknowledged(FILE *from, pid_t child)
{
    GPtrArray *ids = g_ptr_array_new_with_free_func(g_free);
    char line[64];

    while (fgets(line, sizeof line, from)) {
        if (g_str_has_suffix(line, "\n"))
            g_ptr_array_add(ids, g_strndup(line, strlen(line) - 1));
        if (ids->len == ACKNOWLEDGED)
            kill(child, SIGKILL); /* what is in the pipe is read to its end */
    }
    return ids;
}

static void test_a_killed_process_loses_nothing_acknowledged(Fixture *fixture)
{
    g_autoptr(GPtrArray) ids = NULL;
    g_autoptr(GError) error = NULL;
    pid_t child;
    FILE *from;

    make_table(fixture->db);
    db_close(fixture->db);
    from = start_child(fixture->url, &child);
    ids = read_acknowledged(from, child);
    fclose(from);
    waitpid(child, NULL, 0);
    g_assert_cmpuint(ids->len, >=, ACKNOWLEDGED);
    fixture->db = fixture_open(fixture);
    for (guint i = 0; i < ids->len; i++) {
        g_autoptr(DbRows) rows = db_query(
            fixture->db, "SELECT COUNT(*) FROM things WHERE id = $1 OR id = $1 || '-other'", &error,
            DB_TEXT(ids->pdata[i]));
        g_assert_no_error(error);
        g_assert_true(db_rows_next(rows));
        g_assert_cmpint(db_rows_int(rows, 0), ==, 2);
    }
    g_assert_cmpint(fixture_number(fixture->db, "SELECT SUM(number) FROM things"), ==, 0);
    assert_done(insert(fixture->db, "after", 0, &error));
}

/* ---- SQLite: file and disk ---- */

static void test_the_file_is_private(Fixture *fixture)
{
    static const char *const files[] = {"test.db", "test.db-wal", "test.db-shm"};

    make_table(fixture->db);
    g_assert_cmpint(count_things(fixture->db), ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(fixture->folder, files[i], NULL);
        struct stat status;
        g_assert_cmpint(stat(path, &status), ==, 0);
        g_assert_cmpint(status.st_mode & 0777, ==, 0600);
    }
}

static void limit_pages(Db *db, guint more)
{
    g_autofree char *sql = g_strdup_printf(
        "PRAGMA max_page_count = %u",
        more ? (guint)fixture_number(db, "SELECT page_count FROM pragma_page_count") + more
             : 1000000);
    g_autoptr(GError) error = NULL;

    assert_done(db_exec(db, sql, NULL, &error));
}

static void test_a_full_disk_spoils_only_the_present(Fixture *fixture)
{
    g_autofree char *large = g_strnfill(200 * 1024, 'x');
    g_autoptr(GError) error = NULL;
    DbTransaction *transaction;

    make_table(fixture->db);
    assert_done(insert(fixture->db, "before", 0, &error));
    limit_pages(fixture->db, 4);
    assert_fails(insert(fixture->db, large, 0, &error), ERROR_UNAVAILABLE);
    transaction = db_begin(fixture->db, &error);
    assert_done(insert(fixture->db, "during", 0, &error));
    assert_fails(insert(fixture->db, large, 0, &error), ERROR_UNAVAILABLE);
    assert_fails(db_commit(&transaction, &error), ERROR_INTERNAL);
    limit_pages(fixture->db, 0);
    assert_done(insert(fixture->db, large, 0, &error));
    g_assert_cmpint(count_things(fixture->db), ==, 2);
}

typedef struct {
    Db *db;
    atomic_int good, full;
} FullDisk;

/* Members of a group whose disk is full fail with it; each is told the truth. */
static void fill(void *data)
{
    static atomic_int next;
    FullDisk *disk = data;

    for (guint i = 0; i < 20; i++) {
        g_autofree char *id = g_strdup_printf("%d-%0*d", atomic_fetch_add(&next, 1), 6000, 0);
        g_autoptr(GError) error = NULL;
        if (insert(disk->db, id, 1, &error))
            atomic_fetch_add(&disk->good, 1);
        else if (error_is(error, ERROR_UNAVAILABLE))
            atomic_fetch_add(&disk->full, 1);
        else
            g_assert_no_error(error);
    }
}

static void test_a_full_disk_is_told_to_every_member_of_a_group(Fixture *fixture)
{
    FullDisk disk = {.db = fixture->db};
    Thread *threads[6];

    make_table(fixture->db);
    limit_pages(fixture->db, 60);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = thread_start("filler", fill, &disk);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        thread_join(threads[i]);
    g_assert_cmpint(atomic_load(&disk.good), >, 0);
    g_assert_cmpint(atomic_load(&disk.full), >, 0);
    limit_pages(fixture->db, 0);
    g_assert_cmpint(count_things(fixture->db), ==, atomic_load(&disk.good));
}

/* ---- PostgreSQL: killed connections ---- */

/* Ends every connection of the fixture's pool, like an administrator or a fail-over does, and waits
 * until they are gone. */
static void terminate_all(const Fixture *fixture)
{
    static const char kill_sql[] = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                   " WHERE application_name = $1";
    static const char count_sql[] =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = $1";
    g_autoptr(Db) admin = fixture_open_admin();
    g_autoptr(GError) error = NULL;
    gint64 left = 1;

    assert_done(db_exec(admin, kill_sql, NULL, &error, DB_TEXT(fixture->name)));
    for (guint i = 0; i < 500 && left > 0; i++) {
        g_autoptr(DbRows) rows = db_query(admin, count_sql, &error, DB_TEXT(fixture->name));
        g_assert_no_error(error);
        g_assert_true(db_rows_next(rows));
        left = db_rows_int(rows, 0);
        g_usleep(2000);
    }
    g_assert_cmpint(left, ==, 0);
}

static void test_idle_connections_that_died_are_replaced(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    DbTransaction *transaction;

    make_table(fixture->db);
    terminate_all(fixture);
    g_assert_cmpint(count_things(fixture->db), ==, 0);
    terminate_all(fixture);
    assert_done(insert(fixture->db, "a", 1, &error));
    terminate_all(fixture);
    transaction = db_begin(fixture->db, &error);
    g_assert_no_error(error);
    assert_done(insert(fixture->db, "b", 1, &error));
    assert_done(db_commit(&transaction, &error));
    terminate_all(fixture);
    assert_done(db_ping(fixture->db, &error));
    g_assert_cmpint(count_things(fixture->db), ==, 2);
}

static void test_a_transaction_dies_with_its_connection(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    DbTransaction *transaction;

    make_table(fixture->db);
    transaction = db_begin(fixture->db, &error);
    assert_done(insert(fixture->db, "a", 1, &error));
    terminate_all(fixture);
    assert_fails(insert(fixture->db, "b", 1, &error), ERROR_UNAVAILABLE);
    db_rollback(transaction);
    transaction = db_begin(fixture->db, &error);
    assert_done(insert(fixture->db, "c", 1, &error));
    terminate_all(fixture);
    assert_fails(db_commit(&transaction, &error), ERROR_UNAVAILABLE);
    g_assert_cmpint(count_things(fixture->db), ==, 0);
}

static void write_slowly(void *data)
{
    Fixture *fixture = data;
    g_autoptr(GError) error = NULL;

    assert_fails(db_exec(fixture->db, "INSERT INTO things (id) SELECT 'slow' FROM pg_sleep(20)",
                         NULL, &error),
                 ERROR_OUTCOME_UNKNOWN);
}

static void read_slowly(void *data)
{
    Fixture *fixture = data;
    g_autoptr(GError) error = NULL;
    /* Sleeps at its first try only. */
    g_autoptr(DbRows) rows =
        db_query(fixture->db,
                 "SELECT pg_sleep(CASE WHEN EXISTS (SELECT 1 FROM things WHERE id = 'again') THEN 0"
                 " ELSE 20 END)",
                 &error);

    g_assert_no_error(error);
    g_assert_true(db_rows_next(rows));
}

#define SLEEPERS " FROM pg_stat_activity WHERE application_name = $1 AND wait_event = 'PgSleep'"

/* Repeats a query about sleeping statements of the fixture until it has a row. */
static void ask_about_sleeper(const Fixture *fixture, const char *sql)
{
    g_autoptr(Db) admin = fixture_open_admin();
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < 1000; i++) {
        g_autoptr(DbRows) rows = db_query(admin, sql, &error, DB_TEXT(fixture->name));
        g_assert_no_error(error);
        if (db_rows_next(rows))
            return;
        g_usleep(2000);
    }
    g_assert_not_reached();
}

static void wait_asleep(const Fixture *fixture)
{
    ask_about_sleeper(fixture, "SELECT pid" SLEEPERS);
}

static void terminate_sleeper(const Fixture *fixture)
{
    ask_about_sleeper(fixture, "SELECT pg_terminate_backend(pid)" SLEEPERS);
}

static void test_a_lost_write_is_unknown_and_a_lost_read_is_repeated(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    Thread *thread;

    make_table(fixture->db);
    thread = thread_start("writer", write_slowly, fixture);
    terminate_sleeper(fixture);
    thread_join(thread);
    g_assert_cmpint(count_things(fixture->db), ==, 0);
    thread = thread_start("reader", read_slowly, fixture);
    wait_asleep(fixture);
    assert_done(insert(fixture->db, "again", 1, &error));
    terminate_sleeper(fixture);
    thread_join(thread);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], CHILD_FLAG) == 0)
        return run_child(argv[2]);
    fixture_main(argc, argv);
    fixture_add("/db/a-killed-process-loses-nothing-acknowledged",
                test_a_killed_process_loses_nothing_acknowledged);
    fixture_add_on(DB_SQLITE, "/db/the-file-is-private", test_the_file_is_private);
    fixture_add_on(DB_SQLITE, "/db/a-full-disk-spoils-only-the-present",
                   test_a_full_disk_spoils_only_the_present);
    fixture_add_on(DB_SQLITE, "/db/a-full-disk-is-told-to-every-member-of-a-group",
                   test_a_full_disk_is_told_to_every_member_of_a_group);
    if (fixture_has_postgres()) {
        fixture_add_on(DB_POSTGRES, "/db/idle-connections-that-died-are-replaced",
                       test_idle_connections_that_died_are_replaced);
        fixture_add_on(DB_POSTGRES, "/db/a-transaction-dies-with-its-connection",
                       test_a_transaction_dies_with_its_connection);
        fixture_add_on(DB_POSTGRES, "/db/a-lost-write-is-unknown-and-a-lost-read-is-repeated",
                       test_a_lost_write_is_unknown_and_a_lost_read_is_repeated);
    }
    return g_test_run();
}
