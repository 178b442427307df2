/* From a container's record to the records of a run (supervisor/run_file.h): bwrap's command line,
 * environment, limits. Thread: any. */
#pragma once

#include "engine/sandbox/container.h"
#include "engine/supervisor/run_file.h"

/* Capabilities an entry point needs (spec 02, 8.9), as bits: CHOWN, DAC_OVERRIDE, FOWNER, KILL,
 * SETGID, SETUID. */
#define SANDBOX_CAPABILITIES_KEPT 0xEBULL

typedef struct {
    SandboxEngine *sandbox;
    const SandboxContainer *container;
    const GPtrArray *targets; /* of the mounts, without links */
    guint16 port;             /* 0: none */
    const GPtrArray *joins;   /* cgroup.procs files */
    const char *oom_file;     /* NULL: none */
    guint uid, gid;           /* inside; an ordinary user's sandbox only */
} SandboxCommand;

/* The records of a start. Caller owns it. */
GString *sandbox_command_start(const SandboxCommand *command);
/* Adds one record. */
void sandbox_records_add(GString *records, RunTag tag, const char *text);
/* The container's environment, with what the engine adds. */
void sandbox_records_add_environment(GString *records, const SandboxRecord *record, guint16 port);
/* The host name inside, NULL for the host's own. Borrowed. */
const char *sandbox_hostname(const SandboxRecord *record);
