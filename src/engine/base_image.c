#include "engine/base_image.h"

#include "base/crypto.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_PREFIX "workspaced/base:"
#define NAME_HEX    12

#define CERTIFICATES "etc/ssl/certs/ca-certificates.crt"
#define APPLETS_MAX  1000

typedef struct {
    char *bytes;
    gsize length;
    char **applets; /* sorted */
} Busybox;

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

/* busybox is told by its name what to be. */
static void add_busybox(struct archive *archive, const Busybox *busybox)
{
    static const Entry program = {"bin/busybox", AE_IFREG, 0755, NULL, 0};

    add_entry(archive, &program, busybox->bytes, busybox->length);
    for (guint i = 0; busybox->applets[i]; i++) {
        g_autofree char *path = g_strconcat("bin/", busybox->applets[i], NULL);
        Entry link = {path, AE_IFLNK, 0777, "busybox", 0};
        add_entry(archive, &link, NULL, 0);
    }
    for (guint i = 0; i < 2; i++) { /* where "#!/usr/bin/env sh" looks */
        g_autofree char *path = g_strconcat("usr/bin/", i ? "env" : "sh", NULL);
        Entry link = {path, AE_IFLNK, 0777, "../../bin/busybox", 0};
        add_entry(archive, &link, NULL, 0);
    }
}

/* What the agent trusts when it calls a model's vendor; without this machine's list it cannot. */
static void add_certificates(struct archive *archive)
{
    static const Entry folders[] = {{"etc/ssl", AE_IFDIR, 0755, NULL, 0},
                                    {"etc/ssl/certs", AE_IFDIR, 0755, NULL, 0}};
    static const Entry file = {CERTIFICATES, AE_IFREG, 0644, NULL, 0};
    g_autofree char *bytes = NULL;
    gsize length = 0;

    if (!g_file_get_contents("/" CERTIFICATES, &bytes, &length, NULL))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
        add_plain(archive, &folders[i]);
    add_entry(archive, &file, bytes, length);
}

static gboolean add_agent(struct archive *archive, const char *agent, GError **error)
{
    static const Entry program = {BASE_IMAGE_AGENT, AE_IFREG, 0755, NULL, 0};
    g_autofree char *bytes = NULL;
    g_autoptr(GError) cause = NULL;
    gsize length = 0;

    if (!g_file_get_contents(agent, &bytes, &length, &cause))
        return error_set(error, ERROR_INTERNAL, "the agent cannot be read: %s", cause->message);
    add_entry(archive, &program, bytes, length);
    return TRUE;
}

static GBytes *write_tar(const Busybox *busybox, const char *agent, GError **error)
{
    GByteArray *out = g_byte_array_new();
    struct archive *archive = archive_write_new();
    gboolean done = FALSE;

    archive_write_set_format_ustar(archive);
    archive_write_set_bytes_per_block(archive, 0);
    archive_write_open(archive, out, NULL, write_bytes, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(entries); i++)
        add_plain(archive, &entries[i]);
    add_busybox(archive, busybox);
    add_certificates(archive);
    done = !agent || add_agent(archive, agent, error);
    archive_write_close(archive);
    archive_write_free(archive);
    if (done)
        return g_byte_array_free_to_bytes(out);
    g_byte_array_unref(out);
    return NULL;
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

/* ---- This machine's busybox ---- */

static void busybox_clear(Busybox *busybox)
{
    g_clear_pointer(&busybox->bytes, g_free);
    g_clear_pointer(&busybox->applets, g_strfreev);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Busybox, busybox_clear)

/* Whether it needs no loader: inside there are no libraries. */
static gboolean is_static(const char *bytes, gsize length)
{
    const Elf64_Ehdr *header = (const void *)bytes;

    if (length < sizeof *header || memcmp(bytes, ELFMAG, SELFMAG) != 0)
        return FALSE;
    if (bytes[EI_CLASS] != ELFCLASS64)
        return TRUE; /* another layout: running it will tell */
    for (guint i = 0; i < header->e_phnum; i++) {
        gsize at = header->e_phoff + (gsize)i * header->e_phentsize;
        Elf64_Phdr part;

        if (header->e_phentsize < sizeof part || at > length - sizeof part)
            return FALSE;
        memcpy(&part, bytes + at, sizeof part);
        if (part.p_type == PT_INTERP)
            return FALSE;
    }
    return TRUE;
}

static gint compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names it answers to, in one order whatever it says. NULL when it cannot be run. */
static char **list_applets(const char *path)
{
    const char *argv[] = {path, "--list", NULL};
    g_autofree char *output = NULL;
    g_auto(GStrv) lines = NULL;
    GPtrArray *names = NULL;
    int status = 0;

    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &output,
                      NULL, &status, NULL) ||
        status != 0)
        return NULL;
    names = g_ptr_array_new();
    lines = g_strsplit(output, "\n", APPLETS_MAX);
    for (char **line = lines; *line; line++)
        if (**line && !strchr(*line, '/') && strcmp(*line, "busybox") != 0)
            g_ptr_array_add(names, g_strdup(*line));
    g_ptr_array_sort(names, compare_texts);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

static gboolean busybox_load(Busybox *busybox, GError **error)
{
    static const char *const places[] = {"/bin/busybox", "/usr/bin/busybox"};
    gboolean is_there = FALSE;

    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        busybox_clear(busybox);
        if (!g_file_get_contents(places[i], &busybox->bytes, &busybox->length, NULL))
            continue;
        is_there = TRUE;
        if (is_static(busybox->bytes, busybox->length) &&
            (busybox->applets = list_applets(places[i])))
            return TRUE;
    }
    return error_set(error, ERROR_UNAVAILABLE, "the base image needs the program busybox%s",
                     is_there ? ", statically linked; install busybox-static instead"
                              : "; install busybox-static");
}

gboolean base_image_make(const char *agent, GBytes **tar, char **name, GError **error)
{
    g_auto(Busybox) busybox = {0};
    GBytes *made = NULL;

    if (!busybox_load(&busybox, error))
        return FALSE;
    made = write_tar(&busybox, agent, error);
    if (!made)
        return FALSE;
    *tar = made;
    *name = name_of(made);
    return TRUE;
}

/* ---- Ensuring ---- */

/* The name that was made last, and from what: asked at every start, it must not cost a hash of all
 * the bytes each time. */
static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER; /* guards both */
static char *last_name;
static char *last_stamp;

/* Differs when a file was changed or replaced. */
static char *stamp_now(const char *agent)
{
    const char *const files[] = {"/bin/busybox", "/usr/bin/busybox", ("/" CERTIFICATES), agent};
    GString *stamp = g_string_new(agent);

    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        struct stat info;

        if (files[i] && stat(files[i], &info) == 0)
            g_string_append_printf(stamp, "%llu %lld %lld.%09ld;", (unsigned long long)info.st_ino,
                                   (long long)info.st_size, (long long)info.st_mtim.tv_sec,
                                   info.st_mtim.tv_nsec);
    }
    return g_string_free(stamp, FALSE);
}

static char *name_known(const char *stamp)
{
    char *name = NULL;

    pthread_mutex_lock(&last_lock);
    if (g_strcmp0(stamp, last_stamp) == 0)
        name = g_strdup(last_name);
    pthread_mutex_unlock(&last_lock);
    return name;
}

static void name_remember(const char *stamp, const char *name)
{
    pthread_mutex_lock(&last_lock);
    g_free(last_stamp);
    g_free(last_name);
    last_stamp = g_strdup(stamp);
    last_name = g_strdup(name);
    pthread_mutex_unlock(&last_lock);
}

static gboolean import(Engine *engine, const char *agent, const char *stamp, char **name,
                       GError **error)
{
    g_autoptr(GBytes) tar = NULL;
    g_autoptr(GError) cause = NULL;
    g_autofree char *wanted = NULL;

    if (!base_image_make(agent, &tar, &wanted, error))
        return FALSE;
    if (!engine_image_inspect(engine, wanted, NULL, &cause)) {
        if (!error_is(cause, ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return FALSE;
        }
        if (!engine_image_import(engine, wanted, tar, error))
            return FALSE;
    }
    name_remember(stamp, wanted);
    *name = g_steal_pointer(&wanted);
    return TRUE;
}

gboolean base_image_ensure(Engine *engine, const char *agent, char **name, GError **error)
{
    g_autofree char *stamp = stamp_now(agent);
    g_autofree char *known = name_known(stamp);
    g_autoptr(GError) cause = NULL;

    if (!known ||
        (!engine_image_inspect(engine, known, NULL, &cause) && error_is(cause, ERROR_NOT_FOUND)))
        return import(engine, agent, stamp, name, error);
    if (cause) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    *name = g_steal_pointer(&known);
    return TRUE;
}
