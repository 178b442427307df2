#include "a2a/discovery.h"

#include "a2a/address.h"
#include "base/ids.h"

#include <string.h>

void discovery_answer_clear(DiscoveryAnswer *answer)
{
    g_clear_pointer(&answer->url, g_free);
    g_clear_pointer(&answer->name, g_free);
}

/* ---- Discover ---- */

static void found(DiscoveryAnswer *answer, const WorkspaceRow *row, char *url)
{
    answer->outcome = DISCOVERY_FOUND;
    answer->url = url;
    answer->name = g_strdup(row->name ? row->name : "");
}

/* An external agent is handed out whatever its status, in the form its caller can use. We do not
 * call it ourselves, so loopback may pass: what that means is the caller's business. */
static void find_external(const WorkspaceRow *row, const A2aOptions *options,
                          const WorkspaceRow *caller, DiscoveryAnswer *answer)
{
    GuardPolicy policy = a2a_guard_policy(options);

    policy.allow_loopback = TRUE;
    if (!guard_url_check(row->url, policy, NULL)) {
        answer->outcome = DISCOVERY_UNSAFE;
        return;
    }
    found(answer, row,
          caller && address_is_external(caller) ? g_strdup(row->url)
                                                : address_from_container_dup(row->url));
}

gboolean discovery_find(OrgTree *tree, const A2aOptions *options, const char *caller,
                        const char *target, DiscoveryAnswer *answer, GError **error)
{
    g_autoptr(OrgNode) from = org_tree_find(tree, caller);
    g_autoptr(OrgNode) to = org_tree_find(tree, target);
    const WorkspaceRow *row;

    if (!org_tree_may_talk(tree, caller, target))
        return error_set(error, ERROR_FORBIDDEN, "this workspace may not talk to that one");
    if (!to)
        return error_set(error, ERROR_NOT_FOUND, "workspace not found");
    row = org_node_row(to);
    *answer = (DiscoveryAnswer){.outcome = DISCOVERY_NO_ADDRESS, .status = row->status};
    if (address_is_external(row)) {
        if (address_is_callable(row->url))
            find_external(row, options, from ? org_node_row(from) : NULL, answer);
        return TRUE;
    }
    if (row->status != WORKSPACE_ONLINE && row->status != WORKSPACE_DEGRADED)
        return TRUE;
    if (address_is_callable(row->agent_url))
        found(answer, row, g_strdup(row->agent_url));
    else
        found(answer, row, address_container_dup(row));
    return TRUE;
}

void discovery_answer_write(const DiscoveryAnswer *answer, const char *target, GString *json)
{
    JsonOut out = json_out_start(json);

    json_out_object(&out, NULL);
    if (answer->outcome == DISCOVERY_FOUND) {
        json_out_text(&out, "id", target);
        json_out_text(&out, "url", answer->url);
        json_out_text(&out, "name", answer->name);
    } else {
        json_out_text(&out, "error",
                      answer->outcome == DISCOVERY_UNSAFE ? "the workspace's URL is not allowed"
                                                          : "workspace is not reachable");
        json_out_text(&out, "status", workspace_status_name(answer->status));
    }
    json_out_end(&out);
}

/* ---- Peers ---- */

static const char *text_or_null(const char *text)
{
    return text && *text ? text : NULL;
}

static void write_peer(JsonOut *out, const WorkspaceRow *row)
{
    const char *url = text_or_null(row->agent_url) ? row->agent_url : row->url;

    json_out_object(out, NULL);
    json_out_text(out, "id", row->id);
    json_out_text(out, "name", row->name ? row->name : "");
    json_out_text(out, "role", text_or_null(row->role));
    json_out_int(out, "tier", row->tier);
    json_out_text(out, "status", workspace_status_name(row->status));
    json_out_raw(out, "agent_card", row->agent_card);
    json_out_text(out, "url", url ? url : "");
    json_out_text(out, "parent_id", text_or_null(row->parent_id));
    json_out_int(out, "active_tasks", row->active_tasks);
    json_out_end(out);
}

static gboolean text_matches(const char *text, const char *folded_query)
{
    g_autofree char *folded = NULL;

    if (!text)
        return FALSE;
    folded = g_utf8_casefold(text, -1);
    return strstr(folded, folded_query) != NULL;
}

/* The query without blanks around it, its case folded; "" for none. Caller owns it. */
static char *query_fold_dup(const char *query)
{
    g_autofree char *valid = g_utf8_make_valid(query ? query : "", -1);

    return g_utf8_casefold(g_strstrip(valid), -1);
}

gboolean discovery_peers(OrgTree *tree, const char *id, const char *query, GString *json,
                         GError **error)
{
    g_autoptr(GPtrArray) peers = org_tree_peers(tree, id);
    g_autofree char *folded = query_fold_dup(query);
    JsonOut out = json_out_start(json);

    if (!peers)
        return error_set(error, ERROR_NOT_FOUND, "workspace not found");
    json_out_array(&out, NULL);
    for (guint i = 0; i < peers->len; i++) {
        const WorkspaceRow *row = org_node_row(peers->pdata[i]);
        if (!*folded || text_matches(row->name, folded) || text_matches(row->role, folded))
            write_peer(&out, row);
    }
    json_out_end(&out);
    return TRUE;
}

/* ---- Check-access ---- */

gboolean discovery_may_talk(OrgTree *tree, const AccessBody *body)
{
    char caller[ID_SIZE], target[ID_SIZE];

    if (strcmp(body->caller_id, body->target_id) == 0)
        return TRUE;
    return id_fold(body->caller_id, caller) && id_fold(body->target_id, target) &&
           org_tree_may_talk(tree, caller, target);
}
