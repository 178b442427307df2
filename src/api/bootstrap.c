/* What the watcher of instances reports. Source: spec 01, section 18.1. */
#include "lifecycle/bootstrap.h"

#include "a2a/body_fields.h"
#include "api/handlers.h"

#include <string.h>

#define NUL_ESCAPE "\\u0000"

/* The string token without what stands for NUL in it: a log may hold anything, and its report must
 * not fail for that. */
static char *token_without_nul_dup(JsonView token)
{
    GString *text = g_string_sized_new((gsize)(token.end - token.start));

    for (const char *at = token.start; at < token.end;) {
        gsize left = (gsize)(token.end - at);
        gsize step = *at == '\\' ? 2 : 1; /* an escaped backslash begins no escape */
        if (left >= strlen(NUL_ESCAPE) && strncmp(at, NUL_ESCAPE, strlen(NUL_ESCAPE)) == 0) {
            at += strlen(NUL_ESCAPE);
            continue;
        }
        g_string_append_len(text, at, (gssize)step);
        at += step;
    }
    return g_string_free(text, FALSE);
}

/* NULL when absent. Caller owns it. */
static gboolean read_text(JsonView object, const char *key, char **text, GError **error)
{
    g_autofree char *token = NULL;
    JsonView value;

    if (!body_member(object, key, &value))
        return TRUE;
    if (json_view_kind(value) != JSON_KIND_TEXT)
        return error_set(error, ERROR_INVALID, "%s must be a string", key);
    token = token_without_nul_dup(value);
    *text = json_view_text_dup((JsonView){token, token + strlen(token)}, NULL);
    return TRUE;
}

gboolean api_bootstrap_failed(ApiCall *call, GError **error)
{
    gsize length = 0;
    const char *body = http_request_body(call->request, &length);
    g_autofree char *sentence = NULL;
    g_autofree char *log_tail = NULL;
    g_auto(BootstrapFailure) failure = {0};
    gboolean changed = FALSE;
    JsonView object;

    if (!body_parse(body, length, &object, error) ||
        !read_text(object, "error", &sentence, error) ||
        !read_text(object, "log_tail", &log_tail, error))
        return FALSE;
    bootstrap_failure_make(sentence, log_tail, &failure);
    if (!lifecycle_bootstrap_failed(call->api->lifecycle, call->id, &failure, &changed, error))
        return FALSE;
    api_reply(call, 200,
              g_string_new(changed ? "{\"ok\":true}" : "{\"ok\":true,\"no_change\":true}"));
    return TRUE;
}
