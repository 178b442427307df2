/* The pass: one listing of everything that is ours, held against every wish. What differs is given
 * to the executor, which looks closer; what nobody explains is watched, stopped, reported and at
 * last removed. A pass whose listing or query failed removes nothing. Source: spec 02, section 17.3
 * E, H, J. */
#include "base/clock.h"
#include "base/log.h"
#include "reconcile/internal.h"

#include <string.h>

#define STRAY_STOP_US       (60 * CLOCK_SECOND_US)
#define STRAY_REMOVE_US     (10 * CLOCK_MINUTE_US)
#define STRAYS_MAX          20 /* removed in one pass */
#define STRAY_GRACE_SECONDS 3
#define HELPER_MAX_US       (5 * CLOCK_MINUTE_US)
#define QUARANTINE_US       CLOCK_DAY_US
#define GARBAGE_LIMIT       1000

/* What one pass saw. */
typedef struct {
    GPtrArray *containers; /* ContainerInfo; NULL without an engine */
    GPtrArray *volumes;    /* VolumeInfo; NULL without an engine */
    GPtrArray *wishes;     /* RuntimeRow */
    GPtrArray *garbage;    /* GarbageRow, due */
    GHashTable *by_id;     /* workspace id -> RuntimeRow, borrowed */
    GHashTable *of_id;     /* workspace id -> GPtrArray of ContainerInfo, borrowed */
    guint orphans;
} Sight;

static void sight_clear(Sight *sight)
{
    g_clear_pointer(&sight->of_id, g_hash_table_unref);
    g_clear_pointer(&sight->by_id, g_hash_table_unref);
    g_clear_pointer(&sight->garbage, g_ptr_array_unref);
    g_clear_pointer(&sight->wishes, g_ptr_array_unref);
    g_clear_pointer(&sight->volumes, g_ptr_array_unref);
    g_clear_pointer(&sight->containers, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Sight, sight_clear)

static void index_containers(Sight *sight)
{
    for (guint i = 0; sight->containers && i < sight->containers->len; i++) {
        ContainerInfo *container = sight->containers->pdata[i];
        const char *id = container->labels.workspace;
        GPtrArray *list = id ? g_hash_table_lookup(sight->of_id, id) : NULL;

        if (!id || g_strcmp0(container->labels.kind, ENGINE_KIND_WORKSPACE) != 0)
            continue;
        if (!list) {
            list = g_ptr_array_new();
            g_hash_table_insert(sight->of_id, (char *)id, list);
        }
        g_ptr_array_add(list, container);
    }
}

/* The engine first: a workspace made meanwhile then has a row, but no container yet. */
static gboolean take_sight(Reconciler *reconciler, Sight *sight, GError **error)
{
    const ReconcilerOptions *options = &reconciler->options;

    if (options->engine &&
        (!engine_list(options->engine, options->installation, &sight->containers, error) ||
         !engine_volume_list(options->engine, options->installation, &sight->volumes, error)))
        return FALSE;
    sight->wishes = store_runtime_list(options->db, error);
    if (!sight->wishes)
        return FALSE;
    sight->garbage = store_garbage_list_due(options->db, clock_now_us(), GARBAGE_LIMIT, error);
    if (!sight->garbage)
        return FALSE;
    sight->by_id = g_hash_table_new(g_str_hash, g_str_equal);
    sight->of_id =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    for (guint i = 0; i < sight->wishes->len; i++) {
        RuntimeRow *row = sight->wishes->pdata[i];
        g_hash_table_insert(sight->by_id, row->workspace_id, row);
    }
    index_containers(sight);
    return TRUE;
}

/* ---- Wishes ---- */

static gboolean is_settled(Reconciler *reconciler, const Sight *sight, const RuntimeRow *row)
{
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    g_autoptr(OrgNode) node = org_tree_find(reconciler->options.tree, row->workspace_id);
    const WorkspaceRow *workspace = node ? org_node_row(node) : NULL;
    const GPtrArray *containers = g_hash_table_lookup(sight->of_id, row->workspace_id);
    Look look = {.reconciler = reconciler,
                 .id = row->workspace_id,
                 .runtime = (RuntimeRow *)row,
                 .workspace = (WorkspaceRow *)workspace};
    guint timeout_s = 0;
    PlanInput input = {
        .runtime = row,
        .workspace = workspace,
        .containers = containers ? containers : none,
        .provision_deadline_us = look_provision_deadline_us(&look, &timeout_s),
        .now_us = clock_now_us(),
    };

    /* An offline one that runs may be hung: only the look knows how long. */
    if (workspace && workspace->status == WORKSPACE_OFFLINE)
        return FALSE;
    return plan_is_settled(&input);
}

static void poke_unsettled(Reconciler *reconciler, const Sight *sight)
{
    for (guint i = 0; i < sight->wishes->len; i++) {
        const RuntimeRow *row = sight->wishes->pdata[i];

        if (!is_settled(reconciler, sight, row))
            executor_poke_idle(reconciler->executor, row->workspace_id);
    }
}

static void poke_garbage(Reconciler *reconciler, const Sight *sight)
{
    for (guint i = 0; i < sight->garbage->len; i++) {
        const GarbageRow *intent = sight->garbage->pdata[i];

        if (*intent->workspace_id)
            executor_poke_idle(reconciler->executor, intent->workspace_id);
    }
}

/* ---- What nobody wishes ---- */

/* How long `key` has been seen in every pass. What vanished meanwhile, or was explained, is new
 * when it comes again; so something that goes away while a pass looks is never taken for a stray.
 */
static gint64 seen_for_us(Reconciler *reconciler, const char *kind, const char *name,
                          const char *workspace)
{
    gint64 now_us = clock_monotonic_us();
    g_autofree char *key = g_strconcat(kind, " ", name, NULL);
    Sighting *sighting = g_hash_table_lookup(reconciler->sightings, key);

    if (!sighting) {
        sighting = g_new0(Sighting, 1);
        sighting->first_us = now_us;
        g_hash_table_insert(reconciler->sightings, g_steal_pointer(&key), sighting);
        log_info("something that nobody wishes", LOG_TEXT("workspace", workspace),
                 LOG_TEXT("kind", kind), LOG_TEXT("name", name));
    }
    sighting->is_seen = TRUE;
    return now_us - sighting->first_us;
}

static void forget_unseen(Reconciler *reconciler)
{
    GHashTableIter iter;
    gpointer value = NULL;

    g_hash_table_iter_init(&iter, reconciler->sightings);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Sighting *sighting = value;

        if (!sighting->is_seen)
            g_hash_table_iter_remove(&iter);
        else
            sighting->is_seen = FALSE;
    }
}

static gboolean is_live(const ContainerInfo *container)
{
    return container->state == CONTAINER_RUNNING || container->state == CONTAINER_RESTARTING;
}

/* `removed` counts. */
static gboolean treat_stray(Reconciler *reconciler, const ContainerInfo *container, guint *removed,
                            GError **error)
{
    gboolean is_helper = g_strcmp0(container->labels.kind, ENGINE_KIND_HELPER) == 0;
    gint64 age_us = clock_now_us() - container->created_at_us;
    gint64 seen_us = is_helper ? 0
                               : seen_for_us(reconciler, "container", container->id,
                                             container->labels.workspace);

    if (is_helper ? age_us >= HELPER_MAX_US : seen_us >= STRAY_REMOVE_US) {
        if (++*removed > STRAYS_MAX)
            return TRUE;
        return remove_stray(reconciler, container,
                            is_helper ? "a helper that was left behind" : "nobody wishes it",
                            error);
    }
    if (is_helper || seen_us < STRAY_STOP_US || !is_live(container))
        return TRUE;
    log_warning("a container that nobody wishes is stopped",
                LOG_TEXT("workspace", container->labels.workspace),
                LOG_TEXT("container", container->name));
    return engine_stop(reconciler->options.engine, container->id, STRAY_GRACE_SECONDS, error);
}

static gboolean is_stray(const Sight *sight, const ContainerInfo *container)
{
    return !container->labels.workspace ||
           !g_hash_table_contains(sight->by_id, container->labels.workspace) ||
           g_strcmp0(container->labels.kind, ENGINE_KIND_WORKSPACE) != 0;
}

static gboolean treat_strays(Reconciler *reconciler, Sight *sight, GError **error)
{
    guint removed = 0;

    for (guint i = 0; i < sight->containers->len; i++) {
        const ContainerInfo *container = sight->containers->pdata[i];

        if (!is_stray(sight, container))
            continue;
        sight->orphans++;
        if (!treat_stray(reconciler, container, &removed, error))
            return FALSE;
    }
    return TRUE;
}

/* Reported, and removed when still nobody explains it after a day; the intent is the durable memory
 * of that. A volume of a workspace with a wish is that wish's business. */
static gboolean quarantine_volumes(Reconciler *reconciler, Sight *sight, GError **error)
{
    for (guint i = 0; i < sight->volumes->len; i++) {
        const VolumeInfo *volume = sight->volumes->pdata[i];
        const char *id = volume->labels.workspace;

        if (id && g_hash_table_contains(sight->by_id, id))
            continue;
        sight->orphans++;
        if (seen_for_us(reconciler, "volume", volume->name, id) < STRAY_STOP_US)
            continue;
        if (!store_garbage_add(reconciler->options.db, GARBAGE_VOLUME, volume->name, id,
                               clock_now_us() + QUARANTINE_US, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- Figures ---- */

static gboolean write_figures(Reconciler *reconciler, const Sight *sight, GError **error)
{
    gint64 pending = 0, oldest_us = 0;

    if (!store_garbage_count(reconciler->options.db, &pending, &oldest_us, error))
        return FALSE;
    mutex_lock(&reconciler->lock);
    reconciler->status.managed_containers = sight->containers ? sight->containers->len : 0;
    reconciler->status.managed_volumes = sight->volumes ? sight->volumes->len : 0;
    reconciler->status.orphans = sight->orphans;
    reconciler->status.garbage_pending = (guint)pending;
    mutex_unlock(&reconciler->lock);
    return TRUE;
}

gboolean pass_run(Reconciler *reconciler, GError **error)
{
    g_auto(Sight) sight = {0};

    if (!take_sight(reconciler, &sight, error))
        return FALSE;
    if (reconciler->options.engine &&
        identity_seems_lost(reconciler, sight.wishes->len,
                            sight.containers->len + sight.volumes->len))
        return write_figures(reconciler, &sight, error);
    poke_unsettled(reconciler, &sight);
    poke_garbage(reconciler, &sight);
    if (!reconciler->options.engine)
        return write_figures(reconciler, &sight, error);
    if (!treat_strays(reconciler, &sight, error) ||
        !quarantine_volumes(reconciler, &sight, error) ||
        !remove_ownerless(reconciler, sight.garbage, error))
        return FALSE;
    forget_unseen(reconciler);
    return write_figures(reconciler, &sight, error);
}
