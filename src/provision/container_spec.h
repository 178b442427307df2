/* From a workspace's row to the container it wants. Pure: no engine call, no file read.
 *
 * Which agent answers: runtime `builtin`, or any image with an `executor`, gets our agent as its
 * entry point; the reference's images keep their own. The user stays the image's own in every case.
 * Source: spec 02 sections 8.2, 8.6, 8.7, 8.9, 17.3 A; ARCHITECTURE D24 and section 7. */
#pragma once

#include "engine/engine.h"
#include "provision/environment.h"
#include "provision/names.h"
#include "provision/runtimes.h"
#include "provision/tiers.h"

/* Where the injected agent lies. With a read-only root only a volume can take it. */
#define AGENT_TAR_NAME           "workspaced/agent"
#define AGENT_PATH               "/" AGENT_TAR_NAME
#define AGENT_READ_ONLY_TAR_NAME ".workspaced/agent"
#define AGENT_READ_ONLY_PATH     "/configs/" AGENT_READ_ONLY_TAR_NAME
#define ENGINE_SOCKET_PATH       "/var/run/docker.sock"

/* Whether our agent is the entry point. */
gboolean container_has_builtin_agent(const WorkspaceRow *row);

/* The image, as text. `base_image` is what `builtin` runs without one of its own. Error:
 * ERROR_INVALID with a sentence for people: a runtime without a known image and without `image`, or
 * `external`, which has no container. Caller owns it. */
char *container_image_dup(const WorkspaceRow *row, const Runtimes *runtimes, const char *base_image,
                          GError **error);

/* The host directory for /workspace, NULL for the volume. `fallback` is WORKSPACE_DIR. Error:
 * ERROR_INVALID for a path that may not be mounted. */
gboolean container_host_directory(const WorkspaceRow *row, const char *fallback,
                                  const char **directory, gboolean *read_only, GError **error);
/* Absolute, without "..", not a system directory. Source: spec 02, 8.7. */
gboolean container_is_mountable(const char *directory);

/* Bit (1 << VolumeKind) for each volume this container mounts. */
guint container_volume_kinds(const Runtime *runtime, const TierCaps *caps, gboolean has_directory);

/* The port for an agent on the host's own network: the same one at every start. Source: spec
 * 02, 8.9 (b). */
guint16 container_host_port(const char *id);

typedef struct {
    const WorkspaceRow *row;
    gint64 generation;
    const char *installation;
    const char *name; /* of the container */
    const char *image;
    const char *network;
    char *const *volumes;  /* VOLUME_KINDS names; NULL entries are not mounted */
    const char *directory; /* host directory for /workspace, or NULL */
    gboolean directory_read_only;
    const TierCaps *caps;
    GHashTable *environment;
    const char *agent_path;     /* inside: the entry point; NULL: the image's own */
    gboolean engine_has_socket; /* tier 4 gets ENGINE_SOCKET_PATH */
    guint16 port;
} ContainerInput;

/* A ContainerSpec with everything it points at. */
typedef struct {
    ContainerSpec spec;
    char **environment;
    GArray *mounts; /* EngineMount */
    const char *entrypoint[2];
    GPtrArray *texts;
} ContainerPlan;

/* Copies all it needs; `input` may go. Never NULL. */
ContainerPlan *container_plan_new(const ContainerInput *input);
void container_plan_free(ContainerPlan *plan); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ContainerPlan, container_plan_free)
