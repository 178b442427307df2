/* The daemon's descriptions of containers into ContainerInfo. Private to engine/docker. Thread: any
 * (pure functions). */
#pragma once

#include "engine/docker/listing.h"

/* The port of a container on the host's own network, which publishes none; beside the four labels
 * of ownership. */
#define DOCKER_LABEL_PORT "workspaced.port"

/* GET /containers/{id}/json. ERROR_INTERNAL: not such a document. */
gboolean docker_info_from_inspect(JsonView document, ContainerInfo **info, GError **error);

/* GET /containers/json: every element of `installation` (NULL: all) or an error. `listing` is of
 * docker_container_element; `text` moves in. Figures that a list lacks (address, failure,
 * out_of_memory, restart_count, start and end) stay empty. ERROR_INTERNAL: not such a document. */
gboolean docker_info_from_list(DockerListing *listing, GString *text, const char *installation,
                               GPtrArray **containers, GError **error);
