/* The way to one Docker daemon: kept lines (engine/docker/exchange.h) and the API version.
 *
 * The API version is the lower of the daemon's and ours (DOCKER_MAX_API), asked for once, and again
 * after a broken connection or an answer 400, since the daemon may be another one by then; a pinned
 * version is never asked for. Private to engine/docker. Thread: any, several at once. Source: spec
 * 02, 8.1 and 17.3 G; ARCHITECTURE D22. */
#pragma once

#include "engine/docker/exchange.h"

#define DOCKER_MIN_API 41 /* the minor number of 1.41 */
#define DOCKER_MAX_API 51

typedef struct _DockerTransport DockerTransport;

/* Takes the endpoint. `pinned_version`: "1.43" or NULL. ERROR_INVALID: not such a number. Does not
 * connect. */
DockerTransport *docker_transport_new(DockerEndpoint *endpoint, const char *pinned_version,
                                      guint ping_ms, GError **error);
void docker_transport_free(DockerTransport *transport); /* nobody may be calling */

/* Asks the daemon who it is and remembers the API version. ERROR_UNAVAILABLE. */
gboolean docker_transport_ping(DockerTransport *transport, GError **error);
/* The API version's minor number that calls use; asks when unknown. */
gboolean docker_transport_version(DockerTransport *transport, guint *minor, GError **error);
gboolean docker_transport_is_podman(DockerTransport *transport); /* by the last ping */

/* Sends and waits for the answer, whatever its status. FALSE: no answer: ERROR_UNAVAILABLE,
 * ERROR_OUTCOME_UNKNOWN (effect), ERROR_TOO_LARGE or ERROR_INTERNAL (over `max_body`). `answer` is
 * zeroed before and must be cleared after. */
gboolean docker_transport_call(DockerTransport *transport, const DockerRequest *request,
                               DockerAnswer *answer, GError **error);

/* ---- For docker/pipe.c, which speaks over a connection of its own ---- */

/* The URL's path with the version in front. Caller owns it. */
gboolean docker_transport_target(DockerTransport *transport, const DockerRequest *request,
                                 char **target, GError **error);
const DockerEndpoint *docker_transport_endpoint(DockerTransport *transport); /* borrowed */
void docker_transport_forget(DockerTransport *transport); /* it broke: ask for the version again */
