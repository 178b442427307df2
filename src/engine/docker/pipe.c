#include "engine/docker/pipe.h"

#include "base/clock.h"
#include "base/errors.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define HEAD_MAX    (16 * 1024)
#define REFUSAL_MAX (64 * 1024)

struct _DockerPipe {
    CURL *easy; /* owns the socket */
    int fd;
    gboolean is_tls;
};

void docker_pipe_free(DockerPipe *pipe)
{
    if (!pipe)
        return;
    curl_easy_cleanup(pipe->easy);
    g_free(pipe);
}

int docker_pipe_fd(DockerPipe *pipe)
{
    return pipe->fd;
}

gboolean docker_pipe_is_tls(DockerPipe *pipe)
{
    return pipe->is_tls;
}

DockerPipeResult docker_pipe_receive(DockerPipe *pipe, void *buffer, gsize size, gsize *received)
{
    CURLcode code = curl_easy_recv(pipe->easy, buffer, size, received);

    if (code == CURLE_AGAIN)
        return DOCKER_PIPE_WAIT;
    return code == CURLE_OK && *received > 0 ? DOCKER_PIPE_DATA : DOCKER_PIPE_END;
}

DockerPipeResult docker_pipe_send(DockerPipe *pipe, const void *bytes, gsize length, gsize *sent)
{
    CURLcode code = curl_easy_send(pipe->easy, bytes, length, sent);

    if (code == CURLE_AGAIN)
        return DOCKER_PIPE_WAIT;
    return code == CURLE_OK && *sent > 0 ? DOCKER_PIPE_DATA : DOCKER_PIPE_END;
}

/* libcurl has no half-close: a socket is shut down for writing, TLS sends its closing alert and
 * reads on. */
void docker_pipe_end_input(DockerPipe *pipe)
{
    struct curl_tlssessioninfo *session = NULL;

    if (!pipe->is_tls) {
        shutdown(pipe->fd, SHUT_WR);
        return;
    }
    curl_easy_getinfo(pipe->easy, CURLINFO_TLS_SSL_PTR, &session);
    if (session && session->backend == CURLSSLBACKEND_OPENSSL && session->internals)
        SSL_shutdown(session->internals);
}

/* ---- Opening ---- */

static gboolean wait_for(DockerPipe *pipe, short events, gint64 deadline_us)
{
    struct pollfd watch = {.fd = pipe->fd, .events = events};
    gint64 left_ms = (deadline_us - clock_monotonic_us() + 999) / 1000;

    return left_ms > 0 && (poll(&watch, 1, (int)left_ms) >= 0 || errno == EINTR);
}

static gboolean send_all(DockerPipe *pipe, const GString *text, gint64 deadline_us)
{
    gsize done = 0;

    while (done < text->len) {
        gsize sent = 0;
        switch (docker_pipe_send(pipe, text->str + done, text->len - done, &sent)) {
        case DOCKER_PIPE_DATA:
            done += sent;
            break;
        case DOCKER_PIPE_WAIT:
            if (!wait_for(pipe, POLLOUT, deadline_us))
                return FALSE;
            break;
        case DOCKER_PIPE_END:
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean read_byte(DockerPipe *pipe, GString *text, gint64 deadline_us)
{
    char byte;
    gsize received = 0;

    for (;;) {
        switch (docker_pipe_receive(pipe, &byte, 1, &received)) {
        case DOCKER_PIPE_DATA:
            g_string_append_c(text, byte);
            return TRUE;
        case DOCKER_PIPE_WAIT:
            if (!wait_for(pipe, POLLIN, deadline_us))
                return FALSE;
            break;
        case DOCKER_PIPE_END:
            return FALSE;
        }
    }
}

/* Byte by byte: what follows the head belongs to the raw stream and must stay in the socket. */
static gboolean read_head(DockerPipe *pipe, GString *head, gint64 deadline_us)
{
    while (!g_str_has_suffix(head->str, "\r\n\r\n"))
        if (head->len >= HEAD_MAX || !read_byte(pipe, head, deadline_us))
            return FALSE;
    return TRUE;
}

/* The value of a header line, or NULL. Caller owns it. */
static char *header_dup(const char *head, const char *name)
{
    g_auto(GStrv) lines = g_strsplit(head, "\r\n", 128);

    for (char **line = lines; *line; line++) {
        const char *colon = strchr(*line, ':');
        if (colon && (gsize)(colon - *line) == strlen(name) &&
            g_ascii_strncasecmp(*line, name, strlen(name)) == 0)
            return g_strstrip(g_strdup(colon + 1));
    }
    return NULL;
}

static void read_refusal(DockerPipe *pipe, const char *head, DockerAnswer *answer,
                         gint64 deadline_us)
{
    g_autofree char *type = header_dup(head, "Content-Type");
    g_autofree char *length_text = header_dup(head, "Content-Length");
    guint64 length = length_text ? g_ascii_strtoull(length_text, NULL, 10) : 0;

    answer->is_json = type && g_ascii_strncasecmp(type, "application/json", 16) == 0;
    length = MIN(length, REFUSAL_MAX);
    while (answer->body->len < length && read_byte(pipe, answer->body, deadline_us))
        ;
}

static GString *request_text(const DockerRequest *request, const char *target)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text,
                           "%s %s HTTP/1.1\r\n"
                           "Host: localhost\r\n"
                           "User-Agent: workspaced/" WORKSPACED_VERSION "\r\n"
                           "Connection: Upgrade\r\n"
                           "Upgrade: tcp\r\n"
                           "Content-Type: application/json\r\n"
                           "Content-Length: %" G_GSIZE_FORMAT "\r\n\r\n",
                           request->method, target, request->body_length);
    g_string_append_len(text, request->body, (gssize)request->body_length);
    return text;
}

static gboolean connect_pipe(DockerPipe *pipe, const DockerEndpoint *endpoint, guint deadline_ms,
                             char *reason)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    docker_exchange_prepare(pipe->easy, endpoint, "/");
    curl_easy_setopt(pipe->easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(pipe->easy, CURLOPT_TIMEOUT_MS, (long)deadline_ms);
    curl_easy_setopt(pipe->easy, CURLOPT_ERRORBUFFER, reason);
    CURLcode code = curl_easy_perform(pipe->easy);
    curl_easy_setopt(pipe->easy, CURLOPT_ERRORBUFFER, NULL);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(pipe->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (code != CURLE_OK && !reason[0])
        g_strlcpy(reason, curl_easy_strerror(code), CURL_ERROR_SIZE);
    pipe->fd = fd;
    return code == CURLE_OK;
}

gboolean docker_pipe_open(DockerTransport *transport, const DockerRequest *request,
                          DockerPipe **pipe, DockerAnswer *answer, GError **error)
{
    const DockerEndpoint *endpoint = docker_transport_endpoint(transport);
    gint64 deadline_us = clock_monotonic_us() + (gint64)request->deadline_ms * 1000;
    g_autoptr(DockerPipe) opened = g_new0(DockerPipe, 1);
    g_autoptr(GString) text = NULL;
    g_autoptr(GString) head = g_string_new(NULL);
    g_autofree char *target = NULL;
    char reason[CURL_ERROR_SIZE] = "";

    if (!docker_transport_target(transport, request, &target, error))
        return FALSE;
    opened->easy = curl_easy_init(); /* libcurl is set up: the version was asked for */
    opened->is_tls = endpoint->is_tls;
    answer->body = g_string_new(NULL);
    text = request_text(request, target);
    if (!connect_pipe(opened, endpoint, request->deadline_ms, reason)) {
        docker_transport_forget(transport);
        return docker_exchange_fail(error, request, FALSE, reason);
    }
    if (!send_all(opened, text, deadline_us) || !read_head(opened, head, deadline_us) ||
        sscanf(head->str, "HTTP/1.%*1u %3u", &answer->status) != 1) {
        docker_transport_forget(transport);
        return docker_exchange_fail(error, request, TRUE, "the connection broke or took too long");
    }
    if (answer->status == 101 || answer->status == 200)
        *pipe = g_steal_pointer(&opened);
    else
        read_refusal(opened, head->str, answer, deadline_us);
    return TRUE;
}
