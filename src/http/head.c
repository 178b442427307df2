/* The head of a request: copied out of libmicrohttpd's memory and examined.
 *
 * What a front proxy could read differently from us is refused, so that no request can hide in
 * another's body: two lengths, a length beside chunks, other codings, names with blanks. Source:
 * spec 03, section 1.3 (layer below the router); RFC 9112, section 6. */
#include "http/exchange.h"
#include "http/target.h"

#include <string.h>

typedef struct {
    HttpRequest *request;
    guint copied;
    gboolean is_malformed;
} HeaderCopy;

static gboolean is_token(const char *text, gsize length)
{
    for (gsize i = 0; i < length; i++)
        if (!g_ascii_isalnum(text[i]) && !(text[i] && strchr("!#$%&'*+-.^_`|~", text[i])))
            return FALSE;
    return length > 0;
}

static gboolean is_field_value(const char *text, gsize length)
{
    for (gsize i = 0; i < length; i++)
        if (((guchar)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
            return FALSE;
    return TRUE;
}

static enum MHD_Result copy_header(void *data, enum MHD_ValueKind kind, const char *name,
                                   size_t name_length, const char *value, size_t value_length)
{
    HeaderCopy *copy = data;
    Arena *arena = &copy->request->arena;

    (void)kind;
    if (!is_token(name, name_length) || !is_field_value(value, value_length)) {
        copy->is_malformed = TRUE;
        return MHD_NO;
    }
    while (value_length > 0 && (value[value_length - 1] == ' ' || value[value_length - 1] == '\t'))
        value_length--;
    copy->request->headers[copy->copied++] =
        (HttpHeader){arena_text(arena, name, name_length), arena_text(arena, value, value_length)};
    return MHD_YES;
}

static gboolean copy_headers(HttpRequest *request, struct MHD_Connection *connection)
{
    HeaderCopy copy = {.request = request};
    int count = MHD_get_connection_values(connection, MHD_HEADER_KIND, NULL, NULL);

    request->headers =
        arena_take(&request->arena, (gsize)MAX(count, 1) * sizeof request->headers[0]);
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, copy_header, &copy);
    request->header_count = copy.copied;
    return !copy.is_malformed;
}

static guint count_header(HttpRequest *request, const char *name)
{
    guint count = 0;

    for (guint i = 0; i < request->header_count; i++)
        count += g_ascii_strcasecmp(request->headers[i].name, name) == 0;
    return count;
}

static gboolean read_target(HttpRequest *request)
{
    Arena *arena = &request->arena;
    HttpTarget target;
    char *path;

    if (!http_target_parse(request->target, &target))
        return FALSE;
    request->is_asterisk = target.is_asterisk;
    if (target.is_asterisk) {
        request->path = request->raw_path = "*";
        return strcmp(request->method, "OPTIONS") == 0;
    }
    path = arena_take(arena, target.path_length + 1);
    if (!http_path_decode(target.path, target.path_length, path))
        return FALSE;
    request->path = path;
    request->raw_path = arena_text(arena, target.path, target.path_length);
    request->query_text = target.query;
    if (target.host)
        request->host = arena_text(arena, target.host, target.host_length);
    return TRUE;
}

static gboolean host_is_right(HttpRequest *request)
{
    guint count = count_header(request, "Host");

    return count == 1 || (count == 0 && !request->is_http_1_1);
}

/* What is wrong with the way the body is framed, as a status; 0 when nothing. */
static guint judge_framing(HttpRequest *request)
{
    guint codings = count_header(request, "Transfer-Encoding");
    guint lengths = count_header(request, "Content-Length");

    if (lengths > 1 || codings > 1 || (codings == 1 && (lengths > 0 || !request->is_http_1_1)))
        return 400;
    if (codings == 1 &&
        g_ascii_strcasecmp(http_request_header(request, "Transfer-Encoding"), "chunked") != 0)
        return 501;
    return 0;
}

static gboolean expectation_is_known(HttpRequest *request)
{
    const char *expect = http_request_header(request, "Expect");

    return !expect || g_ascii_strcasecmp(expect, "100-continue") == 0;
}

gboolean head_read(HttpRequest *request, struct MHD_Connection *connection, const char *method,
                   const char *version, guint *status, const char **problem)
{
    request->method = arena_text(&request->arena, method, strlen(method));
    request->is_http_1_1 = strcmp(version, "HTTP/1.0") != 0;
    *status = 400;
    *problem = "malformed request";
    if (!is_token(method, strlen(method)) || !copy_headers(request, connection) ||
        !read_target(request))
        return FALSE;
    *problem = "exactly one Host header is required";
    if (!host_is_right(request))
        return FALSE;
    *problem = "the length of the body is ambiguous";
    *status = judge_framing(request);
    if (*status == 501)
        *problem = "unknown transfer coding";
    if (*status != 0)
        return FALSE;
    *status = 417;
    *problem = "unknown expectation";
    return expectation_is_known(request);
}

gint64 head_content_length(HttpRequest *request)
{
    const char *length = http_request_header(request, "Content-Length");

    if (count_header(request, "Transfer-Encoding") > 0)
        return -1;
    /* Digits only: libmicrohttpd has refused everything else. */
    return length ? (gint64)MIN(g_ascii_strtoull(length, NULL, 10), (guint64)G_MAXINT64) : 0;
}

gboolean head_expects_continue(HttpRequest *request)
{
    return http_request_header(request, "Expect") != NULL;
}
