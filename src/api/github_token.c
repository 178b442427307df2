/* Tokens of the GitHub App, for the git helper inside a workspace and for administrators. Source:
 * spec 02, section 12. */
#include "api/handlers.h"

static gboolean reply_token(ApiCall *call, GError **error)
{
    g_autofree char *token = NULL;
    gint64 expires_at_us = 0;
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    if (!env_mutators_token(call->api->mutators, &token, &expires_at_us, error))
        return FALSE;
    json_out_object(&out, NULL);
    json_out_text(&out, "token", token);
    json_out_time(&out, "expires_at", expires_at_us);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

gboolean api_github_token(ApiCall *call, GError **error)
{
    return reply_token(call, error);
}

gboolean api_github_token_of(ApiCall *call, GError **error)
{
    g_autoptr(OrgNode) node = api_live_workspace(call, error);

    return node && reply_token(call, error);
}
