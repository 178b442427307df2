#include "api/log_streams.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/sync.h"

#define STREAM_BUFFER_BYTES (256 * 1024)

typedef struct {
    LogStreams *owner;
    Thread *thread;
    Cancel *cancel;
    HttpStream *stream;
    char workspace_id[ID_SIZE];
    guint lines;
    gboolean ended; /* guarded by the owner's lock: the thread may be joined */
} LogStream;

struct _LogStreams {
    Reconciler *reconciler;
    Mutex lock;
    GPtrArray *streams; /* LogStream, borrowed; guarded by lock */
    gboolean is_stopping;
};

LogStreams *log_streams_new(Reconciler *reconciler)
{
    LogStreams *streams = g_new0(LogStreams, 1);

    streams->reconciler = reconciler;
    mutex_init(&streams->lock);
    streams->streams = g_ptr_array_new();
    return streams;
}

static void log_stream_free(LogStream *stream)
{
    thread_join(stream->thread);
    cancel_unref(stream->cancel);
    g_free(stream);
}

/* Joins what has ended. */
static void sweep(LogStreams *streams)
{
    g_autoptr(GPtrArray) ended = g_ptr_array_new();

    mutex_lock(&streams->lock);
    for (guint i = streams->streams->len; i > 0; i--) {
        LogStream *stream = streams->streams->pdata[i - 1];
        if (stream->ended)
            g_ptr_array_add(ended, g_ptr_array_steal_index_fast(streams->streams, i - 1));
    }
    mutex_unlock(&streams->lock);
    for (guint i = 0; i < ended->len; i++)
        log_stream_free(ended->pdata[i]);
}

void log_streams_stop(LogStreams *streams)
{
    g_autoptr(GPtrArray) all = NULL;

    mutex_lock(&streams->lock);
    streams->is_stopping = TRUE;
    all = streams->streams;
    streams->streams = g_ptr_array_new();
    mutex_unlock(&streams->lock);
    for (guint i = 0; i < all->len; i++)
        cancel_fire(((LogStream *)all->pdata[i])->cancel);
    for (guint i = 0; i < all->len; i++)
        log_stream_free(all->pdata[i]);
}

void log_streams_free(LogStreams *streams)
{
    if (!streams)
        return;
    log_streams_stop(streams);
    g_ptr_array_unref(streams->streams);
    mutex_clear(&streams->lock);
    g_free(streams);
}

static void push_bytes(const char *bytes, gsize length, void *data)
{
    LogStream *stream = data;

    if (!http_stream_push(stream->stream, bytes, length))
        cancel_fire(stream->cancel);
}

/* The client may leave while the log is silent. */
static void client_changed(void *data)
{
    LogStream *stream = data;

    if (http_stream_client_gone(stream->stream))
        cancel_fire(stream->cancel);
}

static void follow(void *data)
{
    LogStream *stream = data;
    g_autoptr(GError) error = NULL;
    gboolean ok = reconciler_logs_follow(stream->owner->reconciler, stream->workspace_id,
                                         stream->lines, stream->cancel, push_bytes, stream, &error);

    if (!ok && !cancel_fired(stream->cancel))
        log_warning("a followed log broke off", LOG_TEXT("workspace", stream->workspace_id),
                    LOG_CAUSE(error));
    http_stream_close(stream->stream, !ok);
    mutex_lock(&stream->owner->lock);
    stream->ended = TRUE;
    mutex_unlock(&stream->owner->lock);
}

static gboolean has_room(LogStreams *streams)
{
    gboolean has = FALSE;

    mutex_lock(&streams->lock);
    has = !streams->is_stopping && streams->streams->len < LOG_STREAMS_MAX;
    mutex_unlock(&streams->lock);
    return has;
}

gboolean log_streams_begin(LogStreams *streams, HttpRequest *request, const char *workspace_id,
                           guint lines, GError **error)
{
    LogStream *stream = NULL;
    gboolean is_late = FALSE;

    sweep(streams);
    if (!has_room(streams))
        return error_set(error, ERROR_BUSY, "too many logs are followed");
    stream = g_new0(LogStream, 1);
    stream->owner = streams;
    stream->cancel = cancel_new();
    stream->lines = lines;
    g_strlcpy(stream->workspace_id, workspace_id, ID_SIZE);
    http_reply_header(request, "X-Accel-Buffering", "no");
    stream->stream =
        http_reply_stream(request, 200, "text/plain; charset=utf-8", STREAM_BUFFER_BYTES);
    http_stream_notify(stream->stream, client_changed, stream);
    mutex_lock(&streams->lock);
    is_late = streams->is_stopping;
    if (is_late)
        cancel_fire(stream->cancel);
    else
        g_ptr_array_add(streams->streams, stream);
    stream->thread = thread_start("log-follow", follow, stream); /* in the lock: sweep joins it */
    mutex_unlock(&streams->lock);
    if (is_late)
        log_stream_free(stream);
    return TRUE;
}
