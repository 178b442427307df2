/* A house under random use and random faults: 20,000 operations drawn from a seed, on an engine in
 * memory that fails one call in seven, with a real database, the real reconciler and life cycle, a
 * daemon that goes away and a server that is killed.
 *
 * WORKSPACED_RANDOM_SEED      the seed; unset: a fresh one, which is printed
 * WORKSPACED_RANDOM_OPERATIONS  how many; unset: 20000
 * WORKSPACED_RANDOM_PACE_US   pause between two, microseconds; unset: 1000
 * WORKSPACED_RANDOM_DATABASE  sqlite or postgres (needs WORKSPACED_TEST_POSTGRES_URL); unset:
 * sqlite WORKSPACED_RANDOM_LIES      of 1000 reads so many are told "not there" of what is; unset:
 * 4 With an odd seed the server keeps a stock of started agents. Operations and faults of a seed
 * are always the same; how the threads interleave is not, so a failing seed may have to be run a
 * few times. */
#include "random.h"

#include <stdlib.h>

#define OPERATIONS     20000
#define SETTLE_EVERY   5000
#define PASS_MS        150
#define CLOCK_STEP_US  (400 * 1000)
#define PACE_US        1000 /* else wishes change faster than any of them can come true */
#define ORDERS_MAX     64
#define DAEMON_AWAY_US 40000
#define DATABASE_PACE  1000000 /* the clock jumps by hours, a database does not */

static const char *database_name(const RandomRun *run)
{
    return run->place.kind == DB_POSTGRES ? "postgres" : "sqlite";
}

void random_fail(RandomRun *run, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_printerr("%s\nreplay: WORKSPACED_RANDOM_SEED=%" G_GUINT64_FORMAT
               " WORKSPACED_RANDOM_OPERATIONS=%u WORKSPACED_RANDOM_DATABASE=%s %s\n",
               text, run->seed, run->operations, database_name(run), g_get_prgname());
    abort();
}

/* SplitMix64, as the fault engine's. */
guint64 random_mix(guint64 value)
{
    value += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* ---- Opening and closing ---- */

static guint64 setting(const char *name, guint64 otherwise)
{
    const char *text = g_getenv(name);

    return text && *text ? g_ascii_strtoull(text, NULL, 10) : otherwise;
}

static Engine *wrap(Engine *engine, void *data)
{
    RandomRun *run = data;
    Engine *faulty = engine_fault_new(engine);
    EngineFaultPlan plan = engine_fault_plan(random_mix(run->seed + run->reopened));

    plan.per_mille[ENGINE_FAULT_FALSE_ABSENT] = (guint)setting("WORKSPACED_RANDOM_LIES", 4);
    for (guint i = 0; i < ENGINE_FAULT_KINDS; i++)
        plan.per_mille[i] /= 1 + run->reopened % 3; /* better and worse times */
    plan.delay_max_us = 3000;
    plan.outage_max_us = 20000;
    plan.stream_max_us = 500000;
    if (run->has_faults)
        engine_fault_set_plan(faulty, &plan);
    return faulty;
}

static void prepare(void *data)
{
    RandomRun *run = data;

    run->status = status_signal_new(run->house.tree, run->house.events);
}

static void poke(const char *id, void *data)
{
    reconciler_poke(((RandomRun *)data)->house.reconciler, id);
}

static void open_rooms(RandomRun *run)
{
    House *house = &run->house;

    house_open(house);
    run->lifecycle = (Lifecycle){
        .status = run->status,
        .db = house->db,
        .tree = house->tree,
        .tokens = house->tokens,
        .events = house->events,
        .reconciler = house->reconciler,
        .config = run->config,
        .configs_dir = run->configs,
        .runtimes = run->runtimes,
    };
    run->registry = registry_new(&(RegistryOptions){
        .db = house->db,
        .tree = house->tree,
        .tokens = house->tokens,
        .events = house->events,
        .options = {.strict = TRUE},
    });
    run->liveness = liveness_new(&(LivenessOptions){
        .db = house->db,
        .tree = house->tree,
        .events = house->events,
        .poke = poke,
        .data = run,
    });
}

static void close_rooms(RandomRun *run)
{
    g_clear_pointer(&run->liveness, liveness_free);
    g_clear_pointer(&run->registry, registry_free);
    house_close(&run->house);
    g_clear_pointer(&run->status, status_signal_free);
}

static char *template_file_dup(const RandomRun *run)
{
    return g_build_filename(run->configs, RANDOM_TEMPLATE, "config.yaml", NULL);
}

static void make_template(RandomRun *run)
{
    g_autofree char *folder = NULL;
    g_autofree char *file = NULL;

    run->configs = g_dir_make_tmp("workspaced-random-XXXXXX", NULL);
    g_assert_nonnull(run->configs);
    folder = g_build_filename(run->configs, RANDOM_TEMPLATE, NULL);
    file = template_file_dup(run);
    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    g_assert_true(g_file_set_contents(file, "name: from a template\n", -1, NULL));
    run->house.configs_dir = run->configs;
}

static void remove_template(RandomRun *run)
{
    g_autofree char *folder = g_build_filename(run->configs, RANDOM_TEMPLATE, NULL);
    g_autofree char *file = template_file_dup(run);

    g_unlink(file);
    g_rmdir(folder);
    g_rmdir(run->configs);
    g_free(run->configs);
}

/* The house is built with a file; on PostgreSQL it moves into a schema of its own. */
static void choose_database(RandomRun *run)
{
    if (run->place.kind != DB_POSTGRES)
        return;
    fixture_make_place(&run->place);
    run->house.database_url = run->place.url;
    g_clear_pointer(&run->house.db, db_close);
    house_open_db(&run->house);
    g_assert_true(db_migrate(run->house.db, NULL, NULL));
}

static void begin(RandomRun *run)
{
    static const char *const nothing[] = {NULL};
    const char *environment[] = {run->seed & 1 ? "WARM_POOL=builtin:2" : NULL, NULL};
    pthread_rwlockattr_t attributes;
    g_autoptr(GError) error = NULL;

    clock_set_pace(DATABASE_PACE);
    house_build(&run->house);
    choose_database(run);
    make_template(run);
    run->house.pass_interval_ms = PASS_MS;
    run->house.wrap = wrap;
    run->house.prepare = prepare;
    run->house.wrap_data = run;
    run->config = config_load(nothing, environment, run->house.folder, &error);
    g_assert_no_error(error);
    run->house.config = run->config;
    run->runtimes = runtimes_new(NULL, NULL, NULL);
    mutex_init(&run->lock);
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&run->rooms, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    run->removed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    run->tokens = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (guint i = 0; i < RANDOM_SLOTS; i++) {
        run->slots[i].marks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        run->slots[i].parent = -1;
        run->slots[i].moving_to = RANDOM_NOT_MOVING;
    }
    run->orders = queue_new(ORDERS_MAX, g_free);
    run->has_faults = TRUE;
    atomic_store(&run->clock_step_us, CLOCK_STEP_US);
    open_rooms(run);
    run->agents = thread_start("agents", random_agents, run);
    for (guint i = 0; i < RANDOM_CLIENTS; i++)
        run->clients[i] = thread_start("client", random_client, run);
}

static void end(RandomRun *run)
{
    queue_close(run->orders);
    for (guint i = 0; i < RANDOM_CLIENTS; i++)
        thread_join(run->clients[i]);
    atomic_store(&run->is_over, TRUE);
    thread_join(run->agents);
    close_rooms(run);
    house_clear(&run->house);
    remove_template(run);
    if (run->place.kind == DB_POSTGRES)
        fixture_drop_place(&run->place);
    queue_free(run->orders);
    for (guint i = 0; i < RANDOM_SLOTS; i++)
        g_hash_table_unref(run->slots[i].marks);
    g_hash_table_unref(run->removed);
    g_hash_table_unref(run->tokens);
    pthread_rwlock_destroy(&run->rooms);
    mutex_clear(&run->lock);
    runtimes_free(run->runtimes);
    config_free(run->config);
}

/* ---- What stops the world ---- */

/* As kill -9 would, at the next call's end: nothing is finished, everything is read anew. */
static void kill_server(RandomRun *run)
{
    reconciler_stop(run->house.reconciler, 0);
    pthread_rwlock_wrlock(&run->rooms);
    close_rooms(run);
    run->reopened++;
    open_rooms(run);
    pthread_rwlock_unlock(&run->rooms);
}

/* The daemon restarts: some containers survive it, some do not, and nobody is told. */
static void restart_daemon(RandomRun *run, guint64 chance)
{
    World *world = run->house.world;

    world_write(world, &world->is_down, TRUE);
    g_usleep((gulong)(chance % DAEMON_AWAY_US));
    world_lock(world);
    for (guint i = 0; i < WORLD_CONTAINERS; i++) {
        WorldContainer *container = &world->containers[i];

        if (container->exists && container->state == CONTAINER_RUNNING &&
            strcmp(container->labels.installation, HOUSE_INSTALLATION) == 0 &&
            chance >> (i % 60) & 1) {
            container->state = CONTAINER_EXITED;
            container->exit_code = 137;
            container->finished_at_us = clock_now_us();
        }
    }
    world->is_down = FALSE;
    world_unlock(world);
}

static void kill_container(RandomRun *run, guint slot)
{
    char id[ID_SIZE] = "";
    WorldContainer seen;
    WorldContainer *container = NULL;

    mutex_lock(&run->lock);
    if (run->slots[slot].state == SLOT_LIVE)
        g_strlcpy(id, run->slots[slot].id, ID_SIZE);
    mutex_unlock(&run->lock);
    seen = model_running(run, id);
    if (!seen.exists)
        return;
    world_lock(run->house.world);
    container = world_find(run->house.world, seen.id);
    if (container && container->state == CONTAINER_RUNNING)
        world_end_locked(run->house.world, container, 1);
    world_unlock(run->house.world);
}

/* ---- The sequence ---- */

static const guint weights[ORDER_KINDS] = {
    /* of 1000 */
    [ORDER_CREATE] = 130, [ORDER_REMOVE] = 40,      [ORDER_RESTART] = 70, [ORDER_PAUSE] = 50,
    [ORDER_RESUME] = 90,  [ORDER_HIBERNATE] = 50,   [ORDER_WAKE] = 60,    [ORDER_PATCH] = 60,
    [ORDER_MOVE] = 90,    [ORDER_COLLAPSE] = 10,    [ORDER_RESET] = 30,   [ORDER_BOOTSTRAP] = 10,
    [ORDER_READ] = 60,    [ORDER_STALE_AGENT] = 40, [ORDER_DEATH] = 25,   [ORDER_FOREIGN] = 60,
    [ORDER_STRAY] = 4,    [ORDER_JUMP] = 2,         [ORDER_DAEMON] = 2,   [ORDER_KILL] = 2,
    [ORDER_LOOK] = 115,
};

static guint64 draw(RandomRun *run)
{
    return random_mix(run->seed ^ random_mix(++run->sequence));
}

static Order draw_order(RandomRun *run)
{
    guint64 chance = draw(run);
    guint point = (guint)(chance % 1000);
    Order order = {.kind = ORDER_LOOK, .chance = draw(run)};

    order.slot = (guint)((chance >> 32) % RANDOM_SLOTS);
    for (guint kind = 0; kind < ORDER_KINDS; kind++) {
        if (point < weights[kind]) {
            order.kind = (OrderKind)kind;
            break;
        }
        point -= weights[kind];
    }
    return order;
}

static void do_here(RandomRun *run, const Order *order)
{
    switch (order->kind) {
    case ORDER_DEATH:
        kill_container(run, order->slot);
        break;
    case ORDER_FOREIGN:
        model_change_foreign(run, order->chance);
        break;
    case ORDER_STRAY:
        model_leak(run, order->chance);
        break;
    case ORDER_JUMP:
        clock_advance((gint64)(order->chance % (3 * CLOCK_HOUR_US)));
        break;
    case ORDER_DAEMON:
        restart_daemon(run, order->chance);
        break;
    case ORDER_KILL:
        kill_server(run);
        break;
    default:
        model_look(run);
        break;
    }
}

static void give(RandomRun *run, const Order *order)
{
    Order *copy = g_memdup2(order, sizeof *order);

    atomic_fetch_add(&run->busy, 1);
    while (!queue_push(run->orders, copy))
        g_usleep(200);
}

static void resume_faults(RandomRun *run)
{
    run->has_faults = TRUE;
    kill_server(run); /* the next server begins with a plan of its own */
}

static void report(RandomRun *run)
{
    guint64 counts[ENGINE_FAULT_KINDS];
    GString *text = g_string_new(NULL);

    engine_fault_counts(run->house.engine, counts);
    for (guint i = 0; i < ENGINE_FAULT_KINDS; i++)
        g_string_append_printf(text, " %s=%" G_GUINT64_FORMAT, engine_fault_name((EngineFault)i),
                               counts[i]);
    g_test_message(
        "%u workspaces removed, %u parents changed (%u refused), %u sessions discarded, %u "
        "containers made, %u starts, %u agents let in, %u servers killed; the last server's "
        "calls:%s",
        g_hash_table_size(run->removed), atomic_load(&run->moves_done),
        atomic_load(&run->moves_refused), atomic_load(&run->resets_done),
        world_read(run->house.world, &run->house.world->creates),
        world_read(run->house.world, &run->house.world->starts), g_hash_table_size(run->tokens),
        run->reopened, text->str);
    g_string_free(text, TRUE);
}

static void test_wish_becomes_reality(void)
{
    RandomRun *run = NULL;
    gulong pace_us = 0;
    guint64 fresh = ((guint64)g_random_int() << 20) ^ (guint64)g_get_real_time();
    gboolean on_postgres = g_strcmp0(g_getenv("WORKSPACED_RANDOM_DATABASE"), "postgres") == 0;

    if (on_postgres && !fixture_has_postgres()) {
        g_test_skip(POSTGRES_VARIABLE " names no server");
        return;
    }
    run = g_new0(RandomRun, 1);
    run->place.kind = on_postgres ? DB_POSTGRES : DB_SQLITE;
    run->seed = setting("WORKSPACED_RANDOM_SEED", fresh % 1000000000);
    run->operations = (guint)setting("WORKSPACED_RANDOM_OPERATIONS", OPERATIONS);
    g_test_message("seed %" G_GUINT64_FORMAT ", %u operations on %s", run->seed, run->operations,
                   database_name(run));
    pace_us = (gulong)setting("WORKSPACED_RANDOM_PACE_US", PACE_US);
    begin(run);
    for (guint i = 1; i <= run->operations; i++) {
        Order order = draw_order(run);

        if (order.kind <= ORDER_STALE_AGENT)
            give(run, &order);
        else
            do_here(run, &order);
        g_usleep(pace_us);
        if (i % SETTLE_EVERY == 0 && i < run->operations) {
            model_settle(run);
            resume_faults(run);
        }
    }
    report(run);
    model_settle(run);
    end(run);
    g_free(run);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_setup(g_getenv("RECONCILE_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    g_test_add_func("/fault/random/wish-becomes-reality", test_wish_becomes_reality);
    return g_test_run();
}
