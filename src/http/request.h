/* A request that was read whole, and the reply to it.
 *
 * The I/O thread parses and reads the body (up to its route's limit), a worker runs the handler
 * from top to bottom, the I/O thread writes the answer. A handler that must wait for something long
 * calls http_request_defer, hands the request to the thread that owns that waiting, and returns;
 * whoever has the request answers it later with the same calls. Source: ARCHITECTURE ideas 2 and
 * section 4. */
#pragma once

#include "base/errors.h"
#include "base/json_out.h"
#include "http/router.h"

typedef struct _HttpRequest HttpRequest;

/* ---- Reading (borrowed until the request is finished) ---- */
const char *http_request_method(HttpRequest *request);
/* Percent-decoded path; `+` stays `+`. */
const char *http_request_path(HttpRequest *request);
/* The raw target as it came, without the query. */
const char *http_request_raw_path(HttpRequest *request);
/* First line of a header, or NULL. Names ignore case. */
const char *http_request_header(HttpRequest *request, const char *name);
/* First value of a query parameter, decoded (`+` is a blank); NULL when absent; "" when it has no
 * value. */
const char *http_request_query(HttpRequest *request, const char *name);
/* Remembers what the route's path matched (copied), for http_request_parameter. */
void http_request_set_parameters(HttpRequest *request, const RouterMatch *match);
/* The value that a `:name` or `*name` of the route's path matched; NULL when the route has none. */
const char *http_request_parameter(HttpRequest *request, const char *name);
/* The whole body; empty when there was none. */
const char *http_request_body(HttpRequest *request, gsize *length);
/* The peer's address as text; IPv4-mapped IPv6 as IPv4. "unix" for Unix sockets. */
const char *http_request_peer(HttpRequest *request);
gboolean http_request_peer_is_loopback(HttpRequest *request);
/* The request id: `X-Request-Id` when it is 1 to 63 characters of [A-Za-z0-9._-], else made here.
 */
const char *http_request_id(HttpRequest *request);
gint64 http_request_started_us(HttpRequest *request); /* monotonic */
/* Whether the client has hung up. Work goes on all the same. Thread: any. */
gboolean http_request_client_gone(HttpRequest *request);

/* A place where the layers above keep what they learn (identity, matched route). One value; freed
 * with the request. */
void http_request_attach(HttpRequest *request, void *value, GDestroyNotify free_value);
void *http_request_attached(HttpRequest *request);

/* ---- Answering: exactly once ---- */

/* Adds a header to the answer (before it is sent). A repeated name replaces, except Vary and
 * Set-Cookie, which add. */
void http_reply_header(HttpRequest *request, const char *name, const char *value);
/* JSON text, moved in; Content-Type "application/json; charset=utf-8". */
void http_reply_json(HttpRequest *request, guint status, GString *json);
/* Any bytes; `type` NULL sends no Content-Type. The bytes are referenced. */
void http_reply_bytes(HttpRequest *request, guint status, const char *type, GBytes *bytes);
/* No body. */
void http_reply_empty(HttpRequest *request, guint status);
/* {"error": message} with extra headers set before. */
void http_reply_error(HttpRequest *request, guint status, const char *message);
gboolean http_reply_sent(HttpRequest *request);
/* The status sent, 0 before. */
guint http_reply_status(HttpRequest *request);

/* ---- Deferring ---- */

/* Keeps the request open after the handler returns; the caller owns the reference it gets and must
 * answer, then unref. */
HttpRequest *http_request_defer(HttpRequest *request);
void http_request_unref(
    HttpRequest *request); /* an unanswered deferred request is answered 500 at its last unref */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpRequest, http_request_unref)

/* ---- Streaming (SSE, proxied streams): chunked, pushed from any thread ---- */

typedef struct _HttpStream HttpStream;

/* Sends the head now; the body follows by http_stream_push. Deferred or not, the request is
 * answered by this. `buffer_bytes`: what may wait for a slow client. The caller owns the result. */
HttpStream *http_reply_stream(HttpRequest *request, guint status, const char *type,
                              gsize buffer_bytes);
/* Queues bytes. FALSE when the buffer would overflow or the client is gone: the caller closes. */
G_GNUC_WARN_UNUSED_RESULT gboolean http_stream_push(HttpStream *stream, const char *bytes,
                                                    gsize length);
/* Bytes waiting, for back-pressure. */
gsize http_stream_pending(HttpStream *stream);
/* Called from the I/O thread when the buffer has drained below half, and when the client goes away.
 * Must be quick. */
void http_stream_notify(HttpStream *stream, void (*function)(void *data), void *data);
gboolean http_stream_client_gone(HttpStream *stream);
/* Ends the body; `broken` cuts the connection instead of ending it well, so that the client sees a
 * broken transfer. Frees. */
void http_stream_close(HttpStream *stream, gboolean broken);

/* ---- Upgrade to WebSocket ---- */

typedef void (*HttpUpgradeFunction)(int fd, const char *extra, gsize extra_length,
                                    void (*release)(void *handle), void *handle, void *data);
/* Checks the handshake (RFC 6455, version 13) and answers 101; then `function` gets the socket in
 * an I/O thread and owns it until it calls release(handle), exactly once. `extra` are bytes that
 * were read already. FALSE with ERROR_INVALID (answer 400 text/plain with `Sec-WebSocket-Version:
 * 13`) when the handshake is wrong; nothing is sent then. */
gboolean http_reply_websocket(HttpRequest *request, HttpUpgradeFunction function, void *data,
                              GError **error);
