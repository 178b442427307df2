/* Taking away: containers first, volumes when the container is verified gone, intents until nothing
 * of them is left. What is not ours by its labels is never touched, whatever its name. Source: spec
 * 02, section 17.3 D, E, H. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "provision/wish_spec.h"
#include "reconcile/hosted.h"

#include <string.h>

#define STOP_GRACE_SECONDS   10 /* spec 02, 17.3 E */
#define DELETE_GRACE_SECONDS 3  /* nothing will be resumed, and somebody waits for the answer */
#define LOG_KEEP_LINES       500
#define LOG_KEEP_BYTES       (256 * 1024) /* 200 lines of over a kilobyte each */

/* ---- Containers ---- */

char *remove_save_log(Look *look, const char *container_id)
{
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GError) cause = NULL;
    char *text = NULL;
    gsize size = 0;
    const char *data = NULL;

    if (look_is_hosted(look))
        return NULL;
    if (!engine_logs(look->reconciler->options.engine, container_id, LOG_KEEP_LINES, LOG_KEEP_BYTES,
                     &bytes, &cause)) {
        log_debug("a last log is lost", LOG_TEXT("workspace", look->id), LOG_CAUSE(cause));
        return NULL;
    }
    data = g_bytes_get_data(bytes, &size);
    text = text_repair_dup(data ? data : "", size);
    if (*text && !store_runtime_save_log(look->reconciler->options.db, look->id, text, &cause))
        log_warning("a last log could not be stored", LOG_TEXT("workspace", look->id),
                    LOG_CAUSE(cause));
    return text;
}

static gboolean is_live(const ContainerInfo *container)
{
    return container->state == CONTAINER_RUNNING || container->state == CONTAINER_RESTARTING ||
           container->state == CONTAINER_PAUSED;
}

static gboolean stop_live(Look *look, const ContainerInfo *container, GError **error)
{
    Engine *engine = look->reconciler->options.engine;
    guint grace =
        look->runtime->desired == RUNTIME_ABSENT ? DELETE_GRACE_SECONDS : STOP_GRACE_SECONDS;

    if (!is_live(container))
        return TRUE;
    if (container->state == CONTAINER_PAUSED && engine_can_freeze(engine))
        engine_thaw(engine, container->id, NULL); /* else it cannot end in good order */
    return engine_stop(engine, container->id, grace, error);
}

gboolean remove_container(Look *look, const ContainerInfo *container, const char *reason,
                          GError **error)
{
    Reconciler *reconciler = look->reconciler;

    if (look_is_hosted(look))
        return hosted_remove(look, container, reason, error);
    watch_expect(reconciler->watch, look->id, NULL);
    if (!stop_live(look, container, error))
        return FALSE;
    /* Nobody can ask for the log of a workspace that is removed, and somebody waits for its end. */
    if (container->ever_started && look->runtime->desired != RUNTIME_ABSENT)
        g_free(remove_save_log(look, container->id));
    if (!engine_remove(reconciler->options.engine, container->id, error))
        return FALSE;
    reconciler_count_deletion(reconciler, "container", reason);
    log_info("container removed", LOG_TEXT("workspace", look->id),
             LOG_TEXT("container", container->name),
             LOG_INT("generation", container->labels.generation), LOG_TEXT("why", reason));
    return TRUE;
}

/* ---- Volumes ---- */

static gboolean remove_volume(Reconciler *reconciler, const char *name, const char *workspace,
                              const char *reason, GError **error)
{
    if (!engine_volume_remove(reconciler->options.engine, name, error))
        return FALSE;
    reconciler_count_deletion(reconciler, "volume", reason);
    log_info("volume removed", LOG_TEXT("workspace", workspace), LOG_TEXT("volume", name),
             LOG_TEXT("why", reason));
    return TRUE;
}

static gboolean was_tried(const GPtrArray *intents, const char *name)
{
    for (guint i = 0; i < intents->len; i++) {
        const GarbageRow *intent = intents->pdata[i];

        if (intent->kind == GARBAGE_VOLUME && intent->attempts > 0 &&
            strcmp(intent->ref, name) == 0)
            return TRUE;
    }
    return FALSE;
}

/* Why it could not go is the intent's to remember, and when it is tried again. */
static gboolean note_stuck(Look *look, const char *name, GError *failure, GError **error)
{
    g_autoptr(GError) cause = failure;

    if (error_is(cause, ERROR_UNAVAILABLE)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    log_warning("removal failed", LOG_TEXT("workspace", look->id), LOG_TEXT("object", name),
                LOG_CAUSE(cause));
    return store_garbage_fail(look->reconciler->options.db, GARBAGE_VOLUME, name, look->id,
                              clock_now_us() + plan_removal_back_off_us(0), cause->message, error);
}

/* All that carry the workspace's label, whatever they are called; what is gone leaves the list. One
 * that cannot go yet does not keep the others; one that could not go before has its own time. */
static gboolean remove_volumes_of(Look *look, GPtrArray *volumes, GError **error)
{
    g_autoptr(GPtrArray) intents =
        store_garbage_list_of(look->reconciler->options.db, look->id, error);

    for (guint i = intents ? volumes->len : 0; i > 0; i--) {
        const VolumeInfo *volume = volumes->pdata[i - 1];
        g_autoptr(GError) cause = NULL;

        if (!observe_is_ours(look->reconciler, &volume->labels, look->id) ||
            was_tried(intents, volume->name))
            continue;
        if (remove_volume(look->reconciler, volume->name, look->id, "its workspace was removed",
                          &cause))
            g_ptr_array_remove_index_fast(volumes, i - 1);
        else if (!note_stuck(look, volume->name, g_steal_pointer(&cause), error))
            return FALSE;
    }
    return intents != NULL;
}

/* ---- Intents ---- */

typedef struct {
    Reconciler *reconciler;
    GPtrArray *volumes; /* VolumeInfo; NULL: not listed yet */
    gboolean is_wished; /* the workspace lives: its own volumes stay */
} Sweep;

/* What carries another workspace's label, or none, was never meant. */
static gboolean may_remove(const Sweep *sweep, const GarbageRow *intent, const EngineLabels *labels)
{
    const char *installation = sweep->reconciler->options.installation;

    return g_strcmp0(labels->installation, installation) == 0 &&
           (!*intent->workspace_id || g_strcmp0(labels->workspace, intent->workspace_id) == 0);
}

static gboolean sweep_container(Sweep *sweep, const GarbageRow *intent, GError **error)
{
    Engine *engine = sweep->reconciler->options.engine;
    g_autoptr(ContainerInfo) info = NULL;
    g_autoptr(GError) cause = NULL;

    if (!owned_inspect(sweep->reconciler, intent->ref, &info, &cause)) {
        if (error_is(cause, ERROR_NOT_FOUND))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    if (!may_remove(sweep, intent, &info->labels) || sweep->is_wished)
        return TRUE;
    if (is_live(info) && !engine_stop(engine, info->id, DELETE_GRACE_SECONDS, error))
        return FALSE;
    if (!engine_remove(engine, info->id, error))
        return FALSE;
    reconciler_count_deletion(sweep->reconciler, "container", "intended");
    log_info("container removed", LOG_TEXT("workspace", intent->workspace_id),
             LOG_TEXT("container", info->name), LOG_TEXT("why", "intended"));
    return TRUE;
}

static const VolumeInfo *find_volume(const GPtrArray *volumes, const char *name)
{
    for (guint i = 0; i < volumes->len; i++)
        if (strcmp(((VolumeInfo *)volumes->pdata[i])->name, name) == 0)
            return volumes->pdata[i];
    return NULL;
}

/* Names that a living workspace uses stay; an old name of its may go. */
static gboolean is_used(const Sweep *sweep, const GarbageRow *intent, GError **error,
                        gboolean *used)
{
    g_autoptr(RuntimeRow) runtime = NULL;
    char **names = NULL;

    *used = FALSE;
    if (!sweep->is_wished)
        return TRUE;
    if (!store_runtime_find(sweep->reconciler->options.db, intent->workspace_id, &runtime, error))
        return FALSE;
    names = runtime ? volume_names_parse(runtime->volumes) : NULL;
    for (guint i = 0; names && i < VOLUME_KINDS; i++)
        *used = *used || g_strcmp0(names[i], intent->ref) == 0;
    volume_names_free(names);
    return TRUE;
}

static gboolean sweep_volume(Sweep *sweep, const GarbageRow *intent, GError **error)
{
    const VolumeInfo *volume = NULL;
    gboolean used = FALSE;

    if (!sweep->volumes && !owned_volumes(sweep->reconciler, &sweep->volumes, error))
        return FALSE;
    volume = find_volume(sweep->volumes, intent->ref);
    if (!volume || !may_remove(sweep, intent, &volume->labels))
        return TRUE;
    if (!is_used(sweep, intent, error, &used))
        return FALSE;
    return used ||
           remove_volume(sweep->reconciler, intent->ref, intent->workspace_id, "intended", error);
}

static gboolean sweep_one(Sweep *sweep, const GarbageRow *intent, GError **error)
{
    if (engine_is_hosted(sweep->reconciler->options.engine))
        return sweep->is_wished || hosted_sweep(sweep->reconciler, intent, error);
    switch (intent->kind) {
    case GARBAGE_CONTAINER:
        return sweep_container(sweep, intent, error);
    case GARBAGE_VOLUME:
        return sweep_volume(sweep, intent, error);
    case GARBAGE_INSTANCE:
        break;
    }
    return error_set(error, ERROR_INTERNAL, "no engine here knows instances");
}

/* Not yet: the intent stays, with a later time. */
static gboolean postpone(Sweep *sweep, const GarbageRow *intent, const GError *cause,
                         GError **error)
{
    gint64 delay_us = plan_removal_back_off_us(intent->attempts);

    log_warning("removal failed", LOG_TEXT("workspace", intent->workspace_id),
                LOG_TEXT("object", intent->ref), LOG_INT("attempts", intent->attempts + 1),
                LOG_CAUSE(cause));
    if (*intent->workspace_id)
        executor_poke_at(sweep->reconciler->executor, intent->workspace_id,
                         clock_monotonic_us() + delay_us);
    return store_garbage_retry(sweep->reconciler->options.db, intent->id, clock_now_us() + delay_us,
                               cause->message, error);
}

static gboolean carry_out(Sweep *sweep, const GarbageRow *intent, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (intent->not_before_us > clock_now_us())
        return TRUE;
    if (sweep_one(sweep, intent, &cause))
        return store_garbage_done(sweep->reconciler->options.db, intent->id, error);
    if (error_is(cause, ERROR_UNAVAILABLE)) { /* nothing is known: not even an attempt */
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    return postpone(sweep, intent, cause, error);
}

static gboolean carry_out_all(Sweep *sweep, const char *id, GError **error)
{
    g_autoptr(GPtrArray) intents = store_garbage_list_of(sweep->reconciler->options.db, id, error);

    if (!intents)
        return FALSE;
    for (guint i = 0; i < intents->len; i++)
        if (!carry_out(sweep, intents->pdata[i], error))
            return FALSE;
    return TRUE;
}

static gboolean sweep_of(Reconciler *reconciler, const char *id, gboolean is_wished,
                         GPtrArray *volumes, GError **error)
{
    Sweep sweep = {.reconciler = reconciler, .is_wished = is_wished};
    gboolean done = FALSE;

    sweep.volumes = volumes ? g_ptr_array_ref(volumes) : NULL;
    done = carry_out_all(&sweep, id, error);
    g_clear_pointer(&sweep.volumes, g_ptr_array_unref);
    return done;
}

gboolean remove_intents(Reconciler *reconciler, const char *id, gboolean is_wished, GError **error)
{
    return !reconciler->options.engine || sweep_of(reconciler, id, is_wished, NULL, error);
}

gboolean remove_ownerless(Reconciler *reconciler, const GPtrArray *intents, GError **error)
{
    Sweep sweep = {.reconciler = reconciler};
    gboolean done = TRUE;

    for (guint i = 0; i < intents->len && done; i++) {
        const GarbageRow *intent = intents->pdata[i];

        if (!*intent->workspace_id)
            done = carry_out(&sweep, intent, error);
    }
    g_clear_pointer(&sweep.volumes, g_ptr_array_unref);
    return done;
}

/* ---- The end ---- */

/* The volumes that shall stay for a while after their workspace: they leave `volumes`, each has its
 * intent, and no intent is left for one that does not exist. `until_us` 0: none shall stay. */
static gboolean set_aside(Look *look, gint64 until_us, GPtrArray *volumes, GError **error)
{
    Db *db = look->reconciler->options.db;

    for (guint i = until_us ? volumes->len : 0; i > 0; i--) {
        const VolumeInfo *volume = volumes->pdata[i - 1];

        if (!observe_is_ours(look->reconciler, &volume->labels, look->id))
            continue;
        if (!store_garbage_keep_volume(db, volume->name, look->id, until_us, error))
            return FALSE;
        log_info("volume kept", LOG_TEXT("workspace", look->id), LOG_TEXT("volume", volume->name),
                 LOG_INT("seconds", (until_us - clock_now_us()) / CLOCK_SECOND_US),
                 LOG_TEXT("why", "its workspace was removed"));
        g_ptr_array_remove_index_fast(volumes, i - 1);
    }
    return TRUE;
}

static gboolean keep_volumes(Look *look, GPtrArray *volumes, GError **error)
{
    Db *db = look->reconciler->options.db;
    g_autoptr(GPtrArray) intents = store_garbage_list_of(db, look->id, error);
    gint64 until_us = 0;

    for (guint i = 0; intents && i < intents->len; i++) {
        const GarbageRow *intent = intents->pdata[i];
        const VolumeInfo *volume = find_volume(volumes, intent->ref);

        if (!intent->is_kept || intent->not_before_us <= clock_now_us())
            continue;
        until_us = MAX(until_us, intent->not_before_us);
        if ((!volume || !observe_is_ours(look->reconciler, &volume->labels, look->id)) &&
            !store_garbage_done(db, intent->id, error))
            return FALSE;
    }
    return intents && set_aside(look, until_us, volumes, error);
}

/* Nothing was ever made, and there is no engine that could have made it. */
static gboolean drop_intents(Look *look, GError **error)
{
    Db *db = look->reconciler->options.db;
    g_autoptr(GPtrArray) intents = store_garbage_list_of(db, look->id, error);

    if (!intents)
        return FALSE;
    for (guint i = 0; i < intents->len; i++)
        if (!store_garbage_done(db, ((GarbageRow *)intents->pdata[i])->id, error))
            return FALSE;
    return TRUE;
}

static gboolean remove_rest(Look *look, GError **error)
{
    Reconciler *reconciler = look->reconciler;
    g_autoptr(GPtrArray) volumes = NULL;

    if (!reconciler->options.engine)
        return drop_intents(look, error);
    if (look_is_hosted(look)) {
        volumes = g_ptr_array_new(); /* such an engine makes none */
        return keep_volumes(look, volumes, error) &&
               sweep_of(reconciler, look->id, FALSE, NULL, error);
    }
    return owned_volumes(reconciler, &volumes, error) && keep_volumes(look, volumes, error) &&
           remove_volumes_of(look, volumes, error) &&
           sweep_of(reconciler, look->id, FALSE, volumes, error);
}

/* The row stays as long as an intent does, and comes back with it. */
static gboolean close_row(Look *look, GError **error)
{
    Reconciler *reconciler = look->reconciler;
    RuntimeProgress progress = {.phase = RUNTIME_GONE, .container_id = "", .address = ""};
    gboolean deleted = FALSE;

    if (!look_progress(look, &progress, error) ||
        !store_runtime_delete_gone(reconciler->options.db, look->id, look->runtime->generation,
                                   &deleted, error))
        return FALSE;
    if (!deleted) {
        look->wants_rest = TRUE;
        executor_poke_at(reconciler->executor, look->id,
                         clock_monotonic_us() + plan_back_off_us(0));
        return TRUE;
    }
    watch_forget(reconciler->watch, look->id);
    reconciler_note_gone(reconciler, look->id);
    log_info("workspace is gone", LOG_TEXT("workspace", look->id));
    return TRUE;
}

gboolean remove_finish(Look *look, GError **error)
{
    if (look->runtime->desired == RUNTIME_STOPPED)
        return verdict_stopped(look, error);
    return remove_rest(look, error) && close_row(look, error);
}
