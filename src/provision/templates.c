#include "provision/templates.h"

#include "base/text.h"
#include "provision/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIELD_MAX_BYTES         100 /* spec 01, 5.1 */
#define NAME_FIELD_MAX_BYTES    255
#define REQUIRED_MAX            256
#define PROVISION_TIMEOUT_MAX_S (24 * 3600)

/* ---- Folders ---- */

static gboolean is_inside(const char *root, const char *path)
{
    gsize length = strlen(root);

    if (length == 1) /* the root directory */
        return TRUE;
    return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

char *template_find(const char *root, const char *name)
{
    g_autofree char *joined = NULL;
    char real_root[PATH_MAX], real_path[PATH_MAX];
    struct stat status;

    if (!root || !name || !*name || g_path_is_absolute(name))
        return NULL;
    joined = g_build_filename(root, name, NULL);
    if (!realpath(root, real_root) || !realpath(joined, real_path))
        return NULL;
    if (!is_inside(real_root, real_path) || stat(real_path, &status) != 0)
        return NULL;
    return S_ISDIR(status.st_mode) ? g_strdup(real_path) : NULL;
}

char *template_find_default(const char *root, const Runtimes *runtimes, const char *runtime)
{
    const char *allowed = runtimes_allowed_name(runtimes, runtime);
    g_autofree char *name = g_strconcat(allowed, "-default", NULL);
    char *folder = template_find(root, name);

    return folder ? folder : template_find(root, allowed);
}

/* A plain file, opened without waiting for a writer (a pipe would) and without following a last
 * link. */
static int open_config(const char *folder, struct stat *status)
{
    g_autofree char *path = g_build_filename(folder, TEMPLATE_CONFIG_FILE, NULL);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return -1;
    if (fstat(fd, status) == 0 && S_ISREG(status->st_mode))
        return fd;
    close(fd);
    return -1;
}

gboolean template_has_config(const char *folder)
{
    struct stat status;
    int fd = open_config(folder, &status);

    if (fd < 0)
        return FALSE;
    close(fd);
    return TRUE;
}

static gint compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *template_list_folders(const char *root)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    GDir *dir = g_dir_open(root, 0, NULL);

    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(root, name, NULL);
        struct stat status;

        if (lstat(path, &status) == 0 && S_ISDIR(status.st_mode))
            g_ptr_array_add(names, g_strdup(name));
    }
    if (dir)
        g_dir_close(dir);
    g_ptr_array_sort(names, compare_texts);
    return names;
}

static gboolean is_named(const char *folder, const char *workspace_name)
{
    g_autoptr(TemplateConfig) config = template_config_read(folder);

    return config && config->name && g_ascii_strcasecmp(config->name, workspace_name) == 0;
}

char *template_find_by_name(const char *root, const char *workspace_name)
{
    g_autofree char *folder_name = NULL;
    g_autoptr(GPtrArray) names = NULL;

    if (!root || !workspace_name || !*workspace_name)
        return NULL;
    folder_name = g_strdelimit(g_ascii_strdown(workspace_name, -1), " ", '-');
    names = template_list_folders(root);
    for (guint i = 0; i < names->len; i++)
        if (strcmp(names->pdata[i], folder_name) == 0)
            return template_find(root, folder_name);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename(root, names->pdata[i], NULL);

        if (!g_str_has_prefix(names->pdata[i], "ws-") && is_named(path, workspace_name))
            return template_find(root, names->pdata[i]);
    }
    return NULL;
}

/* ---- Reading config.yaml ---- */

void template_config_free(TemplateConfig *config)
{
    if (!config)
        return;
    g_free(config->name);
    g_free(config->runtime);
    g_free(config->model);
    g_strfreev(config->required_env);
    g_free(config);
}

static guint scalar_uint(struct fy_node *node, gint64 max)
{
    g_autofree char *text = yaml_scalar_dup(node, FIELD_MAX_BYTES);
    gint64 value = 0;

    return text && text_parse_int(text, 1, max, &value) ? (guint)value : 0;
}

static char **list_dup(struct fy_node *node)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    void *state = NULL;
    guint count = 0;

    node = yaml_follow(node);
    if (node && fy_node_is_sequence(node))
        for (struct fy_node *item; (item = fy_node_sequence_iterate(node, &state));) {
            g_autofree char *text = yaml_scalar_dup(item, NAME_FIELD_MAX_BYTES);

            if (text && count++ < REQUIRED_MAX)
                g_strv_builder_add(builder, text);
        }
    return g_strv_builder_end(builder);
}

static void read_runtime_config(TemplateConfig *config, struct fy_node *node)
{
    void *state = NULL;

    node = yaml_follow(node);
    if (!node || !fy_node_is_mapping(node))
        return;
    for (struct fy_node_pair *pair; (pair = fy_node_mapping_iterate(node, &state));) {
        struct fy_node *value = fy_node_pair_value(pair);

        if (yaml_key_is(pair, "model") && !config->model) {
            config->model = yaml_scalar_dup(value, FIELD_MAX_BYTES);
        } else if (yaml_key_is(pair, "required_env")) {
            g_strfreev(config->required_env);
            config->required_env = list_dup(value);
        } else if (yaml_key_is(pair, "provision_timeout_seconds")) {
            config->provision_timeout_s = scalar_uint(value, PROVISION_TIMEOUT_MAX_S);
        }
    }
}

static void read_a2a(TemplateConfig *config, struct fy_node *node)
{
    void *state = NULL;

    node = yaml_follow(node);
    if (!node || !fy_node_is_mapping(node))
        return;
    for (struct fy_node_pair *pair; (pair = fy_node_mapping_iterate(node, &state));)
        if (yaml_key_is(pair, "port"))
            config->port = (guint16)scalar_uint(fy_node_pair_value(pair), G_MAXUINT16);
}

static void read_top(TemplateConfig *config, struct fy_node *root)
{
    void *state = NULL;

    for (struct fy_node_pair *pair; (pair = fy_node_mapping_iterate(root, &state));) {
        struct fy_node *value = fy_node_pair_value(pair);

        if (yaml_key_is(pair, "name") && !config->name)
            config->name = yaml_scalar_dup(value, NAME_FIELD_MAX_BYTES);
        else if (yaml_key_is(pair, "runtime") && !config->runtime)
            config->runtime = yaml_scalar_dup(value, FIELD_MAX_BYTES);
        else if (yaml_key_is(pair, "model") && !config->model)
            config->model = yaml_scalar_dup(value, FIELD_MAX_BYTES);
        else if (yaml_key_is(pair, "runtime_config"))
            read_runtime_config(config, value);
        else if (yaml_key_is(pair, "a2a"))
            read_a2a(config, value);
    }
}

TemplateConfig *template_config_parse(const char *text, gsize length)
{
    TemplateConfig *config = g_new0(TemplateConfig, 1);
    struct fy_document *document = NULL;
    struct fy_node *root = NULL;

    if (length <= TEMPLATE_CONFIG_MAX_BYTES)
        root = yaml_parse_mapping(text, length, &document);
    if (root)
        read_top(config, root);
    fy_document_destroy(document);
    if (!config->required_env)
        config->required_env = g_new0(char *, 1);
    return config;
}

static gboolean read_whole(int fd, char *buffer, gsize size)
{
    for (gsize done = 0; done < size;) {
        ssize_t got = read(fd, buffer + done, size - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return FALSE;
        done += (gsize)got;
    }
    return TRUE;
}

char *template_config_text_dup(const char *folder, gsize *length)
{
    struct stat status;
    int fd = open_config(folder, &status);
    g_autofree char *text = NULL;
    gboolean is_whole = FALSE;

    if (fd < 0)
        return NULL;
    if (status.st_size <= TEMPLATE_CONFIG_MAX_BYTES) {
        text = g_malloc((gsize)status.st_size + 1);
        is_whole = read_whole(fd, text, (gsize)status.st_size);
    }
    close(fd);
    if (!is_whole)
        return NULL;
    *length = (gsize)status.st_size;
    text[*length] = '\0';
    return g_steal_pointer(&text);
}

TemplateConfig *template_config_read(const char *folder)
{
    gsize length = 0;
    g_autofree char *text = template_config_text_dup(folder, &length);

    return text ? template_config_parse(text, length) : NULL;
}

/* ---- Required variables ---- */

char **template_missing_env(char *const *required, GHashTable *environment)
{
    g_autoptr(GStrvBuilder) missing = g_strv_builder_new();

    for (; required && *required; required++) {
        const char *value = g_hash_table_lookup(environment, *required);

        if (!value || !*value)
            g_strv_builder_add(missing, *required);
    }
    return g_strv_builder_end(missing);
}

char *template_missing_sentence(char *const *missing)
{
    g_autofree char *names = g_strjoinv(", ", (char **)missing);

    return g_strdup_printf("missing required environment variables: %s. Set them as secrets of the "
                           "workspace or as global secrets, then retry.",
                           names);
}

/* ---- Writing config.yaml ---- */

/* A double-quoted YAML scalar on one line: LF becomes a blank, CR goes. */
static void append_quoted(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (const char *at = text ? text : ""; *at; at++) {
        if (*at == '\n')
            g_string_append_c(out, ' ');
        else if (*at == '"' || *at == '\\')
            g_string_append_printf(out, "\\%c", *at);
        else if (*at == '\t')
            g_string_append(out, "\\t");
        else if (*at == '\r')
            continue;
        else if ((guchar)*at < 0x20 || *at == 0x7f)
            g_string_append_printf(out, "\\x%02x", (guchar)*at);
        else
            g_string_append_c(out, *at);
    }
    g_string_append(out, "\"\n");
}

char *template_config_generate(const char *name, const char *role, gint64 tier,
                               const Runtimes *runtimes, const char *runtime, const char *model,
                               guint16 port)
{
    const char *allowed = runtimes_allowed_name(runtimes, runtime);
    const Runtime *known = runtimes_find(runtimes, allowed);
    GString *out = g_string_new("name: ");

    append_quoted(out, name);
    g_string_append(out, "description: ");
    append_quoted(out, role);
    g_string_append_printf(
        out, "version: 1.0.0\ntier: %" G_GINT64_FORMAT "\nruntime: %s\nmodel: ", tier, allowed);
    append_quoted(out, model && *model ? model : known->default_model);
    if (!known->has_plain_config)
        g_string_append(out, "runtime_config:\n  timeout: 0\n");
    if (port && port != 8000)
        g_string_append_printf(out, "a2a:\n  port: %u\n", port);
    return g_string_free(out, FALSE);
}
