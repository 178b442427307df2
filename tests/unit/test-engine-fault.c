/* The engine that fails on purpose, around an engine in memory. */
#include "engine/fault/fault.h"
#include "reconcile-world.h"

#define MANY 400

static char installation[] = "i", workspace[] = "w", kind[] = "workspace";

typedef struct {
    World *world;
    Engine *engine;
} Bench;

static void set_up(Bench *bench, gconstpointer data)
{
    (void)data;
    bench->world = world_new();
    bench->world->has_network = TRUE;
    bench->engine = engine_fault_new(world_engine_new(bench->world));
}

static void tear_down(Bench *bench, gconstpointer data)
{
    (void)data;
    engine_free(bench->engine);
    world_free(bench->world);
}

static gboolean try_create(Bench *bench, const char *name, GError **error)
{
    static const char *const nothing[] = {NULL};
    ContainerSpec spec = {.name = name,
                          .image = "base:1",
                          .environment = nothing,
                          .labels = {installation, workspace, kind, 1}};
    g_autofree char *id = NULL;

    return engine_create(bench->engine, &spec, &id, error);
}

static void test_is_the_engine_it_wraps(Bench *bench, gconstpointer data)
{
    g_autoptr(GPtrArray) containers = NULL;
    g_autoptr(EngineInfo) info = NULL;

    (void)data;
    g_assert_cmpstr(engine_name(bench->engine), ==, "world");
    g_assert_cmpint(engine_can_freeze(bench->engine), ==, TRUE);
    g_assert_cmpint(engine_has_console(bench->engine), ==, FALSE);
    g_assert_cmpint(engine_is_hosted(bench->engine), ==, FALSE);
    g_assert_true(engine_ping(bench->engine, NULL) && engine_info(bench->engine, &info, NULL));
    g_assert_true(try_create(bench, "a", NULL) && engine_start(bench->engine, "a", NULL));
    g_assert_true(engine_list(bench->engine, "i", &containers, NULL));
    g_assert_cmpuint(containers->len, ==, 1);
}

/* For each kind: the code a creation gets, and whether it happened. */
static void test_each_kind(Bench *bench, gconstpointer data)
{
    static const struct {
        EngineFault fault;
        int code; /* -1: success */
        gboolean happens;
    } rows[] = {
        {ENGINE_FAULT_NONE, -1, TRUE},
        {ENGINE_FAULT_DELAY, -1, TRUE},
        {ENGINE_FAULT_REFUSE, ERROR_INTERNAL, FALSE},
        {ENGINE_FAULT_REFUSE_AFTER, ERROR_INTERNAL, TRUE},
        {ENGINE_FAULT_LOSE, ERROR_OUTCOME_UNKNOWN, FALSE},
        {ENGINE_FAULT_LOSE_AFTER, ERROR_OUTCOME_UNKNOWN, TRUE},
        {ENGINE_FAULT_AWAY, ERROR_UNAVAILABLE, FALSE},
        {ENGINE_FAULT_CONFLICT, ERROR_CONFLICT, FALSE},
        {ENGINE_FAULT_CONFLICT_AFTER, ERROR_CONFLICT, TRUE},
        {ENGINE_FAULT_FOREIGN_ABSENT, ERROR_UNAVAILABLE, FALSE},
        {ENGINE_FAULT_FALSE_ABSENT, ERROR_INTERNAL, FALSE},
    };

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *name = engine_fault_name(rows[i].fault);
        g_autoptr(GError) error = NULL;

        engine_fault_arm(bench->engine, 1, rows[i].fault);
        g_assert_cmpint(try_create(bench, name, &error), ==, rows[i].code < 0);
        g_assert_cmpint(error ? (int)error_code(error) : -1, ==, rows[i].code);
        g_assert_cmpint(world_state(bench->world, name) >= 0, ==, rows[i].happens);
    }
}

/* A read whose answer is lost is "unavailable", and a false "not there" looks real. */
static void test_reads(Bench *bench, gconstpointer data)
{
    static const struct {
        EngineFault fault;
        int code;
    } rows[] = {
        {ENGINE_FAULT_LOSE, ERROR_UNAVAILABLE},
        {ENGINE_FAULT_LOSE_AFTER, ERROR_UNAVAILABLE},
        {ENGINE_FAULT_FOREIGN_ABSENT, ERROR_UNAVAILABLE},
        {ENGINE_FAULT_FALSE_ABSENT, ERROR_NOT_FOUND},
    };

    (void)data;
    g_assert_true(try_create(bench, "a", NULL));
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(ContainerInfo) info = NULL;
        g_autoptr(GError) error = NULL;

        engine_fault_arm(bench->engine, 1, rows[i].fault);
        g_assert_false(engine_inspect(bench->engine, "a", &info, &error));
        g_assert_cmpint((int)error_code(error), ==, rows[i].code);
        g_assert_null(info);
    }
}

static void test_an_own_error_stays(Bench *bench, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    engine_fault_arm(bench->engine, 1, ENGINE_FAULT_LOSE_AFTER);
    g_assert_false(engine_start(bench->engine, "nobody", &error));
    g_assert_true(error_is(error, ERROR_NOT_FOUND));
}

static GString *run_plan(Bench *bench, guint64 seed)
{
    EngineFaultPlan plan = engine_fault_plan(seed);
    GString *codes = g_string_new(NULL);

    plan.delay_max_us = 1;
    plan.outage_per_mille = 0;
    engine_fault_set_plan(bench->engine, NULL);
    engine_free(bench->engine);
    bench->engine = engine_fault_new(world_engine_new(bench->world));
    engine_fault_set_plan(bench->engine, &plan);
    for (guint i = 0; i < MANY; i++) {
        g_autoptr(GError) error = NULL;

        engine_stop(bench->engine, "nobody", 0, &error);
        g_string_append_c(codes, error ? (char)('a' + error_code(error)) : '.');
    }
    return codes;
}

static void test_a_seed_replays(Bench *bench, gconstpointer data)
{
    GString *first = run_plan(bench, 1), *again = run_plan(bench, 1), *other = run_plan(bench, 2);

    (void)data;
    g_assert_cmpstr(first->str, ==, again->str);
    g_assert_cmpstr(first->str, !=, other->str);
    /* Known for ever, on every machine. */
    g_assert_true(g_str_has_prefix(first->str,
                                   "......n...........k.l.....l..k.............f.......k........"));
    g_string_free(first, TRUE);
    g_string_free(again, TRUE);
    g_string_free(other, TRUE);
}

static void count_event(const EngineEvent *event, void *data)
{
    (void)event;
    ++*(guint *)data;
}

static void test_an_outage_ends_streams(Bench *bench, gconstpointer data)
{
    EngineFaultPlan plan = {.seed = 1, .stream_max_us = 30000};
    g_autoptr(Cancel) cancel = cancel_new();
    g_autoptr(GError) error = NULL;
    guint events = 0;

    (void)data;
    engine_fault_set_plan(bench->engine, &plan);
    g_assert_false(engine_events(bench->engine, "i", 0, cancel, count_event, &events, &error));
    g_assert_true(error_is(error, ERROR_UNAVAILABLE));
    g_assert_cmpuint(events, ==, 1); /* CONNECTED */
    engine_fault_set_outage(bench->engine, TRUE);
    g_assert_false(engine_ping(bench->engine, NULL));
    g_assert_false(engine_events(bench->engine, "i", 0, cancel, count_event, &events, NULL));
    g_assert_cmpuint(events, ==, 1);
    engine_fault_set_plan(bench->engine, NULL);
    g_assert_true(engine_ping(bench->engine, NULL));
    cancel_fire(cancel);
    g_assert_true(engine_events(bench->engine, "i", 0, cancel, count_event, &events, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define CASE(name, function)                                                                       \
    g_test_add("/engine/fault/" name, Bench, NULL, set_up, function, tear_down)
    CASE("is-the-engine-it-wraps", test_is_the_engine_it_wraps);
    CASE("each-kind-has-its-code-and-effect", test_each_kind);
    CASE("reads", test_reads);
    CASE("an-own-error-stays", test_an_own_error_stays);
    CASE("a-seed-replays", test_a_seed_replays);
    CASE("an-outage-ends-streams", test_an_outage_ends_streams);
    return g_test_run();
}
