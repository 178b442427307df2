#include "tls.h"

#include "log.h"
#include "memory.h"
#include "resolve.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* Debian and Alpine, Fedora, older Alpine and BSD, SUSE. */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
};

struct Tls {
    SSL_CTX *context;
};

static void trust_usual_places(SSL_CTX *context)
{
    SSL_CTX_set_default_verify_paths(context); /* and SSL_CERT_FILE, SSL_CERT_DIR */
    for (size_t i = 0; i < sizeof bundles / sizeof bundles[0]; i++)
        if (access(bundles[i], R_OK) == 0) {
            SSL_CTX_load_verify_file(context, bundles[i]);
            return;
        }
}

Tls *tls_new(const char *ca_file)
{
    /* The image's openssl.cnf is not for us: it may name modules that a static program cannot
     * load. */
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);

    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (ca_file[0] == '\0')
        trust_usual_places(context);
    else if (SSL_CTX_load_verify_file(context, ca_file) != 1)
        log_error("cannot read the certificates of WORKSPACE_AGENT_CA_FILE");
    Tls *tls = memory_new(sizeof *tls);
    tls->context = context;
    return tls;
}

void tls_free(Tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

static bool expect_host(SSL *ssl, const char *host)
{
    if (resolve_is_literal(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

struct bufferevent *tls_bufferevent_new(Tls *tls, struct event_base *base, const char *host)
{
    SSL *ssl = SSL_new(tls->context);

    if (ssl == NULL || !expect_host(ssl, host)) {
        SSL_free(ssl);
        return NULL;
    }
    struct bufferevent *bufferevent = bufferevent_openssl_socket_new(
        base, -1, ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
    if (bufferevent == NULL) {
        SSL_free(ssl);
        return NULL;
    }
    /* Servers that just close: the length of the answer is checked by HTTP. */
    bufferevent_openssl_set_allow_dirty_shutdown(bufferevent, 1);
    return bufferevent;
}

const char *tls_failure(struct bufferevent *bufferevent)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bufferevent);
    long verdict = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;

    if (verdict != X509_V_OK)
        return X509_verify_cert_error_string(verdict);
    return "cannot connect or agree on TLS";
}
