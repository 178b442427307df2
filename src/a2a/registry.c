#include "a2a/registry.h"

#include "a2a/address.h"
#include "a2a/heartbeat.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "store/tokens.h"
#include "store/workspaces.h"

#include <string.h>

#define PROVISION_TIMEOUT_DEFAULT_S 600 /* spec 04, 7.5 */
#define TIER_DEFAULT                2   /* ARCHITECTURE D2 */

struct _Registry {
    RegistryOptions options; /* constant */
};

Registry *registry_new(const RegistryOptions *options)
{
    Registry *registry = g_new0(Registry, 1);

    registry->options = *options;
    if (!registry->options.options.provision_timeout_s)
        registry->options.options.provision_timeout_s = PROVISION_TIMEOUT_DEFAULT_S;
    return registry;
}

void registry_free(Registry *registry)
{
    g_free(registry);
}

/* ---- The credential ---- */

gboolean registry_boot_check(Tokens *tokens, const char *workspace_id, const char *bearer,
                             const char *who, TokenOwner *owner, GError **error)
{
    TokenOwner found_owner = {0};
    gboolean has_live = FALSE;
    gboolean found = FALSE;

    if (owner)
        *owner = found_owner;
    if (!tokens_has_live(tokens, workspace_id, &has_live, error))
        return FALSE;
    if (!has_live)
        return TRUE;
    if (!bearer || !*bearer)
        return error_set(error, ERROR_UNAUTHENTICATED, "missing %s auth token", who);
    if (!tokens_check(tokens, bearer, &found_owner, &found, error))
        return FALSE;
    if (!found || strcmp(found_owner.workspace_id, workspace_id) != 0)
        return error_set(error, ERROR_UNAUTHENTICATED, "invalid %s auth token", who);
    if (owner)
        *owner = found_owner;
    return TRUE;
}

/* ---- POST /registry/register ---- */

/* One registration on its way. */
typedef struct {
    const RegisterBody *body;
    const RegistryCaller *caller;
    TokenOwner owner;    /* owner.id "": no token was asked for */
    char *event_payload; /* NULL: no event */
    gint64 now_us;
    gint64 generation; /* of the wish, for a token that is bound to it; 0: none */
    char *token;       /* out: CRYPTO_TOKEN_SIZE bytes */
} Registration;

static gboolean check_url(Registry *registry, const RegisterBody *body, GError **error)
{
    g_autoptr(OrgNode) node = org_tree_find(registry->options.tree, body->id);

    /* An address of our own engine is trusted, resolvable here or not (F39). */
    if (node && address_is_own(org_node_row(node), body->url))
        return TRUE;
    return guard_url_check(body->url, a2a_guard_policy(&registry->options.options), error);
}

/* Nobody has shown a token because there is none: who comes first gets one. In strict mode only
 * while the workspace is being started, or is an external one that never came, and not for ever
 * (F37). */
static gboolean is_first_window_open(Registry *registry, const WorkspaceRow *row, gint64 now_us)
{
    gint64 window_us = registry->options.options.provision_timeout_s * CLOCK_SECOND_US;
    gint64 started_us =
        row->provision_started_at_us ? row->provision_started_at_us : row->created_at_us;
    gboolean is_expected = row->status == WORKSPACE_PROVISIONING ||
                           row->status == WORKSPACE_AWAITING_AGENT ||
                           (address_is_external(row) && !row->last_heartbeat_at_us);

    return is_expected && now_us - started_us < window_us;
}

/* Who shows a token that was revoked is what was there before: a machine that is being ended. Its
 * successor comes without one. */
static gboolean check_successor(Registry *registry, const Registration *registration,
                                GError **error)
{
    const char *bearer = registration->caller->bearer;
    guint8 hash[CRYPTO_HASH_SIZE];
    StoreToken token;
    gboolean found = FALSE;

    if (!registry->options.is_hosted || !bearer || !*bearer)
        return TRUE;
    crypto_sha256(bearer, strlen(bearer), hash);
    if (!store_token_find_any(registry->options.db, hash, &token, &found, error))
        return FALSE;
    return !found || strcmp(token.workspace_id, registration->body->id) != 0 ||
           error_set(error, ERROR_UNAUTHENTICATED, "invalid workspace auth token");
}

static gboolean check_first(Registry *registry, Registration *registration, GError **error)
{
    const char *id = registration->body->id;
    g_autoptr(WorkspaceRow) row = NULL;
    gboolean has_live = FALSE;

    if (!store_token_has_live(registry->options.db, id, &has_live, error))
        return FALSE;
    if (has_live) /* somebody came first, in this moment */
        return error_set(error, ERROR_UNAUTHENTICATED, "missing workspace auth token");
    if (!check_successor(registry, registration, error))
        return FALSE;
    if (!registry->options.options.strict || registration->caller->is_admin)
        return TRUE;
    if (!store_workspace_find(registry->options.db, id, &row, error))
        return FALSE;
    if (!row)
        return error_set(error, ERROR_NOT_FOUND, "workspace not found");
    if (row->status != WORKSPACE_REMOVED &&
        !is_first_window_open(registry, row, registration->now_us))
        return error_set(error, ERROR_UNAUTHENTICATED, "missing workspace auth token");
    return TRUE;
}

/* A workspace that nobody created: its agent runs where we did not start it. */
static gboolean insert_unknown(Registry *registry, const Registration *registration, GError **error)
{
    const RegisterBody *body = registration->body;
    g_autoptr(WorkspaceRow) row = workspace_row_new();

    g_strlcpy(row->id, body->id, sizeof row->id);
    row->name = g_strdup(body->id);
    row->tier = TIER_DEFAULT;
    row->runtime = g_strdup("external");
    row->status = WORKSPACE_ONLINE;
    row->url = g_strdup(body->url);
    row->agent_url = g_strdup(body->url);
    row->agent_card = g_strdup(body->agent_card);
    row->last_heartbeat_at_us = registration->now_us;
    return store_workspace_insert(registry->options.db, row, error);
}

static char *online_payload_dup(const char *url, const char *agent_card)
{
    GString *payload = g_string_new(NULL);
    JsonOut out = json_out_start(payload);

    json_out_object(&out, NULL);
    json_out_text(&out, "url", url);
    json_out_raw(&out, "agent_card", agent_card);
    json_out_end(&out);
    return g_string_free(payload, FALSE);
}

static gboolean store_registration(Registry *registry, Registration *registration, GError **error)
{
    const RegisterBody *body = registration->body;
    const StoreRegistration said = {
        .url = body->url,
        .agent_card = body->agent_card,
        .token_generation = registration->owner.generation,
    };
    g_auto(StoreRegisterResult) result = {0};

    if (!store_workspace_mark_online_by_register(registry->options.db, body->id, &said, &result,
                                                 error))
        return FALSE;
    if (result.superseded)
        return error_set(error, ERROR_CONFLICT, "a newer container of this workspace was started");
    if (result.found && !result.stored)
        return error_set(error, ERROR_GONE, "workspace was removed");
    if (!result.found && *registration->owner.id) /* purged since its token was looked at */
        return error_set(error, ERROR_NOT_FOUND, "workspace not found");
    if (!result.found && !insert_unknown(registry, registration, error))
        return FALSE;
    registration->generation = registry->options.is_hosted ? result.generation : 0;
    if (!result.found || result.after == WORKSPACE_ONLINE)
        registration->event_payload =
            online_payload_dup(result.found ? result.url : body->url, body->agent_card);
    return TRUE;
}

static gboolean write_registration(Registry *registry, Registration *registration, GError **error)
{
    const char *id = registration->body->id;
    gboolean is_first = registration->owner.id[0] == '\0';
    g_autofree char *lock_name = g_strconcat("register:", id, NULL);
    g_autoptr(DbTransaction) transaction = db_begin(registry->options.db, error);

    if (!transaction || !db_lock(registry->options.db, lock_name, error) ||
        (is_first && !check_first(registry, registration, error)) ||
        !store_registration(registry, registration, error))
        return FALSE;
    if (registration->event_payload &&
        !event_store(registry->options.db, "WORKSPACE_ONLINE", id, registration->event_payload,
                     registration->now_us, error))
        return FALSE;
    if (is_first && !tokens_mint(registry->options.tokens, id, TOKEN_ORIGIN_REGISTER,
                                 registration->generation, registration->token, error))
        return FALSE;
    return db_commit(&transaction, error);
}

static void refresh(Registry *registry, const char *id)
{
    g_autoptr(GError) error = NULL;

    if (!org_tree_refresh(registry->options.tree, id, &error))
        log_warning("a workspace could not be read again", LOG_TEXT("workspace", id),
                    LOG_CAUSE(error));
}

gboolean registry_register(Registry *registry, const RegisterBody *body,
                           const RegistryCaller *caller, char token[CRYPTO_TOKEN_SIZE],
                           GError **error)
{
    Registration registration = {
        .body = body, .caller = caller, .now_us = clock_now_us(), .token = token};
    g_autofree char *payload = NULL;
    gboolean is_written;

    token[0] = '\0';
    if (!check_url(registry, body, error) ||
        !registry_boot_check(registry->options.tokens, body->id, caller->bearer, "workspace",
                             &registration.owner, error))
        return FALSE;
    is_written = write_registration(registry, &registration, error);
    payload = g_steal_pointer(&registration.event_payload);
    if (!is_written) {
        if (token[0])
            tokens_forget(registry->options.tokens, body->id); /* minted and rolled back */
        token[0] = '\0';
        return FALSE;
    }
    refresh(registry, body->id);
    if (registry->options.forwards)
        forwards_touch(registry->options.forwards, body->id);
    if (payload)
        events_announce(registry->options.events, "WORKSPACE_ONLINE", body->id, payload,
                        registration.now_us);
    return TRUE;
}

/* ---- POST /registry/heartbeat ---- */

static gboolean apply_decision(Registry *registry, const char *id, WorkspaceStatus from,
                               const HeartbeatDecision *decision, gint64 generation,
                               gboolean *changed, GError **error)
{
    Db *db = registry->options.db;

    if (decision->to == WORKSPACE_DEGRADED)
        return store_workspace_mark_degraded(db, id, changed, error);
    if (from == WORKSPACE_DEGRADED)
        return store_workspace_mark_recovered(db, id, changed, error);
    return store_workspace_mark_online_by_heartbeat(db, id, from, generation, changed, error);
}

static gboolean write_decision(Registry *registry, const HeartbeatBody *body, WorkspaceStatus from,
                               const HeartbeatDecision *decision, gint64 generation, GError **error)
{
    const char *id = body->workspace_id;
    const char *type = heartbeat_event_type(decision);
    g_autofree char *payload = heartbeat_event_payload_dup(decision, body);
    g_autoptr(DbTransaction) transaction = db_begin(registry->options.db, error);
    gint64 now_us = clock_now_us();
    gboolean changed = FALSE;

    if (!transaction ||
        !apply_decision(registry, id, from, decision, generation, &changed, error) ||
        (changed && !event_store(registry->options.db, type, id, payload, now_us, error)) ||
        !db_commit(&transaction, error))
        return FALSE;
    refresh(registry, id); /* also when nothing changed: our picture was an old one */
    if (changed)
        events_announce(registry->options.events, type, id, payload, now_us);
    return TRUE;
}

static void tell_task(Registry *registry, const HeartbeatBody *body)
{
    g_autoptr(GString) payload = g_string_new(NULL);
    JsonOut out = json_out_start(payload);

    json_out_object(&out, NULL);
    json_out_text(&out, "current_task", body->current_task ? body->current_task : "");
    json_out_int(&out, "active_tasks", body->active_tasks);
    json_out_end(&out);
    events_broadcast(registry->options.events, "TASK_UPDATED", body->workspace_id, payload->str);
}

static void tell_beat(Registry *registry, const HeartbeatBody *body)
{
    g_autoptr(GString) payload = g_string_new(NULL);
    JsonOut out = json_out_start(payload);

    json_out_object(&out, NULL);
    json_out_int(&out, "active_tasks", body->active_tasks);
    json_out_int(&out, "uptime_seconds", body->uptime_seconds);
    json_out_end(&out);
    events_broadcast(registry->options.events, "WORKSPACE_HEARTBEAT", body->workspace_id,
                     payload->str);
}

/* Into memory. Gives the node as it was; NULL for a workspace that is not live. */
static OrgNode *beat(Registry *registry, const HeartbeatBody *body)
{
    g_autoptr(OrgNode) seen = org_tree_find(registry->options.tree, body->workspace_id);
    OrgNode *before = NULL;
    OrgVitals vitals = {
        .error_rate = body->error_rate,
        .sample_error = body->sample_error ? body->sample_error : "",
        .active_tasks = body->active_tasks,
        .uptime_seconds = body->uptime_seconds,
        .current_task = body->current_task ? body->current_task : "",
        .monthly_spend = body->monthly_spend,
        .heartbeat_at_us = clock_now_us(),
    };

    if (seen && org_node_row(seen)->status == WORKSPACE_FAILED)
        vitals.sample_error = NULL; /* the reason of the failure stays until it is lifted (F46) */
    if (!org_tree_beat(registry->options.tree, body->workspace_id, &vitals, &before))
        return NULL;
    return before;
}

static void note_life(Registry *registry, const HeartbeatBody *body)
{
    if (!registry->options.forwards)
        return;
    forwards_declare(registry->options.forwards, body->workspace_id, &body->declared);
    forwards_touch(registry->options.forwards, body->workspace_id);
}

gboolean registry_heartbeat(Registry *registry, const HeartbeatBody *body,
                            const RegistryCaller *caller, GError **error)
{
    TokenOwner owner = {0};
    HeartbeatDecision decision;
    WorkspaceStatus status;

    if (!registry_boot_check(registry->options.tokens, body->workspace_id, caller->bearer,
                             "workspace", &owner, error))
        return FALSE;
    /* Between two machines no token lives; what beats then is the one that is being ended (F12). */
    if (registry->options.is_hosted && registry->options.options.strict && !*owner.id)
        return error_set(error, ERROR_UNAUTHENTICATED, "invalid workspace auth token");
    g_autoptr(OrgNode) before = beat(registry, body);
    if (!before)
        return TRUE; /* unknown or removed: no effect (F48) */
    note_life(registry, body);
    status = org_node_row(before)->status;
    decision = heartbeat_decide(
        status, reason_parse(org_node_row(before)->failure_reason) == REASON_HEALTH_CHECK_FAILED,
        body);
    if (decision.changes &&
        !write_decision(registry, body, status, &decision, owner.generation, error))
        return FALSE;
    if (g_strcmp0(body->current_task ? body->current_task : "",
                  org_node_row(before)->current_task ? org_node_row(before)->current_task : "") !=
        0)
        tell_task(registry, body);
    if (registry->options.options.heartbeat_events)
        tell_beat(registry, body);
    return TRUE;
}

/* ---- POST /registry/update-card ---- */

static gboolean write_card(Registry *registry, const CardBody *body, const char *payload,
                           gint64 now_us, GError **error)
{
    g_autoptr(DbTransaction) transaction = db_begin(registry->options.db, error);
    gboolean changed = FALSE;

    if (!transaction || !store_workspace_set_card(registry->options.db, body->workspace_id,
                                                  body->agent_card, &changed, error))
        return FALSE;
    if (!changed)
        return error_set(error, ERROR_NOT_FOUND, "workspace not found");
    return event_store(registry->options.db, "AGENT_CARD_UPDATED", body->workspace_id, payload,
                       now_us, error) &&
           db_commit(&transaction, error);
}

gboolean registry_update_card(Registry *registry, const CardBody *body,
                              const RegistryCaller *caller, GError **error)
{
    g_autofree char *payload = g_strdup_printf("{\"agent_card\":%s}", body->agent_card);
    gint64 now_us = clock_now_us();

    if (!caller->is_admin && !registry_boot_check(registry->options.tokens, body->workspace_id,
                                                  caller->bearer, "workspace", NULL, error))
        return FALSE;
    if (!write_card(registry, body, payload, now_us, error))
        return FALSE;
    refresh(registry, body->workspace_id);
    events_announce(registry->options.events, "AGENT_CARD_UPDATED", body->workspace_id, payload,
                    now_us);
    return TRUE;
}
