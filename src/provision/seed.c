#include "provision/seed.h"

#include "provision/templates.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TREE_DEPTH_MAX 32
#define LINK_MAX_BYTES 4096
#define FILE_MODE      0644
#define FOLDER_MODE    0755
#define AGENT_MODE     0755
#define BLOCK_BYTES    65536

struct _Seed {
    struct archive *archive;
    GByteArray *bytes;   /* what the archive wrote so far */
    GHashTable *folders; /* names of folders that are in already */
    GBytes *config;
    char *below; /* where /configs stands in the archive: "" or "configs/" */
    guint owner, group;
    gsize content_bytes;
    guint files;
};

/* ---- The archive ---- */

static la_ssize_t append(struct archive *archive, void *data, const void *bytes, size_t size)
{
    (void)archive;
    g_byte_array_append(data, bytes, (guint)size);
    return (la_ssize_t)size;
}

static gboolean refuse(struct archive *archive, GError **error)
{
    return error_set(error, ERROR_INTERNAL, "archive: %s", archive_error_string(archive));
}

/* POSIX tar that stays plain ustar as long as nothing needs more. */
static struct archive *archive_to(GByteArray *bytes)
{
    struct archive *archive = archive_write_new();

    archive_write_set_format_pax_restricted(archive);
    archive_write_add_filter_none(archive);
    archive_write_set_bytes_per_block(archive, 10240);
    archive_write_set_bytes_in_last_block(archive, 1);
    archive_write_open(archive, bytes, NULL, append, NULL);
    return archive;
}

/* What all entries have in common: a fixed time, so that equal contents make equal archives. */
static struct archive_entry *entry_new(const char *name, mode_t type, guint mode, guint owner,
                                       guint group)
{
    struct archive_entry *entry = archive_entry_new();

    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, mode);
    archive_entry_set_uid(entry, owner);
    archive_entry_set_gid(entry, group);
    archive_entry_set_mtime(entry, 0, 0);
    return entry;
}

static gboolean write_entry(struct archive *archive, struct archive_entry *entry, const void *bytes,
                            gsize size, GError **error)
{
    gboolean done = FALSE;

    archive_entry_set_size(entry, (la_int64_t)size);
    done = archive_write_header(archive, entry) == ARCHIVE_OK &&
           (size == 0 || archive_write_data(archive, bytes, size) == (la_ssize_t)size);
    archive_entry_free(entry);
    return done || refuse(archive, error);
}

/* ---- Adding ---- */

static struct archive_entry *seed_entry(const Seed *seed, const char *name, mode_t type, guint mode)
{
    g_autofree char *path = g_strconcat(seed->below, name, NULL);

    return entry_new(path, type, mode, seed->owner, seed->group);
}

static gboolean add_folder(Seed *seed, const char *name, GError **error)
{
    if (!g_hash_table_add(seed->folders, g_strdup(name)))
        return TRUE;
    return write_entry(seed->archive, seed_entry(seed, name, AE_IFDIR, FOLDER_MODE), NULL, 0,
                       error);
}

Seed *seed_new(const char *below, guint owner, guint group)
{
    Seed *seed = g_new0(Seed, 1);

    seed->below = below ? g_strconcat(below, "/", NULL) : g_strdup("");

    seed->bytes = g_byte_array_new();
    seed->archive = archive_to(seed->bytes);
    seed->folders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    seed->owner = owner;
    seed->group = group;
    add_folder(seed, below ? "" : "./", NULL); /* /configs itself: the agent may make files in it */
    return seed;
}

void seed_free(Seed *seed)
{
    if (!seed)
        return;
    archive_write_free(seed->archive);
    if (seed->bytes)
        g_byte_array_unref(seed->bytes);
    g_hash_table_destroy(seed->folders);
    g_clear_pointer(&seed->config, g_bytes_unref);
    g_free(seed->below);
    g_free(seed);
}

static gboolean count(Seed *seed, gsize size, GError **error)
{
    if (++seed->files > SEED_MAX_FILES)
        return error_set(error, ERROR_TOO_LARGE, "more than %d files for /configs", SEED_MAX_FILES);
    if (size > SEED_MAX_BYTES || seed->content_bytes + size > SEED_MAX_BYTES)
        return error_set(error, ERROR_TOO_LARGE, "more than %d bytes for /configs", SEED_MAX_BYTES);
    seed->content_bytes += size;
    return TRUE;
}

/* Relative, no empty part, no "." and no "..". */
static gboolean is_safe_name(const char *name)
{
    g_auto(GStrv) parts = g_strsplit(name, "/", -1);

    if (!*name)
        return FALSE;
    for (char **part = parts; *part; part++)
        if (!**part || strcmp(*part, ".") == 0 || strcmp(*part, "..") == 0)
            return FALSE;
    return TRUE;
}

static gboolean add_parents(Seed *seed, const char *name, GError **error)
{
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        g_autofree char *folder = g_strndup(name, (gsize)(slash - name) + 1);

        if (!add_folder(seed, folder, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean has_text_suffix(const char *name)
{
    return g_str_has_suffix(name, ".sh") || g_str_has_suffix(name, ".py") ||
           g_str_has_suffix(name, ".md");
}

/* CRLF becomes LF. Caller owns the result. */
static char *dup_unix_lines(const char *bytes, gsize *size)
{
    char *out = g_malloc(*size + 1);
    gsize length = 0;

    for (gsize i = 0; i < *size; i++)
        if (!(bytes[i] == '\r' && i + 1 < *size && bytes[i + 1] == '\n'))
            out[length++] = bytes[i];
    *size = length;
    return out;
}

gboolean seed_add_file(Seed *seed, const char *name, const void *bytes, gsize size, guint mode,
                       GError **error)
{
    g_autofree char *converted = NULL;

    if (!is_safe_name(name))
        return error_set(error, ERROR_INVALID, "file name \"%s\" must stay inside /configs", name);
    if (!count(seed, size, error) || !add_parents(seed, name, error))
        return FALSE;
    if (has_text_suffix(name))
        bytes = converted = dup_unix_lines(bytes, &size);
    if (strcmp(name, TEMPLATE_CONFIG_FILE) == 0) {
        g_clear_pointer(&seed->config, g_bytes_unref);
        seed->config = g_bytes_new(bytes, size);
    }
    return write_entry(seed->archive, seed_entry(seed, name, AE_IFREG, mode), bytes, size, error);
}

/* Whether a link at `name` (relative to the tree) leads to a place inside it, by its text alone. */
static gboolean is_inside_link(const char *name, const char *target)
{
    g_auto(GStrv) parts = NULL;
    int depth = 0;

    if (!*target || *target == '/')
        return FALSE;
    for (const char *at = strchr(name, '/'); at; at = strchr(at + 1, '/'))
        depth++;
    parts = g_strsplit(target, "/", -1);
    for (char **part = parts; *part; part++) {
        if (strcmp(*part, "..") == 0)
            depth--;
        else if (**part && strcmp(*part, ".") != 0)
            depth++;
        if (depth < 0)
            return FALSE;
    }
    return TRUE;
}

static gboolean add_link(Seed *seed, const char *name, const char *target, GError **error)
{
    struct archive_entry *entry = NULL;

    if (!is_inside_link(name, target))
        return TRUE;
    if (!count(seed, 0, error) || !add_parents(seed, name, error))
        return FALSE;
    entry = seed_entry(seed, name, AE_IFLNK, 0777);
    archive_entry_set_symlink(entry, target);
    return write_entry(seed->archive, entry, NULL, 0, error);
}

/* ---- A folder's tree ---- */

static gboolean read_whole(int fd, char *buffer, gsize size)
{
    for (gsize done = 0; done < size;) {
        ssize_t got = read(fd, buffer + done, size - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return FALSE;
        done += (gsize)got;
    }
    return TRUE;
}

/* Reads a regular file whole. NULL with `error` untouched: it is none. */
static GBytes *load_file(const char *path, guint *mode, GError **error)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;
    char *buffer = NULL;

    if (fd < 0 || fstat(fd, &status) != 0) {
        error_set(error, ERROR_INTERNAL, "cannot read %s: %s", path, g_strerror(errno));
    } else if (S_ISREG(status.st_mode) && status.st_size > SEED_MAX_BYTES) {
        error_set(error, ERROR_TOO_LARGE, "a file of the template is over %d bytes",
                  SEED_MAX_BYTES);
    } else if (S_ISREG(status.st_mode)) {
        buffer = g_malloc((gsize)status.st_size + 1);
        if (!read_whole(fd, buffer, (gsize)status.st_size)) {
            g_clear_pointer(&buffer, g_free);
            error_set(error, ERROR_INTERNAL, "%s changed while it was read", path);
        }
        *mode = status.st_mode & 07777;
    }
    if (fd >= 0)
        close(fd);
    return buffer ? g_bytes_new_take(buffer, (gsize)status.st_size) : NULL;
}

static gboolean add_tree_file(Seed *seed, const char *path, const char *name, GError **error)
{
    g_autoptr(GError) failure = NULL;
    guint mode = FILE_MODE;
    g_autoptr(GBytes) bytes = load_file(path, &mode, &failure);
    gsize size = 0;
    const void *data = NULL;

    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    if (!bytes)
        return TRUE;
    data = g_bytes_get_data(bytes, &size);
    return seed_add_file(seed, name, data, size, mode, error);
}

static gboolean add_tree_link(Seed *seed, const char *path, const char *name, GError **error)
{
    char target[LINK_MAX_BYTES];
    ssize_t length = readlink(path, target, sizeof target - 1);

    if (length <= 0)
        return TRUE;
    target[length] = '\0';
    return add_link(seed, name, target, error);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *folder_names(const char *path, GError **error)
{
    g_autoptr(GError) failure = NULL;
    GDir *dir = g_dir_open(path, 0, &failure);
    GPtrArray *names = NULL;

    if (!dir) {
        error_set(error, ERROR_INTERNAL, "cannot read %s: %s", path, failure->message);
        return NULL;
    }
    names = g_ptr_array_new_with_free_func(g_free);
    for (const char *name; (name = g_dir_read_name(dir)) && names->len <= SEED_MAX_FILES;)
        g_ptr_array_add(names, g_strdup(name));
    g_dir_close(dir);
    g_ptr_array_sort(names, compare_names);
    return names;
}

static gboolean add_tree_level(Seed *seed, const char *path, const char *prefix, int depth,
                               GError **error);

static gboolean add_tree_entry(Seed *seed, const char *path, const char *name, int depth,
                               GError **error)
{
    struct stat status;

    if (lstat(path, &status) != 0)
        return TRUE; /* gone since it was listed */
    if (S_ISLNK(status.st_mode))
        return add_tree_link(seed, path, name, error);
    if (S_ISREG(status.st_mode))
        return add_tree_file(seed, path, name, error);
    if (S_ISDIR(status.st_mode)) {
        g_autofree char *folder = g_strconcat(name, "/", NULL);

        return count(seed, 0, error) && add_folder(seed, folder, error) &&
               add_tree_level(seed, path, folder, depth + 1, error);
    }
    return TRUE;
}

static gboolean add_tree_level(Seed *seed, const char *path, const char *prefix, int depth,
                               GError **error)
{
    g_autoptr(GPtrArray) names = NULL;

    if (depth > TREE_DEPTH_MAX)
        return error_set(error, ERROR_TOO_LARGE, "the template is more than %d folders deep",
                         TREE_DEPTH_MAX);
    names = folder_names(path, error);
    if (!names)
        return FALSE;
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *child = g_build_filename(path, names->pdata[i], NULL);
        g_autofree char *name = g_strconcat(prefix, names->pdata[i], NULL);

        if (!add_tree_entry(seed, child, name, depth, error))
            return FALSE;
    }
    return TRUE;
}

gboolean seed_add_tree(Seed *seed, const char *folder, GError **error)
{
    return add_tree_level(seed, folder, "", 0, error);
}

/* ---- Another tar ---- */

/* "./a/b/" -> "a/b". */
static char *plain_name_dup(const char *name)
{
    char *copy = NULL;
    gsize length = 0;

    while (g_str_has_prefix(name, "./"))
        name += 2;
    copy = g_strdup(name);
    length = strlen(copy);
    while (length > 0 && copy[length - 1] == '/')
        copy[--length] = '\0';
    return copy;
}

static gboolean read_content(struct archive *in, gsize max_bytes, GByteArray *content,
                             GError **error)
{
    char block[BLOCK_BYTES];

    for (la_ssize_t got; (got = archive_read_data(in, block, sizeof block)) != 0;) {
        if (got < 0)
            return error_set(error, ERROR_INVALID, "not a readable tar archive");
        if (content->len + (gsize)got > max_bytes)
            return error_set(error, ERROR_TOO_LARGE,
                             "a file of the archive is over %" G_GSIZE_FORMAT " bytes", max_bytes);
        g_byte_array_append(content, (guint8 *)block, (guint)got);
    }
    return TRUE;
}

static gboolean add_tar_entry(Seed *seed, struct archive *in, struct archive_entry *entry,
                              GError **error)
{
    const char *raw = archive_entry_pathname(entry);
    g_autofree char *name = plain_name_dup(raw ? raw : "");
    g_autoptr(GByteArray) content = NULL;

    if (archive_entry_filetype(entry) == AE_IFDIR && (!*name || strcmp(name, ".") == 0))
        return TRUE;
    if (!is_safe_name(name))
        return error_set(error, ERROR_INVALID, "file name \"%s\" must stay inside /configs", name);
    switch (archive_entry_filetype(entry)) {
    case AE_IFDIR: {
        g_autofree char *folder = g_strconcat(name, "/", NULL);
        return count(seed, 0, error) && add_parents(seed, name, error) &&
               add_folder(seed, folder, error);
    }
    case AE_IFLNK: {
        const char *target = archive_entry_symlink(entry);
        return add_link(seed, name, target ? target : "", error);
    }
    case AE_IFREG:
        content = g_byte_array_new();
        return read_content(in, SEED_MAX_BYTES, content, error) &&
               seed_add_file(seed, name, content->data, content->len,
                             archive_entry_perm(entry) & 0777, error);
    default:
        return TRUE;
    }
}

static struct archive *archive_from(GBytes *tar, GError **error)
{
    struct archive *in = archive_read_new();
    gsize size = 0;
    const void *data = g_bytes_get_data(tar, &size);

    archive_read_support_format_tar(in);
    archive_read_support_format_empty(in);
    if (archive_read_open_memory(in, data, size) == ARCHIVE_OK)
        return in;
    error_set(error, ERROR_INVALID, "not a readable tar archive");
    archive_read_free(in);
    return NULL;
}

gboolean seed_add_tar(Seed *seed, GBytes *tar, GError **error)
{
    struct archive *in = archive_from(tar, error);
    struct archive_entry *entry = NULL;
    int got = ARCHIVE_OK;
    gboolean good = in != NULL;

    while (good && (got = archive_read_next_header(in, &entry)) == ARCHIVE_OK)
        good = add_tar_entry(seed, in, entry, error);
    if (good && got != ARCHIVE_EOF)
        good = error_set(error, ERROR_INVALID, "not a readable tar archive");
    archive_read_free(in);
    return good;
}

GBytes *seed_dup_config(Seed *seed)
{
    return seed->config ? g_bytes_ref(seed->config) : NULL;
}

GBytes *seed_finish(Seed *seed, GError **error)
{
    if (archive_write_close(seed->archive) != ARCHIVE_OK) {
        refuse(seed->archive, error);
        return NULL;
    }
    return g_byte_array_free_to_bytes(g_steal_pointer(&seed->bytes));
}

/* ---- Single files ---- */

GBytes *seed_read_file(GBytes *tar, gsize max_bytes)
{
    struct archive *in = archive_from(tar, NULL);
    struct archive_entry *entry = NULL;
    g_autoptr(GByteArray) content = g_byte_array_new();
    gboolean found = FALSE;

    while (in && !found && archive_read_next_header(in, &entry) == ARCHIVE_OK)
        found =
            archive_entry_filetype(entry) == AE_IFREG && read_content(in, max_bytes, content, NULL);
    archive_read_free(in);
    return found ? g_byte_array_free_to_bytes(g_steal_pointer(&content)) : NULL;
}

gboolean seed_add_agent(Seed *seed, const char *name, const char *path, GError **error)
{
    guint mode = 0;
    g_autoptr(GBytes) agent = load_file(path, &mode, error);
    g_autofree char *parent = g_path_get_dirname(name);
    g_autofree char *folder = g_strconcat(parent, "/", NULL);
    gsize size = 0;
    const void *data = agent ? g_bytes_get_data(agent, &size) : NULL;

    if (!agent) {
        if (error && !*error)
            error_set(error, ERROR_INTERNAL, "%s is no regular file", path);
        return FALSE;
    }
    return write_entry(seed->archive, entry_new(folder, AE_IFDIR, FOLDER_MODE, 0, 0), NULL, 0,
                       error) &&
           write_entry(seed->archive, entry_new(name, AE_IFREG, AGENT_MODE, 0, 0), data, size,
                       error);
}

/* ---- Users ---- */

static gboolean parse_id(const char *text, guint *id)
{
    guint64 value = 0;

    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT32, &value, NULL))
        return FALSE;
    *id = (guint)value;
    return TRUE;
}

/* Finds `name:x:<id>:<group>` in a file of such lines. `second` (may be NULL) gets the fourth
 * field. */
static gboolean find_line(GBytes *file, const char *name, guint *first, guint *second)
{
    gsize size = 0;
    const char *data = file ? g_bytes_get_data(file, &size) : NULL;
    g_autofree char *text = g_strndup(data ? data : "", size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) fields = g_strsplit(*line, ":", -1);

        if (g_strv_length(fields) < 3 || strcmp(fields[0], name) != 0)
            continue;
        if (!parse_id(fields[2], first))
            return FALSE;
        return !second || (fields[3] && parse_id(fields[3], second));
    }
    return FALSE;
}

/* The primary group of a numeric user, when the image lists it. */
static void find_group_of(GBytes *passwd, guint owner, guint *group)
{
    gsize size = 0;
    const char *data = passwd ? g_bytes_get_data(passwd, &size) : NULL;
    g_autofree char *text = g_strndup(data ? data : "", size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) fields = g_strsplit(*line, ":", -1);
        guint id = 0;

        if (g_strv_length(fields) >= 4 && parse_id(fields[2], &id) && id == owner &&
            parse_id(fields[3], group))
            return;
    }
}

gboolean seed_user_ids(const char *user, GBytes *passwd, GBytes *group, guint *owner,
                       guint *owner_group)
{
    g_auto(GStrv) parts = g_strsplit(user ? user : "", ":", 2);
    guint found = 0, found_group = 0;

    if (parts[0] && *parts[0]) {
        if (parse_id(parts[0], &found))
            find_group_of(passwd, found, &found_group);
        else if (!find_line(passwd, parts[0], &found, &found_group))
            return FALSE;
    }
    if (parts[0] && parts[1] && *parts[1] && !parse_id(parts[1], &found_group) &&
        !find_line(group, parts[1], &found_group, NULL))
        return FALSE;
    *owner = found;
    *owner_group = found_group;
    return TRUE;
}
