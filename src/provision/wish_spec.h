/* The document in workspace_runtime.spec: what one wish asks to be done beyond what the workspace's
 * row says.
 *
 *   {"template":"<folder>","order":"<id>","reset_sessions":true,"reset_order":"<id>"}
 *
 * Template and reset are orders of their own. Each is done once, however often the container is
 * made anew and whichever later wishes keep the document: whoever carries it out remembers the
 * order's id. So a wish that keeps the document never touches the user's files again, one that asks
 * for the same template again gets it, and one that asks for the other thing takes nothing away
 * from an order that has not been carried out yet. Absent, empty and unreadable documents ask for
 * nothing. Source: spec 02 section 17.3 B;
 * spec 01 section 9.1. */
#pragma once

#include <glib.h>

typedef struct {
    char *template_name; /* template to unpack over /configs; NULL: none */
    char *order;         /* its id; "" when the document has none */
    gboolean reset_sessions;
    char *reset_order; /* its id; "" when the document has none */
} WishSpec;
void wish_spec_free(WishSpec *spec); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WishSpec, wish_spec_free)

#define WISH_SPEC_NOTHING "{}"

/* Never NULL. */
WishSpec *wish_spec_parse(const char *text);
/* New orders; asking for nothing gives WISH_SPEC_NOTHING. Caller owns the text. */
char *wish_spec_text(const char *template_name, gboolean reset_sessions);
/* The same, beside what the document `former` (may be NULL) orders and they do not replace. */
char *wish_spec_join(const char *former, const char *template_name, gboolean reset_sessions);

/* workspace_runtime.volumes: kind -> name. `names` has VOLUME_KINDS entries, NULL for absent ones.
 */
char *volume_names_text(char *const *names);
/* NULL when `text` is NULL: no volume of this workspace has been filled yet. Else VOLUME_KINDS
 * owned entries; free with volume_names_free. */
char **volume_names_parse(const char *text);
void volume_names_free(char **names);
