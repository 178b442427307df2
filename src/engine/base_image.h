/* The image of workspaces that name none: a small root file system around Debian's busybox-static,
 * put together from this machine's own files, so that neither a registry nor a build is needed.
 *
 * Its name ends with a hash of its content, so another content is another image and an old one is
 * never taken for it. Source: ARCHITECTURE section 7. Thread: any. */
#pragma once

#include "engine/engine.h"

/* The tar of the root file system: busybox with a link for each name it answers to, the accounts
 * root, agent (1000) and nobody, this machine's certificates if it has any. The same bytes for the
 * same busybox and certificates; and its name, "workspaced/base:<12 hex>". Caller owns both.
 * Error: ERROR_UNAVAILABLE when busybox-static is not installed. */
gboolean base_image_make(GBytes **tar, char **name, GError **error);

/* Makes sure that the engine has it. `name` is the caller's. Errors: as above, and those of
 * engine_image_inspect and engine_image_import. */
gboolean base_image_ensure(Engine *engine, char **name, GError **error);
