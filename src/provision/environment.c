#include "provision/environment.h"

#include "base/text.h"

#include <string.h>

#define GIT_NAME_PREFIX "Molecule AI "
#define GIT_MAIL_DOMAIN "agents.moleculesai.app"
#define MODEL_SECRET    "MODEL_PROVIDER" /* written by PUT /workspaces/:id/model */
#define ID_PREFIX_BYTES 8

static void set(GHashTable *environment, const char *name, const char *value)
{
    g_hash_table_insert(environment, g_strdup(name), g_strdup(value));
}

static gboolean is_given(const char *text)
{
    return text && *text;
}

static void set_base(GHashTable *environment, const EnvironmentInput *input)
{
    const WorkspaceRow *row = input->row;

    set(environment, "PLUGINS_DIR", "/plugins");
    set(environment, "PYTHONPATH", "/app");
    if (!is_given(input->awareness_url))
        return;
    set(environment, "AWARENESS_URL", input->awareness_url);
    if (is_given(row->awareness_namespace))
        set(environment, "AWARENESS_NAMESPACE", row->awareness_namespace);
    else
        g_hash_table_insert(environment, g_strdup("AWARENESS_NAMESPACE"),
                            g_strconcat("workspace:", row->id, NULL));
}

static void set_builtin_agent(GHashTable *environment, const EnvironmentInput *input)
{
    const WorkspaceRow *row = input->row;

    set(environment, "WORKSPACE_NAME", row->name);
    if (is_given(row->executor))
        set(environment, "WORKSPACE_AGENT_EXECUTOR", row->executor);
    if (is_given(row->command))
        set(environment, "WORKSPACE_AGENT_COMMAND", row->command);
    if (is_given(input->agent_url))
        set(environment, "WORKSPACE_AGENT_URL", input->agent_url);
    if (is_given(input->agent_listen))
        set(environment, "WORKSPACE_AGENT_LISTEN", input->agent_listen);
    if (input->agent_port && input->agent_port != AGENT_DEFAULT_PORT)
        g_hash_table_insert(environment, g_strdup("WORKSPACE_AGENT_PORT"),
                            g_strdup_printf("%u", input->agent_port));
}

char *environment_git_mail(const WorkspaceRow *row)
{
    g_autofree char *slug = text_slug_dup(row->name ? row->name : "");

    if (*slug)
        return g_strconcat(slug, "@" GIT_MAIL_DOMAIN, NULL);
    return g_strdup_printf("agent-%.*s@" GIT_MAIL_DOMAIN, ID_PREFIX_BYTES, row->id);
}

static void set_git_identity(GHashTable *environment, const WorkspaceRow *row)
{
    g_autofree char *name = g_strstrip(g_strdup(row->name ? row->name : ""));
    g_autofree char *author = g_strconcat(GIT_NAME_PREFIX, name, NULL);
    g_autofree char *mail = environment_git_mail(row);

    if (!*name)
        return;
    set(environment, "GIT_AUTHOR_NAME", author);
    set(environment, "GIT_COMMITTER_NAME", author);
    set(environment, "GIT_AUTHOR_EMAIL", mail);
    set(environment, "GIT_COMMITTER_EMAIL", mail);
}

static void set_secrets(GHashTable *environment, GHashTable *secrets)
{
    GHashTableIter iter;
    gpointer name, value;

    if (!secrets)
        return;
    g_hash_table_iter_init(&iter, secrets);
    while (g_hash_table_iter_next(&iter, &name, &value))
        if (is_given(name) && !strchr(name, '=') && value)
            set(environment, name, value);
}

static void set_model_and_role(GHashTable *environment, const WorkspaceRow *row)
{
    const char *model = g_hash_table_lookup(environment, MODEL_SECRET);

    if (!is_given(model))
        model = row->model;
    if (is_given(model) && g_strcmp0(row->runtime, "hermes") == 0) {
        g_autofree char *copy = g_strdup(model);
        set(environment, "HERMES_DEFAULT_MODEL", copy);
    }
    if (is_given(row->role))
        set(environment, "MOLECULE_AGENT_ROLE", row->role);
}

static void set_reserved(GHashTable *environment, const EnvironmentInput *input)
{
    const WorkspaceRow *row = input->row;

    set(environment, "WORKSPACE_ID", row->id);
    set(environment, "WORKSPACE_CONFIG_PATH", "/configs");
    set(environment, "PLATFORM_URL", input->platform_url);
    set(environment, "MOLECULE_URL", input->platform_url);
    g_hash_table_insert(environment, g_strdup("TIER"),
                        g_strdup_printf("%" G_GINT64_FORMAT, row->tier));
    if (*row->parent_id)
        set(environment, "PARENT_ID", row->parent_id);
}

static void leave_to_platform(GHashTable *environment, const WorkspaceRow *row)
{
    static const char *const names[] = {"WORKSPACE_ID", "WORKSPACE_CONFIG_PATH", "PLATFORM_URL",
                                        "MOLECULE_URL", "TIER"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        g_hash_table_remove(environment, names[i]);
    if (*row->parent_id)
        set(environment, "PARENT_ID", row->parent_id);
}

/* Spec 01, 11.2: secrets, git identity, model, role. */
static GHashTable *hosted_environment(GHashTable *environment, const EnvironmentInput *input)
{
    set_git_identity(environment, input->row);
    set_secrets(environment, input->secrets);
    set_model_and_role(environment, input->row);
    leave_to_platform(environment, input->row);
    return environment;
}

GHashTable *environment_make(const EnvironmentInput *input)
{
    GHashTable *environment = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    if (input->is_hosted)
        return hosted_environment(environment, input);
    set_base(environment, input);
    set_git_identity(environment, input->row);
    if (input->has_builtin_agent)
        set_builtin_agent(environment, input);
    set_secrets(environment, input->secrets);
    set_model_and_role(environment, input->row);
    set_reserved(environment, input);
    return environment;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char **environment_list(GHashTable *environment)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    GHashTableIter iter;
    gpointer name;
    char **list = g_new0(char *, g_hash_table_size(environment) + 1);

    g_hash_table_iter_init(&iter, environment);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(names, name);
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++)
        list[i] = g_strconcat(names->pdata[i], "=",
                              (char *)g_hash_table_lookup(environment, names->pdata[i]), NULL);
    return list;
}
