/* The mutators of this server, as its configuration wants them: gh-identity always, github-app-auth
 * when an App is configured. Source: spec 02, section 12. */
#pragma once

#include "base/config.h"
#include "provision/github_app.h"

typedef struct _EnvHooks EnvHooks;

/* `client` is borrowed. Error: ERROR_INVALID: the configuration is wrong, the server must not
 * start. */
EnvHooks *env_hooks_new(const Config *config, HttpClient *client, GError **error);
void env_hooks_stop(EnvHooks *hooks); /* nobody waits for GitHub any more; NULL is fine */
void env_hooks_free(EnvHooks *hooks); /* NULL is fine */

EnvMutators *env_hooks_mutators(EnvHooks *hooks); /* borrowed */
