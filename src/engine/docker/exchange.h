/* One HTTP exchange with a Docker daemon: request, answer, deadline, limits, cancellation.
 *
 * A line is a libcurl multi handle with one easy handle; its connection is kept and reused. A
 * request with an effect always gets a connection of its own: libcurl silently repeats a request
 * whose kept connection turns out dead, and a create or a removal must not happen twice behind our
 * back. Private to engine/docker. Thread: a line belongs to one thread at a time. Source: spec
 * 02, 17.3 G. */
#pragma once

#include "base/sync.h"
#include "engine/docker/endpoint.h"

#include <curl/curl.h>

/* Receives a piece of a successful answer's body. FALSE ends the exchange. */
typedef gboolean (*DockerSink)(const char *bytes, gsize length, void *data);

typedef struct {
    const char *method;
    const char *path; /* behind the version, with its query, escaped */
    gboolean is_unversioned;
    gboolean has_effect; /* a lost answer is ERROR_OUTCOME_UNKNOWN; the connection is fresh */
    guint deadline_ms;   /* for all; 0: none */
    guint head_ms;       /* until the answer begins; 0: no such limit */
    guint idle_ms;       /* between two pieces of the answer; 0: no such limit */

    const char *body; /* NULL: none */
    gsize body_length;
    const char *content_type;  /* of `body`; NULL: application/json */
    const char *extra_header;  /* "X-Registry-Auth: ..."; NULL: none */
    gboolean expects_continue; /* the daemon may refuse before it has read the body */

    gsize max_body;              /* of the answer; 0: DOCKER_BODY_MAX */
    gboolean cap_is_outcome;     /* an answer over `max_body` is ERROR_TOO_LARGE, else a fault */
    DockerSink sink;             /* NULL: collected in the answer; only called with status 2xx */
    void (*started)(void *data); /* headers with status 2xx are here; NULL */
    void *data;                  /* for both */
    Cancel *cancel;              /* NULL: cannot be cancelled */
} DockerRequest;

#define DOCKER_BODY_MAX  (4 * 1024 * 1024)
#define DOCKER_PEER_SIZE 64

typedef struct {
    guint status;
    gboolean is_json;      /* by its Content-Type */
    gboolean is_cancelled; /* `cancel` fired, or `sink` wanted no more: the body is not complete */
    guint api_minor;       /* of the header Api-Version; 0: none */
    gboolean is_podman;
    char peer[DOCKER_PEER_SIZE]; /* the daemon's IP address; "" over a Unix socket */
    GString *body;
} DockerAnswer;
void docker_answer_clear(DockerAnswer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DockerAnswer, docker_answer_clear)

typedef struct _DockerLine DockerLine;
DockerLine *docker_line_new(void);
void docker_line_free(DockerLine *line);

/* Sends to `target` (path and query) and waits for the whole answer. Errors: as
 * docker_transport_call; `is_broken` (never NULL) says whether the connection failed rather than a
 * limit of ours. */
gboolean docker_exchange(DockerLine *line, const DockerEndpoint *endpoint, const char *target,
                         const DockerRequest *request, DockerAnswer *answer, gboolean *is_broken,
                         GError **error);

/* Sets address and TLS on an easy handle. */
void docker_exchange_prepare(CURL *easy, const DockerEndpoint *endpoint, const char *target);

/* The code and sentence for an exchange that got no answer: was the request on its way, and did it
 * want an effect? */
gboolean docker_exchange_fail(GError **error, const DockerRequest *request, gboolean was_sent,
                              const char *reason);
