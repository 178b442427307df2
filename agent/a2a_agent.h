/* What whoever answers a request has in common. */
#pragma once

#include "executor.h"
#include "task.h"

#include <jansson.h>
#include <stdbool.h>

struct event_base;
struct evhttp_request;

/* What the methods work with; all borrowed but the list. */
typedef struct {
    struct event_base *base;
    TaskStore *tasks;
    const Executor *executor;
    const ExecutorContext *executor_context;
    struct PendingReply *pending; /* clients that wait for a task; see pending_reply.h */
    bool is_stopping;             /* no new tasks */
} A2aAgent;

/* Answers with JSON; `object` is taken. */
void a2a_reply_json(struct evhttp_request *request, int status, json_t *object);
