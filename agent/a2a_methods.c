#include "a2a_methods.h"

#include "a2a_message.h"
#include "log.h"
#include "pending_reply.h"

#include <event2/http.h>
#include <string.h>

/* A method answers by itself, at once or later, or fills `error` and returns false. */
typedef bool (*MethodHandler)(A2aAgent *agent, struct evhttp_request *request,
                              const RpcRequest *rpc, RpcError *error);

static void reply_result(struct evhttp_request *request, const RpcRequest *rpc, json_t *result)
{
    a2a_reply_json(request, HTTP_OK, rpc_result(rpc->id, result));
}

/* A message that names a task wants to go on with it. Our tasks take one message and end; the
 * conversation goes on by its context. */
static bool check_task_of_message(A2aAgent *agent, const MessageParams *params, RpcError *error)
{
    if (params->task_id == NULL)
        return true;
    const Task *task = task_store_find(agent->tasks, params->task_id);
    if (task == NULL)
        return rpc_error_set(error, RPC_TASK_NOT_FOUND, "task not found");
    if (task_is_finished(task))
        return rpc_error_set(error, RPC_INVALID_PARAMS,
                             "the task has ended; send the message with its contextId only");
    return rpc_error_set(error, RPC_INVALID_PARAMS,
                         "the task is working and takes no further message");
}

/* Reads the message and sets the executor on it. The task may be finished when this returns.
 * NULL: `error` says why. The result is a reference. */
static Task *begin_task(A2aAgent *agent, MessageParams *params, RpcError *error)
{
    if (!check_task_of_message(agent, params, error))
        return NULL;
    if (agent->is_stopping) {
        rpc_error_set(error, RPC_BUSY, "the agent is stopping");
        return NULL;
    }
    Task *task = task_store_begin(agent->tasks, params->message, params->context_id, params->text);
    if (task == NULL) {
        rpc_error_set(error, RPC_BUSY, "busy: %d tasks are being worked on", TASKS_RUNNING_MAX);
        return NULL;
    }
    task_ref(task);
    json_object_set_new(params->message, "taskId", json_string(task->id));
    json_object_set_new(params->message, "contextId", json_string(task->context_id));
    agent->executor->start(agent->executor_context, task, params->text, params->text_length);
    return task;
}

static bool message_send(A2aAgent *agent, struct evhttp_request *request, const RpcRequest *rpc,
                         RpcError *error)
{
    MessageParams params;

    if (!message_params_parse(rpc->params, &params, error))
        return false;
    Task *task = begin_task(agent, &params, error);
    if (task != NULL && params.is_blocking)
        pending_reply_start(agent, request, rpc->id, task, REPLY_ANSWER, params.wants_history);
    else if (task != NULL)
        reply_result(request, rpc, a2a_task(task, params.wants_history));
    bool is_begun = task != NULL;
    task_unref(task);
    message_params_clear(&params);
    return is_begun;
}

static bool message_stream(A2aAgent *agent, struct evhttp_request *request, const RpcRequest *rpc,
                           RpcError *error)
{
    MessageParams params;

    if (!message_params_parse(rpc->params, &params, error))
        return false;
    Task *task = begin_task(agent, &params, error);
    if (task != NULL)
        pending_stream_start(agent, request, rpc->id, task, params.wants_history);
    bool is_begun = task != NULL;
    task_unref(task);
    message_params_clear(&params);
    return is_begun;
}

static Task *find_task(A2aAgent *agent, const RpcRequest *rpc, TaskParams *params, RpcError *error)
{
    if (!task_params_parse(rpc->params, params, error))
        return NULL;
    Task *task = task_store_find(agent->tasks, params->id);
    if (task == NULL)
        rpc_error_set(error, RPC_TASK_NOT_FOUND, "task not found");
    return task;
}

static bool tasks_get(A2aAgent *agent, struct evhttp_request *request, const RpcRequest *rpc,
                      RpcError *error)
{
    TaskParams params;
    const Task *task = find_task(agent, rpc, &params, error);

    if (task == NULL)
        return false;
    reply_result(request, rpc, a2a_task(task, params.wants_history));
    return true;
}

/* Answers when the task has really ended. */
static bool tasks_cancel(A2aAgent *agent, struct evhttp_request *request, const RpcRequest *rpc,
                         RpcError *error)
{
    TaskParams params;
    Task *task = find_task(agent, rpc, &params, error);

    if (task == NULL)
        return false;
    if (task_is_finished(task))
        return rpc_error_set(error, RPC_TASK_NOT_CANCELABLE, "the task has ended already");
    log_info("task is canceled on a client's wish task=%s", task->id);
    agent->executor->cancel(agent->executor_context, task);
    pending_reply_start(agent, request, rpc->id, task, REPLY_TASK, true);
    return true;
}

static bool tasks_resubscribe(A2aAgent *agent, struct evhttp_request *request,
                              const RpcRequest *rpc, RpcError *error)
{
    TaskParams params;
    Task *task = find_task(agent, rpc, &params, error);

    if (task == NULL)
        return false;
    pending_stream_start(agent, request, rpc->id, task, params.wants_history);
    return true;
}

static bool push_notifications(A2aAgent *agent, struct evhttp_request *request,
                               const RpcRequest *rpc, RpcError *error)
{
    (void)agent;
    (void)request;
    (void)rpc;
    return rpc_error_set(error, RPC_PUSH_NOT_SUPPORTED, "push notifications are not supported");
}

static bool extended_card(A2aAgent *agent, struct evhttp_request *request, const RpcRequest *rpc,
                          RpcError *error)
{
    (void)agent;
    (void)request;
    (void)rpc;
    return rpc_error_set(error, RPC_NO_EXTENDED_CARD, "there is no extended agent card");
}

static const struct {
    const char *name;
    MethodHandler handler;
} methods[] = {
    {"message/send", message_send},
    {"message/stream", message_stream},
    {"tasks/get", tasks_get},
    {"tasks/cancel", tasks_cancel},
    {"tasks/resubscribe", tasks_resubscribe},
    {"tasks/pushNotificationConfig/set", push_notifications},
    {"tasks/pushNotificationConfig/get", push_notifications},
    {"tasks/pushNotificationConfig/list", push_notifications},
    {"tasks/pushNotificationConfig/delete", push_notifications},
    {"agent/getAuthenticatedExtendedCard", extended_card},
};

static MethodHandler find_method(const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].handler;
    return NULL;
}

static bool dispatch(A2aAgent *agent, struct evhttp_request *request, const RpcRequest *rpc,
                     RpcError *error)
{
    MethodHandler handler = find_method(rpc->method);

    if (handler == NULL)
        return rpc_error_set(error, RPC_METHOD_NOT_FOUND, "method not found");
    return handler(agent, request, rpc, error);
}

void a2a_methods_handle(A2aAgent *agent, struct evhttp_request *request, const char *bytes,
                        size_t length)
{
    RpcRequest rpc;
    RpcError error;

    if (!rpc_request_parse(bytes, length, &rpc, &error) || !dispatch(agent, request, &rpc, &error))
        a2a_reply_json(request, HTTP_OK, rpc_failure(rpc.id, &error));
    rpc_request_clear(&rpc);
}
