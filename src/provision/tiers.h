/* What a tier allows and costs. Pure.
 *
 * Tier 1 is the tightest (read-only root, configuration volume only, caps of tier 2), 3 and 4 own
 * the host. Caps are clamped to what the host has, because engines refuse more; a cap that this
 * engine cannot enforce is named, never silently dropped (D19). Source: spec 02, section 8.9 with
 * "Ours"; spec 01, section 12.4. */
#pragma once

#include "engine/engine.h"

#define TIER_MIN 1
#define TIER_MAX 4

typedef struct {
    gint64 memory_mb[TIER_MAX + 1];  /* by tier, 2 to 4 (TIERn_MEMORY_MB); 0 or less: the table's */
    gint64 cpu_shares[TIER_MAX + 1]; /* 1024 = 1 CPU (TIERn_CPU_SHARES); 0 or less: the table's */
    gboolean forbid_privileged;      /* tiers 3 and 4 are refused */
} TierOptions;

typedef struct {
    gint64 tier; /* 1 to 4 */
    gint64 memory_bytes, nano_cpus, pids_limit;
    gint64 temporary_bytes; /* size of a tmpfs on /tmp; 0: none */
    gboolean configs_only;  /* no /workspace, no sessions */
    gboolean read_only_root, privileged, host_pid, host_network, has_engine_socket;
    gboolean memory_unenforced, cpu_unenforced, pids_unenforced;
} TierCaps;

/* Unknown tiers count as 2. `info` (may be NULL: nothing known, nothing clamped). Error:
 * ERROR_INVALID with a sentence for people when the tier is forbidden here. */
G_GNUC_WARN_UNUSED_RESULT gboolean tier_caps(gint64 tier, const TierOptions *options,
                                             const EngineInfo *info, TierCaps *caps,
                                             GError **error);
