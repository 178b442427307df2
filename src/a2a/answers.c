#include "a2a/answers.h"

#include "base/json_out.h"
#include "base/json_view.h"

#define BUSY_RETRY_S   30            /* spec 04, 5.10 */
#define WAKING_RETRY_S 15            /* spec 04, 5.5 */
#define ERROR_BODY_MAX (1024 * 1024) /* a longer error answer is not read for its reason */

void answer_clear(Answer *answer)
{
    g_clear_pointer(&answer->body, g_bytes_unref);
}

static Answer answer_take(guint status, GString *json)
{
    return (Answer){.status = status, .body = g_string_free_to_bytes(json), .retry_after_s = -1};
}

static GString *error_start(JsonOut *out, const char *message)
{
    GString *json = g_string_new(NULL);

    *out = json_out_start(json);
    json_out_object(out, NULL);
    json_out_text(out, "error", message);
    return json;
}

Answer answer_error(guint status, const char *message)
{
    JsonOut out;
    GString *json = error_start(&out, message);

    json_out_end(&out);
    return answer_take(status, json);
}

Answer answer_not_ready(const char *message, const char *status_name)
{
    JsonOut out;
    GString *json = error_start(&out, message);

    json_out_text(&out, "status", status_name);
    json_out_end(&out);
    return answer_take(503, json);
}

Answer answer_waking(void)
{
    JsonOut out;
    GString *json = error_start(&out, "workspace is waking up");
    Answer answer;

    json_out_bool(&out, "waking", TRUE);
    json_out_int(&out, "retry_after", WAKING_RETRY_S);
    json_out_end(&out);
    answer = answer_take(503, json);
    answer.retry_after_s = WAKING_RETRY_S;
    return answer;
}

Answer answer_busy(gboolean is_session)
{
    JsonOut out;
    GString *json = error_start(&out, "workspace agent is busy");
    Answer answer;

    json_out_bool(&out, "busy", TRUE);
    json_out_int(&out, "retry_after", BUSY_RETRY_S);
    if (is_session)
        json_out_bool(&out, "native_session", TRUE);
    json_out_end(&out);
    answer = answer_take(503, json);
    answer.retry_after_s = BUSY_RETRY_S;
    return answer;
}

Answer answer_restarting(void)
{
    JsonOut out;
    GString *json = error_start(&out, "workspace agent is offline; it is being restarted");
    Answer answer;

    json_out_bool(&out, "restarting", TRUE);
    json_out_end(&out);
    answer = answer_take(503, json);
    answer.unreachable = TRUE;
    return answer;
}

Answer answer_unreachable(void)
{
    Answer answer = answer_error(502, "failed to reach workspace agent");

    answer.unreachable = TRUE;
    return answer;
}

/* ---- The agent's answer ---- */

/* A JSON object whose `error` says something goes through as it is, JSON-RPC error objects included
 * (F22). */
static gboolean has_reason(const GString *body)
{
    JsonView object, reason;

    if (!body || body->len > ERROR_BODY_MAX ||
        !json_view_parse(body->str, body->len, JSON_ONE_VALUE, &object, NULL) ||
        json_view_kind(object) != JSON_KIND_OBJECT ||
        !json_view_member(object, "error", JSON_KEYS_EXACT, &reason))
        return FALSE;
    if (json_view_kind(reason) == JSON_KIND_TEXT)
        return !json_view_text_is(reason, "", JSON_KEYS_EXACT);
    return json_view_kind(reason) == JSON_KIND_OBJECT;
}

GBytes *answer_bytes_dup(const HttpCallResult *result)
{
    return result->body ? g_bytes_new(result->body->str, result->body->len) : g_bytes_new(NULL, 0);
}

Answer answer_of_agent(const HttpCallResult *result)
{
    Answer answer;

    if (result->status < 300 || has_reason(result->body)) {
        answer =
            (Answer){.status = result->status, .body = answer_bytes_dup(result), .is_raw = TRUE};
    } else {
        answer = answer_error(result->status, status_phrase(result->status));
    }
    answer.is_agents = TRUE;
    answer.retry_after_s = result->retry_after_s;
    return answer;
}

Answer answer_broken(const HttpCallResult *result)
{
    JsonOut out;
    GString *json = error_start(&out, result->over_limit ? "the agent's answer is too long"
                                                         : "the agent's answer broke off");

    json_out_bool(&out, "delivery_confirmed",
                  result->over_limit || (result->status >= 200 && result->status < 400));
    json_out_end(&out);
    return answer_take(502, json);
}

/* ---- No answer ---- */

Fate fate_of(const HttpCallResult *result)
{
    switch (result->outcome) {
    case HTTP_CALL_ANSWERED:
        /* An informational status cannot be the last one. */
        return result->status >= 200 ? FATE_ANSWERED : FATE_UNREACHABLE;
    case HTTP_CALL_BROKEN_BODY:
        return FATE_BROKEN;
    case HTTP_CALL_REFUSED:
        return FATE_UNREACHABLE;
    case HTTP_CALL_FORBIDDEN:
        return FATE_FORBIDDEN;
    case HTTP_CALL_CONNECT_TIMEOUT:
    case HTTP_CALL_RESET:
    case HTTP_CALL_IDLE:
    case HTTP_CALL_DEADLINE:
    case HTTP_CALL_CANCELLED:
        break;
    }
    return FATE_BUSY;
}

gboolean fate_may_queue(HttpCallOutcome outcome)
{
    return outcome == HTTP_CALL_CONNECT_TIMEOUT || outcome == HTTP_CALL_RESET ||
           outcome == HTTP_CALL_IDLE;
}

char *failure_text_dup(const HttpCallResult *result)
{
    switch (result->outcome) {
    case HTTP_CALL_CONNECT_TIMEOUT:
        return g_strdup("connect timeout");
    case HTTP_CALL_RESET:
        return g_strdup("connection reset before an answer");
    case HTTP_CALL_IDLE:
        return g_strdup("timeout: the agent gave no sign of life");
    case HTTP_CALL_DEADLINE:
        return g_strdup("deadline exceeded");
    case HTTP_CALL_CANCELLED:
        return g_strdup("connection reset: the server stops");
    case HTTP_CALL_BROKEN_BODY:
        return g_strdup_printf("the answer broke off: %s", result->reason ? result->reason : "");
    case HTTP_CALL_ANSWERED:
    case HTTP_CALL_REFUSED:
    case HTTP_CALL_FORBIDDEN:
        break;
    }
    return g_strdup_printf("agent offline: %s", result->reason ? result->reason : "");
}

/* ---- Phrases ---- */

const char *status_phrase(guint status)
{
    static const struct {
        guint status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {305, "Use Proxy"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Request Entity Too Large"},
        {414, "Request URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Requested Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {418, "I'm a teapot"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Entity"},
        {423, "Locked"},
        {424, "Failed Dependency"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {506, "Variant Also Negotiates"},
        {507, "Insufficient Storage"},
        {508, "Loop Detected"},
        {510, "Not Extended"},
        {511, "Network Authentication Required"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "";
}
