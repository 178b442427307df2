/* Statements, transactions and threads, the same on both databases. */
#include "base/clock.h"
#include "base/sync.h"
#include "test-db-fixture.h"

static void make_table(Db *db)
{
    g_autoptr(GError) error = NULL;

    assert_done(db_exec(db,
                        "CREATE TABLE things (id TEXT NOT NULL PRIMARY KEY, number BIGINT,"
                        " real DOUBLE PRECISION, bytes BYTEA)",
                        NULL, &error));
    assert_done(db_exec(db,
                        "CREATE TABLE parts (id TEXT NOT NULL PRIMARY KEY,"
                        " thing_id TEXT NOT NULL REFERENCES things (id))",
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

/* ---- Values ---- */

static void check_row(DbRows *rows, const DbValue *number, const DbValue *real,
                      const DbValue *bytes)
{
    gsize size = 99;
    const void *blob = db_rows_blob(rows, 2, &size);

    g_assert_cmpint(db_rows_int(rows, 0), ==, number->number);
    g_assert_cmpfloat(db_rows_double(rows, 1), ==, real->real);
    g_assert_cmpmem(blob, size, bytes->bytes, bytes->size);
    g_assert_cmpint(db_rows_is_null(rows, 2), ==, bytes->kind == DB_VALUE_NULL);
}

static void test_values_come_back_as_they_went_in(Fixture *fixture)
{
    static const char text[] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x9d 'quoted' \"twice\" \\ $1 ?";
    static const guint8 bytes[] = {0, 1, 2, 0, 255, '\\', '\''};
    const struct {
        DbValue id, number, real, bytes;
    } cases[] = {
        {DB_TEXT(text), DB_INT(G_MAXINT64), DB_DOUBLE(0.1), DB_BLOB(bytes, sizeof bytes)},
        {DB_TEXT("b"), DB_INT(G_MININT64), DB_DOUBLE(-1e300), DB_BLOB("", 0)},
        {DB_TEXT(""), DB_NULL, DB_NULL, DB_NULL},
        {DB_TEXT("d"), DB_INT(0), DB_DOUBLE(5), DB_BLOB(bytes, 1)},
    };
    g_autoptr(GError) error = NULL;

    make_table(fixture->db);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(DbRows) rows = NULL;
        gint64 changed = 0;
        assert_done(db_exec(
            fixture->db, "INSERT INTO things (id, number, real, bytes) VALUES ($1, $2, $3, $4)",
            &changed, &error, cases[i].id, cases[i].number, cases[i].real, cases[i].bytes));
        g_assert_cmpint(changed, ==, 1);
        rows = db_query(fixture->db, "SELECT number, real, bytes, id FROM things WHERE id = $1",
                        &error, cases[i].id);
        g_assert_no_error(error);
        g_assert_true(db_rows_next(rows));
        check_row(rows, &cases[i].number, &cases[i].real, &cases[i].bytes);
        g_assert_cmpstr(db_rows_text(rows, 3), ==, cases[i].id.bytes);
        g_assert_false(db_rows_next(rows));
        assert_done(db_rows_done(rows, &error));
    }
}

static void test_parameters_are_bound_by_number(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DbRows) rows = NULL;

    make_table(fixture->db);
    assert_done(db_exec(fixture->db, "INSERT INTO things (number, id) VALUES ($2, $1)", NULL,
                        &error, DB_TEXT("a"), DB_INT(7)));
    rows = db_query(fixture->db, "SELECT id FROM things WHERE number = $2 AND id = $1 OR id = $1",
                    &error, DB_TEXT("a"), DB_INT(8));
    g_assert_no_error(error);
    g_assert_true(db_rows_next(rows));
    g_assert_cmpstr(db_rows_text(rows, 0), ==, "a");
}

static void test_sums_and_conditions_read_as_numbers(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DbRows) rows = NULL;

    make_table(fixture->db);
    assert_done(insert(fixture->db, "a", G_MAXINT32, &error));
    assert_done(insert(fixture->db, "b", G_MAXINT32, &error));
    rows = db_query(fixture->db,
                    "SELECT SUM(number), COUNT(*), SUM(number) > 1, MIN(real) IS NULL,"
                    " SUM(number) < 1 FROM things",
                    &error);
    g_assert_no_error(error);
    g_assert_true(db_rows_next(rows));
    g_assert_cmpint(db_rows_int(rows, 0), ==, 2 * (gint64)G_MAXINT32);
    g_assert_cmpint(db_rows_int(rows, 1), ==, 2);
    g_assert_cmpint(db_rows_int(rows, 2), ==, 1);
    g_assert_cmpint(db_rows_int(rows, 3), ==, 1);
    g_assert_cmpint(db_rows_int(rows, 4), ==, 0);
}

static void test_writes_can_return_rows(Fixture *fixture)
{
    static const char with[] = "WITH chosen AS (SELECT $1 AS id) UPDATE things SET number = 9"
                               " WHERE id IN (SELECT id FROM chosen) RETURNING number";
    g_autoptr(GError) error = NULL;
    g_autoptr(DbRows) rows = NULL;

    make_table(fixture->db);
    rows = db_query(fixture->db,
                    "INSERT INTO things (id, number) VALUES ('a', 1), ('b', 2)"
                    " RETURNING number",
                    &error);
    g_assert_no_error(error);
    g_assert_true(db_rows_next(rows) && db_rows_next(rows) && !db_rows_next(rows));
    db_rows_free(rows);
    rows = db_query(fixture->db, with, &error, DB_TEXT("b"));
    g_assert_no_error(error);
    g_assert_true(db_rows_next(rows));
    g_assert_cmpint(fixture_number(fixture->db, "SELECT SUM(number) FROM things"), ==, 10);
}

static void test_more_statements_than_are_kept_prepared(Fixture *fixture)
{
    for (guint round = 0; round < 2; round++)
        for (guint i = 0; i < 150; i++) {
            g_autofree char *sql = g_strdup_printf("SELECT %u + 1", i);
            g_assert_cmpint(fixture_number(fixture->db, sql), ==, i + 1);
        }
}

/* ---- Errors ---- */

static void test_errors_say_what_the_caller_can_do(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    gint64 changed = 7;

    make_table(fixture->db);
    assert_done(insert(fixture->db, "a", 1, &error));
    g_assert_false(insert(fixture->db, "a", 1, &error));
    g_assert_cmpstr(error->message, ==, "it exists already"); /* clients read it */
    assert_fails(FALSE, ERROR_CONFLICT);
    assert_fails(
        db_exec(fixture->db, "INSERT INTO parts (id, thing_id) VALUES ('p', 'none')", NULL, &error),
        ERROR_CONFLICT);
    assert_fails(db_exec(fixture->db, "INSERT INTO things (id) VALUES ($1)", NULL, &error, DB_NULL),
                 ERROR_INTERNAL);
    assert_fails(db_query(fixture->db, "SELECT nonsense FROM nowhere", &error), ERROR_INTERNAL);
    assert_fails(
        db_exec(fixture->db, "DELETE FROM things WHERE id = $2", NULL, &error, DB_TEXT("a")),
        ERROR_INTERNAL);
    assert_done(db_exec(fixture->db, "DELETE FROM things WHERE id = 'none'", &changed, &error));
    g_assert_cmpint(changed, ==, 0);
    g_assert_cmpint(count_things(fixture->db), ==, 1);
    assert_done(db_ping(fixture->db, &error));
}

static void test_names_never_show_credentials(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(strchr(db_name(fixture->db), '@'));
    assert_fails(db_open("mysql://a:secret@host/x", 0, &error), ERROR_INVALID);
    assert_fails(db_open("sqlite:", 0, &error), ERROR_INVALID);
    g_assert_null(db_open("postgres://u:secret@host:port:x/%zz", 0, &error));
    g_assert_null(strstr(error->message, "secret"));
    assert_fails(FALSE, ERROR_INVALID);
    assert_fails(db_open("sqlite:/nowhere/at/all.db", 0, &error), ERROR_UNAVAILABLE);
    assert_fails(db_open("postgres://u@127.0.0.1:1/x", 300, &error), ERROR_UNAVAILABLE);
}

/* ---- Transactions ---- */

static void test_transactions_commit_or_leave_nothing(Fixture *fixture)
{
    Db *db = fixture->db;
    g_autoptr(GError) error = NULL;

    make_table(db);
    {
        g_autoptr(DbTransaction) transaction = db_begin(db, &error);
        g_assert_no_error(error);
        g_assert_true(transaction && db_in_transaction(db));
        assert_done(insert(db, "a", 1, &error));
        g_assert_cmpint(count_things(db), ==, 1); /* sees its own */
    }
    g_assert_false(db_in_transaction(db));
    g_assert_cmpint(count_things(db), ==, 0);
    {
        g_autoptr(DbTransaction) transaction = db_begin(db, &error);
        assert_done(insert(db, "a", 1, &error));
        assert_done(insert(db, "b", 1, &error));
        assert_done(db_commit(&transaction, &error));
        g_assert_null(transaction);
    }
    g_assert_cmpint(count_things(db), ==, 2);
}

static void test_a_failed_statement_spoils_its_transaction(Fixture *fixture)
{
    Db *db = fixture->db;
    g_autoptr(GError) error = NULL;
    DbTransaction *transaction;

    make_table(db);
    assert_done(insert(db, "a", 1, &error));
    transaction = db_begin(db, &error);
    assert_done(insert(db, "b", 1, &error));
    assert_fails(insert(db, "a", 1, &error), ERROR_CONFLICT);
    assert_fails(insert(db, "c", 1, &error), ERROR_INTERNAL);
    assert_fails(db_query(db, "SELECT 1", &error), ERROR_INTERNAL);
    assert_fails(db_lock(db, "x", &error), ERROR_INTERNAL);
    assert_fails(db_commit(&transaction, &error), ERROR_INTERNAL);
    g_assert_null(transaction);
    g_assert_cmpint(count_things(db), ==, 1);
}

static void test_transactions_do_not_nest(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DbTransaction) transaction = db_begin(fixture->db, &error);

    g_assert_no_error(error);
    assert_fails(db_begin(fixture->db, &error), ERROR_INTERNAL);
    assert_done(db_commit(&transaction, &error));
    assert_fails(db_lock(fixture->db, "x", &error), ERROR_INTERNAL);
}

/* ---- Threads ---- */

#define WRITERS     8
#define WRITES_EACH 24
#define READS_EACH  40

typedef struct {
    Db *db;
    guint number;
    atomic_int *running;
} Worker;

/* Every third transaction is dropped; the others must all be there in the end. */
static void write_pairs(void *data)
{
    const Worker *worker = data;

    for (guint i = 0; i < WRITES_EACH; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(DbTransaction) transaction = db_begin(worker->db, &error);
        g_autofree char *first = g_strdup_printf("%u-%u-a", worker->number, i);
        g_autofree char *second = g_strdup_printf("%u-%u-b", worker->number, i);
        g_assert_no_error(error);
        assert_done(insert(worker->db, first, 1, &error));
        assert_done(insert(worker->db, second, -1, &error));
        if (i % 3 != 0)
            assert_done(db_commit(&transaction, &error));
    }
    atomic_fetch_sub(worker->running, 1);
}

static void write_singles(void *data)
{
    const Worker *worker = data;

    for (guint i = 0; i < WRITES_EACH; i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *id = g_strdup_printf("%u-%u", worker->number, i);
        assert_done(insert(worker->db, id, 0, &error));
        /* What was acknowledged is seen at once by everybody. */
        g_autoptr(DbRows) rows =
            db_query(worker->db, "SELECT COUNT(*) FROM things WHERE id = $1", &error, DB_TEXT(id));
        g_assert_no_error(error);
        g_assert_true(db_rows_next(rows) && db_rows_int(rows, 0) == 1);
        if (i % 4 == 0) {
            gboolean is_written = insert(worker->db, id, 0, &error);
            g_assert_false(is_written);
            g_assert_true(error_is(error, ERROR_CONFLICT));
        }
    }
    atomic_fetch_sub(worker->running, 1);
}

/* Pairs are written together, so nobody may ever see half of one. */
static void read_sums(void *data)
{
    const Worker *worker = data;

    while (atomic_load(worker->running) > 0)
        g_assert_cmpint(fixture_number(worker->db, "SELECT COALESCE(SUM(number), 0) FROM things"),
                        ==, 0);
}

static void test_threads_that_write_at_once_lose_nothing(Fixture *fixture)
{
    static void (*const jobs[])(void *) = {write_pairs, write_singles};
    atomic_int running = WRITERS;
    Worker workers[WRITERS];
    Thread *threads[WRITERS + 2];
    Worker reader = {fixture->db, 0, &running};
    guint pairs = WRITERS / 2 * (WRITES_EACH - (WRITES_EACH + 2) / 3);

    make_table(fixture->db);
    for (guint i = 0; i < WRITERS; i++) {
        workers[i] = (Worker){fixture->db, i, &running};
        threads[i] = thread_start("writer", jobs[i % 2], &workers[i]);
    }
    threads[WRITERS] = thread_start("reader", read_sums, &reader);
    threads[WRITERS + 1] = thread_start("reader", read_sums, &reader);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        thread_join(threads[i]);
    g_assert_cmpint(count_things(fixture->db), ==, pairs * 2 + WRITERS / 2 * WRITES_EACH);
}

static void add_slowly(void *data)
{
    const Worker *worker = data;

    for (guint i = 0; i < 10; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(DbTransaction) transaction = db_begin(worker->db, &error);
        gint64 number;
        assert_done(db_lock(worker->db, "the counter", &error));
        number = fixture_number(worker->db, "SELECT number FROM things WHERE id = 'counter'");
        sched_yield();
        assert_done(db_exec(worker->db, "UPDATE things SET number = $1 WHERE id = 'counter'", NULL,
                            &error, DB_INT(number + 1)));
        assert_done(db_commit(&transaction, &error));
    }
}

static void test_a_lock_keeps_transactions_apart(Fixture *fixture)
{
    Worker worker = {fixture->db, 0, NULL};
    Thread *threads[4];
    g_autoptr(GError) error = NULL;

    make_table(fixture->db);
    assert_done(insert(fixture->db, "counter", 0, &error));
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = thread_start("adder", add_slowly, &worker);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        thread_join(threads[i]);
    g_assert_cmpint(fixture_number(fixture->db, "SELECT number FROM things WHERE id = 'counter'"),
                    ==, 40);
}

static void read_only_committed(void *data)
{
    const Worker *worker = data;

    g_assert_cmpint(count_things(worker->db), ==, 0);
}

static void test_others_do_not_see_what_is_not_committed(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    Worker worker = {fixture->db, 0, NULL};
    DbTransaction *transaction;

    make_table(fixture->db);
    transaction = db_begin(fixture->db, &error);
    assert_done(insert(fixture->db, "a", 1, &error));
    thread_join(thread_start("reader", read_only_committed, &worker));
    assert_done(db_commit(&transaction, &error));
    g_assert_cmpint(count_things(fixture->db), ==, 1);
}

static void insert_too_late(void *data)
{
    const Worker *worker = data;
    g_autoptr(GError) error = NULL;

    assert_fails(insert(worker->db, "late", 1, &error), ERROR_UNAVAILABLE);
    atomic_fetch_sub(worker->running, 1);
}

/* Whoever waits for the only writer gives up in the end, and the writer goes on. */
static void test_nobody_waits_for_ever(Fixture *fixture)
{
    atomic_int running = 2;
    Worker worker = {fixture->db, 0, &running};
    Thread *threads[2];
    g_autoptr(GError) error = NULL;
    DbTransaction *transaction;

    make_table(fixture->db);
    transaction = db_begin(fixture->db, &error);
    assert_done(insert(fixture->db, "a", 1, &error));
    for (guint i = 0; i < 2; i++)
        threads[i] = thread_start("late", insert_too_late, &worker);
    while (atomic_load(&running) > 0) {
        clock_advance(10 * CLOCK_SECOND_US);
        g_usleep(1000);
    }
    for (guint i = 0; i < 2; i++)
        thread_join(threads[i]);
    assert_done(db_commit(&transaction, &error));
    assert_done(insert(fixture->db, "b", 1, &error));
    g_assert_cmpint(count_things(fixture->db), ==, 2);
}

/* ---- What is not committed is not told ---- */

static void remove_it(void *data)
{
    g_autoptr(GError) error = NULL;

    assert_done(db_exec(data, "DELETE FROM things", NULL, &error));
}

/* Sees the table empty, and gives up because of it: from then on everybody must. */
static void find_nothing(void *data)
{
    g_autoptr(GError) error = NULL;
    DbTransaction *transaction = db_begin(data, &error);

    g_assert_no_error(error);
    g_assert_cmpint(count_things(data), ==, 0);
    db_rollback(transaction);
    g_assert_cmpint(count_things(data), ==, 0);
}

static void dawdle(void *data)
{
    g_autoptr(GError) error = NULL;
    DbTransaction *transaction = db_begin(data, &error);

    g_assert_no_error(error);
    g_usleep(100000);
    db_rollback(transaction);
}

static void test_who_gives_up_has_seen_what_stays(Fixture *fixture)
{
    static void (*const parts[])(void *data) = {remove_it, find_nothing, dawdle};
    Thread *threads[G_N_ELEMENTS(parts)];
    g_autoptr(GError) error = NULL;
    DbTransaction *transaction;

    make_table(fixture->db);
    assert_done(insert(fixture->db, "a", 1, &error));
    transaction = db_begin(fixture->db, &error);
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) { /* they queue for the writer in this order */
        threads[i] = thread_start("part", parts[i], fixture->db);
        g_usleep(30000);
    }
    db_rollback(transaction);
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        thread_join(threads[i]);
}

int main(int argc, char **argv)
{
    fixture_main(argc, argv);
    fixture_add("/db/values-come-back-as-they-went-in", test_values_come_back_as_they_went_in);
    fixture_add("/db/parameters-are-bound-by-number", test_parameters_are_bound_by_number);
    fixture_add("/db/sums-and-conditions-read-as-numbers",
                test_sums_and_conditions_read_as_numbers);
    fixture_add("/db/writes-can-return-rows", test_writes_can_return_rows);
    fixture_add("/db/more-statements-than-are-kept-prepared",
                test_more_statements_than_are_kept_prepared);
    fixture_add("/db/errors-say-what-the-caller-can-do", test_errors_say_what_the_caller_can_do);
    fixture_add("/db/names-never-show-credentials", test_names_never_show_credentials);
    fixture_add("/db/transactions-commit-or-leave-nothing",
                test_transactions_commit_or_leave_nothing);
    fixture_add("/db/a-failed-statement-spoils-its-transaction",
                test_a_failed_statement_spoils_its_transaction);
    fixture_add("/db/transactions-do-not-nest", test_transactions_do_not_nest);
    fixture_add("/db/threads-that-write-at-once-lose-nothing",
                test_threads_that_write_at_once_lose_nothing);
    fixture_add("/db/a-lock-keeps-transactions-apart", test_a_lock_keeps_transactions_apart);
    fixture_add("/db/others-do-not-see-what-is-not-committed",
                test_others_do_not_see_what_is_not_committed);
    fixture_add_on(DB_SQLITE, "/db/nobody-waits-for-ever", test_nobody_waits_for_ever);
    fixture_add_on(DB_SQLITE, "/db/who-gives-up-has-seen-what-stays",
                   test_who_gives_up_has_seen_what_stays);
    return g_test_run();
}
