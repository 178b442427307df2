#include "a2a/relay.h"

#include "base/clock.h"
#include "base/sync.h"

#define BUFFER_BYTES (256 * 1024) /* what may wait for a slow client */

struct _Relay {
    RefCount references;
    HttpCall *call; /* a reference; constant */
    Mutex lock;     /* guards what follows; held over pushes so that pings and pieces keep apart */
    HttpStream *stream; /* NULL once ended */
    StreamReader *reader;
    gint64 pushed_us;
};

/* In an I/O thread: there is room again, or nobody to wait for. Takes no lock of ours. */
static void on_drained(void *data)
{
    Relay *relay = data;

    http_call_resume(relay->call);
}

Relay *relay_start(HttpRequest *request, HttpCall *call, guint status)
{
    Relay *relay = g_new0(Relay, 1);

    ref_init(&relay->references);
    mutex_init(&relay->lock);
    relay->call = http_call_ref(call);
    relay->reader = stream_reader_new();
    relay->pushed_us = clock_monotonic_us();
    http_reply_header(request, "Cache-Control", "no-cache");
    http_reply_header(request, "X-Accel-Buffering", "no");
    relay->stream = http_reply_stream(request, status, "text/event-stream", BUFFER_BYTES);
    http_stream_notify(relay->stream, on_drained, relay);
    return relay;
}

Relay *relay_ref(Relay *relay)
{
    ref_take(&relay->references);
    return relay;
}

void relay_unref(Relay *relay)
{
    if (!relay || !ref_drop(&relay->references))
        return;
    if (relay->stream)
        http_stream_close(relay->stream, TRUE);
    stream_reader_free(relay->reader);
    http_call_unref(relay->call);
    mutex_clear(&relay->lock);
    g_free(relay);
}

gboolean relay_push(Relay *relay, const char *bytes, gsize length)
{
    gboolean is_taken;

    mutex_lock(&relay->lock);
    is_taken = !relay->stream || http_stream_push(relay->stream, bytes, length) ||
               http_stream_client_gone(relay->stream);
    if (is_taken) {
        stream_reader_feed(relay->reader, bytes, length);
        relay->pushed_us = clock_monotonic_us();
    }
    mutex_unlock(&relay->lock);
    return is_taken;
}

void relay_ping(Relay *relay, gint64 now_us, gint64 interval_us)
{
    static const char ping[] = ": ping\n";

    mutex_lock(&relay->lock);
    if (relay->stream && now_us - relay->pushed_us >= interval_us &&
        stream_reader_at_line_start(relay->reader)) {
        relay->pushed_us = now_us;
        (void)!http_stream_push(relay->stream, ping,
                                sizeof ping - 1); /* no room: it has enough to read */
    }
    mutex_unlock(&relay->lock);
}

void relay_end(Relay *relay, gboolean broken)
{
    HttpStream *stream;

    mutex_lock(&relay->lock);
    stream = g_steal_pointer(&relay->stream);
    mutex_unlock(&relay->lock);
    if (stream)
        http_stream_close(stream, broken);
}

const StreamReader *relay_reader(Relay *relay)
{
    return relay->reader;
}
