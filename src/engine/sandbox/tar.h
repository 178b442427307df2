/* Tar archives in and out of a view. Thread: any, each view one at a time. */
#pragma once

#include "engine/sandbox/view.h"

typedef struct {
    guint64 max_bytes; /* unpacked */
    guint max_entries;
    gboolean allows_filters; /* gzip, xz, zstd, as images come */
    gboolean keeps_owner;
    guint durable_entries; /* files among the first so many are on disk before the next one */
} SandboxTarLimits;

/* Unpacks below `path` (absolute, must exist). Names that lead out are refused, device nodes and
 * sockets left out. A file takes a file's place, never a folder's, nor a folder a file's.
 *   entries  out, may be NULL: how many there were
 * ERROR_INVALID: the archive or a name in it; ERROR_NOT_FOUND: path; ERROR_TOO_LARGE. What came
 * before a fault stays. */
gboolean sandbox_tar_unpack(SandboxView *view, const char *path, GBytes *tar,
                            const SandboxTarLimits *limits, guint *entries, GError **error);
/* A tar of `path`: a folder's entries are below its last name, as the Docker daemon does it.
 * ERROR_NOT_FOUND, ERROR_TOO_LARGE (the archive). */
gboolean sandbox_tar_pack(SandboxView *view, const char *path, gsize max_bytes, GBytes **tar,
                          GError **error);
