/* POST /admin/workspace-images/refresh: the answer comes when all is pulled. Source: spec 02,
 * section 15. */
#include "api/handlers.h"
#include "base/json_out.h"
#include "base/log.h"
#include "refresh/refresh.h"

#include <string.h>

static void write_names(JsonOut *out, const char *key, const GPtrArray *names)
{
    json_out_array(out, key);
    for (guint i = 0; names && i < names->len; i++)
        json_out_text(out, NULL, names->pdata[i]);
    json_out_end(out);
}

static void write_failures(JsonOut *out, const GPtrArray *failed)
{
    json_out_array(out, "failed");
    for (guint i = 0; failed && i < failed->len; i++)
        json_out_text(out, NULL, ((const RefreshFailure *)failed->pdata[i])->runtime);
    json_out_end(out);
    if (!failed || failed->len == 0)
        return;
    json_out_object(out, "errors");
    for (guint i = 0; i < failed->len; i++) {
        const RefreshFailure *failure = failed->pdata[i];
        json_out_text(out, failure->runtime, failure->sentence);
    }
    json_out_end(out);
}

static void write_result(JsonOut *out, const RefreshResult *result)
{
    write_names(out, "pulled", result->pulled);
    write_failures(out, result->failed);
    write_names(out, "recreated", result->recreated);
}

/* D10: a database or engine that is away is 503, with what was done until then. */
static void on_refreshed(const RefreshResult *result, void *data)
{
    g_autoptr(HttpRequest) request = data;
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    json_out_object(&out, NULL);
    if (result->error) {
        log_warning("an image refresh ended early", LOG_CAUSE(result->error));
        json_out_text(&out, "error", "platform unavailable");
        json_out_text(&out, "code", "platform_unavailable");
        json_out_object(&out, "partial_result");
    }
    write_result(&out, result);
    if (result->error)
        json_out_end(&out);
    json_out_end(&out);
    http_reply_json(request, result->error ? 503 : 200, g_steal_pointer(&json));
}

static void reply_unknown(ApiCall *call)
{
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    json_out_object(&out, NULL);
    json_out_text(&out, "error", "unknown runtime");
    json_out_array(&out, "known_runtimes");
    for (const char *const *name = refresh_known(call->api->refresh); *name; name++)
        json_out_text(&out, NULL, *name);
    json_out_end(&out);
    json_out_end(&out);
    api_reply(call, 400, g_steal_pointer(&json));
}

gboolean api_image_refresh(ApiCall *call, GError **error)
{
    const char *runtime = http_request_query(call->request, "runtime");
    const char *recreate = http_request_query(call->request, "recreate");
    HttpRequest *deferred = http_request_defer(call->request);
    g_autoptr(GError) cause = NULL;

    if (refresh_order(call->api->refresh, runtime && *runtime ? runtime : NULL,
                      !recreate || strcmp(recreate, "true") == 0, on_refreshed, deferred, &cause))
        return TRUE;
    http_request_unref(deferred);
    if (!error_is(cause, ERROR_INVALID)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    reply_unknown(call);
    return TRUE;
}
