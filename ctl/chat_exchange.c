/* The exchange behind chat.h.
 *
 * `message/stream` is asked for. Agents and servers that cannot stream answer with one JSON
 * document, which is printed as a whole; an agent that does not know the method (-32601, -32004) is
 * asked again with `message/send`. Ctrl-C sends `tasks/cancel` over a second connection while the
 * stream goes on, because the agent's last word (what it did until then) comes on the stream. */
#include "agent_event.h"
#include "base/ids.h"
#include "base/json_out.h"
#include "chat.h"
#include "sse.h"
#include "terminal.h"

#include <string.h>

#define CODE_METHOD_NOT_FOUND (-32601)
#define CODE_UNSUPPORTED      (-32004)
#define CANCEL_LIMIT_MS       5000 /* while it runs, a second Ctrl-C waits */

struct _Chat {
    Session *session;
    char *path; /* of the workspace's A2A endpoint */
    char *context_id;

    /* Of the message under way. */
    char *task_id; /* NULL until the agent names it */
    SseReader events;
    gboolean has_printed;
    gboolean ends_with_line_end;
    gboolean is_stream_refused; /* the agent does not know message/stream */
    gboolean is_canceled;       /* Ctrl-C was pressed */
    gboolean is_queued;
    gboolean is_answered; /* an end was seen: a message, or a final state */
    GError *failure;      /* what the agent said went wrong */
};

Chat *chat_new(Session *session, const char *workspace_id, const char *context_id)
{
    Chat *chat = g_new0(Chat, 1);

    chat->session = session;
    chat->path = g_strdup_printf("/workspaces/%s/a2a", workspace_id);
    chat->context_id = g_strdup(context_id);
    return chat;
}

void chat_free(Chat *chat)
{
    if (!chat)
        return;
    g_free(chat->path);
    g_free(chat->context_id);
    g_free(chat->task_id);
    sse_clear(&chat->events);
    g_clear_error(&chat->failure);
    g_free(chat);
}

const char *chat_context(const Chat *chat)
{
    return chat->context_id;
}

/* ---- Printing ---- */

static void print(Chat *chat, const char *text)
{
    gsize length = strlen(text);

    if (chat->session->wants_json || length == 0)
        return;
    terminal_progress(NULL);
    terminal_write(stdout, text, length);
    fflush(stdout);
    chat->has_printed = TRUE;
    chat->ends_with_line_end = text[length - 1] == '\n';
}

static void end_line(Chat *chat)
{
    if (chat->has_printed && !chat->ends_with_line_end)
        print(chat, "\n");
}

/* ---- Events ---- */

static void replace(char **kept, char **fresh)
{
    if (!*fresh)
        return;
    g_free(*kept);
    *kept = g_steal_pointer(fresh);
}

static void fail_task(Chat *chat, const char *state, const char *reason)
{
    if (chat->failure)
        return;
    if (chat->is_canceled)
        ctl_fail(&chat->failure, CTL_INTERRUPTED, "canceled");
    else
        ctl_fail(&chat->failure, CTL_REFUSED, "the agent's task is %s%s%s", state,
                 *reason ? ": " : "", reason);
}

/* A task as a whole: its artifacts are printed unless they came in pieces before. */
static void take_task(Chat *chat, const AgentEvent *event)
{
    gboolean is_over =
        g_strcmp0(event->state, "working") != 0 && g_strcmp0(event->state, "submitted") != 0;

    if (agent_state_is_failure(event->state)) {
        fail_task(chat, event->state, event->text);
        return;
    }
    if (!chat->has_printed && is_over)
        print(chat, event->text);
    chat->is_answered = chat->is_answered || is_over;
}

static void take_change(Chat *chat, const AgentEvent *event)
{
    if (agent_state_is_failure(event->state)) {
        fail_task(chat, event->state, event->text);
        return;
    }
    chat->is_answered = chat->is_answered || event->is_final;
    if (!*event->text)
        return;
    if (event->is_final) {
        end_line(chat);
        print(chat, event->text);
    } else if (!chat->session->wants_json) {
        terminal_progress(event->text); /* what it does meanwhile */
    }
}

static void take_failure(Chat *chat, const AgentEvent *event)
{
    chat->is_stream_refused =
        event->code == CODE_METHOD_NOT_FOUND || event->code == CODE_UNSUPPORTED;
    if (!chat->is_stream_refused && !chat->failure)
        ctl_fail(&chat->failure, CTL_REFUSED, "the agent refused the message: %s", event->text);
}

static void take_event(Chat *chat, AgentEvent *event)
{
    replace(&chat->task_id, &event->task_id);
    replace(&chat->context_id, &event->context_id);
    switch (event->kind) {
    case AGENT_SAYS:
        end_line(chat);
        print(chat, event->text);
        chat->is_answered = TRUE;
        break;
    case AGENT_ADDS:
        if (!event->is_append)
            end_line(chat); /* another artifact */
        print(chat, event->text);
        break;
    case AGENT_STANDS:
        take_task(chat, event);
        break;
    case AGENT_CHANGES:
        take_change(chat, event);
        break;
    case AGENT_FAILS:
        take_failure(chat, event);
        break;
    case AGENT_QUEUED:
        chat->is_queued = TRUE;
        break;
    case AGENT_UNCLEAR:
        break;
    }
}

static gboolean take_json(Chat *chat, const char *text, gsize length)
{
    g_auto(AgentEvent) event = {0};
    JsonView view;

    if (!json_view_parse(text, length, JSON_FIRST_VALUE, &view, NULL))
        return ctl_fail(&chat->failure, CTL_REFUSED, "the agent's answer is not JSON");
    agent_event_read(view, &event);
    take_event(chat, &event);
    if (chat->session->wants_json && !chat->is_stream_refused) {
        g_autofree char *compact = json_view_compact_dup(view);
        printf("%s\n", compact);
        fflush(stdout);
    }
    return TRUE;
}

static gboolean on_event(const char *data, gsize length, void *user)
{
    return take_json(user, data, length);
}

/* A stream is read as it comes; anything else is collected in `answer`. */
static gboolean on_chunk(const ApiAnswer *answer, const char *bytes, gsize length, void *data)
{
    Chat *chat = data;

    if (strcmp(answer->content_type, "text/event-stream") != 0) {
        if (answer->body->len + length > API_ANSWER_BYTES_MAX)
            return ctl_fail(&chat->failure, CTL_REFUSED, "the agent's answer is too large");
        g_string_append_len(answer->body, bytes, (gssize)length);
        return TRUE;
    }
    if (sse_feed(&chat->events, bytes, length, on_event, chat))
        return TRUE;
    if (!chat->failure)
        ctl_fail(&chat->failure, CTL_REFUSED, "an event of the agent is too large");
    return FALSE;
}

/* ---- Requests ---- */

static char *request_dup(const Chat *chat, const char *method, const char *text)
{
    g_autoptr(GString) body = g_string_new(NULL);
    JsonOut out = json_out_start(body);
    char id[ID_SIZE];

    json_out_object(&out, NULL);
    json_out_text(&out, "jsonrpc", "2.0");
    id_make(id);
    json_out_text(&out, "id", id);
    json_out_text(&out, "method", method);
    json_out_object(&out, "params");
    json_out_object(&out, "message");
    json_out_text(&out, "kind", "message");
    json_out_text(&out, "role", "user");
    id_make(id);
    json_out_text(&out, "messageId", id);
    if (chat->context_id)
        json_out_text(&out, "contextId", chat->context_id);
    json_out_array(&out, "parts");
    json_out_object(&out, NULL);
    json_out_text(&out, "kind", "text");
    json_out_text(&out, "text", text);
    for (int i = 0; i < 5; i++) /* part, parts, message, params, request */
        json_out_end(&out);
    return g_string_free(g_steal_pointer(&body), FALSE);
}

static char *cancel_dup(const char *task_id)
{
    g_autoptr(GString) body = g_string_new(NULL);
    JsonOut out = json_out_start(body);
    char id[ID_SIZE];

    id_make(id);
    json_out_object(&out, NULL);
    json_out_text(&out, "jsonrpc", "2.0");
    json_out_text(&out, "id", id);
    json_out_text(&out, "method", "tasks/cancel");
    json_out_object(&out, "params");
    json_out_text(&out, "id", task_id);
    json_out_end(&out);
    json_out_end(&out);
    return g_string_free(g_steal_pointer(&body), FALSE);
}

/* Ctrl-C. TRUE: the stream goes on, for the agent's last word. */
static gboolean on_interrupt(void *data)
{
    Chat *chat = data;
    g_auto(ApiAnswer) answer = {0};

    if (chat->is_canceled || !chat->task_id)
        return FALSE;
    chat->is_canceled = TRUE;
    if (terminal_can_ask())
        terminal_progress("canceling; Ctrl-C again stops waiting");
    g_autofree char *body = cancel_dup(chat->task_id);
    g_autoptr(Api) second = api_new(chat->session->target);
    const ApiRequest request = {
        .method = "POST", .path = chat->path, .body = body, .limit_ms = CANCEL_LIMIT_MS};
    return api_run(second, &request, &answer, NULL) && answer.status == 200;
}

static gboolean exchange(Chat *chat, const char *method, const char *text, GError **error)
{
    g_autofree char *body = request_dup(chat, method, text);
    g_auto(ApiAnswer) answer = {0};
    const ApiRequest request = {
        .method = "POST",
        .path = chat->path,
        .body = body,
        .accept = "text/event-stream, application/json",
        .chunk = on_chunk,
        .interrupted = on_interrupt,
        .data = chat,
    };

    gboolean is_done = api_run(chat->session->api, &request, &answer, error);
    terminal_progress(NULL);
    end_line(chat);
    if (!is_done)
        return FALSE;
    if (answer.status < 200 || answer.status > 299)
        return api_refusal(chat->session->api, &answer, error);
    if (answer.body->len > 0)
        take_json(chat, answer.body->str, answer.body->len);
    end_line(chat);
    return TRUE;
}

static void begin(Chat *chat)
{
    g_clear_pointer(&chat->task_id, g_free);
    g_clear_error(&chat->failure);
    sse_clear(&chat->events);
    sse_init(&chat->events);
    chat->has_printed = FALSE;
    chat->ends_with_line_end = FALSE;
    chat->is_stream_refused = FALSE;
    chat->is_canceled = FALSE;
    chat->is_queued = FALSE;
    chat->is_answered = FALSE;
}

static gboolean conclude(Chat *chat, GError **error)
{
    if (chat->failure) {
        g_propagate_error(error, g_steal_pointer(&chat->failure));
        return FALSE;
    }
    if (chat->is_queued) {
        fputs("The agent is busy: the message is queued and will be read later. "
              "'workspacectl events -f' shows its answer's arrival.\n",
              stderr);
        return TRUE;
    }
    if (chat->is_stream_refused)
        return ctl_fail(error, CTL_REFUSED, "the agent takes no messages");
    if (!chat->is_answered)
        return ctl_fail(error, CTL_UNREACHABLE,
                        "the answer broke off before its end; the agent may still be working");
    return TRUE;
}

gboolean chat_send(Chat *chat, const char *text, GError **error)
{
    begin(chat);
    if (!exchange(chat, "message/stream", text, error))
        return FALSE;
    if (chat->is_stream_refused) {
        begin(chat);
        if (!exchange(chat, "message/send", text, error))
            return FALSE;
    }
    return conclude(chat, error);
}
