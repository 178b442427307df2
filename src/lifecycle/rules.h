/* What the fields of a workspace may hold. Each function sets ERROR_INVALID with a sentence that
 * names the field. Source: spec 01 sections 5.1, 5.4, 7; spec 02 section 8.7. Thread: any (pure).
 */
#pragma once

#include "base/errors.h"

#define RULE_NAME_MAX    255 /* bytes */
#define RULE_ROLE_MAX    1000
#define RULE_MODEL_MAX   100
#define RULE_RUNTIME_MAX 100
#define RULE_IMAGE_MAX   512
#define RULE_COMMAND_MAX 4096

/* Length, line breaks and the characters that would mean something in a generated configuration.
 * NULL passes. */
gboolean rule_name(const char *name, GError **error);
gboolean rule_role(const char *role, GError **error);
gboolean rule_model(const char *model, GError **error);
/* A name, never a path: letters, digits, `.`, `_`, `-`. "" passes (it clears). */
gboolean rule_runtime(const char *runtime, GError **error);
/* An image reference of a registry; no blanks, no control characters. */
gboolean rule_image(const char *image, GError **error);
gboolean rule_executor(const char *executor, GError **error);
gboolean rule_command(const char *command, GError **error);
/* A folder name below the templates: relative, never leading out. */
gboolean rule_template(const char *name, GError **error);
/* An absolute host folder outside the system's own. `roots` (colon list, NULL: everywhere) narrows
 * it further. */
gboolean rule_workspace_dir(const char *path, const char *roots, GError **error);
/* "none", "read_only", "read_write"; the last two need a directory. NULL is "none". */
gboolean rule_workspace_access(const char *access, const char *workspace_dir, GError **error);
gboolean rule_tier(gint64 tier, GError **error);
