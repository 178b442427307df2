/* The rooms around a reconciler, with a world for its engine; for the tests of the reconciler. */
#pragma once

#include "base/log.h"
#include "db/migrations.h"
#include "provision/names.h"
#include "provision/wish_spec.h"
#include "reconcile-world.h"
#include "reconcile/reconciler.h"
#include "store/garbage.h"
#include "store/installation.h"
#include "store/runtime.h"
#include "store/secrets.h"
#include "store/workspaces.h"

#include <glib/gstdio.h>

#define HOUSE_INSTALLATION "11111111-2222-4333-8444-555555555555"
#define HOUSE_PATIENCE_US  (20 * G_USEC_PER_SEC)

typedef struct {
    char *folder, *agent;
    World *world;
    Engine *engine;
    const char *database_url; /* NULL: a file in the folder */
    Db *db;
    DbHolds *holds;
    Tokens *tokens;
    OrgTree *tree;
    Events *events;
    Reconciler *reconciler;
    gboolean without_engine, agents_are_mute, installation_is_new;
    Engine *(*wrap)(Engine *engine, void *data); /* gives what is used; NULL: the engine itself */
    void (*prepare)(void *data); /* called before the reconciler starts; NULL: nothing */
    void *wrap_data;             /* of both */
    atomic_bool base_image_fails;
    guint pass_interval_ms;
    const Config *config;
    const char *configs_dir;
    Mutex lock;         /* guards what follows */
    GHashTable *told;   /* event type -> count */
    char *last_failure; /* payload of the last WORKSPACE_PROVISION_FAILED */
} House;

static inline void house_listen(const Event *event, void *data)
{
    House *house = data;
    guint count = 0;

    mutex_lock(&house->lock);
    count = GPOINTER_TO_UINT(g_hash_table_lookup(house->told, event->type));
    g_hash_table_insert(house->told, g_strdup(event->type), GUINT_TO_POINTER(count + 1));
    if (strcmp(event->type, "WORKSPACE_PROVISION_FAILED") == 0) {
        g_free(house->last_failure);
        house->last_failure = g_strdup(event->payload);
    }
    mutex_unlock(&house->lock);
}

static inline guint house_told(House *house, const char *type)
{
    guint count = 0;

    mutex_lock(&house->lock);
    count = GPOINTER_TO_UINT(g_hash_table_lookup(house->told, type));
    mutex_unlock(&house->lock);
    return count;
}

/* Events come a moment after the rows. */
static inline void house_wait_told(House *house, const char *type, guint count)
{
    for (guint i = 0; i < 5000 && house_told(house, type) < count; i++)
        g_usleep(1000);
    g_assert_cmpuint(house_told(house, type), ==, count);
}

static inline gboolean house_base_image(Engine *engine, char **image, void *data, GError **error)
{
    (void)engine;
    if (atomic_load(&((House *)data)->base_image_fails))
        return error_set(error, ERROR_UNAVAILABLE, "no busybox");
    *image = g_strdup("base:1");
    return TRUE;
}

/* A house without inhabitants: folder, database, world. */
static inline void house_build(House *house)
{
    g_autofree char *url = NULL;
    const char *shared = g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm" : "/tmp";
    g_autofree char *pattern = g_build_filename(shared, "reconcile-XXXXXX", NULL);

    *house = (House){.pass_interval_ms = 60 * 60 * 1000};
    g_assert_nonnull(g_mkdtemp(pattern));
    house->folder = g_steal_pointer(&pattern);
    house->agent = g_build_filename(house->folder, "agent", NULL);
    g_assert_true(g_file_set_contents(house->agent, "ELF", 3, NULL));
    house->world = world_new();
    mutex_init(&house->lock);
    house->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    url = g_strdup_printf("sqlite:%s/a.db", house->folder);
    house->db = db_open(url, 1000, NULL);
    g_assert_nonnull(house->db);
    g_assert_true(db_migrate(house->db, NULL, NULL));
}

static inline void house_open_db(House *house)
{
    g_autofree char *url = house->database_url ? g_strdup(house->database_url)
                                               : g_strdup_printf("sqlite:%s/a.db", house->folder);
    g_autoptr(GError) error = NULL;

    if (!house->db)
        house->db = db_open(url, 1000, &error);
    g_assert_no_error(error);
    if (!house->holds)
        house->holds = db_holds_open(url, 1000, &error);
    g_assert_no_error(error);
}

/* Starts a reconciler in it. */
static inline void house_open(House *house)
{
    g_autoptr(GError) error = NULL;
    ReconcilerOptions options = {0};

    house_open_db(house);
    house->tokens = tokens_new(house->db, &error);
    g_assert_no_error(error);
    house->tree = org_tree_new(house->db, &error);
    g_assert_no_error(error);
    house->events = events_new(house->db);
    events_listen(house->events, house_listen, house);
    if (house->prepare)
        house->prepare(house->wrap_data);
    house->engine = house->without_engine ? NULL : world_engine_new(house->world);
    if (house->wrap && house->engine)
        house->engine = house->wrap(house->engine, house->wrap_data);
    options = (ReconcilerOptions){
        .db = house->db,
        .holds = house->holds,
        .engine = house->engine,
        .events = house->events,
        .tree = house->tree,
        .tokens = house->tokens,
        .installation = HOUSE_INSTALLATION,
        .installation_is_new = house->installation_is_new,
        .data_dir = house->folder,
        .agent_path = house->agent,
        .configs_dir = house->configs_dir,
        .server_port = 8080,
        .pass_interval_ms = house->pass_interval_ms,
        .config = house->config,
        .base_image = house_base_image,
        .base_image_data = house,
        .base_image_has_agent = house->world->base_has_agent,
    };
    house->reconciler = reconciler_new(&options, &error);
    g_assert_no_error(error);
    reconciler_start(house->reconciler);
}

static inline void house_close(House *house)
{
    g_clear_pointer(&house->reconciler, reconciler_free);
    g_clear_pointer(&house->engine, engine_free);
    g_clear_pointer(&house->events, events_free);
    g_clear_pointer(&house->tree, org_tree_free);
    g_clear_pointer(&house->tokens, tokens_free);
    g_clear_pointer(&house->holds, db_holds_close);
    g_clear_pointer(&house->db, db_close);
}

static inline void house_clear(House *house)
{
    static const char *const files[] = {"a.db", "a.db-wal", "a.db-shm", "agent"};

    house_close(house);
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(house->folder, files[i], NULL);
        g_unlink(path);
    }
    g_rmdir(house->folder);
    g_free(house->folder);
    g_free(house->agent);
    g_free(house->last_failure);
    g_hash_table_unref(house->told);
    mutex_clear(&house->lock);
    world_free(house->world);
}

/* ---- Workspaces ---- */

static inline void house_tell(House *house, const char *id)
{
    if (!house->reconciler)
        return;
    g_assert_true(org_tree_refresh(house->tree, id, NULL));
    reconciler_poke(house->reconciler, id);
}

static inline void house_wish(House *house, const char *id, RuntimeDesired desired,
                              const char *spec)
{
    RuntimeWish wish = {.desired = desired, .spec = spec};
    gint64 generation = 0;
    g_autoptr(GError) error = NULL;

    g_assert_true(store_runtime_wish(house->db, id, &wish, &generation, &error));
    g_assert_no_error(error);
    house_tell(house, id);
}

/* `change` (may be NULL) alters the row before it is stored. */
static inline void house_add(House *house, char id[ID_SIZE], void (*change)(WorkspaceRow *row))
{
    g_autoptr(WorkspaceRow) row = workspace_row_new();
    g_autoptr(GError) error = NULL;

    if (*id)
        g_strlcpy(row->id, id, ID_SIZE);
    else
        id_make(row->id);
    row->name = g_strdup("Worker");
    row->runtime = g_strdup("builtin");
    row->tier = 2;
    row->workspace_access = g_strdup("none");
    row->provision_started_at_us = clock_now_us();
    if (change)
        change(row);
    g_assert_true(store_workspace_insert(house->db, row, &error));
    g_assert_no_error(error);
    g_strlcpy(id, row->id, ID_SIZE);
    house_wish(house, id, RUNTIME_RUNNING, WISH_SPEC_NOTHING);
}

static inline void house_remove(House *house, const char *id, gboolean purge)
{
    g_autoptr(StoreRemoval) removal = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(
        store_workspace_remove(house->db, id, STORE_REMOVE_TREE, purge, &removal, &error));
    g_assert_no_error(error);
    if (house->tokens)
        tokens_forget(house->tokens, id);
    house_tell(house, id);
}

/* Restart as the route does it. */
static inline void house_restart(House *house, const char *id, const char *spec)
{
    gboolean changed = FALSE;

    g_assert_true(
        store_workspace_mark_provisioning(house->db, id, STORE_FROM_RESTART, &changed, NULL));
    house_wish(house, id, RUNTIME_RUNNING, spec);
}

static inline void house_pause(House *house, const char *id)
{
    gboolean changed = FALSE;

    g_assert_true(store_workspace_mark_paused(house->db, id, &changed, NULL));
    house_wish(house, id, RUNTIME_STOPPED, NULL);
}

static inline WorkspaceStatus house_status(House *house, const char *id)
{
    g_autoptr(WorkspaceRow) row = NULL;

    g_assert_true(store_workspace_load(house->db, id, &row, NULL));
    return row->status;
}

static inline RuntimeRow *house_runtime(House *house, const char *id)
{
    RuntimeRow *row = NULL;

    g_assert_true(store_runtime_find(house->db, id, &row, NULL));
    return row;
}

/* ---- Agents ---- */

/* A running agent registers, with the token that lies in its volume. */
static inline void house_register(House *house, const char *id, gint64 generation)
{
    StoreRegistration registration = {
        .url = "http://agent:8000", .agent_card = "{}", .token_generation = generation};
    g_auto(StoreRegisterResult) result = {0};

    g_assert_true(
        store_workspace_mark_online_by_register(house->db, id, &registration, &result, NULL));
    org_tree_refresh(house->tree, id, NULL);
}

static inline void house_tend(House *house)
{
    for (guint i = 0; i < WORLD_CONTAINERS && !house->agents_are_mute; i++) {
        WorldContainer container;
        g_autoptr(WorkspaceRow) row = NULL;

        world_lock(house->world);
        container = house->world->containers[i];
        world_unlock(house->world);
        if (!container.exists || container.state != CONTAINER_RUNNING ||
            strcmp(container.labels.installation, HOUSE_INSTALLATION) != 0 ||
            !store_workspace_find(house->db, container.labels.workspace, &row, NULL) || !row)
            continue;
        if (row->status == WORKSPACE_PROVISIONING || row->status == WORKSPACE_OFFLINE ||
            row->status == WORKSPACE_FAILED)
            house_register(house, row->id, container.labels.generation);
    }
}

/* ---- What should be ---- */

static inline gboolean house_owns(const WorldLabels *labels, const char *id)
{
    return strcmp(labels->workspace, id) == 0 &&
           strcmp(labels->installation, HOUSE_INSTALLATION) == 0;
}

static inline guint house_count_containers(House *house, const char *id)
{
    guint count = 0;

    world_lock(house->world);
    for (guint i = 0; i < WORLD_CONTAINERS; i++)
        count += house->world->containers[i].exists &&
                 (!id || house_owns(&house->world->containers[i].labels, id));
    world_unlock(house->world);
    return count;
}

static inline guint house_count_volumes(House *house, const char *id)
{
    guint count = 0;

    world_lock(house->world);
    for (guint i = 0; i < WORLD_VOLUMES; i++)
        count += house->world->volumes[i].exists &&
                 (!id || house_owns(&house->world->volumes[i].labels, id));
    world_unlock(house->world);
    return count;
}

/* A copy of the workspace's one container; `exists` FALSE: there is none, or several. */
static inline WorldContainer house_container(House *house, const char *id)
{
    WorldContainer found = {0};
    guint count = 0;

    world_lock(house->world);
    for (guint i = 0; i < WORLD_CONTAINERS; i++)
        if (house->world->containers[i].exists &&
            house_owns(&house->world->containers[i].labels, id)) {
            found = house->world->containers[i];
            count++;
        }
    world_unlock(house->world);
    found.exists = count == 1;
    return found;
}

static inline char *house_file(House *house, const WorldContainer *container, const char *path)
{
    char *content = NULL;
    WorldVolume *volume = NULL;
    WorldFile *file = NULL;

    world_lock(house->world);
    volume = world_find_volume(house->world, container->volumes[0]);
    file = volume ? world_file(volume, path) : NULL;
    content = file ? g_strndup(file->content, file->size) : NULL;
    world_unlock(house->world);
    return content;
}

static inline const char *house_check_token(House *house, const RuntimeRow *runtime,
                                            const WorldContainer *container)
{
    g_autofree char *token = house_file(house, container, ".auth_token");
    TokenOwner owner = {0};
    gboolean found = FALSE;

    if (!token)
        return "no token in the volume";
    tokens_forget(house->tokens, runtime->workspace_id);
    g_assert_true(tokens_check(house->tokens, token, &owner, &found, NULL));
    if (!found)
        return "the token in the volume is not live";
    if (strcmp(owner.workspace_id, runtime->workspace_id) != 0 ||
        owner.generation != runtime->generation)
        return "the token is for somebody else";
    return NULL;
}

/* NULL: it runs as it should, with so many volumes. Else what is wrong. */
static inline const char *house_check_running_with(House *house, const char *id, guint volumes)
{
    g_autoptr(RuntimeRow) runtime = house_runtime(house, id);
    g_autoptr(WorkspaceRow) row = NULL;
    WorldContainer container = house_container(house, id);
    g_autofree char *config = NULL;
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u", container.port);

    if (!container.exists)
        return "not exactly one container";
    if (container.state != CONTAINER_RUNNING)
        return "the container does not run";
    if (!runtime || container.labels.generation != runtime->generation)
        return "the container is of another generation";
    if (runtime->phase != RUNTIME_STARTED && runtime->phase != RUNTIME_READY)
        return "the phase is not started";
    if (g_strcmp0(runtime->container_id, container.id) != 0)
        return "another container is recorded";
    if (!container.has_agent || strcmp(container.entrypoint, "/workspaced/agent") != 0)
        return "no agent inside";
    config = house_file(house, &container, "config.yaml");
    if (!config || !*config)
        return "no configuration";
    g_assert_true(store_workspace_load(house->db, id, &row, NULL));
    if (row->status != WORKSPACE_ONLINE)
        return "not online";
    if (g_strcmp0(row->url, url) != 0 || !row->url_is_minted ||
        g_strcmp0(runtime->address, url) != 0)
        return "not reachable where it is";
    if (house_count_volumes(house, id) != volumes)
        return "not exactly its volumes";
    return house_check_token(house, runtime, &container);
}

/* A workspace without sessions. */
static inline const char *house_check_running(House *house, const char *id)
{
    return house_check_running_with(house, id, 2);
}

static inline const char *house_check_stopped(House *house, const char *id)
{
    g_autoptr(RuntimeRow) runtime = house_runtime(house, id);

    if (house_count_containers(house, id) != 0)
        return "a container is left";
    return runtime && runtime->phase == RUNTIME_GONE ? NULL : "the phase is not gone";
}

static inline const char *house_check_gone(House *house, const char *id)
{
    g_autoptr(RuntimeRow) runtime = house_runtime(house, id);
    g_autoptr(GPtrArray) intents = store_garbage_list_of(house->db, id, NULL);

    if (house_count_containers(house, id) != 0)
        return "a container is left";
    if (house_count_volumes(house, id) != 0)
        return "a volume is left";
    if (intents->len != 0)
        return "an intent is left";
    return runtime ? "the wish is left" : NULL;
}

static inline const char *house_check_failed(House *house, const char *id)
{
    g_autoptr(RuntimeRow) runtime = house_runtime(house, id);
    WorldContainer container = house_container(house, id);

    if (!runtime || runtime->phase != RUNTIME_FAILED)
        return "the phase is not failed";
    if (house_status(house, id) != WORKSPACE_FAILED)
        return "the status is not failed";
    if (house_told(house, "WORKSPACE_PROVISION_FAILED") == 0)
        return "nobody was told"; /* comes a moment after the rows */
    return container.exists && container.state == CONTAINER_RUNNING ? "it still runs" : NULL;
}

typedef const char *(*HouseCheck)(House *house, const char *id);

/* Waits until `check` is content; `step_us` of the clock pass in each round, and with them the
 * workspace is poked (0: neither). */
static inline void house_settle(House *house, const char *id, HouseCheck check, gint64 step_us)
{
    gint64 deadline_us = g_get_monotonic_time() + HOUSE_PATIENCE_US;
    const char *wrong = NULL;

    for (;;) {
        house_tend(house);
        wrong = check(house, id);
        if (!wrong)
            return;
        if (g_get_monotonic_time() > deadline_us)
            g_error("workspace %s: %s (fault %d at call %u)", id, wrong, house->world->fault,
                    house->world->fail_at);
        if (step_us) {
            clock_advance(step_us);
            reconciler_poke(house->reconciler, id);
        }
        g_usleep(1000);
    }
}
