/* The server's side of the fast hand-over, with a peer that the test plays. */
#include "base/log.h"
#include "base/sync.h"
#include "reconcile/wire.h"

#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEER_WAIT_MS 2000

static const guint8 key[CRYPTO_KEY_SIZE] = {1, 2, 3};

/* Answers each of `connections` with `answer` ("": nothing) after it has read a whole message. */
typedef struct {
    int listener;
    guint16 port;
    guint connections;
    const char *answer;
    GByteArray *got; /* the last message's sealed bytes */
} Peer;

static void peer_open(Peer *peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;

    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(peer->listener, (struct sockaddr *)&address, length), ==, 0);
    g_assert_cmpint(listen(peer->listener, 8), ==, 0);
    g_assert_cmpint(getsockname(peer->listener, (struct sockaddr *)&address, &length), ==, 0);
    peer->port = ntohs(address.sin_port);
    peer->got = g_byte_array_new();
}

static void peer_close(Peer *peer)
{
    close(peer->listener);
    g_byte_array_unref(peer->got);
}

static gboolean read_exactly(int fd, void *bytes, gsize size)
{
    for (gsize done = 0; done < size;) {
        ssize_t count = read(fd, (char *)bytes + done, size - done);

        if (count <= 0)
            return FALSE;
        done += (gsize)count;
    }
    return TRUE;
}

static void peer_serve(void *data)
{
    Peer *peer = data;

    for (guint i = 0; i < peer->connections; i++) {
        struct pollfd what = {.fd = peer->listener, .events = POLLIN};
        guint8 head[12];
        guint32 length = 0;
        int fd = poll(&what, 1, PEER_WAIT_MS) > 0 ? accept(peer->listener, NULL, NULL) : -1;

        g_assert_cmpint(fd, >=, 0);
        g_assert_true(read_exactly(fd, head, sizeof head));
        g_assert_cmpmem(head, 8, "WSPWARM1", 8);
        memcpy(&length, head + 8, sizeof length);
        g_byte_array_set_size(peer->got, ntohl(length));
        g_assert_true(read_exactly(fd, peer->got->data, peer->got->len));
        g_assert_cmpint(write(fd, peer->answer, strlen(peer->answer)), ==, strlen(peer->answer));
        close(fd);
    }
}

static WireEnd send_to(Peer *peer, GError **error)
{
    g_autofree char *address = g_strdup_printf("127.0.0.1:%u", peer->port);
    g_autoptr(GByteArray) message = g_byte_array_new();
    Thread *thread = thread_start("peer", peer_serve, peer);
    WireEnd end = WIRE_NOT_TAKEN;

    wire_add(message, ".auth_token", 0600, "secret", 6);
    end = wire_send(address, key, message, error);
    thread_join(thread);
    return end;
}

static void test_what_is_taken_was_sealed(void)
{
    Peer peer = {.connections = 1, .answer = "ok\n"};
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) clear = NULL;

    peer_open(&peer);
    g_assert_cmpint(send_to(&peer, &error), ==, WIRE_TAKEN);
    g_assert_no_error(error);
    g_assert_null(memmem(peer.got->data, peer.got->len, "secret", 6));
    clear = crypto_open(key, peer.got->data, peer.got->len, NULL);
    g_assert_nonnull(clear);
    g_assert_cmpmem(g_bytes_get_data(clear, NULL), g_bytes_get_size(clear),
                    ".auth_token\000600\0006\0secret", 24);
    peer_close(&peer);
}

static void test_a_refusal_is_certain(void)
{
    Peer peer = {.connections = 1, .answer = "no\n"};
    g_autoptr(GError) error = NULL;

    peer_open(&peer);
    g_assert_cmpint(send_to(&peer, &error), ==, WIRE_NOT_TAKEN);
    g_assert_true(error_is(error, ERROR_UNAVAILABLE));
    peer_close(&peer);
}

static void test_silence_is_unknown(void)
{
    static const char *const answers[] = {"", "o", "HTTP/1.1 400"};

    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        Peer peer = {.connections = 4, .answer = answers[i]};
        g_autoptr(GError) error = NULL;

        peer_open(&peer);
        g_assert_cmpint(send_to(&peer, &error), ==, WIRE_UNKNOWN);
        g_assert_true(error_is(error, ERROR_OUTCOME_UNKNOWN));
        peer_close(&peer);
    }
}

static void test_nobody_there_is_certain(void)
{
    static const char *const addresses[] = {
        "127.0.0.1:1", "nonsense", "host:80", "127.0.0.1:", "127.0.0.1:0", "unix:/x", "[::1"};
    g_autoptr(GByteArray) message = g_byte_array_new();

    wire_add(message, "a", 0600, "b", 1);
    for (guint i = 0; i < G_N_ELEMENTS(addresses); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(wire_send(addresses[i], key, message, &error), ==, WIRE_NOT_TAKEN);
        g_assert_nonnull(error);
    }
}

static void test_each_member_has_a_key_of_its_own(void)
{
    guint8 a[CRYPTO_KEY_SIZE], b[CRYPTO_KEY_SIZE], again[CRYPTO_KEY_SIZE];
    g_autofree char *text = NULL;

    wire_key(key, "7c9e6679-7425-40de-944b-e07fc1f90ae7", a);
    wire_key(key, "7c9e6679-7425-40de-944b-e07fc1f90ae8", b);
    wire_key(key, "7c9e6679-7425-40de-944b-e07fc1f90ae7", again);
    g_assert_cmpmem(a, sizeof a, again, sizeof again);
    g_assert_true(memcmp(a, b, sizeof a) != 0 && memcmp(a, key, sizeof a) != 0);
    text = wire_key_text_dup(a);
    g_assert_cmpuint(strlen(text), ==, 2 * CRYPTO_KEY_SIZE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    g_test_add_func("/reconcile/wire/what-is-taken-was-sealed", test_what_is_taken_was_sealed);
    g_test_add_func("/reconcile/wire/a-refusal-is-certain", test_a_refusal_is_certain);
    g_test_add_func("/reconcile/wire/silence-is-unknown", test_silence_is_unknown);
    g_test_add_func("/reconcile/wire/nobody-there-is-certain", test_nobody_there_is_certain);
    g_test_add_func("/reconcile/wire/each-member-has-a-key-of-its-own",
                    test_each_member_has_a_key_of_its_own);
    return g_test_run();
}
