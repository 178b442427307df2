/* What must be true, whatever fails. */
#include "random.h"

#define SETTLE_PATIENCE_US                                                                         \
    (60 * G_USEC_PER_SEC) /* real time; the clock runs some thousand times faster */
#define SETTLE_STEP_US (500 * 1000)
#define STRAY_HOURS    26 /* a volume that nobody explains is kept for a day */
#define STRAY_ROUNDS   100

WorldContainer model_running(RandomRun *run, const char *id)
{
    WorldContainer found = {0};

    world_lock(run->house.world);
    for (guint i = 0; i < WORLD_CONTAINERS && !found.exists; i++) {
        const WorldContainer *container = &run->house.world->containers[i];

        if (container->exists && container->state == CONTAINER_RUNNING &&
            strcmp(container->labels.workspace, id) == 0 &&
            strcmp(container->labels.installation, HOUSE_INSTALLATION) == 0)
            found = *container;
    }
    world_unlock(run->house.world);
    return found;
}

/* ---- At any moment ---- */

static gboolean is_ours(const WorldLabels *labels)
{
    return strcmp(labels->installation, HOUSE_INSTALLATION) == 0;
}

/* NULL, or what is wrong with the volumes of a living workspace. */
static const char *check_marks_locked(RandomRun *run, const ModelSlot *slot)
{
    GHashTableIter iter;
    gpointer name = NULL;

    g_hash_table_iter_init(&iter, slot->marks);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        WorldVolume *volume = world_find_volume(run->house.world, name);
        const WorldFile *file = volume ? world_file(volume, MARK_FILE) : NULL;

        if (!volume)
            return name;
        if (!file || !g_str_has_prefix(file->content, slot->id))
            return name;
    }
    return NULL;
}

static void check_data(RandomRun *run)
{
    for (guint i = 0; i < RANDOM_SLOTS; i++) {
        g_autofree char *lost = NULL;
        g_autofree char *id = NULL;

        mutex_lock(&run->lock);
        world_lock(run->house.world);
        if (run->slots[i].state == SLOT_LIVE) {
            lost = g_strdup(check_marks_locked(run, &run->slots[i]));
            id = g_strdup(run->slots[i].id);
        }
        world_unlock(run->house.world);
        mutex_unlock(&run->lock);
        if (lost)
            random_fail(run, "the living workspace %s lost its volume %s", id, lost);
    }
}

static void check_foreign(RandomRun *run)
{
    for (guint i = 0; i < RANDOM_FOREIGN; i++) {
        const ModelForeign *foreign = &run->foreign[i];
        int state = -1;

        if (!foreign->exists)
            continue;
        if (foreign->is_volume ? !world_has_volume(run->house.world, foreign->name)
                               : (state = world_state(run->house.world, foreign->id)) < 0)
            random_fail(run, "the foreign object %s was removed", foreign->name);
        if (!foreign->is_volume && state != (int)foreign->state)
            random_fail(run, "the foreign container %s was touched", foreign->name);
    }
}

static void check_single(RandomRun *run)
{
    g_autoptr(GHashTable) running = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *twice = NULL;

    world_lock(run->house.world);
    for (guint i = 0; i < WORLD_CONTAINERS && !twice; i++) {
        const WorldContainer *container = &run->house.world->containers[i];

        if (container->exists && container->state == CONTAINER_RUNNING &&
            is_ours(&container->labels) &&
            !g_hash_table_add(running, g_strdup(container->labels.workspace)))
            twice = g_strdup(container->labels.workspace);
    }
    world_unlock(run->house.world);
    if (twice)
        random_fail(run, "two containers of %s run at once", twice);
}

static void check_dead_token(RandomRun *run, const char *token, const char *id)
{
    TokenOwner owner = {0};
    gboolean found = FALSE;

    if (tokens_check(run->house.tokens, token, &owner, &found, NULL) && found)
        random_fail(run, "a token of the removed workspace %s is live", id);
}

/* All tokens ever seen whose workspace has gone. */
static void check_tokens(RandomRun *run)
{
    g_autoptr(GPtrArray) dead = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer token = NULL, id = NULL;

    mutex_lock(&run->lock);
    g_hash_table_iter_init(&iter, run->tokens);
    while (g_hash_table_iter_next(&iter, &token, &id))
        if (g_hash_table_contains(run->removed, id)) {
            g_ptr_array_add(dead, g_strdup(token));
            g_ptr_array_add(dead, g_strdup(id));
        }
    mutex_unlock(&run->lock);
    for (guint i = 0; i < dead->len; i += 2)
        check_dead_token(run, dead->pdata[i], dead->pdata[i + 1]);
}

void model_look(RandomRun *run)
{
    check_data(run);
    check_foreign(run);
    check_single(run);
}

/* ---- After all faults ---- */

static void wish_again(RandomRun *run, const char *id)
{
    gboolean changed = FALSE;

    if (store_workspace_mark_provisioning(run->house.db, id, STORE_FROM_RESTART, &changed, NULL))
        house_wish(&run->house, id, RUNTIME_RUNNING, NULL);
}

static const char *check_frozen(RandomRun *run, const char *id, WorkspaceStatus status)
{
    WorldContainer container = house_container(&run->house, id);

    if (status != WORKSPACE_HIBERNATED)
        return "it is wished frozen and does not say so";
    return container.exists && container.state == CONTAINER_PAUSED ? NULL : "it is not frozen";
}

/* NULL: its place in the chart is what was answered, in the database and in memory. */
static const char *check_place(RandomRun *run, const ModelSlot *slot)
{
    const ModelSlot *parent = slot->parent < 0 ? NULL : &run->slots[slot->parent];
    g_autoptr(OrgNode) node = org_tree_find(run->house.tree, slot->id);
    g_autoptr(WorkspaceRow) row = NULL;
    int above = slot->parent;

    g_assert_true(store_workspace_load(run->house.db, slot->id, &row, NULL));
    if (parent && parent->state != SLOT_LIVE)
        return "it lives below a removed one";
    if (strcmp(row->parent_id, parent ? parent->id : "") != 0)
        return "it has another parent";
    if (!node || strcmp(org_node_row(node)->parent_id, row->parent_id) != 0 ||
        org_node_row(node)->status != row->status)
        return "memory knows another place or status";
    for (guint depth = 0; above >= 0; depth++) {
        if (depth == RANDOM_SLOTS)
            return "it is below itself";
        above = run->slots[above].parent;
    }
    return NULL;
}

/* NULL: it is as it is wished. */
static const char *check_wish(RandomRun *run, const ModelSlot *slot)
{
    const char *id = slot->id;
    g_autoptr(RuntimeRow) runtime = house_runtime(&run->house, id);
    WorkspaceStatus status = house_status(&run->house, id);

    if (!runtime)
        return "it has no wish";
    switch (runtime->desired) {
    case RUNTIME_RUNNING:
        if (runtime->phase == RUNTIME_FAILED) { /* its end was decided; somebody asks again */
            if (model_running(run, id).exists)
                return "it has failed and runs";
            wish_again(run, id);
            return "it has failed";
        }
        return house_check_running_with(&run->house, id, slot->has_sessions ? 3 : 2);
    case RUNTIME_STOPPED:
        if (status != WORKSPACE_PAUSED && status != WORKSPACE_HIBERNATED)
            return "it is wished stopped and does not say so";
        return house_check_stopped(&run->house, id);
    case RUNTIME_FROZEN:
        return check_frozen(run, id, status);
    case RUNTIME_ABSENT:
        break;
    }
    return "it lives and is wished absent";
}

/* NULL: no token but of the living is live. */
static char *check_token_rows(RandomRun *run, GHashTable *living)
{
    static const char sql[] =
        "SELECT DISTINCT workspace_id FROM workspace_auth_tokens WHERE revoked_at IS NULL";
    g_autoptr(DbRows) rows = db_query(run->house.db, sql, NULL);

    g_assert_nonnull(rows);
    while (db_rows_next(rows))
        if (!g_hash_table_contains(living, db_rows_text(rows, 0)))
            return g_strdup_printf("a token of %s is live", db_rows_text(rows, 0));
    return NULL;
}

/* Nothing but the living has anything: containers, volumes, wishes, intents. Caller owns it. */
static char *check_rest(RandomRun *run, gboolean strays_too)
{
    g_autoptr(GPtrArray) wishes = store_runtime_list(run->house.db, NULL);
    g_autoptr(GHashTable) living = g_hash_table_new(g_str_hash, g_str_equal);
    gint64 pending = 0, oldest_us = 0;
    char *wrong = NULL;

    for (guint i = 0; i < RANDOM_SLOTS; i++)
        if (run->slots[i].state == SLOT_LIVE)
            g_hash_table_add(living, run->slots[i].id);
    for (guint i = 0; i < wishes->len; i++) { /* started agents that nobody has taken yet */
        RuntimeRow *row = wishes->pdata[i];

        if (row->warm_key && row->desired == RUNTIME_RUNNING)
            g_hash_table_add(living, row->workspace_id);
    }
    for (guint i = 0; i < wishes->len && !wrong; i++) {
        const RuntimeRow *row = wishes->pdata[i];

        if (!g_hash_table_contains(living, row->workspace_id))
            wrong = g_strdup_printf(
                "a wish of %s is left: %s, generation %d, %s, attempts %d, next in %d s: %s",
                row->workspace_id, runtime_desired_name(row->desired), (int)row->generation,
                runtime_phase_name(row->phase), (int)row->attempts,
                (int)((row->next_attempt_at_us - clock_now_us()) / CLOCK_SECOND_US),
                row->last_error ? row->last_error : "no error");
    }
    if (!wrong)
        wrong = check_token_rows(run, living);
    g_assert_true(store_garbage_count(run->house.db, G_MAXINT64, &pending, &oldest_us, NULL));
    if (pending && strays_too && !wrong)
        wrong = g_strdup_printf("%d intents are left", (int)pending);
    world_lock(run->house.world);
    for (guint i = 0; i < WORLD_CONTAINERS && !wrong; i++) {
        const WorldContainer *one = &run->house.world->containers[i];

        if (one->exists && is_ours(&one->labels) &&
            !g_hash_table_contains(living, one->labels.workspace) &&
            (strays_too || g_hash_table_contains(run->removed, one->labels.workspace)))
            wrong = g_strdup_printf("container %s is left", one->name);
    }
    for (guint i = 0; i < WORLD_VOLUMES && !wrong; i++) {
        const WorldVolume *one = &run->house.world->volumes[i];

        if (one->exists && is_ours(&one->labels) &&
            !g_hash_table_contains(living, one->labels.workspace) &&
            (strays_too || g_hash_table_contains(run->removed, one->labels.workspace)))
            wrong = g_strdup_printf("volume %s is left", one->name);
    }
    world_unlock(run->house.world);
    return wrong;
}

static char *describe(RandomRun *run, const char *id, const char *wrong)
{
    g_autoptr(RuntimeRow) row = house_runtime(&run->house, id);

    if (!row)
        return g_strdup_printf("workspace %s: %s", id, wrong);
    return g_strdup_printf(
        "workspace %s: %s (status %s; wish %s, generation %d, %s, attempts %d; %s)", id, wrong,
        workspace_status_name(house_status(&run->house, id)), runtime_desired_name(row->desired),
        (int)row->generation, runtime_phase_name(row->phase), (int)row->attempts,
        row->last_error ? row->last_error : "no error");
}

static char *check_all(RandomRun *run, gboolean strays_too)
{
    for (guint i = 0; i < RANDOM_SLOTS; i++) {
        const ModelSlot *slot = &run->slots[i];
        const char *wrong = slot->state == SLOT_LIVE ? check_place(run, slot) : NULL;

        if (slot->state == SLOT_LIVE && !wrong)
            wrong = check_wish(run, slot);
        if (wrong)
            return describe(run, slot->id, wrong);
    }
    return check_rest(run, strays_too);
}

static void settle(RandomRun *run, gboolean strays_too)
{
    gint64 deadline_us = g_get_monotonic_time() + SETTLE_PATIENCE_US;
    g_autofree char *wrong = NULL;

    for (guint round = 0;; round++) {
        g_free(wrong);
        wrong = check_all(run, strays_too);
        if (!wrong)
            return;
        if (strays_too && round % STRAY_ROUNDS == STRAY_ROUNDS - 1)
            clock_advance(STRAY_HOURS * CLOCK_HOUR_US);
        if (g_get_monotonic_time() > deadline_us)
            random_fail(run, "after all faults: %s", wrong);
        g_usleep(5000);
    }
}

/* Nobody is at work and nothing fails: the model stands still, its lock is not needed. */
void model_settle(RandomRun *run)
{
    int step_us = atomic_load(&run->clock_step_us);

    while (atomic_load(&run->busy))
        g_usleep(1000);
    run->has_faults = FALSE;
    engine_fault_set_plan(run->house.engine, NULL);
    world_write(run->house.world, &run->house.world->is_down, FALSE);
    atomic_store(&run->clock_step_us, SETTLE_STEP_US);
    settle(run, FALSE);
    model_look(run);
    settle(run, TRUE);
    model_look(run);
    check_tokens(run);
    atomic_store(&run->clock_step_us, step_us);
}

/* ---- Foreigners ---- */

static void add_foreign(RandomRun *run, ModelForeign *foreign, guint64 chance)
{
    static const char *const names[] = {"ws-a", "my-ws-tool", "ws-deadbeef-123", "redis"};
    const ModelSlot *slot = &run->slots[chance % RANDOM_SLOTS];
    WorldLabels labels = {0};
    gboolean is_near = FALSE;
    World *world = run->house.world;

    *foreign = (ModelForeign){.is_volume = chance >> 8 & 1};
    mutex_lock(&run->lock);
    is_near = slot->state == SLOT_LIVE && chance >> 9 & 1;
    if (is_near) { /* it has the name that a workspace would like to have, and maybe its label */
        g_autofree char *name =
            foreign->is_volume
                ? volume_name_dup(slot->id, (VolumeKind)((chance >> 13) % VOLUME_KINDS), FALSE)
                : container_name_dup(slot->id, FALSE);
        g_strlcpy(foreign->name, name, sizeof foreign->name);
        g_strlcpy(labels.workspace, slot->id, sizeof labels.workspace);
        if (chance >> 10 & 1)
            g_strlcpy(labels.installation, "another", sizeof labels.installation);
    } else {
        g_snprintf(foreign->name, sizeof foreign->name, "%s-%u", names[chance >> 11 & 3],
                   (guint)(chance >> 16 & 0xffff));
    }
    mutex_unlock(&run->lock);
    world_lock(world);
    if (foreign->is_volume && !world_find_volume(world, foreign->name)) {
        world_add_volume(world, foreign->name)->labels = labels;
        foreign->exists = TRUE;
    } else if (!foreign->is_volume && !world_find(world, foreign->name)) {
        WorldContainer *container = world_add_container(world, foreign->name);

        container->labels = labels;
        container->state = foreign->state = chance >> 12 & 1 ? CONTAINER_RUNNING : CONTAINER_EXITED;
        g_strlcpy(foreign->id, container->id, sizeof foreign->id);
        foreign->exists = TRUE;
    }
    world_unlock(world);
}

void model_change_foreign(RandomRun *run, guint64 chance)
{
    ModelForeign *foreign = &run->foreign[(chance >> 32) % RANDOM_FOREIGN];
    World *world = run->house.world;

    if (!foreign->exists) {
        add_foreign(run, foreign, chance);
        return;
    }
    check_foreign(run);
    world_lock(world);
    if (foreign->is_volume)
        world_find_volume(world, foreign->name)->exists = FALSE;
    else
        world_find(world, foreign->id)->exists = FALSE;
    foreign->exists = FALSE;
    world_unlock(world);
}

void model_leak(RandomRun *run, guint64 chance)
{
    World *world = run->house.world;
    char id[ID_SIZE];
    g_autofree char *name = NULL;
    WorldLabels labels = {.installation = HOUSE_INSTALLATION, .generation = 1};

    id_make(id);
    g_strlcpy(labels.workspace, id, sizeof labels.workspace);
    world_lock(world);
    if (chance & 1) {
        name = volume_name_dup(id, VOLUME_CONFIGS, FALSE);
        g_strlcpy(labels.kind, ENGINE_KIND_VOLUME_CONFIGS, sizeof labels.kind);
        world_add_volume(world, name)->labels = labels;
    } else {
        WorldContainer *container = NULL;

        name = container_name_dup(id, FALSE);
        container = world_add_container(world, name);
        g_strlcpy(labels.kind, chance & 2 ? ENGINE_KIND_WORKSPACE : ENGINE_KIND_HELPER,
                  sizeof labels.kind);
        container->labels = labels;
        container->state = chance & 4 ? CONTAINER_RUNNING : CONTAINER_CREATED;
        world_tell(world, ENGINE_EVENT_START, container);
    }
    world_unlock(world);
}
