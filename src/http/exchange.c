#include "http/exchange.h"

#include "http/hangup.h"

#include <string.h>

/* A longer body than allowed is read to its end, and thrown away, so that the client, which writes
 * first and reads later, gets to see the 413. Beyond this it has to bear a closed connection. */
#define DISCARD_MAX_BYTES (32 * 1024 * 1024)
#define FIRST_BODY_BYTES  4096
/* A declared length up to this is set aside at once; a longer body grows as it comes, so that a
 * mere promise takes no memory. */
#define TRUSTED_BODY_BYTES (64 * 1024)

/* ---- Answers of the I/O thread's own ---- */

/* Before the handler: the connection closes, because what follows in it cannot be trusted or is too
 * much to read. */
static enum MHD_Result refuse(struct MHD_Connection *connection, guint status, const char *problem)
{
    struct MHD_Response *response = reply_error_response(problem);
    enum MHD_Result result;

    MHD_add_response_header(response, "Connection", "close");
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result queue_answer(HttpRequest *request, struct MHD_Connection *connection)
{
    struct MHD_Response *response;
    HttpStream *stream;
    enum MHD_Result result;

    mutex_lock(&request->lock);
    response = g_steal_pointer(&request->response);
    request->is_queued = response != NULL;
    stream = request->stream;
    mutex_unlock(&request->lock);
    if (!response)
        return MHD_NO; /* cut off */
    /* A stream puts the connection to sleep by itself, so the stop has to know of it. */
    if (stream && !request->is_listed && !server_list(request->server, request)) {
        MHD_destroy_response(response);
        return MHD_NO;
    }
    if (stream)
        stream_begin(stream, connection, request->watched);
    result = MHD_queue_response(connection, request->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- Handing to the handler ---- */

static void serve(HttpRequest *request)
{
    const HttpServerOptions *options = server_options(request->server);

    options->serve(request, options->data);
    request_drop_hold(request);
}

/* A worker's turn. A server that was cut off has no handlers any more. */
static void run_work(PoolWork *work)
{
    HttpRequest *request = (HttpRequest *)work;
    gboolean is_cut;

    mutex_lock(&request->lock);
    is_cut = request->is_cut;
    mutex_unlock(&request->lock);
    if (!is_cut)
        serve(request);
    request_release(request);
}

/* Puts the connection to sleep until there is an answer. FALSE: there is one already, or there will
 * be none. */
static gboolean sleep_unless_answered(HttpRequest *request, struct MHD_Connection *connection)
{
    gboolean is_listed = server_list(request->server, request);

    mutex_lock(&request->lock);
    if (is_listed && !request->is_cut && !request->response) {
        MHD_suspend_connection(connection);
        request->is_suspended = TRUE;
    }
    is_listed = request->is_suspended;
    mutex_unlock(&request->lock);
    return is_listed;
}

static enum MHD_Result hand_to_worker(HttpRequest *request, struct MHD_Connection *connection)
{
    if (!sleep_unless_answered(request, connection))
        return MHD_NO;
    request_ref(request); /* the worker's */
    request->work.run = run_work;
    if (worker_pool_push(server_pool(request->server), &request->work))
        return MHD_YES;
    server_count_refusal(request->server);
    http_reply_header(request, "Retry-After", "1");
    http_reply_error(request, 503, "too many requests are waiting"); /* wakes the connection */
    request_release(request);
    return MHD_YES;
}

static enum MHD_Result serve_in_place(HttpRequest *request, struct MHD_Connection *connection)
{
    gboolean is_answered;

    serve(request);
    mutex_lock(&request->lock);
    is_answered = request->response != NULL;
    mutex_unlock(&request->lock);
    if (is_answered || !sleep_unless_answered(request, connection))
        return queue_answer(request, connection);
    return MHD_YES;
}

static enum MHD_Result dispatch(HttpRequest *request, struct MHD_Connection *connection)
{
    request->step = STEP_SERVED;
    request->is_dispatched = TRUE;
    server_request_begun(request->server);
    hangup_watch_set_busy(request->watched, TRUE);
    atomic_store(&request->holds, 1);
    if (request->is_over_limit) {
        http_reply_error(request, 413, "request body too large");
        return queue_answer(request, connection);
    }
    return request->admission.in_place ? serve_in_place(request, connection)
                                       : hand_to_worker(request, connection);
}

/* ---- Reading the request ---- */

static void make_body_room(HttpRequest *request, gsize wanted)
{
    gsize capacity = MAX(request->body_capacity, FIRST_BODY_BYTES);

    if (wanted < request->body_capacity)
        return;
    while (capacity <= wanted)
        capacity *= 2;
    request->body = g_realloc(request->body, capacity);
    request->body_capacity = capacity;
}

static gboolean collect(HttpRequest *request, const char *bytes, gsize length)
{
    request->is_over_limit |= length > request->admission.max_body_bytes - request->body_length;
    if (request->is_over_limit) {
        g_clear_pointer(&request->body, g_free);
        request->body_length = request->body_capacity = 0;
        request->discarded_bytes += length;
        return request->discarded_bytes <= DISCARD_MAX_BYTES;
    }
    make_body_room(request, request->body_length + length);
    memcpy(request->body + request->body_length, bytes, length);
    request->body_length += length;
    request->body[request->body_length] = '\0';
    return TRUE;
}

static enum MHD_Result begin(HttpRequest *request, struct MHD_Connection *connection,
                             const char *method, const char *version)
{
    const HttpServerOptions *options = server_options(request->server);
    guint status;
    const char *problem;
    gint64 length;

    if (!head_read(request, connection, method, version, &status, &problem))
        return refuse(connection, status, problem);
    request->step = STEP_BODY;
    if (request->is_asterisk) { /* OPTIONS *: about the server itself */
        http_reply_empty(request, 200);
        return queue_answer(request, connection);
    }
    request->admission = options->route(request, options->data);
    length = head_content_length(request);
    request->is_over_limit = length > 0 && (guint64)length > request->admission.max_body_bytes;
    if (request->is_over_limit && (head_expects_continue(request) || length > DISCARD_MAX_BYTES)) {
        http_reply_header(request, "Connection", "close");
        http_reply_error(request, 413, "request body too large");
        return queue_answer(request, connection);
    }
    if (length > 0 && length <= TRUSTED_BODY_BYTES && !request->is_over_limit)
        make_body_room(request, (gsize)length);
    return MHD_YES;
}

void *exchange_announce(void *data, const char *target, struct MHD_Connection *connection)
{
    return request_new(data, connection, target ? target : "");
}

enum MHD_Result exchange_advance(void *data, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_length, void **context)
{
    HttpRequest *request = *context;
    gsize length = *upload_length;

    (void)data;
    (void)url;
    if (request->step == STEP_HEAD)
        return begin(request, connection, method, version);
    if (request->step == STEP_SERVED)
        return queue_answer(request, connection);
    if (length == 0)
        return dispatch(request, connection);
    *upload_length = 0;
    return collect(request, upload, length) ? MHD_YES : MHD_NO;
}

/* ---- The end ---- */

/* Nobody else can take the upgrade any more: either it was answered and queued here, or the answer
 * finds the connection gone. */
static gboolean let_go(HttpRequest *request, enum MHD_RequestTerminationCode code)
{
    struct MHD_Response *unsent;
    gboolean was_answered;

    mutex_lock(&request->lock);
    request->connection = NULL;
    request->is_over = TRUE;
    request->client_left = code != MHD_REQUEST_TERMINATED_COMPLETED_OK;
    unsent = g_steal_pointer(&request->response);
    was_answered = unsent != NULL || request->is_queued;
    mutex_unlock(&request->lock);
    if (unsent)
        MHD_destroy_response(unsent);
    return was_answered;
}

void exchange_conclude(HttpRequest *request, enum MHD_RequestTerminationCode code)
{
    if (request->step == STEP_CONCLUDED)
        return;
    request->step = STEP_CONCLUDED;
    hangup_watch_set_busy(request->watched, FALSE);
    if (let_go(request, code))
        upgrade_abandon(request);
    if (request->is_listed)
        server_unlist(request->server, request);
    if (request->is_dispatched)
        server_request_ended(request->server);
}

void exchange_end(void *data, struct MHD_Connection *connection, void **context,
                  enum MHD_RequestTerminationCode code)
{
    HttpRequest *request = g_steal_pointer(context);

    (void)data;
    (void)connection;
    if (!request)
        return;
    exchange_conclude(request, code);
    request_release(request);
}

void exchange_cut(HttpRequest *request)
{
    struct MHD_Connection *sleeping = NULL;
    HttpStream *stream;

    mutex_lock(&request->lock);
    request->is_cut = TRUE;
    if (request->is_suspended)
        sleeping = request->connection;
    request->is_suspended = FALSE;
    stream = request->stream;
    mutex_unlock(&request->lock);
    if (sleeping)
        MHD_resume_connection(sleeping);
    if (stream)
        stream_cut(stream);
}
