/* Threads and sockets of the server: one thread accepts from every address and deals connections
 * out to libmicrohttpd's, one daemon (and thread) a core, each with its own epoll set; a pool of
 * workers runs handlers. */
#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "http/exchange.h"
#include "http/hangup.h"
#include "http/listener.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTION_MEMORY_BYTES                                                                    \
    (32 * 1024) /* head, and pieces of body and answer, of one connection */
#define IO_STACK_BYTES      (256 * 1024)
#define DEFAULT_QUEUE       1024
#define DEFAULT_CONNECTIONS 10000
#define DEFAULT_IDLE_S      75
#define WORKERS_PER_CORE    4
#define FULL_PAUSE_MS       20 /* before looking again for a free place or descriptor */
#define LISTENERS_MAX       16
#define CLOSE_MS            250 /* for connections to end by themselves when the server stops */
#define ACCEPT_TURN_S       1   /* of taking in what waits */

struct _HttpServer {
    RefCount references; /* the owner's and one each request */
    HttpServerOptions options;
    Listener *listeners;
    guint listener_count;
    guint16 port;
    struct MHD_Daemon **daemons; /* NULL before start and after stop; owner's thread */
    guint daemon_count;
    Thread *acceptor; /* owner's thread */
    Cancel *closing;  /* fired: accept no more */
    WorkerPool *pool;
    HangupWatch *hangups;
    atomic_uint connections, finishing, begun;
    atomic_bool is_stopping, was_cut;
    atomic_ullong refused;

    Mutex lock;        /* guards what follows */
    Condition drained; /* begun has come down to 0 */
    HttpRequest *open; /* requests whose connections sleep, or did: a list */
    gboolean is_cut;
};

/* ---- What requests ask of it ---- */

HttpServer *server_ref(HttpServer *server)
{
    ref_take(&server->references);
    return server;
}

void server_unref(HttpServer *server)
{
    if (!ref_drop(&server->references))
        return;
    worker_pool_free(server->pool);
    hangup_watch_free(server->hangups);
    cancel_unref(server->closing);
    condition_clear(&server->drained);
    mutex_clear(&server->lock);
    g_free(server->listeners);
    g_free(server->daemons);
    g_free(server);
}

const HttpServerOptions *server_options(HttpServer *server)
{
    return &server->options;
}

WorkerPool *server_pool(HttpServer *server)
{
    return server->pool;
}

HangupWatch *server_hangups(HttpServer *server)
{
    return server->hangups;
}

gboolean server_is_stopping(HttpServer *server)
{
    return atomic_load(&server->is_stopping);
}

gboolean server_enter_finish(HttpServer *server)
{
    atomic_fetch_add(&server->finishing, 1); /* before looking: http_server_stop waits for it */
    return !atomic_load(&server->was_cut);
}

void server_leave_finish(HttpServer *server)
{
    atomic_fetch_sub(&server->finishing, 1);
}

void server_request_begun(HttpServer *server)
{
    atomic_fetch_add(&server->begun, 1);
}

void server_request_ended(HttpServer *server)
{
    if (atomic_fetch_sub(&server->begun, 1) != 1 || !atomic_load(&server->is_stopping))
        return;
    mutex_lock(&server->lock);
    condition_broadcast(&server->drained);
    mutex_unlock(&server->lock);
}

gboolean server_list(HttpServer *server, HttpRequest *request)
{
    gboolean is_open;

    mutex_lock(&server->lock);
    is_open = !server->is_cut;
    if (is_open) {
        request->next = server->open;
        request->previous = NULL;
        if (server->open)
            server->open->previous = request;
        server->open = request;
        request->is_listed = TRUE;
    }
    mutex_unlock(&server->lock);
    return is_open;
}

void server_unlist(HttpServer *server, HttpRequest *request)
{
    mutex_lock(&server->lock);
    if (request->next)
        request->next->previous = request->previous;
    if (request->previous)
        request->previous->next = request->next;
    else
        server->open = request->next;
    request->is_listed = FALSE;
    mutex_unlock(&server->lock);
}

void server_count_refusal(HttpServer *server)
{
    atomic_fetch_add(&server->refused, 1);
}

/* ---- Accepting ---- */

/* FALSE when there is nothing to accept now, or no room for it. */
static gboolean accept_one(HttpServer *server, int listen_fd, guint *turn)
{
    struct sockaddr_storage peer = {0};
    socklen_t length = sizeof peer;
    int fd;

    if (atomic_load(&server->connections) >= server->options.max_connections)
        return FALSE;
    fd = accept4(listen_fd, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return errno == EINTR || errno == ECONNABORTED;
    MHD_add_connection(server->daemons[*turn], fd, (struct sockaddr *)&peer, length);
    *turn = (*turn + 1) % server->daemon_count;
    return TRUE;
}

/* No descriptor or no place is free: poll would wake at once and for ever. */
static void wait_for_room(HttpServer *server)
{
    cancel_wait_until(server->closing, clock_monotonic_us() + FULL_PAUSE_MS * 1000);
}

/* TRUE: there is no room for all that wait. */
static gboolean accept_from(HttpServer *server, const struct pollfd *polled, guint *turn)
{
    if (!(polled->revents & POLLIN))
        return FALSE;
    while (accept_one(server, polled->fd, turn) && !cancel_fired(server->closing))
        ;
    return errno != EAGAIN || atomic_load(&server->connections) >= server->options.max_connections;
}

static void accept_connections(void *data)
{
    HttpServer *server = data;
    struct pollfd polls[LISTENERS_MAX + 2];
    guint count = server->listener_count, turn = 0;
    g_autoptr(Pulse) pulse = pulse_new("http-accept", ACCEPT_TURN_S);
    int wait_ms = -1;

    for (guint i = 0; i < count; i++)
        polls[i] = (struct pollfd){.fd = server->listeners[i].fd, .events = POLLIN};
    polls[count] = (struct pollfd){.fd = cancel_fd(server->closing), .events = POLLIN};
    polls[count + 1] = (struct pollfd){.fd = hangup_watch_fd(server->hangups), .events = POLLIN};
    while (!cancel_fired(server->closing)) {
        gboolean is_full = FALSE;
        pulse_rest(pulse);
        if (poll(polls, count + 2, wait_ms) < 0)
            continue;
        pulse_tick(pulse);
        wait_ms = hangup_watch_turn(server->hangups);
        for (guint i = 0; i < count; i++)
            is_full |= accept_from(server, &polls[i], &turn);
        if (is_full)
            wait_for_room(server);
    }
}

/* ---- Daemons ---- */

static void note_connection(void *data, struct MHD_Connection *connection, void **context,
                            enum MHD_ConnectionNotificationCode code)
{
    HttpServer *server = data;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        atomic_fetch_add(&server->connections, 1);
        *context = info ? hangup_watch_open(server->hangups, info->connect_fd) : NULL;
    } else {
        hangup_watch_close(server->hangups, g_steal_pointer(context));
        atomic_fetch_sub(&server->connections, 1);
    }
}

/* Paths are decoded by head.c, from the target as it came. */
static size_t leave_escaped(void *data, struct MHD_Connection *connection, char *text)
{
    (void)data;
    (void)connection;
    return strlen(text);
}

static struct MHD_Daemon *start_daemon(HttpServer *server)
{
    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
                                MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_TURBO,
                            0, NULL, NULL, exchange_advance, server, MHD_OPTION_URI_LOG_CALLBACK,
                            exchange_announce, server, MHD_OPTION_NOTIFY_COMPLETED, exchange_end,
                            server, MHD_OPTION_NOTIFY_CONNECTION, note_connection, server,
                            MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
                            MHD_OPTION_CONNECTION_LIMIT, server->options.max_connections,
                            MHD_OPTION_CONNECTION_TIMEOUT, server->options.idle_timeout_s,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
                            MHD_OPTION_THREAD_STACK_SIZE, (size_t)IO_STACK_BYTES, MHD_OPTION_END);
}

/* ---- Life ---- */

static void apply_defaults(HttpServerOptions *options)
{
    guint cores = MAX(g_get_num_processors(), 1);

    options->io_threads = options->io_threads ? options->io_threads : cores;
    options->workers = options->workers ? options->workers : cores * WORKERS_PER_CORE;
    options->queue_capacity = options->queue_capacity ? options->queue_capacity : DEFAULT_QUEUE;
    options->max_connections =
        options->max_connections ? options->max_connections : DEFAULT_CONNECTIONS;
    options->idle_timeout_s = options->idle_timeout_s ? options->idle_timeout_s : DEFAULT_IDLE_S;
}

static gboolean open_listeners(HttpServer *server, GError **error)
{
    const char *const *addresses = server->options.listen;
    guint count = g_strv_length((char **)(gsize)addresses);

    if (count < 1 || count > LISTENERS_MAX)
        return error_set(error, ERROR_INVALID, "between 1 and %d addresses to listen on",
                         LISTENERS_MAX);
    server->listeners = g_new0(Listener, count);
    for (guint i = 0; i < count; i++) {
        if (!listener_open(&server->listeners[i], addresses[i], error))
            return FALSE;
        server->listener_count++;
        if (!server->port)
            server->port = server->listeners[i].port;
    }
    return TRUE;
}

static void close_listeners(HttpServer *server)
{
    for (guint i = 0; i < server->listener_count; i++)
        listener_close(&server->listeners[i]);
}

HttpServer *http_server_new(const HttpServerOptions *options, GError **error)
{
    g_autoptr(HttpServer) server = g_new0(HttpServer, 1);

    g_assert(options->route && options->serve && options->finish);
    ref_init(&server->references);
    mutex_init(&server->lock);
    condition_init(&server->drained);
    server->options = *options;
    apply_defaults(&server->options);
    server->closing = cancel_new();
    server->hangups = hangup_watch_new();
    server->pool = worker_pool_new(server->options.workers, server->options.queue_capacity);
    if (!open_listeners(server, error))
        return NULL;
    server->options.listen = NULL; /* the caller's */
    return g_steal_pointer(&server);
}

void http_server_start(HttpServer *server)
{
    g_return_if_fail(!server->daemons);
    worker_pool_start(server->pool);
    server->daemons = g_new0(struct MHD_Daemon *, server->options.io_threads);
    for (; server->daemon_count < server->options.io_threads; server->daemon_count++) {
        server->daemons[server->daemon_count] = start_daemon(server);
        if (!server->daemons[server->daemon_count])
            g_error("cannot start an I/O thread: %s", g_strerror(errno));
    }
    server->acceptor = thread_start("http-accept", accept_connections, server);
}

guint16 http_server_port(HttpServer *server)
{
    return server->port;
}

static void wait_drained(HttpServer *server, guint drain_ms)
{
    gint64 deadline_us = clock_monotonic_us() + (gint64)drain_ms * 1000;

    mutex_lock(&server->lock);
    while (atomic_load(&server->begun) > 0 &&
           condition_wait_until(&server->drained, &server->lock, deadline_us))
        ;
    mutex_unlock(&server->lock);
}

/* From here no connection is put to sleep, and those that sleep are woken to be closed:
 * libmicrohttpd may not be stopped before. */
static void cut_open_requests(HttpServer *server)
{
    g_autoptr(GPtrArray) open =
        g_ptr_array_new_with_free_func((GDestroyNotify)(void (*)(void))request_release);

    atomic_store(&server->was_cut, TRUE);
    mutex_lock(&server->lock);
    server->is_cut = TRUE;
    for (HttpRequest *request = server->open; request; request = request->next) {
        request_ref(request);
        g_ptr_array_add(open, request);
    }
    mutex_unlock(&server->lock);
    if (open->len > 0)
        log_warning("requests were cut off by the stop", LOG_INT("requests", open->len));
    for (guint i = 0; i < open->len; i++)
        exchange_cut(open->pdata[i]);
}

/* A head that is too long and is looked at in the very moment of MHD_stop_daemon crashes
 * libmicrohttpd (0.9.75 answers it without an answer): so the connections end before. */
static void end_connections(HttpServer *server)
{
    hangup_watch_end_all(server->hangups);
    for (guint i = 0; i < CLOSE_MS && atomic_load(&server->connections) > 0; i++)
        g_usleep(1000);
}

static void stop_daemons(HttpServer *server)
{
    for (guint i = 0; i < server->daemon_count; i++)
        MHD_stop_daemon(server->daemons[i]);
    server->daemon_count = 0;
    g_clear_pointer(&server->daemons, g_free);
    while (atomic_load(&server->finishing) > 0)
        g_usleep(1000);
}

void http_server_stop(HttpServer *server, guint drain_ms)
{
    atomic_store(&server->is_stopping, TRUE);
    cancel_fire(server->closing);
    thread_join(g_steal_pointer(&server->acceptor));
    close_listeners(server);
    if (server->daemons) {
        wait_drained(server, drain_ms);
        cut_open_requests(server);
        end_connections(server);
        stop_daemons(server);
    }
    worker_pool_stop(server->pool);
}

void http_server_free(HttpServer *server)
{
    if (!server)
        return;
    http_server_stop(server, 0);
    server_unref(server);
}

/* ---- Other work ---- */

typedef struct {
    PoolWork base;
    void (*function)(void *data);
    void *data;
} PostedWork;

static void run_posted(PoolWork *work)
{
    PostedWork *posted = (PostedWork *)work;

    posted->function(posted->data);
    g_free(posted);
}

gboolean http_server_post(HttpServer *server, void (*work)(void *data), void *data)
{
    PostedWork *posted = g_new(PostedWork, 1);

    *posted = (PostedWork){{run_posted}, work, data};
    if (worker_pool_push(server->pool, &posted->base))
        return TRUE;
    server_count_refusal(server);
    g_free(posted);
    return FALSE;
}

void http_server_stats(HttpServer *server, HttpServerStats *stats)
{
    *stats = (HttpServerStats){
        .connections = atomic_load(&server->connections),
        .queued = worker_pool_queued(server->pool),
        .queue_capacity = worker_pool_capacity(server->pool),
        .workers_busy = worker_pool_busy(server->pool),
        .workers = worker_pool_size(server->pool),
        .refused = atomic_load(&server->refused),
    };
}
