/* gh-identity: what an agent does on GitHub says which agent it was.
 *
 * A workspace with a role gets its role in one spelling, the GitHub login that owns it, a badge,
 * and a wrapper for `gh` that its image may put in the real one's place. The wrapper is our own
 * script (gh-wrapper.sh), kept inside the program. Source: spec 02, section 12. */
#pragma once

#include "provision/mutators.h"

#define GH_IDENTITY_NAME "gh-identity"

typedef struct _GhIdentity GhIdentity;

/* Reads `roles: {<role>: {owner: <login>}}` from the YAML file `path`; NULL, or a file that is not
 * there, is an empty map. Error: ERROR_INVALID (unreadable, no YAML): a server must not start then.
 */
GhIdentity *gh_identity_new(const char *path, GError **error);
void gh_identity_free(GhIdentity *identity); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GhIdentity, gh_identity_free)

/* Borrows `identity`. */
EnvMutator gh_identity_mutator(GhIdentity *identity);

/* "  pmm-lead " -> "Pmm-Lead". Caller owns it. Pure. */
char *gh_role_dup(const char *role);
