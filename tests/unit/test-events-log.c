/* The event log: what is stored, what is announced, in which order, and what happens while rows
 * cannot be written. */
#include "base/clock.h"
#include "base/sync.h"
#include "db/migrations.h"
#include "events/events.h"
#include "store/structure_events.h"

#include <glib/gstdio.h>
#include <string.h>

#define ID "7c9e6679-7425-40de-944b-e07fc1f90ae7"

typedef struct {
    char *folder;
    Db *db;
    Events *events;
    GPtrArray *heard; /* envelopes, in order */
    guint recorded;
} Fixture;

static void hear(const Event *event, void *data)
{
    Fixture *fixture = data;

    g_assert_cmpuint(strlen(event->envelope), ==, event->envelope_length);
    g_assert_true(g_utf8_validate(event->envelope, -1, NULL));
    fixture->recorded += event->recorded;
    g_ptr_array_add(fixture->heard, g_strdup(event->envelope));
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    g_autofree char *url = NULL;

    (void)data;
    fixture->folder = g_dir_make_tmp("events-XXXXXX", NULL);
    url = g_strdup_printf("sqlite:%s/a.db", fixture->folder);
    fixture->db = db_open(url, 1000, NULL);
    g_assert_true(db_migrate(fixture->db, NULL, NULL));
    fixture->events = events_new(fixture->db);
    fixture->heard = g_ptr_array_new_with_free_func(g_free);
    events_listen(fixture->events, hear, fixture);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    static const char *const files[] = {"a.db", "a.db-wal", "a.db-shm"};

    (void)data;
    events_free(fixture->events);
    g_ptr_array_unref(fixture->heard);
    db_close(fixture->db);
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(fixture->folder, files[i], NULL);
        g_unlink(path);
    }
    g_rmdir(fixture->folder);
    g_free(fixture->folder);
}

static GPtrArray *stored(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *rows = store_structure_event_list(fixture->db, NULL, 1000, 0, &error);

    g_assert_no_error(error);
    return rows;
}

static guint stored_count(Fixture *fixture)
{
    g_autoptr(GPtrArray) rows = stored(fixture);

    return rows->len;
}

static void test_recorded_is_stored_and_announced(Fixture *fixture, gconstpointer data)
{
    const char *envelope;

    (void)data;
    events_record(fixture->events, "WORKSPACE_ONLINE", ID, "{\"a\":1}");
    g_autoptr(GPtrArray) rows = stored(fixture);
    g_assert_cmpuint(rows->len, ==, 1);
    const StructureEventRow *row = rows->pdata[0];
    g_assert_cmpstr(row->event_type, ==, "WORKSPACE_ONLINE");
    g_assert_cmpstr(row->workspace_id, ==, ID);
    g_assert_cmpstr(row->payload, ==, "{\"a\":1}");
    g_assert_cmpuint(fixture->heard->len, ==, 1);
    g_assert_cmpuint(fixture->recorded, ==, 1);
    envelope = fixture->heard->pdata[0];
    g_assert_true(g_str_has_prefix(envelope,
                                   "{\"event\":\"WORKSPACE_ONLINE\",\"workspace_id\":\"" ID
                                   "\",\"timestamp\":\"20"));
    g_assert_true(g_str_has_suffix(envelope, "Z\",\"payload\":{\"a\":1}}"));
}

static void test_broadcast_is_not_stored(Fixture *fixture, gconstpointer data)
{
    (void)data;
    events_broadcast(fixture->events, "TASK_UPDATED", NULL, NULL);
    g_assert_cmpuint(stored_count(fixture), ==, 0);
    g_assert_cmpuint(fixture->recorded, ==, 0);
    g_assert_nonnull(strstr(fixture->heard->pdata[0], "\"workspace_id\":\"\""));
    g_assert_true(g_str_has_suffix(fixture->heard->pdata[0], "\"payload\":{}}"));
}

static void test_bad_bytes_never_leave(Fixture *fixture, gconstpointer data)
{
    (void)data;
    events_broadcast(fixture->events, "A2A_RESPONSE", ID, "{\"r\":\"\xff\"}");
    g_assert_nonnull(strstr(fixture->heard->pdata[0], "{\"r\":\"\xEF\xBF\xBD\"}"));
}

static void test_row_that_failed_is_announced_and_stored_later(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_assert_true(db_exec(fixture->db, "ALTER TABLE structure_events RENAME TO away", NULL, NULL));
    events_record(fixture->events, "ONE", ID, "{}");
    events_record(fixture->events, "TWO", ID, "{}");
    g_assert_cmpuint(fixture->heard->len, ==, 2);
    g_assert_true(db_exec(fixture->db, "ALTER TABLE away RENAME TO structure_events", NULL, NULL));
    g_assert_cmpuint(stored_count(fixture), ==, 0);
    events_record(fixture->events, "THREE", ID, "{}");
    g_assert_cmpuint(stored_count(fixture), ==, 3);
    g_assert_cmpuint(fixture->heard->len, ==, 3);
}

static void test_rolled_back_event_leaves_no_row(Fixture *fixture, gconstpointer data)
{
    DbTransaction *transaction = db_begin(fixture->db, NULL);

    (void)data;
    g_assert_true(event_store(fixture->db, "X", ID, "{}", clock_now_us(), NULL));
    db_rollback(transaction);
    g_assert_cmpuint(stored_count(fixture), ==, 0);
    g_assert_cmpuint(fixture->heard->len, ==, 0);
}

/* ---- Order among threads ---- */

#define EMITTERS 4
#define EACH     200

typedef struct {
    Events *events;
    guint number;
} Emitter;

static void emit(void *data)
{
    const Emitter *emitter = data;

    for (guint i = 0; i < EACH; i++) {
        g_autofree char *payload = g_strdup_printf("{\"e\":%u,\"n\":%u}", emitter->number, i);
        events_broadcast(emitter->events, "X", ID, payload);
    }
}

static void test_listeners_see_one_order(Fixture *fixture, gconstpointer data)
{
    Fixture second = {.heard = g_ptr_array_new_with_free_func(g_free)};
    Emitter emitters[EMITTERS];
    Thread *threads[EMITTERS];
    guint next[EMITTERS] = {0};

    (void)data;
    events_listen(fixture->events, hear, &second);
    for (guint i = 0; i < EMITTERS; i++) {
        emitters[i] = (Emitter){fixture->events, i};
        threads[i] = thread_start("emitter", emit, &emitters[i]);
    }
    for (guint i = 0; i < EMITTERS; i++)
        thread_join(threads[i]);
    g_assert_cmpuint(fixture->heard->len, ==, EMITTERS * EACH);
    for (guint i = 0; i < fixture->heard->len; i++) {
        const char *place = strstr(fixture->heard->pdata[i], "{\"e\":");
        guint emitter = (guint)g_ascii_strtoull(place + 5, NULL, 10);
        guint number = (guint)g_ascii_strtoull(strstr(place, "\"n\":") + 4, NULL, 10);
        g_assert_cmpstr(fixture->heard->pdata[i], ==, second.heard->pdata[i]);
        g_assert_cmpuint(number, ==, next[emitter]++);
    }
    g_ptr_array_unref(second.heard);
}

#define ADD(path_, function_)                                                                      \
    g_test_add("/events/log/" path_, Fixture, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("recorded-is-stored-and-announced", test_recorded_is_stored_and_announced);
    ADD("broadcast-is-not-stored", test_broadcast_is_not_stored);
    ADD("bad-bytes-never-leave", test_bad_bytes_never_leave);
    ADD("row-that-failed-is-announced-and-stored-later",
        test_row_that_failed_is_announced_and_stored_later);
    ADD("rolled-back-event-leaves-no-row", test_rolled_back_event_leaves_no_row);
    ADD("listeners-see-one-order", test_listeners_see_one_order);
    return g_test_run();
}
