#include "lifecycle/agents.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "lifecycle/rules.h"

#define NO_AGENT  "the workspace has no active agent"
#define HAS_AGENT "the workspace already has an active agent"

/* ---- Events ---- */

/* One more member, when it has a key. */
typedef struct {
    const char *key, *value;
} Extra;

static char *payload_dup(const char *agent_id, const char *model, Extra extra)
{
    g_autoptr(GString) payload = g_string_new(NULL);
    JsonOut out = json_out_start(payload);

    json_out_object(&out, NULL);
    json_out_text(&out, "agent_id", agent_id);
    json_out_text(&out, "model", model);
    if (extra.key)
        json_out_text(&out, extra.key, extra.value);
    json_out_end(&out);
    return g_string_free(g_steal_pointer(&payload), FALSE);
}

typedef struct {
    const char *type;
    const char *workspace_id;
    char *payload;
} AgentEvent;

/* Stores all events of the change, ends its transaction, then tells. */
static gboolean commit_and_tell(const Lifecycle *lifecycle, DbTransaction **transaction,
                                const AgentEvent *events, guint count, GError **error)
{
    gint64 now_us = clock_now_us();

    for (guint i = 0; i < count; i++)
        if (!event_store(lifecycle->db, events[i].type, events[i].workspace_id, events[i].payload,
                         now_us + i, error))
            return FALSE;
    if (!db_commit(transaction, error))
        return FALSE;
    for (guint i = 0; i < count; i++)
        events_announce(lifecycle->events, events[i].type, events[i].workspace_id,
                        events[i].payload, now_us + i);
    return TRUE;
}

/* ---- Checks ---- */

static gboolean check_live(const Lifecycle *lifecycle, const char *id, const char *what,
                           GError **error)
{
    g_autoptr(OrgNode) node = org_tree_find(lifecycle->tree, id);

    return node || error_set(error, ERROR_NOT_FOUND, "%s not found", what);
}

/* The index that allows one active agent a workspace speaks SQL; clients get a sentence. */
static gboolean explain_conflict(GError **error)
{
    if (error && error_is(*error, ERROR_CONFLICT)) {
        g_clear_error(error);
        error_set(error, ERROR_CONFLICT, HAS_AGENT);
    }
    return FALSE;
}

/* ---- The four changes ---- */

gboolean lifecycle_agent_assign(const Lifecycle *lifecycle, const char *id, const char *model,
                                char agent_id[ID_SIZE], GError **error)
{
    g_autoptr(DbTransaction) transaction = NULL;
    g_autofree char *payload = NULL;

    if (!rule_model(model, error) || !check_live(lifecycle, id, "workspace", error))
        return FALSE;
    transaction = db_begin(lifecycle->db, error);
    if (!transaction)
        return FALSE;
    if (!store_agent_assign(lifecycle->db, id, model, agent_id, error))
        return explain_conflict(error);
    payload = payload_dup(agent_id, model, (Extra){0});
    return commit_and_tell(lifecycle, &transaction, &(AgentEvent){"AGENT_ASSIGNED", id, payload}, 1,
                           error);
}

gboolean lifecycle_agent_replace(const Lifecycle *lifecycle, const char *id, const char *model,
                                 char agent_id[ID_SIZE], StoreAgent *old, GError **error)
{
    g_autoptr(DbTransaction) transaction = NULL;
    g_autofree char *payload = NULL;

    if (!rule_model(model, error) || !check_live(lifecycle, id, "workspace", error))
        return FALSE;
    transaction = db_begin(lifecycle->db, error);
    if (!transaction ||
        !store_agent_end(lifecycle->db, id, "replaced", "model_replaced", old, error))
        return FALSE;
    if (!*old->id)
        return error_set(error, ERROR_NOT_FOUND, NO_AGENT);
    if (!store_agent_assign(lifecycle->db, id, model, agent_id, error))
        return explain_conflict(error);
    payload = payload_dup(agent_id, model, (Extra){"old_model", old->model});
    return commit_and_tell(lifecycle, &transaction, &(AgentEvent){"AGENT_REPLACED", id, payload}, 1,
                           error);
}

gboolean lifecycle_agent_remove(const Lifecycle *lifecycle, const char *id, StoreAgent *removed,
                                GError **error)
{
    g_autoptr(DbTransaction) transaction = NULL;
    g_autofree char *payload = NULL;

    if (!check_live(lifecycle, id, "workspace", error))
        return FALSE;
    transaction = db_begin(lifecycle->db, error);
    if (!transaction ||
        !store_agent_end(lifecycle->db, id, "removed", "manual_removal", removed, error))
        return FALSE;
    if (!*removed->id)
        return error_set(error, ERROR_NOT_FOUND, NO_AGENT);
    payload = payload_dup(removed->id, removed->model, (Extra){0});
    return commit_and_tell(lifecycle, &transaction, &(AgentEvent){"AGENT_REMOVED", id, payload}, 1,
                           error);
}

/* In this order: is the target there, is it free, has the source one. A move to itself therefore
 * finds the target taken. */
static gboolean check_move(const Lifecycle *lifecycle, const char *from_id, const char *to_id,
                           GError **error)
{
    g_auto(StoreAgent) taken = {0};

    if (!check_live(lifecycle, to_id, "target workspace", error) ||
        !store_agent_find(lifecycle->db, to_id, &taken, error))
        return FALSE;
    if (*taken.id)
        return error_set(error, ERROR_CONFLICT, "the target workspace already has an active agent");
    return check_live(lifecycle, from_id, "workspace", error);
}

gboolean lifecycle_agent_move(const Lifecycle *lifecycle, const char *from_id, const char *to_id,
                              StoreAgent *moved, GError **error)
{
    g_autoptr(DbTransaction) transaction = db_begin(lifecycle->db, error);
    g_autofree char *left = NULL;
    g_autofree char *came = NULL;

    if (!transaction || !check_move(lifecycle, from_id, to_id, error))
        return FALSE;
    if (!store_agent_move(lifecycle->db, from_id, to_id, moved, error))
        return explain_conflict(error);
    if (!*moved->id)
        return error_set(error, ERROR_NOT_FOUND, NO_AGENT);
    left = payload_dup(moved->id, moved->model, (Extra){"target_workspace_id", to_id});
    came = payload_dup(moved->id, moved->model, (Extra){"source_workspace_id", from_id});
    const AgentEvent events[] = {{"AGENT_MOVED", from_id, left}, {"AGENT_MOVED", to_id, came}};
    return commit_and_tell(lifecycle, &transaction, events, G_N_ELEMENTS(events), error);
}
