/* Finding and locking: what all subjects need first. */
#include "base/ids.h"
#include "base/log.h"
#include "engine/sandbox/container.h"
#include "engine/sandbox/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

char *sandbox_path(SandboxEngine *sandbox, const char *a, const char *b)
{
    return g_build_filename(sandbox->directory, a, b, NULL);
}

void sandbox_container_free(SandboxContainer *container)
{
    if (!container)
        return;
    g_free(container->folder);
    sandbox_record_free(container->record);
    g_free(container);
}

/* ---- By id or name ---- */

static char *id_of_name(SandboxEngine *sandbox, const char *name)
{
    g_autofree char *path = sandbox_path(sandbox, SANDBOX_NAMES, name);
    char id[NAME_MAX + 1];
    ssize_t length = readlink(path, id, sizeof id - 1);

    if (length <= 0)
        return NULL;
    id[length] = '\0';
    return strchr(id, '/') || id[0] == '.' ? NULL : g_strdup(id);
}

static SandboxRecord *load_from(const char *folder, GError **error)
{
    g_autoptr(GError) cause = NULL;
    SandboxRecord *record = sandbox_record_load(folder, &cause);

    if (!record && !error_is(cause, ERROR_NOT_FOUND))
        g_propagate_error(error, g_steal_pointer(&cause));
    return record;
}

SandboxContainer *sandbox_container_load(SandboxEngine *sandbox, const char *ref, GError **error)
{
    g_autoptr(SandboxContainer) container = g_new0(SandboxContainer, 1);
    g_autoptr(GError) cause = NULL;
    g_autofree char *id = NULL;

    container->folder = sandbox_path(sandbox, SANDBOX_CONTAINERS, ref);
    container->record = load_from(container->folder, &cause);
    if (!container->record && !cause && (id = id_of_name(sandbox, ref))) {
        g_free(container->folder);
        container->folder = sandbox_path(sandbox, SANDBOX_CONTAINERS, id);
        container->record = load_from(container->folder, &cause);
    }
    if (container->record)
        return g_steal_pointer(&container);
    if (cause)
        g_propagate_error(error, g_steal_pointer(&cause));
    else
        error_set(error, ERROR_NOT_FOUND, "container %s does not exist", ref);
    return NULL;
}

/* ---- Locks ---- */

void sandbox_lock_clear(SandboxLock *lock)
{
    if (lock->fd >= 0)
        close(lock->fd);
    lock->fd = -1;
}

static gboolean lock_file(const char *path, SandboxLock *lock)
{
    int result = 0;

    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock->fd < 0)
        return FALSE;
    while ((result = flock(lock->fd, LOCK_EX)) != 0 && errno == EINTR)
        continue;
    return result == 0;
}

gboolean sandbox_lock_names(SandboxEngine *sandbox, SandboxLock *lock, GError **error)
{
    g_autofree char *path = sandbox_path(sandbox, SANDBOX_LOCK, NULL);

    return lock_file(path, lock) || sandbox_tree_fail("lock", path, error);
}

gboolean sandbox_lock_container(SandboxContainer *container, SandboxLock *lock, GError **error)
{
    g_autofree char *path = g_build_filename(container->folder, SANDBOX_LOCK, NULL);

    if (lock_file(path, lock) && access(path, F_OK) == 0)
        return TRUE;
    if (errno == ENOENT)
        return error_set(error, ERROR_NOT_FOUND, "container %s does not exist",
                         container->record->name);
    return sandbox_tree_fail("lock", path, error);
}

/* ---- Folders ---- */

GPtrArray *sandbox_names(SandboxEngine *sandbox, const char *folder, GError **error)
{
    g_autofree char *path = sandbox_path(sandbox, folder, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    DIR *listing = opendir(path);
    struct dirent *entry = NULL;

    if (!listing) {
        sandbox_tree_fail("list", path, error);
        return NULL;
    }
    errno = 0;
    while ((entry = readdir(listing)))
        if (entry->d_name[0] != '.')
            g_ptr_array_add(names, g_strdup(entry->d_name));
    if (errno != 0) {
        sandbox_tree_fail("list", path, error);
        closedir(listing);
        return NULL;
    }
    closedir(listing);
    return g_steal_pointer(&names);
}

gboolean sandbox_discard(SandboxEngine *sandbox, const char *path, GError **error)
{
    char name[ID_SIZE];
    g_autofree char *trash = NULL;

    id_make(name);
    trash = sandbox_path(sandbox, SANDBOX_TRASH, name);
    if (rename(path, trash) != 0)
        return errno == ENOENT || sandbox_tree_fail("remove", path, error);
    return sandbox_tree_remove(trash, error);
}

char *sandbox_folder_new(SandboxEngine *sandbox, SandboxLock *lock, GError **error)
{
    char name[ID_SIZE];
    g_autofree char *path = NULL;

    id_make(name);
    path = sandbox_path(sandbox, SANDBOX_NEW, name);
    if (mkdir(path, 0700) == 0)
        lock->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock->fd >= 0 && flock(lock->fd, LOCK_EX | LOCK_NB) == 0)
        return g_steal_pointer(&path);
    sandbox_tree_fail("make", path, error);
    return NULL;
}

/* Nobody makes or removes it now. */
static gboolean is_left_over(const char *path)
{
    g_auto(SandboxLock) lock = {.fd = open(path, O_RDONLY | O_CLOEXEC)};

    return lock.fd < 0 || flock(lock.fd, LOCK_EX | LOCK_NB) == 0;
}

void sandbox_sweep(SandboxEngine *sandbox)
{
    static const char *const folders[] = {SANDBOX_NEW, SANDBOX_TRASH};

    for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autoptr(GPtrArray) names = sandbox_names(sandbox, folders[i], NULL);

        for (guint n = 0; names && n < names->len; n++) {
            g_autofree char *path = sandbox_path(sandbox, folders[i], names->pdata[n]);
            g_autoptr(GError) cause = NULL;

            if (is_left_over(path) && !sandbox_tree_remove(path, &cause))
                log_warning("left-over of the sandbox cannot be removed", LOG_CAUSE(cause));
        }
    }
}

/* ---- Mounts ---- */

char *sandbox_mount_source(SandboxEngine *sandbox, const SandboxMount *mount)
{
    switch (mount->type) {
    case ENGINE_MOUNT_VOLUME:
        return g_build_filename(sandbox->directory, SANDBOX_VOLUMES, mount->source, SANDBOX_DATA,
                                NULL);
    case ENGINE_MOUNT_BIND:
        return g_strdup(mount->source);
    default:
        return NULL;
    }
}

static SandboxView *view_running(const SandboxState *state)
{
    g_autofree char *root = g_strdup_printf("/proc/%d/root", (int)state->init);
    g_autoptr(SandboxView) view = sandbox_view_new(root, FALSE, NULL);

    /* After opening: the number is still that process's. */
    return view && sandbox_process_is(state->init, state->init_start) ? g_steal_pointer(&view)
                                                                      : NULL;
}

static SandboxView *view_resting(SandboxEngine *sandbox, SandboxContainer *container,
                                 GPtrArray *targets, GError **error)
{
    SandboxRecord *record = container->record;
    g_autofree char *root = g_build_filename(container->folder, SANDBOX_ROOT, NULL);
    g_autoptr(SandboxView) view = sandbox_view_new(root, record->read_only_root, error);

    for (guint i = 0; view && i < record->mounts->len; i++) {
        const SandboxMount *mount = &g_array_index(record->mounts, SandboxMount, i);
        g_autofree char *source = sandbox_mount_source(sandbox, mount);
        char *target = sandbox_view_mount(view, source, mount->target, mount->read_only, error);

        if (!target)
            return NULL;
        g_ptr_array_add(targets, target);
    }
    return g_steal_pointer(&view);
}

SandboxView *sandbox_container_view(SandboxEngine *sandbox, SandboxContainer *container,
                                    GPtrArray **targets, GError **error)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    SandboxState state;
    SandboxView *view = NULL;

    sandbox_state_load(container->folder, &state);
    if (!targets && state.is_alive && state.init > 0)
        view = view_running(&state);
    sandbox_state_clear(&state);
    if (!view)
        view = view_resting(sandbox, container, found, error);
    if (view && targets)
        *targets = g_steal_pointer(&found);
    return view;
}
