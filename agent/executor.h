/* What answers a message. One ops struct a way of answering; executor_find() knows them all.
 *
 * The contract: start() begins to work on a task, and sooner or later, also from within start(),
 * task_finish() is called for it exactly once. Between, task_append() adds to the answer. */
#pragma once

#include "config.h"
#include "process.h"
#include "task.h"

#include <stdbool.h>
#include <stddef.h>

struct event_base;

typedef struct {
    struct event_base *base;
    ProcessTable *processes;
    const Config *config;
} ExecutorContext;

typedef struct {
    const char *name;
    /* Required.
     *   text  the user's words, borrowed for this call */
    void (*start)(const ExecutorContext *context, Task *task, const char *text, size_t length);
    /* Required. Asks a working task to end soon; it ends as TASK_CANCELED. Repeatable. */
    void (*cancel)(const ExecutorContext *context, Task *task);
} Executor;

extern const Executor executor_echo;
extern const Executor executor_command;

/* NULL when there is none of that name. */
const Executor *executor_find(const char *name);

/* The names, for messages: "echo, command". */
#define EXECUTOR_NAMES "echo, command"
