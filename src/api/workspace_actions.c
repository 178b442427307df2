/* Restart, pause, resume, hibernate. Source: spec 01 sections 9.1, 9.3 to 9.5. */
#include "api/handlers.h"

static gboolean reply_no_engine(ApiCall *call)
{
    http_reply_error(call->request, 503, "this server has no container engine");
    return TRUE;
}

static void reply_count(ApiCall *call, const char *status, const char *key, guint count)
{
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    json_out_object(&out, NULL);
    json_out_text(&out, "status", status);
    json_out_int(&out, key, count);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
}

/* ---- Restart ---- */

static void read_flag(JsonView body, const char *key, gboolean *flag)
{
    JsonView value;

    if (json_view_member(body, key, JSON_KEYS_FOLDED, &value) && !json_view_bool(value, flag))
        *flag = FALSE;
}

/* Malformed JSON is ignored as a whole, a member of the wrong type alone. */
static void read_order(ApiCall *call, RestartOrder *order)
{
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);
    gboolean has_nul = FALSE;
    JsonView body, value;

    order->is_own_token = call->caller.kind == CALLER_WORKSPACE;
    if (json_view_parse(text, length, JSON_FIRST_VALUE, &body, NULL)) {
        if (json_view_member(body, "template", JSON_KEYS_FOLDED, &value))
            order->template_name = json_view_text_dup(value, &has_nul);
        read_flag(body, "apply_template", &order->apply_template);
        read_flag(body, "rebuild_config", &order->rebuild_config);
        read_flag(body, "reset", &order->reset);
    }
    if (has_nul || (order->template_name && !*order->template_name))
        g_clear_pointer(&order->template_name, g_free);
    order->reset = order->reset || api_query_flag(call, "reset");
}

gboolean api_workspace_restart(ApiCall *call, GError **error)
{
    g_auto(RestartOrder) order = {0};
    g_auto(WorkspaceRestarted) restarted = {0};
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    read_order(call, &order);
    if (!lifecycle_restart(call->api->lifecycle, call->id, &order, &restarted, error))
        return FALSE;
    if (restarted.has_no_engine)
        return reply_no_engine(call);
    json_out_object(&out, NULL);
    json_out_text(&out, "status", "provisioning");
    json_out_text(&out, "config_dir", restarted.config);
    json_out_bool(&out, "reset_session", order.reset);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

/* ---- Pause and resume ---- */

gboolean api_workspace_pause(ApiCall *call, GError **error)
{
    guint count = 0;

    if (!lifecycle_pause(call->api->lifecycle, call->id, &count, error))
        return FALSE;
    reply_count(call, "paused", "paused_count", count);
    return TRUE;
}

gboolean api_workspace_resume(ApiCall *call, GError **error)
{
    WorkspaceResumed resumed = {0};

    if (!lifecycle_resume(call->api->lifecycle, call->id, &resumed, error))
        return FALSE;
    if (resumed.has_no_engine)
        return reply_no_engine(call);
    reply_count(call, "provisioning", "resumed_count", resumed.count);
    return TRUE;
}

/* ---- Hibernate ---- */

static void reply_working(ApiCall *call, gint64 active_tasks)
{
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    json_out_object(&out, NULL);
    json_out_text(&out, "error", "the workspace has active tasks; repeat with ?force=true");
    json_out_int(&out, "active_tasks", active_tasks);
    json_out_end(&out);
    api_reply(call, 409, g_steal_pointer(&json));
}

gboolean api_workspace_hibernate(ApiCall *call, GError **error)
{
    WorkspaceHibernated hibernated = {0};
    g_autoptr(GString) json = NULL;
    JsonOut out;

    if (!lifecycle_hibernate(call->api->lifecycle, call->id, api_query_flag(call, "force"),
                             &hibernated, error))
        return FALSE;
    if (hibernated.active_tasks > 0) {
        reply_working(call, hibernated.active_tasks);
        return TRUE;
    }
    json = g_string_new(NULL);
    out = json_out_start(json);
    json_out_object(&out, NULL);
    json_out_text(&out, "status", workspace_status_name(hibernated.status));
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}
