/* Which server to talk to, and what opens it.
 *
 *   address  --url, WORKSPACED_URL, the file `url` of the data directory, http://127.0.0.1:PORT
 *   token    --token, WORKSPACED_TOKEN, the file `admin-token` of the data directory
 *
 * The data directory is that of the local server (base/config.h), or --data-dir. Its token opens
 * that server only: it is never sent to another host that was named by --url or WORKSPACED_URL. */
#pragma once

#include "arguments.h"

typedef struct {
    char *url; /* no slash at the end */
    char *url_source;
    char *token;        /* NULL: none was found */
    char *token_source; /* where it was read, or why there is none */
} Target;

/* Errors: CTL_USAGE. Caller owns the result. */
Target *target_find(const Arguments *arguments, GError **error);
void target_free(Target *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Target, target_free)

/* The data directory of the local server, as the options and settings name it. Caller owns it; NULL
 * when nobody can tell. */
char *target_data_dir_dup(const Arguments *arguments);

/* Whether the URL's host is this machine's loopback. */
gboolean target_is_loopback(const char *url);
