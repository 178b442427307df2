/* The one registry of runtimes: which there are and what image each one runs.
 *
 * `builtin` is the built-in agent in the server's own base image, `external` has no container at
 * all, the others are the reference's runtimes with images that bring their own agent. Names of a
 * manifest's workspace templates join them. The same table answers "is it known" (create), "which
 * image" (start) and "which template folder" (recovery), so the answers cannot disagree. Source:
 * spec 01 section 12.3; spec 02 section 8.5; ARCHITECTURE D24. Thread: any once built (read only).
 */
#pragma once

#include "base/errors.h"

#define RUNTIME_BUILTIN  "builtin"
#define RUNTIME_EXTERNAL "external"

/* What an unknown name is called in generated files and template paths (pinned, spec 02, 8.5). */
#define RUNTIME_FALLBACK "langgraph"

#define RUNTIME_IMAGE_PREFIX "ghcr.io/molecule-ai/workspace-template-"
#define RUNTIME_IMAGE_TAG    "latest"

typedef struct {
    const char *name;
    const char *image;         /* NULL: builtin (the base image), external (none), or none known */
    const char *default_model; /* for generated configuration */
    gboolean has_sessions;     /* keeps the third volume, of sessions */
    gboolean has_plain_config; /* generated configuration has no runtime_config block */
    guint provision_timeout_s;
} Runtime;

typedef struct _Runtimes Runtimes;

/* `image_prefix` and `image_tag` (NULL: the reference's) make air-gapped registries usable.
 * `manifest` (may be NULL) is a file whose workspace_templates[].name join; an absent or broken one
 * is logged and ignored. */
Runtimes *runtimes_new(const char *image_prefix, const char *image_tag, const char *manifest);
void runtimes_free(Runtimes *runtimes); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Runtimes, runtimes_free)

/* Finds by exact name, blanks around it ignored; NULL or blank is `builtin`. NULL when unknown.
 * Borrowed. */
const Runtime *runtimes_find(const Runtimes *runtimes, const char *name);
/* The name to use in paths and generated files: the known one, else RUNTIME_FALLBACK. Borrowed,
 * never NULL. */
const char *runtimes_allowed_name(const Runtimes *runtimes, const char *name);
/* All known names, sorted; NULL-terminated, borrowed. */
const char *const *runtimes_names(const Runtimes *runtimes);

/* Names of all runtimes that have an image: the reference's own RUNTIME_CANONICAL in its order,
 * then the others sorted; NULL-terminated, borrowed. Source: spec 02, 15. */
#define RUNTIME_CANONICAL 8
const char *const *runtimes_with_image(const Runtimes *runtimes);

/* Seconds a start may take until the agent registers. `override_s` (0: none) wins for every
 * runtime, then the larger of the table and `declared_s` + 300 (0: not declared). Source: spec
 * 02, 13.4. */
guint runtime_provision_timeout_s(const Runtime *runtime, guint override_s, guint declared_s);
