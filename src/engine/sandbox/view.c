#include "engine/sandbox/view.h"

#include "engine/sandbox/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40   /* as the kernel */
#define STEPS_MAX 4096 /* components of a path, links' included */
#define OPEN      (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

typedef struct {
    char *target; /* canonical; "" is the root */
    int fd;
    gboolean read_only;
} Place;

struct _SandboxView {
    GArray *places; /* Place; the root first */
};

static void place_clear(void *data)
{
    Place *place = data;

    g_free(place->target);
    close(place->fd);
}

static gboolean add_place(SandboxView *view, const char *source, const char *target,
                          gboolean read_only)
{
    Place place = {
        .fd = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC),
        .read_only = read_only,
    };

    if (place.fd < 0)
        return FALSE;
    place.target = g_strdup(target);
    g_array_append_val(view->places, place);
    return TRUE;
}

SandboxView *sandbox_view_new(const char *root, gboolean read_only, GError **error)
{
    g_autoptr(SandboxView) view = g_new0(SandboxView, 1);

    view->places = g_array_new(FALSE, FALSE, sizeof(Place));
    g_array_set_clear_func(view->places, place_clear);
    if (!add_place(view, root, "", read_only)) {
        sandbox_tree_fail("open", root, error);
        return NULL;
    }
    return g_steal_pointer(&view);
}

void sandbox_view_free(SandboxView *view)
{
    if (!view)
        return;
    g_array_free(view->places, TRUE);
    g_free(view);
}

/* What is mounted at exactly this path, the last one first; NULL: nothing. */
static const Place *place_at(const SandboxView *view, const char *canonical)
{
    for (guint i = view->places->len; i > 0; i--) {
        const Place *place = &g_array_index(view->places, Place, i - 1);

        if (strcmp(place->target, canonical) == 0)
            return place;
    }
    return NULL;
}

/* ---- Walking ---- */

typedef struct {
    const SandboxView *view;
    GString *done;      /* canonical so far, "" is the root */
    GPtrArray *pending; /* components to come, last one next */
    int fd;             /* of `done` */
    gboolean read_only;
    SandboxViewMode mode;
    gboolean is_builder; /* makes mount points, in read-only places, too */
    guint links, steps;
} Walk;

static void push_components(Walk *walk, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", STEPS_MAX);
    guint count = g_strv_length(parts);

    for (guint i = count; i > 0; i--)
        g_ptr_array_add(walk->pending, g_strdup(parts[i - 1]));
}

static void stand_on(Walk *walk, int fd)
{
    if (walk->fd >= 0)
        close(walk->fd);
    walk->fd = fd;
}

static void stand_on_place(Walk *walk, const Place *place)
{
    stand_on(walk, fcntl(place->fd, F_DUPFD_CLOEXEC, 0));
    walk->read_only = place->read_only;
}

static gboolean refuse(Walk *walk, const char *name, GError **error)
{
    if (errno == ENOENT)
        return error_set(error, ERROR_NOT_FOUND, "path %s/%s does not exist", walk->done->str,
                         name);
    if (errno == ENOTDIR || errno == ELOOP)
        return error_set(error, ERROR_INVALID, "path %s/%s is no folder", walk->done->str, name);
    if (errno == EROFS)
        return error_set(error, ERROR_INVALID, "path %s is read-only",
                         walk->done->len ? walk->done->str : "/");
    return sandbox_tree_fail("open", name, error);
}

/* From the root again, along components that were links' free a moment ago. */
static gboolean walk_again(Walk *walk, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(walk->done->str, "/", -1);

    stand_on_place(walk, place_at(walk->view, ""));
    g_string_truncate(walk->done, 0);
    for (char **part = parts; *part; part++) {
        const Place *place = NULL;
        int fd = -1;

        if (!**part)
            continue;
        g_string_append_printf(walk->done, "/%s", *part);
        place = place_at(walk->view, walk->done->str);
        if (place) {
            stand_on_place(walk, place);
            continue;
        }
        fd = openat(walk->fd, *part, OPEN);
        if (fd < 0)
            return refuse(walk, *part, error);
        stand_on(walk, fd);
    }
    return TRUE;
}

static gboolean walk_up(Walk *walk, GError **error)
{
    char *slash = strrchr(walk->done->str, '/');

    if (slash)
        g_string_truncate(walk->done, (gsize)(slash - walk->done->str));
    return walk_again(walk, error);
}

static gboolean walk_link(Walk *walk, const char *name, GError **error)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(walk->fd, name, target, sizeof target - 1);

    if (length < 0 || ++walk->links > LINKS_MAX) {
        errno = length < 0 ? errno : ELOOP;
        return refuse(walk, name, error);
    }
    target[length] = '\0';
    push_components(walk, target);
    if (target[0] != '/')
        return TRUE;
    g_string_truncate(walk->done, 0);
    return walk_again(walk, error);
}

static gboolean make_folder(Walk *walk, const char *name)
{
    if (walk->mode != SANDBOX_VIEW_MAKE)
        return FALSE; /* errno is ENOENT still */
    if (walk->read_only && !walk->is_builder) {
        errno = EROFS;
        return FALSE;
    }
    return mkdirat(walk->fd, name, 0755) == 0 || errno == EEXIST;
}

static gboolean walk_down(Walk *walk, const char *name, GError **error)
{
    gsize length = walk->done->len;
    const Place *place = NULL;
    struct stat info;
    int fd = -1;

    g_string_append_printf(walk->done, "/%s", name);
    place = place_at(walk->view, walk->done->str);
    if (place) {
        stand_on_place(walk, place);
        return TRUE;
    }
    g_string_truncate(walk->done, length);
    if (fstatat(walk->fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISLNK(info.st_mode))
            return walk_link(walk, name, error);
    } else if (errno != ENOENT || !make_folder(walk, name)) {
        return refuse(walk, name, error);
    }
    fd = openat(walk->fd, name, OPEN);
    if (fd < 0)
        return refuse(walk, name, error);
    g_string_append_printf(walk->done, "/%s", name);
    stand_on(walk, fd);
    return TRUE;
}

static gboolean walk_step(Walk *walk, GError **error)
{
    g_autofree char *name = g_ptr_array_steal_index(walk->pending, walk->pending->len - 1);

    if (++walk->steps > STEPS_MAX) {
        errno = ELOOP;
        return refuse(walk, name, error);
    }
    if (!*name || strcmp(name, ".") == 0)
        return TRUE;
    if (strcmp(name, "..") == 0)
        return walk_up(walk, error);
    return walk_down(walk, name, error);
}

static int walk_all(SandboxView *view, const char *path, SandboxViewMode mode, gboolean is_builder,
                    char **canonical, GError **error)
{
    Walk walk = {
        .view = view,
        .done = g_string_new(NULL),
        .pending = g_ptr_array_new_with_free_func(g_free),
        .fd = -1,
        .mode = mode,
        .is_builder = is_builder,
    };
    gboolean is_good = TRUE;

    stand_on_place(&walk, place_at(view, ""));
    push_components(&walk, path);
    while (is_good && walk.pending->len > 0)
        is_good = walk_step(&walk, error);
    if (is_good && mode != SANDBOX_VIEW_READ && walk.read_only && !is_builder) {
        errno = EROFS;
        is_good = refuse(&walk, "", error);
    }
    if (!is_good)
        stand_on(&walk, -1);
    if (is_good && canonical)
        *canonical = g_strdup(walk.done->str);
    g_string_free(walk.done, TRUE);
    g_ptr_array_free(walk.pending, TRUE);
    return walk.fd;
}

int sandbox_view_folder(SandboxView *view, const char *path, SandboxViewMode mode, char **canonical,
                        GError **error)
{
    return walk_all(view, path, mode, FALSE, canonical, error);
}

/* An empty file to mount a file on; a link there would lead the mount astray. */
static gboolean make_file(int folder, const char *name, GError **error)
{
    struct stat info;
    int fd = -1;

    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISREG(info.st_mode))
            return TRUE;
        if (unlinkat(folder, name, 0) != 0)
            return error_set(error, ERROR_INVALID, "%s is a folder, its mount is a file", name);
    }
    fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return sandbox_tree_fail("make", name, error);
    close(fd);
    return TRUE;
}

static char *mount_file(SandboxView *view, const char *target, GError **error)
{
    g_autofree char *above = g_path_get_dirname(target);
    g_autofree char *name = g_path_get_basename(target);
    g_autofree char *canonical = NULL;
    int folder = walk_all(view, above, SANDBOX_VIEW_MAKE, TRUE, &canonical, error);
    gboolean is_made = folder >= 0 && make_file(folder, name, error);

    if (folder >= 0)
        close(folder);
    return is_made ? g_strdup_printf("%s/%s", canonical, name) : NULL;
}

char *sandbox_view_mount(SandboxView *view, const char *source, const char *target,
                         gboolean read_only, GError **error)
{
    g_autofree char *canonical = NULL;
    struct stat info;
    int fd = -1;

    if (source && stat(source, &info) != 0) {
        error_set_reason(error, ERROR_INVALID, REASON_MOUNT_REFUSED,
                         "mount source %s does not exist", source);
        return NULL;
    }
    if (source && !S_ISDIR(info.st_mode))
        return mount_file(view, target, error);
    fd = walk_all(view, target, SANDBOX_VIEW_MAKE, TRUE, &canonical, error);
    if (fd < 0)
        return NULL;
    close(fd);
    if (source && !add_place(view, source, canonical, read_only)) {
        sandbox_tree_fail("open", source, error);
        return NULL;
    }
    return g_steal_pointer(&canonical);
}

int sandbox_view_parent(SandboxView *view, const char *path, SandboxViewMode mode, char **name,
                        GError **error)
{
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *above = g_path_get_dirname(path);
    gboolean is_folder = strcmp(base, ".") == 0 || strcmp(base, "..") == 0 ||
                         strcmp(base, "/") == 0 || g_str_has_suffix(path, "/");
    int fd = sandbox_view_folder(view, is_folder ? path : above, mode, NULL, error);

    if (fd >= 0)
        *name = g_strdup(is_folder ? "." : base);
    return fd;
}
