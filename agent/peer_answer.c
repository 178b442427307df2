#include "peer_answer.h"

#include "a2a_request.h"
#include "memory.h"
#include "text_buffer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX_BYTES (64 * 1024 * 1024) /* the body it comes from is smaller */

static PeerOutcome say(PeerOutcome outcome, char **text, const char *what)
{
    *text = memory_text_dup(what);
    return outcome;
}

/* The text of all artifacts of a task, or NULL when none has any. The caller frees it. */
static char *dup_artifact_text(json_t *task)
{
    TextBuffer joined;
    json_t *artifact;
    size_t index;
    size_t total = 0;

    text_buffer_init(&joined, ANSWER_MAX_BYTES);
    json_array_foreach(json_object_get(task, "artifacts"), index, artifact)
    {
        size_t length;
        size_t found;
        AUTO_FREE char *text =
            a2a_text_of_parts(json_object_get(artifact, "parts"), &length, &found);
        bool has_room = (total == 0 || found == 0 || text_buffer_append(&joined, "\n", 1)) &&
                        text_buffer_append(&joined, text, length);
        if (!has_room)
            break;
        total += found;
    }
    if (total == 0) {
        text_buffer_clear(&joined);
        return NULL;
    }
    return joined.data != NULL ? joined.data : memory_text_dup("");
}

/* The text of an object's parts, or NULL when it has none. The caller frees it. */
static char *dup_message_text(json_t *message)
{
    size_t length;
    size_t found;
    char *text = a2a_text_of_parts(json_object_get(message, "parts"), &length, &found);

    if (found > 0)
        return text;
    free(text);
    return NULL;
}

static bool is_one_of(const char *text, const char *first, const char *second, const char *third)
{
    return strcmp(text, first) == 0 || strcmp(text, second) == 0 || strcmp(text, third) == 0;
}

static PeerOutcome read_task(json_t *task, const char *state, char **text)
{
    json_t *status = json_object_get(task, "status");
    AUTO_FREE char *said = dup_message_text(json_object_get(status, "message"));
    bool has_failed = is_one_of(state, "failed", "canceled", "rejected");

    if (has_failed) {
        *text =
            memory_printf("the peer's task is %s: %s", state, said != NULL ? said : "no reason");
        return PEER_FAILED;
    }
    *text = dup_artifact_text(task);
    if (*text == NULL)
        *text = memory_text_dup(said != NULL ? said : "");
    return PEER_ANSWERED;
}

static PeerOutcome read_result(json_t *result, char **text)
{
    const char *state =
        json_string_value(json_object_get(json_object_get(result, "status"), "state"));

    if (state != NULL)
        return read_task(result, state, text);
    *text = dup_message_text(result);
    if (*text == NULL)
        *text = dup_artifact_text(result);
    return *text != NULL ? PEER_ANSWERED : say(PEER_FAILED, text, "the peer's answer has no text");
}

/* `error` is a text from the server and an object from an agent. */
static PeerOutcome read_error(json_t *error, int status, char **text)
{
    const char *reason = json_string_value(error);

    if (reason == NULL)
        reason = json_string_value(json_object_get(error, "message"));
    *text = reason != NULL ? memory_text_dup(reason)
                           : memory_printf("the server answered with status %d", status);
    return PEER_FAILED;
}

PeerOutcome peer_answer_read(int status, const char *body, size_t length, char **text)
{
    json_auto_t *root = json_loadb(body, length, JSON_ALLOW_NUL, NULL);
    json_t *error = json_object_get(root, "error");
    json_t *result = json_object_get(root, "result");

    if (status < 200 || status > 299 || (error != NULL && !json_is_null(error)))
        return read_error(error, status, text);
    if (json_is_true(json_object_get(root, "queued")))
        return say(PEER_QUEUED, text,
                   "the peer is busy; the message is queued and will be read later");
    if (!json_is_object(result))
        return say(PEER_FAILED, text, "the answer is not a JSON-RPC result");
    return read_result(result, text);
}
