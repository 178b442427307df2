/* What belonged to nobody, or to a former installation, becomes a workspace's own; nothing else
 * does. */
#include "reconcile-house.h"
#include "reconcile/internal.h"

#include <string.h>

#define FORMER "99999999-0000-4000-8000-000000000001"
#define ID     "0e5bcfff-18ca-4d1e-8b7a-000000000001"
#define TWIN   "0e5bcfff-18ca-4d1e-8b7a-000000000002" /* its short name is the same */
#define SHORT  "ws-0e5bcfff-18c"

static void set_up(House *house, gconstpointer data)
{
    (void)data;
    house_build(house);
    house->pass_interval_ms = 3600 * 1000;
}

static void tear_down(House *house, gconstpointer data)
{
    (void)data;
    house_clear(house);
}

/* ---- The house before ---- */

/* A row that another server's database brought: nothing is wished for it yet. */
static void import(House *house, const char *id, WorkspaceStatus status)
{
    char copy[ID_SIZE];

    g_strlcpy(copy, id, sizeof copy);
    house_add(house, copy, NULL);
    g_assert_true(db_exec(house->db, "DELETE FROM workspace_runtime WHERE workspace_id = $1", NULL,
                          NULL, DB_TEXT(id)));
    g_assert_true(db_exec(house->db, "UPDATE workspaces SET status = $2 WHERE id = $1", NULL, NULL,
                          DB_TEXT(id), DB_TEXT(workspace_status_name(status))));
}

static EngineLabels former_labels(const char *kind, const char *id, gint64 generation)
{
    return (EngineLabels){.installation = (char *)FORMER,
                          .workspace = (char *)id,
                          .kind = (char *)kind,
                          .generation = generation};
}

static void put_volume(House *house, const char *name, const EngineLabels *labels)
{
    WorldVolume *volume = NULL;

    world_lock(house->world);
    volume = world_add_volume(house->world, name);
    if (labels)
        world_set_labels(&volume->labels, labels);
    world_put_file(volume, "config.yaml", "name: Former\n", strlen("name: Former\n"), 0);
    world_unlock(house->world);
}

static void put_container(House *house, const char *name, ContainerState state,
                          const EngineLabels *labels)
{
    WorldContainer *container = NULL;

    world_lock(house->world);
    container = world_add_container(house->world, name);
    container->state = state;
    container->ever_started = state != CONTAINER_CREATED;
    container->started_at_us = clock_now_us();
    container->port = 40000;
    container->volume_count = 1;
    g_strlcpy(container->volumes[0], SHORT "-configs", sizeof container->volumes[0]);
    if (labels)
        world_set_labels(&container->labels, labels);
    world_unlock(house->world);
}

/* What the server before this one left of a workspace: nothing of it is labelled. */
static void leave_unlabelled(House *house, ContainerState state)
{
    put_volume(house, SHORT "-configs", NULL);
    put_volume(house, "ws-" ID "-workspace", NULL);
    put_container(house, SHORT, state, NULL);
}

/* ---- Asking ---- */

static GPtrArray *adopt(House *house, const ReconcilerAdoption *adoption)
{
    GPtrArray *found = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(reconciler_adopt(house->reconciler, adoption, &found, &error));
    g_assert_no_error(error);
    return found;
}

static guint count_adopted(const GPtrArray *found)
{
    guint count = 0;

    for (guint i = 0; i < found->len; i++)
        count += ((ReconcilerAdopted *)found->pdata[i])->is_ours;
    return count;
}

static const char *why(const GPtrArray *found, const char *name)
{
    for (guint i = 0; i < found->len; i++) {
        const ReconcilerAdopted *one = found->pdata[i];

        if (strcmp(one->name, name) == 0)
            return one->why ? one->why : "";
    }
    return "not listed";
}

static void expect_adopted(House *house, const ReconcilerAdoption *adoption, guint count)
{
    g_autoptr(GPtrArray) found = adopt(house, adoption);

    g_assert_cmpuint(count_adopted(found), ==, count);
}

static const ReconcilerAdoption unlabelled = {0};

static void wait_pass(House *house)
{
    g_assert_true(reconciler_await_pass(house->reconciler, FALSE, 5000, NULL));
}

static const char *check_kept(House *house, const char *id)
{
    g_autoptr(RuntimeRow) runtime = house_runtime(house, id);

    if (world_state(house->world, SHORT) != CONTAINER_RUNNING)
        return "the container does not run";
    if (!runtime || runtime->phase != RUNTIME_STARTED)
        return "the phase is not started";
    return g_strcmp0(runtime->address, "http://127.0.0.1:40000") == 0 ? NULL : "no address";
}

static const char *check_nothing(House *house, const char *id)
{
    g_autoptr(RuntimeRow) runtime = house_runtime(house, id);
    gint64 adopted = 0;

    g_assert_true(store_adopted_count(house->db, &adopted, NULL));
    if (world_state(house->world, SHORT) != -1)
        return "the container is left";
    if (world_has_volume(house->world, SHORT "-configs") ||
        world_has_volume(house->world, "ws-" ID "-workspace"))
        return "a volume is left";
    if (adopted)
        return "an adoption is left";
    return runtime ? "the wish is left" : NULL;
}

/* Whether a container of ours runs on the adopted configuration. */
static const char *check_replaced(House *house, const char *id)
{
    WorldContainer container = house_container(house, id);

    if (!container.exists || container.state != CONTAINER_RUNNING)
        return "no container of ours";
    if (strcmp(container.name, SHORT) != 0)
        return "of another name";
    return strcmp(container.volumes[0], SHORT "-configs") == 0 ? NULL : "on other volumes";
}

/* ---- Tests ---- */

static void test_what_runs_is_kept(House *house, gconstpointer data)
{
    guint creates = 0;

    (void)data;
    import(house, ID, WORKSPACE_ONLINE);
    leave_unlabelled(house, CONTAINER_RUNNING);
    house_open(house);
    wait_pass(house);
    expect_adopted(house, &unlabelled, 3);
    house_settle(house, ID, check_kept, 0);
    wait_pass(house);
    creates = world_read(house->world, &house->world->creates);
    g_assert_cmpuint(creates, ==, 0);
    g_assert_cmpint(house_status(house, ID), ==, WORKSPACE_ONLINE);
    house_restart(house, ID, NULL); /* and now it is replaced */
    house_settle(house, ID, check_replaced, 0);
    house_remove(house, ID, FALSE);
    house_settle(house, ID, check_nothing, 0);
}

static void test_a_purge_takes_it_along(House *house, gconstpointer data)
{
    (void)data;
    import(house, ID, WORKSPACE_ONLINE);
    leave_unlabelled(house, CONTAINER_RUNNING);
    house_open(house);
    expect_adopted(house, &unlabelled, 3);
    house_settle(house, ID, check_kept, 0);
    house_remove(house, ID, TRUE);
    house_settle(house, ID, check_nothing, 0);
}

static void test_what_does_not_run_is_replaced(House *house, gconstpointer data)
{
    ContainerState state = (ContainerState)GPOINTER_TO_INT(data);

    import(house, ID, WORKSPACE_OFFLINE);
    leave_unlabelled(house, state);
    house_open(house);
    expect_adopted(house, &unlabelled, 3);
    house_settle(house, ID, check_replaced, 0);
}

static void test_one_that_is_paused_is_stopped(House *house, gconstpointer data)
{
    (void)data;
    import(house, ID, WORKSPACE_PAUSED);
    leave_unlabelled(house, CONTAINER_RUNNING);
    house_open(house);
    expect_adopted(house, &unlabelled, 3);
    house_settle(house, ID, house_check_stopped, 0);
    g_assert_cmpint(world_state(house->world, SHORT), ==, -1);
    g_assert_true(world_has_volume(house->world, SHORT "-configs"));
}

static void test_one_that_is_removed_takes_it_along(House *house, gconstpointer data)
{
    (void)data;
    import(house, ID, WORKSPACE_REMOVED);
    leave_unlabelled(house, CONTAINER_RUNNING);
    house_open(house);
    expect_adopted(house, &unlabelled, 3);
    house_settle(house, ID, check_nothing, 0);
}

static void test_a_former_installation_is_named(House *house, gconstpointer data)
{
    EngineLabels container = former_labels(ENGINE_KIND_WORKSPACE, ID, 41);
    EngineLabels volume = former_labels(ENGINE_KIND_VOLUME_CONFIGS, ID, 0);

    (void)data;
    import(house, ID, WORKSPACE_ONLINE);
    put_volume(house, SHORT "-configs", &volume);
    put_container(house, SHORT, CONTAINER_RUNNING, &container);
    house_open(house);
    expect_adopted(house, &unlabelled, 0);
    expect_adopted(house, &(ReconcilerAdoption){.installation = FORMER}, 2);
    house_settle(house, ID, check_kept, 0);
    house_remove(house, ID, FALSE);
    house_settle(house, ID, check_nothing, 0);
}

static void test_of_two_containers_one_goes(House *house, gconstpointer data)
{
    EngineLabels labels = former_labels(ENGINE_KIND_WORKSPACE, ID, 4);

    (void)data;
    import(house, ID, WORKSPACE_ONLINE);
    put_container(house, "ws-" ID, CONTAINER_EXITED, &labels);
    put_container(house, SHORT, CONTAINER_RUNNING, &labels);
    house_open(house);
    expect_adopted(house, &(ReconcilerAdoption){.installation = FORMER}, 2);
    house_settle(house, ID, check_kept, 0);
    for (guint i = 0; i < 3000 && world_state(house->world, "ws-" ID) != -1; i++)
        g_usleep(1000);
    g_assert_cmpint(world_state(house->world, "ws-" ID), ==, -1);
}

static void test_a_dry_run_changes_nothing(House *house, gconstpointer data)
{
    const ReconcilerAdoption dry = {.dry_run = TRUE};
    g_autoptr(RuntimeRow) runtime = NULL;
    gint64 adopted = 9;

    (void)data;
    import(house, ID, WORKSPACE_ONLINE);
    leave_unlabelled(house, CONTAINER_RUNNING);
    house_open(house);
    expect_adopted(house, &dry, 3);
    runtime = house_runtime(house, ID);
    g_assert_null(runtime);
    g_assert_true(store_adopted_count(house->db, &adopted, NULL));
    g_assert_cmpint(adopted, ==, 0);
}

static void test_twice_is_once(House *house, gconstpointer data)
{
    g_autoptr(GPtrArray) again = NULL;

    (void)data;
    import(house, ID, WORKSPACE_ONLINE);
    leave_unlabelled(house, CONTAINER_RUNNING);
    house_open(house);
    expect_adopted(house, &unlabelled, 3);
    again = adopt(house, &unlabelled);
    g_assert_cmpuint(again->len, ==, 0);
    house_settle(house, ID, check_kept, 0);
}

/* ---- Left alone ---- */

static void test_nothing_foreign_is_touched(House *house, gconstpointer data)
{
    static const char *const names[] = {"ws-a", "my-ws-tool", "ws-0e5bcfff-18c-extra",
                                        "ws-0e5bcfff_18c", "web"};
    g_autoptr(GPtrArray) found = NULL;

    (void)data;
    import(house, ID, WORKSPACE_ONLINE);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        put_container(house, names[i], CONTAINER_RUNNING, NULL);
    put_container(house, "ws-deadbeef-123", CONTAINER_RUNNING, NULL);
    put_volume(house, "ws-deadbeef-123-configs", NULL);
    put_volume(house, SHORT "-configs-backup", NULL);
    put_volume(house, "ws-" TWIN "-workspace", NULL);
    house_open(house);
    found = adopt(house, &unlabelled);
    g_assert_cmpuint(found->len, ==, 3); /* what looks like a workspace's, and is nobody's */
    g_assert_cmpuint(count_adopted(found), ==, 0);
    g_assert_cmpstr(why(found, "ws-deadbeef-123"), ==, "no workspace here has this id");
    g_assert_cmpstr(why(found, "ws-" TWIN "-workspace"), ==, "no workspace here has this id");
}

static void test_two_of_one_short_name_get_nothing(House *house, gconstpointer data)
{
    g_autoptr(GPtrArray) found = NULL;

    (void)data;
    import(house, ID, WORKSPACE_ONLINE);
    import(house, TWIN, WORKSPACE_ONLINE);
    put_container(house, SHORT, CONTAINER_RUNNING, NULL);
    put_volume(house, "ws-" TWIN "-workspace", NULL);
    house_open(house);
    found = adopt(house, &unlabelled);
    g_assert_cmpuint(count_adopted(found), ==, 1);
    g_assert_cmpstr(why(found, SHORT), ==, "several workspaces have ids that begin like this");
    g_assert_cmpstr(why(found, "ws-" TWIN "-workspace"), ==, "");
}

static void test_who_has_its_own_gets_nothing(House *house, gconstpointer data)
{
    char id[ID_SIZE] = ID;
    g_autoptr(GPtrArray) found = NULL;

    (void)data;
    put_container(house, SHORT, CONTAINER_RUNNING, NULL);
    house_open(house);
    house_add(house, id, NULL);
    house_settle(house, id, house_check_running, 0); /* beside it, under its long name */
    found = adopt(house, &unlabelled);
    g_assert_cmpuint(found->len, ==, 1);
    g_assert_cmpstr(why(found, SHORT), ==, "its workspace has a container or volumes of its own");
    house_settle(house, id, house_check_running, 0);
}

static void test_only_the_workspace_asked_for(House *house, gconstpointer data)
{
    (void)data;
    import(house, ID, WORKSPACE_ONLINE);
    leave_unlabelled(house, CONTAINER_RUNNING);
    house_open(house);
    expect_adopted(house, &(ReconcilerAdoption){.workspace_id = TWIN}, 0);
    expect_adopted(house, &(ReconcilerAdoption){.workspace_id = ID}, 3);
}

static void test_our_own_installation_is_refused(House *house, gconstpointer data)
{
    g_autoptr(GPtrArray) found = NULL;
    g_autoptr(GError) refused = NULL;

    (void)data;
    house_open(house);
    g_assert_false(reconciler_adopt(house->reconciler,
                                    &(ReconcilerAdoption){.installation = HOUSE_INSTALLATION},
                                    &found, &refused));
    g_assert_true(error_is(refused, ERROR_INVALID));
}

/* The next pass forgets what is gone: whoever makes a volume of that name then made a foreign one.
 */
static void test_what_vanished_is_forgotten(House *house, gconstpointer data)
{
    gint64 adopted = 9;

    (void)data;
    import(house, ID, WORKSPACE_PAUSED);
    put_volume(house, SHORT "-configs", NULL);
    house_open(house);
    expect_adopted(house, &unlabelled, 1);
    house_settle(house, ID, house_check_stopped, 0);
    world_lock(house->world);
    world_find_volume(house->world, SHORT "-configs")->exists = FALSE;
    world_unlock(house->world);
    wait_pass(house);
    g_assert_true(store_adopted_count(house->db, &adopted, NULL));
    g_assert_cmpint(adopted, ==, 0);
    put_volume(house, SHORT "-configs", NULL);
    house_remove(house, ID, FALSE);
    house_settle(house, ID, house_check_gone, 0);
    g_assert_true(world_has_volume(house->world, SHORT "-configs"));
}

/* Two servers' worth of memory: all that an adoption is lies in the database. */
static void test_it_outlives_the_server(House *house, gconstpointer data)
{
    (void)data;
    import(house, ID, WORKSPACE_ONLINE);
    leave_unlabelled(house, CONTAINER_RUNNING);
    house_open(house);
    expect_adopted(house, &unlabelled, 3);
    house_settle(house, ID, check_kept, 0);
    house_close(house);
    house_open(house);
    wait_pass(house);
    g_assert_cmpuint(world_read(house->world, &house->world->creates), ==, 0);
    house_remove(house, ID, FALSE);
    house_settle(house, ID, check_nothing, 0);
}

static void test_a_death_is_found_by_the_pass(House *house, gconstpointer data)
{
    (void)data;
    import(house, ID, WORKSPACE_ONLINE);
    leave_unlabelled(house, CONTAINER_RUNNING);
    house_open(house);
    expect_adopted(house, &unlabelled, 3);
    house_settle(house, ID, check_kept, 0);
    wait_pass(house);
    world_kill(house->world, SHORT);
    wait_pass(house);
    house_settle(house, ID, check_replaced, 0);
}

#define ADD_WITH(path_, data_, function_)                                                          \
    g_test_add("/adopt/" path_, House, data_, set_up, function_, tear_down)
#define ADD(path_, function_) ADD_WITH(path_, NULL, function_)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_setup(g_getenv("RECONCILE_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    ADD("what-runs-is-kept", test_what_runs_is_kept);
    ADD("a-purge-takes-it-along", test_a_purge_takes_it_along);
    ADD_WITH("exited-is-replaced", GINT_TO_POINTER(CONTAINER_EXITED),
             test_what_does_not_run_is_replaced);
    ADD_WITH("created-is-replaced", GINT_TO_POINTER(CONTAINER_CREATED),
             test_what_does_not_run_is_replaced);
    ADD("one-that-is-paused-is-stopped", test_one_that_is_paused_is_stopped);
    ADD("one-that-is-removed-takes-it-along", test_one_that_is_removed_takes_it_along);
    ADD("a-former-installation-is-named", test_a_former_installation_is_named);
    ADD("of-two-containers-one-goes", test_of_two_containers_one_goes);
    ADD("a-dry-run-changes-nothing", test_a_dry_run_changes_nothing);
    ADD("twice-is-once", test_twice_is_once);
    ADD("nothing-foreign-is-touched", test_nothing_foreign_is_touched);
    ADD("two-of-one-short-name-get-nothing", test_two_of_one_short_name_get_nothing);
    ADD("who-has-its-own-gets-nothing", test_who_has_its_own_gets_nothing);
    ADD("only-the-workspace-asked-for", test_only_the_workspace_asked_for);
    ADD("our-own-installation-is-refused", test_our_own_installation_is_refused);
    ADD("what-vanished-is-forgotten", test_what_vanished_is_forgotten);
    ADD("it-outlives-the-server", test_it_outlives_the_server);
    ADD("a-death-is-found-by-the-pass", test_a_death_is_found_by_the_pass);
    return g_test_run();
}
