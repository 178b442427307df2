/* Tasks: one message being worked on, or one that was.
 *
 * Invariants: a task is TASK_WORKING until task_finish(), then never changes again. At most
 * TASKS_RUNNING_MAX work at once. Of the finished ones the last TASKS_KEPT are kept for
 * `tasks/get`, fewer when their texts together pass TASKS_KEPT_BYTES. Whoever holds a reference
 * may go on reading a task that the store has let go.
 *
 * Everything runs in one thread. */
#pragma once

#include "ids.h"
#include "text_buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define TASKS_RUNNING_MAX 32
#define TASKS_KEPT        256
#define TASKS_KEPT_BYTES  (32 * 1024 * 1024)
#define TASK_ANSWER_BYTES (8 * 1024 * 1024)
#define TASK_LABEL_BYTES  121 /* what the canvas shows of the message */
#define TASK_ERROR_BYTES  4096

typedef struct Task Task;
typedef struct TaskStore TaskStore;
typedef struct TaskWatcher TaskWatcher;

typedef enum { TASK_WORKING, TASK_COMPLETED, TASK_FAILED, TASK_CANCELED } TaskState;

/* Part of whoever wants to know of a task's changes. */
struct TaskWatcher {
    /* The answer grew or the task ended. May take its own watcher off, but no other. */
    void (*changed)(TaskWatcher *watcher, Task *task);
    TaskWatcher *next;
};

/* To be read by all, written only by task.c; `run` belongs to the executor. */
struct Task {
    char id[ID_BYTES];
    char *context_id;
    json_t *message; /* what the user sent; owned */
    char label[TASK_LABEL_BYTES];
    TaskState state;
    char begun_at[TIMESTAMP_BYTES];
    char changed_at[TIMESTAMP_BYTES]; /* when the state was last entered */
    TextBuffer answer;                /* valid UTF-8 */
    char *error;                      /* why it failed or was canceled; NULL otherwise */
    void *run;                        /* the executor's own state while working, else NULL */

    TaskStore *store;
    TaskWatcher *watchers;
    Task *next;
    size_t kept_bytes;
    unsigned references;
};

/* What a heartbeat tells of the tasks. */
typedef struct {
    unsigned running;
    uint64_t finished;      /* since the start, however they ended */
    uint64_t failed;        /* since the start */
    const char *current;    /* label of the newest that runs, "" when none; borrowed */
    const char *last_error; /* of the last that failed, "" when none; borrowed */
} TaskLoad;

/*   changed  called when a task begins or ends, so that the server can be told */
TaskStore *task_store_new(void (*changed)(void *argument), void *argument);
/* Must not be called while tasks are working. */
void task_store_free(TaskStore *store);
TaskLoad task_store_get_load(const TaskStore *store);

/* Begins a task.
 *   message     borrowed, kept with the task
 *   context_id  NULL: a new conversation
 * NULL when TASKS_RUNNING_MAX are working. The store holds the reference. */
Task *task_store_begin(TaskStore *store, json_t *message, const char *context_id, const char *text);

/* The task of that id, running or kept; NULL when there is none. Borrowed. */
Task *task_store_find(TaskStore *store, const char *id);

/* Calls `visit` for each working task; it may finish the task. */
void task_store_each_running(TaskStore *store, void (*visit)(Task *task, void *argument),
                             void *argument);

/* Adds valid UTF-8 to the answer. False when the answer is full: what was too much is lost. */
bool task_append(Task *task, const char *text, size_t length);

/* Ends a task.
 *   error  reason when it failed or was canceled; NULL when completed. Copied and repaired */
void task_finish(Task *task, TaskState state, const char *error);

bool task_is_finished(const Task *task);

Task *task_ref(Task *task);
void task_unref(Task *task);

/* The watcher is the caller's and must be taken off before it goes. */
void task_watch(Task *task, TaskWatcher *watcher);
void task_unwatch(Task *task, TaskWatcher *watcher);
