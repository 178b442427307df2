#include "engine/base_image.h"

#include "base/crypto.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_PREFIX "workspaced/base:"
#define NAME_HEX    12

typedef struct {
    const char *path;
    mode_t type; /* AE_IFREG, AE_IFDIR, AE_IFLNK */
    mode_t mode;
    const char *content; /* text of a file, target of a link */
    guint owner;
} Entry;

static const Entry entries[] = {
    {"bin", AE_IFDIR, 0755, NULL, 0},
    {"dev", AE_IFDIR, 0755, NULL, 0},
    {"etc", AE_IFDIR, 0755, NULL, 0},
    {"home", AE_IFDIR, 0755, NULL, 0},
    {"home/agent", AE_IFDIR, 0755, NULL, 1000},
    {"configs", AE_IFDIR, 0755, NULL, 1000},
    {"workspace", AE_IFDIR, 0755, NULL, 1000},
    {"workspaced", AE_IFDIR, 0755, NULL, 0},
    {"proc", AE_IFDIR, 0755, NULL, 0},
    {"root", AE_IFDIR, 0700, NULL, 0},
    {"run", AE_IFDIR, 0755, NULL, 0},
    {"sys", AE_IFDIR, 0755, NULL, 0},
    {"tmp", AE_IFDIR, 01777, NULL, 0},
    {"usr", AE_IFDIR, 0755, NULL, 0},
    {"usr/bin", AE_IFDIR, 0755, NULL, 0},
    {"usr/sbin", AE_IFDIR, 0755, NULL, 0},
    {"var", AE_IFDIR, 0755, NULL, 0},
    {"var/tmp", AE_IFDIR, 01777, NULL, 0},
    {"sbin", AE_IFLNK, 0777, "bin", 0},
    {"etc/passwd", AE_IFREG, 0644,
     "root:x:0:0:root:/root:/bin/sh\nagent:x:1000:1000:agent:/home/agent:/bin/sh\n"
     "nobody:x:65534:65534:nobody:/:/bin/false\n",
     0},
    {"etc/group", AE_IFREG, 0644, "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n", 0},
    {"etc/hosts", AE_IFREG, 0644, "127.0.0.1 localhost\n::1 localhost\n", 0},
    {"etc/resolv.conf", AE_IFREG, 0644, "", 0},
    {"etc/nsswitch.conf", AE_IFREG, 0644, "hosts: files dns\n", 0},
    {"etc/profile", AE_IFREG, 0644, "export PATH=/bin:/usr/bin:/sbin:/usr/sbin\n", 0},
};

/* What scripts expect to find; busybox is told by its name what to be. */
static const char *const applets[] = {
    "sh",        "ash",      "awk",      "base64",  "basename", "bunzip2", "bzip2",  "cat",
    "chmod",     "chown",    "cmp",      "cp",      "cut",      "date",    "dd",     "df",
    "diff",      "dirname",  "du",       "echo",    "env",      "expr",    "false",  "find",
    "free",      "getopt",   "grep",     "egrep",   "fgrep",    "gunzip",  "gzip",   "head",
    "hostname",  "id",       "kill",     "killall", "less",     "ln",      "ls",     "md5sum",
    "mkdir",     "mkfifo",   "mktemp",   "more",    "mv",       "nc",      "nohup",  "nproc",
    "od",        "patch",    "pgrep",    "pidof",   "ping",     "pkill",   "printf", "ps",
    "pwd",       "readlink", "realpath", "rev",     "rm",       "rmdir",   "sed",    "seq",
    "sha256sum", "sleep",    "sort",     "split",   "stat",     "strings", "stty",   "sync",
    "tail",      "tar",      "tee",      "test",    "time",     "timeout", "top",    "touch",
    "tr",        "true",     "truncate", "tty",     "uname",    "uniq",    "unzip",  "uptime",
    "vi",        "watch",    "wc",       "wget",    "which",    "who",     "whoami", "xargs",
    "yes",       "zcat",     "[",
};

/* ---- Writing the tar ---- */

static la_ssize_t write_bytes(struct archive *archive, void *data, const void *bytes, size_t length)
{
    (void)archive;
    g_byte_array_append(data, bytes, (guint)length);
    return (la_ssize_t)length;
}

static void add_entry(struct archive *archive, const Entry *entry, const void *bytes, gsize length)
{
    struct archive_entry *header = archive_entry_new();

    archive_entry_set_pathname(header, entry->path);
    archive_entry_set_filetype(header, entry->type);
    archive_entry_set_perm(header, entry->mode);
    archive_entry_set_uid(header, entry->owner);
    archive_entry_set_gid(header, entry->owner);
    archive_entry_set_mtime(header, 0, 0); /* equal content gives equal bytes */
    if (entry->type == AE_IFLNK)
        archive_entry_set_symlink(header, entry->content);
    archive_entry_set_size(header, (la_int64_t)length);
    if (archive_write_header(archive, header) == ARCHIVE_OK && length > 0)
        archive_write_data(archive, bytes, length);
    archive_entry_free(header);
}

static void add_plain(struct archive *archive, const Entry *entry)
{
    gsize length = entry->type == AE_IFREG ? strlen(entry->content) : 0;

    add_entry(archive, entry, entry->content, length);
}

static void add_busybox(struct archive *archive, const char *bytes, gsize length)
{
    static const Entry program = {"bin/busybox", AE_IFREG, 0755, NULL, 0};

    add_entry(archive, &program, bytes, length);
    for (guint i = 0; i < G_N_ELEMENTS(applets); i++) {
        g_autofree char *path = g_strconcat("bin/", applets[i], NULL);
        Entry link = {path, AE_IFLNK, 0777, "busybox", 0};
        add_entry(archive, &link, NULL, 0);
    }
    for (guint i = 0; i < 2; i++) { /* where "#!/usr/bin/env sh" looks */
        g_autofree char *path = g_strconcat("usr/bin/", i ? "env" : "sh", NULL);
        Entry link = {path, AE_IFLNK, 0777, "../../bin/busybox", 0};
        add_entry(archive, &link, NULL, 0);
    }
}

static GBytes *write_tar(const char *busybox, gsize length)
{
    GByteArray *out = g_byte_array_new();
    struct archive *archive = archive_write_new();

    archive_write_set_format_ustar(archive);
    archive_write_set_bytes_per_block(archive, 0);
    archive_write_open(archive, out, NULL, write_bytes, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(entries); i++)
        add_plain(archive, &entries[i]);
    add_busybox(archive, busybox, length);
    archive_write_close(archive);
    archive_write_free(archive);
    return g_byte_array_free_to_bytes(out);
}

/* ---- Its name ---- */

static char *name_of(GBytes *tar)
{
    guint8 hash[CRYPTO_HASH_SIZE];
    gsize length = 0;
    const void *bytes = g_bytes_get_data(tar, &length);
    GString *name = g_string_new(NAME_PREFIX);

    crypto_sha256(bytes, length, hash);
    for (guint i = 0; i < NAME_HEX / 2; i++)
        g_string_append_printf(name, "%02x", hash[i]);
    return g_string_free(name, FALSE);
}

static char *read_busybox(gsize *length)
{
    static const char *const places[] = {"/bin/busybox", "/usr/bin/busybox"};
    char *bytes = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(places); i++)
        if (g_file_get_contents(places[i], &bytes, length, NULL))
            return bytes;
    return NULL;
}

gboolean base_image_make(GBytes **tar, char **name, GError **error)
{
    gsize length = 0;
    g_autofree char *busybox = read_busybox(&length);

    if (!busybox)
        return error_set(error, ERROR_UNAVAILABLE,
                         "the base image needs the program busybox; install busybox-static");
    *tar = write_tar(busybox, length);
    *name = name_of(*tar);
    return TRUE;
}

gboolean base_image_ensure(Engine *engine, char **name, GError **error)
{
    g_autoptr(GBytes) tar = NULL;
    g_autofree char *wanted = NULL;
    g_autoptr(GError) cause = NULL;

    if (!base_image_make(&tar, &wanted, error))
        return FALSE;
    if (!engine_image_inspect(engine, wanted, NULL, &cause)) {
        if (!error_is(cause, ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return FALSE;
        }
        if (!engine_image_import(engine, wanted, tar, error))
            return FALSE;
    }
    *name = g_steal_pointer(&wanted);
    return TRUE;
}
