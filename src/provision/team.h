/* A team as a template describes it: `sub_workspaces: [{config, name, role}]` in its config.yaml.
 * Source: spec 01, section 13.1. Thread: any; reads the file system, changes nothing. */
#pragma once

#include "base/errors.h"

#define TEAM_MEMBERS_MAX 200 /* of one template */

typedef struct {
    char *name;   /* NULL: take `config` */
    char *config; /* a template's folder; NULL: none */
    char *role;   /* NULL: none */
} TeamMember;
void team_member_free(TeamMember *member); /* NULL is fine */

/* The template of a workspace by its name: the folder of the folded name (A-Z lowered, blanks as
 * hyphens, all but a-z0-9_- dropped) that holds a config.yaml; else, in order, the first folder
 * whose config.yaml has exactly this `name`. NULL: none. Caller owns the path. */
char *team_template_find(const char *root, const char *workspace_name);

/* The members, in order; without a `name` and a `config` there is none. GPtrArray of TeamMember,
 * owned. Errors: ERROR_INVALID (no list, an empty or too long one), ERROR_INTERNAL (unreadable, or
 * no YAML). */
GPtrArray *team_members_read(const char *folder, GError **error);
