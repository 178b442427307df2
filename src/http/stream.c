/* Answers that are pushed piece by piece: a bounded buffer between any thread and the I/O thread.
 *
 * The I/O thread takes from the buffer; when it is empty the connection is suspended, and the next
 * push resumes it. Three hold the stream: its owner, the response, the request. Locks: `lock`
 * guards the buffer; `notify_lock` is held while the owner's call-back runs, so that none runs
 * after http_stream_close. */
#include "http/exchange.h"
#include "http/hangup.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define BLOCK_BYTES 4096        /* what libmicrohttpd sets aside a response */
#define KEPT_BYTES  (16 * 1024) /* a buffer larger than this is given back when it is empty */
#define FIRST_BYTES 1024

struct _HttpStream {
    RefCount references;
    gsize limit;
    gboolean is_chunked;
    guint last_timeout_s; /* of a connection that breaks off: short, and not the usual one */

    Mutex lock; /* guards what follows */
    char *bytes;
    gsize start, end, allocated;
    struct MHD_Connection *connection; /* NULL until queued and after the end */
    int fd;
    HangupWatch *hangups;
    WatchedConnection *watched; /* the connection's */
    gboolean is_suspended, is_closed, is_broken, is_gone, was_refused;

    Mutex notify_lock; /* taken before lock; guards what follows */
    void (*notify)(void *data);
    void *notify_data;
};

/* ---- Life ---- */

void stream_ref(HttpStream *stream)
{
    ref_take(&stream->references);
}

void stream_unref(HttpStream *stream)
{
    if (!ref_drop(&stream->references))
        return;
    mutex_clear(&stream->lock);
    mutex_clear(&stream->notify_lock);
    g_free(stream->bytes);
    g_free(stream);
}

static void call_notify(HttpStream *stream)
{
    mutex_lock(&stream->notify_lock);
    if (stream->notify)
        stream->notify(stream->notify_data);
    mutex_unlock(&stream->notify_lock);
}

/* ---- The buffer ---- */

static gsize pending_locked(HttpStream *stream) REQUIRES(stream->lock)
{
    return stream->end - stream->start;
}

static void make_room_locked(HttpStream *stream, gsize length) REQUIRES(stream->lock)
{
    gsize pending = pending_locked(stream);
    gsize wanted = MAX(stream->allocated, FIRST_BYTES);

    if (length <= stream->allocated - stream->end)
        return;
    if (pending > 0 && stream->start > 0)
        memmove(stream->bytes, stream->bytes + stream->start, pending);
    stream->start = 0;
    stream->end = pending;
    while (wanted < pending + length)
        wanted *= 2;
    if (wanted == stream->allocated)
        return;
    stream->bytes = g_realloc(stream->bytes, wanted);
    stream->allocated = wanted;
}

static gsize take_locked(HttpStream *stream, char *out, gsize max) REQUIRES(stream->lock)
{
    gsize taken = MIN(max, pending_locked(stream));

    memcpy(out, stream->bytes + stream->start, taken);
    stream->start += taken;
    if (stream->start < stream->end)
        return taken;
    stream->start = stream->end = 0;
    if (stream->allocated > KEPT_BYTES) {
        g_clear_pointer(&stream->bytes, g_free);
        stream->allocated = 0;
    }
    return taken;
}

/* Whoever gets the connection resumes it, after the lock is gone. */
static struct MHD_Connection *wake_locked(HttpStream *stream) REQUIRES(stream->lock)
{
    if (!stream->is_suspended)
        return NULL;
    stream->is_suspended = FALSE;
    return stream->connection;
}

/* ---- The I/O thread's side ---- */

void stream_begin(HttpStream *stream, struct MHD_Connection *connection, WatchedConnection *watched)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    mutex_lock(&stream->lock);
    stream->connection = connection;
    stream->watched = watched;
    stream->fd = info ? info->connect_fd : -1;
    /* A sleeping connection is not polled, so somebody else has to see the client leave. */
    stream->is_gone |= !hangup_watch_set_stream(stream->hangups, watched, stream);
    mutex_unlock(&stream->lock);
}

/* libmicrohttpd (0.9.75) closes a connection whose reader has come to an end that closes it only
 * when it happens to look at it again, on a quiet server after the idle limit. So the client is
 * told here, and a limit of time of its own brings the connection onto the list that is looked at
 * in every round. */
static void end_connection_locked(HttpStream *stream, int how) REQUIRES(stream->lock)
{
    shutdown(stream->fd, how);
    MHD_set_connection_option(stream->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                              stream->last_timeout_s);
}

/* Nothing waits: ends, or sleeps until something does. */
static ssize_t wait_locked(HttpStream *stream) REQUIRES(stream->lock)
{
    if (stream->is_gone || (stream->is_closed && stream->is_broken)) {
        end_connection_locked(stream, SHUT_RDWR);
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (stream->is_closed) {
        if (!stream->is_chunked) /* the end of the connection is the end of the body */
            end_connection_locked(stream, SHUT_WR);
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    MHD_suspend_connection(stream->connection);
    stream->is_suspended = TRUE;
    return 0;
}

static ssize_t read_piece(void *data, uint64_t position, char *out, size_t max)
{
    HttpStream *stream = data;
    gsize before, after;
    ssize_t taken;
    gboolean has_room = FALSE;

    (void)position;
    mutex_lock(&stream->lock);
    before = pending_locked(stream);
    if (before > 0 && !stream->is_gone && !stream->is_broken) {
        taken = (ssize_t)take_locked(stream, out, max);
        after = pending_locked(stream);
        has_room =
            after < stream->limit / 2 && (before >= stream->limit / 2 || stream->was_refused);
        if (has_room)
            stream->was_refused = FALSE;
    } else {
        taken = wait_locked(stream);
    }
    mutex_unlock(&stream->lock);
    if (has_room)
        call_notify(stream);
    return taken;
}

/* The connection lets go of the response: sent to its end, or the client is away. Its descriptor is
 * still open here. */
static void end_response(void *data)
{
    HttpStream *stream = data;

    mutex_lock(&stream->lock);
    (void)hangup_watch_set_stream(stream->hangups, g_steal_pointer(&stream->watched), NULL);
    stream->is_gone = TRUE;
    stream->is_suspended = FALSE;
    stream->connection = NULL;
    stream->start = stream->end = 0;
    mutex_unlock(&stream->lock);
    call_notify(stream);
    stream_unref(stream);
}

static void lose_client(HttpStream *stream)
{
    struct MHD_Connection *sleeping;

    mutex_lock(&stream->lock);
    stream->is_gone = TRUE;
    sleeping = wake_locked(stream);
    mutex_unlock(&stream->lock);
    if (sleeping)
        MHD_resume_connection(sleeping);
}

void stream_cut(HttpStream *stream)
{
    lose_client(stream);
}

void stream_hung_up(HttpStream *stream)
{
    lose_client(stream);
}

/* ---- The owner's side ---- */

HttpStream *http_reply_stream(HttpRequest *request, guint status, const char *type,
                              gsize buffer_bytes)
{
    HttpStream *stream = g_new0(HttpStream, 1);
    struct MHD_Response *response;

    ref_init(&stream->references);
    mutex_init(&stream->lock);
    mutex_init(&stream->notify_lock);
    stream->limit = buffer_bytes;
    stream->is_chunked = request->is_http_1_1;
    stream->last_timeout_s = server_options(request->server)->idle_timeout_s == 1 ? 2 : 1;
    stream->fd = -1;
    stream->hangups = server_hangups(request->server);
    stream_ref(stream); /* the response's */
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_piece, stream,
                                                 end_response);
    g_assert(response);
    if (type)
        http_reply_header(request, "Content-Type", type);
    stream_ref(stream); /* the request's */
    mutex_lock(&request->lock);
    request->stream = stream;
    mutex_unlock(&request->lock);
    reply_send(request, status, response);
    return stream;
}

gboolean http_stream_push(HttpStream *stream, const char *bytes, gsize length)
{
    struct MHD_Connection *sleeping = NULL;
    gboolean is_taken = FALSE;

    mutex_lock(&stream->lock);
    if (!stream->is_gone && !stream->is_closed) {
        is_taken = length <= stream->limit - pending_locked(stream);
        stream->was_refused = !is_taken;
    }
    if (is_taken && length > 0) {
        make_room_locked(stream, length);
        memcpy(stream->bytes + stream->end, bytes, length);
        stream->end += length;
        sleeping = wake_locked(stream);
    }
    mutex_unlock(&stream->lock);
    if (sleeping)
        MHD_resume_connection(sleeping);
    return is_taken;
}

gsize http_stream_pending(HttpStream *stream)
{
    gsize pending;

    mutex_lock(&stream->lock);
    pending = pending_locked(stream);
    mutex_unlock(&stream->lock);
    return pending;
}

void http_stream_notify(HttpStream *stream, void (*function)(void *data), void *data)
{
    mutex_lock(&stream->notify_lock);
    stream->notify = function;
    stream->notify_data = data;
    mutex_unlock(&stream->notify_lock);
    if (http_stream_client_gone(stream))
        call_notify(stream); /* it went before it could be told */
}

gboolean http_stream_client_gone(HttpStream *stream)
{
    struct pollfd poll_fd = {.events = POLLRDHUP};
    gboolean is_gone;

    mutex_lock(&stream->lock); /* while the connection is ours its descriptor stays open */
    poll_fd.fd = stream->connection ? stream->fd : -1;
    is_gone = stream->is_gone || (poll_fd.fd >= 0 && poll(&poll_fd, 1, 0) > 0 &&
                                  (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0);
    mutex_unlock(&stream->lock);
    return is_gone;
}

void http_stream_close(HttpStream *stream, gboolean broken)
{
    struct MHD_Connection *sleeping;

    mutex_lock(&stream->notify_lock);
    stream->notify = NULL;
    mutex_unlock(&stream->notify_lock);
    mutex_lock(&stream->lock);
    stream->is_closed = TRUE;
    stream->is_broken = broken;
    sleeping = wake_locked(stream);
    mutex_unlock(&stream->lock);
    if (sleeping)
        MHD_resume_connection(sleeping);
    stream_unref(stream);
}
