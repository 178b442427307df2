/* Caps by control groups, where this machine lets us: version 2 (root, or a delegated subtree), or
 * version 1 (root). What cannot be enforced is said, never pretended (D19). Each container has a
 * group of its own below "workspaced". Thread: any once probed. */
#pragma once

#include "base/errors.h"

typedef struct _SandboxCgroups SandboxCgroups;

/* Looks which caps can be set; never fails. */
SandboxCgroups *sandbox_cgroups_probe(void);
void sandbox_cgroups_free(SandboxCgroups *cgroups); /* NULL is fine */

gboolean sandbox_cgroups_limit_memory(const SandboxCgroups *cgroups);
gboolean sandbox_cgroups_limit_cpu(const SandboxCgroups *cgroups);
gboolean sandbox_cgroups_limit_pids(const SandboxCgroups *cgroups);

typedef struct {
    gint64 memory_bytes, nano_cpus, pids; /* 0: no cap */
} SandboxCaps;

/* Makes the group of container `id` and sets its caps.
 *   joins     gets the cgroup.procs files a process must write itself to
 *   oom_file  out: where "oom_kill" is counted; NULL when not
 * Errors: ERROR_INTERNAL, with a cap that was asked for and that the probe promised. */
gboolean sandbox_cgroups_prepare(const SandboxCgroups *cgroups, const char *id,
                                 const SandboxCaps *caps, GPtrArray *joins, char **oom_file,
                                 GError **error);
/* The cgroup.procs files of a group that exists. */
void sandbox_cgroups_joins(const SandboxCgroups *cgroups, const char *id, GPtrArray *joins);
/* Removes it. Best effort: it may be gone. */
void sandbox_cgroups_remove(const SandboxCgroups *cgroups, const char *id);
