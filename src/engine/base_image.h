/* The image of workspaces that name none: a small root file system around Debian's busybox-static,
 * put together from this machine's own files, so that neither a registry nor a build is needed. Our
 * agent is in it: a container made from it needs none of its own, and an upload of some megabytes
 * less. Other images get the agent when a container is made (reconcile/seeding.c).
 *
 * Its name ends with a hash of its content, so another content is another image and an old one is
 * never taken for it. Source: ARCHITECTURE section 7. Thread: any. */
#pragma once

#include "engine/engine.h"

#define BASE_IMAGE_AGENT "workspaced/agent" /* where the agent lies, from the root on */

/* The tar of the root file system: busybox with a link for each name it answers to, the accounts
 * root, agent (1000) and nobody, this machine's certificates if it has any, and the program at
 * `agent` (NULL: none). The same bytes for the same files; and its name, "workspaced/base:<12
 * hex>". Caller owns both. Errors: ERROR_UNAVAILABLE when busybox-static is not installed;
 * ERROR_INTERNAL when the agent cannot be read. */
gboolean base_image_make(const char *agent, GBytes **tar, char **name, GError **error);

/* Makes sure that the engine has it. `name` is the caller's. Errors: as above, and those of
 * engine_image_inspect and engine_image_import. */
gboolean base_image_ensure(Engine *engine, const char *agent, char **name, GError **error);
