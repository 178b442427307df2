#include "task.h"

#include "memory.h"
#include "utf8.h"
#include "utf8_boundary.h"

#include <stdlib.h>
#include <string.h>

struct TaskStore {
    Task *running; /* newest first */
    unsigned running_count;
    Task *kept; /* oldest first */
    Task **kept_end;
    unsigned kept_count;
    size_t kept_bytes;
    uint64_t finished;
    uint64_t failed;
    char *last_error;
    void (*changed)(void *argument);
    void *argument;
};

TaskStore *task_store_new(void (*changed)(void *argument), void *argument)
{
    TaskStore *store = memory_new(sizeof *store);

    store->kept_end = &store->kept;
    store->last_error = memory_text_dup("");
    store->changed = changed;
    store->argument = argument;
    return store;
}

/* What keeping a finished task costs, roughly: its texts and the same again for the tree that
 * the message is held in. */
static size_t estimate_size(const Task *task)
{
    return task->answer.capacity + 2 * json_dumpb(task->message, NULL, 0, JSON_COMPACT) + 1024;
}

static void forget_oldest(TaskStore *store)
{
    Task *task = store->kept;

    store->kept = task->next;
    if (store->kept == NULL)
        store->kept_end = &store->kept;
    store->kept_count--;
    store->kept_bytes -= task->kept_bytes;
    task->store = NULL;
    task_unref(task);
}

void task_store_free(TaskStore *store)
{
    if (store == NULL)
        return;
    while (store->kept != NULL)
        forget_oldest(store);
    free(store->last_error);
    free(store);
}

TaskLoad task_store_get_load(const TaskStore *store)
{
    return (TaskLoad){
        .running = store->running_count,
        .finished = store->finished,
        .failed = store->failed,
        .current = store->running != NULL ? store->running->label : "",
        .last_error = store->last_error,
    };
}

/* The first line's worth of a message, on one line. */
static void write_label(char label[TASK_LABEL_BYTES], const char *text)
{
    size_t length = utf8_boundary(text, strlen(text), TASK_LABEL_BYTES - 1);

    memcpy(label, text, length);
    label[length] = '\0';
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)label[i] < ' ')
            label[i] = ' ';
}

static void enter_state(Task *task, TaskState state)
{
    task->state = state;
    timestamp_now(task->changed_at);
}

Task *task_store_begin(TaskStore *store, json_t *message, const char *context_id, const char *text)
{
    char new_context[ID_BYTES];

    if (store->running_count >= TASKS_RUNNING_MAX)
        return NULL;
    if (context_id == NULL) {
        id_new(new_context);
        context_id = new_context;
    }
    Task *task = memory_new(sizeof *task);
    id_new(task->id);
    task->context_id = memory_text_dup(context_id);
    task->message = json_incref(message);
    task->references = 1;
    task->store = store;
    text_buffer_init(&task->answer, TASK_ANSWER_BYTES);
    write_label(task->label, text);
    enter_state(task, TASK_WORKING);
    memcpy(task->begun_at, task->changed_at, sizeof task->begun_at);
    task->next = store->running;
    store->running = task;
    store->running_count++;
    store->changed(store->argument);
    return task;
}

static Task *find_in(Task *list, const char *id)
{
    for (Task *task = list; task != NULL; task = task->next)
        if (strcmp(task->id, id) == 0)
            return task;
    return NULL;
}

Task *task_store_find(TaskStore *store, const char *id)
{
    Task *task = find_in(store->running, id);

    return task != NULL ? task : find_in(store->kept, id);
}

void task_store_each_running(TaskStore *store, void (*visit)(Task *task, void *argument),
                             void *argument)
{
    Task *next;

    for (Task *task = store->running; task != NULL; task = next) {
        next = task->next; /* the visit may move the task to the kept ones */
        visit(task, argument);
    }
}

static void tell_watchers(Task *task)
{
    TaskWatcher *next;

    task_ref(task); /* a watcher may drop the last other reference */
    for (TaskWatcher *watcher = task->watchers; watcher != NULL; watcher = next) {
        next = watcher->next;
        watcher->changed(watcher, task);
    }
    task_unref(task);
}

bool task_append(Task *task, const char *text, size_t length)
{
    bool has_room = text_buffer_append(&task->answer, text, length);

    tell_watchers(task);
    return has_room;
}

static void take_from_running(TaskStore *store, Task *task)
{
    Task **link = &store->running;

    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    task->next = NULL;
    store->running_count--;
}

static void keep(TaskStore *store, Task *task)
{
    *store->kept_end = task;
    store->kept_end = &task->next;
    store->kept_count++;
    task->kept_bytes = estimate_size(task);
    store->kept_bytes += task->kept_bytes;
    while (store->kept_count > TASKS_KEPT ||
           (store->kept_bytes > TASKS_KEPT_BYTES && store->kept_count > 1))
        forget_oldest(store);
}

/* What the server tells a restarted agent is no work: a program that cannot make anything of it (a
 * shell) is not ill. */
static bool is_notice(const Task *task)
{
    json_t *metadata = json_object_get(task->message, "metadata");

    return json_is_true(json_object_get(metadata, "restart_context"));
}

static void count_end(TaskStore *store, const Task *task)
{
    store->finished++;
    if (task->state != TASK_FAILED || is_notice(task))
        return;
    store->failed++;
    free(store->last_error);
    store->last_error = memory_text_dup(task->error);
}

void task_finish(Task *task, TaskState state, const char *error)
{
    TaskStore *store = task->store;

    task->error = utf8_dup_repaired(error);
    task->run = NULL;
    text_buffer_trim(&task->answer);
    enter_state(task, state);
    take_from_running(store, task);
    count_end(store, task);
    keep(store, task);
    store->changed(store->argument);
    tell_watchers(task);
}

bool task_is_finished(const Task *task)
{
    return task->state != TASK_WORKING;
}

Task *task_ref(Task *task)
{
    task->references++;
    return task;
}

void task_unref(Task *task)
{
    if (task == NULL || --task->references > 0)
        return;
    free(task->context_id);
    json_decref(task->message);
    text_buffer_clear(&task->answer);
    free(task->error);
    free(task);
}

void task_watch(Task *task, TaskWatcher *watcher)
{
    watcher->next = task->watchers;
    task->watchers = watcher;
}

void task_unwatch(Task *task, TaskWatcher *watcher)
{
    TaskWatcher **link = &task->watchers;

    while (*link != NULL && *link != watcher)
        link = &(*link)->next;
    if (*link == watcher)
        *link = watcher->next;
}
