/* Reading small YAML documents that others wrote, with libfyaml. Nothing is expanded: an alias is
 * followed one node at a time, so a small file cannot become a large one. Internal to provision/.
 * Thread: any (pure). */
#pragma once

#include <glib.h>
#include <libfyaml.h>

/* The document's root, a mapping; NULL: no YAML, or no mapping. `document` must be destroyed by
 * fy_document_destroy in any case. */
struct fy_node *yaml_parse_mapping(const char *text, gsize length, struct fy_document **document);
/* The node an alias stands for; NULL when it leads nowhere. */
struct fy_node *yaml_follow(struct fy_node *node);
/* The scalar's text when it is not empty, at most `max_bytes`, valid and on one line; else NULL. */
char *yaml_scalar_dup(struct fy_node *node, gsize max_bytes);
gboolean yaml_key_is(struct fy_node_pair *pair, const char *name);
/* The value of a mapping's key, aliases followed; of equal keys the first. NULL when absent. */
struct fy_node *yaml_member(struct fy_node *mapping, const char *name);
