/* What a container uses, from /proc: the sum over the processes that run now, and what its ended
 * children used (their parents carry it). */
#include "engine/sandbox/container.h"

#include <string.h>
#include <unistd.h>

#define FIELD_FIRST  3 /* of /proc/PID/stat after the name */
#define FIELD_UTIME  14
#define FIELD_STIME  15
#define FIELD_CUTIME 16
#define FIELD_CSTIME 17
#define FIELD_RSS    24

static gint64 ticks_to_ns(const char *const *fields, guint first, guint last)
{
    gint64 ticks = 0;

    for (guint i = first; i <= last; i++)
        ticks += g_ascii_strtoll(fields[i - FIELD_FIRST], NULL, 10);
    return ticks * (1000000000 / sysconf(_SC_CLK_TCK));
}

/* What its present threads ran for, to the nanosecond; ticks are a hundredth of a second. */
static gint64 threads_ns(pid_t pid)
{
    g_autofree char *folder = g_strdup_printf("/proc/%d/task", (int)pid);
    g_autoptr(GDir) listing = g_dir_open(folder, 0, NULL);
    const char *thread = NULL;
    gint64 sum = 0;

    while (listing && (thread = g_dir_read_name(listing))) {
        g_autofree char *path = g_build_filename(folder, thread, "schedstat", NULL);
        g_autofree char *text = NULL;

        if (g_file_get_contents(path, &text, NULL, NULL))
            sum += g_ascii_strtoll(text, NULL, 10);
    }
    return sum;
}

/* Adds one process. A process that ends meanwhile adds nothing. */
static void add_process(pid_t pid, EngineStats *stats)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;
    const char *after = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL) || !(after = strrchr(text, ')')))
        return;
    fields = g_strsplit(g_strchug((char *)after + 1), " ", -1);
    if (g_strv_length(fields) <= FIELD_RSS - FIELD_FIRST)
        return;
    stats->pids++;
    stats->memory_bytes +=
        g_ascii_strtoll(fields[FIELD_RSS - FIELD_FIRST], NULL, 10) * sysconf(_SC_PAGESIZE);
    stats->cpu_total_ns +=
        MAX(ticks_to_ns((const char *const *)fields, FIELD_UTIME, FIELD_STIME), threads_ns(pid)) +
        ticks_to_ns((const char *const *)fields, FIELD_CUTIME, FIELD_CSTIME);
}

static gint64 memory_limit(const SandboxEngine *sandbox, const SandboxRecord *record)
{
    if (record->caps.memory_bytes > 0 && sandbox_cgroups_limit_memory(sandbox->cgroups))
        return record->caps.memory_bytes;
    return (gint64)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

gboolean sandbox_stats(Engine *self, const char *ref, EngineStats *stats, GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autoptr(SandboxContainer) container = sandbox_container_load(sandbox, ref, error);
    g_autoptr(GArray) list = NULL;
    EngineStats found = {0};
    SandboxState state;

    if (!container)
        return FALSE;
    sandbox_state_load(container->folder, &state);
    if (state.is_alive && sandbox_process_is(state.init, state.init_start))
        list = sandbox_process_list(state.init);
    sandbox_state_clear(&state);
    for (guint i = 0; list && i < list->len; i++)
        add_process(g_array_index(list, pid_t, i), &found);
    if (found.pids == 0)
        return error_set(error, ERROR_CONFLICT, "the container is not running");
    found.memory_limit_bytes = memory_limit(sandbox, container->record);
    *stats = found;
    return TRUE;
}
