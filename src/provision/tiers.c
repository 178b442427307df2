#include "provision/tiers.h"

#define MEBIBYTE        (1024 * 1024)
#define SHARES_PER_CPU  1024
#define NANO_PER_CPU    G_GINT64_CONSTANT(1000000000)
#define TEMPORARY_BYTES (64 * MEBIBYTE)
#define MEMORY_MB_MAX   (G_MAXINT64 / MEBIBYTE)
#define SHARES_MAX      (G_MAXINT64 / NANO_PER_CPU)

static const struct {
    gint64 memory_mb, cpu_shares, pids;
} table[TIER_MAX + 1] = {
    [1] = {512, 1024, 512},
    [2] = {512, 1024, 512},
    [3] = {2048, 2048, 4096},
    [4] = {4096, 4096, 4096},
};

static gint64 chosen(gint64 option, gint64 fallback, gint64 max)
{
    return option > 0 ? MIN(option, max) : fallback;
}

static void set_limits(TierCaps *caps, const TierOptions *options)
{
    /* Tier 1 has no variables of its own: it follows tier 2 (spec 02, 8.9 c). */
    gint64 row = MAX(caps->tier, 2);
    gint64 memory_mb = chosen(options->memory_mb[row], table[row].memory_mb, MEMORY_MB_MAX);
    gint64 shares = chosen(options->cpu_shares[row], table[row].cpu_shares, SHARES_MAX);

    caps->memory_bytes = memory_mb * MEBIBYTE;
    caps->nano_cpus = shares * NANO_PER_CPU / SHARES_PER_CPU;
    caps->pids_limit = table[caps->tier].pids;
}

static void clamp(TierCaps *caps, const EngineInfo *info)
{
    if (info->cpus > 0)
        caps->nano_cpus = MIN(caps->nano_cpus, info->cpus * NANO_PER_CPU);
    if (info->memory_bytes > 0)
        caps->memory_bytes = MIN(caps->memory_bytes, info->memory_bytes);
    caps->memory_unenforced = !info->limits_memory;
    caps->cpu_unenforced = !info->limits_cpu;
    caps->pids_unenforced = !info->limits_pids;
}

static void set_flags(TierCaps *caps)
{
    caps->configs_only = caps->read_only_root = caps->tier == 1;
    caps->temporary_bytes = caps->tier == 1 ? TEMPORARY_BYTES : 0;
    caps->privileged = caps->host_pid = caps->tier >= 3;
    caps->host_network = caps->has_engine_socket = caps->tier == 4;
}

gboolean tier_caps(gint64 tier, const TierOptions *options, const EngineInfo *info, TierCaps *caps,
                   GError **error)
{
    TierCaps made = {.tier = tier >= TIER_MIN && tier <= TIER_MAX ? tier : 2};

    if (made.tier >= 3 && options->forbid_privileged)
        return error_set_reason(error, ERROR_INVALID, REASON_REFUSED_BY_POLICY,
                                "tier %d is privileged, which this server does not allow",
                                (int)made.tier);
    set_limits(&made, options);
    set_flags(&made);
    if (info)
        clamp(&made, info);
    *caps = made;
    return TRUE;
}
