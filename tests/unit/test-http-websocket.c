/* WebSocket conversations: frames over a pair of sockets, and the upgrade over a real server. Run
 * under ThreadSanitizer as well. */
#include "http/websocket.h"
#include "test-http-house.h"

#include <fcntl.h>

#define LIMIT 4096

/* ---- A client that can also misbehave ---- */

typedef struct {
    int fd, server_fd;
    WebSocket *socket;
    GString *heard; /* what the receiver got: "t:text\n" or "b:bytes\n" */
} Pair;

static void hear(WebSocket *socket, gboolean is_text, const char *bytes, gsize length, void *data)
{
    Pair *pair = data;

    g_assert_true(socket == pair->socket);
    g_string_append(pair->heard, is_text ? "t:" : "b:");
    g_string_append_len(pair->heard, bytes, (gssize)length);
    g_string_append_c(pair->heard, '\n');
}

static Pair *pair_new(const char *extra, gsize extra_length)
{
    Pair *pair = g_new0(Pair, 1);
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), ==, 0);
    pair->fd = fds[0];
    pair->server_fd = fds[1];
    pair->socket = websocket_new(pair->server_fd, extra, extra_length, LIMIT);
    pair->heard = g_string_new(NULL);
    websocket_receive(pair->socket, hear, pair);
    return pair;
}

static void pair_free(Pair *pair)
{
    websocket_free(pair->socket);
    close(pair->server_fd);
    close(pair->fd);
    g_string_free(pair->heard, TRUE);
    g_free(pair);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pair, pair_free)

/* A masked client frame. `head` is the first byte: FIN, reserved bits, opcode. */
static GByteArray *frame(guint8 head, const void *payload, gsize length)
{
    static const guint8 mask[4] = {0x11, 0x22, 0x33, 0x44};
    GByteArray *bytes = g_byte_array_new();
    guint8 long_length[] = {0x80 | 126, (guint8)(length >> 8), (guint8)length};
    guint8 short_length = (guint8)(0x80 | length);

    g_assert_cmpuint(length, <, 65536);
    g_byte_array_append(bytes, &head, 1);
    if (length < 126)
        g_byte_array_append(bytes, &short_length, 1);
    else
        g_byte_array_append(bytes, long_length, sizeof long_length);
    g_byte_array_append(bytes, mask, sizeof mask);
    for (gsize i = 0; i < length; i++) {
        guint8 masked = ((const guint8 *)payload)[i] ^ mask[i % 4];
        g_byte_array_append(bytes, &masked, 1);
    }
    return bytes;
}

static void send_frame(int fd, guint8 head, const void *payload, gsize length)
{
    g_autoptr(GByteArray) bytes = frame(head, payload, length);

    send_bytes(fd, bytes->data, bytes->len);
}

/* The loop of an owner: FALSE when the conversation is over. */
static gboolean turn(Pair *pair)
{
    struct pollfd poll_fd = {.fd = pair->server_fd, .events = POLLIN};

    while (poll(&poll_fd, 1, 0) > 0)
        if (!websocket_on_readable(pair->socket))
            return FALSE;
    return !websocket_wants_write(pair->socket) || websocket_on_writable(pair->socket);
}

static void assert_sent(Pair *pair, const void *expected, gsize length)
{
    guint8 got[1024];

    g_assert_cmpint(recv(pair->fd, got, sizeof got, 0), ==, (gssize)length);
    g_assert_cmpmem(got, length, expected, length);
}

#define ASSERT_SENT(pair, ...)                                                                     \
    do {                                                                                           \
        const guint8 expected_[] = {__VA_ARGS__};                                                  \
        assert_sent((pair), expected_, sizeof expected_);                                          \
    } while (0)

#define FIN    0x80
#define TEXT   0x01
#define BINARY 0x02
#define CLOSE  0x08
#define PING   0x09
#define PONG   0x0a

/* ---- Messages ---- */

static void test_messages_both_ways(void)
{
    g_autoptr(Pair) pair = pair_new(NULL, 0);
    g_autofree char *long_text = g_strnfill(4000, 'y');

    send_frame(pair->fd, FIN | TEXT, "grüß", 6);
    send_frame(pair->fd, FIN | BINARY, "\0\xff", 2);
    send_frame(pair->fd, FIN | TEXT, "", 0);
    send_frame(pair->fd, FIN | TEXT, long_text, 4000);
    g_assert_true(turn(pair));
    g_assert_cmpuint(pair->heard->len, ==, 9 + 5 + 3 + 4003);
    g_assert_cmpmem(pair->heard->str, 17, "t:grüß\nb:\0\xff\nt:\n", 17);
    g_assert_true(websocket_push_text(pair->socket, "hi", 2));
    g_assert_true(websocket_push_binary(pair->socket, "\x01", 1));
    websocket_ping(pair->socket);
    g_assert_cmpuint(websocket_queued_messages(pair->socket), ==, 3);
    g_assert_cmpuint(websocket_queued_bytes(pair->socket), ==, 3);
    g_assert_true(websocket_wants_write(pair->socket));
    g_assert_true(turn(pair));
    ASSERT_SENT(pair, 0x89, 0, 0x81, 2, 'h', 'i', 0x82, 1, 1);
    g_assert_false(websocket_wants_write(pair->socket));
    g_assert_cmpint(websocket_stalled_since_us(pair->socket), ==, 0);
}

static void test_fragments_are_joined_around_pings(void)
{
    g_autoptr(Pair) pair = pair_new(NULL, 0);

    send_frame(pair->fd, TEXT, "gr\xc3", 3); /* a character may be cut in two */
    send_frame(pair->fd, FIN | PING, "p", 1);
    send_frame(pair->fd, 0, "\xbc", 1);
    send_frame(pair->fd, FIN, "n", 1);
    send_frame(pair->fd, FIN | PONG, "unasked", 7);
    g_assert_true(turn(pair));
    g_assert_cmpstr(pair->heard->str, ==, "t:grün\n");
    ASSERT_SENT(pair, 0x8a, 1, 'p');
}

static void test_bytes_read_before_count(void)
{
    g_autoptr(GByteArray) bytes = frame(FIN | TEXT, "early", 5);
    g_autoptr(Pair) pair = pair_new((const char *)bytes->data, bytes->len - 2);

    g_assert_true(websocket_on_readable(pair->socket));
    g_assert_cmpstr(pair->heard->str, ==, "");
    send_bytes(pair->fd, bytes->data + bytes->len - 2, 2);
    g_assert_true(turn(pair));
    g_assert_cmpstr(pair->heard->str, ==, "t:early\n");
}

static void test_without_a_receiver_all_is_discarded(void)
{
    g_autoptr(Pair) pair = pair_new(NULL, 0);

    websocket_receive(pair->socket, NULL, NULL);
    send_frame(pair->fd, FIN | TEXT, "nobody listens", 14);
    g_assert_true(turn(pair));
    g_assert_cmpstr(pair->heard->str, ==, "");
}

/* ---- Closing ---- */

static void test_a_close_is_echoed_with_its_code(void)
{
    g_autoptr(Pair) pair = pair_new(NULL, 0);

    send_frame(pair->fd, FIN | CLOSE, "\x0f\xa1ok", 4); /* 4001 */
    g_assert_false(turn(pair));
    ASSERT_SENT(pair, 0x88, 4, 0x0f, 0xa1, 'o', 'k');
    g_assert_cmpuint(websocket_peer_code(pair->socket), ==, 4001);
}

static void test_a_close_without_a_code(void)
{
    g_autoptr(Pair) pair = pair_new(NULL, 0);

    g_assert_cmpuint(websocket_peer_code(pair->socket), ==, 1006);
    send_frame(pair->fd, FIN | CLOSE, NULL, 0);
    g_assert_false(turn(pair));
    ASSERT_SENT(pair, 0x88, 0);
    g_assert_cmpuint(websocket_peer_code(pair->socket), ==, 1005);
}

static void test_our_close_goes_in_front_and_waits_for_the_answer(void)
{
    g_autoptr(Pair) pair = pair_new(NULL, 0);

    g_assert_true(websocket_push_text(pair->socket, "late", 4));
    websocket_close(pair->socket, WEBSOCKET_CLOSE_GOING_AWAY, "bye");
    websocket_close(pair->socket, WEBSOCKET_CLOSE_INTERNAL, "second");
    g_assert_true(websocket_is_closing(pair->socket));
    g_assert_false(websocket_push_text(pair->socket, "x", 1));
    g_assert_true(turn(pair));
    ASSERT_SENT(pair, 0x88, 5, 0x03, 0xe9, 'b', 'y', 'e');
    send_frame(pair->fd, FIN | TEXT, "still talking", 13);
    g_assert_true(turn(pair));
    send_frame(pair->fd, FIN | CLOSE, "\x03\xe9", 2);
    g_assert_false(turn(pair));
    g_assert_cmpuint(websocket_peer_code(pair->socket), ==, 1001);
}

static void test_long_reasons_are_cut_between_characters(void)
{
    g_autoptr(Pair) pair = pair_new(NULL, 0);
    g_autofree char *reason = g_strnfill(122, 'r');
    g_autofree char *with_umlaut = g_strconcat(reason, "üü", NULL);
    guint8 head[4];

    websocket_close(pair->socket, WEBSOCKET_CLOSE_POLICY, with_umlaut);
    g_assert_true(turn(pair));
    g_assert_cmpint(recv(pair->fd, head, sizeof head, 0), ==, 4);
    g_assert_cmpuint(head[1], ==, 124); /* the code and 122 bytes */
}

static void test_a_cut_connection_is_the_end(void)
{
    g_autoptr(Pair) pair = pair_new(NULL, 0);

    shutdown(pair->fd, SHUT_RDWR);
    g_assert_false(turn(pair));
    g_assert_cmpuint(websocket_peer_code(pair->socket), ==, 1006);
}

/* ---- Peers that break the rules ---- */

static void test_broken_rules_have_their_codes(void)
{
    static const struct {
        const char *what, *bytes;
        gsize length;
        guint16 code;
    } cases[] = {
        {"unmasked", "\x81\x01x", 3, 1002},
        {"reserved bit", "\xc1\x81\0\0\0\0x", 7, 1002},
        {"unknown opcode", "\x83\x81\0\0\0\0x", 7, 1002},
        {"unknown control", "\x8b\x80\0\0\0\0", 6, 1002},
        {"fragmented control", "\x09\x80\0\0\0\0", 6, 1002},
        {"long control", "\x89\xfe\0\x7e\0\0\0\0", 8, 1002},
        {"continuation of nothing", "\x80\x81\0\0\0\0x", 7, 1002},
        {"text within text", "\x01\x81\0\0\0\0x\x81\x81\0\0\0\0x", 14, 1002},
        {"length not shortest", "\x81\xfe\0\x01\0\0\0\0x", 9, 1002},
        {"negative length", "\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14, 1002},
        {"close of one byte", "\x88\x81\0\0\0\0x", 7, 1002},
        {"close with a reserved code", "\x88\x82\0\0\0\0\x03\xed", 8, 1002},
        {"bad UTF-8", "\x81\x82\0\0\0\0\xc3\x28", 8, 1007},
        {"half a character", "\x81\x81\0\0\0\0\xc3", 7, 1007},
        {"surrogate", "\x81\x83\0\0\0\0\xed\xa0\x80", 9, 1007},
        {"overlong", "\x81\x82\0\0\0\0\xc0\x80", 8, 1007},
        {"bad UTF-8 in a reason", "\x88\x83\0\0\0\0\x03\xe8\xff", 9, 1007},
        {"too long", "\x82\xfe\x10\x01\0\0\0\0x", 9, 1009},
        {"much too long", "\x82\xff\0\0\0\1\0\0\0\0\0\0\0\0x", 15, 1009},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Pair) pair = pair_new(NULL, 0);
        guint8 got[16] = {0};
        ssize_t length;
        gboolean goes_on;
        send_bytes(pair->fd, cases[i].bytes, cases[i].length);
        goes_on = turn(pair);
        length = recv(pair->fd, got, sizeof got, 0);
        if (length < 4 || got[0] != 0x88 || got[2] << 8 != (cases[i].code & 0xff00) ||
            got[3] != (cases[i].code & 0xff))
            g_error("%s: expected %u, got %zd bytes, code %u", cases[i].what, cases[i].code, length,
                    got[2] << 8 | got[3]);
        g_assert_true(websocket_is_closing(pair->socket));
        g_assert_cmpstr(pair->heard->str, ==, "");
        g_assert_true(goes_on || cases[i].bytes[0] == '\x88');
        if (!goes_on)
            continue; /* both have said goodbye */
        send_text(pair->fd, "whatever follows");
        g_assert_true(turn(pair)); /* read away, so that our close arrives */
        shutdown(pair->fd, SHUT_WR);
        g_assert_false(turn(pair));
    }
}

static void test_many_fragments_count_together(void)
{
    g_autoptr(Pair) pair = pair_new(NULL, 0);
    g_autofree char *half = g_strnfill(3000, 'h');

    send_frame(pair->fd, TEXT, half, 3000);
    send_frame(pair->fd, FIN, half, 1097);
    g_assert_true(turn(pair));
    ASSERT_SENT(pair, 0x88, 2, 0x03, 0xf1); /* 1009 */
}

static void test_pings_without_reading_are_cut(void)
{
    g_autoptr(Pair) pair = pair_new(NULL, 0);
    g_autofree char *payload = g_strnfill(125, 'p');
    guint sent = 0;

    while (turn(pair)) {
        send_frame(pair->fd, FIN | PING, payload, 125);
        g_assert_cmpuint(sent++, <, 100000);
    }
    g_assert_cmpuint(websocket_queued_messages(pair->socket), <=, 80);
}

/* ---- Limits ---- */

static void test_the_queue_is_bounded(void)
{
    g_autoptr(Pair) pair = pair_new(NULL, 0);
    g_autofree char *much = g_strnfill(WEBSOCKET_QUEUE_BYTES, 'm');

    for (guint i = 0; i < WEBSOCKET_QUEUE_MESSAGES; i++)
        g_assert_true(websocket_push_text(pair->socket, "x", 1));
    g_assert_false(websocket_push_text(pair->socket, "x", 1));
    websocket_limit_queue(pair->socket, G_MAXUINT, G_MAXSIZE);
    g_assert_true(websocket_push_text(pair->socket, "x", 1));
    websocket_limit_queue(pair->socket, G_MAXUINT, WEBSOCKET_QUEUE_BYTES);
    g_assert_false(websocket_push_text(pair->socket, much, WEBSOCKET_QUEUE_BYTES));
}

static void test_a_stalled_peer_is_seen(void)
{
    g_autoptr(Pair) pair = pair_new(NULL, 0);
    g_autofree char *much = g_strnfill(2 * 1024 * 1024, 'm');
    gint64 before_us = clock_monotonic_us();
    gsize left = 2 * 1024 * 1024 + 10;

    g_assert_true(websocket_push_text(pair->socket, much, 2 * 1024 * 1024));
    g_assert_true(turn(pair));
    g_assert_true(websocket_wants_write(pair->socket));
    g_assert_cmpint(websocket_stalled_since_us(pair->socket), >=, before_us);
    g_assert_cmpint(websocket_last_activity_us(pair->socket), <=, clock_monotonic_us());
    while (left > 0) { /* and when it reads, all arrives */
        char piece[65536];
        ssize_t got = recv(pair->fd, piece, sizeof piece, 0);
        left -= got > 0 ? (gsize)got : 0;
        g_assert_true(turn(pair));
    }
    g_assert_cmpint(websocket_stalled_since_us(pair->socket), ==, 0);
}

/* What a client would read, byte for byte, from messages of many sizes, over a socket that is often
 * full. */
static void test_no_byte_is_lost_on_a_narrow_socket(void)
{
    g_autoptr(Pair) pair = pair_new(NULL, 0);
    g_autoptr(GByteArray) expected = g_byte_array_new(), got = g_byte_array_new();
    g_autofree char *text = g_malloc(20000);
    int narrow = 4096;

    setsockopt(pair->server_fd, SOL_SOCKET, SO_SNDBUF, &narrow, sizeof narrow);
    websocket_limit_queue(pair->socket, G_MAXUINT, G_MAXSIZE);
    for (guint i = 0; i < 300; i++) {
        gsize length = i * 7919 % (i % 10 == 0 ? 20000 : 200);
        guint8 head[] = {0x82, 126, (guint8)(length >> 8), (guint8)length};
        head[1] = length < 126 ? (guint8)length : 126;
        memset(text, 'a' + (int)(i % 26), length);
        g_assert_true(websocket_push_binary(pair->socket, text, length));
        g_byte_array_append(expected, head, length < 126 ? 2 : 4);
        g_byte_array_append(expected, (guint8 *)text, (guint)length);
    }
    while (got->len < expected->len) {
        guint8 piece[1000];
        ssize_t length;
        g_assert_true(turn(pair));
        length = recv(pair->fd, piece, 1 + got->len % sizeof piece, 0);
        g_assert_true(length > 0 || errno == EAGAIN);
        g_byte_array_append(got, piece, (guint)MAX(length, 0));
    }
    g_assert_cmpmem(got->data, got->len, expected->data, expected->len);
    g_assert_true(turn(pair));
    g_assert_false(websocket_wants_write(pair->socket));
    g_assert_cmpuint(websocket_queued_bytes(pair->socket), ==, 0);
}

static void test_the_accept_key_of_the_rfc(void)
{
    char accept[WEBSOCKET_ACCEPT_SIZE];

    websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ==", accept);
    g_assert_cmpstr(accept, ==, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* ---- Upgrade over a server ---- */

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE                                                                                    \
    "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"     \
    "Sec-WebSocket-Version: 13\r\n" KEY

static struct {
    Mutex lock;
    Condition changed;
    int fd;
    guint count;
    void (*release)(void *handle);
    void *handle;
    GByteArray *extra;
} taken;

static void take(int fd, const char *extra, gsize extra_length, void (*release)(void *handle),
                 void *handle, void *data)
{
    g_assert_cmpstr(data, ==, "mine");
    mutex_lock(&taken.lock);
    taken.fd = fd;
    taken.count++;
    taken.release = release;
    taken.handle = handle;
    g_byte_array_set_size(taken.extra, 0);
    g_byte_array_append(taken.extra, (const guint8 *)extra, (guint)extra_length);
    condition_broadcast(&taken.changed);
    mutex_unlock(&taken.lock);
}

static void wait_taken(void)
{
    mutex_lock(&taken.lock);
    while (taken.count == 0)
        condition_wait_until(&taken.changed, &taken.lock, G_MAXINT64);
    taken.count = 0;
    mutex_unlock(&taken.lock);
}

static void upgrade(HttpRequest *request)
{
    static char mine[] = "mine";
    g_autoptr(GError) error = NULL;

    if (http_reply_websocket(request, take, mine, &error))
        return;
    g_assert_true(error_is(error, ERROR_INVALID));
    http_reply_error(request, 400, error->message);
}

static const TestRoute routes[] = {{"/ws", upgrade, 0, FALSE}, {NULL}};

static void test_an_upgrade_hands_the_socket_over(void)
{
    TestServer *house = test_server_new(routes, NULL);
    g_autoptr(GByteArray) first = frame(FIN | TEXT, "with the head", 13);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *head = g_strdup(UPGRADE "\r\n");
    g_autoptr(GByteArray) all = g_byte_array_new();
    Pair pair = {0};
    int fd = connect_to(house->port);

    g_byte_array_append(all, (guint8 *)head, (guint)strlen(head));
    g_byte_array_append(all, first->data, first->len);
    send_bytes(fd, all->data, all->len);
    g_assert_true(read_until(fd, text, "\r\n\r\n"));
    assert_starts(text->str, "HTTP/1.1 101 ");
    assert_holds(text->str, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
    assert_holds(text->str, "\r\nUpgrade: websocket\r\n");
    wait_taken();
    test_server_free(house); /* the socket outlives the server */
    pair.fd = fd;
    pair.server_fd = taken.fd;
    pair.heard = g_string_new(NULL);
    pair.socket = websocket_new(taken.fd, (char *)taken.extra->data, taken.extra->len, LIMIT);
    websocket_receive(pair.socket, hear, &pair);
    g_assert_true(websocket_on_readable(pair.socket));
    send_frame(fd, FIN | TEXT, "and after", 9);
    while (!strstr(pair.heard->str, "after"))
        g_assert_true(websocket_on_readable(pair.socket));
    g_assert_cmpstr(pair.heard->str, ==, "t:with the head\nt:and after\n");
    send_frame(fd, FIN | CLOSE, "\x03\xe8", 2);
    while (websocket_on_readable(pair.socket))
        ;
    taken.release(taken.handle);
    g_string_truncate(text, 0);
    g_assert_true(read_until(fd, text, NULL));
    g_assert_cmpmem(text->str, text->len, "\x88\x02\x03\xe8", 4);
    websocket_free(pair.socket);
    g_string_free(pair.heard, TRUE);
    close(fd);
}

static void test_wrong_handshakes_are_refused(void)
{
    static const char *const wrong[] = {
        "GET /ws HTTP/1.1\r\n" LAST,
        "POST /ws HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" KEY LAST,
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n"
        "Sec-WebSocket-Version: 13\r\n" KEY "\r\n",
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 8\r\n" KEY "\r\n",
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!!!\r\n\r\n",
        "GET /ws HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\n" KEY "\r\n",
    };
    g_autoptr(TestServer) house = test_server_new(routes, NULL);

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *answer = converse(house->port, wrong[i]);
        assert_starts(answer, "HTTP/1.1 400 ");
    }
}

static atomic_uint granted, owned;

static void own_shortly(int fd, const char *extra, gsize extra_length,
                        void (*release)(void *handle), void *handle, void *data)
{
    (void)fd;
    (void)extra;
    (void)extra_length;
    (void)data;
    atomic_fetch_add(&owned, 1);
    release(handle);
}

static void upgrade_later(void *data)
{
    g_autoptr(HttpRequest) request = data;

    g_usleep(500); /* the client is away meanwhile */
    g_assert_true(http_reply_websocket(request, own_shortly, NULL, NULL));
    atomic_fetch_add(&granted, 1);
}

static void upgrade_in_time(HttpRequest *request)
{
    upgrade_later(http_request_defer(request));
}

/* Clients that vanish in the middle of the handshake: the owner gets a socket for each, alive or at
 * its end, and loses nothing. */
static void test_every_upgrade_reaches_its_owner(void)
{
    static const TestRoute shaky[] = {{"/ws", upgrade_in_time, 0, FALSE}, {NULL}};
    TestServer *house = test_server_new(shaky, NULL);

    for (guint i = 0; i < 60; i++) {
        struct linger reset = {1, 0};
        int fd = connect_to(house->port);
        send_text(fd, UPGRADE "\r\n");
        if (i % 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        if (i % 3)
            g_usleep(200);
        close(fd);
    }
    test_server_free(house);
    g_assert_cmpuint(atomic_load(&granted), >, 0);
    g_assert_cmpuint(atomic_load(&granted), ==, atomic_load(&owned));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mutex_init(&taken.lock);
    condition_init(&taken.changed);
    taken.extra = g_byte_array_new();
    g_test_add_func("/http/websocket/messages-both-ways", test_messages_both_ways);
    g_test_add_func("/http/websocket/fragments-are-joined-around-pings",
                    test_fragments_are_joined_around_pings);
    g_test_add_func("/http/websocket/bytes-read-before-count", test_bytes_read_before_count);
    g_test_add_func("/http/websocket/without-a-receiver-all-is-discarded",
                    test_without_a_receiver_all_is_discarded);
    g_test_add_func("/http/websocket/a-close-is-echoed-with-its-code",
                    test_a_close_is_echoed_with_its_code);
    g_test_add_func("/http/websocket/a-close-without-a-code", test_a_close_without_a_code);
    g_test_add_func("/http/websocket/our-close-goes-in-front-and-waits-for-the-answer",
                    test_our_close_goes_in_front_and_waits_for_the_answer);
    g_test_add_func("/http/websocket/long-reasons-are-cut-between-characters",
                    test_long_reasons_are_cut_between_characters);
    g_test_add_func("/http/websocket/a-cut-connection-is-the-end",
                    test_a_cut_connection_is_the_end);
    g_test_add_func("/http/websocket/broken-rules-have-their-codes",
                    test_broken_rules_have_their_codes);
    g_test_add_func("/http/websocket/many-fragments-count-together",
                    test_many_fragments_count_together);
    g_test_add_func("/http/websocket/pings-without-reading-are-cut",
                    test_pings_without_reading_are_cut);
    g_test_add_func("/http/websocket/the-queue-is-bounded", test_the_queue_is_bounded);
    g_test_add_func("/http/websocket/a-stalled-peer-is-seen", test_a_stalled_peer_is_seen);
    g_test_add_func("/http/websocket/no-byte-is-lost-on-a-narrow-socket",
                    test_no_byte_is_lost_on_a_narrow_socket);
    g_test_add_func("/http/websocket/the-accept-key-of-the-rfc", test_the_accept_key_of_the_rfc);
    g_test_add_func("/http/websocket/an-upgrade-hands-the-socket-over",
                    test_an_upgrade_hands_the_socket_over);
    g_test_add_func("/http/websocket/wrong-handshakes-are-refused",
                    test_wrong_handshakes_are_refused);
    g_test_add_func("/http/websocket/every-upgrade-reaches-its-owner",
                    test_every_upgrade_reaches_its_owner);
    return g_test_run();
}
