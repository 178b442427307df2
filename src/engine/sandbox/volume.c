/* Volumes: volumes/<name>/ with volume.json (labels, time) and data/. */
#include "base/clock.h"
#include "engine/sandbox/container.h"
#include "engine/sandbox/tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VOLUME_FILE      "volume.json"
#define VOLUME_MAX_BYTES 65536

static char *volume_path(SandboxEngine *sandbox, const char *name)
{
    return sandbox_path(sandbox, SANDBOX_VOLUMES, name);
}

gboolean sandbox_volume_exists(SandboxEngine *sandbox, const char *name)
{
    g_autofree char *path = volume_path(sandbox, name);

    return access(path, F_OK) == 0;
}

static gboolean volume_load(SandboxEngine *sandbox, const char *name, VolumeInfo *info,
                            GError **error)
{
    g_autofree char *path =
        g_build_filename(sandbox->directory, SANDBOX_VOLUMES, name, VOLUME_FILE, NULL);
    g_autofree char *text = NULL;
    JsonView object;
    gsize length = 0;

    if (!sandbox_tree_read(path, VOLUME_MAX_BYTES, &text, &length, error))
        return FALSE;
    if (!json_view_parse(text, length, JSON_ONE_VALUE, &object, NULL))
        return error_set(error, ERROR_INTERNAL, "volume %s: " VOLUME_FILE " is broken", name);
    info->name = g_strdup(name);
    info->created_at_us = sandbox_json_int(object, "created_at_us");
    sandbox_labels_read(object, &info->labels);
    return TRUE;
}

/* ---- Making ---- */

static gboolean fill_folder(const char *folder, const EngineLabels *labels, GError **error)
{
    g_autofree char *data = g_build_filename(folder, SANDBOX_DATA, NULL);
    g_autofree char *path = g_build_filename(folder, VOLUME_FILE, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    sandbox_labels_write(&out, labels);
    json_out_int(&out, "created_at_us", clock_now_us());
    json_out_end(&out);
    return sandbox_tree_make(data, error) &&
           (chmod(data, 0755) == 0 || sandbox_tree_fail("make", data, error)) &&
           sandbox_tree_write(path, text->str, text->len, error);
}

static gboolean volume_make(SandboxEngine *sandbox, const char *name, const EngineLabels *labels,
                            GError **error)
{
    g_autofree char *to = volume_path(sandbox, name);
    g_autofree char *volumes = g_path_get_dirname(to);
    g_auto(SandboxLock) hold = SANDBOX_LOCK_INIT;
    g_autofree char *folder = sandbox_folder_new(sandbox, &hold, error);
    gboolean is_done = folder && fill_folder(folder, labels, error);

    /* Onto a volume that another call has just made, a rename is refused: then that one counts. */
    if (is_done && rename(folder, to) != 0 && errno != EEXIST && errno != ENOTEMPTY)
        is_done = sandbox_tree_fail("make", to, error);
    if (folder)
        sandbox_tree_remove(folder, NULL);
    return is_done && sandbox_tree_sync(volumes, error);
}

gboolean sandbox_volume_create(Engine *self, const char *name, const EngineLabels *labels,
                               EngineLabels *existing, GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    VolumeInfo info = {0};

    if (!sandbox_volume_exists(sandbox, name) && !volume_make(sandbox, name, labels, error))
        return FALSE;
    if (!volume_load(sandbox, name, &info, error))
        return FALSE;
    *existing = info.labels;
    g_free(info.name);
    return TRUE;
}

/* ---- Listing and removing ---- */

static void free_info(void *info)
{
    volume_info_free(info);
}

gboolean sandbox_volume_list(Engine *self, const char *installation, GPtrArray **volumes,
                             GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autoptr(GPtrArray) names = sandbox_names(sandbox, SANDBOX_VOLUMES, error);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(free_info);

    for (guint i = 0; names && i < names->len; i++) {
        g_autoptr(VolumeInfo) info = g_new0(VolumeInfo, 1);
        g_autoptr(GError) cause = NULL;

        if (!volume_load(sandbox, names->pdata[i], info, &cause)) {
            if (error_is(cause, ERROR_NOT_FOUND)) /* removed since */
                continue;
            g_propagate_error(error, g_steal_pointer(&cause));
            return FALSE;
        }
        if (engine_labels_belong(&info->labels, installation))
            g_ptr_array_add(found, g_steal_pointer(&info));
    }
    if (!names)
        return FALSE;
    *volumes = g_steal_pointer(&found);
    return TRUE;
}

static gboolean mounts_volume(const SandboxRecord *record, const char *name)
{
    for (guint i = 0; i < record->mounts->len; i++) {
        const SandboxMount *mount = &g_array_index(record->mounts, SandboxMount, i);

        if (mount->type == ENGINE_MOUNT_VOLUME && strcmp(mount->source, name) == 0)
            return TRUE;
    }
    return FALSE;
}

/* Sets an error when a container, running or not, has it. Under the names' lock. */
static gboolean check_unused(SandboxEngine *sandbox, const char *name, GError **error)
{
    g_autoptr(GPtrArray) ids = sandbox_names(sandbox, SANDBOX_CONTAINERS, error);

    for (guint i = 0; ids && i < ids->len; i++) {
        g_autoptr(GError) cause = NULL;
        g_autoptr(SandboxContainer) container =
            sandbox_container_load(sandbox, ids->pdata[i], &cause);

        if (!container && !error_is(cause, ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return FALSE;
        }
        if (container && mounts_volume(container->record, name))
            return error_set(error, ERROR_CONFLICT, "volume %s is in use by container %s", name,
                             container->record->name);
    }
    return ids != NULL;
}

static gboolean withdraw(SandboxEngine *sandbox, const char *name, GError **error)
{
    g_autofree char *path = volume_path(sandbox, name);
    g_autofree char *volumes = g_path_get_dirname(path);
    g_autofree char *trash = sandbox_path(sandbox, SANDBOX_TRASH, name);
    g_auto(SandboxLock) lock = SANDBOX_LOCK_INIT;

    if (!sandbox_lock_names(sandbox, &lock, error) || !check_unused(sandbox, name, error))
        return FALSE;
    /* What an interrupted removal left under this name has to go first. */
    if (access(path, F_OK) == 0 && !sandbox_tree_remove(trash, error))
        return FALSE;
    if (rename(path, trash) != 0 && errno != ENOENT)
        return sandbox_tree_fail("remove", path, error);
    return sandbox_tree_sync(volumes, error);
}

gboolean sandbox_volume_remove(Engine *self, const char *name, GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autofree char *trash = sandbox_path(sandbox, SANDBOX_TRASH, name);

    return withdraw(sandbox, name, error) && sandbox_tree_remove(trash, error);
}
