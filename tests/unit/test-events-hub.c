/* The hub with real sockets: who sees what, in which order, and what becomes of clients that are
 * slow, silent or revoked. */
#include "base/clock.h"
#include "base/sync.h"
#include "events/hub.h"
#include "http/server.h"
#include "http/websocket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_US (20 * CLOCK_SECOND_US)
#define A           "aaaaaaaa-7425-40de-944b-e07fc1f90ae7"
#define B           "bbbbbbbb-7425-40de-944b-e07fc1f90ae7"
#define C           "cccccccc-7425-40de-944b-e07fc1f90ae7"

typedef struct {
    Events *events;
    Hub *hub;
    atomic_uint released;
    atomic_bool token_lives;
    atomic_bool is_c_known;
    GPtrArray *peers; /* Peer, owned: they outlive the hub, which holds them as handles */
} Fixture;

/* A and B may talk; A and C as long as C is known. */
static gboolean may_talk(const char *caller, const char *target, void *data)
{
    Fixture *fixture = data;

    if (strcmp(caller, C) == 0 || strcmp(target, C) == 0)
        return atomic_load(&fixture->is_c_known) && strcmp(caller, B) != 0 &&
               strcmp(target, B) != 0;
    return TRUE;
}

static gboolean token_lives(const char *workspace_id, const char *token, void *data)
{
    (void)workspace_id;
    return strcmp(token, "good") == 0 && atomic_load(&((Fixture *)data)->token_lives);
}

static void open_with(Fixture *fixture, HubOptions options)
{
    options.may_talk = may_talk;
    options.token_lives = token_lives;
    options.data = fixture;
    memset(fixture, 0, sizeof *fixture);
    atomic_store(&fixture->token_lives, TRUE);
    atomic_store(&fixture->is_c_known, TRUE);
    fixture->peers = g_ptr_array_new();
    fixture->events = events_new(NULL); /* broadcasts only: no database */
    fixture->hub = hub_new(&options);
    hub_listen(fixture->hub, fixture->events);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    (void)data;
    open_with(fixture, (HubOptions){0});
}

/* ---- A client: the other end of a socket pair ---- */

typedef struct {
    int ours, theirs;
    Fixture *fixture;
    GByteArray *bytes; /* read and not yet taken */
} Peer;

static void release(void *handle)
{
    Peer *peer = handle;

    close(peer->theirs);
    atomic_fetch_add(&peer->fixture->released, 1);
}

static Peer *peer_open_as(Fixture *fixture, const HubClient *client)
{
    Peer *peer = g_new0(Peer, 1);
    int fds[2];
    int small = 8192;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    *peer =
        (Peer){.ours = fds[0], .theirs = fds[1], .fixture = fixture, .bytes = g_byte_array_new()};
    g_ptr_array_add(fixture->peers, peer);
    hub_add_socket(fixture->hub, fds[1], NULL, 0, release, peer, client);
    return peer;
}

static Peer *peer_open(Fixture *fixture, const char *workspace_id)
{
    const HubClient client = {.workspace_id = workspace_id, .token = "good"};

    return peer_open_as(fixture, &client);
}

static void peer_hang_up(Peer *peer)
{
    if (peer->ours >= 0)
        close(peer->ours);
    peer->ours = -1;
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    (void)data;
    for (guint i = 0; i < fixture->peers->len; i++)
        peer_hang_up(fixture->peers->pdata[i]); /* or the hub waits for their goodbyes */
    hub_free(fixture->hub);
    g_assert_cmpuint(atomic_load(&fixture->released), ==, fixture->peers->len);
    for (guint i = 0; i < fixture->peers->len; i++) {
        Peer *peer = fixture->peers->pdata[i];
        g_byte_array_unref(peer->bytes);
        g_free(peer);
    }
    g_ptr_array_unref(fixture->peers);
    events_free(fixture->events);
}

/* FALSE: end of the connection, or nothing came for so long. */
static gboolean peer_fill(Peer *peer, gsize wanted, gint64 deadline_us)
{
    guint8 part[16384];

    while (peer->bytes->len < wanted) {
        struct pollfd wait = {.fd = peer->ours, .events = POLLIN};
        gint64 left_us = deadline_us - clock_monotonic_us();
        ssize_t count;
        if (left_us <= 0 || poll(&wait, 1, (int)(left_us / 1000) + 1) <= 0)
            return FALSE;
        count = read(peer->ours, part, sizeof part);
        if (count <= 0)
            return FALSE;
        g_byte_array_append(peer->bytes, part, (guint)count);
    }
    return TRUE;
}

typedef struct {
    guint opcode;
    GString *text;
} Frame;

/* The next frame; FALSE at the end. The server's frames carry no mask. */
static gboolean peer_frame(Peer *peer, Frame *frame, gint64 patience_us)
{
    gint64 deadline_us = clock_monotonic_us() + patience_us;
    gsize head = 2, length;

    if (!peer_fill(peer, 2, deadline_us))
        return FALSE;
    length = peer->bytes->data[1];
    g_assert_cmpuint(peer->bytes->data[0] & 0xF0, ==, 0x80); /* whole, no extensions */
    g_assert_cmpuint(length & 0x80, ==, 0);
    head += length == 126 ? 2 : length == 127 ? 8 : 0;
    if (!peer_fill(peer, head, deadline_us))
        return FALSE;
    if (length >= 126) {
        gsize bytes = head - 2;
        length = 0;
        for (gsize i = 0; i < bytes; i++)
            length = length << 8 | peer->bytes->data[2 + i];
    }
    if (!peer_fill(peer, head + length, deadline_us))
        return FALSE;
    frame->opcode = peer->bytes->data[0] & 0x0F;
    frame->text = g_string_new_len((const char *)peer->bytes->data + head, (gssize)length);
    g_byte_array_remove_range(peer->bytes, 0, (guint)(head + length));
    return TRUE;
}

/* The next text message; NULL when the connection ended first. Caller owns it. */
static char *peer_text(Peer *peer)
{
    Frame frame;

    while (peer_frame(peer, &frame, PATIENCE_US)) {
        if (frame.opcode == 1) {
            g_assert_true(g_utf8_validate(frame.text->str, -1, NULL));
            return g_string_free(frame.text, FALSE);
        }
        g_string_free(frame.text, TRUE);
        if (frame.opcode == 8)
            break;
    }
    return NULL;
}

static void assert_next(Peer *peer, const char *type)
{
    g_autofree char *text = peer_text(peer);
    g_autofree char *start = g_strdup_printf("{\"event\":\"%s\",", type);

    g_assert_nonnull(text);
    g_assert_true(g_str_has_prefix(text, start));
}

/* Reads on until the close frame, counting messages. */
static guint16 peer_close_code(Peer *peer, guint *messages)
{
    Frame frame;
    guint16 code = 0;

    while (!code && peer_frame(peer, &frame, PATIENCE_US)) {
        if (frame.opcode == 8)
            code = (guint16)((guint8)frame.text->str[0] << 8 | (guint8)frame.text->str[1]);
        if (frame.opcode == 1 && messages)
            (*messages)++;
        g_string_free(frame.text, TRUE);
    }
    return code;
}

/* Sends a masked frame. */
static void peer_send(Peer *peer, guint8 opcode, const char *bytes, gsize length)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    guint8 head[8] = {(guint8)(0x80 | opcode), (guint8)(0x80 | length), 0, 0, 0, 0};

    g_assert_cmpuint(length, <, 126);
    g_byte_array_append(frame, head, 6); /* a mask of zeros */
    g_byte_array_append(frame, (const guint8 *)bytes, (guint)length);
    g_assert_cmpint(send(peer->ours, frame->data, frame->len, MSG_NOSIGNAL), ==, (int)frame->len);
}

static void wait_until(gboolean (*holds)(Fixture *fixture, guint value), Fixture *fixture,
                       guint value)
{
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_US;

    while (!holds(fixture, value)) {
        g_assert_cmpint(clock_monotonic_us(), <, deadline_us);
        g_usleep(1000);
    }
}

static gboolean has_released(Fixture *fixture, guint value)
{
    return atomic_load(&fixture->released) == value;
}

static gboolean has_sockets(Fixture *fixture, guint value)
{
    return hub_sockets(fixture->hub) == value;
}

static gboolean has_streams(Fixture *fixture, guint value)
{
    return hub_streams(fixture->hub) == value;
}

/* ---- Who sees what ---- */

static void test_everyone_gets_every_event_in_order(Fixture *fixture, gconstpointer data)
{
    Peer *peers[3];

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(peers); i++)
        peers[i] = peer_open(fixture, "");
    for (guint i = 0; i < 200; i++) {
        g_autofree char *payload = g_strdup_printf("{\"n\":%u}", i);
        events_broadcast(fixture->events, "X", i % 2 ? A : "", payload);
    }
    for (guint p = 0; p < G_N_ELEMENTS(peers); p++)
        for (guint i = 0; i < 200; i++) {
            g_autofree char *text = peer_text(peers[p]);
            g_autofree char *end = g_strdup_printf("\"payload\":{\"n\":%u}}", i);
            g_assert_true(g_str_has_suffix(text, end));
        }
    g_assert_cmpuint(hub_sockets(fixture->hub), ==, 3);
    for (guint i = 0; i < G_N_ELEMENTS(peers); i++)
        peer_hang_up(peers[i]);
    wait_until(has_released, fixture, 3);
    g_assert_cmpuint(hub_sockets(fixture->hub), ==, 0);
}

static void test_agents_see_their_relations_only(Fixture *fixture, gconstpointer data)
{
    Peer *a, *b, *canvas;

    (void)data;
    a = peer_open(fixture, A);
    b = peer_open(fixture, B);
    canvas = peer_open(fixture, "");
    events_broadcast(fixture->events, "OF_NOBODY", "", "{}");
    events_broadcast(fixture->events, "OF_C", C, "{}");
    events_broadcast(fixture->events, "A2A_RESPONSE", B, "{}");
    events_broadcast(fixture->events, "AGENT_MESSAGE", A, "{}");
    events_broadcast(fixture->events, "ACTIVITY_LOGGED", C, "{}");
    events_broadcast(fixture->events, "OF_B", B, "{}");
    assert_next(a, "OF_C");
    assert_next(a, "AGENT_MESSAGE");
    assert_next(a, "OF_B");
    assert_next(b, "A2A_RESPONSE");
    assert_next(b, "OF_B");
    assert_next(canvas, "OF_NOBODY");
    assert_next(canvas, "OF_C");
    assert_next(canvas, "A2A_RESPONSE");
    assert_next(canvas, "AGENT_MESSAGE");
    assert_next(canvas, "ACTIVITY_LOGGED");
    assert_next(canvas, "OF_B");
}

static void test_removal_is_told_and_closes_the_agents_socket(Fixture *fixture, gconstpointer data)
{
    Peer *a, *b, *c;

    (void)data;
    a = peer_open(fixture, A);
    b = peer_open(fixture, B);
    c = peer_open(fixture, C);
    events_broadcast(fixture->events, "WORKSPACE_REMOVED", C, "{}");
    atomic_store(&fixture->is_c_known, FALSE); /* the chart forgets it at once */
    events_broadcast(fixture->events, "AFTER", A, "{}");
    assert_next(a, "WORKSPACE_REMOVED");
    assert_next(a, "AFTER");
    assert_next(b, "AFTER");
    assert_next(c, "WORKSPACE_REMOVED");
    g_assert_cmpuint(peer_close_code(c, NULL), ==, WEBSOCKET_CLOSE_POLICY);
}

/* ---- Slow, silent, talkative clients ---- */

static void emit_many(Fixture *fixture, guint count, gsize size)
{
    g_autofree char *filler = g_strnfill(size, 'x');

    for (guint i = 0; i < count; i++) {
        g_autofree char *payload = g_strdup_printf("{\"n\":%u,\"f\":\"%s\"}", i, filler);
        events_broadcast(fixture->events, "X", A, payload);
    }
}

static void test_slow_client_is_closed_and_others_get_all(Fixture *fixture, gconstpointer data)
{
    Peer *slow, *quick;
    guint messages = 0;

    (void)data;
    slow = peer_open(fixture, "");
    quick = peer_open(fixture, "");
    for (guint round = 0; round < 8; round++) {
        emit_many(fixture, 100, 200);
        for (guint i = 0; i < 100; i++) {
            g_autofree char *text = peer_text(quick);
            g_autofree char *part = g_strdup_printf("\"payload\":{\"n\":%u,", i);
            g_assert_nonnull(strstr(text, part));
        }
    }
    g_assert_cmpuint(peer_close_code(slow, &messages), ==, WEBSOCKET_CLOSE_TRY_AGAIN);
    g_assert_cmpuint(messages, <, 700);
    peer_hang_up(slow);
    wait_until(has_sockets, fixture, 1);
}

static void test_byte_limit_but_one_large_message_passes(void)
{
    Fixture fixture;
    Peer *peer, *slow;
    g_autofree char *filler = g_strnfill(200 * 1024, 'x');
    g_autofree char *payload = g_strdup_printf("{\"f\":\"%s\"}", filler);
    g_autofree char *text = NULL;

    open_with(&fixture, (HubOptions){.queue_bytes = 100 * 1024});
    peer = peer_open(&fixture, "");
    events_broadcast(fixture.events, "LARGE", A, payload);
    text = peer_text(peer);
    g_assert_nonnull(text);
    g_assert_cmpuint(strlen(text), >, 200 * 1024);
    slow = peer_open(&fixture, "");
    wait_until(has_sockets, &fixture, 2);
    for (guint i = 0; i < 3; i++)
        events_broadcast(fixture.events, "LARGE", A, payload);
    g_assert_cmpuint(peer_close_code(slow, NULL), ==, WEBSOCKET_CLOSE_TRY_AGAIN);
    tear_down(&fixture, NULL);
}

static void test_pings_are_answered_and_sent(void)
{
    Fixture fixture;
    Peer *peer;
    Frame frame;

    open_with(&fixture, (HubOptions){.ping_interval_ms = 100, .silence_limit_ms = 100000});
    peer = peer_open(&fixture, "");
    g_assert_true(peer_frame(peer, &frame, PATIENCE_US));
    g_assert_cmpuint(frame.opcode, ==, 9);
    g_string_free(frame.text, TRUE);
    peer_send(peer, 9, "hello", 5);
    do {
        g_assert_true(peer_frame(peer, &frame, PATIENCE_US));
        if (frame.opcode == 10)
            g_assert_cmpstr(frame.text->str, ==, "hello");
        g_string_free(frame.text, TRUE);
    } while (frame.opcode != 10);
    tear_down(&fixture, NULL);
}

static void test_silent_client_is_closed(void)
{
    Fixture fixture;
    Peer *peer;

    open_with(&fixture, (HubOptions){.ping_interval_ms = 100, .silence_limit_ms = 300});
    peer = peer_open(&fixture, "");
    g_assert_cmpuint(peer_close_code(peer, NULL), ==, WEBSOCKET_CLOSE_GOING_AWAY);
    tear_down(&fixture, NULL);
}

static void test_client_that_takes_nothing_is_cut(void)
{
    Fixture fixture;

    open_with(&fixture, (HubOptions){.write_limit_ms = 200});
    (void)peer_open(&fixture, "");
    emit_many(&fixture, 100, 4000); /* more than the socket holds, less than the queue's limit */
    wait_until(has_released, &fixture, 1);
    tear_down(&fixture, NULL);
}

static void test_inbound_messages(Fixture *fixture, gconstpointer data)
{
    Peer *unmasked, *closing, *chatty;

    (void)data;
    chatty = peer_open(fixture, "");
    peer_send(chatty, 1, "ignored", 7);
    events_broadcast(fixture->events, "X", A, "{}");
    assert_next(chatty, "X");
    unmasked = peer_open(fixture, "");
    g_assert_cmpint(send(unmasked->ours, "\x81\x01x", 3, MSG_NOSIGNAL), ==, 3);
    g_assert_cmpuint(peer_close_code(unmasked, NULL), ==, 1002);
    peer_hang_up(unmasked);
    closing = peer_open(fixture, "");
    peer_send(closing, 8, "\x03\xe9", 2);
    g_assert_cmpuint(peer_close_code(closing, NULL), ==, 1001); /* echoed */
    wait_until(has_sockets, fixture, 1);
}

static void test_peer_that_broke_the_protocol_is_not_waited_for_long(Fixture *fixture,
                                                                     gconstpointer data)
{
    Peer *peer = peer_open(fixture, "");
    gint64 started_us = clock_monotonic_us();

    (void)data;
    g_assert_cmpint(send(peer->ours, "\x81\x01x", 3, MSG_NOSIGNAL), ==, 3);
    wait_until(has_released, fixture, 1); /* though it neither answers nor hangs up */
    g_assert_cmpint(clock_monotonic_us() - started_us, <, 15 * CLOCK_SECOND_US);
}

/* ---- Credentials, places, the end ---- */

static void test_revoked_token_closes(Fixture *fixture, gconstpointer data)
{
    const HubClient bare = {.workspace_id = A, .token = ""};
    HubClient late = {.workspace_id = A, .token = "good", .checked_at_us = clock_monotonic_us()};
    Peer *good, *without, *other, *stale;

    (void)data;
    good = peer_open(fixture, A);
    without = peer_open_as(fixture, &bare);
    other = peer_open(fixture, B);
    hub_workspace_tokens_changed(fixture->hub, A);
    g_assert_cmpuint(peer_close_code(without, NULL), ==, WEBSOCKET_CLOSE_POLICY);
    events_broadcast(fixture->events, "X", A, "{}");
    assert_next(good, "X");
    atomic_store(&fixture->token_lives, FALSE);
    hub_workspace_tokens_changed(fixture->hub, A);
    g_assert_cmpuint(peer_close_code(good, NULL), ==, WEBSOCKET_CLOSE_POLICY);
    assert_next(other, "X");
    /* Its credential was looked at before the change, it comes after it. */
    stale = peer_open_as(fixture, &late);
    g_assert_cmpuint(peer_close_code(stale, NULL), ==, WEBSOCKET_CLOSE_POLICY);
}

static void test_full_house_and_stopped_house_refuse(void)
{
    Fixture fixture;
    Peer *first, *second, *third;

    open_with(&fixture, (HubOptions){.max_clients = 1});
    first = peer_open(&fixture, "");
    second = peer_open(&fixture, "");
    g_assert_cmpuint(peer_close_code(second, NULL), ==, WEBSOCKET_CLOSE_TRY_AGAIN);
    hub_stop(fixture.hub);
    g_assert_cmpuint(peer_close_code(first, NULL), ==, WEBSOCKET_CLOSE_GOING_AWAY);
    third = peer_open(&fixture, "");
    g_assert_cmpuint(peer_close_code(third, NULL), ==, WEBSOCKET_CLOSE_GOING_AWAY);
    g_assert_cmpuint(atomic_load(&fixture.released), ==, 3);
    tear_down(&fixture, NULL);
}

static void test_more_than_the_inbox_holds(void)
{
    Fixture fixture;
    Peer *peer;
    guint16 code;

    open_with(&fixture, (HubOptions){.inbox_bytes = 1});
    peer = peer_open(&fixture, "");
    wait_until(has_sockets, &fixture, 1);
    /* One alone always fits; so sooner or later two meet. */
    emit_many(&fixture, 2000, 2000);
    code = peer_close_code(peer, NULL);
    g_assert_cmpuint(code, ==, WEBSOCKET_CLOSE_TRY_AGAIN);
    tear_down(&fixture, NULL);
}

/* ---- Streams ---- */

static HttpAdmission stream_route(HttpRequest *request, void *data)
{
    (void)request;
    (void)data;
    return (HttpAdmission){.max_body_bytes = 1024};
}

static void stream_serve(HttpRequest *request, void *data)
{
    Fixture *fixture = data;

    hub_add_stream(fixture->hub, http_reply_stream(request, 200, "text/event-stream", 64 * 1024),
                   http_request_path(request) + 1);
}

static void stream_finish(HttpRequest *request, void *data)
{
    (void)request;
    (void)data;
}

static HttpServer *stream_server(Fixture *fixture)
{
    static const char *const listen[] = {"127.0.0.1:0", NULL};
    const HttpServerOptions options = {.listen = listen,
                                       .io_threads = 1,
                                       .workers = 1,
                                       .route = stream_route,
                                       .serve = stream_serve,
                                       .finish = stream_finish,
                                       .data = fixture};
    HttpServer *server = http_server_new(&options, NULL);

    g_assert_nonnull(server);
    http_server_start(server);
    return server;
}

static int stream_open(HttpServer *server, const char *workspace_id)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(http_server_port(server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_autofree char *request = g_strdup_printf("GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", workspace_id);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(send(fd, request, strlen(request), MSG_NOSIGNAL), ==, (int)strlen(request));
    return fd;
}

/* Reads until `text` came; FALSE at the end of the connection. */
static gboolean stream_read(int fd, GString *into, const char *text)
{
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_US;
    char part[8192];

    while (!text || !strstr(into->str, text)) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t count;
        g_assert_cmpint(clock_monotonic_us(), <, deadline_us);
        if (poll(&wait, 1, 100) == 0)
            continue;
        if ((count = read(fd, part, sizeof part)) <= 0)
            return FALSE;
        g_string_append_len(into, part, count);
    }
    return TRUE;
}

static void test_stream_gets_its_workspaces_events(Fixture *fixture, gconstpointer data)
{
    HttpServer *server = stream_server(fixture);
    g_autoptr(GString) text = g_string_new(NULL);
    int fd = stream_open(server, A);
    const char *first, *second;

    (void)data;
    g_assert_true(stream_read(fd, text, ": ping\n\n"));
    g_assert_cmpuint(hub_streams(fixture->hub), ==, 1);
    events_broadcast(fixture->events, "OF_B", B, "{}");
    events_broadcast(fixture->events, "ONE", A, "{\"a\":1}");
    events_broadcast(fixture->events, "TWO", A, "{\"a\":2}");
    g_assert_true(stream_read(fd, text, "\"data\":{\"a\":2}}\n\n"));
    g_assert_null(strstr(text->str, "OF_B"));
    first = strstr(text->str, "data: {\"type\":\"ONE\",\"timestamp\":1");
    second = strstr(text->str, "data: {\"type\":\"TWO\",\"timestamp\":1");
    g_assert_nonnull(first);
    g_assert_true(second > first);
    events_broadcast(fixture->events, "WORKSPACE_REMOVED", A, "{}");
    g_assert_true(stream_read(fd, text, "WORKSPACE_REMOVED"));
    wait_until(has_streams, fixture, 0);
    close(fd);
    http_server_free(server);
}

static void test_streams_end_with_the_hub_and_the_client(Fixture *fixture, gconstpointer data)
{
    HttpServer *server = stream_server(fixture);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GString) other = g_string_new(NULL);
    int staying = stream_open(server, A), leaving = stream_open(server, B);

    (void)data;
    g_assert_true(stream_read(staying, text, ": ping\n\n"));
    g_assert_true(stream_read(leaving, other, ": ping\n\n"));
    close(leaving);
    wait_until(has_streams, fixture, 1);
    hub_stop(fixture->hub);
    g_assert_true(stream_read(staying, text, "\r\n0\r\n\r\n")); /* ended well */
    g_assert_cmpuint(hub_streams(fixture->hub), ==, 0);
    close(staying);
    http_server_free(server);
}

static void test_slow_stream_is_cut(Fixture *fixture, gconstpointer data)
{
    HttpServer *server = stream_server(fixture);
    g_autoptr(GString) text = g_string_new(NULL);
    int fd = stream_open(server, A);
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_US;

    (void)data;
    g_assert_true(stream_read(fd, text, ": ping\n\n"));
    while (hub_streams(fixture->hub) > 0) { /* until the kernel's buffers and ours are full */
        g_assert_cmpint(clock_monotonic_us(), <, deadline_us);
        emit_many(fixture, 20, 30000);
        g_usleep(5000);
    }
    g_assert_false(stream_read(fd, text, NULL));
    g_assert_false(g_str_has_suffix(text->str, "\r\n0\r\n\r\n"));
    close(fd);
    http_server_free(server);
}

#define ADD(path_, function_)                                                                      \
    g_test_add("/events/hub/" path_, Fixture, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("everyone-gets-every-event-in-order", test_everyone_gets_every_event_in_order);
    ADD("agents-see-their-relations-only", test_agents_see_their_relations_only);
    ADD("removal-is-told-and-closes-the-agents-socket",
        test_removal_is_told_and_closes_the_agents_socket);
    ADD("slow-client-is-closed-and-others-get-all", test_slow_client_is_closed_and_others_get_all);
    g_test_add_func("/events/hub/byte-limit-but-one-large-message-passes",
                    test_byte_limit_but_one_large_message_passes);
    g_test_add_func("/events/hub/pings-are-answered-and-sent", test_pings_are_answered_and_sent);
    g_test_add_func("/events/hub/silent-client-is-closed", test_silent_client_is_closed);
    g_test_add_func("/events/hub/client-that-takes-nothing-is-cut",
                    test_client_that_takes_nothing_is_cut);
    ADD("inbound-messages", test_inbound_messages);
    ADD("peer-that-broke-the-protocol-is-not-waited-for-long",
        test_peer_that_broke_the_protocol_is_not_waited_for_long);
    ADD("revoked-token-closes", test_revoked_token_closes);
    g_test_add_func("/events/hub/full-house-and-stopped-house-refuse",
                    test_full_house_and_stopped_house_refuse);
    g_test_add_func("/events/hub/more-than-the-inbox-holds", test_more_than_the_inbox_holds);
    ADD("stream-gets-its-workspaces-events", test_stream_gets_its_workspaces_events);
    ADD("streams-end-with-the-hub-and-the-client", test_streams_end_with_the_hub_and_the_client);
    ADD("slow-stream-is-cut", test_slow_stream_is_cut);
    return g_test_run();
}
