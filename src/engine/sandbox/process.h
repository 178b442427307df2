/* What runs of a container: its supervisor, its first process, all the others. Thread: any. */
#pragma once

#include "base/errors.h"

#include <sys/types.h>

typedef struct {
    char *phase;        /* "running", "restarting", "exited"; NULL: never started */
    gboolean is_alive;  /* its supervisor is there */
    pid_t supervisor;   /* when alive */
    pid_t init;         /* first process; 0: none */
    guint64 init_start; /* clock ticks; tells a reused number */
    gint64 started_us, finished_us;
    gint64 exit_code;
    gint64 restarts;
    gboolean is_out_of_memory, ever_started;
    char *failure; /* "" none */
} SandboxState;
void sandbox_state_clear(SandboxState *state);

/* Reads the state of the container in `folder`. A state file that says "running" without a living
 * supervisor counts as ended by a kill. */
void sandbox_state_load(const char *folder, SandboxState *state);

/* The process that holds the folder's `alive`; 0: none. */
pid_t sandbox_supervisor_find(const char *folder);
/* Start time in clock ticks; 0: gone (or a zombie). */
guint64 sandbox_process_start(pid_t pid);
gboolean sandbox_process_is(pid_t pid, guint64 start);

/* Asks the supervisor to end the container: SIGTERM, after `grace_seconds` SIGKILL; waits until it
 * is gone. Not there is success. ERROR_OUTCOME_UNKNOWN: still there long after the grace. */
gboolean sandbox_supervisor_stop(const char *folder, guint grace_seconds, GError **error);
/* Waits until no supervisor is left. FALSE at the deadline. */
gboolean sandbox_supervisor_wait(const char *folder, guint timeout_ms);

/* All processes of the namespace of process `init`, itself included (pid_t). Caller owns it. */
GArray *sandbox_process_list(pid_t init);

/* Sends a signal to all of them. TRUE when all were halted (SIGSTOP) or zombies before. */
gboolean sandbox_process_signal_all(pid_t init, int number);

/* Starts `argv` (argv[0] is a path) with an empty environment. `fds[i]` becomes descriptor i, all
 * others are closed; -1 is /dev/null. ERROR_UNAVAILABLE. The child is the caller's to wait for. */
gboolean sandbox_spawn(const char *const *argv, const int *fds, guint count, pid_t *pid,
                       GError **error);
/* Waits for a child, at most `timeout_ms`. FALSE: it still runs. */
gboolean sandbox_child_wait(pid_t pid, guint timeout_ms, int *status);
