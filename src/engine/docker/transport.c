#include "engine/docker/transport.h"

#include "base/errors.h"
#include "base/log.h"
#include "base/text.h"

#include <string.h>

#define IDLE_LINES_MAX 16

struct _DockerTransport {
    DockerEndpoint *endpoint; /* read-only */
    guint pinned_minor;       /* read-only; 0: negotiate */
    guint ping_ms;            /* read-only */

    Mutex lock;            /* guards what follows */
    GPtrArray *idle_lines; /* DockerLine; the last one used is taken first */
    guint minor;           /* 0: unknown, ask */
    gboolean is_podman;
};

static void line_free(void *line)
{
    docker_line_free(line);
}

static gboolean parse_pin(const char *text, guint *minor, GError **error)
{
    gint64 value = 0;

    *minor = 0;
    if (!text || !*text)
        return TRUE;
    if (!g_str_has_prefix(text, "1.") || !text_parse_int(text + 2, DOCKER_MIN_API, 999, &value))
        return error_set(error, ERROR_INVALID, "DOCKER_API_VERSION must be 1.%d or a later 1.x",
                         DOCKER_MIN_API);
    *minor = (guint)value;
    return TRUE;
}

DockerTransport *docker_transport_new(DockerEndpoint *endpoint, const char *pinned_version,
                                      guint ping_ms, GError **error)
{
    g_autoptr(DockerEndpoint) owned = endpoint;
    guint pinned_minor = 0;
    DockerTransport *transport;

    if (!parse_pin(pinned_version, &pinned_minor, error))
        return NULL;
    transport = g_new0(DockerTransport, 1);
    transport->endpoint = g_steal_pointer(&owned);
    transport->pinned_minor = pinned_minor;
    transport->ping_ms = ping_ms;
    transport->idle_lines = g_ptr_array_new_with_free_func(line_free);
    mutex_init(&transport->lock);
    return transport;
}

void docker_transport_free(DockerTransport *transport)
{
    if (!transport)
        return;
    g_ptr_array_unref(transport->idle_lines);
    mutex_clear(&transport->lock);
    docker_endpoint_free(transport->endpoint);
    g_free(transport);
}

const DockerEndpoint *docker_transport_endpoint(DockerTransport *transport)
{
    return transport->endpoint;
}

/* ---- Lines ---- */

static DockerLine *take_line(DockerTransport *transport)
{
    DockerLine *line = NULL;

    mutex_lock(&transport->lock);
    if (transport->idle_lines->len > 0)
        line = g_ptr_array_steal_index(transport->idle_lines, transport->idle_lines->len - 1);
    mutex_unlock(&transport->lock);
    return line ? line : docker_line_new();
}

static void give_back(DockerTransport *transport, DockerLine *line)
{
    mutex_lock(&transport->lock);
    if (transport->idle_lines->len < IDLE_LINES_MAX) {
        g_ptr_array_add(transport->idle_lines, line);
        line = NULL;
    }
    mutex_unlock(&transport->lock);
    docker_line_free(line);
}

static gboolean exchange(DockerTransport *transport, const char *target,
                         const DockerRequest *request, DockerAnswer *answer, GError **error)
{
    DockerLine *line = take_line(transport);
    gboolean is_broken = FALSE;
    gboolean ok;

    ok = docker_exchange(line, transport->endpoint, target, request, answer, &is_broken, error);
    give_back(transport, line);
    if (is_broken)
        docker_transport_forget(transport);
    return ok;
}

/* ---- The API version ---- */

void docker_transport_forget(DockerTransport *transport)
{
    mutex_lock(&transport->lock);
    transport->minor = 0;
    mutex_unlock(&transport->lock);
}

static gboolean ask(DockerTransport *transport, const char *method, DockerAnswer *answer,
                    GError **error)
{
    DockerRequest request = {
        .method = method,
        .path = "/_ping",
        .is_unversioned = TRUE,
        .deadline_ms = transport->ping_ms,
        .max_body = 4096,
    };
    return exchange(transport, request.path, &request, answer, error);
}

/* What to speak with a daemon that says it knows `theirs`. 0: nothing. */
static guint choose_minor(DockerTransport *transport, guint theirs)
{
    if (transport->pinned_minor)
        return transport->pinned_minor;
    return theirs < DOCKER_MIN_API ? 0 : MIN(theirs, DOCKER_MAX_API);
}

gboolean docker_transport_ping(DockerTransport *transport, GError **error)
{
    g_auto(DockerAnswer) answer = {0};
    guint minor;

    if (!ask(transport, "HEAD", &answer, error))
        return FALSE;
    if (answer.status != 200) { /* some socket proxies only let GET through */
        docker_answer_clear(&answer);
        if (!ask(transport, "GET", &answer, error))
            return FALSE;
    }
    if (answer.status != 200)
        return error_set(error, ERROR_UNAVAILABLE, "docker: ping answered with status %u",
                         answer.status);
    minor = choose_minor(transport, answer.api_minor);
    if (minor == 0)
        return error_set(error, ERROR_UNAVAILABLE,
                         "docker: the daemon offers API 1.%u, at least 1.%d is needed",
                         answer.api_minor, DOCKER_MIN_API);
    mutex_lock(&transport->lock);
    transport->minor = minor;
    transport->is_podman = answer.is_podman;
    mutex_unlock(&transport->lock);
    return TRUE;
}

gboolean docker_transport_version(DockerTransport *transport, guint *minor, GError **error)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        mutex_lock(&transport->lock);
        *minor = transport->minor ? transport->minor : transport->pinned_minor;
        mutex_unlock(&transport->lock);
        if (*minor)
            return TRUE;
        if (!docker_transport_ping(transport, error))
            return FALSE;
    }
    return error_set(error, ERROR_UNAVAILABLE, "docker: the connection does not last");
}

gboolean docker_transport_is_podman(DockerTransport *transport)
{
    gboolean is_podman;

    mutex_lock(&transport->lock);
    is_podman = transport->is_podman;
    mutex_unlock(&transport->lock);
    return is_podman;
}

static char *target_dup(const DockerRequest *request, guint minor)
{
    return request->is_unversioned ? g_strdup(request->path)
                                   : g_strdup_printf("/v1.%u%s", minor, request->path);
}

gboolean docker_transport_target(DockerTransport *transport, const DockerRequest *request,
                                 char **target, GError **error)
{
    guint minor = 0;

    if (!request->is_unversioned && !docker_transport_version(transport, &minor, error))
        return FALSE;
    *target = target_dup(request, minor);
    return TRUE;
}

/* A 400 may mean that the daemon was replaced by one that does not speak our version any more; a
 * 400 has no effect, so the request can be sent again. TRUE when there is another version to try.
 */
static gboolean renegotiate(DockerTransport *transport, guint *minor)
{
    guint before = *minor;

    if (transport->pinned_minor || !docker_transport_ping(transport, NULL))
        return FALSE;
    return docker_transport_version(transport, minor, NULL) && *minor != before;
}

gboolean docker_transport_call(DockerTransport *transport, const DockerRequest *request,
                               DockerAnswer *answer, GError **error)
{
    g_autofree char *target = NULL;
    guint minor = 0;

    if (!request->is_unversioned && !docker_transport_version(transport, &minor, error))
        return FALSE;
    target = target_dup(request, minor);
    if (!exchange(transport, target, request, answer, error))
        return FALSE;
    if (answer->status != 400 || request->is_unversioned || !renegotiate(transport, &minor))
        return TRUE;
    g_free(target);
    target = target_dup(request, minor);
    docker_answer_clear(answer);
    return exchange(transport, target, request, answer, error);
}
