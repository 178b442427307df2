#include "provision/yaml.h"

#include <string.h>

#define ALIAS_HOPS_MAX 8
#define KEY_MAX_BYTES  100

struct fy_node *yaml_parse_mapping(const char *text, gsize length, struct fy_document **document)
{
    static const struct fy_parse_cfg settings = {.flags = FYPCF_QUIET | FYPCF_DISABLE_MMAP_OPT};
    struct fy_node *root = NULL;

    *document = length > 0 ? fy_document_build_from_string(&settings, text, length) : NULL;
    root = *document ? fy_document_root(*document) : NULL;
    return root && fy_node_is_mapping(root) ? root : NULL;
}

struct fy_node *yaml_follow(struct fy_node *node)
{
    for (int hop = 0; node && fy_node_is_alias(node); hop++)
        node = hop < ALIAS_HOPS_MAX ? fy_node_resolve_alias(node) : NULL;
    return node;
}

char *yaml_scalar_dup(struct fy_node *node, gsize max_bytes)
{
    gsize length = 0;
    const char *text = NULL;

    node = yaml_follow(node);
    if (!node || !fy_node_is_scalar(node))
        return NULL;
    text = fy_node_get_scalar(node, &length);
    if (!text || length == 0 || length > max_bytes || !g_utf8_validate(text, (gssize)length, NULL))
        return NULL;
    if (memchr(text, '\n', length) || memchr(text, '\r', length) || memchr(text, '\0', length))
        return NULL;
    return g_strndup(text, length);
}

gboolean yaml_key_is(struct fy_node_pair *pair, const char *name)
{
    g_autofree char *key = yaml_scalar_dup(fy_node_pair_key(pair), KEY_MAX_BYTES);

    return g_strcmp0(key, name) == 0;
}

struct fy_node *yaml_member(struct fy_node *mapping, const char *name)
{
    void *state = NULL;

    mapping = yaml_follow(mapping);
    if (!mapping || !fy_node_is_mapping(mapping))
        return NULL;
    for (struct fy_node_pair *pair; (pair = fy_node_mapping_iterate(mapping, &state));)
        if (yaml_key_is(pair, name))
            return yaml_follow(fy_node_pair_value(pair));
    return NULL;
}
