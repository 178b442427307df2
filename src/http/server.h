/* The HTTP server: libmicrohttpd's epoll threads in front, a bounded pool of workers behind.
 *
 * For each request the I/O thread calls `route` (no I/O, no locks held long) as soon as the head is
 * read; it says how large a body may be and whether the handler is so short that it may run in the
 * I/O thread itself. When the body is in, `serve` runs, in a worker. A full queue answers 503 with
 * `Retry-After: 1` at once. Source: ARCHITECTURE 4; spec 02 section 6; spec 03 sections 1.3 and 2.
 */
#pragma once

#include "http/request.h"

typedef struct _HttpServer HttpServer;

typedef struct {
    gsize max_body_bytes; /* a longer body is answered 413 without calling `serve` (it still passes
                             `finish`) */
    /* Run `serve` in the I/O thread: only for handlers that touch memory alone. */
    gboolean in_place;
} HttpAdmission;

typedef struct {
    const char *const *listen; /* "127.0.0.1:8080", "[::1]:8080", "unix:/path"; NULL-terminated;
                                  port 0 picks a free one */
    guint io_threads;          /* 0: one a core */
    guint workers;             /* 0: four a core */
    guint queue_capacity;      /* requests waiting for a worker; 0: 1024 */
    guint max_connections;     /* 0: 10000 */
    guint idle_timeout_s;      /* kept-alive and half-read connections; 0: 75 */
    /* All three required. `data` is theirs. */
    HttpAdmission (*route)(HttpRequest *request, void *data);
    void (*serve)(HttpRequest *request, void *data);  /* must answer or defer */
    void (*finish)(HttpRequest *request, void *data); /* just before the head is sent: headers,
                                                         metrics, access log. Any thread, quick. */
    void *data;
} HttpServerOptions;

/* Binds and listens, serves nothing yet (connections wait in the backlog). ERROR_UNAVAILABLE names
 * the address that is taken. */
HttpServer *http_server_new(const HttpServerOptions *options, GError **error);
/* Starts threads; from now on requests are served. */
void http_server_start(HttpServer *server);
/* The port of the first TCP address. */
guint16 http_server_port(HttpServer *server);
/* Stops accepting, lets running handlers and deferred requests end within `drain_ms`, then cuts
 * what is left. Repeatable. */
void http_server_stop(HttpServer *server, guint drain_ms);
void http_server_free(HttpServer *server); /* stops first; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpServer, http_server_free)

/* Adds work to the same worker pool (timers, completions of deferred work). FALSE when the queue is
 * full. */
G_GNUC_WARN_UNUSED_RESULT gboolean http_server_post(HttpServer *server, void (*work)(void *data),
                                                    void *data);

typedef struct {
    guint connections, queued, queue_capacity, workers_busy, workers;
    guint64 refused;
} HttpServerStats;
void http_server_stats(HttpServer *server, HttpServerStats *stats);
