#include "agent_event.h"

#include <string.h>

void agent_event_clear(AgentEvent *event)
{
    g_free(event->text);
    g_free(event->task_id);
    g_free(event->context_id);
    g_free(event->state);
    *event = (AgentEvent){0};
}

gboolean agent_state_is_failure(const char *state)
{
    static const char *const failures[] = {"failed", "canceled", "rejected", "unknown", NULL};

    return state && g_strv_contains(failures, state);
}

static char *text_dup(JsonView object, const char *key)
{
    JsonView value;

    return json_view_member(object, key, JSON_KEYS_EXACT, &value) ? json_view_text_dup(value, NULL)
                                                                  : NULL;
}

static gboolean flag(JsonView object, const char *key)
{
    JsonView value;
    gboolean is_set = FALSE;

    return json_view_member(object, key, JSON_KEYS_EXACT, &value) &&
           json_view_bool(value, &is_set) && is_set;
}

/* ---- Parts ---- */

/* What stands for a part that is no text: a reader should know that something is there. */
static void append_other_part(JsonView part, GString *out)
{
    JsonView value;

    if (json_view_member(part, "file", JSON_KEYS_EXACT, &value)) {
        g_autofree char *name = text_dup(value, "name");
        g_autofree char *uri = text_dup(value, "uri");
        g_string_append_printf(out, "[file %s]", name ? name : uri ? uri : "without a name");
    } else if (json_view_member(part, "data", JSON_KEYS_EXACT, &value)) {
        json_view_append_compact(value, out);
    }
}

static void append_parts(JsonView holder, GString *out)
{
    JsonView parts;

    if (!json_view_member(holder, "parts", JSON_KEYS_EXACT, &parts) ||
        json_view_kind(parts) != JSON_KIND_ARRAY)
        return;
    gsize before = out->len;
    for (JsonWalk walk = json_view_walk(parts); json_walk_next(&walk);) {
        g_autofree char *text = text_dup(walk.value, "text");
        if (out->len > before && out->str[out->len - 1] != '\n')
            g_string_append_c(out, '\n');
        if (text)
            g_string_append(out, text);
        else
            append_other_part(walk.value, out);
    }
}

static void append_artifacts(JsonView task, GString *out)
{
    JsonView artifacts;

    if (!json_view_member(task, "artifacts", JSON_KEYS_EXACT, &artifacts) ||
        json_view_kind(artifacts) != JSON_KIND_ARRAY)
        return;
    for (JsonWalk walk = json_view_walk(artifacts); json_walk_next(&walk);) {
        if (out->len > 0 && out->str[out->len - 1] != '\n')
            g_string_append_c(out, '\n');
        append_parts(walk.value, out);
    }
}

/* ---- Kinds ---- */

static void read_state(JsonView holder, AgentEvent *event, GString *word)
{
    JsonView status, message;

    if (!json_view_member(holder, "status", JSON_KEYS_EXACT, &status))
        return;
    event->state = text_dup(status, "state");
    if (word && json_view_member(status, "message", JSON_KEYS_EXACT, &message))
        append_parts(message, word);
}

static void read_task(JsonView task, AgentEvent *event, GString *text)
{
    event->kind = AGENT_STANDS;
    event->task_id = text_dup(task, "id");
    append_artifacts(task, text);
    /* Without artifacts the word about the state is all there is: a question, or a reason. */
    read_state(task, event, text->len == 0 ? text : NULL);
}

static void read_artifact(JsonView update, AgentEvent *event, GString *text)
{
    JsonView artifact;

    event->kind = AGENT_ADDS;
    event->task_id = text_dup(update, "taskId");
    event->is_append = flag(update, "append");
    if (json_view_member(update, "artifact", JSON_KEYS_EXACT, &artifact))
        append_parts(artifact, text);
}

static void read_status(JsonView update, AgentEvent *event, GString *text)
{
    event->kind = AGENT_CHANGES;
    event->task_id = text_dup(update, "taskId");
    event->is_final = flag(update, "final");
    read_state(update, event, text);
}

static void read_result(JsonView result, AgentEvent *event, GString *text)
{
    JsonView ignored;
    g_autofree char *kind = text_dup(result, "kind");

    event->context_id = text_dup(result, "contextId");
    if (g_strcmp0(kind, "artifact-update") == 0) {
        read_artifact(result, event, text);
    } else if (g_strcmp0(kind, "status-update") == 0) {
        read_status(result, event, text);
    } else if (json_view_member(result, "status", JSON_KEYS_EXACT, &ignored) ||
               json_view_member(result, "artifacts", JSON_KEYS_EXACT, &ignored)) {
        read_task(result, event, text);
    } else if (json_view_member(result, "parts", JSON_KEYS_EXACT, &ignored)) {
        event->kind = AGENT_SAYS;
        append_parts(result, text);
    }
}

static void read_error(JsonView error, AgentEvent *event, GString *text)
{
    JsonView code;
    g_autofree char *message = json_view_kind(error) == JSON_KIND_TEXT
                                   ? json_view_text_dup(error, NULL)
                                   : text_dup(error, "message");

    event->kind = AGENT_FAILS;
    g_string_append(text, message ? message : "the agent gave no reason");
    if (json_view_member(error, "code", JSON_KEYS_EXACT, &code))
        json_view_int(code, &event->code);
}

void agent_event_read(JsonView answer, AgentEvent *event)
{
    GString *text = g_string_new(NULL);
    JsonView value;

    *event = (AgentEvent){.kind = AGENT_UNCLEAR};
    if (json_view_member(answer, "error", JSON_KEYS_EXACT, &value) && !json_view_is_null(value)) {
        read_error(value, event, text);
    } else if (flag(answer, "queued")) {
        g_autofree char *message = text_dup(answer, "message");
        event->kind = AGENT_QUEUED;
        g_string_append(text, message ? message : "the message waits until the agent is free");
    } else if (json_view_member(answer, "result", JSON_KEYS_EXACT, &value)) {
        read_result(value, event, text);
    }
    event->text = g_string_free(text, FALSE);
}
