/* Where the canvas is looked at. Source: spec 01, section 15; spec 03, F5. */
#include "store/canvas.h"

#include "a2a/body_fields.h"
#include "api/handlers.h"
#include "base/log.h"

gboolean api_viewport_get(ApiCall *call, GError **error)
{
    CanvasViewport viewport = {.zoom = 1};
    g_autoptr(GError) cause = NULL;
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    (void)error;
    /* Cosmetic: a page that cannot learn its last place begins at the start. */
    if (!store_viewport_load(call->api->db, &viewport, &cause))
        log_warning("the viewport could not be read", LOG_CAUSE(cause));
    json_out_object(&out, NULL);
    json_out_double(&out, "x", viewport.x);
    json_out_double(&out, "y", viewport.y);
    json_out_double(&out, "zoom", viewport.zoom);
    json_out_end(&out);
    api_reply(call, 200, g_steal_pointer(&json));
    return TRUE;
}

static gboolean read_viewport(JsonView object, CanvasViewport *viewport, GError **error)
{
    JsonView zoom;

    if (!body_double(object, "x", &viewport->x, error) ||
        !body_double(object, "y", &viewport->y, error) ||
        !body_double(object, "zoom", &viewport->zoom, error))
        return FALSE;
    if (body_member(object, "zoom", &zoom) && !(viewport->zoom > 0))
        return error_set(error, ERROR_INVALID, "zoom must be greater than 0");
    return TRUE;
}

gboolean api_viewport_put(ApiCall *call, GError **error)
{
    gsize length = 0;
    const char *text = http_request_body(call->request, &length);
    CanvasViewport viewport = {0};
    JsonView object;

    if (!body_parse(text, length, &object, error) || !read_viewport(object, &viewport, error) ||
        !store_viewport_save(call->api->db, &viewport, error))
        return FALSE;
    api_reply(call, 200, g_string_new("{\"status\":\"saved\"}"));
    return TRUE;
}
