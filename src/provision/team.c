#include "provision/team.h"

#include "provision/templates.h"
#include "provision/yaml.h"

#include <string.h>

#define NAME_MAX_BYTES   255 /* spec 01, 5.1 */
#define ROLE_MAX_BYTES   1000
#define CONFIG_MAX_BYTES 255
#define NO_NAME          "unnamed"

void team_member_free(TeamMember *member)
{
    if (!member)
        return;
    g_free(member->name);
    g_free(member->config);
    g_free(member->role);
    g_free(member);
}

/* ---- Finding ---- */

static char *folder_name_dup(const char *workspace_name)
{
    GString *name = g_string_new(NULL);

    for (const char *at = workspace_name; *at; at++) {
        char byte = g_ascii_tolower(*at);
        if (byte == ' ' || byte == '-')
            g_string_append_c(name, '-');
        else if (g_ascii_isalnum(byte) || byte == '_')
            g_string_append_c(name, byte);
    }
    if (name->len == 0)
        g_string_append(name, NO_NAME);
    return g_string_free(name, FALSE);
}

static gboolean is_named(const char *folder, const char *workspace_name)
{
    g_autoptr(TemplateConfig) config = template_config_read(folder);

    return config && g_strcmp0(config->name, workspace_name) == 0;
}

char *team_template_find(const char *root, const char *workspace_name)
{
    g_autofree char *name = folder_name_dup(workspace_name);
    g_autofree char *folder = template_find(root, name);
    g_autoptr(GPtrArray) names = NULL;

    if (folder && template_has_config(folder))
        return g_steal_pointer(&folder);
    names = root ? template_list_folders(root) : NULL;
    for (guint i = 0; names && i < names->len; i++) {
        g_autofree char *path = g_build_filename(root, names->pdata[i], NULL);
        if (is_named(path, workspace_name))
            return g_steal_pointer(&path);
    }
    return NULL;
}

/* ---- Reading ---- */

static TeamMember *read_member(struct fy_node *node)
{
    TeamMember *member = g_new0(TeamMember, 1);

    member->name = yaml_scalar_dup(yaml_member(node, "name"), NAME_MAX_BYTES);
    member->config = yaml_scalar_dup(yaml_member(node, "config"), CONFIG_MAX_BYTES);
    member->role = yaml_scalar_dup(yaml_member(node, "role"), ROLE_MAX_BYTES);
    return member;
}

static GPtrArray *read_members(struct fy_node *list, GError **error)
{
    g_autoptr(GPtrArray) members = g_ptr_array_new_with_free_func((GDestroyNotify)team_member_free);
    void *state = NULL;

    if (!list || !fy_node_is_sequence(list) || fy_node_sequence_item_count(list) == 0) {
        error_set(error, ERROR_INVALID, "the template of this workspace has no sub_workspaces");
        return NULL;
    }
    if (fy_node_sequence_item_count(list) > TEAM_MEMBERS_MAX) {
        error_set(error, ERROR_INVALID, "sub_workspaces: at most %d", TEAM_MEMBERS_MAX);
        return NULL;
    }
    for (struct fy_node *item; (item = fy_node_sequence_iterate(list, &state));) {
        TeamMember *member = read_member(item);
        if (member->name || member->config)
            g_ptr_array_add(members, member);
        else
            team_member_free(member);
    }
    return g_steal_pointer(&members);
}

GPtrArray *team_members_read(const char *folder, GError **error)
{
    gsize length = 0;
    g_autofree char *text = template_config_text_dup(folder, &length);
    struct fy_document *document = NULL;
    struct fy_node *root = NULL;
    GPtrArray *members = NULL;

    if (!text) {
        error_set(error, ERROR_INTERNAL, "cannot read the config.yaml of %s", folder);
        return NULL;
    }
    root = yaml_parse_mapping(text, length, &document);
    if (root)
        members = read_members(yaml_member(root, "sub_workspaces"), error);
    else
        error_set(error, ERROR_INTERNAL, "the config.yaml of %s is no YAML mapping", folder);
    fy_document_destroy(document);
    return members;
}
