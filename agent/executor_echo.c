/* Answers with what was said: needs no program, key or network, so a new installation and every
 * test has an agent that works. */
#include "executor.h"

static void echo_start(const ExecutorContext *context, Task *task, const char *text, size_t length)
{
    (void)context;
    if (task_append(task, text, length))
        task_finish(task, TASK_COMPLETED, NULL);
    else
        task_finish(task, TASK_FAILED, "the message is too long to be echoed");
}

static void echo_cancel(const ExecutorContext *context, Task *task)
{
    /* Never working when anybody could ask: start() finishes. */
    (void)context;
    (void)task;
}

const Executor executor_echo = {
    .name = "echo",
    .start = echo_start,
    .cancel = echo_cancel,
};
