/* The pass: one listing of everything that is ours, held against every wish. What differs is given
 * to the executor, which looks closer; what nobody explains is orphans.c's. A pass whose listing or
 * query failed removes nothing. Source: spec 02, section 17.3
 * E, H, J. */
#include "base/clock.h"
#include "base/log.h"
#include "reconcile/hosted.h"

#include <string.h>

#define GARBAGE_LIMIT 1000

/* What one pass saw. */
typedef struct {
    GPtrArray *containers; /* ContainerInfo; NULL without an engine that lists them */
    GPtrArray *volumes;    /* VolumeInfo; the same */
    GPtrArray *wishes;     /* RuntimeRow */
    GPtrArray *garbage;    /* GarbageRow, due */
    GHashTable *by_id;     /* workspace id -> RuntimeRow, borrowed */
    GPtrArray *none;       /* without containers */
    GHashTable *of_id;     /* workspace id -> GPtrArray of ContainerInfo, borrowed */
} Sight;

static void sight_clear(Sight *sight)
{
    g_clear_pointer(&sight->of_id, g_hash_table_unref);
    g_clear_pointer(&sight->none, g_ptr_array_unref);
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

    if (options->engine && !engine_is_hosted(options->engine) &&
        (!owned_containers(reconciler, &sight->containers, error) ||
         !owned_volumes(reconciler, &sight->volumes, error)))
        return FALSE;
    sight->wishes = store_runtime_list_brief(options->db, error);
    if (!sight->wishes)
        return FALSE;
    sight->garbage = store_garbage_list_due(options->db, clock_now_us(), GARBAGE_LIMIT, error);
    if (!sight->garbage)
        return FALSE;
    sight->none = g_ptr_array_new();
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

/* A container of the stock that was restarted while we were away has forgotten whose it is; a
 * listing does not say when it began. */
static gboolean may_have_forgotten(const RuntimeRow *row)
{
    return row->warm_key ||
           (row->warm_started_at_us > 0 && g_strcmp0(row->warm_container, row->container_id) == 0);
}

static gboolean is_settled(Reconciler *reconciler, const Sight *sight, const RuntimeRow *row)
{
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
        .containers = containers ? containers : sight->none,
        .provision_deadline_us = look_provision_deadline_us(&look, &timeout_s),
        .now_us = clock_now_us(),
    };

    if (reconciler->options.engine && engine_is_hosted(reconciler->options.engine))
        return hosted_is_settled(row, workspace);
    /* An offline one that runs may be hung: only the look knows how long. */
    if (workspace && workspace->status == WORKSPACE_OFFLINE)
        return FALSE;
    return plan_is_settled(&input);
}

static gboolean is_first_pass(Reconciler *reconciler)
{
    gboolean is_first = FALSE;

    mutex_lock(&reconciler->lock);
    is_first = reconciler->status.last_pass_us == 0;
    mutex_unlock(&reconciler->lock);
    return is_first;
}

static void poke_unsettled(Reconciler *reconciler, const Sight *sight)
{
    gboolean is_first = is_first_pass(reconciler);

    for (guint i = 0; i < sight->wishes->len; i++) {
        const RuntimeRow *row = sight->wishes->pdata[i];

        if ((is_first && may_have_forgotten(row)) || !is_settled(reconciler, sight, row))
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

/* ---- Figures ---- */

static void note_containers(Reconciler *reconciler, const GPtrArray *containers)
{
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; containers && i < containers->len; i++)
        g_hash_table_add(known, g_strdup(((ContainerInfo *)containers->pdata[i])->id));
    mutex_lock(&reconciler->lock);
    {
        GHashTable *former = reconciler->containers;
        reconciler->containers = g_steal_pointer(&known);
        known = former;
    }
    mutex_unlock(&reconciler->lock);
}

static void write_figures(Reconciler *reconciler, const Sight *sight)
{
    note_containers(reconciler, sight->containers);
    mutex_lock(&reconciler->lock);
    reconciler->status.managed_volumes = sight->volumes ? sight->volumes->len : 0;
    mutex_unlock(&reconciler->lock);
}

/* Before the first pass of a start: the database may have been restored or repaired by hand. */
static gboolean end_removed(Reconciler *reconciler, GError **error)
{
    gint64 ended = 0;

    if (is_first_pass(reconciler) &&
        !store_runtime_end_removed(reconciler->options.db, &ended, error))
        return FALSE;
    if (ended > 0)
        log_warning("removed workspaces were wished to live: was the database restored?",
                    LOG_INT("count", ended));
    return TRUE;
}

/* What the database explains. Where nothing is wished any more, volumes may still be kept, or be on
 * their way out. */
static gboolean count_explained(Reconciler *reconciler, const Sight *sight, guint *explained,
                                GError **error)
{
    gint64 intents = 0, oldest_us = 0;

    if (sight->wishes->len == 0 &&
        !store_garbage_count(reconciler->options.db, G_MAXINT64, &intents, &oldest_us, error))
        return FALSE;
    *explained = sight->wishes->len + (guint)MIN(intents, G_MAXINT);
    return TRUE;
}

gboolean pass_run(Reconciler *reconciler, gboolean reaps, GError **error)
{
    g_auto(Sight) sight = {0};
    guint explained = 0;

    if (!end_removed(reconciler, error) || !take_sight(reconciler, &sight, error) ||
        !count_explained(reconciler, &sight, &explained, error))
        return FALSE;
    write_figures(reconciler, &sight);
    if (sight.containers &&
        identity_seems_lost(reconciler, explained, sight.containers->len + sight.volumes->len))
        return TRUE;
    poke_unsettled(reconciler, &sight);
    poke_garbage(reconciler, &sight);
    if (sight.containers &&
        !orphans_treat(reconciler, sight.containers, sight.volumes, sight.by_id, reaps, error))
        return FALSE;
    return !reconciler->options.engine || remove_ownerless(reconciler, sight.garbage, error);
}
