/* The environment of a workspace's container. Pure.
 *
 * Later layers win: base variables, git identity, secrets, model and role, then the reserved ones,
 * which nobody may override. Each key comes once, sorted, so that two builds of the same workspace
 * are equal. Source: spec 01 sections 12.5, 12.6, 12.3; spec 02 section 8.8. */
#pragma once

#include "provision/runtimes.h"
#include "store/workspace_row.h"

#define AGENT_DEFAULT_PORT 8000 /* where the server expects every agent; spec 02, 8.6 */

typedef struct {
    const WorkspaceRow *row;
    GHashTable *secrets;       /* name -> value, workspace over global; borrowed */
    const char *platform_url;  /* how the agent reaches the server */
    const char *awareness_url; /* NULL or "": none */
    const char *agent_url;     /* what the built-in agent registers; NULL: it finds out by itself */
    const char *agent_listen;  /* where the built-in agent listens; NULL: every address */
    guint16 agent_port;
    gboolean has_builtin_agent;
    gboolean is_hosted; /* the platform sets what depends on the machine; secrets cannot */
} EnvironmentInput;

/* name -> value, both owned by the table. Names that no environment can carry (empty, with "=") are
 * left out. */
GHashTable *environment_make(const EnvironmentInput *input);
/* "KEY=value", sorted by key, NULL-terminated. Caller owns it. */
char **environment_list(GHashTable *environment);
/* "Molecule AI <name>"'s mail address: "<slug>@agents.moleculesai.app". Caller owns it. */
char *environment_git_mail(const WorkspaceRow *row);
