/* The stock of started agents: nobody gets one that somebody else got. */
#include "base/sync.h"
#include "store/warm.h"
#include "test-store-fixture.h"

#define KEY "builtin 0123456789abcdef"

static const RuntimeFailure no_image = {.reason = REASON_IMAGE_NOT_FOUND, .sentence = "no image"};

static void make_ready(Fixture *fixture, char id[ID_SIZE])
{
    RuntimeProgress progress = {
        .phase = RUNTIME_STARTED, .container_id = "c1", .address = "http://127.0.0.1:1"};
    g_autoptr(GError) error = NULL;
    gboolean current = FALSE;

    assert_done(store_warm_insert(fixture->db, KEY, id, &error));
    assert_done(store_runtime_progress(fixture->db, id, 1, &progress, &current, &error));
    g_assert_true(current);
}

static RuntimeRow *read_row_of(Fixture *fixture, const char *id)
{
    g_autoptr(GError) error = NULL;
    RuntimeRow *row = NULL;

    assert_done(store_runtime_find(fixture->db, id, &row, &error));
    return row;
}

static void take(Fixture *fixture, const char *key, char id[ID_SIZE])
{
    g_autoptr(GError) error = NULL;
    g_autofree char *address = NULL;

    assert_done(store_warm_take(fixture->db, key, "{\"a\":1}", id, &address, &error));
    g_assert_cmpint(address != NULL, ==, *id != '\0');
}

static void test_a_member_is_taken_with_its_id(Fixture *fixture)
{
    char id[ID_SIZE], coming[ID_SIZE], got[ID_SIZE];
    g_autoptr(GError) error = NULL;
    g_autoptr(RuntimeRow) row = NULL;
    g_autoptr(GPtrArray) members = NULL;
    gboolean current = TRUE;

    fixture_migrate(fixture);
    assert_done(store_warm_insert(fixture->db, KEY, coming, &error)); /* does not run yet */
    make_ready(fixture, id);
    members = store_runtime_list_warm(fixture->db, &error);
    g_assert_cmpuint(members->len, ==, 2);
    take(fixture, "other 0123456789abcdef", got);
    g_assert_cmpstr(got, ==, "");
    take(fixture, KEY, got);
    g_assert_cmpstr(got, ==, id);
    row = read_row_of(fixture, id);
    g_assert_null(row->warm_key);
    g_assert_cmpstr(row->warm_container, ==, "c1");
    g_assert_cmpint(row->warm_started_at_us, ==, 0);
    g_assert_cmpstr(row->spec, ==, "{\"a\":1}");
    g_assert_cmpint(row->generation, ==, 1);
    g_assert_cmpint(row->phase, ==, RUNTIME_STARTED);
    take(fixture, KEY, got);
    g_assert_cmpstr(got, ==, "");
    assert_done(store_warm_told(fixture->db, id, 2, 77, &current, &error));
    g_assert_false(current);
    assert_done(store_warm_told(fixture->db, id, 1, 77, &current, &error));
    g_assert_true(current);
}

static void test_what_is_taken_is_no_member_any_more(Fixture *fixture)
{
    char id[ID_SIZE], got[ID_SIZE];
    g_autoptr(GError) error = NULL;
    g_autoptr(RuntimeRow) row = NULL;
    gboolean changed = TRUE;

    fixture_migrate(fixture);
    make_ready(fixture, id);
    take(fixture, KEY, got);
    assert_done(store_warm_drop(fixture->db, id, &changed, &error));
    g_assert_false(changed);
    assert_done(store_warm_back_off(fixture->db, id, 1, 5, &no_image, &changed, &error));
    g_assert_false(changed);
    assert_done(store_warm_refuse(fixture->db, id, 1, &changed, &error));
    g_assert_true(changed);
    row = read_row_of(fixture, id);
    g_assert_cmpint(row->generation, ==, 2);
    g_assert_cmpint(row->phase, ==, RUNTIME_PENDING);
    g_assert_null(row->warm_container);
}

static void test_a_dropped_member_is_not_taken(Fixture *fixture)
{
    char id[ID_SIZE], got[ID_SIZE];
    g_autoptr(GError) error = NULL;
    g_autoptr(RuntimeRow) row = NULL;
    gboolean changed = FALSE;

    fixture_migrate(fixture);
    make_ready(fixture, id);
    assert_done(store_warm_drop(fixture->db, id, &changed, &error));
    g_assert_true(changed);
    take(fixture, KEY, got);
    g_assert_cmpstr(got, ==, "");
    row = read_row_of(fixture, id);
    g_assert_cmpint(row->desired, ==, RUNTIME_ABSENT);
    g_assert_cmpint(row->generation, ==, 2);
}

static void test_a_failed_member_waits(Fixture *fixture)
{
    char id[ID_SIZE], got[ID_SIZE];
    g_autoptr(GError) error = NULL;
    g_autoptr(RuntimeRow) row = NULL;
    gboolean changed = FALSE;

    fixture_migrate(fixture);
    make_ready(fixture, id);
    assert_done(store_warm_back_off(fixture->db, id, 1, 99, &no_image, &changed, &error));
    g_assert_true(changed);
    take(fixture, KEY, got);
    g_assert_cmpstr(got, ==, "");
    row = read_row_of(fixture, id);
    g_assert_cmpint(row->phase, ==, RUNTIME_BACKOFF);
    g_assert_cmpint(row->next_attempt_at_us, ==, 99);
    g_assert_cmpstr(row->last_error, ==, "no image");
    g_assert_cmpstr(row->reason, ==, "image_not_found");
    g_assert_cmpint(row->attempts, ==, 1);
}

/* A create that is rolled back leaves its member in the stock. */
static void test_a_take_that_is_rolled_back_never_was(Fixture *fixture)
{
    char id[ID_SIZE], got[ID_SIZE];
    g_autoptr(GError) error = NULL;
    DbTransaction *transaction = NULL;

    fixture_migrate(fixture);
    make_ready(fixture, id);
    transaction = db_begin(fixture->db, &error);
    g_assert_nonnull(transaction);
    take(fixture, KEY, got);
    db_rollback(transaction);
    take(fixture, KEY, got);
    g_assert_cmpstr(got, ==, id);
}

#define TAKERS  6
#define MEMBERS 8

typedef struct {
    Fixture *fixture;
    char ids[MEMBERS][ID_SIZE];
    guint count;
} Taker;

/* As a create does it: the member and the workspace in one transaction. */
static gboolean take_and_make(Taker *taker)
{
    Db *db = taker->fixture->db;
    g_autoptr(GError) error = NULL;
    g_autoptr(DbTransaction) transaction = db_begin(db, &error);
    g_autoptr(WorkspaceRow) row = workspace_row_new();
    g_autofree char *address = NULL;

    g_assert_no_error(error);
    assert_done(store_warm_take(db, KEY, "{}", row->id, &address, &error));
    if (!*row->id)
        return FALSE;
    row->name = g_strdup("taken");
    row->tier = 2;
    row->runtime = g_strdup("builtin");
    assert_done(store_workspace_insert(db, row, &error));
    assert_done(db_commit(&transaction, &error));
    g_strlcpy(taker->ids[taker->count++], row->id, ID_SIZE);
    return TRUE;
}

static void take_all(void *data)
{
    while (take_and_make(data))
        ;
}

static void test_two_creates_never_get_the_same_one(Fixture *fixture)
{
    Taker takers[TAKERS];
    Thread *threads[TAKERS];
    guint taken = 0;
    char id[ID_SIZE];

    fixture_migrate(fixture);
    for (guint i = 0; i < MEMBERS; i++)
        make_ready(fixture, id);
    for (guint i = 0; i < TAKERS; i++) {
        takers[i] = (Taker){.fixture = fixture};
        threads[i] = thread_start("taker", take_all, &takers[i]);
    }
    for (guint i = 0; i < TAKERS; i++) {
        thread_join(threads[i]);
        taken += takers[i].count;
    }
    /* Each insert would have refused an id that is there already. */
    g_assert_cmpuint(taken, ==, MEMBERS);
    g_assert_cmpint(fixture_number(fixture->db, "SELECT COUNT(*) FROM workspaces"), ==, MEMBERS);
    take(fixture, KEY, id);
    g_assert_cmpstr(id, ==, "");
}

int main(int argc, char **argv)
{
    fixture_main(argc, argv);
    store_add("/store/warm/a-member-is-taken-with-its-id", test_a_member_is_taken_with_its_id);
    store_add("/store/warm/what-is-taken-is-no-member-any-more",
              test_what_is_taken_is_no_member_any_more);
    store_add("/store/warm/a-dropped-member-is-not-taken", test_a_dropped_member_is_not_taken);
    store_add("/store/warm/a-failed-member-waits", test_a_failed_member_waits);
    store_add("/store/warm/a-take-that-is-rolled-back-never-was",
              test_a_take_that_is_rolled_back_never_was);
    store_add("/store/warm/two-creates-never-get-the-same-one",
              test_two_creates_never_get_the_same_one);
    return g_test_run();
}
