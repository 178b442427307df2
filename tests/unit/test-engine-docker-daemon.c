#include "test-engine-docker-daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define INFO_BODY                                                                                  \
    "{\"ID\":\"fake-daemon\",\"NCPU\":2,\"MemTotal\":1000000,\"MemoryLimit\":true,"                \
    "\"CpuCfsQuota\":true,\"PidsLimit\":true,\"ServerVersion\":\"1\"}"

typedef struct {
    FakeDaemon *daemon;
    int fd;
} Connection;

/* ---- Talking ---- */

static gboolean say(int fd, const char *bytes, gsize length)
{
    while (length > 0) {
        gssize sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return FALSE;
        bytes += sent;
        length -= (gsize)sent;
    }
    return TRUE;
}

static gboolean say_text(int fd, const char *text)
{
    return say(fd, text, strlen(text));
}

/* Until the other side closes, or the daemon ends. */
static void wait_for_close(Connection *connection)
{
    char piece[4096];

    for (;;) {
        struct pollfd watch[] = {
            {.fd = connection->fd, .events = POLLIN},
            {.fd = cancel_fd(connection->daemon->cancel), .events = POLLIN},
        };
        poll(watch, 2, -1);
        if (watch[1].revents || recv(connection->fd, piece, sizeof piece, MSG_DONTWAIT) == 0)
            return;
    }
}

static gboolean pause_ms(Connection *connection, int pause)
{
    struct pollfd watch = {.fd = cancel_fd(connection->daemon->cancel), .events = POLLIN};
    return poll(&watch, 1, pause) == 0;
}

static gsize length_of(const FakeRule *rule)
{
    if (!rule->body)
        return 0;
    return rule->body_length ? rule->body_length : strlen(rule->body);
}

static gboolean say_head(Connection *connection, const FakeRule *rule, const char *framing)
{
    FakeDaemon *daemon = connection->daemon;
    g_autofree char *head = NULL;
    guint minor;

    mutex_lock(&daemon->lock);
    minor = daemon->api_minor;
    mutex_unlock(&daemon->lock);
    head =
        g_strdup_printf("HTTP/1.1 %u Status\r\nApi-Version: 1.%u\r\nContent-Type: %s\r\n%s\r\n",
                        rule->status, minor, rule->type ? rule->type : "application/json", framing);
    return say_text(connection->fd, head);
}

static gboolean say_sized(Connection *connection, const FakeRule *rule, gsize promised,
                          gboolean is_head)
{
    g_autofree char *framing = g_strdup_printf("Content-Length: %" G_GSIZE_FORMAT "\r\n", promised);

    return say_head(connection, rule, framing) &&
           (is_head || say(connection->fd, rule->body, length_of(rule)));
}

static void drip(Connection *connection, const FakeRule *rule)
{
    gsize length = length_of(rule);

    if (!say_head(connection, rule, "Content-Length: 1000000\r\n"))
        return;
    for (gsize i = 0; i < 1000000; i++)
        if (!say(connection->fd, i < length ? rule->body + i : " ", 1) || !pause_ms(connection, 20))
            return;
}

static void flood(Connection *connection, const FakeRule *rule)
{
    if (!say_head(connection, rule, "Connection: close\r\n"))
        return;
    while (!cancel_fired(connection->daemon->cancel))
        if (!say(connection->fd, rule->body, length_of(rule)))
            return;
}

static void stream(Connection *connection, const FakeRule *rule)
{
    g_autofree char *size = g_strdup_printf("%" G_GSIZE_MODIFIER "x\r\n", length_of(rule));

    if (!say_head(connection, rule, "Transfer-Encoding: chunked\r\n"))
        return;
    if (rule->body)
        (void)(say_text(connection->fd, size) && say(connection->fd, rule->body, length_of(rule)) &&
               say_text(connection->fd, "\r\n"));
    wait_for_close(connection);
}

static void upgrade(Connection *connection, const FakeRule *rule)
{
    char piece[4096];
    gssize received;

    say_text(connection->fd,
             "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    if (rule->mode == FAKE_UPGRADE)
        say(connection->fd, rule->body, length_of(rule));
    else if (rule->mode == FAKE_SILENT_UPGRADE)
        wait_for_close(connection);
    else
        while ((received = recv(connection->fd, piece, sizeof piece, 0)) > 0)
            if (!say(connection->fd, piece, (gsize)received))
                return;
}

/* Answers. FALSE: the connection ends. */
static gboolean obey(Connection *connection, const FakeRule *rule, gboolean is_head)
{
    switch (rule->mode) {
    case FAKE_ANSWER:
        return say_sized(connection, rule, length_of(rule), is_head);
    case FAKE_HANG:
        wait_for_close(connection);
        return FALSE;
    case FAKE_CLOSE:
        return FALSE;
    case FAKE_TRUNCATE:
        say_sized(connection, rule, length_of(rule) + 1, FALSE);
        return FALSE;
    case FAKE_STALL:
        say_sized(connection, rule, length_of(rule) + 1, FALSE);
        wait_for_close(connection);
        return FALSE;
    case FAKE_DRIP:
        drip(connection, rule);
        return FALSE;
    case FAKE_FLOOD:
        flood(connection, rule);
        return FALSE;
    case FAKE_GARBAGE:
        say_text(connection->fd, "\x15\x03\x01\x00\x02\x02\x46\r\n\r\n");
        return FALSE;
    case FAKE_STREAM:
        stream(connection, rule);
        return FALSE;
    case FAKE_UPGRADE:
    case FAKE_ECHO:
    case FAKE_SILENT_UPGRADE:
        upgrade(connection, rule);
        return FALSE;
    }
    return FALSE;
}

/* ---- Listening ---- */

static gboolean fits(const FakeRule *rule, const char *method, const char *path)
{
    return (!rule->method || strcmp(rule->method, method) == 0) &&
           (!rule->address || strstr(path, rule->address));
}

static FakeRule choose_locked(FakeDaemon *daemon, const char *method, const char *path)
{
    for (guint i = 0; i < daemon->rules->len; i++) {
        FakeRule *rule = &g_array_index(daemon->rules, FakeRule, i);
        if (!fits(rule, method, path))
            continue;
        FakeRule chosen = *rule;
        if (rule->times > 0 && --rule->times == 0)
            g_array_remove_index(daemon->rules, i);
        return chosen;
    }
    if (strstr(path, "/_ping"))
        return (FakeRule){.status = 200, .type = "text/plain", .body = "OK"};
    if (strstr(path, "/info"))
        return (FakeRule){.status = 200, .body = INFO_BODY};
    return (FakeRule){.status = 501, .body = "{\"message\":\"no rule\"}"};
}

static FakeRule note_and_choose(FakeDaemon *daemon, const char *method, const char *path,
                                const char *head)
{
    const char *auth = strstr(head, "X-Registry-Auth: ");
    FakeRule rule;

    mutex_lock(&daemon->lock);
    if (strstr(path, "/_ping"))
        daemon->pings++;
    else
        g_string_append_printf(daemon->requests, "%s %s\n", method, path);
    if (auth)
        g_string_append_len(daemon->auth, auth + 17, (gssize)strcspn(auth + 17, "\r"));
    rule = choose_locked(daemon, method, path);
    mutex_unlock(&daemon->lock);
    return rule;
}

static gboolean hear_head(int fd, GString *head)
{
    char byte;

    g_string_truncate(head, 0);
    while (!g_str_has_suffix(head->str, "\r\n\r\n")) {
        if (recv(fd, &byte, 1, 0) != 1)
            return FALSE;
        g_string_append_c(head, byte);
    }
    return TRUE;
}

static gboolean hear_body(int fd, const char *head)
{
    const char *field = strstr(head, "Content-Length: ");
    guint64 length = field ? g_ascii_strtoull(field + 16, NULL, 10) : 0;
    char piece[4096];

    if (strstr(head, "Expect: 100-continue") && !say_text(fd, "HTTP/1.1 100 Continue\r\n\r\n"))
        return FALSE;
    while (length > 0) {
        gssize received = recv(fd, piece, MIN(length, sizeof piece), 0);
        if (received <= 0)
            return FALSE;
        length -= (guint64)received;
    }
    return TRUE;
}

static void serve(void *data)
{
    Connection *connection = data;
    g_autoptr(GString) head = g_string_new(NULL);
    gboolean goes_on = TRUE;

    while (goes_on && hear_head(connection->fd, head) && hear_body(connection->fd, head->str)) {
        g_auto(GStrv) words = g_strsplit_set(head->str, " \r", 3);
        FakeRule rule = note_and_choose(connection->daemon, words[0], words[1], head->str);
        goes_on = obey(connection, &rule, strcmp(words[0], "HEAD") == 0);
    }
    close(connection->fd);
    g_free(connection);
}

static void listen_on(void *data)
{
    FakeDaemon *daemon = data;

    for (;;) {
        struct pollfd watch[] = {
            {.fd = daemon->fd, .events = POLLIN},
            {.fd = cancel_fd(daemon->cancel), .events = POLLIN},
        };
        poll(watch, 2, -1);
        if (watch[1].revents)
            return;
        int fd = accept4(daemon->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        Connection *connection = g_new0(Connection, 1);
        *connection = (Connection){.daemon = daemon, .fd = fd};
        mutex_lock(&daemon->lock);
        daemon->connections++;
        g_ptr_array_add(daemon->threads, thread_start("fake", serve, connection));
        mutex_unlock(&daemon->lock);
    }
}

/* ---- Life ---- */

static void bind_unix(FakeDaemon *daemon)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    daemon->folder = g_dir_make_tmp("fake-daemon-XXXXXX", NULL);
    daemon->path = g_build_filename(daemon->folder, "socket", NULL);
    daemon->host = g_strconcat("unix://", daemon->path, NULL);
    g_strlcpy(address.sun_path, daemon->path, sizeof address.sun_path);
    daemon->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(daemon->fd, (struct sockaddr *)&address, sizeof address), ==, 0);
}

static void bind_tcp(FakeDaemon *daemon)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;

    daemon->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(daemon->fd, (struct sockaddr *)&address, length), ==, 0);
    g_assert_cmpint(getsockname(daemon->fd, (struct sockaddr *)&address, &length), ==, 0);
    daemon->host = g_strdup_printf("tcp://127.0.0.1:%d", ntohs(address.sin_port));
}

FakeDaemon *fake_daemon_new(gboolean on_tcp)
{
    FakeDaemon *daemon = g_new0(FakeDaemon, 1);

    mutex_init(&daemon->lock);
    daemon->cancel = cancel_new();
    daemon->rules = g_array_new(FALSE, FALSE, sizeof(FakeRule));
    daemon->threads = g_ptr_array_new();
    daemon->requests = g_string_new(NULL);
    daemon->auth = g_string_new(NULL);
    daemon->api_minor = 41;
    if (on_tcp)
        bind_tcp(daemon);
    else
        bind_unix(daemon);
    g_assert_cmpint(listen(daemon->fd, 64), ==, 0);
    daemon->acceptor = thread_start("fake", listen_on, daemon);
    return daemon;
}

/* The engine's kept connections must be closed by then, or their threads would wait for them. */
void fake_daemon_free(FakeDaemon *daemon)
{
    cancel_fire(daemon->cancel);
    thread_join(daemon->acceptor);
    for (guint i = 0; i < daemon->threads->len; i++)
        thread_join(daemon->threads->pdata[i]);
    close(daemon->fd);
    if (daemon->path) {
        g_unlink(daemon->path);
        g_rmdir(daemon->folder);
    }
    g_array_unref(daemon->rules);
    g_ptr_array_unref(daemon->threads);
    g_string_free(daemon->requests, TRUE);
    g_string_free(daemon->auth, TRUE);
    cancel_unref(daemon->cancel);
    mutex_clear(&daemon->lock);
    g_free(daemon->folder);
    g_free(daemon->path);
    g_free(daemon->host);
    g_free(daemon);
}

/* ---- Telling and asking ---- */

void fake_daemon_rule(FakeDaemon *daemon, const FakeRule *rule)
{
    mutex_lock(&daemon->lock);
    g_array_append_val(daemon->rules, *rule);
    mutex_unlock(&daemon->lock);
}

void fake_daemon_forget(FakeDaemon *daemon)
{
    mutex_lock(&daemon->lock);
    g_array_set_size(daemon->rules, 0);
    g_string_truncate(daemon->requests, 0);
    g_string_truncate(daemon->auth, 0);
    daemon->connections = daemon->pings = 0;
    mutex_unlock(&daemon->lock);
}

void fake_daemon_api(FakeDaemon *daemon, guint minor)
{
    mutex_lock(&daemon->lock);
    daemon->api_minor = minor;
    mutex_unlock(&daemon->lock);
}

guint fake_daemon_count(FakeDaemon *daemon, const char *text)
{
    guint count = 0;

    mutex_lock(&daemon->lock);
    for (const char *at = daemon->requests->str; (at = strstr(at, text)); at++)
        count++;
    mutex_unlock(&daemon->lock);
    return count;
}

char *fake_daemon_auth_dup(FakeDaemon *daemon)
{
    char *auth;

    mutex_lock(&daemon->lock);
    auth = g_strdup(daemon->auth->str);
    mutex_unlock(&daemon->lock);
    return auth;
}

guint fake_daemon_connections(FakeDaemon *daemon)
{
    guint count;

    mutex_lock(&daemon->lock);
    count = daemon->connections;
    mutex_unlock(&daemon->lock);
    return count;
}
