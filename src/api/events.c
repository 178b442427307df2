/* The log of events, and its live forms: server-sent events and WebSocket. Source: spec 04
 * sections 11.3, 13, 14. */
#include "api/handlers.h"
#include "store/structure_events.h"
#include "store/workspaces.h"

#include <string.h>

#define LIST_DEFAULT        100
#define LIST_MAX            500
#define STREAM_BUFFER_BYTES (64 * 16 * 1024) /* 64 events of a common size; spec 04, section 14 */

/* ---- Lists ---- */

static void write_event(JsonOut *out, const StructureEventRow *row)
{
    json_out_object(out, NULL);
    json_out_text(out, "id", row->id);
    json_out_text(out, "event_type", row->event_type);
    json_out_text(out, "workspace_id", *row->workspace_id ? row->workspace_id : NULL);
    json_out_raw(out, "payload", row->payload);
    json_out_time(out, "created_at", row->created_at_us);
    json_out_end(out);
}

static gboolean reply_events(ApiCall *call, const char *workspace_id, GError **error)
{
    guint limit = (guint)api_query_int(call, "limit", LIST_DEFAULT, 1, LIST_MAX);
    g_autoptr(GPtrArray) rows =
        store_structure_event_list(call->api->db, workspace_id, limit, 0, error);
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    if (!rows)
        return FALSE;
    json_out_array(&out, NULL);
    for (guint i = 0; i < rows->len; i++)
        write_event(&out, rows->pdata[i]);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

gboolean api_event_list(ApiCall *call, GError **error)
{
    return reply_events(call, NULL, error);
}

gboolean api_event_list_of(ApiCall *call, GError **error)
{
    char id[ID_SIZE];

    return api_parameter_id(call, "workspaceId", "workspace ID", id, error) &&
           reply_events(call, id, error);
}

/* ---- Server-sent events of one workspace ---- */

gboolean api_event_stream(ApiCall *call, GError **error)
{
    g_autoptr(OrgNode) node = api_live_workspace(call, error);
    HttpStream *stream = NULL;

    if (!node)
        return FALSE;
    http_reply_header(call->request, "Cache-Control", "no-cache");
    http_reply_header(call->request, "X-Accel-Buffering", "no");
    stream = http_reply_stream(call->request, 200, "text/event-stream", STREAM_BUFFER_BYTES);
    hub_add_stream(call->api->hub, stream, call->id);
    return TRUE;
}

/* ---- WebSocket ---- */

/* What the upgraded socket needs to know; freed when it is handed over. */
typedef struct {
    Hub *hub;
    char workspace_id[ID_SIZE];
    char *token;
    gint64 checked_at_us;
} SocketOwner;

static void socket_owner_free(SocketOwner *owner)
{
    g_free(owner->token);
    g_free(owner);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SocketOwner, socket_owner_free)

static void take_socket(int fd, const char *extra, gsize extra_length,
                        void (*release)(void *handle), void *handle, void *data)
{
    g_autoptr(SocketOwner) owner = data;
    HubClient client = {
        .workspace_id = owner->workspace_id,
        .token = owner->token ? owner->token : "",
        .checked_at_us = owner->checked_at_us,
    };

    hub_add_socket(owner->hub, fd, extra, extra_length, release, handle, &client);
}

/* Browsers cannot set headers on a socket, so the token may come in the query. */
static gboolean identify_by_query(ApiCall *call, GError **error)
{
    const char *token = http_request_query(call->request, "token");

    if (call->bearer || !token || !*token)
        return TRUE;
    call->bearer = g_strdup(token);
    return access_identify(call->api->access, call->bearer, api_peer_is_near(call->request),
                           &call->caller, error);
}

/* A canvas sees every event, so in strict mode it is an operator's; a workspace's token opens an
 * agent socket. */
static gboolean check_canvas_socket(const ApiCall *call, SocketOwner *owner, GError **error)
{
    if (!api_is_strict(call) || caller_is_operator(&call->caller))
        return TRUE;
    if (call->caller.kind == CALLER_WORKSPACE) {
        memcpy(owner->workspace_id, call->caller.workspace.workspace_id, ID_SIZE);
        owner->token = g_strdup(call->bearer);
        return TRUE;
    }
    if (call->caller.has_bearer)
        return error_set(error, ERROR_UNAUTHENTICATED, "invalid auth token");
    return error_set(error, ERROR_INVALID, "a bearer token, or ?token=, is required");
}

static gboolean check_socket(ApiCall *call, SocketOwner *owner, GError **error)
{
    const char *header = http_request_header(call->request, "X-Workspace-ID");

    if (!identify_by_query(call, error))
        return FALSE;
    if (!header || !*header)
        return check_canvas_socket(call, owner, error);
    if (!id_fold(header, owner->workspace_id))
        return error_set(error, ERROR_INVALID, "invalid workspace ID");
    owner->token = g_strdup(call->bearer);
    return registry_boot_check(call->api->tokens, owner->workspace_id, call->bearer, "workspace",
                               NULL, error);
}

static void reply_bad_handshake(ApiCall *call, const GError *error)
{
    g_autoptr(GBytes) text = g_bytes_new(error->message, strlen(error->message));

    http_reply_header(call->request, "Sec-WebSocket-Version", "13");
    http_reply_bytes(call->request, 400, "text/plain; charset=utf-8", text);
}

gboolean api_socket(ApiCall *call, GError **error)
{
    g_autoptr(SocketOwner) owner = g_new0(SocketOwner, 1);
    g_autoptr(GError) handshake_error = NULL;

    owner->hub = call->api->hub;
    owner->checked_at_us = http_request_started_us(call->request);
    if (!check_socket(call, owner, error))
        return FALSE;
    if (http_reply_websocket(call->request, take_socket, owner, &handshake_error))
        g_steal_pointer(&owner);
    else
        reply_bad_handshake(call, handshake_error);
    return TRUE;
}
