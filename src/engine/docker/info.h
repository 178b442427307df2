/* The daemon's descriptions of containers into ContainerInfo. Private to engine/docker. Thread: any
 * (pure functions). */
#pragma once

#include "base/json_view.h"
#include "engine/engine.h"

/* The port of a container on the host's own network, which publishes none; beside the four labels
 * of ownership. */
#define DOCKER_LABEL_PORT "workspaced.port"

/* GET /containers/{id}/json. ERROR_INTERNAL: not such a document. */
gboolean docker_info_from_inspect(JsonView document, ContainerInfo **info, GError **error);

/* GET /containers/json: every element or an error. Figures that a list lacks (address, failure,
 * out_of_memory, restart_count, start and end) stay empty. */
gboolean docker_info_from_list(JsonView document, GPtrArray **containers, GError **error);
