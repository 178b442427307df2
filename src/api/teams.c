/* Making a team from its template, and taking it away. Source: spec 01, section 13. */
#include "api/handlers.h"
#include "lifecycle/team.h"

gboolean api_team_expand(ApiCall *call, GError **error)
{
    g_autoptr(GPtrArray) children = lifecycle_expand(call->api->lifecycle, call->id, error);
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    if (!children)
        return FALSE;
    json_out_object(&out, NULL);
    json_out_text(&out, "status", "expanded");
    team_children_write(&out, children);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

gboolean api_team_collapse(ApiCall *call, GError **error)
{
    g_autoptr(GPtrArray) names = lifecycle_collapse(call->api->lifecycle, call->id, error);
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    if (!names)
        return FALSE;
    json_out_object(&out, NULL);
    json_out_text(&out, "status", "collapsed");
    json_out_array(&out, "removed");
    for (guint i = 0; i < names->len; i++)
        json_out_text(&out, NULL, names->pdata[i]);
    json_out_end(&out);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}
