/* TLS towards the server: a bufferevent that speaks it and that trusts only a certificate for
 * the very host. Nothing of OpenSSL is set up before the first https call, so that agents which
 * speak plain http do not pay for it. */
#pragma once

struct bufferevent;
struct event_base;

typedef struct Tls Tls;

/*   ca_file  certificates to trust; "" = SSL_CERT_FILE, SSL_CERT_DIR, else where images usually
 *            keep them */
Tls *tls_new(const char *ca_file);
void tls_free(Tls *tls);

/* A bufferevent, not yet connected. NULL when OpenSSL refuses. */
struct bufferevent *tls_bufferevent_new(Tls *tls, struct event_base *base, const char *host);

/* Why the last handshake failed, for the log; borrowed, never NULL. */
const char *tls_failure(struct bufferevent *bufferevent);
