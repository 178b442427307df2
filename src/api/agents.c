/* Models assigned to workspaces. Source: spec 01, section 14. */
#include "lifecycle/agents.h"

#include "api/fields.h"
#include "api/handlers.h"

#include <stddef.h>

typedef struct {
    char *model;
} ModelBody;

static const Field model_fields[] = {
    {"model", FIELD_TEXT, offsetof(ModelBody, model), TRUE},
};

static void model_body_clear(ModelBody *body)
{
    g_free(body->model);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ModelBody, model_body_clear)

static gboolean read_model(ApiCall *call, ModelBody *body, GError **error)
{
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);

    return fields_decode(text, length, model_fields, G_N_ELEMENTS(model_fields), body, error);
}

/* "agent_id" and "model", then what the route adds. */
static void open_reply(JsonOut *out, const char *agent_id, const char *model)
{
    json_out_object(out, NULL);
    json_out_text(out, "agent_id", agent_id);
    json_out_text(out, "model", model);
}

gboolean api_agent_assign(ApiCall *call, GError **error)
{
    g_auto(ModelBody) body = {0};
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);
    char agent_id[ID_SIZE];

    if (!read_model(call, &body, error) ||
        !lifecycle_agent_assign(call->api->lifecycle, call->id, body.model, agent_id, error))
        return FALSE;
    open_reply(&out, agent_id, body.model);
    json_out_end(&out);
    api_reply(call, 201, g_steal_pointer(&json));
    return TRUE;
}

gboolean api_agent_replace(ApiCall *call, GError **error)
{
    g_auto(ModelBody) body = {0};
    g_auto(StoreAgent) old = {0};
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);
    char agent_id[ID_SIZE];

    if (!read_model(call, &body, error) ||
        !lifecycle_agent_replace(call->api->lifecycle, call->id, body.model, agent_id, &old, error))
        return FALSE;
    open_reply(&out, agent_id, body.model);
    json_out_text(&out, "old_model", old.model);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

gboolean api_agent_remove(ApiCall *call, GError **error)
{
    g_auto(StoreAgent) removed = {0};
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    if (!lifecycle_agent_remove(call->api->lifecycle, call->id, &removed, error))
        return FALSE;
    json_out_object(&out, NULL);
    json_out_text(&out, "status", "removed");
    json_out_text(&out, "agent_id", removed.id);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

/* ---- Move ---- */

typedef struct {
    char target_id[ID_SIZE];
} MoveBody;

static const Field move_fields[] = {
    {"target_workspace_id", FIELD_ID, offsetof(MoveBody, target_id), TRUE},
};

gboolean api_agent_move(ApiCall *call, GError **error)
{
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);
    MoveBody body = {0};
    g_auto(StoreAgent) moved = {0};
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    if (!fields_decode(text, length, move_fields, G_N_ELEMENTS(move_fields), &body, error) ||
        !lifecycle_agent_move(call->api->lifecycle, call->id, body.target_id, &moved, error))
        return FALSE;
    open_reply(&out, moved.id, moved.model);
    json_out_text(&out, "from_workspace", call->id);
    json_out_text(&out, "to_workspace", body.target_id);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}
