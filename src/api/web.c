/* The web page: three files and an icon, part of the program. */
#include "api/handlers.h"
#include "api/web_files.h"

#include <string.h>

static const WebFile *find_file(const char *path)
{
    for (const WebFile *file = web_files; file->path; file++)
        if (strcmp(file->path, path) == 0)
            return file;
    return NULL;
}

/* `cache`: how long browsers may keep it. Names of assets come with a hash of their content in the
 * query. */
static gboolean reply_file(ApiCall *call, const char *path, const char *cache, GError **error)
{
    const WebFile *file = find_file(path);
    g_autoptr(GBytes) bytes = NULL;
    const char *known = http_request_header(call->request, "If-None-Match");

    if (!file)
        return error_set(error, ERROR_NOT_FOUND, "this build has no web page");
    http_reply_header(call->request, "ETag", file->etag);
    http_reply_header(call->request, "Cache-Control", cache);
    if (known && strcmp(known, file->etag) == 0) {
        http_reply_empty(call->request, 304);
        return TRUE;
    }
    bytes = g_bytes_new_static(file->bytes, file->length);
    http_reply_bytes(call->request, 200, file->type, bytes);
    return TRUE;
}

gboolean api_web_page(ApiCall *call, GError **error)
{
    return reply_file(call, "/index.html", "no-cache", error);
}

gboolean api_web_asset(ApiCall *call, GError **error)
{
    return reply_file(call, http_request_path(call->request), "public, max-age=31536000, immutable",
                      error);
}
