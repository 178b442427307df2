#include "engine/sandbox/command.h"

#include <string.h>
#include <sys/resource.h>

#define LOG_MAX_BYTES (10 * 1024 * 1024) /* a file; two are kept */
#define SHM_BYTES     (64 * 1024 * 1024) /* as Docker's default */

static const char *const kept_names[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER",
                                         "CAP_KILL",  "CAP_SETGID",       "CAP_SETUID"};

void sandbox_records_add(GString *records, RunTag tag, const char *text)
{
    g_string_append_c(records, (char)tag);
    g_string_append(records, text);
    g_string_append_c(records, '\0');
}

static void add_number(GString *records, RunTag tag, const char *format, gint64 number)
{
    g_autofree char *text = g_strdup_printf(format, number);

    sandbox_records_add(records, tag, text);
}

const char *sandbox_hostname(const SandboxRecord *record)
{
    if (record->hostname && *record->hostname)
        return record->hostname;
    return record->host_network ? NULL : record->name;
}

/* ---- bwrap ---- */

static void word(GString *records, const char *text)
{
    sandbox_records_add(records, RUN_BUBBLEWRAP, text);
}

static void words(GString *records, const char *a, const char *b, const char *c)
{
    word(records, a);
    if (b)
        word(records, b);
    if (c)
        word(records, c);
}

static void number_word(GString *records, const char *option, gint64 number)
{
    word(records, option);
    add_number(records, RUN_BUBBLEWRAP, "%" G_GINT64_FORMAT, number);
}

static void add_namespaces(GString *records, const SandboxCommand *command)
{
    const char *hostname = sandbox_hostname(command->container->record);

    words(records, "--die-with-parent", "--as-pid-1", NULL);
    words(records, "--unshare-pid", "--unshare-ipc", "--unshare-cgroup-try");
    if (hostname)
        words(records, "--unshare-uts", "--hostname", hostname);
    if (command->sandbox->is_root)
        return;
    word(records, "--unshare-user");
    number_word(records, "--uid", command->uid);
    number_word(records, "--gid", command->gid);
}

static void add_capabilities(GString *records, const SandboxRecord *record)
{
    if (record->keep_capabilities) {
        words(records, "--cap-add", "ALL", NULL);
        return;
    }
    words(records, "--cap-drop", "ALL", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(kept_names); i++)
        words(records, "--cap-add", kept_names[i], NULL);
}

/* Root owns the kernel's switches even without capabilities; an ordinary user's namespace has no
 * right to them anyway. */
static void add_kernel_files(GString *records, const SandboxCommand *command)
{
    static const char *const hidden[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list",
                                         "/proc/sched_debug"};

    words(records, "--proc", "/proc", NULL);
    if (!command->sandbox->is_root || command->container->record->keep_capabilities)
        return;
    words(records, "--ro-bind", "/proc/sys", "/proc/sys");
    words(records, "--ro-bind-try", "/proc/sysrq-trigger", "/proc/sysrq-trigger");
    for (guint i = 0; i < G_N_ELEMENTS(hidden); i++)
        if (g_file_test(hidden[i], G_FILE_TEST_EXISTS))
            words(records, "--ro-bind", "/dev/null", hidden[i]);
}

static void add_system_mounts(GString *records, const SandboxCommand *command)
{
    add_kernel_files(records, command);
    words(records, "--dev", "/dev", NULL);
    words(records, "--perms", "1777", NULL);
    number_word(records, "--size", SHM_BYTES);
    words(records, "--tmpfs", "/dev/shm", NULL);
    words(records, "--ro-bind", command->sandbox->supervisor, RUN_INIT_PATH);
}

static void add_mount(GString *records, const SandboxCommand *command, guint index)
{
    const SandboxMount *mount =
        &g_array_index(command->container->record->mounts, SandboxMount, index);
    const char *target = command->targets->pdata[index];
    g_autofree char *source = sandbox_mount_source(command->sandbox, mount);

    if (source) {
        words(records, mount->read_only ? "--ro-bind" : "--bind", source, target);
        return;
    }
    words(records, "--perms", "1777", NULL);
    if (mount->size_bytes > 0)
        number_word(records, "--size", mount->size_bytes);
    words(records, "--tmpfs", target, NULL);
}

static void add_network_files(GString *records, const SandboxCommand *command)
{
    static const char *const files[] = {"hosts", "hostname", "resolv.conf"};
    const SandboxContainer *container = command->container;

    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *source = g_build_filename(container->folder, SANDBOX_ETC, files[i], NULL);
        g_autofree char *target = g_build_filename("/etc", files[i], NULL);

        if (g_file_test(source, G_FILE_TEST_EXISTS))
            words(records, container->record->read_only_root ? "--ro-bind" : "--bind", source,
                  target);
    }
}

static void add_bubblewrap(GString *records, const SandboxCommand *command)
{
    const SandboxContainer *container = command->container;
    g_autofree char *root = g_build_filename(container->folder, SANDBOX_ROOT, NULL);

    word(records, command->sandbox->bubblewrap);
    add_namespaces(records, command);
    add_capabilities(records, container->record);
    number_word(records, "--json-status-fd", RUN_FD_STATUS);
    words(records, container->record->read_only_root ? "--ro-bind" : "--bind", root, "/");
    add_system_mounts(records, command);
    add_network_files(records, command);
    for (guint i = 0; i < command->targets->len; i++)
        add_mount(records, command, i);
    words(records, "--", RUN_INIT_PATH, "init");
}

/* ---- The program ---- */

/* Adds KEY=value unless the spec has the key. */
static void add_default(GString *records, const SandboxRecord *record, const char *key,
                        const char *value)
{
    g_autofree char *entry = g_strconcat(key, "=", value, NULL);

    if (!sandbox_environment_find(record->environment, key))
        sandbox_records_add(records, RUN_ENVIRONMENT, entry);
}

void sandbox_records_add_environment(GString *records, const SandboxRecord *record, guint16 port)
{
    const char *hostname = sandbox_hostname(record);
    g_autofree char *number = g_strdup_printf("%u", port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u", port);

    if (hostname)
        add_default(records, record, "HOSTNAME", hostname);
    for (char *const *given = record->environment; *given; given++)
        sandbox_records_add(records, RUN_ENVIRONMENT, *given);
    if (port == 0)
        return;
    add_default(records, record, "WORKSPACE_AGENT_PORT", number);
    add_default(records, record, "WORKSPACE_AGENT_LISTEN", "127.0.0.1");
    add_default(records, record, "WORKSPACE_AGENT_URL", url);
}

static void add_limit(GString *records, int resource, gint64 value)
{
    g_autofree char *text = g_strdup_printf("%d %" G_GINT64_FORMAT, resource, value);

    sandbox_records_add(records, RUN_LIMIT, text);
}

/* Without control groups the nearest the kernel has, a process each; the engine says that these are
 * not the caps asked for. */
static void add_limits(GString *records, const SandboxCommand *command)
{
    const SandboxCaps *caps = &command->container->record->caps;
    const SandboxCgroups *cgroups = command->sandbox->cgroups;

    add_limit(records, RLIMIT_CORE, 0);
    if (caps->memory_bytes > 0 && !sandbox_cgroups_limit_memory(cgroups))
        add_limit(records, RLIMIT_DATA, caps->memory_bytes);
    if (caps->pids > 0 && !sandbox_cgroups_limit_pids(cgroups) && !command->sandbox->is_root)
        add_limit(records, RLIMIT_NPROC, caps->pids);
}

static void add_program(GString *records, const SandboxCommand *command)
{
    const SandboxRecord *record = command->container->record;

    if (command->sandbox->is_root)
        sandbox_records_add(records, RUN_USER, record->user ? record->user : "");
    sandbox_records_add(records, RUN_DIRECTORY, "/");
    sandbox_records_add_environment(records, record, command->port);
    add_limits(records, command);
    for (char **argument = record->command; *argument; argument++)
        sandbox_records_add(records, RUN_ARGUMENT, *argument);
}

/* ---- All of it ---- */

/* As the Docker engine: whatever is no helper runs until it is stopped. */
static gboolean wants_restart(const SandboxRecord *record)
{
    return g_strcmp0(record->labels.kind, ENGINE_KIND_HELPER) != 0;
}

GString *sandbox_command_start(const SandboxCommand *command)
{
    const SandboxRecord *record = command->container->record;
    GString *records = g_string_new(NULL);
    g_autofree char *prefix = sandbox_event_prefix(record);
    g_autofree char *events = sandbox_path(command->sandbox, SANDBOX_EVENTS, NULL);

    add_bubblewrap(records, command);
    sandbox_records_add(records, RUN_RESTART, wants_restart(record) ? "1" : "0");
    sandbox_records_add(records, RUN_EVENT_PREFIX, prefix);
    sandbox_records_add(records, RUN_EVENTS_FOLDER, events);
    add_number(records, RUN_LOG_MAX, "%" G_GINT64_FORMAT, LOG_MAX_BYTES);
    for (guint i = 0; i < command->joins->len; i++)
        sandbox_records_add(records, RUN_CGROUP, command->joins->pdata[i]);
    if (command->oom_file)
        sandbox_records_add(records, RUN_OOM_FILE, command->oom_file);
    add_program(records, command);
    return records;
}
