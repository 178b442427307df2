/* What clients ask for, and what agents do. Every call here is one that a request makes. */
#include "lifecycle/bootstrap.h"
#include "random.h"

#define AGENTS_PAUSE_US 4000
#define HEARTBEAT_US    (20 * CLOCK_SECOND_US)
#define LIVENESS_US     (5 * CLOCK_SECOND_US)

/* Nobody is told to try again because two requests waited for each other. */
#define TRY_AGAIN "try again"

gboolean random_is_refusal(const GError *error)
{
    if (strstr(error->message, TRY_AGAIN))
        return FALSE;
    return error_is(error, ERROR_NOT_FOUND) || error_is(error, ERROR_GONE) ||
           error_is(error, ERROR_CONFLICT) || error_is(error, ERROR_INVALID);
}

/* ---- Changes of wish ---- */

static gboolean restart(RandomRun *run, const char *id, guint64 chance, GError **error)
{
    g_auto(RestartOrder) order = {0};
    g_auto(WorkspaceRestarted) restarted = {0};

    if ((chance >> 1 & 3) == 0)
        order.template_name = g_strdup(RANDOM_TEMPLATE);
    return chance & 1 ? lifecycle_repair(&run->lifecycle, id, "a test", NULL, error)
                      : lifecycle_restart(&run->lifecycle, id, &order, &restarted, error);
}

static gboolean pause_tree(RandomRun *run, const char *id, guint64 chance, GError **error)
{
    guint count = 0;

    (void)chance;
    return lifecycle_pause(&run->lifecycle, id, &count, error);
}

static gboolean resume(RandomRun *run, const char *id, guint64 chance, GError **error)
{
    WorkspaceResumed resumed = {0};

    (void)chance;
    return lifecycle_resume(&run->lifecycle, id, &resumed, error);
}

static gboolean hibernate(RandomRun *run, const char *id, guint64 chance, GError **error)
{
    WorkspaceHibernated hibernated = {0};

    return lifecycle_hibernate(&run->lifecycle, id, chance & 1, &hibernated, error);
}

static gboolean wake(RandomRun *run, const char *id, guint64 chance, GError **error)
{
    (void)chance;
    (void)error;
    lifecycle_wake(&run->lifecycle, id);
    return TRUE;
}

static gboolean bootstrap_failed(RandomRun *run, const char *id, guint64 chance, GError **error)
{
    g_auto(BootstrapFailure) failure = {0};
    gboolean changed = FALSE;

    (void)chance;
    bootstrap_failure_make("it did not start", NULL, &failure);
    return lifecycle_bootstrap_failed(&run->lifecycle, id, &failure, &changed, error);
}

typedef gboolean (*Change)(RandomRun *run, const char *id, guint64 chance, GError **error);

static const Change changes[ORDER_KINDS] = {
    [ORDER_RESTART] = restart,     [ORDER_PAUSE] = pause_tree, [ORDER_RESUME] = resume,
    [ORDER_HIBERNATE] = hibernate, [ORDER_WAKE] = wake,        [ORDER_BOOTSTRAP] = bootstrap_failed,
};

static void do_change(RandomRun *run, const char *id, const Order *order)
{
    g_autoptr(GError) error = NULL;

    if (!changes[order->kind](run, id, order->chance, &error) && !random_is_refusal(error))
        random_fail(run, "change of wish %d: %s", order->kind, error->message);
}

/* ---- Sessions ---- */

/* From now on nobody expects the old ones; what is there after it must be new. */
static gboolean begin_reset(RandomRun *run, ModelSlot *slot, const char *id, guint *incarnation)
{
    gboolean may = FALSE;

    mutex_lock(&run->lock);
    may = slot->state == SLOT_LIVE && strcmp(slot->id, id) == 0;
    if (may) {
        *incarnation = slot->incarnation;
        slot->resets_under_way++;
        g_hash_table_remove(slot->marks, slot->sessions);
        *slot->sessions = '\0';
    }
    mutex_unlock(&run->lock);
    return may;
}

/* The wish of this moment is that of the reset, or a later one: whatever runs for it is new. */
static void end_reset(RandomRun *run, ModelSlot *slot, const char *id, guint incarnation,
                      gboolean is_done)
{
    g_autoptr(RuntimeRow) wish = house_runtime(&run->house, id);

    mutex_lock(&run->lock);
    if (slot->incarnation == incarnation) {
        slot->resets_under_way--;
        slot->resets += is_done;
        if (is_done && wish)
            slot->sessions_from = MAX(slot->sessions_from, wish->generation);
    }
    mutex_unlock(&run->lock);
}

static void do_reset(RandomRun *run, ModelSlot *slot, const char *id)
{
    const RestartOrder order = {.reset = TRUE};
    g_auto(WorkspaceRestarted) restarted = {0};
    g_autoptr(GError) error = NULL;
    guint incarnation = 0;

    if (!begin_reset(run, slot, id, &incarnation))
        return;
    if (!lifecycle_restart(&run->lifecycle, id, &order, &restarted, &error) &&
        !random_is_refusal(error))
        random_fail(run, "reset: %s", error->message);
    end_reset(run, slot, id, incarnation, !error);
    atomic_fetch_add(&run->resets_done, !error);
}

/* ---- Patches ---- */

static void do_patch(RandomRun *run, const char *id, guint64 chance)
{
    g_autofree char *body = g_strdup_printf("{\"name\":\"Renamed %u\",\"x\":%u,\"y\":1}",
                                            (guint)(chance & 0xff), (guint)(chance >> 8 & 0xff));
    WorkspacePatched patched = {0};
    JsonView view;
    g_autoptr(GError) error = NULL;

    g_assert_true(json_view_parse(body, strlen(body), JSON_ONE_VALUE, &view, NULL));
    if (!lifecycle_patch(&run->lifecycle, id, view, FALSE, &patched, &error) &&
        !random_is_refusal(error))
        random_fail(run, "patch: %s", error->message);
}

/* ---- Agents ---- */

static gboolean register_agent(RandomRun *run, const char *id, const char *url, const char *token,
                               GError **error)
{
    g_auto(RegisterBody) body = {.url = g_strdup(url), .agent_card = g_strdup("{}")};
    RegistryCaller caller = {.bearer = token};
    char fresh[CRYPTO_TOKEN_SIZE];

    g_strlcpy(body.id, id, ID_SIZE);
    return registry_register(run->registry, &body, &caller, fresh, error);
}

/* With a token that was once good: it must not be let in. */
static void do_stale_agent(RandomRun *run, guint64 chance)
{
    g_autofree char *token = NULL;
    g_autofree char *id = NULL;
    g_autoptr(GError) error = NULL;
    GHashTableIter iter;
    gpointer key = NULL, value = NULL;
    guint skip = (guint)(chance % 50);

    mutex_lock(&run->lock);
    g_hash_table_iter_init(&iter, run->tokens);
    while (!token && g_hash_table_iter_next(&iter, &key, &value))
        if (g_hash_table_contains(run->removed, value) && skip-- == 0) {
            token = g_strdup(key);
            id = g_strdup(value);
        }
    mutex_unlock(&run->lock);
    if (token && register_agent(run, id, "http://127.0.0.1:1", token, &error))
        random_fail(run, "an agent of the removed workspace %s was let in", id);
}

/* Leaves its file among the sessions, unless a reset may still take them away. */
static gboolean may_mark_sessions(RandomRun *run, ModelSlot *slot, const WorldContainer *container,
                                  WorldVolume *volume)
{
    g_autofree char *content = g_strdup_printf("%s %u", slot->id, slot->resets);
    const WorldFile *file = world_file(volume, MARK_FILE);

    if (slot->resets_under_way || container->labels.generation < slot->sessions_from)
        return FALSE;
    if (file && strcmp(file->content, content) != 0)
        random_fail(run, "the sessions of %s were kept over a reset: \"%s\", not \"%s\"", slot->id,
                    file->content, content);
    world_put_file(volume, MARK_FILE, content, (guint)strlen(content), 1000);
    g_strlcpy(slot->sessions, volume->name, sizeof slot->sessions);
    return TRUE;
}

static void leave_mark(RandomRun *run, ModelSlot *slot, const WorldContainer *container,
                       WorldVolume *volume)
{
    if (strcmp(volume->labels.kind, volume_kind_label(VOLUME_SESSIONS)) != 0)
        world_put_file(volume, MARK_FILE, slot->id, (guint)strlen(slot->id), 1000);
    else if (!may_mark_sessions(run, slot, container, volume))
        return;
    g_hash_table_add(slot->marks, g_strdup(volume->name));
}

static void leave_marks(RandomRun *run, ModelSlot *slot, const WorldContainer *seen)
{
    World *world = run->house.world;
    const WorldContainer *container = NULL;

    mutex_lock(&run->lock);
    world_lock(world);
    container = world_find(world, seen->id);
    if (slot->state == SLOT_LIVE && container && container->state == CONTAINER_RUNNING &&
        strcmp(slot->id, container->labels.workspace) == 0)
        for (guint i = 0; i < container->volume_count; i++)
            leave_mark(run, slot, container, world_find_volume(world, container->volumes[i]));
    world_unlock(world);
    mutex_unlock(&run->lock);
}

/* An agent that has just begun: it reads its token and registers, until it may. */
static void begin_agent(RandomRun *run, ModelSlot *slot, const char *id,
                        const WorldContainer *container)
{
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u", container->port);
    g_autofree char *token = house_file(&run->house, container, ".auth_token");

    if (!token || strlen(token) >= CRYPTO_TOKEN_SIZE)
        return;
    mutex_lock(&run->lock);
    g_hash_table_insert(run->tokens, g_strdup(token), g_strdup(id));
    mutex_unlock(&run->lock);
    if (!register_agent(run, id, url, token, NULL))
        return;
    g_strlcpy(slot->registered, container->id, sizeof slot->registered);
    g_strlcpy(slot->token, token, sizeof slot->token);
    slot->heartbeat_at_us = clock_now_us();
    leave_marks(run, slot, container);
}

static void beat(RandomRun *run, ModelSlot *slot, const char *id)
{
    g_auto(HeartbeatBody) body = {0};
    RegistryCaller caller = {.bearer = slot->token};

    if (clock_now_us() - slot->heartbeat_at_us < HEARTBEAT_US)
        return;
    g_strlcpy(body.workspace_id, id, ID_SIZE);
    slot->heartbeat_at_us = clock_now_us();
    (void)registry_heartbeat(run->registry, &body, &caller, NULL); /* it tries again */
}

static void tend(RandomRun *run, ModelSlot *slot)
{
    char id[ID_SIZE] = "";
    WorldContainer container;

    mutex_lock(&run->lock);
    if (slot->state == SLOT_LIVE)
        g_strlcpy(id, slot->id, ID_SIZE);
    mutex_unlock(&run->lock);
    if (!*id)
        return;
    container = model_running(run, id);
    if (!container.exists)
        return;
    if (strcmp(container.id, slot->registered) != 0)
        begin_agent(run, slot, id, &container);
    else
        beat(run, slot, id);
}

void random_agents(void *data)
{
    RandomRun *run = data;
    gint64 swept_at_us = 0;

    while (!atomic_load(&run->is_over)) {
        pthread_rwlock_rdlock(&run->rooms);
        for (guint i = 0; i < RANDOM_SLOTS; i++)
            tend(run, &run->slots[i]);
        if (clock_monotonic_us() - swept_at_us > LIVENESS_US) {
            swept_at_us = clock_monotonic_us();
            liveness_sweep(run->liveness);
            lifecycle_idle_sweep(&run->lifecycle);
        }
        pthread_rwlock_unlock(&run->rooms);
        clock_advance(atomic_load(&run->clock_step_us));
        g_usleep(AGENTS_PAUSE_US);
    }
}

/* ---- Clients ---- */

static void do_read(RandomRun *run, const char *id)
{
    g_autoptr(GBytes) text = NULL;
    char *url = NULL;

    if (!reconciler_logs(run->house.reconciler, id, 10, 1000, &text, NULL) &&
        reconciler_find_address(run->house.reconciler, id, &url))
        g_free(url);
}

static void do_order(RandomRun *run, const Order *order)
{
    char id[ID_SIZE] = "";
    ModelSlot *slot = &run->slots[order->slot];

    mutex_lock(&run->lock);
    if (slot->state == SLOT_LIVE)
        g_strlcpy(id, slot->id, ID_SIZE);
    mutex_unlock(&run->lock);
    if (order->kind == ORDER_CREATE)
        random_create(run, order->slot, order->chance);
    else if (order->kind == ORDER_STALE_AGENT)
        do_stale_agent(run, order->chance);
    else if (!*id)
        return;
    else if (order->kind == ORDER_REMOVE)
        random_remove(run, order->slot, order->chance);
    else if (order->kind == ORDER_COLLAPSE)
        random_collapse(run, order->slot);
    else if (order->kind == ORDER_MOVE)
        random_move(run, order->slot, order->chance);
    else if (order->kind == ORDER_RESET)
        do_reset(run, slot, id);
    else if (order->kind == ORDER_PATCH)
        do_patch(run, id, order->chance);
    else if (order->kind == ORDER_READ)
        do_read(run, id);
    else
        do_change(run, id, order);
}

void random_client(void *data)
{
    RandomRun *run = data;
    Order *order = NULL;

    while ((order = queue_pop(run->orders, G_MAXINT64))) {
        pthread_rwlock_rdlock(&run->rooms);
        do_order(run, order);
        pthread_rwlock_unlock(&run->rooms);
        g_free(order);
        atomic_fetch_sub(&run->busy, 1);
    }
}
