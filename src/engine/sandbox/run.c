/* Starting and ending containers. */
#include "base/clock.h"
#include "base/log.h"
#include "engine/sandbox/command.h"
#include "engine/sandbox/tree.h"
#include "engine/supervisor/user.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS         50000 /* engine.h: 60 s in all */
#define ENDING_MS        15000 /* for a supervisor that is about to go */
#define REPORT_MAX_BYTES 1024
#define ACCOUNTS_MAX     (256 * 1024)
#define FREEZE_ROUNDS    50
#define FREEZE_WAIT_US   2000

/* ---- What it needs inside ---- */

static gboolean write_network_file(const char *folder, const char *name, const char *text,
                                   GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    /* Written in place, 0644: programs of any user inside read it. */
    if (g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, NULL) &&
        chmod(path, 0644) == 0)
        return TRUE;
    return sandbox_tree_fail("write", path, error);
}

/* The network is the host's, so are its resolvers, and the host itself is loopback. */
static gboolean write_network_files(const SandboxContainer *container, GError **error)
{
    g_autofree char *folder = g_build_filename(container->folder, SANDBOX_ETC, NULL);
    const char *hostname = sandbox_hostname(container->record);
    g_autofree char *hosts = g_strdup_printf("127.0.0.1\tlocalhost %s\n"
                                             "::1\tlocalhost ip6-localhost ip6-loopback\n"
                                             "127.0.0.1\thost.docker.internal\n",
                                             hostname ? hostname : "");
    g_autofree char *name = g_strconcat(hostname ? hostname : g_get_host_name(), "\n", NULL);
    g_autofree char *resolvers = NULL;

    if (!sandbox_tree_make(folder, error) || chmod(folder, 0755) != 0)
        return FALSE;
    if (!g_file_get_contents("/etc/resolv.conf", &resolvers, NULL, NULL))
        resolvers = g_strdup("");
    return write_network_file(folder, "hosts", hosts, error) &&
           write_network_file(folder, "hostname", name, error) &&
           write_network_file(folder, "resolv.conf", resolvers, error);
}

/* Mount points that bwrap could not make in a read-only root. */
static gboolean make_mount_points(const SandboxContainer *container, GError **error)
{
    static const char *const files[] = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"};
    g_autofree char *root = g_build_filename(container->folder, SANDBOX_ROOT, NULL);
    g_autoptr(SandboxView) view = sandbox_view_new(root, FALSE, error);
    g_autofree char *dev = view ? sandbox_view_mount(view, NULL, "/dev", FALSE, error) : NULL;
    g_autofree char *proc = dev ? sandbox_view_mount(view, NULL, "/proc", FALSE, error) : NULL;

    for (guint i = 0; proc && i < G_N_ELEMENTS(files); i++) {
        g_autofree char *target =
            sandbox_view_mount(view, "/proc/self/exe", files[i], FALSE, error);

        if (!target)
            return FALSE;
        if (strcmp(target, files[i]) != 0) /* /etc is a link somewhere: bwrap would not follow */
            return error_set(error, ERROR_INVALID, "/etc of the image is a link");
    }
    return proc && (strcmp(dev, "/dev") == 0 && strcmp(proc, "/proc") == 0
                        ? TRUE
                        : error_set(error, ERROR_INVALID, "/dev or /proc of the image is a link"));
}

/* In an ordinary user's sandbox there is one id: whose it shall be is decided from outside. */
static gboolean find_user(const SandboxContainer *container, SandboxView *view,
                          UserIdentity *identity, GError **error)
{
    static const char *const names[] = {"passwd", "group"};
    g_autofree char *texts[2] = {NULL, NULL};
    int folder = sandbox_view_folder(view, "/etc", SANDBOX_VIEW_READ, NULL, NULL);
    gboolean is_found = FALSE;

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        int fd = folder < 0
                     ? -1
                     : openat(folder, names[i], O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        ssize_t got = 0;

        texts[i] = g_malloc0(ACCOUNTS_MAX + 1);
        if (fd >= 0)
            got = read(fd, texts[i], ACCOUNTS_MAX);
        texts[i][MAX(got, 0)] = '\0';
        if (fd >= 0)
            close(fd);
    }
    if (folder >= 0)
        close(folder);
    is_found = user_identify(container->record->user, texts[0], texts[1], identity);
    g_free(g_steal_pointer(&texts[0]));
    g_free(g_steal_pointer(&texts[1]));
    return is_found || error_set(error, ERROR_INVALID, "user %s does not exist in the image",
                                 container->record->user);
}

/* ---- Orders for the supervisor ---- */

static gboolean choose_port(SandboxCommand *command, SandboxContainer *container, GError **error)
{
    g_auto(SandboxLock) lock = SANDBOX_LOCK_INIT;

    return sandbox_lock_names(command->sandbox, &lock, error) &&
           sandbox_port_choose(command->sandbox, container, &command->port, error);
}

static gboolean prepare(SandboxEngine *sandbox, SandboxContainer *container, GString **records,
                        GError **error)
{
    g_autoptr(GPtrArray) joins = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) targets = NULL;
    g_autoptr(SandboxView) view = NULL;
    g_autofree char *oom_file = NULL;
    SandboxCommand command = {.sandbox = sandbox, .container = container, .joins = joins};
    UserIdentity identity = {0};

    if (!make_mount_points(container, error))
        return FALSE;
    view = sandbox_container_view(sandbox, container, &targets, error);
    if (!view || !find_user(container, view, &identity, error) ||
        !write_network_files(container, error) || !choose_port(&command, container, error) ||
        !sandbox_cgroups_prepare(sandbox->cgroups, container->record->id, &container->record->caps,
                                 joins, &oom_file, error))
        return FALSE;
    command.targets = targets;
    command.oom_file = oom_file;
    command.uid = identity.uid;
    command.gid = identity.gid;
    *records = sandbox_command_start(&command);
    return (*records)->len <= RUN_MAX_BYTES ||
           error_set(error, ERROR_INVALID, "environment and command are too large");
}

/* ---- The supervisor's answer ---- */

/* Reads until its end or the deadline. FALSE: the deadline. */
static gboolean read_report(int fd, GString *text)
{
    gint64 until = clock_monotonic_us() + START_MS * 1000;

    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        gint64 left = (until - clock_monotonic_us()) / 1000;
        char bytes[REPORT_MAX_BYTES];
        ssize_t got = 0;

        if (left <= 0 || (poll(&wait, 1, (int)left) == 0))
            return FALSE;
        got = read(fd, bytes, sizeof bytes);
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
            return TRUE;
        if (got > 0 && text->len < REPORT_MAX_BYTES)
            g_string_append_len(text, bytes, got);
    }
}

/* "<program>: <what exec(2) says>": our supervisor's own words, in the C locale. */
static Reason reason_of_report(const SandboxContainer *container, const char *sentence)
{
    const char *program = container->record->command[0];
    gboolean is_program =
        program && g_str_has_prefix(sentence, program) && sentence[strlen(program)] == ':';

    if (!is_program)
        return REASON_NONE;
    return g_str_has_suffix(sentence, ": No such file or directory")
               ? REASON_COMMAND_NOT_FOUND
               : REASON_COMMAND_NOT_EXECUTABLE;
}

static gboolean judge_report(const SandboxContainer *container, const GString *text, GError **error)
{
    g_autofree char *sentence = g_utf8_make_valid(text->str, -1);

    if (text->len > 0 && text->str[0] == RUN_REPORT_OK)
        return TRUE;
    if (text->len == 0)
        return error_set(error, ERROR_OUTCOME_UNKNOWN, "the supervisor ended without a word");
    if (text->str[0] == RUN_REPORT_FAULT)
        return error_set(error, ERROR_INTERNAL, "the sandbox cannot be made: %s", sentence + 1);
    return error_set_reason(error, ERROR_INVALID, reason_of_report(container, sentence),
                            "the container cannot be started: %s", sentence);
}

static gboolean launch(SandboxEngine *sandbox, const SandboxContainer *container, GError **error)
{
    const char *argv[] = {sandbox->supervisor, "supervise", container->folder, "3", NULL};
    g_autoptr(GString) text = g_string_new(NULL);
    gboolean is_in_time = FALSE;
    int pipes[2], status = 0;
    pid_t pid = 0;

    if (pipe2(pipes, O_CLOEXEC) != 0)
        return sandbox_tree_fail("start", container->folder, error);
    if (!sandbox_spawn(argv, (const int[]){-1, -1, -1, pipes[1]}, 4, &pid, error)) {
        close(pipes[0]);
        close(pipes[1]);
        return FALSE;
    }
    close(pipes[1]);
    is_in_time = read_report(pipes[0], text);
    close(pipes[0]);
    sandbox_child_wait(pid, START_MS, &status); /* it left a child behind and went at once */
    if (!is_in_time)
        return error_set(error, ERROR_OUTCOME_UNKNOWN, "the container takes too long to start");
    return judge_report(container, text, error);
}

/* ---- Start and stop ---- */

static void forget_frozen(const SandboxContainer *container)
{
    g_autofree char *path = g_build_filename(container->folder, SANDBOX_FROZEN, NULL);

    unlink(path);
}

/* TRUE in `is_running` when there is nothing to start. */
static gboolean look_before(SandboxContainer *container, gboolean *is_running, GError **error)
{
    SandboxState state;

    sandbox_state_load(container->folder, &state);
    *is_running = state.is_alive && g_strcmp0(state.phase, "exited") != 0;
    sandbox_state_clear(&state);
    if (*is_running || sandbox_supervisor_wait(container->folder, ENDING_MS))
        return TRUE;
    return error_set(error, ERROR_CONFLICT, "the container is just ending");
}

gboolean sandbox_start(Engine *self, const char *ref, GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autoptr(SandboxContainer) container = sandbox_container_load(sandbox, ref, error);
    g_auto(SandboxLock) lock = SANDBOX_LOCK_INIT;
    g_autofree char *path = NULL;
    GString *records = NULL;
    gboolean is_running = FALSE, is_done = FALSE;

    if (!container || !sandbox_lock_container(container, &lock, error) ||
        !look_before(container, &is_running, error))
        return FALSE;
    if (is_running)
        return TRUE;
    forget_frozen(container);
    path = g_build_filename(container->folder, RUN_FILE_RUN, NULL);
    is_done = prepare(sandbox, container, &records, error) &&
              sandbox_tree_write(path, records->str, records->len, error) &&
              launch(sandbox, container, error);
    if (records)
        g_string_free(records, TRUE);
    return is_done;
}

static void thaw_all(SandboxContainer *container);

gboolean sandbox_stop(Engine *self, const char *ref, guint grace_seconds, GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autoptr(GError) cause = NULL;
    g_autoptr(SandboxContainer) container = sandbox_container_load(sandbox, ref, &cause);
    g_auto(SandboxLock) lock = SANDBOX_LOCK_INIT;

    if (container && sandbox_lock_container(container, &lock, &cause)) {
        thaw_all(container); /* a frozen program hears no signal */
        return sandbox_supervisor_stop(container->folder, grace_seconds, error);
    }
    if (error_is(cause, ERROR_NOT_FOUND))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

/* ---- Freezing: every process gets SIGSTOP, again and again until none runs ---- */

static gboolean load_running(Engine *self, const char *ref, SandboxContainer **container,
                             SandboxLock *lock, GError **error)
{
    SandboxState state;
    gboolean is_running = FALSE;

    *container = sandbox_container_load(sandbox_engine(self), ref, error);
    if (!*container || !sandbox_lock_container(*container, lock, error))
        return FALSE;
    sandbox_state_load((*container)->folder, &state);
    is_running = state.is_alive && state.init > 0;
    sandbox_state_clear(&state);
    return is_running || error_set(error, ERROR_CONFLICT, "the container is not running");
}

/* Sends to all; TRUE when all were halted before. */
static gboolean signal_all(SandboxContainer *container, int number)
{
    SandboxState state;
    gboolean are_halted = TRUE;

    sandbox_state_load(container->folder, &state);
    if (state.is_alive && sandbox_process_is(state.init, state.init_start))
        are_halted = sandbox_process_signal_all(state.init, number);
    sandbox_state_clear(&state);
    return are_halted;
}

static void thaw_all(SandboxContainer *container)
{
    g_autofree char *path = g_build_filename(container->folder, SANDBOX_FROZEN, NULL);

    if (access(path, F_OK) != 0)
        return;
    signal_all(container, SIGCONT);
    unlink(path);
}

gboolean sandbox_freeze(Engine *self, const char *ref, GError **error)
{
    g_autoptr(SandboxContainer) container = NULL;
    g_auto(SandboxLock) lock = SANDBOX_LOCK_INIT;
    g_autofree char *path = NULL;

    if (!load_running(self, ref, &container, &lock, error))
        return FALSE;
    path = g_build_filename(container->folder, SANDBOX_FROZEN, NULL);
    if (!sandbox_tree_write(path, "", 0, error))
        return FALSE;
    for (guint i = 0; i < FREEZE_ROUNDS; i++) {
        if (signal_all(container, SIGSTOP))
            return TRUE;
        g_usleep(FREEZE_WAIT_US);
    }
    thaw_all(container);
    return error_set(error, ERROR_OUTCOME_UNKNOWN, "the container's processes do not halt");
}

gboolean sandbox_thaw(Engine *self, const char *ref, GError **error)
{
    g_autoptr(SandboxContainer) container = NULL;
    g_auto(SandboxLock) lock = SANDBOX_LOCK_INIT;

    if (!load_running(self, ref, &container, &lock, error))
        return FALSE;
    thaw_all(container);
    return TRUE;
}
