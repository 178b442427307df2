/* The free configuration document of a workspace. Source: spec 01, section 16. */
#include "store/workspace_config.h"

#include "a2a/body_fields.h"
#include "api/handlers.h"
#include "lifecycle/settings.h"

gboolean api_config_get(ApiCall *call, GError **error)
{
    g_autofree char *data = NULL;
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    if (!store_config_find(call->api->db, call->id, &data, error))
        return FALSE;
    json_out_object(&out, NULL);
    json_out_raw(&out, "data", data ? data : "{}");
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

/* Exactly one value, and an object: an array would ruin the document for good. */
static gboolean read_patch(ApiCall *call, JsonView *patch, GError **error)
{
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);

    if (!json_view_parse(text, length, JSON_ONE_VALUE, patch, error))
        return FALSE;
    if (json_view_kind(*patch) != JSON_KIND_OBJECT)
        return error_set(error, ERROR_INVALID, "the body must be a JSON object");
    if (body_has_nul(*patch))
        return error_set(error, ERROR_INVALID, "the body must not contain \\u0000");
    return TRUE;
}

gboolean api_config_patch(ApiCall *call, GError **error)
{
    JsonView patch;

    if (!read_patch(call, &patch, error) ||
        !lifecycle_config_merge(call->api->lifecycle, call->id, patch, error))
        return FALSE;
    api_reply(call, 200, g_string_new("{\"status\":\"updated\"}"));
    return TRUE;
}
