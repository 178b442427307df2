/* An image's name taken apart: "registry/repository:tag". Pure. Thread: any.
 * Source: the daemon's own reading of references; spec 02 section 8.5. */
#pragma once

#include <glib.h>

#define IMAGE_HUB_REGISTRY "docker.io"

/* Where the tag begins (":1.2" or "@sha256:..."), or NULL. A colon before the last slash is a port.
 * Borrowed. */
const char *image_reference_find_tag(const char *image);
/* "ghcr.io" of "ghcr.io/acme/agent"; a first part without dot, colon or "localhost" is no registry:
 * IMAGE_HUB_REGISTRY. Caller owns it. */
char *image_reference_registry_dup(const char *image);
/* "acme/agent" of "ghcr.io/acme/agent:1". Caller owns it. */
char *image_reference_repository_dup(const char *image);
/* "1" of "ghcr.io/acme/agent:1"; "latest" when none is given. Caller owns it. */
char *image_reference_tag_dup(const char *image);
