#include "a2a/usage.h"

#define TOKENS_MAX 10000000 /* spec 04, 5.13 */

/* Absent and null count as 0; anything but an integer spoils the whole object. */
static gboolean read_count(JsonView usage, const char *key, gint64 *count)
{
    JsonView value;

    *count = 0;
    if (!json_view_member(usage, key, JSON_KEYS_EXACT, &value) || json_view_is_null(value))
        return TRUE;
    if (!json_view_int(value, count))
        return FALSE;
    return TRUE;
}

static gboolean read_usage(JsonView holder, AnswerUsage *usage)
{
    AnswerUsage found;
    JsonView object;

    if (!json_view_member(holder, "usage", JSON_KEYS_EXACT, &object) ||
        json_view_kind(object) != JSON_KIND_OBJECT ||
        !read_count(object, "input_tokens", &found.input_tokens) ||
        !read_count(object, "output_tokens", &found.output_tokens))
        return FALSE;
    if (found.input_tokens == 0 && found.output_tokens == 0)
        return FALSE;
    usage->input_tokens = CLAMP(found.input_tokens, 0, TOKENS_MAX);
    usage->output_tokens = CLAMP(found.output_tokens, 0, TOKENS_MAX);
    return TRUE;
}

gboolean usage_read(JsonView answer, AnswerUsage *usage)
{
    JsonView result;

    if (json_view_member(answer, "result", JSON_KEYS_EXACT, &result) && read_usage(result, usage))
        return TRUE;
    return read_usage(answer, usage);
}

gboolean tool_trace_find(JsonView answer, JsonView *trace)
{
    JsonView result, metadata;

    return json_view_member(answer, "result", JSON_KEYS_EXACT, &result) &&
           json_view_member(result, "metadata", JSON_KEYS_EXACT, &metadata) &&
           json_view_member(metadata, "tool_trace", JSON_KEYS_EXACT, trace) &&
           !json_view_is_null(*trace);
}
