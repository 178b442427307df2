#include "reconcile/reconciler.h"

#include "base/clock.h"
#include "base/log.h"
#include "reconcile/internal.h"
#include "reconcile/warm.h"

#include <string.h>

#define START_LIMIT_DEFAULT      4 /* spec 02, 17.3 C */
#define STOP_LIMIT_DEFAULT       8
#define PASS_INTERVAL_DEFAULT_MS 30000
#define WAIT_NO_ENGINE_MS        1000 /* without an engine only what was never made can go */

typedef struct {
    const char *id; /* borrowed from the waiting thread */
    gboolean is_gone;
} Waiter;

/* ---- Making ---- */

static void fill_options(Reconciler *reconciler)
{
    ReconcilerOptions *options = &reconciler->options;

    if (!options->start_limit)
        options->start_limit = START_LIMIT_DEFAULT;
    if (!options->stop_limit)
        options->stop_limit = STOP_LIMIT_DEFAULT;
    if (!options->pass_interval_ms)
        options->pass_interval_ms = PASS_INTERVAL_DEFAULT_MS;
    if (!options->network || !*options->network)
        options->network = RECONCILE_NETWORK_DEFAULT;
    if (!options->runtimes)
        reconciler->own_runtimes = runtimes_new(NULL, NULL, NULL);
}

static TierOptions tier_options(const Config *config)
{
    if (!config)
        return (TierOptions){0};
    return (TierOptions){
        .memory_mb = {[2] = config->tier2_memory_mb,
                      [3] = config->tier3_memory_mb,
                      [4] = config->tier4_memory_mb},
        .cpu_shares = {[2] = config->tier2_cpu_shares,
                       [3] = config->tier3_cpu_shares,
                       [4] = config->tier4_cpu_shares},
        .forbid_privileged = !config->allow_privileged,
    };
}

Reconciler *reconciler_new(const ReconcilerOptions *options, GError **error)
{
    Reconciler *reconciler = NULL;
    char installation[ID_SIZE];

    if (!id_fold(options->installation, installation)) {
        error_set(error, ERROR_INVALID, "the installation id must be a UUID");
        return NULL;
    }
    reconciler = g_new0(Reconciler, 1);
    reconciler->options = *options;
    fill_options(reconciler);
    reconciler->tiers = tier_options(options->config);
    mutex_init(&reconciler->lock);
    condition_init(&reconciler->changed);
    reconciler->waiters = g_ptr_array_new();
    reconciler->sightings = sightings_new();
    reconciler->suspects = orphans_suspects_new();
    reconciler->containers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    reconciler->deletions = g_array_new(FALSE, TRUE, sizeof(ReconcilerDeletions));
    reconciler->watch = watch_new();
    reconciler->cancel = cancel_new();
    reconciler->status.has_engine = options->engine != NULL;
    reconciler->warm = warm_new(reconciler, error);
    if (options->engine)
        reconciler->images = images_new(options->engine, options->db, options->events);
    reconciler->executor = executor_new(&(ExecutorOptions){
        .classify = look_classify,
        .run = look_run,
        .data = reconciler,
        .start_limit = reconciler->options.start_limit,
        .stop_limit = reconciler->options.stop_limit,
    });
    if (!reconciler->warm)
        g_clear_pointer(&reconciler, reconciler_free);
    return reconciler;
}

void reconciler_start(Reconciler *reconciler)
{
    executor_start(reconciler->executor);
    reconciler->pass_thread = thread_start("reconcile-watch", engine_watch_run, reconciler);
    if (reconciler->options.engine && !engine_is_hosted(reconciler->options.engine))
        reconciler->event_thread = thread_start("engine-events", engine_events_run, reconciler);
}

/* Every engine call has its own deadline and every step ends in a durable state, so waiting for the
 * running calls is all that is to be done; pulls are ended. */
void reconciler_stop(Reconciler *reconciler, guint patience_ms)
{
    gint64 began_us = clock_monotonic_us();

    cancel_fire(reconciler->cancel);
    if (reconciler->images)
        images_stop(reconciler->images);
    if (reconciler->options.engine)
        engine_interrupt(reconciler->options.engine);
    mutex_lock(&reconciler->lock);
    condition_broadcast(&reconciler->changed);
    mutex_unlock(&reconciler->lock);
    executor_stop(reconciler->executor);
    thread_join(g_steal_pointer(&reconciler->pass_thread));
    thread_join(g_steal_pointer(&reconciler->event_thread));
    if (clock_monotonic_us() - began_us > (gint64)patience_ms * 1000)
        log_warning("an engine call took longer than the time to stop",
                    LOG_INT("duration_ms", (clock_monotonic_us() - began_us) / 1000));
}

void reconciler_free(Reconciler *reconciler)
{
    if (!reconciler)
        return;
    reconciler_stop(reconciler, G_MAXUINT);
    executor_free(reconciler->executor);
    images_free(reconciler->images);
    warm_free(reconciler->warm);
    watch_free(reconciler->watch);
    sightings_free(reconciler->sightings);
    g_ptr_array_unref(reconciler->suspects);
    g_hash_table_unref(reconciler->containers);
    g_ptr_array_unref(reconciler->waiters);
    g_array_unref(reconciler->deletions);
    engine_info_free(reconciler->host);
    runtimes_free(reconciler->own_runtimes);
    cancel_unref(reconciler->cancel);
    condition_clear(&reconciler->changed);
    mutex_clear(&reconciler->lock);
    g_free(reconciler);
}

/* ---- Being told ---- */

static void want(Reconciler *reconciler, gboolean *what)
{
    mutex_lock(&reconciler->lock);
    *what = TRUE;
    condition_broadcast(&reconciler->changed);
    mutex_unlock(&reconciler->lock);
}

/* Who does not answer may come back as somebody else: nothing begins until that is known. */
void reconciler_suspect_engine(Reconciler *reconciler)
{
    executor_pause(reconciler->executor, TRUE);
    want(reconciler, &reconciler->wants_ping);
}

void reconciler_want_pass(Reconciler *reconciler)
{
    want(reconciler, &reconciler->wants_pass);
}

void reconciler_want_review(Reconciler *reconciler)
{
    want(reconciler, &reconciler->wants_review);
}

void reconciler_poke(Reconciler *reconciler, const char *workspace_id)
{
    executor_poke(reconciler->executor, workspace_id);
    reconciler_want_review(reconciler);
}

/* The reasons are sentences of ours; as a word they can be a label of a metric. */
static void make_word(char *word, gsize size, const char *sentence)
{
    g_strlcpy(word, sentence, size);
    for (char *at = word; *at; at++)
        if (!g_ascii_isalnum(*at))
            *at = '_';
}

static ReconcilerDeletions *deletions_locked(Reconciler *reconciler, const ReconcilerDeletions *of)
{
    for (guint i = 0; i < reconciler->deletions->len; i++) {
        ReconcilerDeletions *known = &g_array_index(reconciler->deletions, ReconcilerDeletions, i);

        if (strcmp(known->kind, of->kind) == 0 && strcmp(known->reason, of->reason) == 0)
            return known;
    }
    g_array_append_val(reconciler->deletions, *of);
    return &g_array_index(reconciler->deletions, ReconcilerDeletions,
                          reconciler->deletions->len - 1);
}

gboolean reconciler_image_refresh(Reconciler *reconciler, const char *image, gint64 deadline_us,
                                  Cancel *cancel, char **before, char **after, GError **error)
{
    if (!reconciler->images)
        return error_set(error, ERROR_NOT_FOUND, "this server has no container engine");
    return images_refresh(reconciler->images, image, deadline_us, cancel, before, after, error);
}

gboolean reconciler_image_prune(Reconciler *reconciler, const char *repository, GError **error)
{
    guint removed = 0;

    return !reconciler->options.engine ||
           engine_image_prune(reconciler->options.engine, repository, &removed, error);
}

gboolean reconciler_image_find(Reconciler *reconciler, const char *image, char **digest,
                               GError **error)
{
    if (!reconciler->options.engine)
        return error_set(error, ERROR_NOT_FOUND, "this server has no container engine");
    return engine_image_inspect(reconciler->options.engine, image, digest, error);
}

void reconciler_count_deletion(Reconciler *reconciler, const char *kind, const char *reason)
{
    ReconcilerDeletions of = {0};

    g_strlcpy(of.kind, kind, sizeof of.kind);
    make_word(of.reason, sizeof of.reason, reason);
    mutex_lock(&reconciler->lock);
    reconciler->status.deletions++;
    deletions_locked(reconciler, &of)->count++;
    mutex_unlock(&reconciler->lock);
}

GArray *reconciler_deletions(Reconciler *reconciler)
{
    GArray *copy = NULL;

    mutex_lock(&reconciler->lock);
    copy = g_array_copy(reconciler->deletions);
    mutex_unlock(&reconciler->lock);
    return copy;
}

EngineInfo *reconciler_host_dup(Reconciler *reconciler)
{
    EngineInfo *copy = NULL;

    mutex_lock(&reconciler->lock);
    if (reconciler->host) {
        copy = g_memdup2(reconciler->host, sizeof *copy);
        copy->id = g_strdup(copy->id);
        copy->name = g_strdup(copy->name);
        copy->version = g_strdup(copy->version);
        copy->host_name = g_strdup(copy->host_name);
    }
    mutex_unlock(&reconciler->lock);
    return copy;
}

/* Docker makes a second network of the same name when it is asked twice at the same moment, and
 * then no container of that name's network can start; so only one thread at a time looks and makes.
 */
gboolean reconciler_ensure_network(Reconciler *reconciler, GError **error)
{
    const ReconcilerOptions *options = &reconciler->options;
    EngineLabels labels = {
        .installation = (char *)options->installation,
        .kind = (char *)ENGINE_KIND_NETWORK,
    };
    gboolean is_there = FALSE;

    mutex_lock(&reconciler->lock);
    while (reconciler->makes_network)
        condition_wait_until(&reconciler->changed, &reconciler->lock, G_MAXINT64);
    reconciler->makes_network = TRUE;
    mutex_unlock(&reconciler->lock);
    is_there = engine_network_ensure(options->engine, options->network, &labels, error);
    mutex_lock(&reconciler->lock);
    reconciler->makes_network = FALSE;
    condition_broadcast(&reconciler->changed);
    mutex_unlock(&reconciler->lock);
    return is_there;
}

const char *reconciler_installation(const Reconciler *reconciler)
{
    return reconciler->options.installation;
}

char *reconciler_engine_id_dup(Reconciler *reconciler)
{
    char *id = NULL;

    mutex_lock(&reconciler->lock);
    id = reconciler->host ? g_strdup(reconciler->host->id) : NULL;
    mutex_unlock(&reconciler->lock);
    return id;
}

void reconciler_status(Reconciler *reconciler, ReconcilerStatus *status)
{
    guint running = executor_running(reconciler->executor);

    mutex_lock(&reconciler->lock);
    *status = reconciler->status;
    status->managed_containers = g_hash_table_size(reconciler->containers);
    status->knows_caps = reconciler->host != NULL;
    status->limits_memory = reconciler->host && reconciler->host->limits_memory;
    status->limits_cpu = reconciler->host && reconciler->host->limits_cpu;
    status->limits_pids = reconciler->host && reconciler->host->limits_pids;
    mutex_unlock(&reconciler->lock);
    status->operations_running = running;
    status->orphans = sightings_count(reconciler->sightings, &status->quarantined);
    warm_status(reconciler->warm, status);
}

gboolean reconciler_garbage(Reconciler *reconciler, gint64 *pending, gint64 *oldest_us,
                            GError **error)
{
    return store_garbage_count(reconciler->options.db, clock_now_us(), pending, oldest_us, error);
}

gboolean reconciler_check_open(Reconciler *reconciler, const char *done, GError **error)
{
    ReconcilerStatus status;

    reconciler_status(reconciler, &status);
    if (!status.has_engine)
        return error_set(error, ERROR_CONFLICT, "%s", reason_sentence(REASON_NO_ENGINE));
    if (status.held)
        return error_set(error, ERROR_CONFLICT, "nothing is %s now: %s", done, status.held_why);
    return !status.engine_down_since_us ||
           error_set(error, ERROR_UNAVAILABLE, "the engine is down");
}

gboolean reconciler_await_pass(Reconciler *reconciler, gboolean reaps, guint patience_ms,
                               GError **error)
{
    gint64 deadline_us = clock_monotonic_us() + (gint64)patience_ms * 1000;
    guint64 awaited = 0;
    gboolean is_done = FALSE;

    mutex_lock(&reconciler->lock);
    awaited = reconciler->awaited_pass = reconciler->passes_begun + 1;
    if (reaps)
        reconciler->reaping_pass = awaited;
    reconciler->wants_pass = TRUE;
    condition_broadcast(&reconciler->changed);
    while (reconciler->passes_done < awaited && !cancel_fired(reconciler->cancel))
        if (!condition_wait_until(&reconciler->changed, &reconciler->lock, deadline_us))
            break;
    is_done = reconciler->passes_done >= awaited;
    mutex_unlock(&reconciler->lock);
    return is_done || error_set(error, ERROR_UNAVAILABLE, "no pass ended in time");
}

/* ---- Waiting for the end ---- */

void reconciler_note_gone(Reconciler *reconciler, const char *id)
{
    mutex_lock(&reconciler->lock);
    for (guint i = 0; i < reconciler->waiters->len; i++) {
        Waiter *waiter = reconciler->waiters->pdata[i];

        if (strcmp(waiter->id, id) == 0)
            waiter->is_gone = TRUE;
    }
    condition_broadcast(&reconciler->changed);
    mutex_unlock(&reconciler->lock);
}

/* `may_wait` FALSE: waiting is of no use. */
static gboolean is_gone_already(Reconciler *reconciler, const char *id, gboolean *may_wait)
{
    RuntimeDesired desired = RUNTIME_RUNNING;
    gint64 generation = 0;
    gboolean found = FALSE;

    *may_wait = TRUE;
    if (!store_runtime_peek(reconciler->options.db, id, &desired, &generation, &found, NULL))
        return FALSE;
    *may_wait = found && desired == RUNTIME_ABSENT;
    return !found;
}

/* The waiter stands in the list before the database is asked, so its end cannot be missed. */
gboolean reconciler_wait_gone(Reconciler *reconciler, const char *workspace_id, guint patience_ms)
{
    Waiter waiter = {.id = workspace_id};
    gboolean may_wait = TRUE;
    gint64 deadline_us = 0;

    if (!reconciler->options.engine)
        patience_ms = MIN(patience_ms, WAIT_NO_ENGINE_MS);
    deadline_us = clock_monotonic_us() + (gint64)patience_ms * 1000;
    mutex_lock(&reconciler->lock);
    g_ptr_array_add(reconciler->waiters, &waiter);
    mutex_unlock(&reconciler->lock);
    if (is_gone_already(reconciler, workspace_id, &may_wait))
        may_wait = FALSE, waiter.is_gone = TRUE;
    mutex_lock(&reconciler->lock);
    while (may_wait && !waiter.is_gone && !cancel_fired(reconciler->cancel))
        if (!condition_wait_until(&reconciler->changed, &reconciler->lock, deadline_us))
            break;
    g_ptr_array_remove_fast(reconciler->waiters, &waiter);
    mutex_unlock(&reconciler->lock);
    return waiter.is_gone;
}
