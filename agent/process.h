/* Starting programs, and what process 1 of a container owes: every child is reaped, also the
 * orphans that fall to us, and no process of a group outlives its leader.
 *
 * A program leads a session and group of its own, so that a signal reaches all it started. When
 * the leader ends, the rest of its group is killed before the leader is reaped: until then the
 * kernel cannot give the group's number to anybody else. What wants to live on must begin a
 * session of its own (setsid). */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct event_base;

typedef struct ProcessTable ProcessTable;
typedef struct Process Process;

typedef struct {
    char *const *argv;        /* argv[0] is looked for in PATH */
    char *const *environment; /* NULL: our own */
    int input;                /* descriptors to give; -1: our own */
    int output;
    int errors;
    /* Called once, after the end. The process is freed when it returns.
     *   status  as waitpid() gives it */
    void (*ended)(void *argument, int status);
    void *argument;
} ProcessSpec;

/* Installs the handler of SIGCHLD and becomes the reaper of orphans. */
ProcessTable *process_table_new(struct event_base *base);
/* Forgets processes that still run, without calling anybody. */
void process_table_free(ProcessTable *table);
unsigned process_table_count(const ProcessTable *table);
void process_table_signal_all(ProcessTable *table, int signal_number);

/* Lowers the limit of open descriptors for us alone; programs get the old one.
 *   limit  bound on connections, as accept() fails above it */
void process_table_limit_descriptors(ProcessTable *table, unsigned limit);

/* Starts a program; it runs (or not) when this returns.
 *   failure  out, when NULL is returned: errno
 * The table owns the process; the result is valid until `ended` was called. */
Process *process_spawn(ProcessTable *table, const ProcessSpec *spec, int *failure);

pid_t process_get_pid(const Process *process);

/* To the program alone, or to its whole group. */
void process_signal(Process *process, int signal_number);
void process_signal_group(Process *process, int signal_number);
