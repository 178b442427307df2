/* Building what the agent says: the objects of A2A 0.3.0 as JSON trees. Every function returns a
 * new reference. Source: A2A protocol 0.3.0, sections 5.5, 6 and 7. */
#pragma once

#include "a2a_request.h"
#include "config.h"
#include "task.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define A2A_PROTOCOL_VERSION "0.3.0"

json_t *a2a_agent_card(const Config *config, const char *url);

/* The whole answer of a completed task as a Message of the agent. */
json_t *a2a_answer_message(const Task *task);

/* The Task as it stands. */
json_t *a2a_task(const Task *task, bool with_history);

/* The Task as it began, the first event of a stream: working, and without the answer, which
 * follows in pieces even when it is there already. */
json_t *a2a_task_begun(const Task *task, bool with_history);

/* A piece of the answer.
 *   is_append   not the first piece
 *   is_last     nothing will follow */
json_t *a2a_artifact_update(const Task *task, const char *text, size_t length, bool is_append,
                            bool is_last);

/* The state of a finished task, the last event of a stream. */
json_t *a2a_final_status_update(const Task *task);

/* JSON-RPC envelopes. `id` is borrowed (NULL gives null), `result` is taken. */
json_t *rpc_result(json_t *id, json_t *result);
json_t *rpc_failure(json_t *id, const RpcError *error);
