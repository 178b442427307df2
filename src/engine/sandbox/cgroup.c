#include "engine/sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT        "/sys/fs/cgroup"
#define GROUP       "workspaced"
#define CPU_PERIOD  100000 /* microseconds */
#define REMOVE_TRY  50
#define REMOVE_WAIT 10000 /* microseconds; a group is busy until its last process is reaped */

typedef enum { MEMORY, CPU, PIDS, CONTROLLERS } Controller;
static const char *const controller_names[CONTROLLERS] = {"memory", "cpu", "pids"};

struct _SandboxCgroups {
    gboolean is_unified;
    /* Our group in each hierarchy; NULL: cannot be used. Unified: all the same one. */
    char *groups[CONTROLLERS];
};

/* ---- Small files ---- */

static gboolean put(const char *folder, const char *file, const char *text)
{
    g_autofree char *path = g_build_filename(folder, file, NULL);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    gboolean is_done = fd >= 0 && write(fd, text, strlen(text)) == (gssize)strlen(text);

    if (fd >= 0)
        close(fd);
    return is_done;
}

static gboolean has_word(const char *folder, const char *file, const char *word)
{
    g_autofree char *path = g_build_filename(folder, file, NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) words = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return FALSE;
    words = g_strsplit_set(text, " \n", -1);
    return g_strv_contains((const char *const *)words, word);
}

static gboolean make(const char *folder)
{
    return mkdir(folder, 0755) == 0 || errno == EEXIST;
}

/* ---- Probing ---- */

/* As root below the top; else beside our own group, which is a delegated subtree if anything. */
static char *unified_group(void)
{
    g_autofree char *text = NULL, *folder = NULL;

    if (geteuid() == 0)
        return g_strdup(ROOT "/" GROUP);
    if (!g_file_get_contents("/proc/self/cgroup", &text, NULL, NULL) ||
        !g_str_has_prefix(text, "0::/"))
        return NULL;
    *strchrnul(text, '\n') = '\0';
    folder = g_path_get_dirname(text + strlen("0::"));
    return g_build_filename(ROOT, folder, GROUP, NULL);
}

/* Lets the groups below `group` have this controller. */
static gboolean enable(const char *group, Controller controller)
{
    g_autofree char *above = g_path_get_dirname(group);
    g_autofree char *word = g_strconcat("+", controller_names[controller], NULL);

    put(above, "cgroup.subtree_control", word);
    put(group, "cgroup.subtree_control", word);
    return has_word(group, "cgroup.subtree_control", controller_names[controller]);
}

static void probe_unified(SandboxCgroups *cgroups)
{
    g_autofree char *group = unified_group();

    if (!group || !make(group))
        return;
    for (guint i = 0; i < CONTROLLERS; i++)
        if (enable(group, (Controller)i))
            cgroups->groups[i] = g_strdup(group);
}

static void probe_separate(SandboxCgroups *cgroups)
{
    for (guint i = 0; i < CONTROLLERS; i++) {
        g_autofree char *above = g_build_filename(ROOT, controller_names[i], NULL);
        g_autofree char *tasks = g_build_filename(above, "tasks", NULL);
        g_autofree char *group = g_build_filename(above, GROUP, NULL);

        if (access(tasks, W_OK) == 0 && make(group))
            cgroups->groups[i] = g_steal_pointer(&group);
    }
}

SandboxCgroups *sandbox_cgroups_probe(void)
{
    SandboxCgroups *cgroups = g_new0(SandboxCgroups, 1);

    cgroups->is_unified = access(ROOT "/cgroup.controllers", F_OK) == 0;
    if (cgroups->is_unified)
        probe_unified(cgroups);
    else
        probe_separate(cgroups);
    return cgroups;
}

void sandbox_cgroups_free(SandboxCgroups *cgroups)
{
    if (!cgroups)
        return;
    for (guint i = 0; i < CONTROLLERS; i++) {
        if (cgroups->groups[i])
            rmdir(cgroups->groups[i]); /* goes with the last container */
        g_free(cgroups->groups[i]);
    }
    g_free(cgroups);
}

gboolean sandbox_cgroups_limit_memory(const SandboxCgroups *cgroups)
{
    return cgroups->groups[MEMORY] != NULL;
}

gboolean sandbox_cgroups_limit_cpu(const SandboxCgroups *cgroups)
{
    return cgroups->groups[CPU] != NULL;
}

gboolean sandbox_cgroups_limit_pids(const SandboxCgroups *cgroups)
{
    return cgroups->groups[PIDS] != NULL;
}

/* ---- One container's group ---- */

static gboolean set_memory(const SandboxCgroups *cgroups, const char *group, gint64 bytes)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, bytes);

    if (cgroups->is_unified) {
        put(group, "memory.swap.max", "0"); /* absent without swap */
        return put(group, "memory.max", text);
    }
    if (!put(group, "memory.limit_in_bytes", text))
        return FALSE;
    put(group, "memory.memsw.limit_in_bytes", text); /* absent without swap accounting */
    return TRUE;
}

static gboolean set_cpu(const SandboxCgroups *cgroups, const char *group, gint64 nano_cpus)
{
    gint64 quota = MAX(nano_cpus / (1000000000 / CPU_PERIOD), 1000); /* the kernel's least */
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, quota);
    g_autofree char *both = g_strdup_printf("%s %d", text, CPU_PERIOD);

    if (cgroups->is_unified)
        return put(group, "cpu.max", both);
    return put(group, "cpu.cfs_period_us", G_STRINGIFY(CPU_PERIOD)) &&
           put(group, "cpu.cfs_quota_us", text);
}

static gboolean set_pids(const char *group, gint64 pids)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, pids);

    return put(group, "pids.max", text);
}

static gboolean set_cap(const SandboxCgroups *cgroups, Controller controller, const char *group,
                        const SandboxCaps *caps)
{
    switch (controller) {
    case MEMORY:
        return caps->memory_bytes == 0 || set_memory(cgroups, group, caps->memory_bytes);
    case CPU:
        return caps->nano_cpus == 0 || set_cpu(cgroups, group, caps->nano_cpus);
    default:
        return caps->pids == 0 || set_pids(group, caps->pids);
    }
}

/* Another engine that ends may remove the common group at any moment while it is empty. */
static gboolean make_group(const SandboxCgroups *cgroups, Controller controller, const char *group)
{
    for (guint n = 0; n < 3; n++) {
        if (make(group))
            return TRUE;
        make(cgroups->groups[controller]);
        if (cgroups->is_unified)
            enable(cgroups->groups[controller], controller);
    }
    return FALSE;
}

gboolean sandbox_cgroups_prepare(const SandboxCgroups *cgroups, const char *id,
                                 const SandboxCaps *caps, GPtrArray *joins, char **oom_file,
                                 GError **error)
{
    for (guint i = 0; i < CONTROLLERS; i++) {
        g_autofree char *group = NULL;

        if (!cgroups->groups[i])
            continue;
        group = g_build_filename(cgroups->groups[i], id, NULL);
        if (!make_group(cgroups, (Controller)i, group) ||
            !set_cap(cgroups, (Controller)i, group, caps))
            return error_set(error, ERROR_INTERNAL, "cgroup %s: %s", group, g_strerror(errno));
    }
    sandbox_cgroups_joins(cgroups, id, joins);
    if (cgroups->groups[MEMORY])
        *oom_file =
            g_build_filename(cgroups->groups[MEMORY], id,
                             cgroups->is_unified ? "memory.events" : "memory.oom_control", NULL);
    return TRUE;
}

void sandbox_cgroups_joins(const SandboxCgroups *cgroups, const char *id, GPtrArray *joins)
{
    for (guint i = 0; i < CONTROLLERS; i++) {
        g_autofree char *file = NULL;

        if (!cgroups->groups[i])
            continue;
        file = g_build_filename(cgroups->groups[i], id, "cgroup.procs", NULL);
        if (joins->len == 0 || strcmp(joins->pdata[joins->len - 1], file) != 0)
            g_ptr_array_add(joins, g_steal_pointer(&file));
    }
}

void sandbox_cgroups_remove(const SandboxCgroups *cgroups, const char *id)
{
    for (guint i = 0; i < CONTROLLERS; i++) {
        g_autofree char *group = NULL;

        if (!cgroups->groups[i])
            continue;
        group = g_build_filename(cgroups->groups[i], id, NULL);
        for (guint n = 0; n < REMOVE_TRY && rmdir(group) != 0 && errno == EBUSY; n++)
            g_usleep(REMOVE_WAIT);
    }
}
