#include "provision/container_spec.h"

#include <string.h>

#define HOST_PORT_FIRST 20000 /* below the kernel's ephemeral range */
#define HOST_PORT_COUNT 10000

static gboolean is_given(const char *text)
{
    return text && *text;
}

static gboolean is_builtin(const char *runtime)
{
    return !is_given(runtime) || strcmp(runtime, RUNTIME_BUILTIN) == 0;
}

gboolean container_has_builtin_agent(const WorkspaceRow *row)
{
    return is_builtin(row->runtime) || is_given(row->executor);
}

char *container_image_dup(const WorkspaceRow *row, const Runtimes *runtimes, const char *base_image,
                          GError **error)
{
    const Runtime *runtime = runtimes_find(runtimes, row->runtime);

    if (is_given(row->image))
        return g_strdup(row->image);
    if (is_builtin(row->runtime))
        return g_strdup(base_image);
    if (runtime && is_given(runtime->image))
        return g_strdup(runtime->image);
    if (runtime)
        error_set_reason(error, ERROR_INVALID, REASON_CONFIGURATION_MISSING,
                         "runtime \"%s\" has no container", runtime->name);
    else
        error_set_reason(
            error, ERROR_INVALID, REASON_CONFIGURATION_MISSING,
            "runtime \"%s\" is not known here and no image is given: set \"image\", or choose "
            "another runtime",
            row->runtime);
    return NULL;
}

gboolean container_is_mountable(const char *directory)
{
    static const char *const forbidden[] = {"/etc",  "/var",  "/proc", "/sys", "/dev",
                                            "/boot", "/sbin", "/bin",  "/lib", "/usr"};
    g_autofree char *canonical = NULL;
    const char *clean = NULL;

    if (!g_path_is_absolute(directory) || strstr(directory, ".."))
        return FALSE;
    canonical = g_canonicalize_filename(directory, "/");
    clean = canonical + (canonical[1] == '/'); /* POSIX keeps two leading slashes apart */
    for (guint i = 0; i < G_N_ELEMENTS(forbidden); i++) {
        gsize length = strlen(forbidden[i]);

        if (strncmp(clean, forbidden[i], length) == 0 &&
            (clean[length] == '\0' || clean[length] == '/'))
            return FALSE;
    }
    return strcmp(clean, "/") != 0;
}

gboolean container_host_directory(const WorkspaceRow *row, const char *fallback,
                                  const char **directory, gboolean *read_only, GError **error)
{
    const char *access = row->workspace_access;
    const char *path = is_given(row->workspace_dir) ? row->workspace_dir : NULL;

    *directory = NULL;
    *read_only = g_strcmp0(access, "read_only") == 0;
    /* A directory named without an access means it is wanted; the server-wide one must be asked
     * for. */
    if (!path && is_given(fallback) && is_given(access) && strcmp(access, "none") != 0)
        path = fallback;
    if (!path || g_strcmp0(access, "none") == 0)
        return TRUE;
    if (!container_is_mountable(path))
        return error_set_reason(
            error, ERROR_INVALID, REASON_REFUSED_BY_POLICY,
            "workspace_dir must be absolute, without \"..\", and no system directory");
    *directory = path;
    return TRUE;
}

guint container_volume_kinds(const Runtime *runtime, const TierCaps *caps, gboolean has_directory)
{
    guint kinds = 1u << VOLUME_CONFIGS;

    if (caps->configs_only)
        return kinds;
    if (!has_directory)
        kinds |= 1u << VOLUME_WORKSPACE;
    if (runtime && runtime->has_sessions)
        kinds |= 1u << VOLUME_SESSIONS;
    return kinds;
}

guint16 container_host_port(const char *id)
{
    return (guint16)(HOST_PORT_FIRST + g_str_hash(id) % HOST_PORT_COUNT);
}

/* ---- The plan ---- */

static const char *keep(ContainerPlan *plan, const char *text)
{
    char *copy = g_strdup(text);

    g_ptr_array_add(plan->texts, copy);
    return copy;
}

static void mount(ContainerPlan *plan, EngineMountType type, const char *source, const char *target,
                  gboolean read_only, gint64 size_bytes)
{
    EngineMount one = {
        .type = type,
        .source = source ? keep(plan, source) : NULL,
        .target = target,
        .read_only = read_only,
        .size_bytes = size_bytes,
    };

    g_array_append_val(plan->mounts, one);
}

static void mount_all(ContainerPlan *plan, const ContainerInput *input)
{
    for (guint i = 0; i < VOLUME_KINDS; i++)
        if (input->volumes[i])
            mount(plan, ENGINE_MOUNT_VOLUME, input->volumes[i], volume_kind_target((VolumeKind)i),
                  FALSE, 0);
    if (input->directory && !input->caps->configs_only)
        mount(plan, ENGINE_MOUNT_BIND, input->directory, volume_kind_target(VOLUME_WORKSPACE),
              input->directory_read_only, 0);
    if (input->caps->temporary_bytes)
        mount(plan, ENGINE_MOUNT_TMPFS, NULL, "/tmp", FALSE, input->caps->temporary_bytes);
    if (input->caps->has_engine_socket && input->engine_has_socket)
        mount(plan, ENGINE_MOUNT_BIND, ENGINE_SOCKET_PATH, ENGINE_SOCKET_PATH, FALSE, 0);
    plan->spec.mounts = (const EngineMount *)plan->mounts->data;
    plan->spec.mount_count = plan->mounts->len;
}

static void set_caps(ContainerSpec *spec, const TierCaps *caps)
{
    spec->read_only_root = caps->read_only_root;
    spec->privileged = caps->privileged;
    spec->host_pid = caps->host_pid;
    spec->host_network = caps->host_network;
    spec->keep_capabilities = caps->privileged;
    spec->memory_bytes = caps->memory_unenforced ? 0 : caps->memory_bytes;
    spec->nano_cpus = caps->cpu_unenforced ? 0 : caps->nano_cpus;
    spec->pids_limit = caps->pids_unenforced ? 0 : caps->pids_limit;
}

static void set_names(ContainerPlan *plan, const ContainerInput *input)
{
    ContainerSpec *spec = &plan->spec;

    spec->name = keep(plan, input->name);
    spec->image = keep(plan, input->image);
    spec->port = input->port;
    if (!input->caps->host_network) { /* with the host's network its name belongs to the host */
        spec->hostname = spec->name;
        spec->network = input->network ? keep(plan, input->network) : NULL;
        spec->network_alias = spec->name;
    }
    spec->labels = (EngineLabels){
        .installation = (char *)keep(plan, input->installation),
        .workspace = (char *)keep(plan, input->row->id),
        .kind = (char *)ENGINE_KIND_WORKSPACE,
        .generation = input->generation,
    };
}

ContainerPlan *container_plan_new(const ContainerInput *input)
{
    ContainerPlan *plan = g_new0(ContainerPlan, 1);

    plan->texts = g_ptr_array_new_with_free_func(g_free);
    plan->mounts = g_array_new(FALSE, FALSE, sizeof(EngineMount));
    plan->environment = environment_list(input->environment);
    plan->spec.environment = (const char *const *)plan->environment;
    set_names(plan, input);
    set_caps(&plan->spec, input->caps);
    mount_all(plan, input);
    if (input->agent_path) {
        plan->entrypoint[0] = keep(plan, input->agent_path);
        plan->spec.entrypoint = plan->entrypoint;
    }
    return plan;
}

void container_plan_free(ContainerPlan *plan)
{
    if (!plan)
        return;
    g_strfreev(plan->environment);
    g_array_free(plan->mounts, TRUE);
    g_ptr_array_free(plan->texts, TRUE);
    g_free(plan);
}
