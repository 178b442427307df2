/* A container's file tree seen from the host: its root with its volumes mounted in.
 *
 * Links are followed as the container would follow them, so none leads out; every step is taken
 * from a descriptor without following, so a program inside that swaps a folder for a link while we
 * walk gains nothing. A running container is seen through /proc/PID/root, with all its mounts.
 * Thread: one at a time. */
#pragma once

#include "base/errors.h"

typedef struct _SandboxView SandboxView;

/* `root`: a folder on the host. */
SandboxView *sandbox_view_new(const char *root, gboolean read_only, GError **error);
void sandbox_view_free(SandboxView *view); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SandboxView, sandbox_view_free)

/* Puts the host's `source` at `target`, which is made when absent. A file only gets its place
 * there; NULL (a tmpfs) as well. Returns the target without links; NULL on error. Errors:
 * ERROR_INVALID. Caller owns it. */
char *sandbox_view_mount(SandboxView *view, const char *source, const char *target,
                         gboolean read_only, GError **error);

typedef enum {
    SANDBOX_VIEW_READ,
    SANDBOX_VIEW_WRITE, /* refuses what is mounted read-only */
    SANDBOX_VIEW_MAKE,  /* the same, and makes missing folders (0755) */
} SandboxViewMode;

/* Opens (O_PATH) the folder that the absolute `path` leads to.
 *   canonical  out, may be NULL: the same path without links
 * -1 on error: ERROR_NOT_FOUND; ERROR_INVALID: no folder, too many links, read-only. */
int sandbox_view_folder(SandboxView *view, const char *path, SandboxViewMode mode, char **canonical,
                        GError **error);
/* The same of the folder above `path`, and the last name. `name` is "." for the root and for paths
 * that end in "." or "..". */
int sandbox_view_parent(SandboxView *view, const char *path, SandboxViewMode mode, char **name,
                        GError **error);
