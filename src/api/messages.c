/* POST /workspaces/:id/a2a: who sends, then the proxy. Source: spec 04 sections 5.1 to 5.3. */
#include "api/handlers.h"
#include "base/text.h"

#include <string.h>

#define TIMEOUT_MAX_S 86400

/* No header, or one's own id: in strict mode the caller must be an operator, or the workspace
 * itself. */
static gboolean check_canvas_or_self(const ApiCall *call, gboolean is_self, GError **error)
{
    if (!api_is_strict(call) || caller_is_operator(&call->caller))
        return TRUE;
    if (is_self)
        return registry_boot_check(call->api->tokens, call->id, call->bearer, "caller", NULL,
                                   error);
    return error_set(error, ERROR_UNAUTHENTICATED,
                     call->caller.has_bearer ? "invalid caller auth token"
                                             : "missing caller auth token");
}

/* The caller's id, "" for the web UI. */
static gboolean identify(const ApiCall *call, char caller_id[ID_SIZE], GError **error)
{
    const char *header = http_request_header(call->request, "X-Workspace-ID");

    caller_id[0] = '\0';
    if (!header || !*header)
        return check_canvas_or_self(call, FALSE, error);
    if (proxy_caller_is_reserved(header))
        return error_set(error, ERROR_FORBIDDEN, "invalid caller ID");
    if (!id_fold(header, caller_id))
        return error_set(error, ERROR_FORBIDDEN, "the caller is no workspace");
    if (strcmp(caller_id, call->id) == 0)
        return check_canvas_or_self(call, TRUE, error);
    return registry_boot_check(call->api->tokens, caller_id, call->bearer, "caller", NULL, error);
}

static gint64 timeout_seconds(const ApiCall *call)
{
    const char *text = http_request_header(call->request, "X-Timeout");
    gint64 seconds = 0;

    return text && text_parse_int(text, 1, TIMEOUT_MAX_S, &seconds) ? seconds : 0;
}

static gboolean accepts_stream(const ApiCall *call)
{
    const char *accept = http_request_header(call->request, "Accept");

    return accept && strstr(accept, "text/event-stream");
}

gboolean api_a2a(ApiCall *call, GError **error)
{
    char caller_id[ID_SIZE];
    ProxyCall forward = {.target_id = call->id, .caller_id = caller_id, .logging = TRUE};

    if (!identify(call, caller_id, error))
        return FALSE;
    forward.timeout_s = timeout_seconds(call);
    forward.accepts_stream = accepts_stream(call);
    proxy_forward(call->api->proxy, http_request_defer(call->request), &forward);
    return TRUE;
}
