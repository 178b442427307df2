/* Archives in and out of containers. */
#include "engine/sandbox/container.h"
#include "engine/sandbox/tar.h"

#define COPY_MAX_BYTES   (G_GUINT64_CONSTANT(16) << 30) /* unpacked; the tar itself is in memory */
#define COPY_MAX_ENTRIES 1000000

gboolean sandbox_copy_in(Engine *self, const char *ref, const char *path, GBytes *tar,
                         GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autoptr(SandboxContainer) container = sandbox_container_load(sandbox, ref, error);
    g_autoptr(SandboxView) view =
        container ? sandbox_container_view(sandbox, container, NULL, error) : NULL;
    const SandboxTarLimits limits = {
        .max_bytes = COPY_MAX_BYTES,
        .max_entries = COPY_MAX_ENTRIES,
        .keeps_owner = sandbox->is_root,
    };

    return view && sandbox_tar_unpack(view, path, tar, &limits, NULL, error);
}

gboolean sandbox_copy_out(Engine *self, const char *ref, const char *path, gsize max_bytes,
                          GBytes **tar, GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autoptr(SandboxContainer) container = sandbox_container_load(sandbox, ref, error);
    g_autoptr(SandboxView) view =
        container ? sandbox_container_view(sandbox, container, NULL, error) : NULL;

    return view && sandbox_tar_pack(view, path, max_bytes, tar, error);
}
