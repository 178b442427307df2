/* Steps that change a container's environment before it starts, in the order they were added.
 *
 * Later ones see what earlier ones did; the first error ends the chain. A mutator should live with
 * outages and fail only for what its configuration is to blame for. The first one that can mint
 * tokens serves the token routes. Adding and running may overlap: a run works on a snapshot.
 * Source: spec 02, section 12. Thread: any; functions may block. */
#pragma once

#include "base/errors.h"

typedef struct {
    const char *name; /* static */
    /* Changes `environment` (name -> value, both owned by the table). Required. */
    gboolean (*run)(const char *workspace_id, GHashTable *environment, void *data, GError **error);
    /* A token for git and its end (wall time); the caller owns it. NULL: mints none. */
    gboolean (*token)(char **token, gint64 *expires_at_us, void *data, GError **error);
    void *data;
} EnvMutator;

typedef struct _EnvMutators EnvMutators;

EnvMutators *env_mutators_new(void);
void env_mutators_free(EnvMutators *mutators); /* NULL is fine; frees no data */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EnvMutators, env_mutators_free)

/* Copies `mutator`; NULL is ignored, the same one twice runs twice. */
void env_mutators_add(EnvMutators *mutators, const EnvMutator *mutator);
/* `mutators` NULL: nothing to do. Error: that of the first that failed, as ERROR_INTERNAL
 * "provisionhook "<name>": <cause>": for the log only. */
gboolean env_mutators_run(EnvMutators *mutators, const char *workspace_id, GHashTable *environment,
                          GError **error);
/* Errors: ERROR_NOT_FOUND (nobody mints tokens), ERROR_INTERNAL (no token was to be had). */
gboolean env_mutators_token(EnvMutators *mutators, char **token, gint64 *expires_at_us,
                            GError **error);
