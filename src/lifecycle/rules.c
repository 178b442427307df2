#include "lifecycle/rules.h"

#include "base/text.h"

#include <string.h>

/* They would open a key, list, alias or block in generated YAML. Source: spec 01, 5.1. */
#define YAML_MARKS "{}[]>*&!|"

static gboolean check_length(const char *field, const char *text, gsize max_bytes, GError **error)
{
    if (strlen(text) <= max_bytes)
        return TRUE;
    return error_set(error, ERROR_INVALID, "%s must be at most %" G_GSIZE_FORMAT " bytes long",
                     field, max_bytes);
}

static gboolean check_line(const char *field, const char *text, gsize max_bytes, GError **error)
{
    if (!text)
        return TRUE;
    if (text_has_any(text, "\r\n"))
        return error_set(error, ERROR_INVALID, "%s must not hold a line break", field);
    return check_length(field, text, max_bytes, error);
}

static gboolean check_prose(const char *field, const char *text, gsize max_bytes, GError **error)
{
    if (!check_line(field, text, max_bytes, error))
        return FALSE;
    if (text && text_has_any(text, YAML_MARKS))
        return error_set(error, ERROR_INVALID, "%s must not hold any of %s", field, YAML_MARKS);
    return TRUE;
}

gboolean rule_name(const char *name, GError **error)
{
    return check_prose("name", name, RULE_NAME_MAX, error);
}

gboolean rule_role(const char *role, GError **error)
{
    return check_prose("role", role, RULE_ROLE_MAX, error);
}

gboolean rule_model(const char *model, GError **error)
{
    return check_line("model", model, RULE_MODEL_MAX, error);
}

gboolean rule_runtime(const char *runtime, GError **error)
{
    if (!check_line("runtime", runtime, RULE_RUNTIME_MAX, error))
        return FALSE;
    for (const char *at = runtime; at && *at; at++)
        if (!g_ascii_isalnum(*at) && !strchr("._-", *at))
            return error_set(error, ERROR_INVALID,
                             "runtime must be a name of letters, digits, '.', '_' and '-'");
    if (runtime && strstr(runtime, ".."))
        return error_set(error, ERROR_INVALID, "runtime must be a name, not a path");
    return TRUE;
}

gboolean rule_image(const char *image, GError **error)
{
    if (!check_line("image", image, RULE_IMAGE_MAX, error))
        return FALSE;
    for (const char *at = image; at && *at; at++)
        if (!g_ascii_isalnum(*at) && !strchr("._-/:@", *at))
            return error_set(error, ERROR_INVALID, "image must be an image reference");
    if (image && (*image == '-' || *image == '/' || strstr(image, "..")))
        return error_set(error, ERROR_INVALID, "image must be an image reference");
    return TRUE;
}

gboolean rule_executor(const char *executor, GError **error)
{
    static const char *const known[] = {"echo", "command", NULL};

    if (!executor || g_strv_contains(known, executor))
        return TRUE;
    return error_set(error, ERROR_INVALID, "executor must be echo or command");
}

gboolean rule_command(const char *command, GError **error)
{
    return !command || check_length("command", command, RULE_COMMAND_MAX, error);
}

gboolean rule_template(const char *name, GError **error)
{
    g_auto(GStrv) parts = NULL;

    if (!name)
        return TRUE;
    parts = g_strsplit(name, "/", -1);
    if (*name == '/' || g_strv_contains((const char *const *)parts, ".."))
        return error_set(error, ERROR_INVALID, "template must be a folder below the templates");
    return check_line("template", name, RULE_NAME_MAX, error);
}

/* ---- Host folders ---- */

static gboolean is_below(const char *path, const char *root)
{
    gsize length = strlen(root);

    while (length > 1 && root[length - 1] == '/')
        length--;
    if (length == 1 && root[0] == '/')
        return TRUE;
    return strncmp(path, root, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static gboolean is_below_any(const char *path, const char *const *roots)
{
    for (; *roots; roots++)
        if (**roots && is_below(path, *roots))
            return TRUE;
    return FALSE;
}

gboolean rule_workspace_dir(const char *path, const char *roots, GError **error)
{
    static const char *const system_folders[] = {"/etc",  "/var", "/proc", "/sys", "/dev", "/boot",
                                                 "/sbin", "/bin", "/lib",  "/usr", NULL};
    g_autofree char *clean = NULL;
    g_auto(GStrv) allowed = NULL;

    if (!path)
        return TRUE;
    if (*path != '/')
        return error_set(error, ERROR_INVALID, "workspace_dir must be an absolute path");
    if (strstr(path, ".."))
        return error_set(error, ERROR_INVALID, "workspace_dir must not hold '..'");
    if (text_has_any(path, "\r\n:"))
        return error_set(error, ERROR_INVALID, "workspace_dir must not hold line breaks or colons");
    if (!check_length("workspace_dir", path, 4095, error))
        return FALSE;
    clean = g_canonicalize_filename(path, "/");
    /* POSIX keeps two leading slashes apart; here they mean one. */
    if (is_below_any(clean + (clean[1] == '/'), system_folders))
        return error_set(error, ERROR_INVALID, "workspace_dir must not be a system folder");
    allowed = g_strsplit(roots ? roots : "/", ":", -1);
    if (!is_below_any(clean, (const char *const *)allowed))
        return error_set(error, ERROR_INVALID,
                         "workspace_dir must be below one of WORKSPACE_DIR_ROOTS");
    return TRUE;
}

gboolean rule_workspace_access(const char *access, const char *workspace_dir, GError **error)
{
    static const char *const known[] = {"none", "read_only", "read_write", NULL};

    if (!access || strcmp(access, "none") == 0)
        return TRUE;
    if (!g_strv_contains(known, access))
        return error_set(error, ERROR_INVALID,
                         "workspace_access must be none, read_only or read_write");
    if (!workspace_dir || !*workspace_dir)
        return error_set(error, ERROR_INVALID, "workspace_access %s needs a workspace_dir", access);
    return TRUE;
}

gboolean rule_tier(gint64 tier, GError **error)
{
    if (tier >= 1 && tier <= 4)
        return TRUE;
    return error_set(error, ERROR_INVALID, "tier must be a whole number from 1 to 4");
}
