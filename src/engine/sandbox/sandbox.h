/* The sandbox engine's inside: what its files share. Containers without a daemon, by bubblewrap.
 *
 * Everything lies below one directory (0700):
 *   id                        this engine's own id
 *   lock                      taken (flock) for the short moments that change names
 *   images/<digest>/root      unpacked root file systems; tags/<hash>.json names one
 *   containers/<id>/          container.json (never changed), root/, etc/ and the supervisor's
 * files names/<name>              a link to the id volumes/<name>/           volume.json, data/
 *   events/                   log: one line an event
 *   new/, trash/              what is being made or taken away; swept at start
 * A thing appears and disappears by one rename, so a crash leaves it whole or in new/ or trash/.
 *
 * A running container is: workspaced-supervisor (own session, not our child) - bwrap - the program,
 * process 1 of a namespace of its own. The supervisor holds a lock on `alive`; who wants to know
 * whether a container runs asks the kernel for that lock, so neither a killed server nor a reused
 * process number can deceive. Each of the three dies with the one before.
 *
 * As root: files keep their owners, the user is switched inside, capabilities are those of
 * SANDBOX_CAPABILITIES_KEPT, the kernel's switches are read-only. As an ordinary user: a user
 * namespace with one id (0, or the spec's user), so an exec's user is that one, whatever it names,
 * and owners in archives are left out. Everywhere: no new privileges, own mount, process, IPC and
 * host-name namespaces. The network, abstract Unix sockets included, is the host's: agents reach
 * whatever listens on loopback. So an agent's port is allocated (sandbox/port.c), unless the
 * spec wants the host's network or its environment has WORKSPACE_AGENT_PORT: then that one counts.
 * What the environment lacks of WORKSPACE_AGENT_PORT, _LISTEN and _URL is added. `host_pid` is not
 * given: everything inside must die with process 1. `privileged` means all capabilities and no
 * device nodes more. An image's configuration is unknown (import of a root file system), so a spec
 * needs a command. Source: spec 02, section 8 and 17.3; ARCHITECTURE section 6 (D7, D17, D19),
 * section 10. */
#pragma once

#include "engine/engine.h"
#include "engine/sandbox/cgroup.h"

#define SANDBOX_SUPERVISOR_NAME "workspaced-supervisor"

/* Where the supervisor program is; NULL: beside our own executable. Before engine_sandbox_new,
 * from the main thread. Copied. */
void engine_sandbox_supervisor_set(const char *path);

typedef struct {
    Engine base;
    /* All read-only once made. */
    char *directory; /* absolute, without links */
    char *id;
    char *bubblewrap, *bubblewrap_version;
    char *supervisor;
    gboolean is_root;
    SandboxCgroups *cgroups;
} SandboxEngine;

static inline SandboxEngine *sandbox_engine(Engine *engine)
{
    return (SandboxEngine *)engine;
}

/* Folders below the directory. */
#define SANDBOX_IMAGES     "images"
#define SANDBOX_TAGS       "tags"
#define SANDBOX_CONTAINERS "containers"
#define SANDBOX_NAMES      "names"
#define SANDBOX_VOLUMES    "volumes"
#define SANDBOX_EVENTS     "events"
#define SANDBOX_NEW        "new"
#define SANDBOX_TRASH      "trash"

/* "<directory>/<a>/<b>"; `b` may be NULL. Caller owns it. */
char *sandbox_path(SandboxEngine *sandbox, const char *a, const char *b);

/* ---- Operations by subject; contracts in engine.h ---- */

gboolean sandbox_list(Engine *self, const char *installation, GPtrArray **containers,
                      GError **error);
gboolean sandbox_inspect(Engine *self, const char *ref, ContainerInfo **info, GError **error);
gboolean sandbox_create(Engine *self, const ContainerSpec *spec, char **id, GError **error);
gboolean sandbox_start(Engine *self, const char *ref, GError **error);
gboolean sandbox_stop(Engine *self, const char *ref, guint grace_seconds, GError **error);
gboolean sandbox_remove(Engine *self, const char *ref, GError **error);
gboolean sandbox_freeze(Engine *self, const char *ref, GError **error);
gboolean sandbox_thaw(Engine *self, const char *ref, GError **error);
gboolean sandbox_volume_create(Engine *self, const char *name, const EngineLabels *labels,
                               EngineLabels *existing, GError **error);
gboolean sandbox_volume_list(Engine *self, const char *installation, GPtrArray **volumes,
                             GError **error);
gboolean sandbox_volume_remove(Engine *self, const char *name, GError **error);
gboolean sandbox_exec(Engine *self, const char *ref, const ExecSpec *spec, ExecResult **result,
                      GError **error);
gboolean sandbox_attach(Engine *self, const char *ref, const AttachSpec *spec,
                        EngineSession **session, GError **error);
int sandbox_session_fd(EngineSession *session);
gboolean sandbox_session_resize(EngineSession *session, guint16 columns, guint16 rows,
                                GError **error);
void sandbox_session_free(EngineSession *session);
gboolean sandbox_copy_in(Engine *self, const char *ref, const char *path, GBytes *tar,
                         GError **error);
gboolean sandbox_copy_out(Engine *self, const char *ref, const char *path, gsize max_bytes,
                          GBytes **tar, GError **error);
gboolean sandbox_logs(Engine *self, const char *ref, guint lines, gsize max_bytes, GBytes **text,
                      GError **error);
gboolean sandbox_logs_follow(Engine *self, const char *ref, guint lines, Cancel *cancel,
                             EngineBytesFunction function, void *data, GError **error);
gboolean sandbox_stats(Engine *self, const char *ref, EngineStats *stats, GError **error);
gboolean sandbox_events(Engine *self, const char *installation, gint64 since_us, Cancel *cancel,
                        EngineEventFunction function, void *data, GError **error);
gboolean sandbox_image_inspect(Engine *self, const char *image, char **digest, GError **error);
gboolean sandbox_image_import(Engine *self, const char *image, GBytes *tar, GError **error);
gboolean sandbox_image_pull(Engine *self, const char *image, EngineBytesFunction progress,
                            void *data, Cancel *cancel, GError **error);
