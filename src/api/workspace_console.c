/* GET /workspaces/:id/console: what a hosted workspace's machine wrote. The row is not looked at: a
 * machine may outlive it. Source: spec 01, section 18.2. */
#include "api/handlers.h"
#include "base/log.h"

static gboolean reply(ApiCall *call, guint status, const char *key, const char *text)
{
    GString *json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    json_out_object(&out, NULL);
    json_out_text(&out, key, text);
    json_out_end(&out);
    api_reply(call, status, json);
    return TRUE;
}

gboolean api_workspace_console(ApiCall *call, GError **error)
{
    Reconciler *reconciler = call->api->reconciler;
    g_autoptr(GError) cause = NULL;
    g_autofree char *text = NULL;

    if (!reconciler_has_console(reconciler))
        return reply(call, 501, "error", "this server's workspaces have no console");
    if (reconciler_console(reconciler, call->id, &text, &cause))
        return reply(call, 200, "output", text);
    if (error_is(cause, ERROR_NOT_FOUND) || error_is(cause, ERROR_BUSY)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    log_warning("a console could not be read", LOG_TEXT("workspace", call->id), LOG_CAUSE(cause));
    return reply(call, 502, "error", "the control plane did not answer with a console");
}
