#include "app/tenant_settings.h"

#include "base/json_view.h"
#include "base/log.h"
#include "http/client.h"

#include <arpa/inet.h>
#include <string.h>

#define PATH            "/cp/tenants/config"
#define TIMEOUT_MS      10000
#define BODY_MAX_BYTES  (64 * 1024)
#define VALUE_MAX_BYTES 4096

gboolean tenant_settings_are_wanted(const Config *config)
{
    return config->org_id && config->admin_token;
}

/* ---- What may be set ---- */

static gboolean is_allowed(const char *name)
{
    static const char *const prefixes[] = {"MOLECULE_", "CP_", "GITHUB_APP_", "GHCR_"};

    if (strcmp(name, "PROVISION_SHARED_SECRET") == 0 || strcmp(name, "ADMIN_TOKEN") == 0)
        return TRUE;
    for (const char *at = name; *at; at++)
        if (!g_ascii_isalnum(*at) && *at != '_')
            return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++)
        if (g_str_has_prefix(name, prefixes[i]))
            return TRUE;
    return FALSE;
}

/* An empty ADMIN_TOKEN would take the lock off the door. */
static gboolean is_usable(const char *name, const char *value)
{
    return is_allowed(name) && strlen(value) <= VALUE_MAX_BYTES &&
           (*value || strcmp(name, "ADMIN_TOKEN") != 0);
}

/* The whole body counts or nothing of it. */
static gboolean check_values(JsonView object, GError **error)
{
    JsonWalk walk = json_view_walk(object);

    while (json_walk_next(&walk))
        if (json_view_kind(walk.value) != JSON_KIND_TEXT && !json_view_is_null(walk.value))
            return error_set(error, ERROR_INVALID, "a tenant's setting is no text");
    return TRUE;
}

static void apply(JsonView object, char ***environment)
{
    JsonWalk walk = json_view_walk(object);
    gint64 applied = 0, skipped = 0;

    while (json_walk_next(&walk)) {
        gboolean has_nul = FALSE;
        g_autofree char *name = json_view_text_dup(walk.key, NULL);
        g_autofree char *value = json_view_text_dup(walk.value, &has_nul);
        if (!value || has_nul || !is_usable(name, value)) {
            skipped++;
            continue;
        }
        *environment = g_environ_setenv(*environment, name, value, TRUE);
        applied++;
    }
    log_info("settings of the tenant were read", LOG_INT("applied", applied),
             LOG_INT("skipped", skipped));
}

gboolean tenant_settings_apply(const char *body, gsize length, char ***environment, GError **error)
{
    JsonView document;

    if (!json_view_parse(body, length, JSON_ONE_VALUE, &document, NULL) ||
        json_view_kind(document) != JSON_KIND_OBJECT)
        return error_set(error, ERROR_INVALID, "the tenant's settings are no JSON object");
    if (!check_values(document, error))
        return FALSE;
    apply(document, environment);
    return TRUE;
}

/* ---- Asking ---- */

static gboolean is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;

    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
    if (inet_pton(AF_INET6, host, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six);
    return g_ascii_strcasecmp(host, "localhost") == 0;
}

static gboolean check_url(const char *url, GError **error)
{
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
    const char *scheme = uri ? g_uri_get_scheme(uri) : "";
    const char *host = uri ? g_uri_get_host(uri) : NULL;

    if (host && *host &&
        (strcmp(scheme, "https") == 0 || (strcmp(scheme, "http") == 0 && is_loopback(host))))
        return TRUE;
    return error_set(error, ERROR_INVALID, "MOLECULE_CP_URL must begin with https://");
}

static gboolean fetch(const Config *config, guint *status, GString **body, GError **error)
{
    g_autoptr(HttpClient) client = http_client_new(1);
    gsize base = strlen(config->cp_url);
    g_autofree char *url = NULL;
    g_autofree char *bearer = g_strconcat("Authorization: Bearer ", config->admin_token, NULL);
    g_autofree char *tenant = g_strconcat("X-Molecule-Org-Id: ", config->org_id, NULL);
    const char *const headers[] = {bearer, tenant, NULL};
    HttpCallSpec spec = {
        .method = "GET",
        .headers = headers,
        .trusted = TRUE,
        .total_timeout_ms = TIMEOUT_MS,
        .max_answer_bytes = BODY_MAX_BYTES,
    };

    while (base > 0 && config->cp_url[base - 1] == '/')
        base--;
    url = g_strdup_printf("%.*s" PATH, (int)base, config->cp_url);
    spec.url = url;
    return http_client_fetch(client, &spec, status, body, error);
}

gboolean tenant_settings_load(const Config *config, char ***environment, GError **error)
{
    GString *body = NULL;
    guint status = 0;
    gboolean done = FALSE;

    if (!check_url(config->cp_url, error) || !fetch(config, &status, &body, error))
        return FALSE;
    done = status == 200
               ? tenant_settings_apply(body->str, body->len, environment, error)
               : error_set(error, ERROR_UNAVAILABLE,
                           "the control plane answered %u to a question for settings", status);
    g_string_free(body, TRUE);
    return done;
}
