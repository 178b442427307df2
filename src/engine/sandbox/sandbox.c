/* The sandbox engine itself: what it needs of the machine, its figures, its table of operations. */
#include "engine/sandbox/sandbox.h"

#include "base/ids.h"
#include "base/log.h"
#include "engine/sandbox/container.h"
#include "engine/sandbox/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROBE_MS    10000
#define VERSION_MAX 64
#define ID_FILE     "id"

static char *supervisor_path; /* set before the first engine, from the main thread */

void engine_sandbox_supervisor_set(const char *path)
{
    g_free(supervisor_path);
    supervisor_path = g_strdup(path);
}

/* ---- The programs it needs ---- */

/* Beside our own executable: installed, in a build tree, or from a test in it. */
static char *find_supervisor(GError **error)
{
    static const char *const places[] = {
        ".",
        "../lib/workspaced",
        "../libexec/workspaced",
        "src/engine/supervisor",
        "engine/supervisor",
        "../engine/supervisor",
        "../src/engine/supervisor",
        "engine/supervisor",           /* as the build leaves it, for the server */
        "../../src/engine/supervisor", /* and for the tests */
    };
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = self ? g_path_get_dirname(self) : g_strdup("/");

    if (supervisor_path && access(supervisor_path, X_OK) == 0)
        return g_canonicalize_filename(supervisor_path, NULL);
    for (guint i = 0; !supervisor_path && i < G_N_ELEMENTS(places); i++) {
        g_autofree char *path = g_build_filename(folder, places[i], SANDBOX_SUPERVISOR_NAME, NULL);

        if (access(path, X_OK) == 0)
            return g_canonicalize_filename(path, NULL);
    }
    error_set(error, ERROR_UNAVAILABLE, "the program %s is missing: it belongs beside the server's",
              supervisor_path ? supervisor_path : SANDBOX_SUPERVISOR_NAME);
    return NULL;
}

/* Runs a program to its end; its first output goes to `output`, its errors to `errors`. */
static gboolean run(const char *const *argv, GString *output, GString *errors, GError **error)
{
    int pipes[2][2] = {{-1, -1}, {-1, -1}}, status = 0;
    GString *texts[2] = {output, errors};
    pid_t pid = 0;
    gboolean is_done = pipe2(pipes[0], O_CLOEXEC) == 0 && pipe2(pipes[1], O_CLOEXEC) == 0;

    if (!is_done)
        error_set(error, ERROR_UNAVAILABLE, "pipes: %s", g_strerror(errno));
    is_done =
        is_done && sandbox_spawn(argv, (const int[]){-1, pipes[0][1], pipes[1][1]}, 3, &pid, error);
    for (guint i = 0; i < 2; i++)
        if (pipes[i][1] >= 0)
            close(pipes[i][1]);
    if (is_done && !sandbox_child_wait(pid, PROBE_MS, &status)) {
        kill(pid, SIGKILL);
        sandbox_child_wait(pid, PROBE_MS, &status);
    }
    for (guint i = 0; i < 2; i++) {
        char bytes[1024];
        ssize_t got = is_done ? read(pipes[i][0], bytes, sizeof bytes) : 0;

        if (got > 0)
            g_string_append_len(texts[i], bytes, got);
        if (pipes[i][0] >= 0)
            close(pipes[i][0]);
    }
    if (is_done && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        is_done = error_set(error, ERROR_UNAVAILABLE, "%s: %s", argv[0], g_strstrip(errors->str));
    return is_done;
}

static gboolean find_bubblewrap(SandboxEngine *sandbox, GError **error)
{
    g_autoptr(GString) output = g_string_new(NULL), errors = g_string_new(NULL);
    const char *argv[] = {NULL, "--version", NULL};

    sandbox->bubblewrap = g_find_program_in_path("bwrap");
    if (!sandbox->bubblewrap)
        return error_set(error, ERROR_UNAVAILABLE,
                         "bubblewrap is missing: install the package that brings bwrap");
    argv[0] = sandbox->bubblewrap;
    if (!run(argv, output, errors, error))
        return FALSE;
    g_strstrip(output->str); /* "bubblewrap 0.8.0" */
    sandbox->bubblewrap_version = g_strndup(
        g_str_has_prefix(output->str, "bubblewrap ") ? output->str + 11 : output->str, VERSION_MAX);
    return TRUE;
}

/* Whether namespaces like a container's can be made here at all. */
static gboolean probe(SandboxEngine *sandbox, GError **error)
{
    g_autoptr(GString) output = g_string_new(NULL), errors = g_string_new(NULL);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    const char *const common[] = {sandbox->bubblewrap,
                                  "--die-with-parent",
                                  "--as-pid-1",
                                  "--unshare-pid",
                                  "--unshare-ipc",
                                  "--ro-bind",
                                  "/",
                                  "/",
                                  "--proc",
                                  "/proc",
                                  "--dev",
                                  "/dev"};

    for (guint i = 0; i < G_N_ELEMENTS(common); i++)
        g_ptr_array_add(argv, (char *)common[i]);
    if (!sandbox->is_root)
        g_ptr_array_add(argv, (char *)"--unshare-user");
    g_ptr_array_add(argv, (char *)"--");
    g_ptr_array_add(argv, sandbox->supervisor);
    g_ptr_array_add(argv, (char *)"probe");
    g_ptr_array_add(argv, NULL);
    return run((const char *const *)argv->pdata, output, errors, error) ||
           error_prefix(error, "no sandbox can be made on this machine");
}

/* ---- Its directory ---- */

static gboolean make_folders(SandboxEngine *sandbox, GError **error)
{
    static const char *const folders[] = {SANDBOX_IMAGES, SANDBOX_TAGS,    SANDBOX_CONTAINERS,
                                          SANDBOX_NAMES,  SANDBOX_VOLUMES, SANDBOX_EVENTS,
                                          SANDBOX_NEW,    SANDBOX_TRASH};

    for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = sandbox_path(sandbox, folders[i], NULL);

        if (!sandbox_tree_make(path, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean load_id(SandboxEngine *sandbox, GError **error)
{
    g_autofree char *path = sandbox_path(sandbox, ID_FILE, NULL);
    g_autofree char *text = NULL;
    g_auto(SandboxLock) lock = SANDBOX_LOCK_INIT;
    char id[ID_SIZE];

    if (!sandbox_lock_names(sandbox, &lock, error))
        return FALSE;
    if (!sandbox_tree_read(path, ID_SIZE, &text, NULL, NULL) || !id_fold(text, id)) {
        id_make(id);
        if (!sandbox_tree_write(path, id, strlen(id), error))
            return FALSE;
    }
    sandbox->id = g_strdup(id);
    return TRUE;
}

static gboolean open_directory(SandboxEngine *sandbox, const char *directory, GError **error)
{
    char *real = NULL;

    if (!sandbox_tree_make(directory, error))
        return FALSE;
    real = realpath(directory, NULL);
    if (!real)
        return sandbox_tree_fail("open", directory, error);
    sandbox->directory = g_strdup(real);
    free(real);
    if (!make_folders(sandbox, error) || !load_id(sandbox, error))
        return FALSE;
    sandbox_sweep(sandbox);
    return TRUE;
}

/* ---- Small operations ---- */

static gboolean sandbox_ping(Engine *self, GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autofree char *folder = sandbox_path(sandbox, SANDBOX_CONTAINERS, NULL);

    if (access(folder, R_OK | W_OK | X_OK) != 0)
        return error_set(error, ERROR_UNAVAILABLE, "%s: %s", folder, g_strerror(errno));
    if (access(sandbox->bubblewrap, X_OK) != 0 || access(sandbox->supervisor, X_OK) != 0)
        return error_set(error, ERROR_UNAVAILABLE, "bwrap or " SANDBOX_SUPERVISOR_NAME " is gone");
    return TRUE;
}

static gboolean sandbox_info(Engine *self, EngineInfo **info, GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    EngineInfo *found = g_new0(EngineInfo, 1);

    (void)error;
    found->id = g_strdup(sandbox->id);
    found->name = g_strdup_printf("Sandbox (bubblewrap %s)", sandbox->bubblewrap_version);
    found->version = g_strdup(sandbox->bubblewrap_version);
    found->cpus = sysconf(_SC_NPROCESSORS_ONLN);
    found->memory_bytes = (gint64)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    found->limits_memory = sandbox_cgroups_limit_memory(sandbox->cgroups);
    found->limits_cpu = sandbox_cgroups_limit_cpu(sandbox->cgroups);
    found->limits_pids = sandbox_cgroups_limit_pids(sandbox->cgroups);
    *info = found;
    return TRUE;
}

/* Containers use the host's network. */
static gboolean sandbox_network_ensure(Engine *self, const char *name, const EngineLabels *labels,
                                       GError **error)
{
    (void)self;
    (void)name;
    (void)labels;
    (void)error;
    return TRUE;
}

static void sandbox_free(Engine *self)
{
    SandboxEngine *sandbox = sandbox_engine(self);

    g_free(sandbox->directory);
    g_free(sandbox->id);
    g_free(sandbox->bubblewrap);
    g_free(sandbox->bubblewrap_version);
    g_free(sandbox->supervisor);
    sandbox_cgroups_free(sandbox->cgroups);
    g_free(sandbox);
}

static const EngineOps sandbox_ops = {
    .name = "sandbox",
    .ping = sandbox_ping,
    .info = sandbox_info,
    .list = sandbox_list,
    .inspect = sandbox_inspect,
    .create = sandbox_create,
    .start = sandbox_start,
    .stop = sandbox_stop,
    .remove = sandbox_remove,
    .freeze = sandbox_freeze,
    .thaw = sandbox_thaw,
    .volume_create = sandbox_volume_create,
    .volume_list = sandbox_volume_list,
    .volume_remove = sandbox_volume_remove,
    .network_ensure = sandbox_network_ensure,
    .exec = sandbox_exec,
    .attach = sandbox_attach,
    .session_fd = sandbox_session_fd,
    .session_resize = sandbox_session_resize,
    .session_free = sandbox_session_free,
    .copy_in = sandbox_copy_in,
    .copy_out = sandbox_copy_out,
    .logs = sandbox_logs,
    .logs_follow = sandbox_logs_follow,
    .stats = sandbox_stats,
    .events = sandbox_events,
    .image_inspect = sandbox_image_inspect,
    .image_import = sandbox_image_import,
    .image_pull = sandbox_image_pull,
    .free = sandbox_free,
};

Engine *engine_sandbox_new(const char *directory, GError **error)
{
    SandboxEngine *sandbox = g_new0(SandboxEngine, 1);

    g_return_val_if_fail(directory, NULL);
    engine_init(&sandbox->base, &sandbox_ops);
    sandbox->is_root = geteuid() == 0;
    sandbox->cgroups = sandbox_cgroups_probe();
    sandbox->supervisor = find_supervisor(error);
    if (sandbox->supervisor && find_bubblewrap(sandbox, error) && probe(sandbox, error) &&
        open_directory(sandbox, directory, error))
        return &sandbox->base;
    sandbox_free(&sandbox->base);
    return NULL;
}
