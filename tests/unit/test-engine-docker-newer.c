#include "test-engine-docker-newer.h"

#include "base/sync.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define OLDEST   44
#define NEWEST   47
#define REAL     "/v1.41"
#define HEAD_MAX 65536
#define PIECE    65536
#define TICK_MS  50
#define REFUSAL                                                                                    \
    "{\"message\":\"client version 1.%u is too %s. %s supported API version is 1.%d, please "      \
    "upgrade your client to a newer version\"}\n"

struct _NewerDaemon {
    char *folder, *path, *host, *real;
    int fd;
    Thread *acceptor;
    atomic_bool is_stopping;
    atomic_uint refused, taken, connections;
};

/* ---- Bytes ---- */

static gboolean send_all(int fd, const char *bytes, gsize length)
{
    while (length > 0) {
        gssize sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return FALSE;
        bytes += sent, length -= (gsize)sent;
    }
    return TRUE;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* One direction. FALSE: the peer has ended it. */
static gboolean pass(int from, int to)
{
    g_autofree char *piece = g_malloc(PIECE);
    gssize got = recv(from, piece, PIECE, 0);

    if (got < 0 && errno == EINTR)
        return TRUE;
    if (got > 0)
        return send_all(to, piece, (gsize)got);
    shutdown(to, SHUT_WR);
    return FALSE;
}

static gboolean has_room(int fd)
{
    struct pollfd end = {.fd = fd, .events = POLLOUT};

    return poll(&end, 1, 0) > 0;
}

/* Both directions, until the daemon has said all, or the test ends. A program that reads no more
 * must not keep what it wrote. */
static void pass_all(NewerDaemon *daemon, int client, int real)
{
    gboolean is_client_done = FALSE;

    while (!atomic_load(&daemon->is_stopping)) {
        gboolean is_full = !has_room(real);
        struct pollfd ends[] = {
            {.fd = is_client_done || is_full ? -1 : client, .events = POLLIN},
            {.fd = real, .events = (short)(is_full ? POLLIN | POLLOUT : POLLIN)},
        };

        if (poll(ends, G_N_ELEMENTS(ends), TICK_MS) <= 0)
            continue;
        if (ends[0].revents)
            is_client_done = !pass(client, real);
        if ((ends[1].revents & ~POLLOUT) && !pass(real, client))
            break;
    }
}

/* ---- A request ---- */

/* Reads until the head is complete; what follows it may be there, too. */
static gboolean read_head(NewerDaemon *daemon, int fd, GString *text)
{
    struct pollfd end = {.fd = fd, .events = POLLIN};

    while (!strstr(text->str, "\r\n\r\n") && text->len < HEAD_MAX) {
        char piece[4096];
        gssize got;
        if (atomic_load(&daemon->is_stopping))
            return FALSE;
        if (poll(&end, 1, TICK_MS) <= 0)
            continue;
        got = recv(fd, piece, sizeof piece, 0);
        if (got <= 0)
            return FALSE;
        g_string_append_len(text, piece, got);
    }
    return text->len < HEAD_MAX;
}

static void answer(int fd, const char *status, const char *body)
{
    g_autofree char *text =
        g_strdup_printf("HTTP/1.1 %s\r\nApi-Version: 1.%d\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                        status, NEWEST, strlen(body), body);

    send_all(fd, text, strlen(text));
}

static void refuse(NewerDaemon *daemon, int fd, guint minor)
{
    gboolean is_old = minor < OLDEST;
    g_autofree char *body =
        g_strdup_printf(REFUSAL, minor, is_old ? "old" : "new", is_old ? "Minimum" : "Maximum",
                        is_old ? OLDEST : NEWEST);

    atomic_fetch_add(&daemon->refused, 1);
    answer(fd, "400 Bad Request", body);
}

/* The real daemon closes after its answer, so that the next request is a connection of its own;
 * an upgrade keeps its own header. */
static void rewrite(GString *text, gsize version_length)
{
    gsize line = (gsize)(strstr(text->str, "\r\n") - text->str);
    gsize target = (gsize)(strchr(text->str, ' ') + 1 - text->str);
    gboolean upgrades = strstr(text->str, "\r\nUpgrade:") != NULL;

    if (!upgrades)
        g_string_insert(text, (gssize)line, "\r\nConnection: close");
    g_string_erase(text, (gssize)target, (gssize)version_length);
    g_string_insert(text, (gssize)target, REAL);
}

static void hand_over(NewerDaemon *daemon, int client, const GString *text)
{
    int real = connect_to(daemon->real);

    if (real < 0)
        return;
    if (send_all(real, text->str, text->len))
        pass_all(daemon, client, real);
    close(real);
}

static void serve(NewerDaemon *daemon, int client)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *target = NULL;
    char *end = NULL;
    guint minor = 0;

    if (!read_head(daemon, client, text))
        return;
    target = strchr(text->str, ' ');
    if (target && g_str_has_prefix(target, " /_ping")) {
        answer(client, "200 OK", g_str_has_prefix(text->str, "HEAD") ? "" : "OK");
        return;
    }
    if (!target || !g_str_has_prefix(target, " /v1.")) {
        answer(client, "404 Not Found", "{\"message\":\"page not found\"}\n");
        return;
    }
    minor = (guint)g_ascii_strtoull(target + strlen(" /v1."), &end, 10);
    if (minor < OLDEST || minor > NEWEST) {
        refuse(daemon, client, minor);
        return;
    }
    atomic_fetch_add(&daemon->taken, 1);
    rewrite(text, (gsize)(end - target) - 1);
    hand_over(daemon, client, text);
}

/* ---- Life ---- */

typedef struct {
    NewerDaemon *daemon;
    int fd;
} Connection;

static void *run_connection(void *data)
{
    Connection *connection = data;
    NewerDaemon *daemon = connection->daemon;

    serve(daemon, connection->fd);
    close(connection->fd);
    g_free(connection);
    atomic_fetch_sub(&daemon->connections, 1);
    return NULL;
}

static void take(NewerDaemon *daemon, int fd)
{
    Connection *connection = g_new0(Connection, 1);
    pthread_t thread;

    *connection = (Connection){.daemon = daemon, .fd = fd};
    atomic_fetch_add(&daemon->connections, 1);
    g_assert_cmpint(pthread_create(&thread, NULL, run_connection, connection), ==, 0);
    pthread_detach(thread); /* counted, and waited for at the end */
}

static void run_acceptor(void *data)
{
    NewerDaemon *daemon = data;
    struct pollfd end = {.fd = daemon->fd, .events = POLLIN};

    while (!atomic_load(&daemon->is_stopping)) {
        int fd = poll(&end, 1, TICK_MS) > 0 ? accept4(daemon->fd, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (fd >= 0)
            take(daemon, fd);
    }
}

NewerDaemon *newer_daemon_new(const char *real)
{
    NewerDaemon *daemon = g_new0(NewerDaemon, 1);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    daemon->real = g_strdup(real);
    daemon->folder = g_dir_make_tmp("newer-docker-XXXXXX", NULL);
    g_assert_nonnull(daemon->folder);
    daemon->path = g_build_filename(daemon->folder, "socket", NULL);
    daemon->host = g_strconcat("unix://", daemon->path, NULL);
    g_strlcpy(address.sun_path, daemon->path, sizeof address.sun_path);
    daemon->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(daemon->fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(daemon->fd, 128), ==, 0);
    daemon->acceptor = thread_start("newer-docker", run_acceptor, daemon);
    return daemon;
}

void newer_daemon_free(NewerDaemon *daemon)
{
    if (!daemon)
        return;
    atomic_store(&daemon->is_stopping, TRUE);
    thread_join(daemon->acceptor);
    while (atomic_load(&daemon->connections) > 0)
        g_usleep(1000);
    close(daemon->fd);
    g_unlink(daemon->path);
    g_rmdir(daemon->folder);
    g_free(daemon->path);
    g_free(daemon->folder);
    g_free(daemon->host);
    g_free(daemon->real);
    g_free(daemon);
}

const char *newer_daemon_host(const NewerDaemon *daemon)
{
    return daemon->host;
}

guint newer_daemon_refused(NewerDaemon *daemon)
{
    return atomic_load(&daemon->refused);
}

guint newer_daemon_taken(NewerDaemon *daemon)
{
    return atomic_load(&daemon->taken);
}
