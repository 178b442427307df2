#include "engine/docker/endpoint.h"

#include "base/errors.h"

#include <string.h>
#include <sys/un.h>

#define DEFAULT_HOST "unix:///var/run/docker.sock"
#define PORT_PLAIN   2375
#define PORT_TLS     2376

void docker_endpoint_free(DockerEndpoint *endpoint)
{
    if (!endpoint)
        return;
    g_free(endpoint->socket_path);
    g_free(endpoint->base_url);
    g_free(endpoint->ca_file);
    g_free(endpoint->certificate_file);
    g_free(endpoint->key_file);
    g_free(endpoint);
}

static gboolean is_set(const char *text)
{
    return text && *text;
}

static gboolean parse_unix(const char *path, DockerEndpoint *endpoint, GError **error)
{
    struct sockaddr_un address;

    if (path[0] != '/')
        return error_set(error, ERROR_INVALID, "Docker address: unix:// needs an absolute path");
    if (strlen(path) >= sizeof address.sun_path)
        return error_set(error, ERROR_INVALID, "Docker address: the socket's path is too long");
    endpoint->socket_path = g_strdup(path);
    endpoint->base_url = g_strdup("http://localhost");
    return TRUE;
}

static gboolean find_file(const char *folder, const char *name, char **path, GError **error)
{
    *path = g_build_filename(folder, name, NULL);
    if (g_file_test(*path, G_FILE_TEST_IS_REGULAR))
        return TRUE;
    return error_set(error, ERROR_INVALID, "Docker certificates: %s is not there", *path);
}

/* As the CLI: a certificate path turns TLS on, and the peer is only verified when DOCKER_TLS_VERIFY
 * says so. */
static gboolean parse_tls(const DockerVariables *variables, DockerEndpoint *endpoint,
                          GError **error)
{
    g_autofree char *folder = NULL;

    endpoint->verify_peer = is_set(variables->tls_verify);
    endpoint->is_tls = endpoint->verify_peer || is_set(variables->cert_path);
    if (!endpoint->is_tls)
        return TRUE;
    folder = is_set(variables->cert_path) ? g_strdup(variables->cert_path)
                                          : g_build_filename(g_get_home_dir(), ".docker", NULL);
    return find_file(folder, "ca.pem", &endpoint->ca_file, error) &&
           find_file(folder, "cert.pem", &endpoint->certificate_file, error) &&
           find_file(folder, "key.pem", &endpoint->key_file, error);
}

static gboolean parse_tcp(const char *host, const DockerVariables *variables,
                          DockerEndpoint *endpoint, GError **error)
{
    g_autoptr(GUri) uri = g_uri_parse(host, G_URI_FLAGS_NONE, NULL);
    const char *name = uri ? g_uri_get_host(uri) : NULL;
    const char *path = uri ? g_uri_get_path(uri) : "";
    int port;

    if (!uri || g_uri_get_userinfo(uri) || g_uri_get_query(uri) || g_uri_get_fragment(uri) ||
        (*path && strcmp(path, "/") != 0))
        return error_set(error, ERROR_INVALID, "Docker address: expected tcp://host:port");
    if (!parse_tls(variables, endpoint, error))
        return FALSE;
    if (!is_set(name))
        name = "localhost";
    port = g_uri_get_port(uri);
    if (port <= 0)
        port = endpoint->is_tls ? PORT_TLS : PORT_PLAIN;
    endpoint->base_url = g_strdup_printf(strchr(name, ':') ? "%s://[%s]:%d" : "%s://%s:%d",
                                         endpoint->is_tls ? "https" : "http", name, port);
    return TRUE;
}

gboolean docker_endpoint_parse(const DockerVariables *variables, DockerEndpoint **endpoint,
                               GError **error)
{
    g_autoptr(DockerEndpoint) parsed = g_new0(DockerEndpoint, 1);
    const char *host = is_set(variables->host) ? variables->host : DEFAULT_HOST;

    if (g_str_has_prefix(host, "unix://")) {
        if (!parse_unix(host + strlen("unix://"), parsed, error))
            return FALSE;
    } else if (g_str_has_prefix(host, "tcp://")) {
        if (!parse_tcp(host, variables, parsed, error))
            return FALSE;
    } else {
        return error_set(error, ERROR_INVALID,
                         "Docker address: only unix:// and tcp:// are supported");
    }
    *endpoint = g_steal_pointer(&parsed);
    return TRUE;
}
