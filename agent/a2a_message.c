#include "a2a_message.h"

#include "ids.h"

#include <string.h>

static json_t *text_parts(const char *text, size_t length)
{
    return json_pack("[{s:s, s:o}]", "kind", "text", "text", json_stringn_nocheck(text, length));
}

static json_t *agent_message(const Task *task, const char *text, size_t length)
{
    char id[ID_BYTES];

    id_new(id);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "kind", "message", "role", "agent",
                     "messageId", id, "contextId", task->context_id, "taskId", task->id, "parts",
                     text_parts(text, length));
}

json_t *a2a_answer_message(const Task *task)
{
    return agent_message(task, text_buffer_get(&task->answer), task->answer.length);
}

static const char *state_name(TaskState state)
{
    static const char *const names[] = {
        [TASK_WORKING] = "working",
        [TASK_COMPLETED] = "completed",
        [TASK_FAILED] = "failed",
        [TASK_CANCELED] = "canceled",
    };

    return names[state];
}

static json_t *status(const Task *task)
{
    json_t *object =
        json_pack("{s:s, s:s}", "state", state_name(task->state), "timestamp", task->changed_at);

    if (task->error != NULL)
        json_object_set_new(object, "message",
                            agent_message(task, task->error, strlen(task->error)));
    return object;
}

/* A task has one artifact, so its id needs to be unique only within it. */
static json_t *artifact(const char *text, size_t length)
{
    return json_pack("{s:s, s:s, s:o}", "artifactId", "answer", "name", "answer", "parts",
                     text_parts(text, length));
}

json_t *a2a_task(const Task *task, bool with_history)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:o}", "kind", "task", "id", task->id, "contextId",
                               task->context_id, "status", status(task));

    if (task->answer.length > 0 || task->state == TASK_COMPLETED)
        json_object_set_new(
            object, "artifacts",
            json_pack("[o]", artifact(text_buffer_get(&task->answer), task->answer.length)));
    if (with_history)
        json_object_set_new(object, "history", json_pack("[O]", task->message));
    return object;
}

json_t *a2a_task_begun(const Task *task, bool with_history)
{
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "kind", "task", "id", task->id, "contextId",
                  task->context_id, "status", "state", "working", "timestamp", task->begun_at);

    if (with_history)
        json_object_set_new(object, "history", json_pack("[O]", task->message));
    return object;
}

json_t *a2a_artifact_update(const Task *task, const char *text, size_t length, bool is_append,
                            bool is_last)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:b, s:b}", "kind", "artifact-update", "taskId",
                     task->id, "contextId", task->context_id, "artifact", artifact(text, length),
                     "append", is_append, "lastChunk", is_last);
}

json_t *a2a_final_status_update(const Task *task)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:b}", "kind", "status-update", "taskId", task->id,
                     "contextId", task->context_id, "status", status(task), "final", 1);
}

json_t *a2a_agent_card(const Config *config, const char *url)
{
    const char *role = config->role[0] != '\0' ? config->role : config->name;

    /* The fields that A2A 0.3.0 requires, and no capability that we do not have. */
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s,"
                     " s:{s:b, s:b, s:b}, s:[s], s:[s], s:[{s:s, s:s, s:s, s:[s]}]}",
                     "protocolVersion", A2A_PROTOCOL_VERSION, "name", config->name, "description",
                     role, "url", url, "preferredTransport", "JSONRPC", "version",
                     WORKSPACE_AGENT_VERSION, "capabilities", "streaming", 1, "pushNotifications",
                     0, "stateTransitionHistory", 0, "defaultInputModes", "text/plain",
                     "defaultOutputModes", "text/plain", "skills", "id", "message", "name",
                     "Message", "description", role, "tags", config->executor);
}

json_t *rpc_result(json_t *id, json_t *result)
{
    return json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id != NULL ? id : json_null(),
                     "result", result);
}

json_t *rpc_failure(json_t *id, const RpcError *error)
{
    return json_pack("{s:s, s:O, s:{s:i, s:s}}", "jsonrpc", "2.0", "id",
                     id != NULL ? id : json_null(), "error", "code", (int)error->code, "message",
                     error->message);
}
