/* github-app-auth: agents work on GitHub with a short-lived token of an installed App.
 *
 * A token is minted by a signed request to GitHub's API, kept until five minutes before its end,
 * and shared: callers that come while one is being minted wait for that one. Tokens are never
 * logged. Source: spec 02, section 12. Thread: any; calls may wait up to 30 s for GitHub. */
#pragma once

#include "http/client.h"
#include "provision/mutators.h"

#define GITHUB_APP_NAME "github-app-auth"

typedef struct _GithubApp GithubApp;

typedef struct {
    const char *app_id;          /* decimal, not 0 */
    const char *installation_id; /* the same */
    const char *key_file;        /* RSA, PEM */
    const char *api_url;         /* "https://api.github.com"; no slash at its end is needed */
    HttpClient *client;          /* borrowed until github_app_free */
} GithubAppOptions;

/* Error: ERROR_INVALID with a sentence that names the setting: a server must not start then. */
GithubApp *github_app_new(const GithubAppOptions *options, GError **error);
/* Ends a call to GitHub that is under way; every further one fails. Repeatable. */
void github_app_stop(GithubApp *app);
void github_app_free(GithubApp *app); /* NULL is fine; nobody may be inside a call */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GithubApp, github_app_free)

/* Borrows `app`. Sets GITHUB_TOKEN and GH_TOKEN, and mints tokens. */
EnvMutator github_app_mutator(GithubApp *app);

/* A token that lives for at least a while; caller owns it. Error: ERROR_INTERNAL. */
gboolean github_app_token(GithubApp *app, char **token, gint64 *expires_at_us, GError **error);
