/* What users keep with a workspace that no container depends on: its free configuration document
 * and its budget. Source: spec 01, sections 16 and 17.1. Thread: workers. */
#pragma once

#include "lifecycle/lifecycle.h"

#define CONFIG_DOCUMENT_MAX_BYTES (1024 * 1024)                    /* spec 01, section 16 */
#define BUDGET_LIMIT_MAX          G_GINT64_CONSTANT(1000000000000) /* cents; spec 01, 17.1 */

/* `document` (compact JSON object, NULL: none) with the members of `patch` over its own: a shallow
 * merge in which null is a value and numbers keep their digits. Caller owns the result; NULL with
 * ERROR_TOO_LARGE when it is longer than CONFIG_DOCUMENT_MAX_BYTES. Pure. */
char *config_document_merge(const char *document, JsonView patch, GError **error);

/* Merges `patch`, an object, into the stored document. Errors: ERROR_NOT_FOUND, ERROR_TOO_LARGE,
 * those of the database. */
gboolean lifecycle_config_merge(const Lifecycle *lifecycle, const char *id, JsonView patch,
                                GError **error);

/* `limit` in cents, -1: none. Errors: ERROR_NOT_FOUND, those of the database. */
gboolean lifecycle_budget_set(const Lifecycle *lifecycle, const char *id, gint64 limit,
                              GError **error);
