/* Keeps one container running. Idea: one poll(2) loop a run over the program's output, the failure
 * pipe of its start, bwrap's status and our signals; between runs the waiting time. Everything in
 * the container dies with bwrap, and bwrap dies with us, so nothing outlives a killed supervisor.
 */
#include "become.h"
#include "commands.h"
#include "log.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* As the Docker daemon does it: the wait doubles, and a run of ten seconds was a good one. */
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MOST_MS  60000
#define GOOD_RUN_MS      10000

#define LOOK_MS        30000 /* how often a quiet container's folder is looked at */
#define KILL_REPEAT_MS 2000  /* after the first KILL: bwrap itself */

typedef enum { PIPE_LOG, PIPE_FAILURE, PIPE_STATUS, PIPE_COUNT } PipeIndex;

typedef struct {
    Records records;
    State state;
    Log log;
    int signals;   /* signalfd */
    int report_fd; /* -1 once told */
    bool is_stopping;
    long long kill_at_ms; /* when is_stopping */
    bool is_killed;
    long long look_at_ms; /* at our folder, next time */

    /* Of the run at hand. */
    int pipes[PIPE_COUNT]; /* our ends; -1 closed */
    pid_t bubblewrap;      /* 0: ended */
    int init;              /* pidfd, -1: not known yet */
    bool has_begun, has_started;
    char failure[400];
    size_t failure_length;
    char status[512]; /* bwrap's JSON so far */
    size_t status_length;
    int wait_status;
} Supervisor;

/* ---- Telling ---- */

static void report(Supervisor *self, const char *text)
{
    if (self->report_fd < 0)
        return;
    (void)write_all(self->report_fd, text, strlen(text));
    close(self->report_fd);
    self->report_fd = -1;
}

static void flatten(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ')
            *text = ' ';
}

/* ---- Stopping ---- */

static void signal_init(Supervisor *self, int number)
{
    if (self->init >= 0)
        (void)syscall(SYS_pidfd_send_signal, self->init, number, NULL, 0);
    else if (self->bubblewrap > 0) /* not inside yet: end the start */
        kill(self->bubblewrap, SIGKILL);
}

static void stop_now(Supervisor *self, int grace_seconds)
{
    long long deadline = monotonic_ms() + grace_seconds * 1000LL;

    if (!self->is_stopping || deadline < self->kill_at_ms)
        self->kill_at_ms = deadline;
    self->is_stopping = true;
    signal_init(self, SIGTERM);
}

static void kill_if_due(Supervisor *self)
{
    if (!self->is_stopping || monotonic_ms() < self->kill_at_ms)
        return;
    signal_init(self, SIGKILL);
    if (self->is_killed && self->bubblewrap > 0)
        kill(self->bubblewrap, SIGKILL);
    self->is_killed = true;
    self->kill_at_ms = monotonic_ms() + KILL_REPEAT_MS;
}

static void read_signals(Supervisor *self)
{
    struct signalfd_siginfo info;

    while (read(self->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            stop_now(self, info.ssi_code == SI_QUEUE ? info.ssi_int : RUN_DEFAULT_GRACE);
    }
}

/* ---- Starting ---- */

static void child_run(Supervisor *self, pid_t parent, int run, const int theirs[PIPE_COUNT])
{
    int log = theirs[PIPE_LOG], failure = theirs[PIPE_FAILURE], status = theirs[PIPE_STATUS];
    static const char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C",
                                              NULL};
    int sources[RUN_FD_COUNT] = {open("/dev/null", O_RDONLY), log, log, run, failure, status};
    char **arguments = records_list(&self->records, RUN_BUBBLEWRAP);
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(RUN_EXIT_NOT_STARTED);
    join_cgroups(&self->records);
    for (int i = 0; i < RUN_FD_COUNT; i++) /* out of the way of the numbers they shall have */
        sources[i] = fcntl(sources[i], F_DUPFD, RUN_FD_COUNT);
    for (int i = 0; i < RUN_FD_COUNT; i++)
        dup2(sources[i], i);
    (void)syscall(SYS_close_range, RUN_FD_COUNT, ~0U, 0);
    if (arguments[0])
        execve(arguments[0], arguments, (char *const *)environment);
    say_failure(STDERR_FILENO, "bwrap");
    _exit(RUN_EXIT_NOT_STARTED);
}

static bool make_pipes(Supervisor *self, int theirs[PIPE_COUNT])
{
    for (int i = 0; i < PIPE_COUNT; i++) {
        int both[2];

        if (pipe2(both, O_CLOEXEC) != 0)
            return false;
        self->pipes[i] = both[0];
        theirs[i] = both[1];
        fcntl(both[0], F_SETFL, O_NONBLOCK);
    }
    return true;
}

static bool run_begin(Supervisor *self)
{
    int theirs[PIPE_COUNT] = {-1, -1, -1};
    int run = open(RUN_FILE_RUN, O_RDONLY | O_CLOEXEC);
    bool done = run >= 0 && make_pipes(self, theirs);
    pid_t parent = getpid();

    self->bubblewrap = done ? fork() : -1;
    if (self->bubblewrap == 0)
        child_run(self, parent, run, theirs);
    for (int i = 0; i < PIPE_COUNT; i++)
        if (theirs[i] >= 0)
            close(theirs[i]);
    if (run >= 0)
        close(run);
    done = self->bubblewrap > 0;
    if (!done)
        self->bubblewrap = 0;
    return done;
}

/* ---- What comes from the run ---- */

static void close_pipe(Supervisor *self, PipeIndex index)
{
    if (self->pipes[index] >= 0)
        close(self->pipes[index]);
    self->pipes[index] = -1;
}

/* bwrap says {"child-pid": 123, ...} as soon as the first process inside exists. */
static void read_status(Supervisor *self)
{
    static const char key[] = "\"child-pid\":";
    char *start = NULL;
    ssize_t got = read(self->pipes[PIPE_STATUS], self->status + self->status_length,
                       sizeof self->status - 1 - self->status_length);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        close_pipe(self, PIPE_STATUS);
        return;
    }
    self->status_length += (size_t)got;
    self->status[self->status_length] = '\0';
    start = strstr(self->status, key);
    if (self->init >= 0 || !start || !strchr(start, ',')) {
        if (self->init >= 0)
            self->status_length = 0; /* the rest says nothing we need */
        return;
    }
    self->state.init = (pid_t)strtol(start + sizeof key - 1, NULL, 10);
    self->init = (int)syscall(SYS_pidfd_open, self->state.init, 0);
    if (self->is_stopping)
        signal_init(self, SIGKILL);
}

static void started(Supervisor *self)
{
    State *state = &self->state;

    self->has_started = true;
    state->phase = "running";
    state->ever_started = true;
    state->started_us = now_us();
    state->finished_us = 0;
    state->is_out_of_memory = false;
    state->failure[0] = '\0';
    state_write(state);
    event_write(&self->records, "start", 0);
    report(self, (char[]){RUN_REPORT_OK, '\0'});
}

/* The pipe ends either with exec (all is well) or with the process. */
static void read_failure(Supervisor *self)
{
    char *into = self->failure + self->failure_length;
    ssize_t got =
        read(self->pipes[PIPE_FAILURE], into, sizeof self->failure - 1 - self->failure_length);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0) {
        if (!self->has_begun && into[0] == RUN_BEGUN) {
            self->has_begun = true;
            memmove(into, into + 1, (size_t)--got);
        }
        self->failure_length += (size_t)got;
        self->failure[self->failure_length] = '\0';
        return;
    }
    close_pipe(self, PIPE_FAILURE);
    if (self->has_begun && self->failure_length == 0)
        started(self);
}

static void reap(Supervisor *self)
{
    int status = 0;

    if (self->bubblewrap > 0 && waitpid(self->bubblewrap, &status, WNOHANG) == self->bubblewrap) {
        self->bubblewrap = 0;
        self->wait_status = status;
    }
}

/* ---- The loop of one run ---- */

static int poll_time(const Supervisor *self)
{
    long long left = self->kill_at_ms - monotonic_ms();

    if (!self->is_stopping)
        return LOOK_MS;
    return left < 0 ? 0 : (int)left;
}

/* Somebody removed our folder by hand: nobody could ever stop us by way of it. */
static void stop_if_forgotten(Supervisor *self)
{
    struct stat info;

    if (self->is_stopping || monotonic_ms() < self->look_at_ms)
        return;
    self->look_at_ms = monotonic_ms() + LOOK_MS;
    if (stat(".", &info) == 0 && info.st_nlink == 0)
        stop_now(self, RUN_DEFAULT_GRACE);
}

static void run_step(Supervisor *self)
{
    struct pollfd waits[PIPE_COUNT + 1] = {
        {.fd = self->pipes[PIPE_LOG], .events = POLLIN},
        {.fd = self->pipes[PIPE_FAILURE], .events = POLLIN},
        {.fd = self->pipes[PIPE_STATUS], .events = POLLIN},
        {.fd = self->signals, .events = POLLIN},
    };

    if (poll(waits, PIPE_COUNT + 1, poll_time(self)) < 0)
        return;
    if (waits[PIPE_STATUS].revents) /* before the failure pipe: a start needs the number */
        read_status(self);
    if (waits[PIPE_FAILURE].revents)
        read_failure(self);
    if (waits[PIPE_LOG].revents && !log_pump(&self->log, self->pipes[PIPE_LOG]))
        close_pipe(self, PIPE_LOG);
    if (waits[PIPE_COUNT].revents)
        read_signals(self);
    reap(self);
    stop_if_forgotten(self);
    kill_if_due(self);
}

static unsigned long long oom_count(const Supervisor *self)
{
    const char *path = records_find(&self->records, RUN_OOM_FILE);
    char text[1024] = "";
    const char *found = NULL;
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof text - 1) > 0)
        found = strstr(text, "oom_kill ");
    close(fd);
    return found ? strtoull(found + 9, NULL, 10) : 0;
}

static int exit_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void run_end(Supervisor *self, bool out_of_memory)
{
    State *state = &self->state;

    while (self->pipes[PIPE_LOG] >= 0 && log_pump(&self->log, self->pipes[PIPE_LOG]) &&
           poll(&(struct pollfd){.fd = self->pipes[PIPE_LOG], .events = POLLIN}, 1, 0) > 0)
        continue;
    for (int i = 0; i < PIPE_COUNT; i++)
        close_pipe(self, (PipeIndex)i);
    if (self->init >= 0)
        close(self->init);
    self->init = -1;
    state->init = 0;
    state->finished_us = now_us();
    state->is_out_of_memory = out_of_memory;
    state->exit_code = self->has_started ? exit_code(self->wait_status) : RUN_EXIT_NOT_STARTED;
    if (self->has_started)
        return;
    snprintf(state->failure, sizeof state->failure, "%s",
             self->failure_length ? self->failure : self->log.last_line);
    flatten(state->failure);
}

/* TRUE when the program ran. */
static bool run_once(Supervisor *self)
{
    unsigned long long kills = oom_count(self);

    self->has_begun = self->has_started = false;
    self->failure_length = self->status_length = 0;
    self->failure[0] = '\0';
    self->init = -1;
    for (int i = 0; i < PIPE_COUNT; i++)
        self->pipes[i] = -1;
    if (!run_begin(self))
        snprintf(self->failure, sizeof self->failure, "the sandbox cannot be started: %s",
                 strerror(errno));
    self->failure_length = strlen(self->failure);
    while (self->bubblewrap > 0 || self->pipes[PIPE_FAILURE] >= 0)
        run_step(self);
    run_end(self, oom_count(self) > kills);
    return self->has_started;
}

/* ---- The life ---- */

static void wait_between(Supervisor *self, int wait_ms)
{
    long long until = monotonic_ms() + wait_ms;

    stop_if_forgotten(self);
    while (!self->is_stopping && monotonic_ms() < until) {
        struct pollfd wait = {.fd = self->signals, .events = POLLIN};

        if (poll(&wait, 1, (int)(until - monotonic_ms())) > 0)
            read_signals(self);
    }
}

static bool wants_restart(const Supervisor *self)
{
    const char *restart = records_find(&self->records, RUN_RESTART);

    return !self->is_stopping && restart && strcmp(restart, "1") == 0;
}

static void live(Supervisor *self)
{
    int wait_ms = BACKOFF_FIRST_MS;

    for (;;) {
        long long begun_ms = monotonic_ms();
        bool has_run = run_once(self);
        bool is_first = self->report_fd >= 0;

        if (!has_run && is_first)
            break;
        if (monotonic_ms() - begun_ms >= GOOD_RUN_MS)
            wait_ms = BACKOFF_FIRST_MS;
        self->state.phase = wants_restart(self) ? "restarting" : "exited";
        state_write(&self->state);
        if (has_run && self->state.is_out_of_memory)
            event_write(&self->records, "oom", 0);
        if (has_run)
            event_write(&self->records, "die", self->state.exit_code);
        wait_between(self, wants_restart(self) ? wait_ms : 0);
        if (!wants_restart(self))
            break;
        wait_ms = wait_ms * 2 > BACKOFF_MOST_MS ? BACKOFF_MOST_MS : wait_ms * 2;
        self->state.restarts++;
    }
    self->state.phase = "exited";
    state_write(&self->state);
    if (self->report_fd >= 0 && !self->has_begun)
        (void)write_all(self->report_fd, (char[]){RUN_REPORT_FAULT}, 1);
    report(self, self->state.failure[0] ? self->state.failure : "it was stopped");
}

static bool lock_alive(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(RUN_FILE_ALIVE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    return fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0; /* the descriptor stays open */
}

/* The starter must not wait for us, nor share a terminal or session with us. */
static void become_daemon(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    pid_t child = fork();

    if (child != 0)
        _exit(child < 0);
    setsid();
    for (int i = 0; i < 3; i++)
        dup2(null, i);
}

static int open_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&all);
    sigaddset(&all, SIGCHLD);
    sigaddset(&all, SIGTERM);
    sigaddset(&all, SIGINT);
    return signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

int supervise_main(const char *folder, int report_fd)
{
    Supervisor self = {.report_fd = report_fd, .state = {.phase = "exited"}, .init = -1};
    const char *log_max = NULL;
    int run = -1;

    fcntl(report_fd, F_SETFD, FD_CLOEXEC);
    become_daemon();
    self.signals = open_signals();
    if (chdir(folder) != 0 || !lock_alive() ||
        (run = open(RUN_FILE_RUN, O_RDONLY | O_CLOEXEC)) < 0 || !records_read(&self.records, run)) {
        say_failure(report_fd, "supervisor");
        return 1;
    }
    close(run);
    log_max = records_find(&self.records, RUN_LOG_MAX);
    if (!log_open(&self.log, log_max ? strtoul(log_max, NULL, 10) : 1024 * 1024)) {
        say_failure(report_fd, RUN_FILE_LOG);
        return 1;
    }
    state_read_past(&self.state);
    live(&self);
    return 0;
}
