/* Two servers on one PostgreSQL database and one engine: each workspace is looked at by one of them
 * at a time, so nothing is started twice, whoever of them is told. */
#include "reconcile-house.h"
#include "test-db-fixture.h"

#define WORKSPACES 12
#define ROUNDS     120

typedef struct {
    House houses[2];
    char ids[WORKSPACES][ID_SIZE];
} Pair;

static void pair_open(Pair *pair, Fixture *fixture)
{
    for (guint i = 0; i < 2; i++) {
        House *house = &pair->houses[i];

        house_build(house);
        house->database_url = fixture->url;
        house->pass_interval_ms = 200;
        g_clear_pointer(&house->db, db_close);
    }
    world_free(pair->houses[1].world);
    pair->houses[1].world = pair->houses[0].world;
    house_open_db(&pair->houses[0]);
    g_assert_true(db_migrate(pair->houses[0].db, NULL, NULL));
    for (guint i = 0; i < 2; i++)
        house_open(&pair->houses[i]);
}

static void pair_close(Pair *pair)
{
    house_close(&pair->houses[0]);
    pair->houses[1].world = world_new();
    house_clear(&pair->houses[1]);
    house_clear(&pair->houses[0]);
}

/* Both hear of it at the same moment, as by the engine's events. */
static void tell_both(Pair *pair, const char *id)
{
    for (guint i = 0; i < 2; i++)
        reconciler_poke(pair->houses[i].reconciler, id);
}

static void settle_all(Pair *pair, const char *(*check)(House *house, const char *id))
{
    for (guint i = 0; i < WORKSPACES; i++)
        house_settle(&pair->houses[i % 2], pair->ids[i], check, 0);
}

static void slow_down(Pair *pair, guint slow_us)
{
    world_lock(pair->houses[0].world);
    pair->houses[0].world->slow_us = slow_us;
    world_unlock(pair->houses[0].world);
}

static void test_nothing_starts_twice(Fixture *fixture)
{
    Pair pair = {0};
    World *world = NULL;

    pair_open(&pair, fixture);
    world = pair.houses[0].world;
    slow_down(&pair, 20000); /* so that both are at it at the same time */
    for (guint i = 0; i < WORKSPACES; i++) {
        house_add(&pair.houses[i % 2], pair.ids[i], NULL);
        tell_both(&pair, pair.ids[i]);
    }
    settle_all(&pair, house_check_running);
    g_assert_cmpuint(world_read(world, &world->creates), ==, WORKSPACES);
    g_assert_cmpuint(world_read(world, &world->starts), ==, WORKSPACES);
    g_assert_cmpuint(world_read(world, &world->tries), ==, 2 * WORKSPACES);
    for (guint i = 0; i < WORKSPACES; i++)
        world_kill(world, house_container(&pair.houses[0], pair.ids[i]).id);
    settle_all(&pair, house_check_running);
    g_assert_cmpuint(world_read(world, &world->creates), ==, 2 * WORKSPACES);
    g_assert_cmpuint(world_read(world, &world->starts), ==, 2 * WORKSPACES);
    g_assert_cmpuint(world_read(world, &world->tries), ==, 4 * WORKSPACES);
    for (guint i = 0; i < WORKSPACES; i++) {
        house_remove(&pair.houses[i % 2], pair.ids[i], i % 3 == 0);
        tell_both(&pair, pair.ids[i]);
    }
    settle_all(&pair, house_check_gone);
    pair_close(&pair);
}

static void test_one_leads(Fixture *fixture)
{
    Pair pair = {0};
    ReconcilerStatus status[2];
    guint leader = 2;

    pair_open(&pair, fixture);
    for (guint n = 0; n < 2000 && leader == 2; n++) {
        for (guint i = 0; i < 2; i++) {
            reconciler_status(pair.houses[i].reconciler, &status[i]);
            leader = status[i].leads ? i : leader;
        }
        g_usleep(1000);
    }
    g_assert_cmpuint(leader, <, 2);
    g_usleep(300000);
    reconciler_status(pair.houses[1 - leader].reconciler, &status[1 - leader]);
    g_assert_false(status[1 - leader].leads);
    house_close(&pair.houses[leader]);
    for (guint n = 0; n < 5000 && !status[1 - leader].leads; n++) {
        reconciler_status(pair.houses[1 - leader].reconciler, &status[1 - leader]);
        g_usleep(1000);
    }
    g_assert_true(status[1 - leader].leads);
    pair_close(&pair);
}

/* ---- Churn ---- */

static void churn_one(Pair *pair, guint number)
{
    House *house = &pair->houses[g_random_int_range(0, 2)];
    char *id = pair->ids[number];

    if (!*id) {
        house_add(house, id, NULL);
        return;
    }
    switch (g_random_int_range(0, 4)) {
    case 0:
        house_remove(house, id, g_random_boolean());
        memset(id, 0, ID_SIZE);
        return;
    case 1:
        house_pause(house, id);
        return;
    default:
        house_restart(house, id, NULL);
    }
}

static void test_churn(Fixture *fixture)
{
    Pair pair = {0};

    pair_open(&pair, fixture);
    slow_down(&pair, 1000);
    for (guint i = 0; i < ROUNDS; i++) {
        churn_one(&pair, (guint)g_random_int_range(0, WORKSPACES));
        g_usleep((gulong)g_random_int_range(0, 8000));
    }
    for (guint i = 0; i < WORKSPACES; i++) {
        if (!*pair.ids[i])
            house_add(&pair.houses[0], pair.ids[i], NULL);
        house_restart(&pair.houses[i % 2], pair.ids[i], NULL);
    }
    settle_all(&pair, house_check_running);
    for (guint n = 0; n < 5000; n++) {
        if (house_count_containers(&pair.houses[0], NULL) == WORKSPACES &&
            house_count_volumes(&pair.houses[0], NULL) == 2 * WORKSPACES)
            break;
        g_usleep(1000);
    }
    g_assert_cmpuint(house_count_containers(&pair.houses[0], NULL), ==, WORKSPACES);
    g_assert_cmpuint(house_count_volumes(&pair.houses[0], NULL), ==, 2 * WORKSPACES);
    pair_close(&pair);
}

int main(int argc, char **argv)
{
    fixture_main(argc, argv);
    log_setup(g_getenv("RECONCILE_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    if (fixture_has_postgres()) {
        fixture_add_on(DB_POSTGRES, "/pair/nothing-starts-twice", test_nothing_starts_twice);
        fixture_add_on(DB_POSTGRES, "/pair/one-leads", test_one_leads);
        fixture_add_on(DB_POSTGRES, "/pair/churn", test_churn);
    }
    return g_test_run();
}
