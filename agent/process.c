#include "process.h"

#include "log.h"
#include "memory.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct Process {
    pid_t pid;
    void (*ended)(void *argument, int status);
    void *argument;
    Process *next;
};

struct ProcessTable {
    struct event *child_ended;
    Process *first;
    unsigned count;
    bool has_limit;
    struct rlimit programs_limit;
    struct rlimit own_limit;
};

static Process *take(ProcessTable *table, pid_t pid)
{
    for (Process **link = &table->first; *link != NULL; link = &(*link)->next) {
        Process *process = *link;
        if (process->pid != pid)
            continue;
        *link = process->next;
        table->count--;
        return process;
    }
    return NULL;
}

/* Reaps one child that has ended. */
static void reap(ProcessTable *table, pid_t pid)
{
    Process *process = take(table, pid);
    int status = 0;

    if (process != NULL)
        kill(-pid, SIGKILL); /* before the number is free again, see process.h */
    if (waitpid(pid, &status, 0) != pid || process == NULL) {
        free(process);
        return;
    }
    process->ended(process->argument, status);
    free(process);
}

/* One signal may stand for many children, and a child may end before its parent's signal is
 * handled: so ask until nobody is left. */
static void on_child_ended(evutil_socket_t signal_number, short what, void *argument)
{
    ProcessTable *table = argument;
    (void)signal_number;
    (void)what;

    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
            return;
        reap(table, info.si_pid);
    }
}

ProcessTable *process_table_new(struct event_base *base)
{
    ProcessTable *table = memory_new(sizeof *table);

    table->child_ended = evsignal_new(base, SIGCHLD, on_child_ended, table);
    event_add(table->child_ended, NULL);
    /* Does not matter to process 1, which is the reaper anyway. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) != 0)
        log_warning("cannot become the reaper of orphans");
    return table;
}

void process_table_free(ProcessTable *table)
{
    if (table == NULL)
        return;
    event_free(table->child_ended);
    while (table->first != NULL)
        free(take(table, table->first->pid));
    free(table);
}

unsigned process_table_count(const ProcessTable *table)
{
    return table->count;
}

void process_table_signal_all(ProcessTable *table, int signal_number)
{
    for (Process *process = table->first; process != NULL; process = process->next)
        process_signal_group(process, signal_number);
}

void process_table_limit_descriptors(ProcessTable *table, unsigned limit)
{
    if (getrlimit(RLIMIT_NOFILE, &table->programs_limit) != 0)
        return;
    table->own_limit = table->programs_limit;
    if (table->own_limit.rlim_cur <= limit)
        return;
    table->own_limit.rlim_cur = limit;
    table->has_limit = setrlimit(RLIMIT_NOFILE, &table->own_limit) == 0;
}

/* Gives the program a session of its own, plain signals and no descriptor of ours. */
static int spawn(const ProcessSpec *spec, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all;
    sigset_t none;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    if (spec->input >= 0)
        posix_spawn_file_actions_adddup2(&actions, spec->input, STDIN_FILENO);
    if (spec->output >= 0)
        posix_spawn_file_actions_adddup2(&actions, spec->output, STDOUT_FILENO);
    if (spec->errors >= 0)
        posix_spawn_file_actions_adddup2(&actions, spec->errors, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    int failure = posix_spawnp(pid, spec->argv[0], &actions, &attributes, spec->argv,
                               spec->environment != NULL ? spec->environment : environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failure;
}

Process *process_spawn(ProcessTable *table, const ProcessSpec *spec, int *failure)
{
    pid_t pid = 0;

    if (table->has_limit)
        setrlimit(RLIMIT_NOFILE, &table->programs_limit);
    *failure = spawn(spec, &pid);
    if (table->has_limit)
        setrlimit(RLIMIT_NOFILE, &table->own_limit);
    if (*failure != 0)
        return NULL;
    Process *process = memory_new(sizeof *process);
    process->pid = pid;
    process->ended = spec->ended;
    process->argument = spec->argument;
    process->next = table->first;
    table->first = process;
    table->count++;
    return process;
}

pid_t process_get_pid(const Process *process)
{
    return process->pid;
}

void process_signal(Process *process, int signal_number)
{
    kill(process->pid, signal_number);
}

void process_signal_group(Process *process, int signal_number)
{
    kill(-process->pid, signal_number);
}
