#include "engine/sandbox/tree.h"

#include "base/ids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_DEPTH_MAX   200       /* one open folder each; images are refused beyond it */
#define REMOVE_DEPTH_MAX 64        /* deeper ones are moved up first */
#define COPY_CHUNK       (1 << 30) /* bytes a copy_file_range(2) */

gboolean sandbox_tree_fail(const char *what, const char *path, GError **error)
{
    int number = errno;
    gboolean is_disk = number == ENOSPC || number == EDQUOT || number == EIO || number == EROFS;

    return error_set_reason(error, is_disk ? ERROR_UNAVAILABLE : ERROR_INTERNAL,
                            number == ENOSPC || number == EDQUOT ? REASON_DISK_FULL : REASON_NONE,
                            "%s %s: %s", what, path, g_strerror(number));
}

/* ---- Single files ---- */

static gboolean write_bytes(int fd, const char *text, gsize length)
{
    while (length > 0) {
        ssize_t put = write(fd, text, length);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return FALSE;
        text += put;
        length -= (gsize)put;
    }
    return TRUE;
}

gboolean sandbox_tree_write(const char *path, const char *text, gsize length, GError **error)
{
    g_autofree char *temporary = g_strconcat(path, ".new", NULL);
    g_autofree char *folder = g_path_get_dirname(path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    gboolean is_written = FALSE;

    if (fd < 0)
        return sandbox_tree_fail("write", temporary, error);
    is_written = write_bytes(fd, text, length) && fsync(fd) == 0 && rename(temporary, path) == 0;
    if (!is_written)
        sandbox_tree_fail("write", path, error);
    close(fd);
    return is_written && sandbox_tree_sync(folder, error);
}

gboolean sandbox_tree_sync(const char *folder, GError **error)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gboolean is_done = fd >= 0 && fsync(fd) == 0;

    if (!is_done)
        sandbox_tree_fail("sync", folder, error);
    if (fd >= 0)
        close(fd);
    return is_done;
}

gboolean sandbox_tree_read(const char *path, gsize max_bytes, char **text, gsize *length,
                           GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    g_autofree char *bytes = NULL;
    struct stat info;
    gsize size = 0;
    ssize_t got = 0;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return error_set(error, ERROR_NOT_FOUND, "%s is not there", path);
    if (fd < 0 || fstat(fd, &info) != 0 || (gsize)info.st_size > max_bytes) {
        sandbox_tree_fail("read", path, error);
        if (fd >= 0)
            close(fd);
        return FALSE;
    }
    bytes = g_malloc((gsize)info.st_size + 1);
    while (size < (gsize)info.st_size &&
           (got = read(fd, bytes + size, (gsize)info.st_size - size)) > 0)
        size += (gsize)got;
    close(fd);
    if (got < 0)
        return sandbox_tree_fail("read", path, error);
    bytes[size] = '\0';
    *text = g_steal_pointer(&bytes);
    if (length)
        *length = size;
    return TRUE;
}

gboolean sandbox_tree_make(const char *folder, GError **error)
{
    if (g_mkdir_with_parents(folder, 0700) == 0)
        return TRUE;
    return sandbox_tree_fail("make", folder, error);
}

/* ---- Copy ---- */

typedef struct {
    GHashTable *linked; /* inode -> path below the new root, for files with several names */
    int root;           /* of the new tree */
    gboolean keeps_owner;
} Copy;

static gboolean copy_bytes(int from, int to)
{
    ssize_t put = 0;

    if (ioctl(to, FICLONE, from) == 0)
        return TRUE;
    while ((put = copy_file_range(from, NULL, to, NULL, COPY_CHUNK, 0)) > 0)
        continue;
    if (put == 0)
        return TRUE;
    for (;;) { /* file systems between which the kernel does not copy */
        char bytes[65536];

        put = read(from, bytes, sizeof bytes);
        if (put <= 0)
            return put == 0;
        if (!write_bytes(to, bytes, (gsize)put))
            return FALSE;
    }
}

static gboolean copy_owner(const Copy *copy, int folder, const char *name, const struct stat *info)
{
    return !copy->keeps_owner ||
           fchownat(folder, name, info->st_uid, info->st_gid, AT_SYMLINK_NOFOLLOW) == 0;
}

static gboolean copy_times(int folder, const char *name, const struct stat *info)
{
    const struct timespec times[2] = {info->st_mtim, info->st_mtim};

    return utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW) == 0;
}

static gboolean copy_file(const Copy *copy, int from, int to, const char *name,
                          const struct stat *info)
{
    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int out = in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    gboolean is_done = out >= 0 && copy_bytes(in, out) && copy_owner(copy, to, name, info) &&
                       fchmod(out, info->st_mode & 07777) == 0 && copy_times(to, name, info);

    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return is_done;
}

static gboolean copy_link(const Copy *copy, int from, int to, const char *name,
                          const struct stat *info)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(from, name, target, sizeof target - 1);

    if (length < 0)
        return FALSE;
    target[length] = '\0';
    return symlinkat(target, to, name) == 0 && copy_owner(copy, to, name, info);
}

/* A further name of a file that is there already. FALSE: it is the first. */
static gboolean copy_hard_link(const Copy *copy, int to, const char *name, const char *path,
                               const struct stat *info)
{
    const char *first = NULL;
    gint64 inode = (gint64)info->st_ino;

    if (info->st_nlink < 2)
        return FALSE;
    first = g_hash_table_lookup(copy->linked, &inode);
    if (first)
        return linkat(copy->root, first, to, name, 0) == 0;
    g_hash_table_insert(copy->linked, g_memdup2(&inode, sizeof inode), g_strdup(path));
    return FALSE;
}

static gboolean copy_folder(const Copy *copy, int from, int to, const char *path, guint depth,
                            GError **error);

static gboolean copy_below(const Copy *copy, int from, int to, const char *name, const char *path,
                           const struct stat *info, guint depth, GError **error)
{
    int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int out = -1;
    gboolean is_done = FALSE;

    if (in >= 0 && mkdirat(to, name, 0700) == 0)
        out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out < 0)
        sandbox_tree_fail("copy", path, error);
    else
        is_done = copy_folder(copy, in, out, path, depth + 1, error);
    if (is_done && !(copy_owner(copy, to, name, info) && fchmod(out, info->st_mode & 07777) == 0 &&
                     copy_times(to, name, info)))
        is_done = sandbox_tree_fail("copy", path, error);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return is_done;
}

static gboolean copy_entry(const Copy *copy, int from, int to, const char *name, const char *path,
                           guint depth, GError **error)
{
    struct stat info;
    gboolean is_done = TRUE;

    if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return sandbox_tree_fail("copy", path, error);
    if (S_ISDIR(info.st_mode))
        return copy_below(copy, from, to, name, path, &info, depth, error);
    if (S_ISREG(info.st_mode))
        is_done =
            copy_hard_link(copy, to, name, path, &info) || copy_file(copy, from, to, name, &info);
    else if (S_ISLNK(info.st_mode))
        is_done = copy_link(copy, from, to, name, &info);
    else if (S_ISFIFO(info.st_mode))
        is_done =
            mkfifoat(to, name, info.st_mode & 07777) == 0 && copy_owner(copy, to, name, &info);
    return is_done || sandbox_tree_fail("copy", path, error);
}

static DIR *open_listing(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;

    if (!listing && fd >= 0)
        close(fd);
    return listing;
}

/* The next name that is not "." or "..". */
static const char *next_name(DIR *listing)
{
    struct dirent *entry = NULL;

    while ((entry = readdir(listing)) &&
           (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0))
        continue;
    return entry ? entry->d_name : NULL;
}

static gboolean copy_folder(const Copy *copy, int from, int to, const char *path, guint depth,
                            GError **error)
{
    DIR *listing = depth <= COPY_DEPTH_MAX ? open_listing(from) : NULL;
    const char *name = NULL;
    gboolean is_done = listing != NULL;

    if (!listing)
        return error_set(error, ERROR_INTERNAL, "copy %s: it cannot be read or is too deep", path);
    while (is_done && (name = next_name(listing))) {
        g_autofree char *below = *path ? g_build_filename(path, name, NULL) : g_strdup(name);

        is_done = copy_entry(copy, from, to, name, below, depth, error);
    }
    closedir(listing);
    return is_done;
}

gboolean sandbox_tree_copy(const char *from, const char *to, GError **error)
{
    Copy copy = {.keeps_owner = geteuid() == 0};
    int in = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat info;
    gboolean is_done = FALSE;

    copy.root = in >= 0 && mkdir(to, 0700) == 0 ? open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    copy.linked = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    if (copy.root < 0)
        sandbox_tree_fail("copy", from, error);
    else
        is_done = copy_folder(&copy, in, copy.root, "", 0, error);
    if (is_done && !(fstat(in, &info) == 0 && copy_owner(&copy, copy.root, ".", &info) &&
                     fchmod(copy.root, info.st_mode & 07777) == 0))
        is_done = sandbox_tree_fail("copy", from, error);
    g_hash_table_destroy(copy.linked);
    if (in >= 0)
        close(in);
    if (copy.root >= 0)
        close(copy.root);
    return is_done;
}

/* ---- Remove ---- */

/* A folder that its owner has closed is opened again; as root none is closed. */
static int open_for_removal(int above, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(above, name, flags);

    if (fd < 0 && errno == EACCES && fchmodat(above, name, 0700, 0) == 0)
        fd = openat(above, name, flags);
    return fd;
}

static gboolean remove_entry(int above, const char *name, int top, guint depth);

static gboolean remove_content(int folder, int top, guint depth)
{
    gboolean is_done = TRUE;

    (void)fchmod(folder, 0700);
    for (gboolean is_again = TRUE; is_again && is_done;) { /* a listing may miss what was moved */
        DIR *listing = open_listing(folder);
        const char *name = NULL;

        if (!listing)
            return FALSE;
        is_again = FALSE;
        while (is_done && (name = next_name(listing))) {
            is_again = TRUE;
            is_done = remove_entry(folder, name, top, depth);
        }
        closedir(listing);
    }
    return is_done;
}

/* Moves a folder that is too deep up to the top, where its turn comes. */
static gboolean move_up(int above, const char *name, int top)
{
    char higher[ID_SIZE];

    id_make(higher);
    (void)!fchmodat(above, name, 0700, 0); /* moving changes its "..", too */
    return renameat(above, name, top, higher) == 0;
}

static gboolean remove_entry(int above, const char *name, int top, guint depth)
{
    int folder = -1;
    gboolean is_done = FALSE;

    if (unlinkat(above, name, 0) == 0 || errno == ENOENT)
        return TRUE;
    if (errno != EISDIR && errno != EPERM)
        return FALSE;
    if (unlinkat(above, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return TRUE;
    if (depth >= REMOVE_DEPTH_MAX)
        return move_up(above, name, top);
    folder = open_for_removal(above, name);
    if (folder < 0)
        return errno == ENOENT; /* another engine's sweep was here, too */
    is_done = remove_content(folder, top, depth + 1) &&
              (unlinkat(above, name, AT_REMOVEDIR) == 0 || errno == ENOENT);
    close(folder);
    return is_done;
}

gboolean sandbox_tree_remove(const char *path, GError **error)
{
    int folder = -1;
    gboolean is_done = FALSE;

    if (unlink(path) == 0 || errno == ENOENT)
        return TRUE;
    folder = open_for_removal(AT_FDCWD, path);
    if (folder < 0 && errno == ENOENT)
        return TRUE;
    is_done =
        folder >= 0 && remove_content(folder, folder, 0) && (rmdir(path) == 0 || errno == ENOENT);
    if (!is_done)
        sandbox_tree_fail("remove", path, error);
    if (folder >= 0)
        close(folder);
    return is_done;
}
