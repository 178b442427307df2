/* What the sandbox engine and its supervisor tell each other: files in a container's folder and
 * records of a run. Shared by both programs; no GLib here, because the supervisor is small and
 * static.
 *
 * A run is a sequence of NUL-terminated records, each one letter and its text. Secrets stand in it,
 * so it is a file of mode 0600 or a memfd, never a command line. */
#pragma once

/* Files in a container's folder. */
#define RUN_FILE_RUN       "run"   /* records; written before each start */
#define RUN_FILE_STATE     "state" /* "key value" lines; written by the supervisor, atomically */
#define RUN_FILE_STATE_NEW "state.new" /* becomes RUN_FILE_STATE */
#define RUN_FILE_ALIVE     "alive"     /* write-locked (fcntl) for the supervisor's whole life */
#define RUN_FILE_LOG       "log"
#define RUN_FILE_LOG_OLD   "log.1"

/* Files in the events folder. */
#define RUN_EVENTS_LOG     "log"
#define RUN_EVENTS_LOG_OLD "log.1"
#define RUN_EVENTS_LOCK    "lock"
#define RUN_EVENTS_MAX     (1024 * 1024) /* bytes; then log becomes log.1 */

/* The supervisor's own copy inside a container. */
#define RUN_INIT_PATH "/dev/.workspaced-init"

#define RUN_MAX_BYTES (4 * 1024 * 1024) /* of all records */

typedef enum {
    /* For the supervisor. */
    RUN_BUBBLEWRAP = 'B',    /* the next word of the bwrap command line */
    RUN_RESTART = 'R',       /* "1": again after an end nobody asked for */
    RUN_EVENT_PREFIX = 'P',  /* JSON object without its end: who an event is about */
    RUN_EVENTS_FOLDER = 'D', /* absolute */
    RUN_CGROUP = 'C',        /* a cgroup.procs file to join; any number */
    RUN_OOM_FILE = 'O',      /* where the kernel counts "oom_kill" */
    RUN_LOG_MAX = 'M',       /* bytes a log file */
    /* For what becomes the program inside. */
    RUN_USER = 'U',        /* "", "1000", "node", "node:staff" */
    RUN_DIRECTORY = 'W',   /* working directory */
    RUN_ENVIRONMENT = 'E', /* KEY=value; any number */
    RUN_ARGUMENT = 'A',    /* the next word of the command */
    RUN_LIMIT = 'L',       /* "resource value": setrlimit(2) */
    /* For entering a container that runs. */
    RUN_TARGET = 'N',       /* "pid start" of its first process */
    RUN_CAPABILITIES = 'K', /* hexadecimal mask to keep; absent: all */
    RUN_TERMINAL = 'T',     /* "columns rows": on a terminal of its own */
} RunTag;

/* Descriptors of `init` (inside) and `enter`. */
enum {
    RUN_FD_RECORDS = 3, /* the run */
    RUN_FD_FAILURE =
        4, /* RUN_BEGUN when setting up begins; a sentence when it fails; closed by exec */
    RUN_FD_STATUS = 5,  /* bwrap's JSON (supervise) */
    RUN_FD_CONTROL = 5, /* "columns rows" as two 16-bit numbers (enter) */
    RUN_FD_COUNT = 6,
};
#define RUN_BEGUN '+'

/* What the supervisor reports to its starter: OK, or a sentence. FAULT before it: the sandbox could
 * not be made; without: the program could not be started in it. */
#define RUN_REPORT_OK    '+'
#define RUN_REPORT_FAULT '!'

/* Keys of the state file. */
#define RUN_STATE_PHASE    "phase" /* running, restarting, exited */
#define RUN_STATE_INIT     "init"  /* "pid start"; 0 0: none */
#define RUN_STATE_STARTED  "started_us"
#define RUN_STATE_FINISHED "finished_us"
#define RUN_STATE_EXIT     "exit_code"
#define RUN_STATE_RESTARTS "restarts"
#define RUN_STATE_OOM      "oom"
#define RUN_STATE_EVER     "ever_started"
#define RUN_STATE_FAILURE  "failure" /* rest of the line */

/* SIGTERM to the supervisor ends the container: its sigqueue value is the grace in seconds. From
 * anyone else (no value) it is RUN_DEFAULT_GRACE. */
#define RUN_DEFAULT_GRACE 10

#define RUN_EXIT_NOT_STARTED 127 /* exit code of a program that could not be started */
