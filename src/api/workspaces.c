/* Reading, changing and removing workspaces. Source: spec 01 sections 6, 7, 8; spec 03, 8.4. */
#include "store/workspaces.h"

#include "a2a/body_fields.h"
#include "api/handlers.h"
#include "api/workspace_json.h"
#include "api/workspace_list.h"
#include "base/clock.h"
#include "store/tokens.h"
#include "store/usage.h"

#include <string.h>

/* 0: it answers, or there is none. */
static gint64 engine_down_since_us(const ApiCall *call)
{
    ReconcilerStatus status;

    reconciler_status(call->api->reconciler, &status);
    return status.has_engine ? status.engine_down_since_us : 0;
}

gboolean api_workspace_list(ApiCall *call, GError **error)
{
    g_autoptr(GBytes) json =
        list_cache_get(call->api->list_cache, call->api->tree, engine_down_since_us(call));

    (void)error;
    http_reply_bytes(call->request, 200, "application/json; charset=utf-8", json);
    return TRUE;
}

static void reply_workspace(ApiCall *call, const WorkspaceRow *row)
{
    /* Why it does not run is not for its peers. */
    WorkspaceView view =
        access_check_workspace(&call->caller, row->id, NULL) ? WORKSPACE_OWN : WORKSPACE_ALONE;
    g_autoptr(GString) json = g_string_sized_new(512);
    JsonOut out = json_out_start(json);

    workspace_json_write(&out, row, view, engine_down_since_us(call));
    api_reply(call, 200, g_steal_pointer(&json));
}

gboolean api_workspace_get(ApiCall *call, GError **error)
{
    g_autoptr(OrgNode) node = org_tree_find(call->api->tree, call->id);
    g_autoptr(WorkspaceRow) removed = NULL;

    if (node) {
        reply_workspace(call, org_node_row(node));
        return TRUE;
    }
    if (!store_workspace_load(call->api->db, call->id, &removed, error))
        return FALSE;
    reply_workspace(call, removed);
    return TRUE;
}

gboolean api_workspace_patch(ApiCall *call, GError **error)
{
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);
    gboolean is_own_token = call->caller.kind == CALLER_WORKSPACE;
    WorkspacePatched patched = {0};
    JsonView object;

    if (!body_parse(text, length, &object, error) ||
        !lifecycle_patch(call->api->lifecycle, call->id, object, is_own_token, &patched, error))
        return FALSE;
    api_reply(call, 200,
              g_string_new(patched.needs_restart ? "{\"status\":\"updated\",\"needs_restart\":true}"
                                                 : "{\"status\":\"updated\"}"));
    return TRUE;
}

/* ---- Delete ---- */

static void reply_confirmation(ApiCall *call, const WorkspaceRemoved *removed)
{
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    json_out_object(&out, NULL);
    json_out_text(&out, "status", "confirmation_required");
    json_out_text(
        &out, "message",
        "the workspace has children, which would be removed with it; repeat with ?confirm=true");
    json_out_array(&out, "children");
    for (guint i = 0; i < removed->children->len; i++) {
        const StoreMember *child = removed->children->pdata[i];
        json_out_object(&out, NULL);
        json_out_text(&out, "id", child->id);
        json_out_text(&out, "name", child->name);
        json_out_end(&out);
    }
    json_out_end(&out);
    json_out_int(&out, "children_count", removed->children->len);
    json_out_end(&out);
    api_reply(call, 409, g_steal_pointer(&json));
}

static void reply_removed(ApiCall *call, const WorkspaceRemoved *removed, gboolean purge)
{
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    json_out_object(&out, NULL);
    json_out_text(&out, "status", purge ? "purged" : "removed");
    json_out_int(&out, "cascade_deleted", removed->cascade_deleted);
    json_out_text(&out, "cleanup", removed->is_cleaned ? "done" : "pending");
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
}

gboolean api_workspace_delete(ApiCall *call, GError **error)
{
    gboolean purge = api_query_flag(call, "purge");
    g_auto(WorkspaceRemoved) removed = {0};

    if (!lifecycle_remove(call->api->lifecycle, call->id, api_query_flag(call, "confirm"), purge,
                          &removed, error))
        return FALSE;
    if (removed.needs_confirmation)
        reply_confirmation(call, &removed);
    else
        reply_removed(call, &removed, purge);
    return TRUE;
}

/* ---- State: for agents that poll ---- */

static void reply_state(ApiCall *call, const WorkspaceRow *row)
{
    gboolean deleted = !row || row->status == WORKSPACE_REMOVED;
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    json_out_object(&out, NULL);
    json_out_text(&out, "workspace_id", call->id);
    if (row)
        json_out_text(&out, "status", workspace_status_name(row->status));
    if (!deleted)
        json_out_bool(&out, "paused", row->status == WORKSPACE_PAUSED);
    json_out_bool(&out, "deleted", deleted);
    json_out_end(&out);
    api_reply(call, deleted ? 404 : 200, g_steal_pointer(&json));
}

/* A removed workspace's agent has only a revoked token left, and shall still learn that it was
 * removed. */
static gboolean bears_revoked_token(const ApiCall *call, gboolean *bears, GError **error)
{
    guint8 hash[CRYPTO_HASH_SIZE];
    StoreToken token;
    gboolean found = FALSE;

    *bears = FALSE;
    if (!call->bearer)
        return TRUE;
    crypto_sha256(call->bearer, strlen(call->bearer), hash);
    if (!store_token_find_any(call->api->db, hash, &token, &found, error))
        return FALSE;
    *bears = found && strcmp(token.workspace_id, call->id) == 0;
    return TRUE;
}

gboolean api_workspace_state(ApiCall *call, GError **error)
{
    g_autoptr(OrgNode) node = org_tree_find(call->api->tree, call->id);
    g_autoptr(WorkspaceRow) stored = NULL;
    const WorkspaceRow *row = NULL;
    gboolean may_know = FALSE;

    if (!node && !store_workspace_find(call->api->db, call->id, &stored, error))
        return FALSE;
    row = node ? org_node_row(node) : stored;
    if (row && row->status == WORKSPACE_REMOVED && !bears_revoked_token(call, &may_know, error))
        return FALSE;
    if (row && !may_know && !access_check_workspace(&call->caller, call->id, error))
        return FALSE;
    reply_state(call, row);
    return TRUE;
}

/* ---- Token usage of the day ---- */

gboolean api_workspace_usage(ApiCall *call, GError **error)
{
    gint64 from_us = clock_now_us() / CLOCK_DAY_US * CLOCK_DAY_US;
    gint64 to_us = from_us + CLOCK_DAY_US;
    g_autoptr(WorkspaceRow) row = NULL;
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);
    UsageTotal total = {0};
    char cost[48];

    if (!store_workspace_load(call->api->db, call->id, &row, error) ||
        !store_usage_sum(call->api->db, call->id, from_us, to_us, &total, error))
        return FALSE;
    g_snprintf(cost, sizeof cost, "%" G_GINT64_FORMAT ".%06" G_GINT64_FORMAT,
               total.cost_micro_usd / 1000000, total.cost_micro_usd % 1000000);
    json_out_object(&out, NULL);
    json_out_text(&out, "estimated_cost_usd", cost);
    json_out_int(&out, "input_tokens", total.input_tokens);
    json_out_int(&out, "output_tokens", total.output_tokens);
    json_out_time(&out, "period_end", to_us);
    json_out_time(&out, "period_start", from_us);
    json_out_int(&out, "total_calls", total.call_count);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}
