/* Where the daemon is and how we prove who we are: the address in the Docker CLI's spelling.
 * Private to engine/docker. Source: spec 02, sections 2 and 8.1. */
#pragma once

#include <glib.h>

typedef struct {
    char *socket_path; /* unix:// only, else NULL */
    char *base_url;    /* "http://localhost", "https://host:2376"; no slash at its end */
    gboolean is_tls;
    gboolean verify_peer;
    char *ca_file, *certificate_file, *key_file; /* TLS only */
} DockerEndpoint;

/* What the Docker CLI reads from the environment. Borrowed texts; NULL or "" is "not set". */
typedef struct {
    const char *host;       /* DOCKER_HOST */
    const char *tls_verify; /* DOCKER_TLS_VERIFY: any text means yes */
    const char *cert_path;  /* DOCKER_CERT_PATH: turns TLS on; default with tls_verify: ~/.docker */
    const char *api_version; /* DOCKER_API_VERSION */
} DockerVariables;

/* Reads a host and the TLS variables. ERROR_INVALID: a scheme we cannot speak (ssh, npipe, http,
 * fd), a socket path that is too long, a path behind host and port, a missing certificate file. */
gboolean docker_endpoint_parse(const DockerVariables *variables, DockerEndpoint **endpoint,
                               GError **error);
void docker_endpoint_free(DockerEndpoint *endpoint);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DockerEndpoint, docker_endpoint_free)
