/* From error codes to answers: the only place that makes a status of an error. */
#include "api/api.h"
#include "base/log.h"

typedef struct {
    guint status;
    const char *text; /* NULL: the error's own sentence is safe to show */
    const char *code; /* NULL: none */
} Answer;

static const Answer answers[] = {
    [ERROR_INVALID] = {400, NULL, NULL},
    [ERROR_UNAUTHENTICATED] = {401, NULL, NULL},
    [ERROR_OVER_BUDGET] = {402, NULL, NULL},
    [ERROR_FORBIDDEN] = {403, NULL, NULL},
    [ERROR_NOT_FOUND] = {404, NULL, NULL},
    [ERROR_CONFLICT] = {409, NULL, NULL},
    [ERROR_GONE] = {410, NULL, NULL},
    [ERROR_TOO_LARGE] = {413, NULL, NULL},
    [ERROR_OVER_LIMIT] = {429, NULL, NULL},
    [ERROR_BUSY] = {503, "the server is busy, try again", "busy"},
    [ERROR_UNAVAILABLE] = {503, "platform unavailable", "platform_unavailable"},
    [ERROR_OUTCOME_UNKNOWN] = {503, "platform unavailable", "platform_unavailable"},
    [ERROR_SUPERSEDED] = {500, "internal error", NULL},
    [ERROR_INTERNAL] = {500, "internal error", NULL},
};

void api_reply(ApiCall *call, guint status, GString *json)
{
    http_reply_json(call->request, status, json);
}

static void log_fault(const ApiCall *call, const GError *error)
{
    const char *route = call->route ? call->route->path : "unmatched";

    if (error_code(error) == ERROR_BUSY)
        return; /* counted where it is refused */
    log_error("a request failed", LOG_TEXT("route", route),
              LOG_TEXT("method", http_request_method(call->request)),
              LOG_TEXT("code", error_code_name(error_code(error))), LOG_CAUSE(error));
}

void api_reply_error(ApiCall *call, const GError *error)
{
    ErrorCode code = error_code(error);
    const Answer *answer = &answers[code];
    g_autoptr(GString) json = g_string_new(NULL);
    JsonOut out = json_out_start(json);

    if (!error_is_outcome(code))
        log_fault(call, error);
    if (answer->status == 503)
        http_reply_header(call->request, "Retry-After", "1");
    json_out_object(&out, NULL);
    json_out_text(&out, "error", answer->text ? answer->text : error->message);
    if (answer->code)
        json_out_text(&out, "code", answer->code);
    json_out_end(&out);
    http_reply_json(call->request, answer->status, g_steal_pointer(&json));
}
