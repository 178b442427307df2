/* Agents announce themselves. Source: spec 04 sections 7.1, 7.2, 7.4. */
#include "api/handlers.h"

static RegistryCaller registry_caller(const ApiCall *call)
{
    return (RegistryCaller){
        .bearer = call->bearer,
        .is_admin = caller_is_operator(&call->caller),
    };
}

gboolean api_register(ApiCall *call, GError **error)
{
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);
    RegistryCaller caller = registry_caller(call);
    g_auto(RegisterBody) body = {0};
    char token[CRYPTO_TOKEN_SIZE] = "";
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    if (!register_body_decode(text, length, &body, error) ||
        !registry_register(call->api->registry, &body, &caller, token, error))
        return FALSE;
    json_out_object(&out, NULL);
    json_out_text(&out, "status", "registered");
    if (*token)
        json_out_text(&out, "auth_token", token);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

gboolean api_heartbeat(ApiCall *call, GError **error)
{
    static const char ok[] = "{\"status\":\"ok\"}";
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);
    RegistryCaller caller = registry_caller(call);
    g_auto(HeartbeatBody) body = {0};
    g_autoptr(GBytes) answer = NULL;

    if (!heartbeat_body_decode(text, length, &body, error) ||
        !registry_heartbeat(call->api->registry, &body, &caller, error))
        return FALSE;
    answer = g_bytes_new_static(ok, sizeof ok - 1);
    http_reply_bytes(call->request, 200, "application/json; charset=utf-8", answer);
    return TRUE;
}

gboolean api_update_card(ApiCall *call, GError **error)
{
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);
    RegistryCaller caller = registry_caller(call);
    g_auto(CardBody) body = {0};

    if (!card_body_decode(text, length, &body, error) ||
        !registry_update_card(call->api->registry, &body, &caller, error))
        return FALSE;
    api_reply(call, 200, g_string_new("{\"status\":\"updated\"}"));
    return TRUE;
}
