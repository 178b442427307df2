/* What carries our label and nobody wishes: noticed by an event or a pass, watched, stopped, at
 * last removed; and what an administrator wants removed at once.
 *
 *   container   stopped when it has been seen for a minute, removed after ten
 *   helper      removed when it is five minutes old
 *   volume      kept in quarantine for a day, then removed; the intent is the durable memory
 *
 * A deleted workspace's volume that is kept by an administrator's setting is no orphan.
 * A row in workspace_runtime explains everything of its workspace: what is left there is the wish's
 * own business (also of one in the stock of started agents). At most twenty removals a pass.
 * Source: spec 02, section 17.3 E, H, J. */
#include "base/clock.h"
#include "base/log.h"
#include "reconcile/internal.h"

#include <string.h>

#define STOP_AFTER_US      (60 * CLOCK_SECOND_US)
#define REMOVE_AFTER_US    (10 * CLOCK_MINUTE_US)
#define HELPER_MAX_US      (5 * CLOCK_MINUTE_US)
#define REMOVALS_MAX       20 /* in one pass */
#define STOP_GRACE_SECONDS 3
#define SUSPECTS_MAX       256

#define WHY_ORPHAN "nobody wishes it"
#define WHY_HELPER "a helper that was left behind"
#define WHY_REAPED "nobody wishes it and an administrator said so"

/* ---- Seen by the engine's events ---- */

typedef struct {
    char *container_id, *workspace;
} Suspect;

static void suspect_free(gpointer data)
{
    Suspect *suspect = data;

    g_free(suspect->container_id);
    g_free(suspect->workspace);
    g_free(suspect);
}

GPtrArray *orphans_suspects_new(void)
{
    return g_ptr_array_new_with_free_func(suspect_free);
}

void orphans_suspect(Reconciler *reconciler, const EngineEvent *event)
{
    Suspect *suspect = NULL;

    if (g_strcmp0(event->labels.kind, ENGINE_KIND_HELPER) == 0)
        return;
    suspect = g_new0(Suspect, 1);
    suspect->container_id = g_strdup(event->container_id);
    suspect->workspace = g_strdup(event->labels.workspace);
    mutex_lock(&reconciler->lock);
    if (reconciler->suspects->len < SUSPECTS_MAX)
        g_ptr_array_add(reconciler->suspects, g_steal_pointer(&suspect));
    else
        reconciler->wants_pass = TRUE; /* too many to look at one by one */
    condition_broadcast(&reconciler->changed);
    mutex_unlock(&reconciler->lock);
    if (suspect)
        suspect_free(suspect);
}

/* FALSE: there is none, or nothing is known. */
static gboolean is_wished(Reconciler *reconciler, const char *workspace, gboolean *wished,
                          GError **error)
{
    RuntimeDesired desired = RUNTIME_RUNNING;
    gint64 generation = 0;

    *wished = FALSE;
    return !workspace || store_runtime_peek(reconciler->options.db, workspace, &desired,
                                            &generation, wished, error);
}

static gint64 note_container(Reconciler *reconciler, const ContainerInfo *container)
{
    return sightings_note(reconciler->sightings, &(Seen){
                                                     .kind = "container",
                                                     .ref = container->id,
                                                     .name = container->name,
                                                     .workspace = container->labels.workspace,
                                                 });
}

static void plan_container(Reconciler *reconciler, const ContainerInfo *container, gint64 known_us)
{
    gboolean is_live = container->state == CONTAINER_RUNNING ||
                       container->state == CONTAINER_RESTARTING ||
                       container->state == CONTAINER_PAUSED;
    gboolean stops = is_live && known_us < REMOVE_AFTER_US;
    gint64 after_us = stops ? STOP_AFTER_US : REMOVE_AFTER_US;

    sightings_plan(reconciler->sightings, "container", container->id, stops ? "stop" : "remove",
                   clock_now_us() + MAX(after_us - known_us, 0));
}

static void look_at(Reconciler *reconciler, const Suspect *suspect)
{
    g_autoptr(ContainerInfo) info = NULL;
    gboolean wished = TRUE;

    /* What is not known now, the next pass will see. */
    if (!is_wished(reconciler, suspect->workspace, &wished, NULL) || wished ||
        !engine_inspect(reconciler->options.engine, suspect->container_id, &info, NULL) ||
        g_strcmp0(info->labels.installation, reconciler->options.installation) != 0)
        return;
    plan_container(reconciler, info, note_container(reconciler, info));
}

void orphans_look_at_suspects(Reconciler *reconciler)
{
    g_autoptr(GPtrArray) suspects = NULL;

    mutex_lock(&reconciler->lock);
    suspects = reconciler->suspects;
    reconciler->suspects = orphans_suspects_new();
    mutex_unlock(&reconciler->lock);
    for (guint i = 0; i < suspects->len; i++)
        look_at(reconciler, suspects->pdata[i]);
}

/* ---- The rules ---- */

typedef struct {
    Reconciler *reconciler;
    GHashTable *wishes; /* workspace id -> anything */
    GHashTable *kept;   /* keep_key -> itself; NULL: not asked yet */
    gboolean reaps;     /* an administrator wants it now */
    guint removals;
} Rules;

/* What went wrong with one object keeps no other; only an engine that does not answer ends it. */
static gboolean go_on(const char *what, const char *name, GError *failure, GError **error)
{
    g_autoptr(GError) cause = failure;

    if (error_is(cause, ERROR_UNAVAILABLE)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    log_warning(what, LOG_TEXT("name", name), LOG_CAUSE(cause));
    return TRUE;
}

static gboolean may_remove(Rules *rules)
{
    return rules->reaps || rules->removals++ < REMOVALS_MAX;
}

/* By force, if still nobody wishes it. */
static gboolean remove_container_now(Rules *rules, const ContainerInfo *container, const char *kind,
                                     const char *why, GError **error)
{
    Reconciler *reconciler = rules->reconciler;
    gboolean wished = FALSE;

    if (strcmp(kind, "helper") != 0 &&
        !is_wished(reconciler, container->labels.workspace, &wished, error))
        return FALSE;
    if (wished)
        return TRUE;
    if (!engine_remove(reconciler->options.engine, container->id, error))
        return FALSE;
    sightings_drop(reconciler->sightings, kind, container->id);
    reconciler_count_deletion(reconciler, "container", why);
    log_warning("container removed", LOG_TEXT("workspace", container->labels.workspace),
                LOG_TEXT("container", container->name), LOG_TEXT("why", why));
    return TRUE;
}

static gboolean treat_helper(Rules *rules, const ContainerInfo *helper, GError **error)
{
    gint64 age_us = clock_now_us() - helper->created_at_us;
    Seen seen = {.kind = "helper",
                 .ref = helper->id,
                 .name = helper->name,
                 .workspace = helper->labels.workspace,
                 .since_us = helper->created_at_us};
    g_autoptr(GError) failure = NULL;

    sightings_note(rules->reconciler->sightings, &seen);
    sightings_plan(rules->reconciler->sightings, "helper", helper->id, "remove",
                   helper->created_at_us + HELPER_MAX_US);
    if ((age_us < HELPER_MAX_US && !rules->reaps) || !may_remove(rules))
        return TRUE;
    return remove_container_now(rules, helper, "helper", rules->reaps ? WHY_REAPED : WHY_HELPER,
                                &failure) ||
           go_on("a helper cannot be removed", helper->name, g_steal_pointer(&failure), error);
}

static gboolean stop_container(Rules *rules, const ContainerInfo *container, GError **error)
{
    Reconciler *reconciler = rules->reconciler;
    gboolean wished = FALSE;

    if (container->state != CONTAINER_RUNNING && container->state != CONTAINER_RESTARTING)
        return TRUE;
    if (!is_wished(reconciler, container->labels.workspace, &wished, error))
        return FALSE;
    if (wished)
        return TRUE;
    log_warning("a container that nobody wishes is stopped",
                LOG_TEXT("workspace", container->labels.workspace),
                LOG_TEXT("container", container->name));
    return engine_stop(reconciler->options.engine, container->id, STOP_GRACE_SECONDS, error);
}

static gboolean treat_container(Rules *rules, const ContainerInfo *container, GError **error)
{
    gint64 known_us = note_container(rules->reconciler, container);
    gboolean is_due = known_us >= REMOVE_AFTER_US || rules->reaps;
    g_autoptr(GError) failure = NULL;

    plan_container(rules->reconciler, container, known_us);
    if (is_due ? !may_remove(rules) : known_us < STOP_AFTER_US)
        return TRUE;
    if (is_due ? remove_container_now(rules, container, "container",
                                      rules->reaps ? WHY_REAPED : WHY_ORPHAN, &failure)
               : stop_container(rules, container, &failure))
        return TRUE;
    return go_on("an orphan cannot be taken away", container->name, g_steal_pointer(&failure),
                 error);
}

static gboolean is_explained(const Rules *rules, const EngineLabels *labels)
{
    return labels->workspace && g_hash_table_contains(rules->wishes, labels->workspace);
}

static gboolean treat_containers(Rules *rules, const GPtrArray *containers, GError **error)
{
    for (guint i = 0; i < containers->len; i++) {
        const ContainerInfo *container = containers->pdata[i];
        const EngineLabels *labels = &container->labels;

        if (g_strcmp0(labels->kind, ENGINE_KIND_HELPER) == 0) {
            if (!treat_helper(rules, container, error))
                return FALSE;
        } else if ((!is_explained(rules, labels) ||
                    g_strcmp0(labels->kind, ENGINE_KIND_WORKSPACE) != 0) &&
                   !treat_container(rules, container, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* ---- Volumes ---- */

static gboolean remove_volume_now(Rules *rules, const VolumeInfo *volume, GError **error)
{
    Reconciler *reconciler = rules->reconciler;
    gboolean wished = FALSE;

    if (!is_wished(reconciler, volume->labels.workspace, &wished, error))
        return FALSE;
    if (wished)
        return TRUE;
    if (!engine_volume_remove(reconciler->options.engine, volume->name, error))
        return FALSE;
    sightings_drop(reconciler->sightings, "volume", volume->name);
    reconciler_count_deletion(reconciler, "volume", WHY_REAPED);
    log_warning("volume removed", LOG_TEXT("workspace", volume->labels.workspace),
                LOG_TEXT("volume", volume->name), LOG_TEXT("why", WHY_REAPED));
    return TRUE;
}

static gint64 quarantine_us(const Reconciler *reconciler)
{
    const Config *config = reconciler->options.config;

    return config ? config->quarantine_hours * CLOCK_HOUR_US : CLOCK_DAY_US;
}

/* The intent may stand there already, of an earlier run of the server: its time counts. */
static gboolean quarantine(Rules *rules, const VolumeInfo *volume, GError **error)
{
    Reconciler *reconciler = rules->reconciler;
    gint64 wait_us = quarantine_us(reconciler), due_us = 0, since_us = 0;

    if (!wait_us || sightings_is_intended(reconciler->sightings, volume->name) ||
        !may_remove(rules))
        return TRUE;
    if (!store_garbage_keep(reconciler->options.db, GARBAGE_VOLUME, volume->name,
                            volume->labels.workspace, clock_now_us() + wait_us, &due_us, &since_us,
                            error))
        return FALSE;
    sightings_set_intended(reconciler->sightings, volume->name, since_us);
    sightings_plan(reconciler->sightings, "volume", volume->name, "remove", due_us);
    return TRUE;
}

static gboolean treat_volume(Rules *rules, const VolumeInfo *volume, GError **error)
{
    Reconciler *reconciler = rules->reconciler;
    Seen seen = {.kind = "volume",
                 .ref = volume->name,
                 .name = volume->name,
                 .workspace = volume->labels.workspace};
    gint64 known_us = sightings_note(reconciler->sightings, &seen);
    gint64 wait_us = quarantine_us(reconciler);
    g_autoptr(GError) failure = NULL;

    if (rules->reaps)
        return remove_volume_now(rules, volume, &failure) ||
               go_on("a volume cannot be removed", volume->name, g_steal_pointer(&failure), error);
    if (known_us >= STOP_AFTER_US)
        return quarantine(rules, volume, error);
    if (wait_us)
        sightings_plan(reconciler->sightings, "volume", volume->name, "remove",
                       clock_now_us() + STOP_AFTER_US - known_us + wait_us);
    return TRUE;
}

static char *keep_key_dup(const char *ref, const char *workspace)
{
    return g_strconcat(workspace ? workspace : "", " ", ref, NULL);
}

/* Asked after the wishes were read: a workspace whose row went in between has its intents. */
static gboolean is_kept(Rules *rules, const VolumeInfo *volume, gboolean *kept, GError **error)
{
    g_autofree char *key = keep_key_dup(volume->name, volume->labels.workspace);
    g_autoptr(GPtrArray) intents = NULL;

    if (!rules->kept) {
        intents = store_garbage_list_kept(rules->reconciler->options.db, error);
        if (!intents)
            return FALSE;
        rules->kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (guint i = 0; i < intents->len; i++) {
            const GarbageRow *intent = intents->pdata[i];

            g_hash_table_add(rules->kept, keep_key_dup(intent->ref, intent->workspace_id));
        }
    }
    *kept = g_hash_table_contains(rules->kept, key);
    return TRUE;
}

static gboolean treat_volumes(Rules *rules, const GPtrArray *volumes, GError **error)
{
    for (guint i = 0; i < volumes->len; i++) {
        const VolumeInfo *volume = volumes->pdata[i];
        gboolean kept = FALSE;

        if (is_explained(rules, &volume->labels))
            continue;
        if (!is_kept(rules, volume, &kept, error) || (!kept && !treat_volume(rules, volume, error)))
            return FALSE;
    }
    return TRUE;
}

gboolean orphans_treat(Reconciler *reconciler, const GPtrArray *containers,
                       const GPtrArray *volumes, GHashTable *wishes, gboolean reaps, GError **error)
{
    Rules rules = {.reconciler = reconciler, .wishes = wishes, .reaps = reaps};
    gboolean done =
        treat_containers(&rules, containers, error) && treat_volumes(&rules, volumes, error);

    g_clear_pointer(&rules.kept, g_hash_table_unref);
    if (done)
        sightings_end_pass(reconciler->sightings);
    return done;
}

/* ---- What administrators ask ---- */

GPtrArray *reconciler_orphans(Reconciler *reconciler)
{
    return sightings_list(reconciler->sightings);
}

static ReconcilerOrphan *kept_new(const GarbageRow *intent)
{
    ReconcilerOrphan *kept = g_new0(ReconcilerOrphan, 1);

    kept->kind = "volume";
    kept->ref = g_strdup(intent->ref);
    kept->name = g_strdup(intent->ref);
    kept->workspace_id = g_strdup(intent->workspace_id);
    kept->first_seen_us = intent->created_at_us;
    kept->action = "remove";
    kept->due_us = intent->not_before_us;
    return kept;
}

GPtrArray *reconciler_kept(Reconciler *reconciler, GError **error)
{
    g_autoptr(GPtrArray) intents = store_garbage_list_kept(reconciler->options.db, error);
    GPtrArray *kept = NULL;

    if (!intents)
        return NULL;
    kept = g_ptr_array_new_with_free_func((GDestroyNotify)reconciler_orphan_free);
    for (guint i = 0; i < intents->len; i++)
        g_ptr_array_add(kept, kept_new(intents->pdata[i]));
    return kept;
}

gboolean reconciler_kept_count(Reconciler *reconciler, gint64 *kept, gint64 *next_due_us,
                               GError **error)
{
    return store_garbage_count_kept(reconciler->options.db, kept, next_due_us, error);
}

/* What was kept is nobody's from now on, so the pass takes it as it takes any other. */
static gboolean reap_kept(Reconciler *reconciler, gboolean dry_run, GPtrArray *found,
                          GError **error)
{
    g_autoptr(GPtrArray) kept = reconciler_kept(reconciler, error);

    if (!kept)
        return FALSE;
    g_ptr_array_extend_and_steal(found, g_steal_pointer(&kept));
    return dry_run || store_garbage_release_kept(reconciler->options.db, clock_now_us(), error);
}

/* What is not removed yet, of what was kept: only a dry run leaves any. */
static gboolean list_left(Reconciler *reconciler, gboolean with_kept, GPtrArray **left,
                          GError **error)
{
    g_autoptr(GPtrArray) kept = with_kept ? reconciler_kept(reconciler, error) : NULL;

    if (with_kept && !kept)
        return FALSE;
    *left = sightings_list(reconciler->sightings);
    if (kept)
        g_ptr_array_extend_and_steal(*left, g_steal_pointer(&kept));
    return TRUE;
}

gboolean reconciler_reap(Reconciler *reconciler, const ReconcilerReaping *reaping,
                         GPtrArray **found, GPtrArray **left, GError **error)
{
    g_autoptr(GPtrArray) before = NULL;

    if (!reconciler_check_open(reconciler, "removed", error) ||
        !reconciler_await_pass(reconciler, FALSE, reaping->patience_ms, error))
        return FALSE;
    before = sightings_list(reconciler->sightings);
    if (reaping->with_kept && !reap_kept(reconciler, reaping->dry_run, before, error))
        return FALSE;
    if (!reaping->dry_run && before->len > 0 &&
        !reconciler_await_pass(reconciler, TRUE, reaping->patience_ms, error))
        return FALSE;
    if (!list_left(reconciler, reaping->with_kept, left, error))
        return FALSE;
    *found = g_steal_pointer(&before);
    return TRUE;
}
