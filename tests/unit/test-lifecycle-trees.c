/* Trees that are paused and resumed while others write the same rows, on both databases. */
#include "lifecycle/lifecycle.h"
#include "reconcile-house.h"
#include "test-db-fixture.h"

#define CHILDREN 12
#define ROUNDS   40

typedef struct {
    House house;
    Lifecycle lifecycle;
    Config config;
    Runtimes *runtimes;
    StatusSignal *status;
    char ids[CHILDREN + 1][ID_SIZE]; /* the root first */
    atomic_bool is_over;
} Trees;

static void trees_open(Trees *trees, Fixture *fixture)
{
    House *house = &trees->house;

    house_build(house);
    house->database_url = fixture->url;
    g_clear_pointer(&house->db, db_close);
    house_open_db(house);
    g_assert_true(db_migrate(house->db, NULL, NULL));
    house_open(house);
    trees->status = status_signal_new(house->tree, house->events);
    trees->runtimes = runtimes_new(NULL, NULL, NULL);
    trees->lifecycle = (Lifecycle){
        .db = house->db,
        .tree = house->tree,
        .tokens = house->tokens,
        .events = house->events,
        .reconciler = house->reconciler,
        .config = &trees->config,
        .runtimes = trees->runtimes,
        .status = trees->status,
    };
}

static void trees_close(Trees *trees)
{
    house_clear(&trees->house);
    status_signal_free(trees->status);
    runtimes_free(trees->runtimes);
}

/* Children with ids before and after that of their parent. */
static void make_tree(Trees *trees)
{
    for (guint i = 0; i <= CHILDREN; i++) {
        g_auto(WorkspaceOrder) order = {.budget_limit = -1, .tier = 2};
        g_auto(WorkspaceCreated) created = {0};
        g_autoptr(GError) error = NULL;

        order.name = g_strdup_printf("Worker %u", i);
        if (i > 0)
            memcpy(order.parent_id, trees->ids[0], ID_SIZE);
        assert_done(lifecycle_create(&trees->lifecycle, &order, &created, &error));
        memcpy(trees->ids[i], created.id, ID_SIZE);
    }
}

/* As every few seconds on a busy server. */
static void write_vitals(void *data)
{
    Trees *trees = data;
    StoreVitals vitals[CHILDREN + 1] = {0};

    for (guint i = 0; i <= CHILDREN; i++)
        memcpy(vitals[i].id, trees->ids[i], ID_SIZE);
    while (!atomic_load(&trees->is_over)) {
        g_autoptr(GError) error = NULL;

        assert_done(store_workspace_write_vitals(trees->house.db, vitals, CHILDREN + 1, &error));
    }
}

static void test_nobody_is_sent_away(Fixture *fixture)
{
    Trees *trees = g_new0(Trees, 1);
    Thread *writer = NULL;

    trees_open(trees, fixture);
    make_tree(trees);
    writer = thread_start("vitals", write_vitals, trees);
    for (guint i = 0; i < ROUNDS; i++) {
        WorkspaceResumed resumed = {0};
        g_autoptr(GError) error = NULL;
        guint count = 0;

        assert_done(lifecycle_pause(&trees->lifecycle, trees->ids[0], &count, &error));
        g_assert_cmpuint(count, ==, CHILDREN + 1);
        assert_done(lifecycle_resume(&trees->lifecycle, trees->ids[0], &resumed, &error));
        g_assert_cmpuint(resumed.count, ==, CHILDREN + 1);
    }
    atomic_store(&trees->is_over, TRUE);
    thread_join(writer);
    trees_close(trees);
    g_free(trees);
}

int main(int argc, char **argv)
{
    fixture_main(argc, argv);
    fixture_add("/lifecycle/trees/nobody-is-sent-away", test_nobody_is_sent_away);
    return g_test_run();
}
