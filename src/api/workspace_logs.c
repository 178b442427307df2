/* GET /workspaces/:id/logs?lines=N&follow=true: what the workspace's container printed, or its last
 * one when it is gone; with previous=true the one before the present one. Ours.
 *
 * Following holds no worker: a thread of its own, of which there are few, reads the engine until
 * the container ends, the client leaves or the server stops. */
#include "api/handlers.h"
#include "api/log_streams.h"

#define LINES_DEFAULT  100
#define LINES_MAX      10000
#define TEXT_MAX_BYTES (1024 * 1024)

static gboolean reply_tail(ApiCall *call, guint lines, GError **error)
{
    g_autoptr(GBytes) text = NULL;

    if (api_query_flag(call, "previous")
            ? !reconciler_logs_previous(call->api->reconciler, call->id, lines, TEXT_MAX_BYTES,
                                        &text, error)
            : !reconciler_logs(call->api->reconciler, call->id, lines, TEXT_MAX_BYTES, &text,
                               error))
        return FALSE;
    http_reply_bytes(call->request, 200, "text/plain; charset=utf-8", text);
    return TRUE;
}

gboolean api_workspace_logs(ApiCall *call, GError **error)
{
    guint lines = (guint)api_query_int(call, "lines", LINES_DEFAULT, 1, LINES_MAX);
    g_autoptr(OrgNode) node = api_live_workspace(call, error);

    if (!node)
        return FALSE;
    if (!api_query_flag(call, "follow") || api_query_flag(call, "previous"))
        return reply_tail(call, lines, error);
    return log_streams_begin(call->api->log_streams, call->request, call->id, lines, error);
}
