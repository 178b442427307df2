#include "provision/mutators.h"

#include "base/sync.h"

struct _EnvMutators {
    Mutex lock;
    GArray *list; /* EnvMutator; guarded by lock */
};

EnvMutators *env_mutators_new(void)
{
    EnvMutators *mutators = g_new0(EnvMutators, 1);

    mutex_init(&mutators->lock);
    mutators->list = g_array_new(FALSE, FALSE, sizeof(EnvMutator));
    return mutators;
}

void env_mutators_free(EnvMutators *mutators)
{
    if (!mutators)
        return;
    g_array_unref(mutators->list);
    mutex_clear(&mutators->lock);
    g_free(mutators);
}

void env_mutators_add(EnvMutators *mutators, const EnvMutator *mutator)
{
    if (!mutator)
        return;
    mutex_lock(&mutators->lock);
    g_array_append_vals(mutators->list, mutator, 1);
    mutex_unlock(&mutators->lock);
}

static GArray *snapshot(EnvMutators *mutators)
{
    GArray *copy = NULL;

    mutex_lock(&mutators->lock);
    copy = g_array_copy(mutators->list);
    mutex_unlock(&mutators->lock);
    return copy;
}

/* A mutator's own codes mean nothing to a start: whatever they are, it failed here. */
static gboolean blame(const char *name, const GError *cause, GError **error)
{
    return error_set(error, ERROR_INTERNAL, "provisionhook \"%s\": %s", name,
                     cause ? cause->message : "failed");
}

gboolean env_mutators_run(EnvMutators *mutators, const char *workspace_id, GHashTable *environment,
                          GError **error)
{
    g_autoptr(GArray) list = mutators ? snapshot(mutators) : NULL;

    for (guint i = 0; list && i < list->len; i++) {
        const EnvMutator *mutator = &g_array_index(list, EnvMutator, i);
        g_autoptr(GError) cause = NULL;
        if (!mutator->run(workspace_id, environment, mutator->data, &cause))
            return blame(mutator->name, cause, error);
    }
    return TRUE;
}

gboolean env_mutators_token(EnvMutators *mutators, char **token, gint64 *expires_at_us,
                            GError **error)
{
    g_autoptr(GArray) list = mutators ? snapshot(mutators) : NULL;

    for (guint i = 0; list && i < list->len; i++) {
        const EnvMutator *mutator = &g_array_index(list, EnvMutator, i);
        g_autoptr(GError) cause = NULL;
        if (!mutator->token)
            continue;
        return mutator->token(token, expires_at_us, mutator->data, &cause) ||
               blame(mutator->name, cause, error);
    }
    return error_set(error, ERROR_NOT_FOUND, "no GitHub App is configured");
}
