/* Finding, locking and seeing one container. Thread: any. */
#pragma once

#include "engine/sandbox/process.h"
#include "engine/sandbox/record.h"
#include "engine/sandbox/sandbox.h"
#include "engine/sandbox/view.h"

#define SANDBOX_ROOT   "root"   /* in a container's or image's folder */
#define SANDBOX_ETC    "etc"    /* hosts, hostname, resolv.conf of this start */
#define SANDBOX_PORT   "port"   /* the agent's port of this start, decimal */
#define SANDBOX_FROZEN "frozen" /* there: somebody has frozen it */
#define SANDBOX_LOCK   "lock"
#define SANDBOX_DATA   "data" /* in a volume's folder */

/* A container found by id or name. */
typedef struct {
    char *folder;
    SandboxRecord *record;
} SandboxContainer;
void sandbox_container_free(SandboxContainer *container); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SandboxContainer, sandbox_container_free)

/* ERROR_NOT_FOUND, ERROR_INTERNAL. */
SandboxContainer *sandbox_container_load(SandboxEngine *sandbox, const char *ref, GError **error);

/* A lock between all engines on the directory, released by closing. Wrapped so that scopes do it.
 */
typedef struct {
    int fd;
} SandboxLock;
void sandbox_lock_clear(SandboxLock *lock);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SandboxLock, sandbox_lock_clear)
#define SANDBOX_LOCK_INIT                                                                          \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* For the moments in which names change. Errors: ERROR_INTERNAL, ERROR_UNAVAILABLE. */
gboolean sandbox_lock_names(SandboxEngine *sandbox, SandboxLock *lock, GError **error);
/* For start, stop, remove of one container. ERROR_NOT_FOUND: gone meanwhile. */
gboolean sandbox_lock_container(SandboxContainer *container, SandboxLock *lock, GError **error);

/* Its tree: of a running one as it is inside, else root and volumes. `targets` (may be NULL) gets
 * the targets of record->mounts without links, in order. */
SandboxView *sandbox_container_view(SandboxEngine *sandbox, SandboxContainer *container,
                                    GPtrArray **targets, GError **error);
/* The folder of a mount's content on the host; NULL for a tmpfs. Caller owns it. */
char *sandbox_mount_source(SandboxEngine *sandbox, const SandboxMount *mount);

/* Names of a folder, without dotted ones. An absent folder is empty. ERROR_INTERNAL. */
GPtrArray *sandbox_names(SandboxEngine *sandbox, const char *folder, GError **error);
/* Moves a folder into the trash, so that it is gone at once, and removes it there. */
gboolean sandbox_discard(SandboxEngine *sandbox, const char *path, GError **error);
/* A fresh folder in new/, held so that no other engine sweeps it. `lock` keeps the hold. Caller
 * owns the path. */
char *sandbox_folder_new(SandboxEngine *sandbox, SandboxLock *lock, GError **error);
/* Removes what crashes left in new/ and trash/. Best effort. */
void sandbox_sweep(SandboxEngine *sandbox);

/* The port for a start; 0: the spec wants none. Under the names' lock. ERROR_INVALID: taken. */
gboolean sandbox_port_choose(SandboxEngine *sandbox, SandboxContainer *container, guint16 *port,
                             GError **error);
/* Of the last start; 0: none. */
guint16 sandbox_port_load(const char *folder);

/* ---- Images and volumes for the other subjects ---- */

/* The image's folder; ERROR_NOT_FOUND. Caller owns both. */
char *sandbox_image_find(SandboxEngine *sandbox, const char *image, char **digest, GError **error);
gboolean sandbox_volume_exists(SandboxEngine *sandbox, const char *name);

/* ---- Events ---- */

/* The JSON object a container's events begin with, left open. Caller owns it. */
char *sandbox_event_prefix(const SandboxRecord *record);
/* Adds a line. Best effort: whoever needs certainty lists. */
void sandbox_event_write(SandboxEngine *sandbox, const SandboxRecord *record, const char *type);
