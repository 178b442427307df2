#include "target.h"

#include "base/config.h"
#include "base/log.h"

#include <string.h>

#define FILE_BYTES_MAX 4096

/* What the local server's own settings say. */
typedef struct {
    char *data_dir;
    gint64 port;
    gboolean is_named; /* the person named the directory for this very call */
} Local;

static const char *not_empty(const char *text)
{
    return text && *text ? text : NULL;
}

static gboolean local_find(const Arguments *arguments, Local *local, GError **error)
{
    static const char *const no_flags[] = {NULL};
    const char *named = not_empty(arguments_get(arguments, "data-dir"));
    g_auto(GStrv) environment = g_get_environ();
    g_autofree char *folder = g_get_current_dir();
    g_autoptr(GError) reason = NULL;

    /* A setting that only the server cares about is not ours to complain of. */
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_AUTO);
    g_autoptr(Config) config =
        config_load(no_flags, (const char *const *)environment, folder, &reason);
    if (!config && !named)
        return ctl_fail(error, CTL_USAGE,
                        "cannot tell where the local server keeps its data: %s; name the server "
                        "with --url and --token",
                        reason->message);
    local->is_named = named != NULL;
    local->data_dir = g_strdup(named ? named : config->data_dir);
    local->port = config ? config->port : 8080;
    return TRUE;
}

/* The first line of a small file of the data directory. NULL: `why` says why; the caller owns it.
 */
static char *read_line(const char *path, char **why)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize length = 0;

    if (!g_file_get_contents(path, &text, &length, &error)) {
        gboolean is_absent = g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        gboolean is_forbidden = g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_ACCES);
        *why = g_strdup_printf("%s %s", path,
                               is_absent      ? "does not exist"
                               : is_forbidden ? "may be read by its owner only"
                                              : "cannot be read");
        return NULL;
    }
    text[strcspn(text, "\r\n")] = '\0';
    g_strstrip(text);
    if (length <= FILE_BYTES_MAX && *text)
        return g_steal_pointer(&text);
    *why = g_strdup_printf("%s holds no line of text", path);
    return NULL;
}

/* "host:8080/" -> "http://host:8080". NULL: not a URL of a server. Caller owns it. */
static char *url_normalise(const char *text)
{
    g_autofree char *full =
        strstr(text, "://") ? g_strdup(text) : g_strconcat("http://", text, NULL);
    g_autoptr(GUri) uri = g_uri_parse(full, G_URI_FLAGS_ENCODED | G_URI_FLAGS_PARSE_RELAXED, NULL);

    if (strpbrk(full, " \t\r\n") || !uri || !not_empty(g_uri_get_host(uri)) ||
        g_uri_get_query(uri) || g_uri_get_fragment(uri))
        return NULL;
    if (strcmp(g_uri_get_scheme(uri), "http") != 0 && strcmp(g_uri_get_scheme(uri), "https") != 0)
        return NULL;
    for (gsize length = strlen(full); length > 0 && full[length - 1] == '/';)
        full[--length] = '\0';
    return g_steal_pointer(&full);
}

gboolean target_is_loopback(const char *url)
{
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_ENCODED, NULL);
    const char *host = uri ? g_uri_get_host(uri) : NULL;

    return host && (g_ascii_strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
                    (g_str_has_prefix(host, "127.") && g_hostname_is_ip_address(host)));
}

/* The address as somebody named it, and who; NULL when nobody did. Borrowed. */
static const char *url_named(const Arguments *arguments, const char **source)
{
    const char *flag = not_empty(arguments_get(arguments, "url"));

    *source = flag ? "--url" : "WORKSPACED_URL";
    return flag ? flag : not_empty(g_getenv("WORKSPACED_URL"));
}

static void url_from_data(const Local *local, Target *target)
{
    g_autofree char *path = g_build_filename(local->data_dir, "url", NULL);
    g_autofree char *why = NULL;
    g_autofree char *line = read_line(path, &why);

    target->url = line ? url_normalise(line) : NULL;
    if (target->url) {
        target->url_source = g_steal_pointer(&path);
        return;
    }
    target->url = g_strdup_printf("http://127.0.0.1:%" G_GINT64_FORMAT, local->port);
    target->url_source = g_strdup("the default");
}

static void token_from_data(const Local *local, gboolean is_url_named, Target *target)
{
    g_autofree char *path = g_build_filename(local->data_dir, "admin-token", NULL);

    if (is_url_named && !local->is_named && !target_is_loopback(target->url)) {
        target->token_source = g_strdup_printf(
            "%s is for the local server only; give --token or WORKSPACED_TOKEN", path);
        return;
    }
    target->token = read_line(path, &target->token_source);
    if (target->token)
        target->token_source = g_steal_pointer(&path);
}

static gboolean token_check(const Target *target, GError **error)
{
    for (const char *place = target->token; place && *place; place++)
        if (*place <= ' ' || *place > '~')
            return ctl_fail(error, CTL_USAGE, "the token of %s is not a line of plain characters",
                            target->token_source);
    return TRUE;
}

static gboolean find(const Arguments *arguments, Target *target, Local *local, GError **error)
{
    const char *token = not_empty(arguments_get(arguments, "token"));
    const char *url_source;
    const char *url = url_named(arguments, &url_source);

    target->token = g_strdup(token ? token : not_empty(g_getenv("WORKSPACED_TOKEN")));
    if (target->token)
        target->token_source = g_strdup(token ? "--token" : "WORKSPACED_TOKEN");
    if ((!url || !target->token) && !local_find(arguments, local, error))
        return FALSE;
    if (url) {
        target->url = url_normalise(url);
        target->url_source = g_strdup(url_source);
        if (!target->url)
            return ctl_fail(error, CTL_USAGE,
                            "%s must be the address of a server such as http://127.0.0.1:8080, "
                            "not '%s'",
                            url_source, url);
    } else {
        url_from_data(local, target);
    }
    if (!target->token)
        token_from_data(local, url != NULL, target);
    return token_check(target, error);
}

char *target_data_dir_dup(const Arguments *arguments)
{
    Local local = {0};

    if (!local_find(arguments, &local, NULL))
        return NULL;
    return local.data_dir;
}

Target *target_find(const Arguments *arguments, GError **error)
{
    g_autoptr(Target) target = g_new0(Target, 1);
    Local local = {0};
    gboolean is_found = find(arguments, target, &local, error);

    g_free(local.data_dir);
    return is_found ? g_steal_pointer(&target) : NULL;
}

void target_free(Target *target)
{
    if (!target)
        return;
    g_free(target->url);
    g_free(target->url_source);
    g_free(target->token);
    g_free(target->token_source);
    g_free(target);
}
