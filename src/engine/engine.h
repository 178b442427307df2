/* Container engines behind one ops struct.
 *
 * Engines: docker (Podman speaks the same API), sandbox (bubblewrap, no daemon), control plane
 * (machines that a platform hosts for us), and the fault engine that wraps any of them; later
 * swarm, kubernetes. Only the reconciler and what it lends (files, terminal, logs) call an engine.
 *
 * Rules for every implementation:
 *   - a call has its own deadline (table below) and takes no lock across I/O
 *   - a time-out or a broken connection is ERROR_OUTCOME_UNKNOWN when the call may have had an
 *     effect, else ERROR_UNAVAILABLE; the caller looks before it acts
 *   - only a well-formed "not there" of the engine itself is ERROR_NOT_FOUND
 *   - engine text goes to the log and into faults, never into an outcome's sentence
 *   - every object carries labels of ours; `ref` is a container id or name
 * Deadlines: ping 2 s, inspect/list 10 s, create 30 s, start 60 s, remove 60 s, archive 60 s, pull
 * idle 60 s and 15 min in all. Thread: any, several at once. Source: spec 02, sections 8 and 17.3
 * G; ARCHITECTURE D7, D22, D23. */
#pragma once

#include "base/errors.h"
#include "base/sync.h"

typedef struct _Engine Engine;

/* ---- Ownership ---- */

#define ENGINE_LABEL_INSTALLATION "workspaced.installation"
#define ENGINE_LABEL_WORKSPACE    "workspaced.workspace"
#define ENGINE_LABEL_KIND         "workspaced.kind"
#define ENGINE_LABEL_GENERATION   "workspaced.generation"

#define ENGINE_KIND_WORKSPACE        "workspace"
#define ENGINE_KIND_HELPER           "helper"
#define ENGINE_KIND_VOLUME_CONFIGS   "volume-configs"
#define ENGINE_KIND_VOLUME_SESSIONS  "volume-sessions"
#define ENGINE_KIND_VOLUME_WORKSPACE "volume-workspace"
#define ENGINE_KIND_NETWORK          "network"

/* What decides that an object is ours. A NULL text is "no such label"; generation 0 is "no such
 * label". */
typedef struct {
    char *installation; /* installation id */
    char *workspace;    /* full workspace id */
    char *kind;
    gint64 generation;
} EngineLabels;
void engine_labels_clear(EngineLabels *labels);
void engine_labels_copy(EngineLabels *to, const EngineLabels *from); /* `to` is uninitialised */
/* Whether a list for `installation` (NULL: for everybody) has an object with these labels. */
gboolean engine_labels_belong(const EngineLabels *labels, const char *installation);

/* ---- Values ---- */

typedef struct {
    char *id;      /* the daemon's own id: changes when the daemon is another one (spec 02, L41) */
    char *name;    /* "Docker Engine 20.10.24", for people */
    char *version; /* API version spoken, e.g. "1.41" */
    char *host_name; /* what its containers call the machine it runs on; NULL: they share its
                        network, or cannot */
    gint64 cpus;
    gint64 memory_bytes;
    gboolean limits_memory, limits_cpu, limits_pids; /* whether caps are really enforced (D19) */
} EngineInfo;
void engine_info_free(EngineInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EngineInfo, engine_info_free)

typedef enum { ENGINE_MOUNT_VOLUME, ENGINE_MOUNT_BIND, ENGINE_MOUNT_TMPFS } EngineMountType;
typedef struct {
    EngineMountType type;
    const char *source; /* volume name or absolute host path; NULL for tmpfs */
    const char *target; /* absolute path inside */
    gboolean read_only;
    gint64 size_bytes; /* tmpfs only */
} EngineMount;

/* Everything a container is made from. Borrowed for the call. */
typedef struct {
    const char *name;
    const char *image;
    const char *hostname;           /* NULL: the engine's default */
    const char *const *environment; /* "KEY=value", NULL-terminated, each key once */
    const char *const *entrypoint;  /* NULL-terminated; NULL: the image's own */
    const char *const *command;     /* NULL-terminated; NULL: the image's own */
    const char *user;               /* NULL: the image's own */
    const char *network;            /* NULL: the engine's default */
    const char *network_alias;      /* NULL: none */
    const EngineMount *mounts;
    guint mount_count;
    guint16 port; /* the container port that must be reachable from the server; 0: none */
    gboolean read_only_root;
    gboolean privileged;
    gboolean host_pid;
    gboolean host_network;
    /* FALSE: drop all but the few that entry points need (spec 02, 8.9) */
    gboolean keep_capabilities;
    gint64 memory_bytes; /* 0: no cap; swap is capped to the same */
    gint64 nano_cpus;    /* 0: no cap */
    gint64 pids_limit;   /* 0: no cap */
    EngineLabels labels; /* borrowed texts */
    /* For a hosted engine, which looks at these, environment and labels only. */
    const char *runtime;
    gint64 tier;
    const char *platform_url; /* where its agent finds us */
} ContainerSpec;

typedef enum {
    CONTAINER_CREATED,
    CONTAINER_RUNNING,
    CONTAINER_PAUSED,
    CONTAINER_RESTARTING,
    CONTAINER_REMOVING,
    CONTAINER_EXITED,
    CONTAINER_DEAD,
} ContainerState;

/* What the image's own check (Docker's HEALTHCHECK) says of a running container. */
typedef enum {
    HEALTH_NONE, /* it has no check, or the engine knows of none */
    HEALTH_STARTING,
    HEALTH_HEALTHY,
    HEALTH_UNHEALTHY,
} ContainerHealth;

#define CONTAINER_PROBE_BYTES 500 /* of a check's output */

typedef struct {
    char *id;
    char *name;
    char *image;
    char *image_digest; /* id of the image it was made from; NULL when unknown */
    char *user; /* what it runs as, as the engine says it ("", "1000", "node:staff"); NULL when
                   unknown or from list */
    ContainerState state;
    gboolean ever_started;
    gint64 exit_code; /* of the last run */
    gboolean out_of_memory;
    char *failure;         /* the engine's own sentence on why it did not run; NULL */
    Reason failure_reason; /* what `failure` means; REASON_NONE: nobody knows */
    char *address; /* "127.0.0.1:49153": where the server reaches `port`; or "unix:/path"; NULL when
                      not running */
    gint64 created_at_us, started_at_us,
        finished_at_us; /* 0: never; list may leave the last two 0 */
    gint64 restart_count;
    ContainerHealth health;
    char *probe_output; /* what the last check of an unhealthy one said, cut to
                           CONTAINER_PROBE_BYTES; NULL: nothing, or from list */
    EngineLabels labels;
    atomic_int others; /* references beside the first; the last field */
} ContainerInfo;
/* An engine may hand out the same value again (list): read-only, unless it was made own. */
ContainerInfo *container_info_ref(ContainerInfo *info);
/* A value that nobody else holds, with the same content; takes `info`. */
ContainerInfo *container_info_own(ContainerInfo *info);
void container_info_free(ContainerInfo *info); /* gives one reference up; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ContainerInfo, container_info_free)

typedef struct {
    char *name;
    gint64 created_at_us; /* 0: the engine's list does not say, or we do not read it */
    EngineLabels labels;
    atomic_int others; /* references beside the first; the last field */
} VolumeInfo;
VolumeInfo *volume_info_ref(VolumeInfo *info); /* likewise */
VolumeInfo *volume_info_own(VolumeInfo *info);
void volume_info_free(VolumeInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VolumeInfo, volume_info_free)

typedef struct {
    gint64 memory_bytes, memory_limit_bytes;
    gint64 cpu_total_ns; /* since the start */
    gint64 pids;
} EngineStats;

typedef enum {
    ENGINE_EVENT_CREATE,
    ENGINE_EVENT_START,
    ENGINE_EVENT_DIE, /* exit_code is set */
    ENGINE_EVENT_DESTROY,
    ENGINE_EVENT_OUT_OF_MEMORY, /* a process was killed for it; a DIE may follow */
    ENGINE_EVENT_HEALTH,        /* the image's own check came to another result */
    ENGINE_EVENT_OTHER,
    ENGINE_EVENT_CONNECTED, /* the stream is up: what happened before may have been missed; labels
                               are empty */
} EngineEventType;
typedef struct {
    EngineEventType type;
    const char *container_id; /* borrowed; "" for CONNECTED */
    EngineLabels labels;      /* borrowed */
    gint64 exit_code;
    gint64 time_us;
} EngineEvent;
typedef void (*EngineEventFunction)(const EngineEvent *event, void *data);
typedef void (*EngineBytesFunction)(const char *bytes, gsize length, void *data);

/* A program run inside a container. Borrowed for the call. */
typedef struct {
    const char *const *argv; /* NULL-terminated */
    const char *user;        /* NULL: the container's own */
    const char *working_dir; /* NULL: the container's own */
    GBytes *input;           /* NULL: none */
    gsize max_output_bytes;  /* per stream; more is cut and said in `truncated` */
    guint timeout_ms;
} ExecSpec;
typedef struct {
    gint64 exit_code;
    GString *output, *errors;
    gboolean truncated;
} ExecResult;
void exec_result_free(ExecResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ExecResult, exec_result_free)

/* An interactive program (a terminal). `fd` carries raw bytes both ways and belongs to the session.
 */
typedef struct _EngineSession EngineSession;
typedef struct {
    const char *const *argv;
    const char *user;
    guint16 columns, rows;
} AttachSpec;

/* ---- The operations ---- */

typedef struct {
    const char *name; /* "docker", "sandbox" */
    /* copy_in at a folder also fills what is mounted below it. */
    gboolean copies_through_mounts;
    /* Machines elsewhere: known by the ids that create gave and by nothing else (no names, no
     * list), with nothing inside that we could reach (no volumes, networks, images, files,
     * programs, logs, statistics, events). Create also starts, and given again for the same
     * workspace and generation it gives the same machine; only remove ends one. What it lacks is
     * NULL, and the fronts answer ERROR_INVALID; so only ping, info, inspect, create, remove and
     * free are required. Ids: engine/hosted_id.h. */
    gboolean is_hosted;

    /* Required. Is it there? ERROR_UNAVAILABLE. */
    gboolean (*ping)(Engine *self, GError **error);
    /* Required. */
    gboolean (*info)(Engine *self, EngineInfo **info, GError **error);

    /* Required. All containers, in any state, that carry the installation label `installation`;
     * NULL: everybody's, also those without a label of ours. The list is complete or the call
     * fails. `containers` is a GPtrArray of ContainerInfo with a free function; address only in
     * inspect. */
    gboolean (*list)(Engine *self, const char *installation, GPtrArray **containers,
                     GError **error);
    /* Required. ERROR_NOT_FOUND: verified absent. */
    gboolean (*inspect)(Engine *self, const char *ref, ContainerInfo **info, GError **error);
    /* Required. Creates, does not start. ERROR_CONFLICT: the name is taken. ERROR_NOT_FOUND: no
     * such image. ERROR_INVALID: the engine refuses the spec (limits, missing bind source); the
     * sentence is ours and may be shown. */
    gboolean (*create)(Engine *self, const ContainerSpec *spec, char **id, GError **error);
    /* Required. Already running is success. ERROR_NOT_FOUND; ERROR_INVALID: cannot be started
     * (missing command, port taken): the sentence may be shown. */
    gboolean (*start)(Engine *self, const char *ref, GError **error);
    /* Required. Ends it for good (no restart by the engine): SIGTERM, after `grace_seconds`
     * SIGKILL. Already stopped, or gone, is success. */
    gboolean (*stop)(Engine *self, const char *ref, guint grace_seconds, GError **error);
    /* Required. By force, anonymous volumes too. Returns when it is verified gone; already gone is
     * success. */
    gboolean (*remove)(Engine *self, const char *ref, GError **error);
    /* Optional (NULL: cannot freeze; both or none). Halts and continues all processes; already so
     * is success. ERROR_NOT_FOUND, ERROR_CONFLICT: not running. */
    gboolean (*freeze)(Engine *self, const char *ref, GError **error);
    gboolean (*thaw)(Engine *self, const char *ref, GError **error);

    /* Required. Makes it if absent. `existing` (never NULL) gets the labels the volume really has:
     * not ours means a foreign volume of that name, and the caller must not use it. */
    gboolean (*volume_create)(Engine *self, const char *name, const EngineLabels *labels,
                              EngineLabels *existing, GError **error);
    gboolean (*volume_list)(Engine *self, const char *installation, GPtrArray **volumes,
                            GError **error); /* Required; likewise, GPtrArray of VolumeInfo */
    /* Required. Already gone is success. ERROR_CONFLICT: in use; the sentence says by which
     * container, when that is known. */
    gboolean (*volume_remove)(Engine *self, const char *name, GError **error);
    /* Required (may do nothing). Makes the network if absent; never touches one that is there. */
    gboolean (*network_ensure)(Engine *self, const char *name, const EngineLabels *labels,
                               GError **error);

    /* Required. Runs to its end. ERROR_NOT_FOUND, ERROR_CONFLICT: not running.
     * ERROR_OUTCOME_UNKNOWN: over its time; it was killed. */
    gboolean (*exec)(Engine *self, const char *ref, const ExecSpec *spec, ExecResult **result,
                     GError **error);
    /* Required. Starts a program on a terminal of its own. */
    gboolean (*attach)(Engine *self, const char *ref, const AttachSpec *spec,
                       EngineSession **session, GError **error);
    int (*session_fd)(EngineSession *session);
    gboolean (*session_resize)(EngineSession *session, guint16 columns, guint16 rows,
                               GError **error);
    void (*session_free)(EngineSession *session); /* ends the program, too */

    /* Required. Unpacks a tar below `path` (absolute) of a container in any state, created ones
     * included. */
    gboolean (*copy_in)(Engine *self, const char *ref, const char *path, GBytes *tar,
                        GError **error);
    /* Required. A tar of `path`. ERROR_NOT_FOUND: container or path. ERROR_TOO_LARGE: over
     * `max_bytes`. */
    gboolean (*copy_out)(Engine *self, const char *ref, const char *path, gsize max_bytes,
                         GBytes **tar, GError **error);
    /* Required. Both output streams, in order, oldest first, the last `lines` lines (0: all), at
     * most `max_bytes` from the end. */
    gboolean (*logs)(Engine *self, const char *ref, guint lines, gsize max_bytes, GBytes **text,
                     GError **error);
    /* Required. The last `lines` lines, then what comes, until the container ends or `cancel`
     * fires. */
    gboolean (*logs_follow)(Engine *self, const char *ref, guint lines, Cancel *cancel,
                            EngineBytesFunction function, void *data, GError **error);
    /* Required. ERROR_NOT_FOUND, ERROR_CONFLICT: not running. */
    gboolean (*stats)(Engine *self, const char *ref, EngineStats *stats, GError **error);
    /* Required. Reports events of our containers since `since_us` (0: from now) until `cancel`
     * fires (TRUE) or the stream breaks (FALSE). Runs in the engine's own thread. The first event
     * reported is CONNECTED. */
    gboolean (*events)(Engine *self, const char *installation, gint64 since_us, Cancel *cancel,
                       EngineEventFunction function, void *data, GError **error);

    /* Required. ERROR_NOT_FOUND when it is not there locally. `digest` (may be NULL) gets the
     * image's id. */
    gboolean (*image_inspect)(Engine *self, const char *image, char **digest, GError **error);
    /* Required. Makes image `image` from a tar of a root file system. */
    gboolean (*image_import)(Engine *self, const char *image, GBytes *tar, GError **error);
    /* Required. `progress` (may be NULL) gets lines for people, beginning with "<0 to 100>% " once
     * it is known how much is done. ERROR_NOT_FOUND: no such image at its registry;
     * ERROR_FORBIDDEN; ERROR_OUTCOME_UNKNOWN: among others, `cancel` fired. */
    gboolean (*image_pull)(Engine *self, const char *image, EngineBytesFunction progress,
                           void *data, Cancel *cancel, GError **error);
    /* Optional (NULL: keeps no old images). Removes images of `repository` ("ghcr.io/acme/agent")
     * that no tag names any more and no container, running or not, is made from. `removed` counts
     * them. One that cannot go stays and is no error. */
    gboolean (*image_prune)(Engine *self, const char *repository, guint *removed, GError **error);

    /* Optional. What a machine wrote on its console, found by the workspace's id. ERROR_NOT_FOUND:
     * it has none. */
    gboolean (*console)(Engine *self, const char *workspace, char **text, GError **error);
    /* Optional. The server stops: calls under way end soon, as if their answers were lost; later
     * ones, too. */
    void (*interrupt)(Engine *self);

    void (*free)(Engine *self); /* Required */
} EngineOps;

/* ---- Counters, kept by the fronts ---- */

/* One an operation, in the order of EngineOps; names in engine_operation_name. */
typedef enum {
    ENGINE_OPERATION_PING,
    ENGINE_OPERATION_INFO,
    ENGINE_OPERATION_LIST,
    ENGINE_OPERATION_INSPECT,
    ENGINE_OPERATION_CREATE,
    ENGINE_OPERATION_START,
    ENGINE_OPERATION_STOP,
    ENGINE_OPERATION_REMOVE,
    ENGINE_OPERATION_FREEZE,
    ENGINE_OPERATION_THAW,
    ENGINE_OPERATION_VOLUME_CREATE,
    ENGINE_OPERATION_VOLUME_LIST,
    ENGINE_OPERATION_VOLUME_REMOVE,
    ENGINE_OPERATION_NETWORK_ENSURE,
    ENGINE_OPERATION_EXEC,
    ENGINE_OPERATION_ATTACH,
    ENGINE_OPERATION_SESSION_RESIZE,
    ENGINE_OPERATION_COPY_IN,
    ENGINE_OPERATION_COPY_OUT,
    ENGINE_OPERATION_LOGS,
    ENGINE_OPERATION_LOGS_FOLLOW,
    ENGINE_OPERATION_STATS,
    ENGINE_OPERATION_EVENTS,
    ENGINE_OPERATION_IMAGE_INSPECT,
    ENGINE_OPERATION_IMAGE_IMPORT,
    ENGINE_OPERATION_IMAGE_PULL,
    ENGINE_OPERATION_CONSOLE,
    ENGINE_OPERATION_IMAGE_PRUNE,
    ENGINE_OPERATION_COUNT,
} EngineOperation;
const char *engine_operation_name(EngineOperation operation); /* "volume_create"; borrowed */

typedef struct {
    atomic_ullong calls, failures, duration_us;
} EngineCounter;

/* Every implementation embeds this first, zeroed (g_new0), and calls engine_init once. */
struct _Engine {
    const EngineOps *ops;
    EngineCounter counters[ENGINE_OPERATION_COUNT]; /* owned by the fronts */
};

/* Registration: takes `ops` (static) and aborts when a required operation is missing. */
void engine_init(Engine *engine, const EngineOps *ops);

typedef struct {
    guint64 calls, failures, duration_us; /* duration: sum over all calls, streams included */
} EngineOperationMetrics;
typedef struct {
    EngineOperationMetrics operations[ENGINE_OPERATION_COUNT];
} EngineMetrics;
void engine_metrics(Engine *engine, EngineMetrics *metrics);

/* ---- Constructors ---- */

/* `endpoint`: "unix:///var/run/docker.sock" or "tcp://host:port"; NULL: DOCKER_HOST, else the usual
 * socket. Does not connect. DOCKER_TLS_VERIFY and DOCKER_CERT_PATH (tcp only) and
 * DOCKER_API_VERSION count as for the Docker CLI. Errors: ERROR_INVALID for an address we cannot
 * speak to (ssh, http), or certificates that are not there. */
Engine *engine_docker_new(const char *endpoint, GError **error);
/* The same with every setting from the caller and none from the environment. NULL and "" are "not
 * set". */
typedef struct {
    const char *host;        /* DOCKER_HOST */
    const char *api_version; /* DOCKER_API_VERSION */
    const char *cert_path;   /* DOCKER_CERT_PATH */
    gboolean tls_verify;     /* DOCKER_TLS_VERIFY */
} DockerSettings;
Engine *engine_docker_open(const DockerSettings *settings, GError **error);
/* Credentials for pulls from `registry` ("ghcr.io") and no other; NULL texts forget them. Call
 * before the first pull. */
void engine_docker_registry_set(Engine *engine, const char *registry, const char *user,
                                const char *token);
/* "os/architecture" that images are pulled and containers made for; NULL or "": the daemon's own.
 * Call before the first pull. */
void engine_docker_platform_set(Engine *engine, const char *platform);
/* `directory` holds containers, volumes and images of the sandbox; made when absent (0700).
 * ERROR_UNAVAILABLE: bubblewrap is missing or user namespaces are not allowed here. */
Engine *engine_sandbox_new(const char *directory, GError **error);

/* The platform that hosts a tenant's machines. NULL and "" are "not set"; texts are copied. Does
 * not connect. Errors: ERROR_INVALID without an organisation, or for an address or credential that
 * cannot be used. */
typedef struct {
    const char *base_url;        /* CP_PROVISION_URL, else MOLECULE_CP_URL */
    const char *org_id;          /* MOLECULE_ORG_ID */
    const char *shared_secret;   /* for its workspaces */
    const char *admin_token;     /* who we are: ADMIN_TOKEN */
    const char *admin_api_token; /* for its administrators' interface */
    const char *installation;    /* the label that its machines count with */
} ControlPlaneSettings;
Engine *engine_control_plane_open(const ControlPlaneSettings *settings, GError **error);

/* ---- Thin fronts: the only way to call an engine ----
 * They check arguments, count calls and failures, measure time and log a failure at debug level
 * with the operation's name. */
const char *engine_name(Engine *engine);
void engine_free(Engine *engine); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Engine, engine_free)

gboolean engine_ping(Engine *engine, GError **error);
gboolean engine_info(Engine *engine, EngineInfo **info, GError **error);
gboolean engine_list(Engine *engine, const char *installation, GPtrArray **containers,
                     GError **error);
gboolean engine_inspect(Engine *engine, const char *ref, ContainerInfo **info, GError **error);
gboolean engine_create(Engine *engine, const ContainerSpec *spec, char **id, GError **error);
gboolean engine_start(Engine *engine, const char *ref, GError **error);
gboolean engine_stop(Engine *engine, const char *ref, guint grace_seconds, GError **error);
gboolean engine_remove(Engine *engine, const char *ref, GError **error);
gboolean engine_can_freeze(Engine *engine);
gboolean engine_copies_through_mounts(const Engine *engine);
gboolean engine_is_hosted(const Engine *engine);
gboolean engine_has_console(const Engine *engine);
gboolean engine_console(Engine *engine, const char *workspace, char **text, GError **error);
void engine_interrupt(Engine *engine); /* nothing where there is nothing to interrupt */
gboolean engine_freeze(Engine *engine, const char *ref, GError **error);
gboolean engine_thaw(Engine *engine, const char *ref, GError **error);
gboolean engine_volume_create(Engine *engine, const char *name, const EngineLabels *labels,
                              EngineLabels *existing, GError **error);
gboolean engine_volume_list(Engine *engine, const char *installation, GPtrArray **volumes,
                            GError **error);
gboolean engine_volume_remove(Engine *engine, const char *name, GError **error);
gboolean engine_network_ensure(Engine *engine, const char *name, const EngineLabels *labels,
                               GError **error);
gboolean engine_exec(Engine *engine, const char *ref, const ExecSpec *spec, ExecResult **result,
                     GError **error);
gboolean engine_attach(Engine *engine, const char *ref, const AttachSpec *spec,
                       EngineSession **session, GError **error);
int engine_session_fd(Engine *engine, EngineSession *session);
gboolean engine_session_resize(Engine *engine, EngineSession *session, guint16 columns,
                               guint16 rows, GError **error);
void engine_session_free(Engine *engine, EngineSession *session);
gboolean engine_copy_in(Engine *engine, const char *ref, const char *path, GBytes *tar,
                        GError **error);
gboolean engine_copy_out(Engine *engine, const char *ref, const char *path, gsize max_bytes,
                         GBytes **tar, GError **error);
gboolean engine_logs(Engine *engine, const char *ref, guint lines, gsize max_bytes, GBytes **text,
                     GError **error);
gboolean engine_logs_follow(Engine *engine, const char *ref, guint lines, Cancel *cancel,
                            EngineBytesFunction function, void *data, GError **error);
gboolean engine_stats(Engine *engine, const char *ref, EngineStats *stats, GError **error);
gboolean engine_events(Engine *engine, const char *installation, gint64 since_us, Cancel *cancel,
                       EngineEventFunction function, void *data, GError **error);
gboolean engine_image_inspect(Engine *engine, const char *image, char **digest, GError **error);
gboolean engine_image_import(Engine *engine, const char *image, GBytes *tar, GError **error);
gboolean engine_image_pull(Engine *engine, const char *image, EngineBytesFunction progress,
                           void *data, Cancel *cancel, GError **error);
/* An engine that keeps no old images removes none: success. */
gboolean engine_image_prune(Engine *engine, const char *repository, guint *removed, GError **error);
