/* Runs a program inside a container that runs already: joins its namespaces, forks into its
 * process namespace, and waits outside. The control pipe's end means that the server is gone or
 * has lost interest: then the program goes, too. */
#include "become.h"
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define BUFFER_SIZE 16384
#define HANGUP_MS   500  /* from SIGHUP to SIGKILL of a terminal's programs */
#define FLUSH_MS    1000 /* for what a terminal's program wrote last */

/* ---- Going inside ---- */

typedef struct {
    const char *name;
    int type;
    int fd; /* -1: the same as ours */
} Namespace;

static int open_of(pid_t pid, const char *name, int flags)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return open(path, flags | O_CLOEXEC);
}

static bool is_same_file(int a, int b)
{
    struct stat of_a, of_b;

    return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_ino == of_b.st_ino &&
           of_a.st_dev == of_b.st_dev;
}

static bool is_same(int fd, const char *own)
{
    int ours = open(own, O_RDONLY | O_CLOEXEC);
    bool is_equal = ours >= 0 && is_same_file(fd, ours);

    if (ours >= 0)
        close(ours);
    return is_equal;
}

static bool open_namespace(pid_t pid, Namespace *namespace)
{
    char own[64];

    namespace->fd = open_of(pid, namespace->name, O_RDONLY);
    snprintf(own, sizeof own, "/proc/self/%s", namespace->name);
    if (namespace->fd >= 0 && is_same(namespace->fd, own)) {
        close(namespace->fd);
        namespace->fd = -1;
        return true;
    }
    return namespace->fd >= 0;
}

/* The user namespace that owns the mounts comes first, because only there we may join the others;
 * bwrap may have put the program into a further one below it. */
static bool join_all(Namespace *namespaces, size_t count, int user)
{
    int owner = namespaces[0].fd >= 0 ? ioctl(namespaces[0].fd, NS_GET_USERNS) : -1;
    bool is_done = true;

    if (owner >= 0 && !is_same(owner, "/proc/self/ns/user"))
        is_done = setns(owner, CLONE_NEWUSER) == 0;
    for (size_t i = 0; is_done && i < count; i++)
        if (namespaces[i].fd >= 0)
            is_done = setns(namespaces[i].fd, namespaces[i].type) == 0;
    if (is_done && user >= 0 && !is_same_file(user, owner))
        is_done = setns(user, CLONE_NEWUSER) == 0;
    return is_done;
}

static bool go_inside(const char *target)
{
    Namespace namespaces[] = {
        {.name = "ns/mnt", .type = CLONE_NEWNS},  {.name = "ns/pid", .type = CLONE_NEWPID},
        {.name = "ns/ipc", .type = CLONE_NEWIPC}, {.name = "ns/uts", .type = CLONE_NEWUTS},
        {.name = "ns/net", .type = CLONE_NEWNET},
    };
    Namespace user = {.name = "ns/user"};
    char *start = NULL;
    pid_t pid = (pid_t)strtol(target ? target : "", &start, 10);
    int root = open_of(pid, "root", O_PATH | O_DIRECTORY);
    bool is_open = open_namespace(pid, &user);

    for (size_t i = 0; is_open && i < sizeof namespaces / sizeof *namespaces; i++)
        is_open = open_namespace(pid, &namespaces[i]);
    /* After opening: what we hold now is that process's, or its number was given to another. */
    if (!is_open || root < 0 || process_start_ticks(pid) != strtoull(start, NULL, 10)) {
        errno = ESRCH;
        return false;
    }
    return join_all(namespaces, sizeof namespaces / sizeof *namespaces, user.fd) &&
           fchdir(root) == 0 && chroot(".") == 0 && chdir("/") == 0;
}

/* ---- The program ---- */

static void set_size(int terminal, uint16_t columns, uint16_t rows)
{
    struct winsize size = {.ws_col = columns, .ws_row = rows};

    (void)ioctl(terminal, TIOCSWINSZ, &size);
}

/* A pair of the container's own devpts. Returns our end. */
static int open_terminal(const char *size, int *theirs)
{
    int unlocked = 0;
    int ours = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    char *rest = NULL;
    unsigned long columns = strtoul(size, &rest, 10);

    if (ours < 0 || ioctl(ours, TIOCSPTLCK, &unlocked) != 0)
        return -1;
    *theirs = ioctl(ours, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    set_size(ours, (uint16_t)columns, (uint16_t)strtoul(rest, NULL, 10));
    fcntl(ours, F_SETFL, O_NONBLOCK);
    return *theirs < 0 ? -1 : ours;
}

static void child_run(const Records *records, int terminal)
{
    const char *mask = records_find(records, RUN_CAPABILITIES);

    setsid();
    if (terminal >= 0) {
        (void)ioctl(terminal, TIOCSCTTY, 0);
        for (int i = 0; i < 3; i++)
            dup2(terminal, i);
    }
    (void)syscall(SYS_close_range, RUN_FD_FAILURE + 1, ~0U, 0);
    fcntl(RUN_FD_FAILURE, F_SETFD, FD_CLOEXEC);
    if (mask && !keep_capabilities(strtoull(mask, NULL, 16)))
        say_failure(RUN_FD_FAILURE, "capabilities");
    else
        become_program(records, RUN_FD_FAILURE);
    _exit(RUN_EXIT_NOT_STARTED);
}

/* ---- Waiting for it ---- */

typedef struct {
    char bytes[BUFFER_SIZE];
    size_t start, end;
} Buffer;

typedef struct {
    pid_t child;
    int signals;
    int terminal; /* -1: none, and no socket */
    int socket;   /* -1: closed */
    bool is_control_open;
    bool is_ended, is_hung_up;
    long long kill_at_ms; /* when hung up */
    int status;
    Buffer in, out;
} Enter;

static bool buffer_fill(Buffer *buffer, int fd)
{
    ssize_t got = read(fd, buffer->bytes, sizeof buffer->bytes);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    buffer->start = 0;
    buffer->end = got > 0 ? (size_t)got : 0;
    return got > 0;
}

static bool buffer_drain(Buffer *buffer, int fd)
{
    ssize_t put = write(fd, buffer->bytes + buffer->start, buffer->end - buffer->start);

    if (put < 0)
        return errno == EAGAIN || errno == EINTR;
    buffer->start += (size_t)put;
    return true;
}

static bool buffer_is_empty(const Buffer *buffer)
{
    return buffer->start == buffer->end;
}

static void hang_up(Enter *self)
{
    if (!self->is_hung_up)
        kill(-self->child, self->terminal >= 0 ? SIGHUP : SIGKILL);
    self->is_hung_up = true;
    self->kill_at_ms = monotonic_ms() + HANGUP_MS;
}

static void read_control(Enter *self)
{
    uint16_t size[2];
    ssize_t got = read(RUN_FD_CONTROL, size, sizeof size);

    if (got == sizeof size && self->terminal >= 0)
        set_size(self->terminal, size[0], size[1]);
    if (got != 0)
        return;
    self->is_control_open = false;
    hang_up(self);
}

static void read_signals(Enter *self)
{
    struct signalfd_siginfo info;

    while (read(self->signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo == SIGTERM)
            hang_up(self);
    if (!self->is_ended && waitpid(self->child, &self->status, WNOHANG) == self->child)
        self->is_ended = true;
}

static void carry(Enter *self, short terminal, short socket)
{
    bool is_open = true;

    if (socket && buffer_is_empty(&self->in))
        is_open = buffer_fill(&self->in, self->socket);
    if (is_open && !buffer_is_empty(&self->in))
        (void)buffer_drain(&self->in, self->terminal);
    if (terminal && buffer_is_empty(&self->out) && !buffer_fill(&self->out, self->terminal))
        self->is_ended = self->is_ended || waitpid(self->child, &self->status, 0) == self->child;
    if (is_open && !buffer_is_empty(&self->out))
        is_open = buffer_drain(&self->out, self->socket);
    if (is_open)
        return;
    close(self->socket);
    self->socket = -1;
    hang_up(self);
}

static void wait_step(Enter *self)
{
    bool has_terminal = self->terminal >= 0 && self->socket >= 0;
    struct pollfd waits[] = {
        {.fd = self->signals, .events = POLLIN},
        {.fd = self->is_control_open ? RUN_FD_CONTROL : -1, .events = POLLIN},
        {.fd = has_terminal ? self->terminal : -1,
         .events = (short)((buffer_is_empty(&self->out) ? POLLIN : 0) |
                           (buffer_is_empty(&self->in) ? 0 : POLLOUT))},
        {.fd = has_terminal ? self->socket : -1,
         .events = (short)((buffer_is_empty(&self->in) ? POLLIN : 0) |
                           (buffer_is_empty(&self->out) ? 0 : POLLOUT))},
    };

    if (poll(waits, sizeof waits / sizeof *waits, self->is_hung_up ? HANGUP_MS : -1) < 0)
        return;
    if (waits[1].revents)
        read_control(self);
    if (waits[2].revents || waits[3].revents)
        carry(self, waits[2].revents & (POLLIN | POLLHUP), waits[3].revents & (POLLIN | POLLHUP));
    read_signals(self);
    if (self->is_hung_up && monotonic_ms() >= self->kill_at_ms)
        kill(-self->child, SIGKILL);
}

/* What the program wrote just before its end still sits in the terminal. */
static void flush_terminal(Enter *self)
{
    struct pollfd wait = {.fd = self->socket, .events = POLLOUT};
    bool is_open = self->terminal >= 0 && self->socket >= 0;

    while (is_open && (!buffer_is_empty(&self->out) || buffer_fill(&self->out, self->terminal)) &&
           !buffer_is_empty(&self->out))
        is_open = poll(&wait, 1, FLUSH_MS) > 0 && buffer_drain(&self->out, self->socket);
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void let_go(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    close(RUN_FD_RECORDS);
    close(RUN_FD_FAILURE);
    for (int i = 0; null >= 0 && i < 3; i++) /* so that the program's end is their end */
        dup2(null, i);
}

static int wait_for(Enter *self)
{
    self->is_control_open = true;
    if (self->terminal >= 0) {
        self->socket = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, RUN_FD_COUNT);
        fcntl(self->socket, F_SETFL, O_NONBLOCK);
    }
    let_go();
    while (!self->is_ended)
        wait_step(self);
    flush_terminal(self);
    return WIFSIGNALED(self->status) ? 128 + WTERMSIG(self->status) : WEXITSTATUS(self->status);
}

int enter_main(void)
{
    static Enter self = {.terminal = -1, .socket = -1};
    Records records;
    const char *size = NULL;
    int theirs = -1;

    if (!records_read(&records, RUN_FD_RECORDS)) {
        say_failure(RUN_FD_FAILURE, "records");
        return RUN_EXIT_NOT_STARTED;
    }
    self.signals = open_signals();
    join_cgroups(&records);
    if (!go_inside(records_find(&records, RUN_TARGET))) {
        say_failure(RUN_FD_FAILURE, "container");
        return RUN_EXIT_NOT_STARTED;
    }
    size = records_find(&records, RUN_TERMINAL);
    if (size && (self.terminal = open_terminal(size, &theirs)) < 0) {
        say_failure(RUN_FD_FAILURE, "terminal");
        return RUN_EXIT_NOT_STARTED;
    }
    (void)write_all(RUN_FD_FAILURE, (char[]){RUN_BEGUN}, 1);
    self.child = fork();
    if (self.child == 0)
        child_run(&records, theirs);
    if (theirs >= 0)
        close(theirs);
    if (self.child < 0)
        return RUN_EXIT_NOT_STARTED;
    return wait_for(&self);
}
