/* Programs inside a running container: `workspaced-supervisor enter` joins it and starts them. Its
 * control pipe ends with us, so that a killed server leaves no program behind that nobody waits
 * for. */
#include "base/clock.h"
#include "engine/sandbox/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILURE_MAX 512
#define DRAIN_MS    200  /* output that is still on its way when the program has ended */
#define KILL_MS     2000 /* for `enter` to end what it started */
#define BEGIN_MS    10000
#define CHUNK       65536

/* ---- What both have in common ---- */

typedef enum { INPUT, OUTPUT, ERRORS, FAILURE, CONTROL, ENDS } End;

typedef struct {
    pid_t pid;
    int ours[ENDS]; /* -1: none or closed */
    GString *failure;
} Enter;

static void close_end(Enter *enter, End end)
{
    if (enter->ours[end] >= 0)
        close(enter->ours[end]);
    enter->ours[end] = -1;
}

/* A memfd with the records, read from its start. -1 on error. */
static int records_fd(const GString *records, GError **error)
{
    int fd = memfd_create("workspaced-run", MFD_CLOEXEC);

    if (fd >= 0 && write(fd, records->str, records->len) == (gssize)records->len)
        return fd;
    error_set(error, ERROR_UNAVAILABLE, "orders for the program: %s", g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static gboolean load_running(SandboxEngine *sandbox, const char *ref, SandboxContainer **container,
                             SandboxState *state, GError **error)
{
    g_autofree char *frozen = NULL;

    *state = (SandboxState){0};
    *container = sandbox_container_load(sandbox, ref, error);
    if (!*container)
        return FALSE;
    frozen = g_build_filename((*container)->folder, SANDBOX_FROZEN, NULL);
    sandbox_state_load((*container)->folder, state);
    if (state->is_alive && state->init > 0 && access(frozen, F_OK) != 0)
        return TRUE;
    return error_set(error, ERROR_CONFLICT, "the container is not running");
}

static GString *records_new(SandboxEngine *sandbox, const SandboxContainer *container,
                            const SandboxState *state, const char *user, const char *directory,
                            const char *const *argv)
{
    const SandboxRecord *record = container->record;
    g_autoptr(GPtrArray) joins = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *target =
        g_strdup_printf("%d %" G_GUINT64_FORMAT, (int)state->init, state->init_start);
    g_autofree char *mask = g_strdup_printf("%llx", SANDBOX_CAPABILITIES_KEPT);
    guint16 port = record->port ? sandbox_port_load(container->folder) : 0;
    GString *records = g_string_new(NULL);

    sandbox_records_add(records, RUN_TARGET, target);
    if (!record->keep_capabilities)
        sandbox_records_add(records, RUN_CAPABILITIES, mask);
    sandbox_cgroups_joins(sandbox->cgroups, record->id, joins);
    for (guint i = 0; i < joins->len; i++)
        sandbox_records_add(records, RUN_CGROUP, joins->pdata[i]);
    if (sandbox->is_root) /* elsewhere there is one user */
        sandbox_records_add(records, RUN_USER, user ? user : record->user ? record->user : "");
    sandbox_records_add(records, RUN_DIRECTORY, directory ? directory : "/");
    sandbox_records_add_environment(records, record, port);
    for (; *argv; argv++)
        sandbox_records_add(records, RUN_ARGUMENT, *argv);
    return records;
}

/* A pipe (or, for `both_ways`, a socket) of which we keep one end. */
static gboolean make_end(Enter *enter, End end, gboolean we_write, gboolean both_ways, int *theirs)
{
    int both[2];
    gboolean is_made = both_ways ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) == 0
                                 : pipe2(both, O_CLOEXEC) == 0;

    if (!is_made)
        return FALSE;
    enter->ours[end] = both[we_write ? 1 : 0];
    *theirs = both[we_write ? 0 : 1];
    return fcntl(enter->ours[end], F_SETFL, O_NONBLOCK) == 0;
}

static gboolean spawn(Enter *enter, SandboxEngine *sandbox, const GString *records,
                      gboolean has_terminal, GError **error)
{
    const char *argv[] = {sandbox->supervisor, "enter", NULL};
    int theirs[RUN_FD_COUNT] = {-1, -1, -1, -1, -1, -1};
    gboolean is_done = FALSE;

    theirs[RUN_FD_RECORDS] = records_fd(records, error);
    if (theirs[RUN_FD_RECORDS] < 0)
        return FALSE;
    is_done = make_end(enter, INPUT, TRUE, has_terminal, &theirs[0]) &&
              (has_terminal || (make_end(enter, OUTPUT, FALSE, FALSE, &theirs[1]) &&
                                make_end(enter, ERRORS, FALSE, FALSE, &theirs[2]))) &&
              make_end(enter, FAILURE, FALSE, FALSE, &theirs[RUN_FD_FAILURE]) &&
              make_end(enter, CONTROL, TRUE, FALSE, &theirs[RUN_FD_CONTROL]);
    if (!is_done)
        error_set(error, ERROR_UNAVAILABLE, "pipes for the program: %s", g_strerror(errno));
    is_done = is_done && sandbox_spawn(argv, theirs, RUN_FD_COUNT, &enter->pid, error);
    for (guint i = 0; i < RUN_FD_COUNT; i++)
        if (theirs[i] >= 0)
            close(theirs[i]);
    return is_done;
}

static void enter_init(Enter *enter)
{
    *enter = (Enter){.failure = g_string_new(NULL)};
    for (guint i = 0; i < ENDS; i++)
        enter->ours[i] = -1;
}

/* Closing the control pipe ends the program; whoever does not go then is killed. */
static void enter_clear(Enter *enter)
{
    int status = 0;

    for (guint i = 0; i < ENDS; i++)
        close_end(enter, (End)i);
    if (enter->pid > 0 && !sandbox_child_wait(enter->pid, KILL_MS, &status)) {
        kill(enter->pid, SIGKILL);
        sandbox_child_wait(enter->pid, KILL_MS, &status);
    }
    enter->pid = 0;
    g_string_free(enter->failure, TRUE);
}

/* ---- Exec ---- */

static gboolean append_bounded(GString *text, const char *bytes, gsize length, gsize max)
{
    gsize room = max > text->len ? max - text->len : 0;

    g_string_append_len(text, bytes, (gssize)MIN(length, room));
    return length <= room;
}

/* FALSE: the end is closed. */
static gboolean read_end(Enter *enter, End end, GString *text, gsize max, gboolean *is_whole)
{
    char bytes[CHUNK];
    ssize_t got = read(enter->ours[end], bytes, sizeof bytes);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return TRUE;
    if (got <= 0) {
        close_end(enter, end);
        return FALSE;
    }
    if (!append_bounded(text, bytes, (gsize)got, max))
        *is_whole = FALSE;
    return TRUE;
}

/* write(2) to a pipe whose reader may be gone, without the signal. */
static ssize_t write_quietly(int fd, const void *bytes, gsize size)
{
    const struct timespec none = {0};
    sigset_t pipe_only, before;
    ssize_t put = 0;
    int number = 0;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    put = write(fd, bytes, size);
    number = errno;
    if (put < 0 && number == EPIPE && !sigismember(&before, SIGPIPE))
        sigtimedwait(&pipe_only, NULL, &none);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = number;
    return put;
}

static void write_input(Enter *enter, const char *bytes, gsize size, gsize *done)
{
    ssize_t put = size > *done ? write_quietly(enter->ours[INPUT], bytes + *done, size - *done) : 0;

    if (put < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (put > 0)
        *done += (gsize)put;
    if (put < 0 || *done >= size) /* EPIPE: it does not want more */
        close_end(enter, INPUT);
}

typedef struct {
    const ExecSpec *spec;
    const char *input;
    gsize input_size, input_done;
    ExecResult *result;
    gint64 until_us;
    int pidfd; /* of `enter` */
    gboolean is_ended;
} Exec;

static gboolean exec_is_open(const Enter *enter)
{
    return enter->ours[OUTPUT] >= 0 || enter->ours[ERRORS] >= 0 || enter->ours[FAILURE] >= 0;
}

/* One wait over all ends, at most until `until_us`. */
static void exec_step(Enter *enter, Exec *exec, gint64 until_us)
{
    struct pollfd waits[] = {
        {.fd = enter->ours[INPUT], .events = POLLOUT},
        {.fd = enter->ours[OUTPUT], .events = POLLIN},
        {.fd = enter->ours[ERRORS], .events = POLLIN},
        {.fd = enter->ours[FAILURE], .events = POLLIN},
        {.fd = exec->is_ended ? -1 : exec->pidfd, .events = POLLIN},
    };
    gint64 left = (until_us - clock_monotonic_us() + 999) / 1000;
    gboolean is_whole = TRUE, unused = TRUE;

    if (poll(waits, G_N_ELEMENTS(waits), (int)CLAMP(left, 0, G_MAXINT)) <= 0)
        return;
    if (waits[0].revents)
        write_input(enter, exec->input, exec->input_size, &exec->input_done);
    if (waits[1].revents)
        read_end(enter, OUTPUT, exec->result->output, exec->spec->max_output_bytes, &is_whole);
    if (waits[2].revents)
        read_end(enter, ERRORS, exec->result->errors, exec->spec->max_output_bytes, &is_whole);
    if (waits[3].revents)
        read_end(enter, FAILURE, enter->failure, FAILURE_MAX, &unused);
    exec->is_ended = exec->is_ended || waits[4].revents != 0;
    if (!is_whole)
        exec->result->truncated = TRUE;
}

/* Until the program has ended and said all. Children of it that keep its output open do not count:
 * they get DRAIN_MS. FALSE: over its time. */
static gboolean exec_wait(Enter *enter, Exec *exec)
{
    gint64 until_us = exec->until_us;

    while (exec_is_open(enter) || !exec->is_ended) {
        if (clock_monotonic_us() >= until_us)
            return exec->is_ended;
        exec_step(enter, exec, until_us);
        if (exec->is_ended)
            until_us = MIN(until_us, clock_monotonic_us() + DRAIN_MS * 1000);
    }
    return TRUE;
}

static gboolean exec_judge(Enter *enter, ExecResult *result, GError **error)
{
    gboolean has_begun = enter->failure->len > 0 && enter->failure->str[0] == RUN_BEGUN;
    int status = 0;

    if (!sandbox_child_wait(enter->pid, KILL_MS, &status))
        return error_set(error, ERROR_OUTCOME_UNKNOWN, "the program does not end");
    enter->pid = 0;
    if (!has_begun)
        return error_set(error, ERROR_CONFLICT, "the container is not running");
    result->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (enter->failure->len > 1) /* as a shell says it: 127 and a sentence */
        g_string_append_printf(result->errors, "%s\n", enter->failure->str + 1);
    return TRUE;
}

static ExecResult *result_new(void)
{
    ExecResult *result = g_new0(ExecResult, 1);

    result->output = g_string_new(NULL);
    result->errors = g_string_new(NULL);
    return result;
}

static gboolean exec_run(SandboxEngine *sandbox, const GString *records, const ExecSpec *spec,
                         ExecResult **result, GError **error)
{
    g_autoptr(ExecResult) found = result_new();
    Exec exec = {
        .spec = spec,
        .result = found,
        .until_us = clock_monotonic_us() + (gint64)spec->timeout_ms * 1000,
    };
    Enter enter;
    gboolean is_done = FALSE;

    if (spec->input)
        exec.input = g_bytes_get_data(spec->input, &exec.input_size);
    enter_init(&enter);
    if (spawn(&enter, sandbox, records, FALSE, error)) {
        exec.pidfd = (int)syscall(SYS_pidfd_open, enter.pid, 0);
        if (exec.pidfd < 0)
            error_set(error, ERROR_UNAVAILABLE, "watch the program: %s", g_strerror(errno));
        else if (exec_wait(&enter, &exec))
            is_done = exec_judge(&enter, found, error);
        else
            error_set(error, ERROR_OUTCOME_UNKNOWN, "the program was ended after %u ms",
                      spec->timeout_ms);
        if (exec.pidfd >= 0)
            close(exec.pidfd);
    }
    enter_clear(&enter);
    if (is_done)
        *result = g_steal_pointer(&found);
    return is_done;
}

gboolean sandbox_exec(Engine *self, const char *ref, const ExecSpec *spec, ExecResult **result,
                      GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autoptr(SandboxContainer) container = NULL;
    SandboxState state;
    gboolean is_done = load_running(sandbox, ref, &container, &state, error);

    if (is_done) {
        GString *records =
            records_new(sandbox, container, &state, spec->user, spec->working_dir, spec->argv);

        is_done = exec_run(sandbox, records, spec, result, error);
        g_string_free(records, TRUE);
    }
    sandbox_state_clear(&state);
    return is_done;
}

/* ---- Attach ---- */

struct _EngineSession {
    Enter enter; /* its INPUT is the socket both ways */
};

/* Waits until the program runs on its terminal, or why it does not. */
static gboolean attach_begin(Enter *enter, GError **error)
{
    gint64 until_us = clock_monotonic_us() + BEGIN_MS * 1000;
    gboolean unused = TRUE;

    while (enter->ours[FAILURE] >= 0) {
        struct pollfd wait = {.fd = enter->ours[FAILURE], .events = POLLIN};
        gint64 left = (until_us - clock_monotonic_us()) / 1000;

        if (left <= 0)
            return error_set(error, ERROR_OUTCOME_UNKNOWN, "the program takes too long to start");
        if (poll(&wait, 1, (int)left) > 0)
            read_end(enter, FAILURE, enter->failure, FAILURE_MAX, &unused);
    }
    if (enter->failure->len == 1 && enter->failure->str[0] == RUN_BEGUN)
        return TRUE;
    if (enter->failure->str[0] != RUN_BEGUN)
        return error_set(error, ERROR_CONFLICT, "the container is not running");
    return error_set(error, ERROR_INVALID, "the program cannot be started: %s",
                     enter->failure->str + 1);
}

static EngineSession *session_new(SandboxEngine *sandbox, const GString *records, GError **error)
{
    EngineSession *session = g_new0(EngineSession, 1);

    enter_init(&session->enter);
    if (spawn(&session->enter, sandbox, records, TRUE, error) &&
        attach_begin(&session->enter, error))
        return session;
    sandbox_session_free(session);
    return NULL;
}

gboolean sandbox_attach(Engine *self, const char *ref, const AttachSpec *spec,
                        EngineSession **session, GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autoptr(SandboxContainer) container = NULL;
    g_autofree char *size =
        g_strdup_printf("%d %d", spec->columns ? spec->columns : 80, spec->rows ? spec->rows : 24);
    SandboxState state;
    EngineSession *made = NULL;

    if (load_running(sandbox, ref, &container, &state, error)) {
        GString *records = records_new(sandbox, container, &state, spec->user, NULL, spec->argv);

        sandbox_records_add(records, RUN_TERMINAL, size);
        if (!sandbox_environment_find(container->record->environment, "TERM"))
            sandbox_records_add(records, RUN_ENVIRONMENT, "TERM=xterm");
        made = session_new(sandbox, records, error);
        g_string_free(records, TRUE);
    }
    sandbox_state_clear(&state);
    if (made)
        *session = made;
    return made != NULL;
}

int sandbox_session_fd(EngineSession *session)
{
    return session->enter.ours[INPUT];
}

gboolean sandbox_session_resize(EngineSession *session, guint16 columns, guint16 rows,
                                GError **error)
{
    const guint16 size[2] = {columns, rows};

    /* Four bytes into a pipe go whole or not at all. */
    if (write_quietly(session->enter.ours[CONTROL], size, sizeof size) == sizeof size ||
        errno == EAGAIN)
        return TRUE;
    return error_set(error, ERROR_CONFLICT, "the program has ended");
}

void sandbox_session_free(EngineSession *session)
{
    if (!session)
        return;
    enter_clear(&session->enter);
    g_free(session);
}
