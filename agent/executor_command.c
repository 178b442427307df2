/* Answers by running a program: one process a message, the text on its standard input, its
 * standard output as the answer, passed on as it comes.
 *
 * Invariants: the program leads a process group of its own (process.h), and a task ends when that
 * leader has ended and what it printed is read; a grandchild that keeps the pipe open does not
 * hold the task up. Line ends at the very end of the answer are left out, as `$(...)` does in a
 * shell. Limits: the answer TASK_ANSWER_BYTES, the last TASK_ERROR_BYTES of standard error, the
 * time Config.task_limit_ms; a program that passes one is stopped. */
#include "command_words.h"
#include "executor.h"
#include "log.h"
#include "memory.h"
#include "utf8.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES      16384
#define READS_PER_EVENT 4             /* so that one loud program does not starve the others */
#define DRAIN_BYTES_MAX (1024 * 1024) /* after the leader's end; a pipe holds 64 KiB */
#define GRACE_SECONDS   5             /* between SIGTERM and SIGKILL */

typedef struct {
    const ExecutorContext *context;
    Task *task;
    Process *process;
    char *text; /* what is still to be written to its input */
    size_t text_length;
    size_t text_written;
    struct event *input; /* each NULL once its pipe is closed */
    struct event *output;
    struct event *errors;
    struct event *deadline;
    struct event *kill_timer; /* runs between SIGTERM and SIGKILL */
    Utf8Repair repair;
    size_t held_line_ends; /* read but not yet part of the answer */
    TextBuffer error_tail;
    bool is_canceled;
    const char *stop_reason; /* why we stopped it; NULL: we did not */
    int64_t started_ms;
} CommandRun;

/* Closes one pipe of a run. */
static void close_pipe(struct event **pipe_event)
{
    if (*pipe_event == NULL)
        return;
    evutil_socket_t descriptor = event_get_fd(*pipe_event);
    event_free(*pipe_event);
    close(descriptor);
    *pipe_event = NULL;
}

static void free_timer(struct event **timer)
{
    if (*timer != NULL)
        event_free(*timer);
    *timer = NULL;
}

static void run_free(CommandRun *run)
{
    close_pipe(&run->input);
    close_pipe(&run->output);
    close_pipe(&run->errors);
    free_timer(&run->deadline);
    free_timer(&run->kill_timer);
    text_buffer_clear(&run->error_tail);
    free(run->text);
    free(run);
}

/* Stops the program: politely now, hard after the grace. */
static void stop(CommandRun *run)
{
    const struct timeval grace = {.tv_sec = GRACE_SECONDS};

    if (run->process == NULL || evtimer_pending(run->kill_timer, NULL))
        return;
    process_signal_group(run->process, SIGTERM);
    evtimer_add(run->kill_timer, &grace);
}

static void on_grace_over(evutil_socket_t descriptor, short what, void *argument)
{
    CommandRun *run = argument;
    (void)descriptor;
    (void)what;

    if (run->process != NULL)
        process_signal_group(run->process, SIGKILL);
}

static void stop_because(CommandRun *run, const char *reason)
{
    if (run->stop_reason == NULL)
        run->stop_reason = reason;
    stop(run);
}

static void on_deadline(evutil_socket_t descriptor, short what, void *argument)
{
    (void)descriptor;
    (void)what;
    stop_because(argument, "the command took too long and was stopped");
}

/* Writing the message */

static void on_input_ready(evutil_socket_t descriptor, short what, void *argument)
{
    CommandRun *run = argument;
    (void)what;

    while (run->text_written < run->text_length) {
        ssize_t written =
            write(descriptor, run->text + run->text_written, run->text_length - run->text_written);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno == EAGAIN)
            return;
        if (written < 0)
            break; /* it does not care to read on, which is its right */
        run->text_written += (size_t)written;
    }
    close_pipe(&run->input); /* the end of the message */
    free(run->text);
    run->text = NULL;
}

/* Reading the answer */

static bool append_line_ends(CommandRun *run)
{
    static const char line_ends[] = "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n";
    bool has_room = true;

    while (run->held_line_ends > 0 && has_room) {
        size_t count =
            run->held_line_ends < sizeof line_ends - 1 ? run->held_line_ends : sizeof line_ends - 1;
        has_room = task_append(run->task, line_ends, count);
        run->held_line_ends -= count;
    }
    return has_room;
}

static void append(CommandRun *run, const char *text, size_t length)
{
    size_t kept = length;

    while (kept > 0 && text[kept - 1] == '\n')
        kept--;
    if (kept > 0 && (!append_line_ends(run) || !task_append(run->task, text, kept)))
        stop_because(run, "the answer was longer than 8 MiB and was cut");
    run->held_line_ends += length - kept;
}

static void take_output(CommandRun *run, const char *bytes, size_t length)
{
    TextBuffer valid;

    if (run->stop_reason != NULL || run->is_canceled)
        return; /* nobody waits for it any more */
    text_buffer_init(&valid, 3 * length + 12);
    utf8_repair_feed(&run->repair, bytes, length, &valid);
    append(run, text_buffer_get(&valid), valid.length);
    text_buffer_clear(&valid);
}

static void take_errors(CommandRun *run, const char *bytes, size_t length)
{
    text_buffer_append_tail(&run->error_tail, bytes, length);
}

/* Reads what a pipe holds, up to `limit` bytes. False when it is at its end. */
static bool read_pipe(CommandRun *run, evutil_socket_t descriptor, size_t limit,
                      void (*take)(CommandRun *run, const char *bytes, size_t length))
{
    char bytes[READ_BYTES];

    for (size_t total = 0; total < limit;) {
        ssize_t length = read(descriptor, bytes, sizeof bytes);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0 && errno == EAGAIN)
            return true;
        if (length <= 0)
            return false;
        take(run, bytes, (size_t)length);
        total += (size_t)length;
    }
    return true;
}

static void on_output(evutil_socket_t descriptor, short what, void *argument)
{
    CommandRun *run = argument;
    (void)what;

    if (!read_pipe(run, descriptor, (size_t)READS_PER_EVENT * READ_BYTES, take_output))
        close_pipe(&run->output);
}

static void on_errors(evutil_socket_t descriptor, short what, void *argument)
{
    CommandRun *run = argument;
    (void)what;

    if (!read_pipe(run, descriptor, (size_t)READS_PER_EVENT * READ_BYTES, take_errors))
        close_pipe(&run->errors);
}

/* Ending */

/* What it said last, without the begin of a cut character and line ends around it. */
static char *dup_error_text(const CommandRun *run)
{
    const char *text = text_buffer_get(&run->error_tail);
    size_t length = run->error_tail.length;

    while (length > 0 && run->error_tail.length == TASK_ERROR_BYTES &&
           ((unsigned char)text[0] & 0xc0) == 0x80) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        length--;
    return memory_text_dup_length(text, length);
}

static char *dup_failure(const CommandRun *run, int status)
{
    AUTO_FREE char *said = dup_error_text(run);

    if (run->stop_reason != NULL)
        return memory_text_dup(run->stop_reason);
    if (said[0] != '\0')
        return memory_text_dup(said);
    if (WIFSIGNALED(status))
        return memory_printf("the command was ended by signal %d (%s)", WTERMSIG(status),
                             strsignal(WTERMSIG(status)));
    return memory_printf("the command ended with status %d and said nothing", WEXITSTATUS(status));
}

static void finish(CommandRun *run, int status)
{
    Task *task = run->task;
    bool is_completed = run->stop_reason == NULL && WIFEXITED(status) && WEXITSTATUS(status) == 0;

    log_info("task ended task=%s canceled=%d status=%d signal=%d duration_ms=%lld", task->id,
             run->is_canceled, WIFEXITED(status) ? WEXITSTATUS(status) : -1,
             WIFSIGNALED(status) ? WTERMSIG(status) : 0,
             (long long)(clock_monotonic_ms() - run->started_ms));
    if (run->is_canceled) {
        task_finish(task, TASK_CANCELED, "canceled");
    } else if (is_completed) {
        task_finish(task, TASK_COMPLETED, NULL);
    } else {
        AUTO_FREE char *failure = dup_failure(run, status);
        task_finish(task, TASK_FAILED, failure);
    }
}

static void on_ended(void *argument, int status)
{
    CommandRun *run = argument;
    TextBuffer rest;

    run->process = NULL;
    if (run->output != NULL)
        read_pipe(run, event_get_fd(run->output), DRAIN_BYTES_MAX, take_output);
    if (run->errors != NULL)
        read_pipe(run, event_get_fd(run->errors), DRAIN_BYTES_MAX, take_errors);
    text_buffer_init(&rest, 12);
    utf8_repair_end(&run->repair, &rest);
    append(run, text_buffer_get(&rest), rest.length);
    text_buffer_clear(&rest);
    finish(run, status);
    run_free(run);
}

/* Starting */

typedef struct {
    int input[2]; /* [0] to read from, [1] to write to */
    int output[2];
    int errors[2];
} Pipes;

static void close_all(Pipes *pipes)
{
    int *all = (int *)pipes;

    for (size_t i = 0; i < sizeof *pipes / sizeof *all; i++)
        if (all[i] >= 0)
            close(all[i]);
}

static bool open_pipes(Pipes *pipes)
{
    *pipes = (Pipes){{-1, -1}, {-1, -1}, {-1, -1}};
    if (pipe2(pipes->input, O_CLOEXEC) == 0 && pipe2(pipes->output, O_CLOEXEC) == 0 &&
        pipe2(pipes->errors, O_CLOEXEC) == 0)
        return true;
    int reason = errno;
    close_all(pipes);
    errno = reason;
    return false;
}

/* The variables a command gets beyond our own. */
static char **environment_new(const Config *config, const Task *task)
{
    const char *message_id = json_string_value(json_object_get(task->message, "messageId"));
    size_t count = 0;

    while (environ[count] != NULL)
        count++;
    char **environment = memory_new((count + 5) * sizeof *environment);
    size_t used = 0;
    environment[used++] = memory_printf("A2A_TASK_ID=%s", task->id);
    environment[used++] = memory_printf("A2A_CONTEXT_ID=%s", task->context_id);
    environment[used++] = memory_printf("A2A_MESSAGE_ID=%s", message_id != NULL ? message_id : "");
    environment[used++] = memory_printf("WORKSPACE_AGENT_BIN=%s", config->own_path);
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "A2A_TASK_ID=", 12) != 0 &&
            strncmp(environ[i], "A2A_CONTEXT_ID=", 15) != 0 &&
            strncmp(environ[i], "A2A_MESSAGE_ID=", 15) != 0 &&
            strncmp(environ[i], "WORKSPACE_AGENT_BIN=", 20) != 0)
            environment[used++] = memory_text_dup(environ[i]);
    return environment;
}

static struct event *watch(CommandRun *run, int descriptor, short what, event_callback_fn ready)
{
    fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);

    struct event *event = event_new(run->context->base, descriptor, what, ready, run);
    event_add(event, NULL);
    return event;
}

static void start_timers(CommandRun *run)
{
    int64_t limit_ms = run->context->config->task_limit_ms;
    const struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000};

    run->kill_timer = evtimer_new(run->context->base, on_grace_over, run);
    run->deadline = evtimer_new(run->context->base, on_deadline, run);
    if (limit_ms > 0)
        evtimer_add(run->deadline, &limit);
}

static CommandRun *run_new(const ExecutorContext *context, Task *task, const char *text,
                           size_t length)
{
    CommandRun *run = memory_new(sizeof *run);

    run->context = context;
    run->task = task;
    run->text = memory_text_dup_length(text, length);
    run->text_length = length;
    run->started_ms = clock_monotonic_ms();
    text_buffer_init(&run->error_tail, TASK_ERROR_BYTES);
    return run;
}

/* Starts the program with its ends of the pipes. False: errno says why. */
static bool run_spawn(CommandRun *run, char *const *argv, Pipes *pipes)
{
    char **environment = environment_new(run->context->config, run->task);
    const ProcessSpec spec = {
        .argv = argv,
        .environment = environment,
        .input = pipes->input[0],
        .output = pipes->output[1],
        .errors = pipes->errors[1],
        .ended = on_ended,
        .argument = run,
    };
    int failure;

    run->process = process_spawn(run->context->processes, &spec, &failure);
    command_words_free(environment);
    if (run->process == NULL) {
        close_all(pipes);
        errno = failure;
        return false;
    }
    close(pipes->input[0]);
    close(pipes->output[1]);
    close(pipes->errors[1]);
    return true;
}

static void fail_to_start(Task *task, const char *program, int reason)
{
    AUTO_FREE char *error = reason == ENOENT
                                ? memory_printf("command not found: %s", program)
                                : memory_printf("cannot start %s: %s", program, strerror(reason));

    log_warning("task failed task=%s reason=\"%s\"", task->id, error);
    task_finish(task, TASK_FAILED, error);
}

static void start_program(const ExecutorContext *context, Task *task, char *const *argv,
                          const char *text, size_t length)
{
    CommandRun *run = run_new(context, task, text, length);
    Pipes pipes;

    if (!open_pipes(&pipes) || !run_spawn(run, argv, &pipes)) {
        int reason = errno;
        run_free(run);
        fail_to_start(task, argv[0], reason);
        return;
    }
    task->run = run;
    start_timers(run);
    run->input = watch(run, pipes.input[1], EV_WRITE | EV_PERSIST, on_input_ready);
    run->output = watch(run, pipes.output[0], EV_READ | EV_PERSIST, on_output);
    run->errors = watch(run, pipes.errors[0], EV_READ | EV_PERSIST, on_errors);
    log_info("task started task=%s pid=%d", task->id, (int)process_get_pid(run->process));
}

static void command_start(const ExecutorContext *context, Task *task, const char *text,
                          size_t length)
{
    char **argv = NULL;
    AUTO_FREE char *reason = NULL;

    if (!command_words_parse(context->config->command, &argv, &reason)) {
        AUTO_FREE char *error = memory_printf("WORKSPACE_AGENT_COMMAND: %s", reason);
        log_warning("task failed task=%s reason=\"%s\"", task->id, error);
        task_finish(task, TASK_FAILED, error);
        return;
    }
    start_program(context, task, argv, text, length);
    command_words_free(argv);
}

static void command_cancel(const ExecutorContext *context, Task *task)
{
    CommandRun *run = task->run;
    (void)context;

    if (run == NULL)
        return;
    run->is_canceled = true;
    stop(run);
}

const Executor executor_command = {
    .name = "command",
    .start = command_start,
    .cancel = command_cancel,
};
