/* The workspaces as the server lists them, and finding the one that a person means. */
#pragma once

#include "api.h"

typedef struct {
    char *id;
    char *name;
    char *status;
    char *role;      /* "" when none */
    char *runtime;   /* "" when none */
    char *url;       /* "" when none */
    char *parent_id; /* "" for a root */
    char *error;     /* the last failure's sentence, with the end of its log; "" when none */
    /* Why it does not run; "" each when nothing failed, or for an older server. */
    char *reason, *why, *hint, *failed_at;
    gboolean has_exit_code;
    gint64 exit_code;
} Workspace;

void workspace_free(Workspace *workspace);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Workspace, workspace_free)

/* Reads one object of the server. NULL when it is none or has no id. Caller owns it. */
Workspace *workspace_read(JsonView object);

/* Every workspace that is not removed, oldest first. GPtrArray of Workspace, owned; NULL on error.
 *   answer  out, may be NULL: what the server said, owned by the caller */
GPtrArray *workspaces_load(Api *api, ApiAnswer *answer, GError **error);

/* The one workspace that `reference` means: its id, its name (any case when that is unique), or
 * the beginning of its id. NULL with CTL_REFUSED: there is none, or more than one. Borrowed. */
const Workspace *workspaces_find(const GPtrArray *workspaces, const char *reference,
                                 GError **error);

/* The id that `reference` means; a whole id is taken as it is, without asking the server, so that
 * removed workspaces can be named too. NULL on error; the caller owns it. */
char *workspace_id_resolve(Api *api, const char *reference, GError **error);

/* All that stand below `id`, nearest first. GPtrArray of borrowed Workspace, owned. */
GPtrArray *workspaces_below(const GPtrArray *workspaces, const char *id);
