/* Making a team from a template, and taking it away again. Source: spec 01, section 13. Thread:
 * workers. */
#pragma once

#include "base/json_out.h"
#include "lifecycle/lifecycle.h"

typedef struct {
    char id[ID_SIZE];
    char *name;
    char *role; /* "" when not given */
} TeamChild;
void team_child_free(TeamChild *child); /* NULL is fine */
/* Writes the member "children": [{id, name, role}]; `children` holds TeamChild. */
void team_children_write(JsonOut *out, const GPtrArray *children);

/* Creates the members that the workspace's template names and that are not there yet: a name that a
 * live child has is skipped, so is one that breaks the rules of a create. Gives those made by this
 * call (GPtrArray of TeamChild, owned); NULL on an error. What was made before an error stays; a
 * repeated call goes on. Errors: ERROR_NOT_FOUND, ERROR_INVALID (no template, no members), those of
 * team_members_read and of a create. */
GPtrArray *lifecycle_expand(const Lifecycle *lifecycle, const char *id, GError **error);

/* Removes all below the workspace, not itself, like lifecycle_remove. Gives their names, parents
 * before children (GPtrArray of char *, owned); NULL on an error: ERROR_NOT_FOUND, those of the
 * database. */
GPtrArray *lifecycle_collapse(const Lifecycle *lifecycle, const char *id, GError **error);
