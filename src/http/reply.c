#include "http/exchange.h"

#include <string.h>

/* ---- Headers ---- */

static gboolean may_repeat(const char *name)
{
    return g_ascii_strcasecmp(name, "Vary") == 0 || g_ascii_strcasecmp(name, "Set-Cookie") == 0;
}

/* A value that came from outside must not end the line it stands in. */
static gboolean is_printable(const char *value)
{
    for (; *value; value++)
        if ((guchar)*value < 0x20 || *value == 0x7f)
            return FALSE;
    return TRUE;
}

void http_reply_header(HttpRequest *request, const char *name, const char *value)
{
    ReplyHeader **place = &request->reply_headers;
    ReplyHeader *header;
    const char *copy;

    g_return_if_fail(name && value);
    if (!is_printable(value))
        return;
    copy = arena_text(&request->arena, value, strlen(value));
    for (; *place; place = &(*place)->next) {
        if (may_repeat(name) || g_ascii_strcasecmp((*place)->name, name) != 0)
            continue;
        (*place)->value = copy;
        return;
    }
    header = arena_take(&request->arena, sizeof *header);
    *header = (ReplyHeader){
        .name = arena_text(&request->arena, name, strlen(name)),
        .value = copy,
    };
    *place = header;
}

static void add_headers(HttpRequest *request, struct MHD_Response *response)
{
    for (const ReplyHeader *header = request->reply_headers; header; header = header->next)
        if (*header->value) /* libmicrohttpd takes no empty ones */
            MHD_add_response_header(response, header->name, header->value);
    if (server_is_stopping(request->server) && !request->upgrade)
        MHD_add_response_header(response, "Connection", "close");
}

/* ---- Sending ---- */

/* Takes the right to resume: whoever sets is_suspended to FALSE calls MHD_resume_connection, once.
 */
static struct MHD_Connection *put_response(HttpRequest *request, struct MHD_Response **response)
{
    struct MHD_Connection *sleeping = NULL;

    mutex_lock(&request->lock);
    if (!request->is_cut && !request->is_over) {
        request->response = g_steal_pointer(response);
        if (request->is_suspended)
            sleeping = request->connection;
        request->is_suspended = FALSE;
    }
    mutex_unlock(&request->lock);
    return sleeping;
}

void reply_send(HttpRequest *request, guint status, struct MHD_Response *response)
{
    struct MHD_Connection *sleeping;

    if (request->status != 0) {
        g_critical("%s was answered twice", request->path);
        MHD_destroy_response(response);
        return;
    }
    request->status = status;
    if (server_enter_finish(request->server)) {
        const HttpServerOptions *options = server_options(request->server);
        options->finish(request, options->data);
    }
    server_leave_finish(request->server);
    add_headers(request, response);
    sleeping = put_response(request, &response);
    if (sleeping)
        MHD_resume_connection(sleeping);
    if (!response)
        return;
    MHD_destroy_response(response); /* nobody is there to read it */
    upgrade_abandon(request);
}

static struct MHD_Response *json_response(GString *json)
{
    gsize length = json->len;
    char *text = g_string_free(json, FALSE);
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(length, text, g_free);

    g_assert(response); /* only memory can be missing */
    return response;
}

void http_reply_json(HttpRequest *request, guint status, GString *json)
{
    http_reply_header(request, "Content-Type", "application/json; charset=utf-8");
    reply_send(request, status, json_response(json));
}

void http_reply_bytes(HttpRequest *request, guint status, const char *type, GBytes *bytes)
{
    gsize length = 0;
    const void *start = g_bytes_get_data(bytes, &length);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(length, (void *)(gsize)start, MHD_RESPMEM_PERSISTENT);

    g_assert(response);
    /* Kept by the request, which the connection holds until all is sent: so the last to let go is
     * ordered by our own count. */
    if (!request->reply_bytes)
        request->reply_bytes = g_bytes_ref(bytes);
    if (type)
        http_reply_header(request, "Content-Type", type);
    reply_send(request, status, response);
}

static struct MHD_Response *empty_response(void)
{
    static char nothing[1];
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);

    g_assert(response);
    return response;
}

void http_reply_empty(HttpRequest *request, guint status)
{
    reply_send(request, status, empty_response());
}

static GString *error_json(const char *message)
{
    GString *json = g_string_sized_new(64);
    JsonOut out = json_out_start(json);

    json_out_object(&out, NULL);
    json_out_text(&out, "error", message);
    json_out_end(&out);
    return json;
}

struct MHD_Response *reply_error_response(const char *message)
{
    struct MHD_Response *response = json_response(error_json(message));

    MHD_add_response_header(response, "Content-Type", "application/json; charset=utf-8");
    return response;
}

void http_reply_error(HttpRequest *request, guint status, const char *message)
{
    http_reply_json(request, status, error_json(message));
}

gboolean http_reply_sent(HttpRequest *request)
{
    return request->status != 0;
}

guint http_reply_status(HttpRequest *request)
{
    return request->status;
}
