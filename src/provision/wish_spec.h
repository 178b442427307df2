/* The document in workspace_runtime.spec: what one start is asked to do beyond what the workspace's
 * row says.
 *
 *   {"template":"<folder>","reset_sessions":true}
 *
 * Both are for one successful seeding and gone after it, so that a later re-creation of the same
 * generation touches neither the user's files nor sessions. Absent, empty and unreadable documents
 * ask for nothing. Source: spec 02 section 17.3 B; spec 01 section 9.1. */
#pragma once

#include <glib.h>

typedef struct {
    char *template_name; /* template to unpack over /configs; NULL: none */
    gboolean reset_sessions;
} WishSpec;
void wish_spec_free(WishSpec *spec); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WishSpec, wish_spec_free)

#define WISH_SPEC_NOTHING "{}"

/* Never NULL. */
WishSpec *wish_spec_parse(const char *text);
/* Caller owns the text. */
char *wish_spec_text(const char *template_name, gboolean reset_sessions);

/* workspace_runtime.volumes: kind -> name. `names` has VOLUME_KINDS entries, NULL for absent ones.
 */
char *volume_names_text(char *const *names);
/* NULL when `text` is NULL: no volume of this workspace has been filled yet. Else VOLUME_KINDS
 * owned entries; free with volume_names_free. */
char **volume_names_parse(const char *text);
void volume_names_free(char **names);
