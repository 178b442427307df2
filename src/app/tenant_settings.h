/* A hosted tenant's settings as its control plane keeps them: read once at start, before the
 * configuration counts.
 *
 * Only variables of the platform's own are taken (never keys, loader variables or anything else
 * that decides how this process runs), only over https or from this machine, only well-formed
 * answers of at most 64 KiB. Source: spec 02, section 5. Thread: main, at start. */
#pragma once

#include "base/config.h"

/* Whether there is anything to ask: an organisation and a token to show. */
gboolean tenant_settings_are_wanted(const Config *config);
/* Asks, for at most 10 s. What was given replaces variables in `environment` (owned by the caller,
 * as of g_get_environ). Errors, with `environment` untouched: ERROR_INVALID (an address that may
 * not be asked, an answer that is none), ERROR_UNAVAILABLE. */
G_GNUC_WARN_UNUSED_RESULT gboolean tenant_settings_load(const Config *config, char ***environment,
                                                        GError **error);
/* What an answer's body says. Pure; the same. */
G_GNUC_WARN_UNUSED_RESULT gboolean tenant_settings_apply(const char *body, gsize length,
                                                         char ***environment, GError **error);
