/* A client that waits for a task: for its end (`message/send`, `tasks/cancel`), or for every piece
 * as a stream of server-sent events (`message/stream`, `tasks/resubscribe`).
 *
 * The task does not depend on its clients: one that goes is forgotten, and the task works on. A
 * client that reads slowly holds no copy of the answer: the stream remembers how far it has come
 * and goes on there when the last piece has left; one that does not read for a minute is closed by
 * the server. */
#pragma once

#include "a2a_agent.h"

typedef struct PendingReply PendingReply;

/* What a client gets at the end. */
typedef enum {
    REPLY_ANSWER, /* a Message when the task completed, else the Task */
    REPLY_TASK,
} ReplyKind;

/* Answers with a finished task, or waits until it is one. */
void pending_reply_start(A2aAgent *agent, struct evhttp_request *request, json_t *rpc_id,
                         Task *task, ReplyKind kind, bool with_history);

/* Begins a stream: the Task, pieces of the answer, the final state. */
void pending_stream_start(A2aAgent *agent, struct evhttp_request *request, json_t *rpc_id,
                          Task *task, bool with_history);

/* Answers all with what there is and forgets them. */
void pending_reply_end_all(A2aAgent *agent);

/* The result of a method for a task as it stands. New reference. */
json_t *pending_reply_result(const Task *task, ReplyKind kind, bool with_history);
