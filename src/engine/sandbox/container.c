/* Containers as folders: list, inspect, create, remove. */
#include "engine/sandbox/container.h"

#include "base/clock.h"
#include "base/ids.h"
#include "engine/sandbox/tree.h"
#include "engine/supervisor/run_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Seeing ---- */

static ContainerState state_of(const SandboxContainer *container, const SandboxState *state)
{
    g_autofree char *frozen = NULL;

    if (!state->ever_started)
        return CONTAINER_CREATED;
    if (g_strcmp0(state->phase, "restarting") == 0)
        return CONTAINER_RESTARTING;
    if (g_strcmp0(state->phase, "running") != 0)
        return CONTAINER_EXITED;
    frozen = g_build_filename(container->folder, SANDBOX_FROZEN, NULL);
    return access(frozen, F_OK) == 0 ? CONTAINER_PAUSED : CONTAINER_RUNNING;
}

static char *address_of(const SandboxContainer *container, ContainerState state)
{
    guint16 port = 0;

    if (state == CONTAINER_RUNNING || state == CONTAINER_PAUSED)
        port = sandbox_port_load(container->folder);
    return container->record->port && port ? g_strdup_printf("127.0.0.1:%u", port) : NULL;
}

static ContainerInfo *info_new(const SandboxContainer *container)
{
    const SandboxRecord *record = container->record;
    ContainerInfo *info = g_new0(ContainerInfo, 1);
    SandboxState state;

    sandbox_state_load(container->folder, &state);
    info->id = g_strdup(record->id);
    info->name = g_strdup(record->name);
    info->image = g_strdup(record->image);
    info->image_digest = g_strdup(record->image_digest);
    info->user = g_strdup(record->user ? record->user : "");
    info->state = state_of(container, &state);
    info->ever_started = state.ever_started;
    info->exit_code = state.exit_code;
    info->out_of_memory = state.is_out_of_memory;
    info->failure = state.failure && *state.failure ? g_steal_pointer(&state.failure) : NULL;
    info->address = address_of(container, info->state);
    info->created_at_us = record->created_at_us;
    info->started_at_us = state.started_us;
    info->finished_at_us = state.finished_us;
    info->restart_count = state.restarts;
    engine_labels_copy(&info->labels, &record->labels);
    sandbox_state_clear(&state);
    return info;
}

gboolean sandbox_inspect(Engine *self, const char *ref, ContainerInfo **info, GError **error)
{
    g_autoptr(SandboxContainer) container =
        sandbox_container_load(sandbox_engine(self), ref, error);

    if (!container)
        return FALSE;
    *info = info_new(container);
    return TRUE;
}

static void free_info(void *info)
{
    container_info_free(info);
}

gboolean sandbox_list(Engine *self, const char *installation, GPtrArray **containers,
                      GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autoptr(GPtrArray) ids = sandbox_names(sandbox, SANDBOX_CONTAINERS, error);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(free_info);

    for (guint i = 0; ids && i < ids->len; i++) {
        g_autoptr(GError) cause = NULL;
        g_autoptr(SandboxContainer) container =
            sandbox_container_load(sandbox, ids->pdata[i], &cause);

        if (!container && error_is(cause, ERROR_NOT_FOUND)) /* removed since */
            continue;
        if (!container) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return error_prefix(error, "container %s", (char *)ids->pdata[i]);
        }
        if (!engine_labels_belong(&container->record->labels, installation))
            continue;
        ContainerInfo *info = info_new(container);
        g_clear_pointer(&info->address, g_free);
        g_clear_pointer(&info->user, g_free);
        g_ptr_array_add(found, info);
    }
    if (!ids)
        return FALSE;
    *containers = g_steal_pointer(&found);
    return TRUE;
}

/* ---- Creating ---- */

static gboolean make_volumes(Engine *self, const SandboxRecord *record, GError **error)
{
    EngineLabels labels = {.installation = record->labels.installation,
                           .workspace = record->labels.workspace};

    for (guint i = 0; i < record->mounts->len; i++) {
        const SandboxMount *mount = &g_array_index(record->mounts, SandboxMount, i);
        EngineLabels existing = {0};

        if (mount->type != ENGINE_MOUNT_VOLUME ||
            sandbox_volume_exists(sandbox_engine(self), mount->source))
            continue;
        if (!sandbox_volume_create(self, mount->source, &labels, &existing, error))
            return FALSE;
        engine_labels_clear(&existing);
    }
    return TRUE;
}

static gboolean check_mounts(SandboxEngine *sandbox, const SandboxRecord *record, GError **error)
{
    for (guint i = 0; i < record->mounts->len; i++) {
        const SandboxMount *mount = &g_array_index(record->mounts, SandboxMount, i);

        if (mount->type == ENGINE_MOUNT_BIND && access(mount->source, F_OK) != 0)
            return error_set_reason(error, ERROR_INVALID, REASON_MOUNT_REFUSED,
                                    "mount source %s does not exist", mount->source);
        if (mount->type == ENGINE_MOUNT_VOLUME && !sandbox_volume_exists(sandbox, mount->source))
            return error_set(error, ERROR_CONFLICT, "volume %s was removed", mount->source);
    }
    return TRUE;
}

static gboolean name_is_taken(SandboxEngine *sandbox, const char *name, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(SandboxContainer) other = sandbox_container_load(sandbox, name, &cause);

    if (!other && error_is(cause, ERROR_NOT_FOUND))
        return FALSE;
    if (!other)
        g_propagate_error(error, g_steal_pointer(&cause));
    else
        error_set(error, ERROR_CONFLICT, "container %s exists already", name);
    return TRUE;
}

/* The root of its own: images may be removed while the copy is made, but not half of one. */
static gboolean copy_root(SandboxEngine *sandbox, SandboxRecord *record, const char *folder,
                          GError **error)
{
    g_autofree char *image =
        sandbox_image_find(sandbox, record->image, &record->image_digest, error);
    g_autofree char *from = image ? g_build_filename(image, SANDBOX_ROOT, NULL) : NULL;
    g_autofree char *to = g_build_filename(folder, SANDBOX_ROOT, NULL);
    g_auto(SandboxLock) hold = SANDBOX_LOCK_INIT;

    if (!image)
        return FALSE;
    hold.fd = open(image, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (hold.fd < 0 || flock(hold.fd, LOCK_SH) != 0 || access(from, F_OK) != 0)
        return error_set(error, ERROR_NOT_FOUND, "image %s does not exist", record->image);
    return sandbox_tree_copy(from, to, error);
}

static gboolean write_record(const SandboxRecord *record, const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, SANDBOX_RECORD_FILE, NULL);
    g_autoptr(GString) text = g_string_new(NULL);

    sandbox_record_write(record, text);
    if (text->len > SANDBOX_RECORD_MAX_BYTES)
        return error_set(error, ERROR_INVALID, "the container's specification is too large");
    return sandbox_tree_write(path, text->str, text->len, error);
}

static gboolean fill_folder(SandboxEngine *sandbox, SandboxRecord *record, const char *folder,
                            GError **error)
{
    g_autofree char *lock = g_build_filename(folder, SANDBOX_LOCK, NULL);

    return copy_root(sandbox, record, folder, error) && sandbox_tree_write(lock, "", 0, error) &&
           write_record(record, folder, error);
}

/* From here on it exists: the link first, because a link to nothing is no container, but a
 * container without a link could not be found by name. */
static gboolean publish(SandboxEngine *sandbox, const SandboxRecord *record, const char *folder,
                        GError **error)
{
    g_autofree char *name = sandbox_path(sandbox, SANDBOX_NAMES, record->name);
    g_autofree char *to = sandbox_path(sandbox, SANDBOX_CONTAINERS, record->id);
    g_autofree char *names = g_path_get_dirname(name), *containers = g_path_get_dirname(to);
    g_auto(SandboxLock) lock = SANDBOX_LOCK_INIT;

    if (!sandbox_lock_names(sandbox, &lock, error) || name_is_taken(sandbox, record->name, error) ||
        !check_mounts(sandbox, record, error))
        return FALSE;
    unlink(name); /* what a crash left: it leads nowhere */
    if (symlink(record->id, name) != 0 || rename(folder, to) != 0)
        return sandbox_tree_fail("make", to, error);
    return sandbox_tree_sync(names, error) && sandbox_tree_sync(containers, error);
}

static gboolean check_spec(SandboxEngine *sandbox, const SandboxRecord *record, GError **error)
{
    if (!record->command[0] || !*record->command[0])
        return error_set_reason(error, ERROR_INVALID, REASON_COMMAND_NOT_FOUND,
                                "a command is needed: the sandbox knows no image's own one");
    if (name_is_taken(sandbox, record->name, error))
        return FALSE;
    for (guint i = 0; i < record->mounts->len; i++) {
        const SandboxMount *mount = &g_array_index(record->mounts, SandboxMount, i);

        if (mount->type == ENGINE_MOUNT_BIND && access(mount->source, F_OK) != 0)
            return error_set_reason(error, ERROR_INVALID, REASON_MOUNT_REFUSED,
                                    "mount source %s does not exist", mount->source);
    }
    return TRUE;
}

gboolean sandbox_create(Engine *self, const ContainerSpec *spec, char **id, GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autoptr(SandboxRecord) record = sandbox_record_new(spec);
    g_auto(SandboxLock) hold = SANDBOX_LOCK_INIT;
    g_autofree char *folder = NULL;
    char number[ID_SIZE];

    id_make(number);
    record->id = g_strdup(number);
    record->created_at_us = clock_now_us();
    if (!check_spec(sandbox, record, error))
        return FALSE;
    folder = sandbox_folder_new(sandbox, &hold, error);
    if (!folder)
        return FALSE;
    if (!fill_folder(sandbox, record, folder, error) || !make_volumes(self, record, error) ||
        !publish(sandbox, record, folder, error)) {
        sandbox_tree_remove(folder, NULL); /* else the next sweep does */
        return FALSE;
    }
    sandbox_event_write(sandbox, record, "create");
    *id = g_strdup(record->id);
    return TRUE;
}

/* ---- Removing ---- */

static gboolean withdraw(SandboxEngine *sandbox, SandboxContainer *container, GError **error)
{
    g_autofree char *name = sandbox_path(sandbox, SANDBOX_NAMES, container->record->name);
    g_autofree char *names = g_path_get_dirname(name);
    g_autofree char *containers = g_path_get_dirname(container->folder);
    g_autofree char *trash = sandbox_path(sandbox, SANDBOX_TRASH, container->record->id);
    g_auto(SandboxLock) lock = SANDBOX_LOCK_INIT;

    if (!sandbox_lock_names(sandbox, &lock, error))
        return FALSE;
    if (rename(container->folder, trash) != 0 && errno != ENOENT)
        return sandbox_tree_fail("remove", container->folder, error);
    g_free(container->folder);
    container->folder = g_steal_pointer(&trash);
    return (unlink(name) == 0 || errno == ENOENT || sandbox_tree_fail("remove", name, error)) &&
           sandbox_tree_sync(containers, error) && sandbox_tree_sync(names, error);
}

/* An earlier removal may have been interrupted after the container had gone from all lists. */
static gboolean remove_rest(SandboxEngine *sandbox, const char *ref, GError **error)
{
    g_autofree char *trash = sandbox_path(sandbox, SANDBOX_TRASH, ref);

    return sandbox_tree_remove(trash, error);
}

gboolean sandbox_remove(Engine *self, const char *ref, GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autoptr(GError) cause = NULL;
    g_autoptr(SandboxContainer) container = sandbox_container_load(sandbox, ref, &cause);
    g_auto(SandboxLock) lock = SANDBOX_LOCK_INIT;

    if (!container && error_is(cause, ERROR_NOT_FOUND))
        return remove_rest(sandbox, ref, error);
    if (container && !sandbox_lock_container(container, &lock, &cause) &&
        error_is(cause, ERROR_NOT_FOUND))
        return TRUE;
    if (cause) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    if (!sandbox_supervisor_stop(container->folder, 0, error) ||
        !withdraw(sandbox, container, error))
        return FALSE;
    sandbox_cgroups_remove(sandbox->cgroups, container->record->id);
    if (!sandbox_tree_remove(container->folder, error))
        return FALSE;
    sandbox_event_write(sandbox, container->record, "destroy");
    return TRUE;
}
