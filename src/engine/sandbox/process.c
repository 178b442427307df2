#include "engine/sandbox/process.h"

#include "base/clock.h"
#include "engine/supervisor/run_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATE_MAX_BYTES 4096
#define STOP_EXTRA_MS   10000 /* on top of the grace; KILL works at once but for stuck disks */
#define KILLED_CODE     137
#define SPAWN_FDS_MAX   8
#define POLL_MS         5

/* ---- Identity ---- */

/* The fields of /proc/PID/stat after the name; NULL when the process is gone. Caller owns it. */
static char *stat_fields(pid_t pid)
{
    char path[64], text[1024];
    const char *after = NULL;
    ssize_t got = 0;
    int fd = -1;

    g_snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    got = read(fd, text, sizeof text - 1);
    close(fd);
    text[MAX(got, 0)] = '\0';
    after = strrchr(text, ')');
    return after && after[1] == ' ' ? g_strdup(after + 2) : NULL;
}

guint64 sandbox_process_start(pid_t pid)
{
    g_autofree char *fields = stat_fields(pid);
    const char *field = fields;

    if (!fields || *fields == 'Z' || *fields == 'X')
        return 0;
    for (guint i = 3; field && i < 22; i++) { /* the first one here is number 3 */
        field = strchr(field, ' ');
        field = field ? field + 1 : NULL;
    }
    return field ? g_ascii_strtoull(field, NULL, 10) : 0;
}

gboolean sandbox_process_is(pid_t pid, guint64 start)
{
    return pid > 0 && start != 0 && sandbox_process_start(pid) == start;
}

pid_t sandbox_supervisor_find(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, RUN_FILE_ALIVE, NULL);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CLOEXEC);
    gboolean is_held = FALSE;

    if (fd < 0)
        return 0;
    is_held = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return is_held ? lock.l_pid : 0;
}

/* ---- State ---- */

void sandbox_state_clear(SandboxState *state)
{
    g_clear_pointer(&state->phase, g_free);
    g_clear_pointer(&state->failure, g_free);
}

static void state_line(SandboxState *state, const char *key, const char *value)
{
    char *rest = NULL;

    if (strcmp(key, RUN_STATE_PHASE) == 0) {
        g_free(state->phase);
        state->phase = g_strdup(value);
    } else if (strcmp(key, RUN_STATE_FAILURE) == 0) {
        g_free(state->failure);
        state->failure = g_utf8_make_valid(value, -1);
    } else if (strcmp(key, RUN_STATE_INIT) == 0) {
        state->init = (pid_t)strtol(value, &rest, 10);
        state->init_start = g_ascii_strtoull(rest, NULL, 10);
    } else if (strcmp(key, RUN_STATE_STARTED) == 0) {
        state->started_us = g_ascii_strtoll(value, NULL, 10);
    } else if (strcmp(key, RUN_STATE_FINISHED) == 0) {
        state->finished_us = g_ascii_strtoll(value, NULL, 10);
    } else if (strcmp(key, RUN_STATE_EXIT) == 0) {
        state->exit_code = g_ascii_strtoll(value, NULL, 10);
    } else if (strcmp(key, RUN_STATE_RESTARTS) == 0) {
        state->restarts = g_ascii_strtoll(value, NULL, 10);
    } else if (strcmp(key, RUN_STATE_OOM) == 0) {
        state->is_out_of_memory = *value == '1';
    } else if (strcmp(key, RUN_STATE_EVER) == 0) {
        state->ever_started = *value == '1';
    }
}

static void state_read(const char *folder, SandboxState *state)
{
    g_autofree char *path = g_build_filename(folder, RUN_FILE_STATE, NULL);
    char text[STATE_MAX_BYTES];
    g_auto(GStrv) lines = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    text[MAX(got, 0)] = '\0';
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        char *blank = strchr(*line, ' ');

        if (!blank)
            continue;
        *blank = '\0';
        state_line(state, *line, blank + 1);
    }
}

void sandbox_state_load(const char *folder, SandboxState *state)
{
    pid_t before = sandbox_supervisor_find(folder);

    *state = (SandboxState){0};
    state_read(folder, state);
    /* Asked on both sides of reading: a supervisor that ends in between has written its end. */
    state->supervisor = sandbox_supervisor_find(folder);
    state->is_alive = state->supervisor > 0;
    if (before > 0 && !state->is_alive) {
        sandbox_state_clear(state);
        *state = (SandboxState){0};
        state_read(folder, state);
    }
    if (state->is_alive || !state->phase || strcmp(state->phase, "exited") == 0)
        return;
    g_free(state->phase);
    state->phase = g_strdup("exited");
    state->exit_code = KILLED_CODE;
    g_free(state->failure);
    state->failure = g_strdup("its supervisor was killed, or the machine was restarted");
}

/* ---- Stopping ---- */

static int pidfd_open_supervisor(const char *folder, pid_t *pid)
{
    int fd = -1;

    *pid = sandbox_supervisor_find(folder);
    if (*pid <= 0)
        return -1;
    fd = (int)syscall(SYS_pidfd_open, *pid, 0);
    /* Still the holder? Then the descriptor is its, and the number was not given to another. */
    if (fd >= 0 && sandbox_supervisor_find(folder) != *pid) {
        close(fd);
        return -1;
    }
    return fd;
}

static void send(int pidfd, int number, guint value)
{
    siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};

    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = (int)value;
    (void)syscall(SYS_pidfd_send_signal, pidfd, number, &info, 0);
}

static gboolean wait_pidfd(int pidfd, gint64 timeout_ms)
{
    gint64 until = clock_monotonic_us() + timeout_ms * 1000;
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    int ready = 0;

    do {
        gint64 left = (until - clock_monotonic_us()) / 1000;

        ready = poll(&wait, 1, (int)CLAMP(left, 0, G_MAXINT));
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

/* A supervisor killed from outside takes everything with it, but not at once. */
static gboolean end_init(const char *folder)
{
    SandboxState state;
    gint64 until = clock_monotonic_us() + STOP_EXTRA_MS * 1000;
    gboolean is_gone = FALSE;

    sandbox_state_load(folder, &state);
    while (!(is_gone = !sandbox_process_is(state.init, state.init_start)) &&
           clock_monotonic_us() < until) {
        int fd = (int)syscall(SYS_pidfd_open, state.init, 0);

        if (fd >= 0 && sandbox_process_is(state.init, state.init_start))
            send(fd, SIGKILL, 0);
        if (fd >= 0)
            close(fd);
        g_usleep(POLL_MS * 1000);
    }
    sandbox_state_clear(&state);
    return is_gone;
}

gboolean sandbox_supervisor_stop(const char *folder, guint grace_seconds, GError **error)
{
    pid_t pid = 0;
    int pidfd = pidfd_open_supervisor(folder, &pid);
    gboolean is_gone = pidfd < 0;

    if (pidfd >= 0) {
        send(pidfd, SIGTERM, MIN(grace_seconds, 3600));
        is_gone = wait_pidfd(pidfd, (gint64)MIN(grace_seconds, 3600) * 1000 + STOP_EXTRA_MS);
        if (!is_gone) {
            send(pidfd, SIGKILL, 0);
            is_gone = wait_pidfd(pidfd, STOP_EXTRA_MS);
        }
        close(pidfd);
    }
    if (is_gone && sandbox_supervisor_wait(folder, STOP_EXTRA_MS) && end_init(folder))
        return TRUE;
    return error_set(error, ERROR_OUTCOME_UNKNOWN, "the container does not end");
}

gboolean sandbox_supervisor_wait(const char *folder, guint timeout_ms)
{
    gint64 until = clock_monotonic_us() + (gint64)timeout_ms * 1000;

    while (sandbox_supervisor_find(folder) > 0) {
        if (clock_monotonic_us() >= until)
            return FALSE;
        g_usleep(POLL_MS * 1000);
    }
    return TRUE;
}

/* ---- All processes ---- */

/* The number of a process's PID namespace; 0 when it cannot be read. */
static guint64 namespace_of(const char *pid)
{
    char path[64], link[64];
    ssize_t length = 0;

    g_snprintf(path, sizeof path, "/proc/%s/ns/pid", pid);
    length = readlink(path, link, sizeof link - 1);
    if (length <= 0)
        return 0;
    link[length] = '\0';
    return g_str_has_prefix(link, "pid:[") ? g_ascii_strtoull(link + 5, NULL, 10) : 0;
}

GArray *sandbox_process_list(pid_t init)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(pid_t));
    char number[16];
    guint64 wanted = 0;
    DIR *listing = opendir("/proc");
    struct dirent *entry = NULL;

    g_snprintf(number, sizeof number, "%d", (int)init);
    wanted = namespace_of(number);
    while (wanted && listing && (entry = readdir(listing))) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (pid > 0 && namespace_of(entry->d_name) == wanted)
            g_array_append_val(list, pid);
    }
    if (listing)
        closedir(listing);
    return list;
}

static gboolean is_halted(pid_t pid)
{
    g_autofree char *fields = stat_fields(pid);

    return !fields || strchr("TtZX", *fields) != NULL;
}

gboolean sandbox_process_signal_all(pid_t init, int number)
{
    g_autoptr(GArray) list = sandbox_process_list(init);
    char name[16];
    guint64 wanted = 0;
    gboolean are_halted = TRUE;

    g_snprintf(name, sizeof name, "%d", (int)init);
    wanted = namespace_of(name);
    for (guint i = 0; i < list->len; i++) {
        pid_t pid = g_array_index(list, pid_t, i);
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);

        g_snprintf(name, sizeof name, "%d", (int)pid);
        if (fd >= 0 && namespace_of(name) == wanted) { /* the number was not given away */
            are_halted = is_halted(pid) && are_halted;
            (void)syscall(SYS_pidfd_send_signal, fd, number, NULL, 0);
        }
        if (fd >= 0)
            close(fd);
    }
    return are_halted;
}

/* ---- Starting ---- */

gboolean sandbox_spawn(const char *const *argv, const int *fds, guint count, pid_t *pid,
                       GError **error)
{
    static const char *const environment[] = {"LC_ALL=C", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int high[SPAWN_FDS_MAX], result = 0;

    g_assert(count <= SPAWN_FDS_MAX);
    posix_spawn_file_actions_init(&actions);
    for (guint i = 0; i < count; i++) { /* out of the way of the numbers they shall have */
        high[i] = fds[i] < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : fds[i];
        if (high[i] < SPAWN_FDS_MAX) {
            int moved = fcntl(high[i], F_DUPFD_CLOEXEC, SPAWN_FDS_MAX);

            if (fds[i] < 0)
                close(high[i]);
            high[i] = moved;
        }
        posix_spawn_file_actions_adddup2(&actions, high[i], (int)i);
    }
    posix_spawn_file_actions_addclosefrom_np(&actions, (int)count);
    posix_spawnattr_init(&attributes);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    result = posix_spawn(pid, argv[0], &actions, &attributes, (char *const *)argv,
                         (char *const *)environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    for (guint i = 0; i < count; i++)
        if (high[i] != fds[i])
            close(high[i]);
    return result == 0 ||
           error_set(error, ERROR_UNAVAILABLE, "start %s: %s", argv[0], g_strerror(result));
}

gboolean sandbox_child_wait(pid_t pid, guint timeout_ms, int *status)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    gboolean is_over = pidfd >= 0 && wait_pidfd(pidfd, timeout_ms);

    if (pidfd >= 0)
        close(pidfd);
    if (!is_over)
        return FALSE;
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        continue;
    return TRUE;
}
