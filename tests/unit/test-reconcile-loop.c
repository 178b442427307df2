/* The reconciler against a world in memory: what is wished becomes so, whatever fails. */
#include "reconcile-house.h"
#include "reconcile/internal.h"

#include <string.h>

#define STEP_US (5 * CLOCK_SECOND_US)

static void set_up(House *house, gconstpointer data)
{
    (void)data;
    house_build(house);
    house_open(house);
}

static void tear_down(House *house, gconstpointer data)
{
    (void)data;
    house_clear(house);
}

/* ---- The good way ---- */

static void test_one_life(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    g_assert_cmpuint(world_read(house->world, &house->world->creates), ==, 1);
    house_pause(house, id);
    house_settle(house, id, house_check_stopped, 0);
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_PAUSED);
    g_assert_cmpuint(house_count_volumes(house, id), ==, 2);
    house_restart(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    house_remove(house, id, FALSE);
    g_assert_true(reconciler_wait_gone(house->reconciler, id, 10000));
    g_assert_null(house_check_gone(house, id));
    g_assert_true(reconciler_wait_gone(house->reconciler, id, 0));
}

static void add_secret(House *house, const char *id, const char *key, const char *value)
{
    g_assert_true(store_secret_put(house->db, id, key, value, strlen(value), 0, NULL));
}

static void test_environment_and_labels(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    WorldContainer container;
    g_autofree char *name = NULL;

    (void)data;
    add_secret(house, NULL, "SHARED", "global");
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    container = house_container(house, id);
    name = container_name_dup(id, FALSE);
    g_assert_cmpstr(container.name, ==, name);
    g_assert_cmpstr(container.image, ==, "base:1");
    g_assert_cmpstr(container.labels.installation, ==, HOUSE_INSTALLATION);
    g_assert_cmpstr(container.labels.kind, ==, ENGINE_KIND_WORKSPACE);
    g_assert_nonnull(strstr(container.environment, "SHARED=global\n"));
    g_assert_nonnull(
        strstr(container.environment, "PLATFORM_URL=http://host.docker.internal:8080\n"));
}

static void test_restart_replaces_container_and_token(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    WorldContainer before, after;
    g_autofree char *old_token = NULL;
    TokenOwner owner;
    gboolean found = TRUE;

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    before = house_container(house, id);
    old_token = house_file(house, &before, ".auth_token");
    house_restart(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    after = house_container(house, id);
    g_assert_cmpstr(before.id, !=, after.id);
    g_assert_true(tokens_check(house->tokens, old_token, &owner, &found, NULL));
    g_assert_false(found);
}

/* ---- Everything may fail ---- */

static guint run_life(House *house, guint fail_at, WorldFault fault)
{
    char id[ID_SIZE] = "";
    guint before = 0;

    world_lock(house->world);
    house->world->calls = 0;
    house->world->fail_at = fail_at;
    house->world->fault = fault;
    before = house->world->starts;
    world_unlock(house->world);
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, STEP_US);
    house_restart(house, id, NULL);
    house_settle(house, id, house_check_running, STEP_US);
    house_remove(house, id, FALSE);
    house_settle(house, id, house_check_gone, STEP_US);
    g_assert_cmpuint(world_read(house->world, &house->world->starts) - before, >=, 2);
    g_assert_cmpuint(house_count_containers(house, NULL), ==, 0);
    g_assert_cmpuint(house_count_volumes(house, NULL), ==, 0);
    return world_read(house->world, &house->world->calls);
}

static void test_survives_each_single_fault(House *house, gconstpointer data)
{
    guint calls = run_life(house, 0, FAULT_NONE);

    (void)data;
    g_assert_cmpuint(calls, >, 30);
    for (guint n = 1; n <= calls; n++)
        for (WorldFault fault = FAULT_BEFORE; fault <= FAULT_AFTER; fault++)
            run_life(house, n, fault);
}

/* ---- Races ---- */

static void test_delete_races_start(House *house, gconstpointer data)
{
    (void)data;
    for (guint delay_us = 0; delay_us < 12000; delay_us += 500) {
        char id[ID_SIZE] = "";

        house_add(house, id, NULL);
        g_usleep(delay_us);
        house_remove(house, id, delay_us % 1000 == 0);
        house_settle(house, id, house_check_gone, 0);
    }
    g_assert_cmpuint(house_count_containers(house, NULL), ==, 0);
    g_assert_cmpuint(house_count_volumes(house, NULL), ==, 0);
}

static void test_many_wishes_end_in_the_last(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    house_add(house, id, NULL);
    for (guint i = 0; i < 10; i++) {
        house_restart(house, id, NULL);
        g_usleep(1000 * (i % 4));
        if (i % 3 == 2)
            house_pause(house, id);
    }
    house_restart(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
}

static void test_limits_hold(House *house, gconstpointer data)
{
    char ids[16][ID_SIZE] = {""};

    (void)data;
    world_lock(house->world);
    house->world->slow_us = 60000;
    world_unlock(house->world);
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
        house_add(house, ids[i], NULL);
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
        house_settle(house, ids[i], house_check_running, 0);
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
        house_remove(house, ids[i], FALSE);
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
        house_settle(house, ids[i], house_check_gone, 0);
    g_assert_cmpuint(world_read(house->world, &house->world->most_starting), ==, 4);
    /* A start whose wish changed under way ends as a stop, in the place that it has. */
    g_assert_cmpuint(world_read(house->world, &house->world->most_stopping), <=, 8 + 4);
    g_assert_cmpuint(world_read(house->world, &house->world->most_stopping), >, 4);
}

/* ---- Deaths ---- */

/* In the event, and kept for whoever asks. `exit_code` -1: none. */
static void check_reason(House *house, const char *id, Reason reason, gint64 exit_code)
{
    g_autofree char *said = g_strdup_printf("\"reason\":\"%s\"", reason_word(reason));
    g_autoptr(RuntimeRow) row = NULL;
    g_autoptr(WorkspaceRow) workspace = NULL;

    g_assert_nonnull(strstr(house->last_failure, said));
    g_assert_true(store_runtime_find(house->db, id, &row, NULL));
    g_assert_cmpstr(row->reason, ==, reason_word(reason));
    g_assert_cmpint(row->failed_at_us, >, 0);
    g_assert_cmpint(row->has_exit_code ? row->exit_code : -1, ==, exit_code);
    g_assert_true(store_workspace_load(house->db, id, &workspace, NULL));
    g_assert_cmpstr(workspace->failure_reason, ==, row->reason);
    g_assert_cmpstr(workspace->failure_sentence, ==, row->last_error);
    g_assert_cmpint(workspace->failed_at_us, ==, row->failed_at_us);
}

static void test_a_dead_container_is_made_anew(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    WorldContainer before, after;

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    before = house_container(house, id);
    g_assert_false(reconciler_verify_dead(house->reconciler, id));
    world_kill(house->world, before.id);
    house_settle(house, id, house_check_running, 0); /* by the event alone */
    after = house_container(house, id);
    g_assert_cmpstr(before.id, !=, after.id);
    house_wait_told(house, "WORKSPACE_OFFLINE", 1);
    house_wait_told(house, "WORKSPACE_PROVISIONING", 1);
}

static void test_a_crash_loop_ends(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    g_autoptr(GBytes) log = NULL;
    g_autoptr(WorkspaceRow) row = NULL;

    (void)data;
    world_write(house->world, &house->world->dies_at_start, TRUE);
    house_add(house, id, NULL);
    house_settle(house, id, house_check_failed, CLOCK_SECOND_US);
    g_assert_cmpuint(world_read(house->world, &house->world->starts), ==, 5);
    house_wait_told(house, "WORKSPACE_PROVISION_FAILED", 1);
    g_assert_nonnull(strstr(house->last_failure, "\"source\":\"crash_loop\""));
    g_assert_true(store_workspace_load(house->db, id, &row, NULL));
    g_assert_nonnull(strstr(row->last_sample_error, "last words"));
    check_reason(house, id, REASON_CRASH_LOOP, 3);
    g_assert_true(reconciler_logs(house->reconciler, id, 10, 1000, &log, NULL));
    world_write(house->world, &house->world->dies_at_start, FALSE);
    house_restart(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
}

/* As an engine with a restart policy shows it. */
static void die_and_restart(House *house, const char *id)
{
    world_lock(house->world);
    for (guint i = 0; i < WORLD_CONTAINERS; i++) {
        WorldContainer *container = &house->world->containers[i];

        if (!container->exists || strcmp(container->labels.workspace, id) != 0)
            continue;
        world_end_locked(house->world, container, 1);
        container->state = CONTAINER_RESTARTING;
    }
    world_unlock(house->world);
}

static void test_a_crash_loop_of_the_engine_ends(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    house->agents_are_mute = TRUE;
    house_add(house, id, NULL);
    for (guint i = 0; i < 5000; i++) {
        WorldContainer container = house_container(house, id);

        if (container.exists && container.state == CONTAINER_RUNNING)
            break;
        g_usleep(1000);
    }
    g_usleep(20000);
    for (guint i = 0; i < 5; i++) {
        die_and_restart(house, id);
        g_usleep(5000);
    }
    house_settle(house, id, house_check_failed, 0);
    g_assert_nonnull(strstr(house->last_failure, "crash_loop"));
    check_reason(house, id, REASON_CRASH_LOOP, 1);
    g_assert_cmpuint(world_read(house->world, &house->world->creates), ==, 1);
    g_assert_cmpint(house_container(house, id).state, ==, CONTAINER_EXITED);
}

static void test_an_agent_that_never_registers_fails(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    house->agents_are_mute = TRUE;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_failed, 20 * CLOCK_SECOND_US);
    g_assert_nonnull(strstr(house->last_failure, "\"timeout_secs\":600"));
    g_assert_nonnull(strstr(house->last_failure, "provision_timeout_sweep"));
    check_reason(house, id, REASON_NEVER_REGISTERED, -1);
    g_assert_cmpuint(house_count_containers(house, id), ==, 1); /* kept for inspection */
    clock_advance(2 * CLOCK_HOUR_US);
    reconciler_poke(house->reconciler, id);
    while (house_count_containers(house, id) > 0)
        g_usleep(1000);
    house->agents_are_mute = FALSE;
    house_restart(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
}

static void test_a_silent_agent_is_replaced(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    WorldContainer before, after;
    g_autoptr(RuntimeRow) runtime = NULL;
    gboolean changed = FALSE;

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    before = house_container(house, id);
    clock_advance(200 * CLOCK_SECOND_US);
    g_assert_true(store_workspace_mark_offline(house->db, id, &changed, NULL));
    house->agents_are_mute = TRUE;
    house_tell(house, id);
    g_usleep(50000);
    g_assert_cmpstr(house_container(house, id).id, ==, before.id); /* gets a while */
    for (guint i = 0; i < 200 && strcmp(house_container(house, id).id, before.id) == 0; i++) {
        clock_advance(CLOCK_SECOND_US);
        reconciler_poke(house->reconciler, id);
        g_usleep(2000);
    }
    g_assert_true(store_runtime_find(house->db, id, &runtime, NULL));
    g_assert_cmpstr(runtime->reason, ==, "unhealthy");
    house->agents_are_mute = FALSE;
    house_settle(house, id, house_check_running, STEP_US);
    after = house_container(house, id);
    g_assert_cmpstr(after.id, !=, before.id);
}

/* ---- Failures that people must see ---- */

static void use_foreign_image(WorkspaceRow *row)
{
    row->image = g_strdup("registry.example/agent:1");
}

static void test_missing_image_says_so(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    house_add(house, id, use_foreign_image);
    house_settle(house, id, house_check_failed, 0);
    g_assert_nonnull(strstr(house->last_failure, "registry.example/agent:1"));
    check_reason(house, id, REASON_IMAGE_NOT_FOUND, -1);
    g_assert_cmpuint(world_read(house->world, &house->world->pulls), ==, 1);
    g_assert_cmpuint(house_count_containers(house, id), ==, 0);
    house_remove(house, id, TRUE);
    house_settle(house, id, house_check_gone, 0);
}

static void test_pulls_are_shared(House *house, gconstpointer data)
{
    char ids[4][ID_SIZE] = {""};

    (void)data;
    world_write(house->world, &house->world->pulls_work, TRUE);
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
        house_add(house, ids[i], use_foreign_image);
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
        house_settle(house, ids[i], house_check_running, 0);
    g_assert_cmpuint(world_read(house->world, &house->world->pulls), ==, 1);
}

static void test_delete_ends_a_pull(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    world_write(house->world, &house->world->pull_hangs, TRUE);
    house_add(house, id, use_foreign_image);
    while (world_read(house->world, &house->world->pulls) == 0)
        g_usleep(1000);
    house_remove(house, id, FALSE);
    g_assert_true(reconciler_wait_gone(house->reconciler, id, 10000));
    g_assert_null(house_check_gone(house, id));
}

static void test_stop_ends_a_pull_and_it_goes_on_later(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    gint64 began_us = 0;

    (void)data;
    world_write(house->world, &house->world->pull_hangs, TRUE);
    house_add(house, id, use_foreign_image);
    while (world_read(house->world, &house->world->pulls) == 0)
        g_usleep(1000);
    began_us = g_get_monotonic_time();
    house_close(house);
    g_assert_cmpint(g_get_monotonic_time() - began_us, <, 2 * G_USEC_PER_SEC);
    world_write(house->world, &house->world->pull_hangs, FALSE);
    world_write(house->world, &house->world->pulls_work, TRUE);
    house_open(house);
    house_settle(house, id, house_check_running, 0);
}

static void test_a_machine_without_a_base_image_says_so(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    atomic_store(&house->base_image_fails, TRUE);
    house_add(house, id, NULL);
    house_wait_told(house, "WORKSPACE_PROVISION_FAILED", 1);
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_FAILED);
    check_reason(house, id, REASON_NO_BASE_IMAGE, -1);
    atomic_store(&house->base_image_fails, FALSE);
    house_settle(house, id, house_check_running, STEP_US); /* by itself */
}

static void be_read_only(WorkspaceRow *row)
{
    row->tier = 1; /* of a root file system that nobody writes to */
}

static void run_image(WorkspaceRow *row)
{
    row->image = g_strdup("pulled:1");
    row->executor = g_strdup("echo");
}

static const char *check_online_with_agent(House *house, const char *id)
{
    WorldContainer container = house_container(house, id);

    if (!container.exists || container.state != CONTAINER_RUNNING)
        return "the container does not run";
    if (!container.has_agent || strcmp(container.entrypoint, "/workspaced/agent") != 0)
        return "no agent inside";
    return house_status(house, id) == WORKSPACE_ONLINE ? NULL : "not online";
}

/* It lies in the base image; any other image gets it. */
static void test_the_agent_is_uploaded_where_it_is_missing(House *house, gconstpointer data)
{
    char plain[ID_SIZE] = "", read_only[ID_SIZE] = "", foreign[ID_SIZE] = "";

    (void)data;
    house_close(house);
    house->world->base_has_agent = TRUE;
    world_write(house->world, &house->world->pulls_work, TRUE);
    house_open(house);
    house_add(house, plain, NULL);
    house_add(house, read_only, be_read_only);
    house_settle(house, plain, house_check_running, 0);
    house_settle(house, read_only, check_online_with_agent, 0);
    g_assert_cmpuint(world_read(house->world, &house->world->agent_uploads), ==, 0);
    house_add(house, foreign, run_image);
    house_settle(house, foreign, house_check_running, 0);
    g_assert_cmpuint(world_read(house->world, &house->world->agent_uploads), ==, 1);
}

/* Somebody's own container holds the volume. */
static void test_a_volume_in_use_is_removed_later(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    WorldContainer container;

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    container = house_container(house, id);
    world_lock(house->world);
    g_strlcpy(world_add_container(house->world, "foreign")->volumes[0], container.volumes[0], 96);
    world_find(house->world, "foreign")->volume_count = 1;
    world_unlock(house->world);
    house_remove(house, id, TRUE);
    g_assert_false(reconciler_wait_gone(house->reconciler, id, 300));
    g_assert_cmpuint(house_count_containers(house, id), ==, 0);
    g_assert_cmpuint(house_count_volumes(house, id), ==, 1);
    world_lock(house->world);
    world_find(house->world, "foreign")->exists = FALSE;
    world_unlock(house->world);
    house_settle(house, id, house_check_gone, STEP_US);
}

static void use_unknown_runtime(WorkspaceRow *row)
{
    g_free(row->runtime);
    row->runtime = g_strdup("rocket");
}

static void test_unknown_runtime_fails(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    house_add(house, id, use_unknown_runtime);
    house_settle(house, id, house_check_failed, 0);
    g_assert_nonnull(strstr(house->last_failure, "rocket"));
    check_reason(house, id, REASON_CONFIGURATION_MISSING, -1);
}

static void test_without_engine_nothing_starts(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    ReconcilerStatus status;

    (void)data;
    house_close(house);
    house->without_engine = TRUE;
    house_open(house);
    house_add(house, id, NULL);
    house_settle(house, id, house_check_failed, 0);
    g_assert_nonnull(strstr(house->last_failure, "no container engine"));
    check_reason(house, id, REASON_NO_ENGINE, -1);
    reconciler_status(house->reconciler, &status);
    g_assert_false(status.has_engine);
    house_remove(house, id, FALSE);
    g_assert_true(reconciler_wait_gone(house->reconciler, id, 1000));
    g_assert_null(house_check_gone(house, id));
}

/* ---- Outages ---- */

static void set_down(House *house, gboolean is_down)
{
    world_lock(house->world);
    house->world->is_down = is_down;
    world_unlock(house->world);
}

static gboolean engine_is_up(House *house)
{
    ReconcilerStatus status;

    reconciler_status(house->reconciler, &status);
    return status.engine_up;
}

static void wait_engine(House *house, gboolean is_up)
{
    for (guint i = 0; i < 4000 && engine_is_up(house) != is_up; i++) {
        clock_advance(CLOCK_SECOND_US / 4);
        g_usleep(2000);
    }
    g_assert_cmpint(engine_is_up(house), ==, is_up);
}

static void test_outage_concludes_nothing(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "", other[ID_SIZE] = "", late[ID_SIZE] = "";
    WorldContainer before;

    (void)data;
    house_add(house, id, NULL);
    house_add(house, other, NULL);
    house_settle(house, id, house_check_running, 0);
    house_settle(house, other, house_check_running, 0);
    before = house_container(house, id);
    set_down(house, TRUE);
    reconciler_poke(house->reconciler, id);
    g_assert_false(reconciler_verify_dead(house->reconciler, id));
    wait_engine(house, FALSE);
    house_add(house, late, NULL);
    house_remove(house, other, FALSE);
    g_assert_false(reconciler_wait_gone(house->reconciler, other, 50));
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_ONLINE);
    g_assert_cmpint(house_status(house, late), ==, WORKSPACE_PROVISIONING);
    set_down(house, FALSE);
    wait_engine(house, TRUE);
    house_settle(house, late, house_check_running, 0);
    house_settle(house, other, house_check_gone, 0);
    house_settle(house, id, house_check_running, 0);
    g_assert_cmpstr(house_container(house, id).id, ==, before.id);
}

static void test_another_daemon_holds_everything(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    ReconcilerStatus status = {0};

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    house_close(house);
    strcpy(house->world->daemon_id, "daemon-2");
    house_open(house);
    for (guint i = 0; i < 2000 && !status.held; i++) {
        reconciler_status(house->reconciler, &status);
        g_usleep(1000);
    }
    g_assert_true(status.held);
    house_remove(house, id, FALSE);
    g_assert_false(reconciler_wait_gone(house->reconciler, id, 100));
    g_assert_cmpuint(house_count_containers(house, id), ==, 1);
    g_assert_true(reconciler_confirm(house->reconciler, &(ReconcilerConfirmation){0}, NULL));
    house_settle(house, id, house_check_gone, 0);
}

/* ---- What is not ours ---- */

static void test_foreign_names_are_left_alone(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    WorldContainer mine;

    (void)data;
    world_lock(house->world);
    world_add_container(house->world, "ws-7c9e6679-742")->state = CONTAINER_RUNNING;
    world_add_volume(house->world, "ws-7c9e6679-742-configs");
    world_unlock(house->world);
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    mine = house_container(house, id);
    g_assert_cmpstr(mine.name, ==, "ws-7c9e6679-7425-40de-944b-e07fc1f90ae7");
    g_assert_cmpstr(mine.volumes[0], ==, "ws-7c9e6679-7425-40de-944b-e07fc1f90ae7-configs");
    house_remove(house, id, FALSE);
    house_settle(house, id, house_check_gone, 0);
    g_assert_cmpuint(house_count_containers(house, NULL), ==, 1);
    g_assert_cmpuint(house_count_volumes(house, NULL), ==, 1);
    g_assert_cmpint(world_state(house->world, "ws-7c9e6679-742"), !=, -1);
}

static void test_twelve_characters_are_not_an_id(House *house, gconstpointer data)
{
    char one[ID_SIZE] = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    char two[ID_SIZE] = "7c9e6679-7425-40de-944b-ffffffffffff";

    (void)data;
    house_add(house, one, NULL);
    house_settle(house, one, house_check_running, 0);
    house_add(house, two, NULL);
    house_settle(house, two, house_check_running, 0);
    house_remove(house, two, FALSE);
    house_settle(house, two, house_check_gone, 0);
    g_assert_null(house_check_running(house, one));
}

static void stray(House *house, const char *name, const char *workspace, const char *installation)
{
    EngineLabels labels = {.installation = (char *)installation,
                           .workspace = (char *)workspace,
                           .kind = (char *)ENGINE_KIND_WORKSPACE,
                           .generation = 1};
    WorldContainer *container = NULL;

    world_lock(house->world);
    container = world_add_container(house->world, name);
    container->state = CONTAINER_RUNNING;
    container->ever_started = TRUE;
    world_set_labels(&container->labels, &labels);
    world_unlock(house->world);
}

/* The clock moves on, then a pass begins and ends. */
static void let_pass(House *house, gint64 forward_us)
{
    clock_advance(forward_us);
    g_assert_true(reconciler_await_pass(house->reconciler, FALSE, 5000, NULL));
}

static void test_strays_of_ours_go_after_a_while(House *house, gconstpointer data)
{
    static const char nobody[] = "00000000-0000-4000-8000-000000000001";
    ReconcilerStatus status;

    (void)data;
    house_close(house);
    house->pass_interval_ms = 30000;
    stray(house, "ws-00000000-000", nobody, HOUSE_INSTALLATION);
    stray(house, "ws-00000000-001", nobody, "99999999-0000-4000-8000-000000000001");
    world_set_labels(&world_add_volume(house->world, "ws-stray-configs")->labels,
                     &(EngineLabels){.installation = (char *)HOUSE_INSTALLATION,
                                     .workspace = (char *)nobody,
                                     .kind = (char *)ENGINE_KIND_VOLUME_CONFIGS});
    house_open(house);
    let_pass(house, 0);
    g_assert_cmpint(world_state(house->world, "ws-00000000-000"), ==, CONTAINER_RUNNING);
    reconciler_status(house->reconciler, &status);
    g_assert_cmpuint(status.orphans, ==, 2);
    let_pass(house, 70 * CLOCK_SECOND_US);
    g_assert_cmpint(world_state(house->world, "ws-00000000-000"), ==, CONTAINER_EXITED);
    let_pass(house, 11 * CLOCK_MINUTE_US);
    g_assert_cmpint(world_state(house->world, "ws-00000000-000"), ==, -1);
    g_assert_true(world_has_volume(house->world, "ws-stray-configs"));
    g_assert_cmpint(world_state(house->world, "ws-00000000-001"), ==, CONTAINER_RUNNING);
    let_pass(house, 25 * CLOCK_HOUR_US);
    for (guint i = 0; i < 2000 && world_has_volume(house->world, "ws-stray-configs"); i++)
        g_usleep(1000);
    g_assert_false(world_has_volume(house->world, "ws-stray-configs"));
}

static void test_restored_database_wins_over_newer_containers(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    WorldContainer after;

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    world_lock(house->world);
    for (guint i = 0; i < WORLD_CONTAINERS; i++)
        if (house->world->containers[i].exists)
            house->world->containers[i].labels.generation = 40;
    world_unlock(house->world);
    reconciler_poke(house->reconciler, id);
    for (guint i = 0; i < 5000 && house_container(house, id).labels.generation != 41; i++)
        g_usleep(1000);
    house_settle(house, id, house_check_running, STEP_US);
    after = house_container(house, id);
    g_assert_cmpint(after.labels.generation, ==, 41);
}

/* ---- Files ---- */

static void write_template(const char *root, const char *name, const char *config)
{
    g_autofree char *folder = g_build_filename(root, name, NULL);
    g_autofree char *path = g_build_filename(folder, "config.yaml", NULL);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, config, -1, NULL));
}

static void remove_template(const char *root, const char *name)
{
    g_autofree char *folder = g_build_filename(root, name, NULL);
    g_autofree char *path = g_build_filename(folder, "config.yaml", NULL);

    g_unlink(path);
    g_rmdir(folder);
}

static void put_config(House *house, const char *id, const char *text)
{
    WorldContainer container = house_container(house, id);

    world_lock(house->world);
    world_put_file(world_find_volume(house->world, container.volumes[0]), "config.yaml", text,
                   (guint)strlen(text), 0);
    world_unlock(house->world);
}

static char *config_of(House *house, const char *id)
{
    WorldContainer container = house_container(house, id);

    return house_file(house, &container, "config.yaml");
}

static void restart_with(House *house, const char *id, const char *template_name, gboolean reset)
{
    g_autofree char *spec = wish_spec_text(template_name, reset);

    house_restart(house, id, spec);
}

/* A template is unpacked by the wish that names it, once: not again when its container dies, nor
 * when a later wish says nothing. */
static void test_template_is_unpacked_once(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    g_autofree char *first = NULL;
    g_autofree char *kept = NULL;
    g_autofree char *plain = NULL;
    g_autofree char *again = NULL;

    (void)data;
    house_close(house);
    house->configs_dir = house->folder;
    write_template(house->folder, "tpl", "name: from template\n");
    house_open(house);
    house_add(house, id, NULL);
    restart_with(house, id, "tpl", FALSE);
    house_settle(house, id, house_check_running, 0);
    first = config_of(house, id);
    g_assert_cmpstr(first, ==, "name: from template\n");
    put_config(house, id, "name: mine\n");
    world_kill(house->world, house_container(house, id).id);
    house_settle(house, id, house_check_running, STEP_US);
    kept = config_of(house, id);
    g_assert_cmpstr(kept, ==, "name: mine\n");
    house_restart(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    plain = config_of(house, id);
    g_assert_cmpstr(plain, ==, "name: mine\n");
    restart_with(house, id, "tpl", FALSE);
    house_settle(house, id, house_check_running, 0);
    again = config_of(house, id);
    g_assert_cmpstr(again, ==, "name: from template\n");
    remove_template(house->folder, "tpl");
}

static void test_required_variables_are_named(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";

    (void)data;
    house_close(house);
    house->configs_dir = house->folder;
    write_template(house->folder, "tpl",
                   "name: x\nruntime_config:\n  required_env: [KEY_A, KEY_B]\n");
    house_open(house);
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    add_secret(house, id, "KEY_B", "1");
    restart_with(house, id, "tpl", FALSE);
    house_settle(house, id, house_check_failed, 0);
    g_assert_nonnull(strstr(house->last_failure, "\"missing\":[\"KEY_A\"]"));
    g_assert_nonnull(strstr(house->last_failure, "retry"));
    check_reason(house, id, REASON_VARIABLES_MISSING, -1);
    add_secret(house, id, "KEY_A", "1");
    house_restart(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    remove_template(house->folder, "tpl");
}

static void use_claude(WorkspaceRow *row)
{
    g_free(row->runtime);
    row->runtime = g_strdup("claude-code");
    row->executor = g_strdup("echo");
}

static const char *has_three_volumes(House *house, const char *id)
{
    WorldContainer container = house_container(house, id);

    return container.exists && container.state == CONTAINER_RUNNING &&
                   container.volume_count == 3 && house_count_volumes(house, id) == 3
               ? NULL
               : "not exactly three volumes";
}

static void test_sessions_are_reset_once(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    WorldContainer first, reset, after;

    (void)data;
    world_write(house->world, &house->world->pulls_work, TRUE);
    house_add(house, id, use_claude);
    house_settle(house, id, has_three_volumes, 0);
    first = house_container(house, id);
    restart_with(house, id, NULL, TRUE);
    for (guint i = 0; i < 5000 && house_container(house, id).labels.generation != 2; i++)
        g_usleep(1000);
    house_settle(house, id, has_three_volumes, STEP_US);
    reset = house_container(house, id);
    g_assert_cmpstr(first.volumes[1], !=, reset.volumes[1]);
    world_kill(house->world, reset.id);
    for (guint i = 0; i < 5000 && strcmp(house_container(house, id).id, reset.id) == 0; i++)
        g_usleep(1000);
    house_settle(house, id, has_three_volumes, STEP_US);
    after = house_container(house, id);
    g_assert_cmpstr(after.volumes[1], ==, reset.volumes[1]);
    house_restart(house, id, NULL);
    for (guint i = 0; i < 5000 && house_container(house, id).labels.generation != 3; i++)
        g_usleep(1000);
    house_settle(house, id, has_three_volumes, 0);
    g_assert_cmpstr(house_container(house, id).volumes[1], ==, reset.volumes[1]);
    house_remove(house, id, FALSE);
    house_settle(house, id, house_check_gone, 0);
}

static void test_hibernation_ends(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    gboolean changed = FALSE;

    (void)data;
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    g_assert_true(store_workspace_mark_hibernating(house->db, id, TRUE, &changed, NULL));
    g_assert_true(changed);
    house_wish(house, id, RUNTIME_STOPPED, NULL);
    house_settle(house, id, house_check_stopped, 0);
    g_assert_cmpint(house_status(house, id), ==, WORKSPACE_HIBERNATED);
    house_wait_told(house, "WORKSPACE_HIBERNATED", 1);
}

static void test_logs_outlive_the_container(House *house, gconstpointer data)
{
    char id[ID_SIZE] = "";
    g_autoptr(GBytes) live = NULL;
    g_autoptr(GBytes) kept = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_false(reconciler_logs(house->reconciler, HOUSE_INSTALLATION, 1, 100, &live, &error));
    g_assert_true(error_is(error, ERROR_NOT_FOUND));
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0);
    g_assert_true(reconciler_logs(house->reconciler, id, 10, 1000, &live, NULL));
    g_assert_cmpmem(g_bytes_get_data(live, NULL), g_bytes_get_size(live), "first\nlast words\n",
                    17);
    house_pause(house, id);
    house_settle(house, id, house_check_stopped, 0);
    g_assert_true(reconciler_logs(house->reconciler, id, 1, 1000, &kept, NULL));
    g_assert_cmpmem(g_bytes_get_data(kept, NULL), g_bytes_get_size(kept), "last words\n", 11);
}

#define ADD(path_, function_)                                                                      \
    g_test_add("/reconcile/" path_, House, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_setup(g_getenv("RECONCILE_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    ADD("one-life", test_one_life);
    ADD("environment-and-labels", test_environment_and_labels);
    ADD("restart-replaces-container-and-token", test_restart_replaces_container_and_token);
    ADD("survives-each-single-fault", test_survives_each_single_fault);
    ADD("delete-races-start", test_delete_races_start);
    ADD("many-wishes-end-in-the-last", test_many_wishes_end_in_the_last);
    ADD("limits-hold", test_limits_hold);
    ADD("a-dead-container-is-made-anew", test_a_dead_container_is_made_anew);
    ADD("a-crash-loop-ends", test_a_crash_loop_ends);
    ADD("a-crash-loop-of-the-engine-ends", test_a_crash_loop_of_the_engine_ends);
    ADD("stop-ends-a-pull-and-it-goes-on-later", test_stop_ends_a_pull_and_it_goes_on_later);
    ADD("a-machine-without-a-base-image-says-so", test_a_machine_without_a_base_image_says_so);
    ADD("the-agent-is-uploaded-where-it-is-missing",
        test_the_agent_is_uploaded_where_it_is_missing);
    ADD("a-volume-in-use-is-removed-later", test_a_volume_in_use_is_removed_later);
    ADD("an-agent-that-never-registers-fails", test_an_agent_that_never_registers_fails);
    ADD("a-silent-agent-is-replaced", test_a_silent_agent_is_replaced);
    ADD("missing-image-says-so", test_missing_image_says_so);
    ADD("pulls-are-shared", test_pulls_are_shared);
    ADD("delete-ends-a-pull", test_delete_ends_a_pull);
    ADD("unknown-runtime-fails", test_unknown_runtime_fails);
    ADD("without-engine-nothing-starts", test_without_engine_nothing_starts);
    ADD("outage-concludes-nothing", test_outage_concludes_nothing);
    ADD("another-daemon-holds-everything", test_another_daemon_holds_everything);
    ADD("foreign-names-are-left-alone", test_foreign_names_are_left_alone);
    ADD("twelve-characters-are-not-an-id", test_twelve_characters_are_not_an_id);
    ADD("strays-of-ours-go-after-a-while", test_strays_of_ours_go_after_a_while);
    ADD("restored-database-wins-over-newer-containers",
        test_restored_database_wins_over_newer_containers);
    ADD("template-is-unpacked-once", test_template_is_unpacked_once);
    ADD("required-variables-are-named", test_required_variables_are_named);
    ADD("sessions-are-reset-once", test_sessions_are_reset_once);
    ADD("hibernation-ends", test_hibernation_ends);
    ADD("logs-outlive-the-container", test_logs_outlive_the_container);
    return g_test_run();
}
