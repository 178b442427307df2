/* A program on a terminal of its own: an exec whose raw bytes travel on one descriptor.
 *
 * Over a Unix socket or plain TCP that descriptor is the connection itself. TLS needs somebody who
 * encrypts: a thread then carries bytes between the connection and a socket pair, whose other end
 * is the session's. */
#include "base/log.h"
#include "engine/docker/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE_BYTES (16 * 1024)

struct _EngineSession {
    DockerEngine *docker; /* borrowed: outlives its sessions */
    char *ref, *user, *mark, *exec_id;
    DockerPipe *pipe;
    gboolean may_run;
    int fd; /* the caller's */

    /* TLS only. */
    int inner_fd;
    Cancel *cancel;
    Thread *carrier;
};

/* ---- Carrying bytes over TLS ---- */

/* Bytes on their way in one direction. */
typedef struct {
    char bytes[PIECE_BYTES];
    gsize length, done;
} Piece;

static gboolean is_empty(const Piece *piece)
{
    return piece->done == piece->length;
}

/* Connection to caller. FALSE: one of them is gone. */
static gboolean carry_out(EngineSession *session, Piece *piece, gboolean *moved)
{
    gssize written;

    if (is_empty(piece)) {
        piece->length = piece->done = 0;
        switch (
            docker_pipe_receive(session->pipe, piece->bytes, sizeof piece->bytes, &piece->length)) {
        case DOCKER_PIPE_DATA:
            break;
        case DOCKER_PIPE_WAIT:
            piece->length = 0;
            return TRUE;
        case DOCKER_PIPE_END:
            piece->length = 0;
            return FALSE;
        }
    }
    written = send(session->inner_fd, piece->bytes + piece->done, piece->length - piece->done,
                   MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written < 0)
        return errno == EAGAIN || errno == EINTR;
    piece->done += (gsize)written;
    *moved = TRUE;
    return TRUE;
}

/* Caller to connection. */
static gboolean carry_in(EngineSession *session, Piece *piece, gboolean *moved)
{
    gsize sent = 0;

    if (is_empty(piece)) {
        piece->length = piece->done = 0;
        gssize length = recv(session->inner_fd, piece->bytes, sizeof piece->bytes, MSG_DONTWAIT);
        if (length <= 0)
            return length < 0 && (errno == EAGAIN || errno == EINTR);
        piece->length = (gsize)length;
    }
    switch (docker_pipe_send(session->pipe, piece->bytes + piece->done, piece->length - piece->done,
                             &sent)) {
    case DOCKER_PIPE_DATA:
        piece->done += sent;
        *moved = TRUE;
        return TRUE;
    case DOCKER_PIPE_WAIT:
        return TRUE;
    default:
        return FALSE;
    }
}

/* A descriptor of which nothing is wanted is left out: its end would wake the thread again and
 * again. */
static struct pollfd watch_for(int fd, gboolean reading, gboolean writing)
{
    short events = (short)((reading ? POLLIN : 0) | (writing ? POLLOUT : 0));
    return (struct pollfd){.fd = events ? fd : -1, .events = events};
}

static void carry(void *data)
{
    EngineSession *session = data;
    g_autofree Piece *out = g_new0(Piece, 1);
    g_autofree Piece *in = g_new0(Piece, 1);

    while (!cancel_fired(session->cancel)) {
        gboolean moved = FALSE;
        if (!carry_out(session, out, &moved) || !carry_in(session, in, &moved))
            break;
        /* What TLS has decrypted already makes no descriptor readable: wait only when nothing
         * moves. */
        if (moved)
            continue;
        struct pollfd watch[] = {
            watch_for(docker_pipe_fd(session->pipe), is_empty(out), !is_empty(in)),
            watch_for(session->inner_fd, is_empty(in), !is_empty(out)),
            watch_for(cancel_fd(session->cancel), TRUE, FALSE),
        };
        poll(watch, G_N_ELEMENTS(watch), -1);
    }
    shutdown(session->inner_fd, SHUT_RDWR);
}

static gboolean start_carrier(EngineSession *session, GError **error)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return error_set(error, ERROR_UNAVAILABLE, "socket pair: %s", g_strerror(errno));
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    session->fd = pair[0];
    session->inner_fd = pair[1];
    session->cancel = cancel_new();
    session->carrier = thread_start("docker-tls", carry, session);
    return TRUE;
}

static void stop_carrier(EngineSession *session)
{
    if (!session->carrier)
        return;
    cancel_fire(session->cancel);
    thread_join(session->carrier);
    cancel_unref(session->cancel);
    close(session->fd);
    close(session->inner_fd);
}

/* ---- The operations ---- */

static gboolean resize(EngineSession *session, guint16 columns, guint16 rows, GError **error)
{
    g_autofree char *rest = g_strdup_printf("/resize?h=%u&w=%u", rows, columns);
    g_autofree char *path = docker_path("exec", session->exec_id, rest);
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "POST",
        .path = path,
        .deadline_ms = session->docker->deadlines.read_ms,
    };
    return docker_call_ok(session->docker, &request, "program", &answer, error);
}

static gboolean open_session(EngineSession *session, const AttachSpec *spec, GError **error)
{
    g_autoptr(GError) cause = NULL;
    DockerExecPlan plan = {
        .ref = session->ref,
        .argv = spec->argv,
        .user = spec->user,
        .mark = session->mark,
        .has_input = TRUE,
        .is_terminal = TRUE,
        .columns = spec->columns,
        .rows = spec->rows,
    };

    if (!docker_exec_start(session->docker, &plan, &session->exec_id, &session->pipe, &cause)) {
        session->may_run = error_is(cause, ERROR_OUTCOME_UNKNOWN);
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    session->may_run = TRUE;
    if (docker_pipe_is_tls(session->pipe))
        return start_carrier(session, error);
    session->fd = docker_pipe_fd(session->pipe);
    return TRUE;
}

gboolean docker_attach(Engine *self, const char *ref, const AttachSpec *spec,
                       EngineSession **session, GError **error)
{
    EngineSession *made = g_new0(EngineSession, 1);
    g_autoptr(GError) size_error = NULL;

    made->docker = docker_engine(self);
    made->ref = g_strdup(ref);
    made->user = g_strdup(spec->user);
    made->mark = docker_exec_mark_new();
    if (!open_session(made, spec, error)) {
        docker_session_free(made);
        return FALSE;
    }
    /* A program that has ended already has no size, and its output is still worth reading. */
    if (spec->columns && spec->rows && !resize(made, spec->columns, spec->rows, &size_error))
        log_debug("docker: no size for a terminal", LOG_CAUSE(size_error));
    *session = made;
    return TRUE;
}

int docker_session_fd(EngineSession *session)
{
    return session->fd;
}

gboolean docker_session_resize(EngineSession *session, guint16 columns, guint16 rows,
                               GError **error)
{
    return resize(session, columns, rows, error);
}

void docker_session_free(EngineSession *session)
{
    stop_carrier(session);
    docker_pipe_free(session->pipe);
    if (session->may_run)
        docker_exec_kill(session->docker, session->ref, session->user, session->mark);
    g_free(session->ref);
    g_free(session->user);
    g_free(session->mark);
    g_free(session->exec_id);
    g_free(session);
}
