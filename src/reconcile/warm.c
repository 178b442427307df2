#include "reconcile/warm.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "reconcile/internal.h"
#include "reconcile/warm_plan.h"
#include "store/warm.h"

#include <string.h>

#define KEY_HASH_BYTES 8
#define TIER_DEFAULT   2
#define NEVER          G_MAXINT64
#define REFILL_WAIT_US (250 * 1000)

struct _Warm {
    Reconciler *reconciler;
    GPtrArray *targets;  /* WarmTarget; keys are constant, digests the watching thread's */
    atomic_llong due_us; /* monotonic; NEVER: with the next pass */
    atomic_uint ready;
    atomic_ullong handed_over, missed, refused;
};

/* ---- What a member is made for ---- */

static gint64 default_tier(const Reconciler *reconciler)
{
    const Config *config = reconciler->options.config;

    return config ? config->default_tier : TIER_DEFAULT;
}

/* The program is the agent of every member, so another one makes them unfit. */
static void hash_agent(GChecksum *sum, const char *path)
{
    g_autoptr(GMappedFile) file = path ? g_mapped_file_new(path, FALSE, NULL) : NULL;

    if (file && g_mapped_file_get_length(file))
        g_checksum_update(sum, (const guchar *)g_mapped_file_get_contents(file),
                          (gssize)g_mapped_file_get_length(file));
}

/* All that decides a container and that the hand-over cannot change. */
static char *make_key(const Reconciler *reconciler, const char *image)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    TierCaps caps = {0};
    g_autofree char *facts = NULL;

    /* A tier that is forbidden fails at the start, with its sentence. */
    if (!tier_caps(default_tier(reconciler), &reconciler->tiers, NULL, &caps, NULL))
        caps.tier = default_tier(reconciler);
    facts =
        g_strdup_printf(WORKSPACED_VERSION "\n%s\n%s\n%s\n%" G_GINT64_FORMAT " %" G_GINT64_FORMAT
                                           " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT "\n",
                        image, reconciler->options.network,
                        reconciler->options.engine ? engine_name(reconciler->options.engine) : "",
                        caps.tier, caps.memory_bytes, caps.nano_cpus, caps.pids_limit);
    g_checksum_update(sum, (const guchar *)facts, -1);
    hash_agent(sum, reconciler->options.agent_path);
    if (reconciler->options.secrets_key) /* members know a key that was derived from it */
        g_checksum_update(sum, reconciler->options.secrets_key, CRYPTO_KEY_SIZE);
    return g_strdup_printf("%s %.*s", image, 2 * KEY_HASH_BYTES, g_checksum_get_string(sum));
}

Warm *warm_new(Reconciler *reconciler, GError **error)
{
    const Config *config = reconciler->options.config;
    Engine *engine = reconciler->options.engine;
    /* A hosted machine belongs to one workspace from its order on. */
    gboolean may_stock = config && !(engine && engine_is_hosted(engine));
    g_autoptr(GPtrArray) targets = warm_targets_parse(may_stock ? config->warm_pool : NULL, error);
    Warm *warm = NULL;

    if (!targets)
        return NULL;
    if (targets->len > 0 && reconciler->options.engine &&
        engine_is_hosted(reconciler->options.engine)) {
        log_warning("WARM_POOL has no effect: this engine's machines cannot be handed over");
        g_ptr_array_set_size(targets, 0);
    }
    for (guint i = 0; i < targets->len; i++) {
        WarmTarget *target = targets->pdata[i];
        target->key = make_key(reconciler, target->image);
    }
    warm = g_new0(Warm, 1);
    warm->reconciler = reconciler;
    atomic_init(&warm->due_us, NEVER);
    warm->targets = g_steal_pointer(&targets);
    return warm;
}

void warm_free(Warm *warm)
{
    if (!warm)
        return;
    g_ptr_array_unref(warm->targets);
    g_free(warm);
}

WorkspaceRow *warm_stand_in(const Reconciler *reconciler, const RuntimeRow *runtime)
{
    WorkspaceRow *row = workspace_row_new();
    g_autofree char *image = warm_key_image_dup(runtime->warm_key);

    memcpy(row->id, runtime->workspace_id, ID_SIZE);
    row->name = g_strdup("");
    row->status = WORKSPACE_ONLINE; /* nothing waits for an agent's registration */
    row->runtime = g_strdup(RUNTIME_BUILTIN);
    row->tier = default_tier(reconciler);
    row->workspace_access = g_strdup("none");
    if (strcmp(image, WARM_BUILTIN) != 0)
        row->image = g_steal_pointer(&image);
    return row;
}

/* ---- Orders ---- */

const char *reconciler_warm_key(Reconciler *reconciler, const char *image)
{
    const GPtrArray *targets = reconciler->warm->targets;

    if (!reconciler->options.engine)
        return NULL;
    for (guint i = 0; i < targets->len; i++) {
        const WarmTarget *target = targets->pdata[i];

        if (target->count > 0 && strcmp(target->image, image ? image : WARM_BUILTIN) == 0)
            return target->key;
    }
    return NULL;
}

void reconciler_warm_note(Reconciler *reconciler, gboolean was_handed_over)
{
    Warm *warm = reconciler->warm;

    guint ready = atomic_load(&warm->ready); /* exact again when the stock is tended */

    atomic_fetch_add(was_handed_over ? &warm->handed_over : &warm->missed, 1);
    if (was_handed_over && ready > 0)
        atomic_compare_exchange_strong(&warm->ready, &ready, ready - 1);
}

void warm_count_refused(Warm *warm)
{
    atomic_fetch_add(&warm->refused, 1);
}

void warm_status(Warm *warm, ReconcilerStatus *status)
{
    status->warm_wished = 0;
    for (guint i = 0; i < warm->targets->len; i++)
        status->warm_wished += ((WarmTarget *)warm->targets->pdata[i])->count;
    status->warm_ready = atomic_load(&warm->ready);
    status->warm_handed_over = atomic_load(&warm->handed_over);
    status->warm_missed = atomic_load(&warm->missed);
    status->warm_refused = atomic_load(&warm->refused);
}

static void want_at(Warm *warm, gint64 due_us)
{
    long long former = atomic_load(&warm->due_us);

    while (due_us < former && !atomic_compare_exchange_weak(&warm->due_us, &former, due_us))
        ;
    reconciler_want_review(warm->reconciler);
}

void warm_want(Warm *warm)
{
    want_at(warm, 0);
}

void warm_want_soon(Warm *warm)
{
    want_at(warm, clock_monotonic_us() + REFILL_WAIT_US);
}

gint64 warm_due_us(Warm *warm)
{
    return atomic_load(&warm->due_us);
}

/* ---- Tending ---- */

static gboolean may_act(Reconciler *reconciler)
{
    gboolean may = FALSE;

    mutex_lock(&reconciler->lock);
    may = reconciler->status.engine_up && !reconciler->status.held;
    mutex_unlock(&reconciler->lock);
    return may && reconciler->options.engine && !executor_is_stopping(reconciler->executor);
}

static void look_at_image(Reconciler *reconciler, WarmTarget *target)
{
    const ReconcilerOptions *options = &reconciler->options;
    g_autofree char *image = NULL;
    char *digest = NULL;

    g_clear_pointer(&target->digest, g_free);
    if (target->count == 0)
        return;
    if (strcmp(target->image, WARM_BUILTIN) != 0)
        image = g_strdup(target->image);
    else if (!options->base_image ||
             !options->base_image(options->engine, &image, options->base_image_data, NULL))
        return;
    if (engine_image_inspect(options->engine, image, &digest, NULL))
        target->digest = digest;
}

static gboolean drop_all(Db *db, const WarmPlan *plan, GError **error)
{
    for (guint i = 0; i < plan->drop->len; i++) {
        gboolean dropped = FALSE;

        if (!store_warm_drop(db, plan->drop->pdata[i], &dropped, error))
            return FALSE;
    }
    return TRUE;
}

/* `ids` gets the ids of the new ones. */
static gboolean add_all(Db *db, const WarmPlan *plan, GPtrArray *ids, GError **error)
{
    for (guint i = 0; i < plan->add->len; i++) {
        g_autofree char *id = g_malloc0(ID_SIZE);

        if (!store_warm_insert(db, plan->add->pdata[i], id, error))
            return FALSE;
        g_ptr_array_add(ids, g_steal_pointer(&id));
    }
    return TRUE;
}

static void poke_all(Reconciler *reconciler, const GPtrArray *ids)
{
    for (guint i = 0; i < ids->len; i++)
        executor_poke(reconciler->executor, ids->pdata[i]);
}

/* Under the lock, so that two servers on one database do not both fill the same gap. */
static gboolean change(Warm *warm, GError **error)
{
    Db *db = warm->reconciler->options.db;
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(DbTransaction) transaction = db_begin(db, error);
    g_autoptr(GPtrArray) rows = NULL;
    g_auto(WarmPlan) plan = {0};

    if (!transaction || !store_warm_lock(db, error) || !(rows = store_runtime_list_warm(db, error)))
        return FALSE;
    warm_plan_make(warm->targets, rows, &plan);
    if (!drop_all(db, &plan, error) || !add_all(db, &plan, ids, error) ||
        !db_commit(&transaction, error))
        return FALSE;
    log_info("the stock of started agents changes", LOG_INT("ready", plan.ready),
             LOG_INT("added", ids->len), LOG_INT("dropped", plan.drop->len));
    poke_all(warm->reconciler, ids);
    poke_all(warm->reconciler, plan.drop);
    return TRUE;
}

static gboolean tend(Warm *warm, GError **error)
{
    g_autoptr(GPtrArray) rows = store_runtime_list_warm(warm->reconciler->options.db, error);
    g_auto(WarmPlan) plan = {0};

    if (!rows)
        return FALSE;
    warm_plan_make(warm->targets, rows, &plan);
    atomic_store(&warm->ready, plan.ready);
    return (plan.drop->len == 0 && plan.add->len == 0) || change(warm, error);
}

void warm_tend(Warm *warm, gboolean is_pass)
{
    g_autoptr(GError) cause = NULL;

    if (!is_pass && clock_monotonic_us() < warm_due_us(warm))
        return;
    atomic_store(&warm->due_us,
                 NEVER); /* before the look: what changes from now on is seen later */
    if (!may_act(warm->reconciler))
        return;
    for (guint i = 0; is_pass && i < warm->targets->len; i++)
        look_at_image(warm->reconciler, warm->targets->pdata[i]);
    if (!tend(warm, &cause))
        log_warning("the stock of started agents waits", LOG_CAUSE(cause));
}

/* ---- A member that failed ---- */

/* Recorded before its container goes: from then on nobody can take it. */
gboolean warm_failed(Look *look, const ContainerInfo *container, const RuntimeFailure *failure,
                     const char *why, GError **error)
{
    Reconciler *reconciler = look->reconciler;
    gint64 now_us = clock_now_us();
    /* One that ran for a while is replaced at once. */
    gint64 again_us = container && container->started_at_us ? container->started_at_us + WARM_TRY_US
                                                            : now_us + WARM_TRY_US;
    gboolean is_live = container && (container->state == CONTAINER_RUNNING ||
                                     container->state == CONTAINER_RESTARTING);
    gboolean current = FALSE;

    log_warning("a started agent of the stock failed", LOG_TEXT("workspace", look->id),
                LOG_TEXT("key", look->runtime->warm_key),
                LOG_INT("attempts", look->runtime->attempts + 1), LOG_TEXT("why", why));
    if (!store_warm_back_off(reconciler->options.db, look->id, look->runtime->generation,
                             CLAMP(again_us, now_us, now_us + WARM_TRY_US), failure, &current,
                             error))
        return FALSE;
    if (!current)
        return error_set(error, ERROR_SUPERSEDED, "it was taken or is not wanted any more");
    watch_forget(reconciler->watch, look->id);
    warm_want(reconciler->warm);
    return !is_live || remove_container(look, container, why, error);
}
