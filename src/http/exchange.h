/* One request and its answer from the inside: what request.c, reply.c, stream.c, upgrade.c and
 * exchange.c share.
 *
 * Life of a request. libmicrohttpd announces it (first line read), its head is copied into the
 * request's own memory, its body collected. Then the handler runs: in the I/O thread, or, the
 * connection suspended, in a worker. Whoever answers builds the whole response and resumes the
 * connection; the I/O thread only queues it. So nothing but the fields under `lock` is ever touched
 * by two threads at once: the request belongs to the I/O thread while it is read, then to whoever
 * handles it.
 *
 * The connection keeps one reference until libmicrohttpd has let go of it, so a request outlives a
 * client that hangs up, and a server that was stopped. */
#pragma once

#include "http/arena.h"
#include "http/request.h"
#include "http/server.h"
#include "http/worker_pool.h"

#include <microhttpd.h>

#define REQUEST_ARENA_BYTES 1536 /* a usual head and its answer's headers */
#define PEER_SIZE           46   /* INET6_ADDRSTRLEN */

typedef struct {
    const char *name, *value;
} HttpHeader;

typedef struct _ReplyHeader ReplyHeader;
struct _ReplyHeader {
    ReplyHeader *next;
    const char *name, *value;
};

typedef enum {
    STEP_HEAD,   /* the head is complete when the handler is called */
    STEP_BODY,   /* pieces of the body come in */
    STEP_SERVED, /* handed to its handler; the next call comes when there is an answer */
    STEP_CONCLUDED,
} ExchangeStep;

struct _HttpRequest {
    PoolWork work; /* first: the queue hands it back */
    RefCount references;
    HttpServer *server; /* a reference */

    /* The request; constant once its handler runs. */
    const char *method, *target, *path, *raw_path, *query_text, *host;
    HttpHeader *headers;
    guint header_count;
    gboolean is_http_1_1, is_asterisk;
    char *body;
    gsize body_length, body_capacity, discarded_bytes;
    char peer[PEER_SIZE];
    gboolean peer_is_loopback;
    gint64 started_us;
    const char *id; /* made when first asked for */
    struct _HttpQueryPairs *query;
    HttpHeader *parameters;
    guint parameter_count;
    void *attached;
    GDestroyNotify free_attached;

    /* The I/O thread's. */
    ExchangeStep step;
    HttpAdmission admission;
    gboolean is_over_limit, is_dispatched;
    struct _WatchedConnection *watched; /* the connection's; not after its end */

    /* The answer; its owner's. */
    guint status;
    ReplyHeader *reply_headers;
    GBytes *reply_bytes;         /* a reference, while they are sent */
    HttpUpgradeFunction upgrade; /* taken (NULL) once it was called */
    void *upgrade_data;
    atomic_int
        holds; /* the running handler and each deferral; who lets go of the last answers for all */

    Mutex lock;                        /* guards what follows */
    struct MHD_Connection *connection; /* NULL once let go */
    int fd;
    struct MHD_Response *response; /* ready, not queued yet */
    HttpStream *stream;            /* a reference */
    gboolean is_suspended, is_queued, is_cut, is_over, client_left;

    HttpRequest *next,
        *previous;      /* in the server's list of open requests; guarded by the server's lock */
    gboolean is_listed; /* the I/O thread's */

    Arena arena;
    max_align_t arena_bytes[REQUEST_ARENA_BYTES / sizeof(max_align_t)];
};

/* ---- request.c ---- */

HttpRequest *request_new(HttpServer *server, struct MHD_Connection *connection, const char *target);
void request_ref(HttpRequest *request);
void request_release(HttpRequest *request); /* drops a reference */
/* Lets go of a hold: the last one of an unanswered request answers 500. Drops no reference. */
void request_drop_hold(HttpRequest *request);

/* ---- head.c ---- */

/* Copies the head and examines it. FALSE: `*status` and `*problem` are what to answer before
 * closing. */
gboolean head_read(HttpRequest *request, struct MHD_Connection *connection, const char *method,
                   const char *version, guint *status, const char **problem);
/* The declared length of the body; -1 when it is chunked. */
gint64 head_content_length(HttpRequest *request);
gboolean head_expects_continue(HttpRequest *request);

/* ---- reply.c ---- */

/* Answers with `response`, which is moved in: runs `finish`, adds the headers, wakes the
 * connection. */
void reply_send(HttpRequest *request, guint status, struct MHD_Response *response);
/* A JSON error as a response. */
struct MHD_Response *reply_error_response(const char *message);

/* ---- stream.c ---- */

void stream_ref(HttpStream *stream);
void stream_unref(HttpStream *stream);
/* The response was queued: from now on `connection` may be suspended for it. I/O thread. */
void stream_begin(HttpStream *stream, struct MHD_Connection *connection,
                  struct _WatchedConnection *watched);
/* The server goes down: nothing more can be sent. */
void stream_cut(HttpStream *stream);
/* The client was seen to leave. Any thread that holds a reference. */
void stream_hung_up(HttpStream *stream);

/* ---- upgrade.c ---- */

/* Gives an upgrade that never happened its socket all the same: one that is at its end. */
void upgrade_abandon(HttpRequest *request);

/* ---- exchange.c: libmicrohttpd's call-backs; `data` is the server ---- */

void *exchange_announce(void *data, const char *target, struct MHD_Connection *connection);
enum MHD_Result exchange_advance(void *data, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_length, void **context);
void exchange_end(void *data, struct MHD_Connection *connection, void **context,
                  enum MHD_RequestTerminationCode code);
/* The connection has let go of the request, or is about to. Repeatable. I/O thread. */
void exchange_conclude(HttpRequest *request, enum MHD_RequestTerminationCode code);
/* Ends an open request for good: its connection closes, its answer will be dropped. */
void exchange_cut(HttpRequest *request);

/* ---- server.c ---- */

HttpServer *server_ref(HttpServer *server);
void server_unref(HttpServer *server);
const HttpServerOptions *server_options(HttpServer *server);
WorkerPool *server_pool(HttpServer *server);
struct _HangupWatch *server_hangups(HttpServer *server);
gboolean server_is_stopping(HttpServer *server);
/* Brackets around `finish`. FALSE: the server was cut off, its options may be gone. */
gboolean server_enter_finish(HttpServer *server);
void server_leave_finish(HttpServer *server);
/* Requests whose handlers were begun and whose answers are not out. */
void server_request_begun(HttpServer *server);
void server_request_ended(HttpServer *server);
/* Remembers a request whose connection is about to be suspended. FALSE: the server was cut off. */
gboolean server_list(HttpServer *server, HttpRequest *request);
void server_unlist(HttpServer *server, HttpRequest *request);
void server_count_refusal(HttpServer *server);
