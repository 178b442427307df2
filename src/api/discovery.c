/* Who are my colleagues, where are they, may we talk? Source: spec 04 section 8. */
#include "a2a/discovery.h"

#include "api/handlers.h"

/* DISC(x): who speaks for workspace `caller`? Operators do; else a workspace that has tokens must
 * show one. */
static gboolean check_speaks_for(const ApiCall *call, const char *caller, GError **error)
{
    if (caller_is_operator(&call->caller) || !api_is_strict(call))
        return TRUE;
    return registry_boot_check(call->api->tokens, caller, call->bearer, "workspace", NULL, error);
}

gboolean api_discover(ApiCall *call, GError **error)
{
    const char *header = http_request_header(call->request, "X-Workspace-ID");
    g_auto(DiscoveryAnswer) answer = {0};
    char caller[ID_SIZE];
    g_autoptr(GString) json = g_string_new(NULL);

    if (!header || !*header)
        return error_set(error, ERROR_INVALID, "X-Workspace-ID header is required");
    if (!id_fold(header, caller))
        return error_set(error, ERROR_FORBIDDEN, "this workspace may not talk to that one");
    if (!check_speaks_for(call, caller, error) ||
        !discovery_find(call->api->tree, call->api->a2a, caller, call->id, &answer, error))
        return FALSE;
    discovery_answer_write(&answer, call->id, json);
    api_reply(call, answer.outcome == DISCOVERY_FOUND ? 200 : 503, g_steal_pointer(&json));
    return TRUE;
}

gboolean api_peers(ApiCall *call, GError **error)
{
    g_autoptr(GString) json = g_string_new(NULL);

    if (!check_speaks_for(call, call->id, error) ||
        !discovery_peers(call->api->tree, call->id, http_request_query(call->request, "q"), json,
                         error))
        return FALSE;
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

gboolean api_check_access(ApiCall *call, GError **error)
{
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);
    g_auto(AccessBody) body = {0};

    if (!access_body_decode(text, length, &body, error))
        return FALSE;
    api_reply(call, 200,
              g_string_new(discovery_may_talk(call->api->tree, &body) ? "{\"allowed\":true}"
                                                                      : "{\"allowed\":false}"));
    return TRUE;
}
