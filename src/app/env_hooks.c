#include "app/env_hooks.h"

#include "provision/gh_identity.h"

struct _EnvHooks {
    GhIdentity *identity;
    GithubApp *app; /* NULL: none is configured */
    EnvMutators *mutators;
};
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EnvHooks, env_hooks_free)

static gboolean add_identity(EnvHooks *hooks, const Config *config, GError **error)
{
    EnvMutator mutator;

    hooks->identity = gh_identity_new(config->gh_identity_file, error);
    if (!hooks->identity)
        return FALSE;
    mutator = gh_identity_mutator(hooks->identity);
    env_mutators_add(hooks->mutators, &mutator);
    return TRUE;
}

static gboolean add_app(EnvHooks *hooks, const Config *config, HttpClient *client, GError **error)
{
    const GithubAppOptions options = {
        .app_id = config->github_app_id,
        .installation_id = config->github_installation_id,
        .key_file = config->github_key_file,
        .api_url = config->github_api,
        .client = client,
    };
    EnvMutator mutator;

    if (!config->github_app_id)
        return TRUE;
    hooks->app = github_app_new(&options, error);
    if (!hooks->app)
        return FALSE;
    mutator = github_app_mutator(hooks->app);
    env_mutators_add(hooks->mutators, &mutator);
    return TRUE;
}

EnvHooks *env_hooks_new(const Config *config, HttpClient *client, GError **error)
{
    g_autoptr(EnvHooks) hooks = g_new0(EnvHooks, 1);

    hooks->mutators = env_mutators_new();
    return add_identity(hooks, config, error) && add_app(hooks, config, client, error)
               ? g_steal_pointer(&hooks)
               : NULL;
}

void env_hooks_stop(EnvHooks *hooks)
{
    if (hooks)
        github_app_stop(hooks->app);
}

void env_hooks_free(EnvHooks *hooks)
{
    if (!hooks)
        return;
    env_mutators_free(hooks->mutators);
    github_app_free(hooks->app);
    gh_identity_free(hooks->identity);
    g_free(hooks);
}

EnvMutators *env_hooks_mutators(EnvHooks *hooks)
{
    return hooks->mutators;
}
