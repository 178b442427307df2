/* What the tests of http/ share: raw clients on loopback, and a server whose handlers each test
 * names. Each test program includes it once. */
#pragma once

#include "base/clock.h"
#include "base/sync.h"
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 20000

/* ---- Raw clients ---- */

static inline int connect_to(guint16 port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    return fd;
}

static inline void send_bytes(int fd, const void *bytes, gsize length)
{
    const char *at = bytes;

    while (length > 0) {
        ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);
        g_assert_cmpint(sent, >, 0);
        at += sent;
        length -= (gsize)sent;
    }
}

static inline void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

/* Reads into `text` until it holds `end`, or (NULL) until the peer closes. FALSE when it closed
 * before. */
static inline gboolean read_until(int fd, GString *text, const char *end)
{
    while (!end || !strstr(text->str, end)) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        char piece[4096];
        ssize_t got;
        g_assert_cmpint(poll(&poll_fd, 1, PATIENCE_MS), ==, 1);
        got = recv(fd, piece, sizeof piece, 0);
        if (got <= 0)
            return !end;
        g_string_append_len(text, piece, got);
    }
    return TRUE;
}

/* Sends a request, waits until the server closes, returns all it said. */
static inline char *converse(guint16 port, const char *request)
{
    int fd = connect_to(port);
    GString *text = g_string_new(NULL);

    send_text(fd, request);
    read_until(fd, text, NULL);
    close(fd);
    return g_string_free(text, FALSE);
}

#define LAST "Host: x\r\nConnection: close\r\n\r\n"

static inline void assert_starts(const char *text, const char *start)
{
    if (!g_str_has_prefix(text, start))
        g_error("expected %s, got %s", start, text);
}

static inline void assert_holds(const char *text, const char *part)
{
    if (!strstr(text, part))
        g_error("expected %s in %s", part, text);
}

/* ---- Waiting for a condition ---- */

static inline void assert_soon(gboolean (*holds)(void *data), void *data)
{
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_MS * 1000;

    while (!holds(data)) {
        g_assert_cmpint(clock_monotonic_us(), <, deadline_us);
        g_usleep(1000);
    }
}

static inline gboolean flag_is_set(void *data)
{
    return atomic_load((atomic_bool *)data);
}

/* ---- A server ---- */

typedef struct {
    const char *path;
    void (*handler)(HttpRequest *request);
    gsize max_body_bytes;
    gboolean in_place;
} TestRoute;

typedef struct {
    HttpServer *server;
    const TestRoute *routes;
    guint16 port;
    atomic_int finished, last_status;
} TestServer;

static inline const TestRoute *find_test_route(TestServer *house, HttpRequest *request)
{
    const TestRoute *route = house->routes;

    while (route->path && strcmp(route->path, http_request_path(request)) != 0)
        route++;
    return route->path ? route : NULL;
}

static inline HttpAdmission test_route(HttpRequest *request, void *data)
{
    const TestRoute *route = find_test_route(data, request);

    http_request_attach(request, g_strdup("learnt"), g_free);
    if (!route)
        return (HttpAdmission){0, TRUE};
    return (HttpAdmission){route->max_body_bytes, route->in_place};
}

static inline void test_serve(HttpRequest *request, void *data)
{
    const TestRoute *route = find_test_route(data, request);

    if (route)
        route->handler(request);
    else
        http_reply_error(request, 404, "no such page");
}

static inline void test_finish(HttpRequest *request, void *data)
{
    TestServer *house = data;

    atomic_fetch_add(&house->finished, 1);
    atomic_store(&house->last_status, (int)http_reply_status(request));
    http_reply_header(request, "X-Finished", "yes");
}

static inline TestServer *test_server_new(const TestRoute *routes, const HttpServerOptions *more)
{
    static const char *const loopback[] = {"127.0.0.1:0", NULL};
    TestServer *house = g_new0(TestServer, 1);
    HttpServerOptions options = more ? *more : (HttpServerOptions){0};
    g_autoptr(GError) error = NULL;

    house->routes = routes;
    options.listen = options.listen ? options.listen : loopback;
    options.io_threads = options.io_threads ? options.io_threads : 2;
    options.workers = options.workers ? options.workers : 2;
    options.route = test_route;
    options.serve = test_serve;
    options.finish = test_finish;
    options.data = house;
    house->server = http_server_new(&options, &error);
    g_assert_no_error(error);
    http_server_start(house->server);
    house->port = http_server_port(house->server);
    return house;
}

static inline void test_server_free(TestServer *house)
{
    http_server_stop(house->server, PATIENCE_MS);
    http_server_free(house->server);
    g_free(house);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestServer, test_server_free)
