#include "engine/sandbox/tar.h"

#include "engine/sandbox/tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES 65536
#define DEPTH_MAX   100
#define NAME_MAX_IN 4096

/* ---- In ---- */

/* A folder whose mode and time wait until all its content is there. */
typedef struct {
    char *path;
    mode_t mode;
    struct timespec modified;
} Folder;

typedef struct {
    SandboxView *view;
    const char *base;
    const SandboxTarLimits *limits;
    struct archive *archive;
    guint64 bytes;
    guint entries;
    GArray *folders;   /* Folder */
    char *parent_path; /* of the last entry, whose parent stays open */
    int parent;
} Unpack;

static void folder_clear(void *data)
{
    g_free(((Folder *)data)->path);
}

/* What the archive's own entries can cause is the caller's matter. */
static gboolean fail(const char *what, const char *name, GError **error)
{
    if (errno == EROFS)
        return error_set(error, ERROR_INVALID, "%s is read-only", name);
    if (errno == EISDIR || errno == EEXIST || errno == ENOTDIR || errno == ENAMETOOLONG)
        return error_set(error, ERROR_INVALID, "%s: %s", name, g_strerror(errno));
    return sandbox_tree_fail(what, name, error);
}

static gboolean refuse_archive(Unpack *unpack, GError **error)
{
    return error_set(error, ERROR_INVALID, "the archive cannot be read: %s",
                     archive_error_string(unpack->archive));
}

/* "./a//b/" -> "a/b"; NULL for a name that leads out, is too deep or too long. */
static char *clean_name(const char *name)
{
    g_autoptr(GString) clean = g_string_new(NULL);
    g_auto(GStrv) parts = NULL;
    guint depth = 0;

    if (!name || strlen(name) > NAME_MAX_IN)
        return NULL;
    parts = g_strsplit(name, "/", -1);
    for (char **part = parts; *part; part++) {
        if (!**part || strcmp(*part, ".") == 0)
            continue;
        if (strcmp(*part, "..") == 0 || ++depth > DEPTH_MAX)
            return NULL;
        g_string_append_printf(clean, "%s%s", clean->len ? "/" : "", *part);
    }
    return g_strdup(clean->str);
}

/* Opens the folder above `name`, kept for the next entry. */
static gboolean open_parent(Unpack *unpack, const char *name, GError **error)
{
    g_autofree char *above = g_path_get_dirname(name);
    g_autofree char *path = g_build_filename(unpack->base, above, NULL);

    if (unpack->parent >= 0 && strcmp(path, unpack->parent_path) == 0)
        return TRUE;
    if (unpack->parent >= 0)
        close(unpack->parent);
    unpack->parent = sandbox_view_folder(unpack->view, path, SANDBOX_VIEW_MAKE, NULL, error);
    g_free(unpack->parent_path);
    unpack->parent_path = g_steal_pointer(&path);
    return unpack->parent >= 0;
}

static gboolean set_owner(Unpack *unpack, const char *name, struct archive_entry *entry)
{
    return !unpack->limits->keeps_owner ||
           fchownat(unpack->parent, name, (uid_t)archive_entry_uid(entry),
                    (gid_t)archive_entry_gid(entry), AT_SYMLINK_NOFOLLOW) == 0;
}

/* As an ordinary user we must be able to read what we unpacked: "mode 0" is for others than root.
 */
static mode_t entry_mode(const Unpack *unpack, struct archive_entry *entry, mode_t needed)
{
    mode_t mode = archive_entry_perm(entry) & 07777;

    return unpack->limits->keeps_owner ? mode : mode | needed;
}

static struct timespec entry_time(struct archive_entry *entry)
{
    return (struct timespec){.tv_sec = archive_entry_mtime(entry),
                             .tv_nsec = archive_entry_mtime_nsec(entry)};
}

static void set_time(int folder, const char *name, struct timespec modified)
{
    const struct timespec times[2] = {modified, modified};

    (void)utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW);
}

/* Its place is free, or held by something that is no folder and goes. */
static gboolean clear_place(Unpack *unpack, const char *name)
{
    return unlinkat(unpack->parent, name, 0) == 0 || errno == ENOENT;
}

static gboolean write_block(int fd, const void *bytes, gsize size, la_int64_t offset)
{
    const char *next = bytes;

    while (size > 0) {
        ssize_t put = pwrite(fd, next, size, offset);

        if (put < 0 && errno != EINTR)
            return FALSE;
        if (put > 0) {
            next += put;
            offset += put;
            size -= (gsize)put;
        }
    }
    return TRUE;
}

static gboolean write_content(Unpack *unpack, int fd, la_int64_t size, GError **error)
{
    const void *bytes = NULL;
    size_t length = 0;
    la_int64_t offset = 0;
    int result = ARCHIVE_OK;

    while ((result = archive_read_data_block(unpack->archive, &bytes, &length, &offset)) ==
           ARCHIVE_OK) {
        unpack->bytes += length;
        if (unpack->bytes > unpack->limits->max_bytes)
            return error_set(error, ERROR_TOO_LARGE, "the archive holds too many bytes");
        if (!write_block(fd, bytes, length, offset))
            return fail("write", unpack->parent_path, error);
    }
    if (result != ARCHIVE_EOF)
        return refuse_archive(unpack, error);
    return ftruncate(fd, size) == 0 || fail("write", unpack->parent_path, error);
}

static gboolean unpack_file(Unpack *unpack, const char *name, struct archive_entry *entry,
                            GError **error)
{
    la_int64_t size = archive_entry_size(entry);
    int fd = -1;
    gboolean is_done = FALSE;

    if (size < 0 || (guint64)size > unpack->limits->max_bytes) /* sparse ones count whole */
        return error_set(error, ERROR_TOO_LARGE, "the archive holds too many bytes");
    if (clear_place(unpack, name))
        fd = openat(unpack->parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);
    if (fd < 0)
        return fail("write", name, error);
    is_done = write_content(unpack, fd, size, error);
    if (is_done &&
        !(set_owner(unpack, name, entry) && fchmod(fd, entry_mode(unpack, entry, S_IRUSR)) == 0))
        is_done = fail("write", name, error);
    if (is_done && unpack->entries <= unpack->limits->durable_entries && fsync(fd) != 0)
        is_done = fail("write", name, error);
    close(fd);
    set_time(unpack->parent, name, entry_time(entry));
    return is_done;
}

static gboolean unpack_folder(Unpack *unpack, const char *path, const char *name,
                              struct archive_entry *entry, GError **error)
{
    Folder folder = {.mode = entry_mode(unpack, entry, S_IRUSR | S_IXUSR),
                     .modified = entry_time(entry)};
    g_autofree char *whole = g_build_filename(unpack->base, path, NULL);
    struct stat info;

    /* A link to a folder is a folder here: images whose /bin is a link, archives that say "bin/".
     */
    if (mkdirat(unpack->parent, name, 0700) != 0) {
        if (errno != EEXIST)
            return fail("make", whole, error);
        if (fstatat(unpack->parent, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode))
            return TRUE;
        if (!S_ISDIR(info.st_mode))
            return error_set(error, ERROR_INVALID, "%s is no folder", whole);
    }
    if (!set_owner(unpack, name, entry))
        return fail("make", whole, error);
    folder.path = g_steal_pointer(&whole);
    g_array_append_val(unpack->folders, folder);
    return TRUE;
}

static gboolean unpack_hard_link(Unpack *unpack, const char *name, const char *target,
                                 GError **error)
{
    g_autofree char *clean = clean_name(target);
    g_autofree char *path = NULL, *first = NULL;
    int folder = -1;
    gboolean is_done = FALSE;

    if (!clean || !*clean)
        return error_set(error, ERROR_INVALID, "a link in the archive leads out of it: %s", target);
    path = g_build_filename(unpack->base, clean, NULL);
    folder = sandbox_view_parent(unpack->view, path, SANDBOX_VIEW_WRITE, &first, error);
    if (folder < 0)
        return FALSE;
    is_done = clear_place(unpack, name) && linkat(folder, first, unpack->parent, name, 0) == 0;
    if (!is_done)
        fail("link", name, error);
    close(folder);
    return is_done;
}

static gboolean unpack_special(Unpack *unpack, const char *name, struct archive_entry *entry,
                               GError **error)
{
    gboolean is_done = clear_place(unpack, name);

    if (archive_entry_filetype(entry) == AE_IFLNK)
        is_done = is_done && symlinkat(archive_entry_symlink(entry), unpack->parent, name) == 0;
    else
        is_done = is_done && mkfifoat(unpack->parent, name, archive_entry_perm(entry)) == 0;
    is_done = is_done && set_owner(unpack, name, entry);
    set_time(unpack->parent, name, entry_time(entry));
    return is_done || fail("make", name, error);
}

static gboolean unpack_entry(Unpack *unpack, struct archive_entry *entry, GError **error)
{
    g_autofree char *path = clean_name(archive_entry_pathname(entry));
    g_autofree char *name = NULL;

    if (++unpack->entries > unpack->limits->max_entries)
        return error_set(error, ERROR_TOO_LARGE, "the archive holds too many files");
    if (!path)
        return error_set(error, ERROR_INVALID,
                         "a name in the archive leads out of it or is too long");
    if (!open_parent(unpack, *path ? path : ".", error))
        return FALSE;
    name = *path ? g_path_get_basename(path) : g_strdup(".");
    if (archive_entry_hardlink(entry))
        return unpack_hard_link(unpack, name, archive_entry_hardlink(entry), error);
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
        return *path ? unpack_file(unpack, name, entry, error)
                     : error_set(error, ERROR_INVALID, "a file in the archive has no name");
    case AE_IFDIR:
        return unpack_folder(unpack, path, name, entry, error);
    case AE_IFLNK:
    case AE_IFIFO:
        return unpack_special(unpack, name, entry, error);
    default:
        return TRUE; /* device nodes: /dev is made at each start */
    }
}

/* Modes of folders last, the deepest first: a folder may forbid writing. */
static void finish_folders(Unpack *unpack)
{
    for (guint i = unpack->folders->len; i > 0; i--) {
        const Folder *folder = &g_array_index(unpack->folders, Folder, i - 1);
        g_autofree char *name = NULL;
        int above =
            sandbox_view_parent(unpack->view, folder->path, SANDBOX_VIEW_WRITE, &name, NULL);
        int fd =
            above < 0 ? -1 : openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd >= 0) {
            (void)fchmod(fd, folder->mode);
            set_time(fd, ".", folder->modified);
            close(fd);
        }
        if (above >= 0)
            close(above);
    }
}

static gboolean unpack_all(Unpack *unpack, GBytes *tar, GError **error)
{
    struct archive_entry *entry = NULL;
    gsize size = 0;
    const void *bytes = g_bytes_get_data(tar, &size);
    int result = archive_read_open_memory(unpack->archive, bytes, size);

    if (result != ARCHIVE_OK)
        return refuse_archive(unpack, error);
    while ((result = archive_read_next_header(unpack->archive, &entry)) == ARCHIVE_OK ||
           result == ARCHIVE_WARN)
        if (!unpack_entry(unpack, entry, error))
            return FALSE;
    return result == ARCHIVE_EOF || refuse_archive(unpack, error);
}

gboolean sandbox_tar_unpack(SandboxView *view, const char *path, GBytes *tar,
                            const SandboxTarLimits *limits, guint *entries, GError **error)
{
    Unpack unpack = {.view = view, .base = path, .limits = limits, .parent = -1};
    int base = sandbox_view_folder(view, path, SANDBOX_VIEW_WRITE, NULL, error);
    gboolean is_done = FALSE;

    if (base < 0)
        return FALSE;
    close(base);
    unpack.archive = archive_read_new();
    archive_read_support_format_tar(unpack.archive);
    if (limits->allows_filters)
        archive_read_support_filter_all(unpack.archive);
    unpack.folders = g_array_new(FALSE, FALSE, sizeof(Folder));
    g_array_set_clear_func(unpack.folders, folder_clear);
    is_done = unpack_all(&unpack, tar, error);
    finish_folders(&unpack);
    g_array_free(unpack.folders, TRUE);
    g_free(unpack.parent_path);
    if (unpack.parent >= 0)
        close(unpack.parent);
    archive_read_free(unpack.archive);
    if (entries)
        *entries = unpack.entries;
    return is_done;
}

/* ---- Out ---- */

typedef struct {
    struct archive *archive;
    GByteArray *bytes;
    gsize max_bytes;
} Pack;

static la_ssize_t append(struct archive *archive, void *data, const void *bytes, size_t size)
{
    Pack *pack = data;

    (void)archive;
    if (pack->bytes->len + size > pack->max_bytes)
        return -1;
    g_byte_array_append(pack->bytes, bytes, (guint)size);
    return (la_ssize_t)size;
}

static gboolean too_large(const Pack *pack, GError **error)
{
    return error_set(error, ERROR_TOO_LARGE, "the archive is larger than %" G_GSIZE_FORMAT " bytes",
                     pack->max_bytes);
}

static gboolean write_header(Pack *pack, struct archive_entry *entry, GError **error)
{
    gsize size = (gsize)archive_entry_size(entry);

    /* Known in advance: no need to read a huge file first. */
    if (size > pack->max_bytes || pack->bytes->len + size > pack->max_bytes)
        return too_large(pack, error);
    return archive_write_header(pack->archive, entry) >= ARCHIVE_WARN || too_large(pack, error);
}

/* Exactly `size` bytes: a file that shrinks meanwhile is filled with zeros, a growing one is cut.
 */
static gboolean pack_content(Pack *pack, int fd, gint64 size, GError **error)
{
    g_autofree char *bytes = g_malloc(BLOCK_BYTES);

    while (size > 0) {
        ssize_t got = read(fd, bytes, (gsize)MIN(size, BLOCK_BYTES));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            got = (ssize_t)MIN(size, BLOCK_BYTES);
            memset(bytes, 0, (gsize)got);
        }
        if (archive_write_data(pack->archive, bytes, (gsize)got) != got)
            return too_large(pack, error);
        size -= got;
    }
    return TRUE;
}

static struct archive_entry *entry_new(const char *path, const struct stat *info)
{
    struct archive_entry *entry = archive_entry_new();

    archive_entry_copy_stat(entry, info);
    archive_entry_set_nlink(entry, 1);
    archive_entry_set_size(entry, S_ISREG(info->st_mode) ? info->st_size : 0);
    archive_entry_set_pathname(entry, path);
    return entry;
}

static gboolean pack_file(Pack *pack, int above, const char *name, const char *path, GError **error)
{
    int fd = openat(above, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct archive_entry *entry = NULL;
    struct stat info;
    gboolean is_done = FALSE;

    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        sandbox_tree_fail("read", path, error);
        if (fd >= 0)
            close(fd);
        return FALSE;
    }
    entry = entry_new(path, &info);
    is_done = write_header(pack, entry, error) && pack_content(pack, fd, info.st_size, error);
    archive_entry_free(entry);
    close(fd);
    return is_done;
}

static gboolean pack_special(Pack *pack, int above, const char *name, const char *path,
                             const struct stat *info, GError **error)
{
    struct archive_entry *entry = entry_new(path, info);
    char target[PATH_MAX];
    ssize_t length =
        S_ISLNK(info->st_mode) ? readlinkat(above, name, target, sizeof target - 1) : 0;
    gboolean is_done = TRUE;

    if (length > 0) {
        target[length] = '\0';
        archive_entry_set_symlink(entry, target);
    }
    if (length >= 0)
        is_done = write_header(pack, entry, error);
    archive_entry_free(entry);
    return is_done;
}

static gboolean pack_tree(Pack *pack, int above, const char *name, const char *path, guint depth,
                          GError **error);

static gboolean pack_folder(Pack *pack, int above, const char *name, const char *path,
                            const struct stat *info, guint depth, GError **error)
{
    int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    g_autofree char *slashed = g_strconcat(path, g_str_has_suffix(path, "/") ? "" : "/", NULL);
    struct archive_entry *entry = NULL;
    struct dirent *next = NULL;
    gboolean is_done = FALSE;

    if (!listing) {
        if (fd >= 0)
            close(fd);
        return errno == ENOENT || sandbox_tree_fail("read", path, error);
    }
    entry = entry_new(slashed, info);
    is_done = write_header(pack, entry, error);
    archive_entry_free(entry);
    while (is_done && (next = readdir(listing))) {
        g_autofree char *below = NULL;

        if (strcmp(next->d_name, ".") == 0 || strcmp(next->d_name, "..") == 0)
            continue;
        below = g_strconcat(slashed, next->d_name, NULL);
        is_done = pack_tree(pack, fd, next->d_name, below, depth + 1, error);
    }
    closedir(listing);
    return is_done;
}

static gboolean pack_tree(Pack *pack, int above, const char *name, const char *path, guint depth,
                          GError **error)
{
    struct stat info;

    if (depth > DEPTH_MAX)
        return error_set(error, ERROR_TOO_LARGE, "the folders are nested too deep");
    if (fstatat(above, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT && depth > 0) /* gone while we walk */
            return TRUE;
        if (errno == ENOENT || errno == ENOTDIR)
            return error_set(error, ERROR_NOT_FOUND, "path %s does not exist", path);
        return sandbox_tree_fail("read", path, error);
    }
    if (S_ISDIR(info.st_mode))
        return pack_folder(pack, above, name, path, &info, depth, error);
    if (S_ISREG(info.st_mode))
        return pack_file(pack, above, name, path, error);
    if (S_ISLNK(info.st_mode) || S_ISFIFO(info.st_mode))
        return pack_special(pack, above, name, path, &info, error);
    return TRUE; /* sockets and devices have no content */
}

gboolean sandbox_tar_pack(SandboxView *view, const char *path, gsize max_bytes, GBytes **tar,
                          GError **error)
{
    Pack pack = {.max_bytes = MIN(max_bytes, G_MAXUINT)};
    g_autofree char *name = NULL, *top = g_path_get_basename(path);
    int above = sandbox_view_parent(view, path, SANDBOX_VIEW_READ, &name, error);
    gboolean is_done = FALSE;

    if (above < 0)
        return FALSE;
    pack.bytes = g_byte_array_new();
    pack.archive = archive_write_new();
    archive_write_set_format_pax_restricted(pack.archive);
    archive_write_set_bytes_in_last_block(pack.archive, 1);
    archive_write_open(pack.archive, &pack, NULL, append, NULL);
    is_done = pack_tree(&pack, above, name, strcmp(top, "/") == 0 ? "./" : top, 0, error);
    if (is_done && archive_write_close(pack.archive) != ARCHIVE_OK)
        is_done = too_large(&pack, error);
    archive_write_free(pack.archive);
    close(above);
    if (is_done)
        *tar = g_byte_array_free_to_bytes(pack.bytes);
    else
        g_byte_array_unref(pack.bytes);
    return is_done;
}
