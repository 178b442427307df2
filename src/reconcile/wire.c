#include "reconcile/wire.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC       "WSPWARM1"
#define SEALED_MAX  (6 * 1024 * 1024) /* agent/standby_wire.h */
#define ANSWER_SIZE 3
#define TRIES       4 /* an agent that was started just now does not listen yet */
#define TRY_WAIT_US 15000

void wire_key(const guint8 secret[CRYPTO_KEY_SIZE], const char *id, guint8 key[CRYPTO_KEY_SIZE])
{
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, secret, CRYPTO_KEY_SIZE);
    gsize size = CRYPTO_KEY_SIZE;

    g_hmac_update(hmac, (const guchar *)"stand-by ", -1);
    g_hmac_update(hmac, (const guchar *)id, -1);
    g_hmac_get_digest(hmac, key, &size);
    g_hmac_unref(hmac);
}

char *wire_key_text_dup(const guint8 key[CRYPTO_KEY_SIZE])
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < CRYPTO_KEY_SIZE; i++)
        g_string_append_printf(text, "%02x", key[i]);
    return g_string_free(text, FALSE);
}

void wire_add(GByteArray *message, const char *name, guint mode, const void *bytes, gsize size)
{
    g_autofree char *head = g_strdup_printf("%o", mode);
    g_autofree char *count = g_strdup_printf("%" G_GSIZE_FORMAT, size);
    const char *const texts[] = {name, head, count};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        g_byte_array_append(message, (const guint8 *)texts[i], (guint)strlen(texts[i]) + 1);
    g_byte_array_append(message, bytes, (guint)size);
}

/* ---- The connection ---- */

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} Address;

/* Numeric only: engines give no names, and a look-up would take its time. */
static gboolean parse_address(const char *text, Address *address, socklen_t *length)
{
    const char *colon = strrchr(text, ':');
    g_autofree char *host = colon ? g_strndup(text, (gsize)(colon - text)) : NULL;
    guint64 port = 0;

    if (!host || !g_ascii_string_to_unsigned(colon + 1, 10, 1, G_MAXUINT16, &port, NULL))
        return FALSE;
    *address = (Address){0};
    if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons((guint16)port);
        *length = sizeof address->v4;
        return TRUE;
    }
    if (*host == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons((guint16)port);
        *length = sizeof address->v6;
        return inet_pton(AF_INET6, host + 1, &address->v6.sin6_addr) == 1;
    }
    return FALSE;
}

static gboolean wait_for(int fd, short what, gint64 deadline_us)
{
    struct pollfd one = {.fd = fd, .events = what};
    gint64 rest_ms = (deadline_us - clock_monotonic_us()) / 1000;

    return rest_ms > 0 && poll(&one, 1, (int)rest_ms) > 0;
}

/* -1: nobody was reached. */
static int connect_to(const Address *address, socklen_t length, gint64 deadline_us)
{
    const int yes = 1;
    int failure = 0;
    socklen_t size = sizeof failure;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(fd, &address->any, length) == 0 ||
        (errno == EINPROGRESS && wait_for(fd, POLLOUT, deadline_us) &&
         getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0))
        return fd;
    close(fd);
    return -1;
}

static gboolean send_all(int fd, const guint8 *bytes, gsize size, gint64 deadline_us)
{
    while (size > 0) {
        ssize_t count = send(fd, bytes, size, MSG_NOSIGNAL);

        if (count < 0 && errno == EAGAIN && wait_for(fd, POLLOUT, deadline_us))
            continue;
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return FALSE;
        bytes += count;
        size -= (gsize)count;
    }
    return TRUE;
}

/* FALSE: it ended without one. */
static gboolean read_answer(int fd, char answer[ANSWER_SIZE], gint64 deadline_us)
{
    gsize done = 0;

    while (done < ANSWER_SIZE && wait_for(fd, POLLIN, deadline_us)) {
        ssize_t count = recv(fd, answer + done, ANSWER_SIZE - done, 0);

        if (count < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (count <= 0)
            return FALSE;
        done += (gsize)count;
    }
    return done == ANSWER_SIZE;
}

/* ---- Sending ---- */

static GByteArray *make_frame(const guint8 key[CRYPTO_KEY_SIZE], const GByteArray *message)
{
    g_autoptr(GBytes) sealed = crypto_seal(key, message->data, message->len);
    gsize size = 0;
    const guint8 *bytes = g_bytes_get_data(sealed, &size);
    guint32 length = htonl((guint32)size);
    GByteArray *frame = g_byte_array_sized_new((guint)size + 16);

    g_byte_array_append(frame, (const guint8 *)MAGIC, sizeof MAGIC - 1);
    g_byte_array_append(frame, (const guint8 *)&length, sizeof length);
    return g_byte_array_append(frame, bytes, (guint)size);
}

typedef enum { TRY_TAKEN, TRY_REFUSED, TRY_NOBODY, TRY_UNKNOWN } Try;

static Try try_once(const Address *address, socklen_t length, const GByteArray *frame,
                    gint64 deadline_us)
{
    char answer[ANSWER_SIZE] = "";
    int fd = connect_to(address, length, deadline_us);
    gboolean is_answered = FALSE;

    if (fd < 0)
        return TRY_NOBODY;
    is_answered =
        send_all(fd, frame->data, frame->len, deadline_us) && read_answer(fd, answer, deadline_us);
    close(fd);
    if (!is_answered)
        return TRY_UNKNOWN;
    if (memcmp(answer, "ok\n", ANSWER_SIZE) == 0)
        return TRY_TAKEN;
    return memcmp(answer, "no\n", ANSWER_SIZE) == 0 ? TRY_REFUSED : TRY_UNKNOWN;
}

/* Once it was taken nobody listens any more, so sending it again cannot give it to anybody twice.
 */
WireEnd wire_send(const char *address, const guint8 key[CRYPTO_KEY_SIZE], const GByteArray *message,
                  GError **error)
{
    gint64 deadline_us = clock_monotonic_us() + WIRE_PATIENCE_MS * 1000;
    g_autoptr(GByteArray) frame = NULL;
    Try now = TRY_NOBODY;
    gboolean was_heard = FALSE;
    Address to;
    socklen_t length = 0;

    if (!address || !parse_address(address, &to, &length) || message->len > SEALED_MAX / 2) {
        error_set(error, ERROR_INVALID, "the agent's address cannot be used for a hand-over");
        return WIRE_NOT_TAKEN;
    }
    frame = make_frame(key, message);
    for (guint i = 0; i < TRIES && now != TRY_TAKEN && now != TRY_REFUSED; i++) {
        if (i > 0)
            g_usleep(TRY_WAIT_US);
        now = try_once(&to, length, frame, deadline_us);
        was_heard = was_heard || now == TRY_UNKNOWN;
    }
    if (now == TRY_TAKEN)
        return WIRE_TAKEN;
    error_set(error, was_heard ? ERROR_OUTCOME_UNKNOWN : ERROR_UNAVAILABLE,
              "the agent did not take the hand-over at %s", address);
    return was_heard ? WIRE_UNKNOWN : WIRE_NOT_TAKEN;
}
