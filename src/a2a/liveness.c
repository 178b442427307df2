#include "a2a/liveness.h"

#include "a2a/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sync.h"
#include "store/workspaces.h"

/* Of WORKSPACE_OFFLINE; the word is one of base/reasons.h, the reconciler says the others. */
#define SILENT_PAYLOAD         "{\"reason\":\"unhealthy\"}"
#define STALE_DEFAULT_S        180 /* spec 04, 7.5 */
#define REMOTE_STALE_DEFAULT_S 90

struct _Liveness {
    LivenessOptions options; /* constant */
    gint64 started_us;       /* monotonic */
};

Liveness *liveness_new(const LivenessOptions *options)
{
    Liveness *liveness = g_new0(Liveness, 1);

    liveness->options = *options;
    if (!liveness->options.options.liveness_stale_after_s)
        liveness->options.options.liveness_stale_after_s = STALE_DEFAULT_S;
    if (!liveness->options.options.remote_stale_after_s)
        liveness->options.options.remote_stale_after_s = REMOTE_STALE_DEFAULT_S;
    liveness->started_us = clock_monotonic_us();
    return liveness;
}

void liveness_free(Liveness *liveness)
{
    g_free(liveness);
}

static gint64 window_us(const Liveness *liveness, gboolean is_external)
{
    const A2aOptions *options = &liveness->options.options;

    return (gint64)(is_external ? options->remote_stale_after_s : options->liveness_stale_after_s) *
           CLOCK_SECOND_US;
}

/* By what memory knows; the database is asked again before anything is done. */
static gboolean looks_silent(const WorkspaceRow *row, gint64 older_than_us)
{
    gint64 last_us = row->last_heartbeat_at_us ? row->last_heartbeat_at_us : row->updated_at_us;

    return (row->status == WORKSPACE_ONLINE || row->status == WORKSPACE_DEGRADED) &&
           last_us < older_than_us;
}

static gboolean anybody_looks_silent(OrgTree *tree, gboolean is_external, gint64 older_than_us)
{
    g_autoptr(GPtrArray) nodes = org_tree_list(tree);

    for (guint i = 0; i < nodes->len; i++) {
        const WorkspaceRow *row = org_node_row(nodes->pdata[i]);
        if (address_is_external(row) == is_external && looks_silent(row, older_than_us))
            return TRUE;
    }
    return FALSE;
}

/* One transaction: the statuses and their events. Gives the ids that changed; NULL on an error. */
static GPtrArray *mark_silent(Liveness *liveness, gboolean is_external, gint64 older_than_us,
                              gint64 now_us, GError **error)
{
    Db *db = liveness->options.db;
    StoreRuntimeKind kind = is_external ? STORE_RUNTIME_EXTERNAL : STORE_RUNTIME_CONTAINER;
    g_autoptr(DbTransaction) transaction = db_begin(db, error);
    g_autoptr(GPtrArray) ids =
        transaction ? store_workspace_mark_stale_offline(db, kind, older_than_us, error) : NULL;

    if (!ids)
        return NULL;
    for (guint i = 0; i < ids->len; i++)
        if (!event_store(db, "WORKSPACE_OFFLINE", ids->pdata[i], SILENT_PAYLOAD, now_us, error))
            return NULL;
    if (!db_commit(&transaction, error))
        return NULL;
    return g_steal_pointer(&ids);
}

static void tell(Liveness *liveness, const char *id, gboolean is_external, gint64 now_us)
{
    const LivenessOptions *options = &liveness->options;
    g_autoptr(GError) error = NULL;

    log_info("an agent fell silent", LOG_TEXT("workspace", id));
    if (!org_tree_refresh(options->tree, id, &error))
        log_warning("a workspace could not be read again", LOG_TEXT("workspace", id),
                    LOG_CAUSE(error));
    events_announce(options->events, "WORKSPACE_OFFLINE", id, SILENT_PAYLOAD, now_us);
    if (!is_external && options->poke)
        options->poke(id, options->data);
}

static guint sweep_kind(Liveness *liveness, gboolean is_external)
{
    gint64 now_us = clock_now_us();
    gint64 window = window_us(liveness, is_external);
    g_autoptr(GPtrArray) ids = NULL;
    g_autoptr(GError) error = NULL;

    if (clock_monotonic_us() - liveness->started_us < window ||
        !anybody_looks_silent(liveness->options.tree, is_external, now_us - window))
        return 0;
    /* What heartbeats brought must be in the database before it is asked; when it cannot be
     * written, nobody is judged. */
    if (org_tree_flush(liveness->options.tree, &error))
        ids = mark_silent(liveness, is_external, now_us - window, now_us, &error);
    if (!ids) {
        log_warning("silent agents could not be looked up", LOG_CAUSE(error));
        return 0;
    }
    for (guint i = 0; i < ids->len; i++)
        tell(liveness, ids->pdata[i], is_external, now_us);
    return ids->len;
}

guint liveness_sweep(Liveness *liveness)
{
    return sweep_kind(liveness, FALSE) + sweep_kind(liveness, TRUE);
}
