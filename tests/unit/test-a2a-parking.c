/* Where messages wait for a workspace that wakes up. */
#include "a2a/parking.h"
#include "base/clock.h"
#include "base/sync.h"

#define ID_A     "7c9e6679-7425-40de-944b-e07fc1f90ae7"
#define ID_B     "7c9e6679-7425-40de-944b-e07fc1f90ae8"
#define CAPACITY 8
#define LONG_US  (20 * CLOCK_SECOND_US)

typedef struct {
    atomic_bool has_left;
    atomic_int end; /* -1: still parked */
} Entry;

typedef struct {
    Events *events;
    Parking *parking;
    atomic_uint released;
} Fixture;

static gboolean has_left(const void *entry)
{
    return atomic_load(&((Entry *)entry)->has_left);
}

static void release(void *data, ParkingEnd end, void *fixture)
{
    Entry *entry = data;

    g_assert_cmpint(atomic_exchange(&entry->end, (int)end), ==, -1); /* once */
    atomic_fetch_add(&((Fixture *)fixture)->released, 1);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    const ParkingOptions options = {
        .capacity = CAPACITY, .has_left = has_left, .release = release, .data = fixture};

    (void)data;
    fixture->events = events_new(NULL); /* nothing is stored */
    fixture->parking = parking_new(&options, fixture->events);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    (void)data;
    parking_free(fixture->parking);
    events_free(fixture->events);
}

static void enter(Fixture *fixture, Entry *entry, const char *id, gint64 patience_us)
{
    atomic_store(&entry->end, -1);
    atomic_store(&entry->has_left, FALSE);
    g_assert_true(parking_enter(fixture->parking, id, entry, clock_monotonic_us() + patience_us));
}

static void wait_end(Entry *entry, ParkingEnd end)
{
    for (guint i = 0; i < 10000 && atomic_load(&entry->end) == -1; i++)
        g_usleep(500);
    g_assert_cmpint(atomic_load(&entry->end), ==, (int)end);
}

static void tell(Fixture *fixture, const char *type, const char *id)
{
    events_announce(fixture->events, type, id, "{}", clock_now_us());
}

static void test_events_decide(Fixture *fixture, gconstpointer data)
{
    static const char *const types[] = {"WORKSPACE_ONLINE", "WORKSPACE_PROVISION_FAILED",
                                        "WORKSPACE_PAUSED", "WORKSPACE_REMOVED"};

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        Entry a, b;
        enter(fixture, &a, ID_A, LONG_US);
        enter(fixture, &b, ID_B, LONG_US);
        tell(fixture, "WORKSPACE_PROVISIONING", ID_A);
        g_assert_true(parking_has(fixture->parking, ID_A));
        tell(fixture, types[i], ID_A);
        wait_end(&a, PARKING_DECIDED);
        g_assert_false(parking_has(fixture->parking, ID_A));
        g_assert_true(parking_has(fixture->parking, ID_B));
        g_assert_cmpint(atomic_load(&b.end), ==, -1);
        parking_decide(fixture->parking, ID_B);
        wait_end(&b, PARKING_DECIDED);
    }
    g_assert_cmpuint(parking_count(fixture->parking), ==, 0);
}

static void test_time_and_clients(Fixture *fixture, gconstpointer data)
{
    Entry late, left, stays;

    (void)data;
    enter(fixture, &late, ID_A, 30000);
    enter(fixture, &left, ID_A, LONG_US);
    enter(fixture, &stays, ID_A, LONG_US);
    wait_end(&late, PARKING_EXPIRED);
    atomic_store(&left.has_left, TRUE);
    wait_end(&left, PARKING_LEFT);
    g_assert_cmpint(atomic_load(&stays.end), ==, -1);
    parking_stop(fixture->parking);
    wait_end(&stays, PARKING_STOPPED);
    g_assert_false(parking_enter(fixture->parking, ID_A, &stays, G_MAXINT64));
}

static void test_it_is_bounded(Fixture *fixture, gconstpointer data)
{
    Entry entries[CAPACITY + 1];

    (void)data;
    for (guint i = 0; i < CAPACITY; i++)
        enter(fixture, &entries[i], ID_A, LONG_US);
    g_assert_false(parking_enter(fixture->parking, ID_B, &entries[CAPACITY], G_MAXINT64));
    tell(fixture, "WORKSPACE_ONLINE", ID_A);
    for (guint i = 0; i < CAPACITY; i++)
        wait_end(&entries[i], PARKING_DECIDED);
    enter(fixture, &entries[CAPACITY], ID_B, LONG_US);
    parking_stop(fixture->parking);
    wait_end(&entries[CAPACITY], PARKING_STOPPED);
}

/* ---- Many at once ---- */

#define THREADS 4
#define ROUNDS  300

typedef struct {
    Fixture *fixture;
    Entry entries[ROUNDS];
    guint entered;
} Guest;

static void come_and_go(void *data)
{
    Guest *guest = data;

    for (guint i = 0; i < ROUNDS; i++) {
        Entry *entry = &guest->entries[guest->entered];
        atomic_store(&entry->end, -1);
        atomic_store(&entry->has_left, i % 7 == 0);
        guest->entered += parking_enter(guest->fixture->parking, i % 2 ? ID_A : ID_B, entry,
                                        clock_monotonic_us() + (i % 3 ? LONG_US : 100));
        if (i % 5 == 0)
            tell(guest->fixture, "WORKSPACE_ONLINE", i % 2 ? ID_A : ID_B);
    }
}

static void test_many_at_once(Fixture *fixture, gconstpointer data)
{
    Guest *guests = g_new0(Guest, THREADS);
    Thread *threads[THREADS];
    guint entered = 0;

    (void)data;
    for (guint i = 0; i < THREADS; i++) {
        guests[i].fixture = fixture;
        threads[i] = thread_start("guest", come_and_go, &guests[i]);
    }
    for (guint i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
        entered += guests[i].entered;
    }
    parking_stop(fixture->parking);
    g_assert_cmpuint(atomic_load(&fixture->released), ==, entered);
    g_assert_cmpuint(parking_count(fixture->parking), ==, 0);
    g_free(guests);
}

#define ADD(path_, function_)                                                                      \
    g_test_add("/a2a/parking/" path_, Fixture, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("events-decide", test_events_decide);
    ADD("time-ends-and-clients-leave", test_time_and_clients);
    ADD("it-is-bounded", test_it_is_bounded);
    ADD("many-at-once", test_many_at_once);
    return g_test_run();
}
