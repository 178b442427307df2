/* Images: unpacked root file systems, named by tags. An image lies in a folder named after the hash
 * of its archive, so the same archive is unpacked once; containers copy it and need it no more. */
#include "base/crypto.h"
#include "engine/sandbox/container.h"
#include "engine/sandbox/tar.h"
#include "engine/sandbox/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_MAX_BYTES   (G_GUINT64_CONSTANT(64) << 30) /* unpacked */
#define IMAGE_MAX_ENTRIES 4000000
#define FEW_ENTRIES       1000 /* flushed one by one; more: with all else the file system holds */
#define TAG_MAX_BYTES     4096
#define DIGEST_PREFIX     "sha256:"

static char *hash(const void *bytes, gsize size)
{
    guint8 digest[CRYPTO_HASH_SIZE];
    GString *text = g_string_new(NULL);

    crypto_sha256(bytes, size, digest);
    for (guint i = 0; i < sizeof digest; i++)
        g_string_append_printf(text, "%02x", digest[i]);
    return g_string_free(text, FALSE);
}

/* ---- Tags ---- */

/* An image's name may be longer than a file's and holds slashes. */
static char *tag_path(SandboxEngine *sandbox, const char *image)
{
    g_autofree char *hex = hash(image, strlen(image));
    g_autofree char *file = g_strconcat(hex, ".json", NULL);

    return sandbox_path(sandbox, SANDBOX_TAGS, file);
}

static char *tag_image(const char *path)
{
    g_autofree char *text = NULL;
    JsonView object;
    gsize length = 0;

    if (!sandbox_tree_read(path, TAG_MAX_BYTES, &text, &length, NULL) ||
        !json_view_parse(text, length, JSON_ONE_VALUE, &object, NULL))
        return NULL;
    return sandbox_json_text(object, "digest");
}

static gboolean tag_write(SandboxEngine *sandbox, const char *image, const char *hex,
                          GError **error)
{
    g_autofree char *path = tag_path(sandbox, image);
    g_autoptr(GString) text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "name", image);
    json_out_text(&out, "digest", hex);
    json_out_end(&out);
    return sandbox_tree_write(path, text->str, text->len, error);
}

static gboolean is_tagged(SandboxEngine *sandbox, const char *hex)
{
    g_autoptr(GPtrArray) names = sandbox_names(sandbox, SANDBOX_TAGS, NULL);

    for (guint i = 0; names && i < names->len; i++) {
        g_autofree char *path = sandbox_path(sandbox, SANDBOX_TAGS, names->pdata[i]);
        g_autofree char *digest = tag_image(path);

        if (g_strcmp0(digest, hex) == 0)
            return TRUE;
    }
    return !names; /* unknown: keep it */
}

char *sandbox_image_find(SandboxEngine *sandbox, const char *image, char **digest, GError **error)
{
    g_autofree char *path = tag_path(sandbox, image);
    g_autofree char *hex = g_str_has_prefix(image, DIGEST_PREFIX)
                               ? g_strdup(image + strlen(DIGEST_PREFIX))
                               : tag_image(path);
    g_autofree char *folder = hex ? sandbox_path(sandbox, SANDBOX_IMAGES, hex) : NULL;

    if (!folder || access(folder, F_OK) != 0) {
        error_set(error, ERROR_NOT_FOUND, "image %s does not exist", image);
        return NULL;
    }
    if (digest)
        *digest = g_strconcat(DIGEST_PREFIX, hex, NULL);
    return g_steal_pointer(&folder);
}

gboolean sandbox_image_inspect(Engine *self, const char *image, char **digest, GError **error)
{
    g_autofree char *folder = sandbox_image_find(sandbox_engine(self), image, digest, error);

    return folder != NULL;
}

/* ---- Import ---- */

/* On the disk before it has a name: the rename must not reach it first. */
static gboolean flush(const char *folder, guint entries, GError **error)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gboolean is_done = fd >= 0 && (entries <= FEW_ENTRIES ? fsync(fd) : syncfs(fd)) == 0;

    if (!is_done)
        sandbox_tree_fail("sync", folder, error);
    if (fd >= 0)
        close(fd);
    return is_done;
}

static gboolean unpack(SandboxEngine *sandbox, const char *folder, GBytes *tar, GError **error)
{
    g_autofree char *root = g_build_filename(folder, SANDBOX_ROOT, NULL);
    g_autoptr(SandboxView) view = NULL;
    guint entries = 0;
    const SandboxTarLimits limits = {
        .max_bytes = IMAGE_MAX_BYTES,
        .max_entries = IMAGE_MAX_ENTRIES,
        .allows_filters = TRUE,
        .keeps_owner = sandbox->is_root,
        .durable_entries = FEW_ENTRIES,
    };

    if (!sandbox_tree_make(root, error) ||
        (chmod(root, 0755) != 0 && !sandbox_tree_fail("make", root, error)))
        return FALSE;
    view = sandbox_view_new(root, FALSE, error);
    return view && sandbox_tar_unpack(view, "/", tar, &limits, &entries, error) &&
           flush(root, entries, error);
}

/* An image that lost its last name goes, unless a create copies it just now: then the next import
 * does it. Under the names' lock. */
static void collect(SandboxEngine *sandbox, const char *hex)
{
    g_autofree char *folder = sandbox_path(sandbox, SANDBOX_IMAGES, hex);
    g_auto(SandboxLock) hold = {.fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};

    if (hold.fd >= 0 && flock(hold.fd, LOCK_EX | LOCK_NB) == 0 && !is_tagged(sandbox, hex))
        sandbox_discard(sandbox, folder, NULL);
}

static gboolean publish(SandboxEngine *sandbox, const char *folder, const char *image,
                        const char *hex, GError **error)
{
    g_autofree char *to = sandbox_path(sandbox, SANDBOX_IMAGES, hex);
    g_autofree char *images = g_path_get_dirname(to);
    g_autofree char *path = tag_path(sandbox, image);
    g_autofree char *before = NULL;
    g_auto(SandboxLock) lock = SANDBOX_LOCK_INIT;

    if (!sandbox_lock_names(sandbox, &lock, error))
        return FALSE;
    /* Another import may have been quicker: the same hash, so the same content. */
    if (folder && rename(folder, to) != 0 && errno != EEXIST && errno != ENOTEMPTY)
        return sandbox_tree_fail("make", to, error);
    if (access(to, F_OK) != 0)
        return error_set(error, ERROR_CONFLICT, "the image was removed meanwhile");
    before = tag_image(path);
    if (!sandbox_tree_sync(images, error) || !tag_write(sandbox, image, hex, error))
        return FALSE;
    if (before && strcmp(before, hex) != 0)
        collect(sandbox, before);
    return TRUE;
}

gboolean sandbox_image_import(Engine *self, const char *image, GBytes *tar, GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autofree char *hex = hash(g_bytes_get_data(tar, NULL), g_bytes_get_size(tar));
    g_autofree char *there = sandbox_path(sandbox, SANDBOX_IMAGES, hex);
    g_autofree char *folder = NULL;
    g_auto(SandboxLock) hold = SANDBOX_LOCK_INIT;
    gboolean is_done = FALSE;

    if (g_str_has_prefix(image, DIGEST_PREFIX))
        return error_set(error, ERROR_INVALID, "an image needs a name, not a digest");
    if (access(there, F_OK) == 0)
        return publish(sandbox, NULL, image, hex, error);
    folder = sandbox_folder_new(sandbox, &hold, error);
    if (!folder)
        return FALSE;
    is_done = unpack(sandbox, folder, tar, error) && publish(sandbox, folder, image, hex, error);
    sandbox_tree_remove(folder, NULL); /* there still when it failed or another was quicker */
    return is_done;
}

gboolean sandbox_image_pull(Engine *self, const char *image, EngineBytesFunction progress,
                            void *data, Cancel *cancel, GError **error)
{
    (void)progress;
    (void)data;
    (void)cancel;
    if (sandbox_image_inspect(self, image, NULL, NULL))
        return TRUE;
    return error_set_reason(
        error, ERROR_NOT_FOUND, REASON_IMAGE_NOT_FOUND,
        "image %s is not here, and the sandbox speaks to no registry: import it, or "
        "use an engine that pulls",
        image);
}
