/* Streamed answers: slow readers, readers that leave, ends that are no ends. Run under
 * ThreadSanitizer as well. */
#include "test-http-house.h"

#define SMALL_BUFFER 4096

/* The stream of the request that came last, and what was said about it. */
static struct {
    Mutex lock;
    Condition changed;
    HttpStream *stream;
    guint notified;
} seen;

static void note(void *data)
{
    (void)data;
    mutex_lock(&seen.lock);
    seen.notified++;
    condition_broadcast(&seen.changed);
    mutex_unlock(&seen.lock);
}

static void begin(HttpRequest *request)
{
    HttpStream *stream = http_reply_stream(request, 200, "text/event-stream", SMALL_BUFFER);

    g_assert_true(http_reply_sent(request));
    http_stream_notify(stream, note, NULL);
    mutex_lock(&seen.lock);
    seen.stream = stream;
    condition_broadcast(&seen.changed);
    mutex_unlock(&seen.lock);
}

static HttpStream *take_stream(void)
{
    HttpStream *stream;

    mutex_lock(&seen.lock);
    while (!seen.stream)
        condition_wait_until(&seen.changed, &seen.lock, G_MAXINT64);
    stream = g_steal_pointer(&seen.stream);
    seen.notified = 0;
    mutex_unlock(&seen.lock);
    return stream;
}

static void wait_notified(void)
{
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_MS * 1000;

    mutex_lock(&seen.lock);
    while (seen.notified == 0)
        g_assert_true(condition_wait_until(&seen.changed, &seen.lock, deadline_us) ||
                      seen.notified > 0);
    seen.notified = 0;
    mutex_unlock(&seen.lock);
}

static const TestRoute routes[] = {
    {"/stream", begin, 0, FALSE},
    {"/stream-fast", begin, 0, TRUE},
    {NULL},
};

static int ask(TestServer *house, const char *path)
{
    g_autofree char *request = g_strdup_printf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    int fd = connect_to(house->port);

    send_text(fd, request);
    return fd;
}

static void assert_push(HttpStream *stream, const char *text)
{
    g_assert_true(http_stream_push(stream, text, strlen(text)));
}

static void test_pieces_come_as_they_are_pushed(void)
{
    static const char *const paths[] = {"/stream", "/stream-fast"};
    g_autoptr(TestServer) house = test_server_new(routes, NULL);

    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        int fd = ask(house, paths[i]);
        HttpStream *stream = take_stream();
        g_assert_true(read_until(fd, text, "\r\n\r\n")); /* the head does not wait */
        assert_holds(text->str, "\r\nTransfer-Encoding: chunked\r\n");
        assert_holds(text->str, "\r\nContent-Type: text/event-stream\r\n");
        assert_push(stream, "first");
        g_assert_true(read_until(fd, text, "first\r\n"));
        assert_push(stream, "");
        assert_push(stream, "second");
        g_assert_true(read_until(fd, text, "second\r\n"));
        g_assert_false(http_stream_client_gone(stream));
        g_assert_cmpuint(http_stream_pending(stream), ==, 0);
        http_stream_close(stream, FALSE);
        g_assert_true(read_until(fd, text, "\r\n0\r\n\r\n"));
        send_text(fd, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"); /* the connection lives on */
        g_assert_true(read_until(fd, text, "no such page"));
        close(fd);
    }
}

/* Everything pushed arrives once and in order, though the reader is slow and the buffer small. */
static void test_a_slow_reader_is_waited_for(void)
{
    enum { PIECES = 12000, PIECE = 500 };
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    int fd = ask(house, "/stream"),
        small = 65536; /* less, and the kernel's window probes set the pace */
    HttpStream *stream = take_stream();
    guint refusals = 0, bytes = 0;
    char piece[PIECE];

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (guint i = 0; i < PIECES; i++) {
        memset(piece, 'a' + (int)(i % 26), sizeof piece);
        while (!http_stream_push(stream, piece, sizeof piece)) {
            char waste[8192];
            ssize_t got = recv(fd, waste, sizeof waste, MSG_DONTWAIT);
            refusals++;
            g_assert_cmpuint(http_stream_pending(stream), <=, SMALL_BUFFER);
            if (got > 0)
                g_string_append_len(text, waste, got);
            else /* not for the call-back alone: the server may be waiting for this very reader */
                poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 20);
        }
    }
    http_stream_close(stream, FALSE);
    g_assert_true(read_until(fd, text, "\r\n0\r\n\r\n"));
    close(fd);
    g_assert_cmpuint(refusals, >, 0);
    for (const char *at = strstr(text->str, "\r\n\r\n") + 4; *at; at++)
        bytes += *at >= 'g' && *at <= 'z'; /* chunk sizes are hexadecimal */
    for (guint i = 0; i < PIECES; i++)
        bytes -= 'a' + (int)(i % 26) >= 'g' ? PIECE : 0;
    g_assert_cmpuint(bytes, ==, 0);
}

static void test_too_much_at_once_is_refused(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autofree char *much = g_strnfill(SMALL_BUFFER + 1, 'x');
    int fd = ask(house, "/stream");
    HttpStream *stream = take_stream();

    g_assert_false(http_stream_push(stream, much, SMALL_BUFFER + 1));
    http_stream_close(stream, TRUE);
    close(fd);
}

static void test_a_reader_that_leaves_is_noticed(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    int fd = ask(house, "/stream");
    HttpStream *stream = take_stream();

    g_assert_true(read_until(fd, text, "\r\n\r\n"));
    close(fd); /* while nothing is pushed */
    wait_notified();
    g_assert_true(http_stream_client_gone(stream));
    g_assert_false(http_stream_push(stream, "x", 1));
    http_stream_close(stream, FALSE);
}

static void test_who_asks_late_is_told_too(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    int fd = ask(house, "/stream");
    HttpStream *stream = take_stream();

    g_assert_true(read_until(fd, text, "\r\n\r\n"));
    close(fd);
    wait_notified();
    http_stream_notify(stream, note, NULL);
    wait_notified();
    http_stream_close(stream, FALSE);
}

static gboolean one_is_left(void *data)
{
    HttpServerStats stats;

    http_server_stats(((TestServer *)data)->server, &stats);
    return stats.connections == 1;
}

/* By the client, and by the server, which must not wait for an idle limit to give the connection
 * back. */
static void test_a_broken_end_is_seen(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    int idle = connect_to(house->port);

    for (guint i = 0; i < 2; i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        int fd = connect_to(house->port);
        HttpStream *stream;
        send_text(fd, i == 0 ? "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
                             : "GET /stream HTTP/1.0\r\n\r\n");
        stream = take_stream();
        assert_push(stream, "part");
        g_assert_true(read_until(fd, text, "part"));
        http_stream_close(stream, TRUE);
        g_assert_true(read_until(fd, text, NULL));
        g_assert_null(strstr(text->str, "\r\n0\r\n"));
        assert_soon(one_is_left, house);
        close(fd);
    }
    close(idle);
}

static void test_heads_and_old_clients(void)
{
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    int idle = connect_to(house->port); /* an older connection must not stand in the way */
    int fd = connect_to(house->port);
    HttpStream *stream;

    send_text(fd, "HEAD /stream HTTP/1.1\r\n" LAST);
    stream = take_stream();
    g_assert_true(read_until(fd, text, NULL));
    g_assert_true(g_str_has_suffix(text->str, "\r\n\r\n"));
    http_stream_close(stream, FALSE);
    close(fd);
    g_string_truncate(text, 0);
    fd = connect_to(house->port);
    send_text(fd, "GET /stream HTTP/1.0\r\n\r\n");
    stream = take_stream();
    assert_push(stream, "plain");
    http_stream_close(stream, FALSE);
    g_assert_true(read_until(fd, text, NULL)); /* until the end of the connection */
    g_assert_true(g_str_has_suffix(text->str, "\r\n\r\nplain"));
    close(fd);
    close(idle);
}

static void test_a_stop_cuts_streams(void)
{
    static const char *const paths[] = {"/stream", "/stream-fast"};

    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        TestServer *house = test_server_new(routes, NULL);
        g_autoptr(GString) text = g_string_new(NULL);
        int fd = ask(house, paths[i]);
        HttpStream *stream = take_stream();
        assert_push(stream, "part");
        g_assert_true(read_until(fd, text, "part\r\n"));
        http_server_stop(house->server, 10);
        wait_notified();
        g_assert_true(http_stream_client_gone(stream));
        g_assert_true(read_until(fd, text, NULL));
        test_server_free(house);
        g_assert_false(http_stream_push(stream, "x", 1));
        http_stream_close(stream, FALSE);
        close(fd);
    }
}

/* ---- Many at once ---- */

static void push_some(void *data)
{
    HttpStream *stream = data;

    for (guint i = 0; i < 50; i++)
        while (!http_stream_push(stream, "0123456789abcdef\n", 17) &&
               !http_stream_client_gone(stream))
            g_usleep(100);
    http_stream_close(stream, FALSE);
}

static void test_many_streams_at_once(void)
{
    enum { STREAMS = 12 };
    g_autoptr(TestServer) house = test_server_new(routes, NULL);
    Thread *threads[STREAMS];
    int fds[STREAMS];

    for (guint i = 0; i < STREAMS; i++) {
        fds[i] = ask(house, i % 2 ? "/stream" : "/stream-fast");
        threads[i] = thread_start("pusher", push_some, take_stream());
        if (i % 4 == 3)
            close(fds[i]);
    }
    for (guint i = 0; i < STREAMS; i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        thread_join(threads[i]);
        if (i % 4 == 3)
            continue;
        g_assert_true(read_until(fds[i], text, "\r\n0\r\n\r\n"));
        close(fds[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mutex_init(&seen.lock);
    condition_init(&seen.changed);
    g_test_add_func("/http/stream/pieces-come-as-they-are-pushed",
                    test_pieces_come_as_they_are_pushed);
    g_test_add_func("/http/stream/a-slow-reader-is-waited-for", test_a_slow_reader_is_waited_for);
    g_test_add_func("/http/stream/too-much-at-once-is-refused", test_too_much_at_once_is_refused);
    g_test_add_func("/http/stream/a-reader-that-leaves-is-noticed",
                    test_a_reader_that_leaves_is_noticed);
    g_test_add_func("/http/stream/who-asks-late-is-told-too", test_who_asks_late_is_told_too);
    g_test_add_func("/http/stream/a-broken-end-is-seen", test_a_broken_end_is_seen);
    g_test_add_func("/http/stream/heads-and-old-clients", test_heads_and_old_clients);
    g_test_add_func("/http/stream/a-stop-cuts-streams", test_a_stop_cuts_streams);
    g_test_add_func("/http/stream/many-streams-at-once", test_many_streams_at_once);
    return g_test_run();
}
