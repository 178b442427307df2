/* Locks between servers: one holder at a time, gone with the holder's session. */
#include "base/sync.h"
#include "db/holds.h"
#include "test-db-fixture.h"

#define PATIENCE_MS 5000

static DbHolds *open_holds(const Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    DbHolds *holds = db_holds_open(fixture->url, PATIENCE_MS, &error);

    g_assert_no_error(error);
    g_assert_nonnull(holds);
    return holds;
}

static DbTicket try_hold(DbHolds *holds, const char *name)
{
    g_autoptr(GError) error = NULL;
    DbTicket ticket = 0;
    gboolean asked = db_holds_try(holds, name, &ticket, &error);

    g_assert_no_error(error);
    g_assert_true(asked);
    return ticket;
}

static gboolean is_kept(DbHolds *holds, DbTicket ticket)
{
    g_autoptr(GError) error = NULL;
    gboolean kept = FALSE;
    gboolean asked = db_holds_is_kept(holds, ticket, &kept, &error);

    g_assert_no_error(error);
    g_assert_true(asked);
    return kept;
}

static void test_one_holds_at_a_time(Fixture *fixture)
{
    g_autoptr(DbHolds) one = open_holds(fixture);
    g_autoptr(DbHolds) two = open_holds(fixture);
    DbTicket first = try_hold(one, "a");

    g_assert_cmpuint(first, !=, 0);
    g_assert_cmpuint(try_hold(two, "a"), ==, 0);
    g_assert_cmpuint(try_hold(two, "b"), !=, 0);
    g_assert_true(is_kept(one, first));
    db_holds_release(one, "a", first);
    g_assert_cmpuint(try_hold(two, "a"), !=, 0);
    g_assert_cmpuint(try_hold(one, "a"), ==, 0);
    g_clear_pointer(&two, db_holds_close); /* a server that ends lets go of all */
    for (guint i = 0; i < 1000; i++) {
        if (try_hold(one, "a"))
            return;
        g_usleep(2000);
    }
    g_assert_not_reached();
}

static void test_a_lost_session_is_noticed(Fixture *fixture)
{
    g_autoptr(DbHolds) one = open_holds(fixture);
    g_autoptr(DbHolds) two = open_holds(fixture);
    DbTicket first = try_hold(one, "a"), again = 0;
    g_autoptr(GError) error = NULL;

    g_assert_true(is_kept(one, first));
    g_assert_true(db_exec(fixture->db,
                          "SELECT pg_terminate_backend(l.pid) FROM pg_locks l"
                          " WHERE l.locktype = 'advisory' AND l.database ="
                          " (SELECT oid FROM pg_database WHERE datname = current_database())"
                          " AND l.pid IN (SELECT pid FROM pg_stat_activity"
                          " WHERE application_name = $1)",
                          NULL, &error, DB_TEXT(fixture->name)));
    g_assert_no_error(error);
    for (guint i = 0; i < 1000 && is_kept(one, first); i++)
        g_usleep(2000);
    g_assert_false(is_kept(one, first));
    again = try_hold(two, "a");
    g_assert_cmpuint(again, !=, 0);
    db_holds_release(one, "a", first); /* of the lost session: nobody's any more */
    g_assert_cmpuint(try_hold(one, "a"), ==, 0);
    g_assert_true(is_kept(two, again));
}

typedef struct {
    DbHolds *holds;
    guint number;
    atomic_uint *inside, *rounds;
} Worker;

static void work(void *data)
{
    Worker *worker = data;

    for (guint i = 0; i < 40; i++) {
        DbTicket ticket = try_hold(worker->holds, "shared");

        if (!ticket)
            continue;
        g_assert_cmpuint(atomic_fetch_add(worker->inside, 1), ==, 0);
        g_usleep(200);
        atomic_fetch_sub(worker->inside, 1);
        atomic_fetch_add(worker->rounds, 1);
        db_holds_release(worker->holds, "shared", ticket);
    }
}

/* Each of a server's threads asks for a name of its own; two servers ask for the same. */
static void test_many_threads_share_the_connection(Fixture *fixture)
{
    atomic_uint inside = 0, rounds = 0;
    DbHolds *holds[4] = {NULL};
    Worker workers[4];
    Thread *threads[4];

    for (guint i = 0; i < 4; i++) {
        holds[i] = open_holds(fixture);
        workers[i] = (Worker){.holds = holds[i], .inside = &inside, .rounds = &rounds};
        threads[i] = thread_start("holds", work, &workers[i]);
    }
    for (guint i = 0; i < 4; i++)
        thread_join(threads[i]);
    g_assert_cmpuint(atomic_load(&rounds), >, 0);
    for (guint i = 0; i < 4; i++)
        db_holds_close(holds[i]);
}

static void test_sqlite_is_alone(Fixture *fixture)
{
    g_autoptr(DbHolds) holds = open_holds(fixture);
    DbTicket ticket = try_hold(holds, "a");

    g_assert_cmpuint(ticket, !=, 0);
    g_assert_true(is_kept(holds, ticket));
    db_holds_release(holds, "a", ticket);
}

int main(int argc, char **argv)
{
    fixture_main(argc, argv);
    fixture_add_on(DB_SQLITE, "/db/holds/alone", test_sqlite_is_alone);
    if (fixture_has_postgres()) {
        fixture_add_on(DB_POSTGRES, "/db/holds/one-at-a-time", test_one_holds_at_a_time);
        fixture_add_on(DB_POSTGRES, "/db/holds/a-lost-session", test_a_lost_session_is_noticed);
        fixture_add_on(DB_POSTGRES, "/db/holds/many-threads",
                       test_many_threads_share_the_connection);
    }
    return g_test_run();
}
