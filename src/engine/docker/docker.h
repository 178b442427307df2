/* The Docker engine's inside: what its files share. Podman's compatible API is spoken to by the
 * same code.
 *
 * Files: docker_endpoint (address), docker_exchange and docker_transport (HTTP), docker_pipe
 * (hijacked connections), docker_frames and docker_lines (streams), docker_json, docker_info and
 * docker_listing (answers into values), docker_call (requests, judging answers), and by subject
 * docker_create, docker_container, docker_removal, docker_stats, docker_volume, docker_exec,
 * docker_attach, docker_archive, docker_logs, docker_events, docker_image. An answer is judged by
 * its status only; the daemon's sentences go to the log and into faults. A 404 counts as "not
 * there" only with the daemon's own JSON body, since socket proxies answer 404, too. Source: spec
 * 02, section 8 and 17.3 F, G. */
#pragma once

#include "engine/docker/listing.h"
#include "engine/docker/transport.h"
#include "engine/engine.h"

/* Milliseconds; spec 02, 17.3 G. Tests shorten them. */
typedef struct {
    guint ping_ms;
    guint read_ms; /* inspect, list, small changes */
    guint create_ms;
    guint start_ms;
    guint stop_ms; /* on top of the grace */
    guint remove_ms;
    guint archive_ms;
    guint pull_idle_ms;
    guint pull_ms;
    guint kill_ms; /* to end what an exec started */
} DockerDeadlines;
extern const DockerDeadlines docker_deadlines;

/* What the daemon's machine has; from GET /info. */
typedef struct {
    gint64 cpus; /* 0: not asked yet */
    gboolean limits_cpu;
    char address[DOCKER_PEER_SIZE]; /* where its published ports are reached: "127.0.0.1" unless it
                                       is another machine */
} DockerHost;

typedef struct {
    Engine base;
    DockerTransport *transport; /* owned */
    DockerDeadlines deadlines;  /* read-only */

    Mutex lock; /* guards what follows */
    DockerHost host;
    char *registry;                      /* "ghcr.io"; NULL: no credentials */
    char *registry_header;               /* "X-Registry-Auth: ..." */
    char *platform;                      /* "linux/amd64"; NULL: the daemon's own */
    DockerListing *containers, *volumes; /* NULL: lent, or nothing was listed yet */
} DockerEngine;

/* The constructor behind engine_docker_new; `deadlines` NULL: those of the specification. */
Engine *docker_engine_new(const DockerVariables *variables, const DockerDeadlines *deadlines,
                          GError **error);

static inline DockerEngine *docker_engine(Engine *engine)
{
    return (DockerEngine *)engine;
}

/* "&platform=<escaped>", or "". `is_pair`: only what names system and architecture. Caller owns it.
 */
char *docker_platform_query(DockerEngine *docker, gboolean is_pair);

/* The host's figures, asked for once. */
gboolean docker_host_load(DockerEngine *docker, DockerHost *host, GError **error);

/* ---- Calls and answers (docker/call.c) ---- */

/* "/containers/<ref><rest>", with `ref` escaped. Caller owns it. */
char *docker_path(const char *collection, const char *ref, const char *rest);

/* A request and its answer, whatever the status. `answer` starts as {0}. */
gboolean docker_call(DockerEngine *docker, const DockerRequest *request, DockerAnswer *answer,
                     GError **error);
/* The same, and a status other than 2xx and 304 becomes an error by docker_refuse. */
gboolean docker_call_ok(DockerEngine *docker, const DockerRequest *request, const char *what,
                        DockerAnswer *answer, GError **error);
/* GET, answered 2xx with JSON. `view` points into `answer`. */
gboolean docker_get(DockerEngine *docker, const char *path, gsize max_body, const char *what,
                    DockerAnswer *answer, JsonView *view, GError **error);

/* GET of a list: its text, for the reading by `listing`. Caller owns it. */
gboolean docker_get_list(DockerEngine *docker, const char *path, gsize max_body,
                         DockerListing *listing, GString **text, GError **error);
/* Lends what is remembered at `place` of the engine, or an empty one while another thread has it;
 * of two that come back one stays. */
DockerListing *docker_listing_take(DockerEngine *docker, DockerListing **place,
                                   const DockerElement *element);
void docker_listing_give_back(DockerEngine *docker, DockerListing **place, DockerListing *listing);

/* The daemon itself says that it is not there. */
gboolean docker_answer_is_absent(const DockerAnswer *answer);
/* Whether the daemon itself speaks (not a proxy in between). */
gboolean docker_answer_is_own(const DockerAnswer *answer);
/* What the daemon's sentence means; REASON_NONE when nobody knows. */
Reason docker_answer_reason(const DockerAnswer *answer);
gboolean docker_answer_json(const DockerAnswer *answer, JsonView *view, GError **error);

/* Makes an error of an answer that is no success. `what` ("container", "volume") is for the
 * sentence. the daemon's own: 404 NOT_FOUND, 409 CONFLICT, others INTERNAL with its text not the
 * daemon's: UNAVAILABLE, and OUTCOME_UNKNOWN for 5xx after a request with an effect */
gboolean docker_refuse(const DockerRequest *request, const DockerAnswer *answer, const char *what,
                       GError **error);
/* Says the daemon's sentence in the log, for outcomes that must not carry it. */
void docker_log_refusal(const DockerRequest *request, const DockerAnswer *answer);

/* When `refusal` of a start says that a dead container's endpoint has this one's name: removes the
 * endpoint. TRUE: try again. */
gboolean docker_free_endpoint(DockerEngine *docker, const char *ref, const DockerAnswer *refusal);

/* ---- Operations by subject; contracts in engine.h ---- */

gboolean docker_ping(Engine *self, GError **error);
gboolean docker_describe(Engine *self, EngineInfo **info, GError **error);
gboolean docker_list(Engine *self, const char *installation, GPtrArray **containers,
                     GError **error);
gboolean docker_inspect(Engine *self, const char *ref, ContainerInfo **info, GError **error);
gboolean docker_create(Engine *self, const ContainerSpec *spec, char **id, GError **error);
gboolean docker_start(Engine *self, const char *ref, GError **error);
gboolean docker_stop(Engine *self, const char *ref, guint grace_seconds, GError **error);
gboolean docker_remove(Engine *self, const char *ref, GError **error);
gboolean docker_freeze(Engine *self, const char *ref, GError **error);
gboolean docker_thaw(Engine *self, const char *ref, GError **error);
gboolean docker_volume_create(Engine *self, const char *name, const EngineLabels *labels,
                              EngineLabels *existing, GError **error);
gboolean docker_volume_list(Engine *self, const char *installation, GPtrArray **volumes,
                            GError **error);
/* The answer's text alone: those of `installation` (NULL: everybody's), all of them or an error.
 * `listing` is of docker_volume_element; `text` moves in. ERROR_UNAVAILABLE: not complete;
 * ERROR_INTERNAL: not such a document. */
gboolean docker_volume_list_read(DockerListing *listing, GString *text, const char *installation,
                                 GPtrArray **volumes, GError **error);
gboolean docker_volume_remove(Engine *self, const char *name, GError **error);
gboolean docker_network_ensure(Engine *self, const char *name, const EngineLabels *labels,
                               GError **error);
gboolean docker_exec(Engine *self, const char *ref, const ExecSpec *spec, ExecResult **result,
                     GError **error);
gboolean docker_attach(Engine *self, const char *ref, const AttachSpec *spec,
                       EngineSession **session, GError **error);
int docker_session_fd(EngineSession *session);
gboolean docker_session_resize(EngineSession *session, guint16 columns, guint16 rows,
                               GError **error);
void docker_session_free(EngineSession *session);
gboolean docker_copy_in(Engine *self, const char *ref, const char *path, GBytes *tar,
                        GError **error);
gboolean docker_copy_out(Engine *self, const char *ref, const char *path, gsize max_bytes,
                         GBytes **tar, GError **error);
gboolean docker_logs(Engine *self, const char *ref, guint lines, gsize max_bytes, GBytes **text,
                     GError **error);
gboolean docker_logs_follow(Engine *self, const char *ref, guint lines, Cancel *cancel,
                            EngineBytesFunction function, void *data, GError **error);
gboolean docker_stats(Engine *self, const char *ref, EngineStats *stats, GError **error);
gboolean docker_events(Engine *self, const char *installation, gint64 since_us, Cancel *cancel,
                       EngineEventFunction function, void *data, GError **error);
gboolean docker_image_inspect(Engine *self, const char *image, char **digest, GError **error);
gboolean docker_image_import(Engine *self, const char *image, GBytes *tar, GError **error);
gboolean docker_image_pull(Engine *self, const char *image, EngineBytesFunction progress,
                           void *data, Cancel *cancel, GError **error);
gboolean docker_image_prune(Engine *self, const char *repository, guint *removed, GError **error);
