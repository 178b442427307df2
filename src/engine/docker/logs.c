/* A container's output. Our containers have no terminal, so both streams come framed on one
 * connection. Source: spec 02, 8.13. */
#include "engine/docker/docker.h"
#include "engine/docker/frames.h"

#include <string.h>

#define TAIL_SLACK (64 * 1024) /* kept beyond the limit before the front is cut off */

static char *logs_path(const char *ref, guint lines, gboolean follow)
{
    g_autofree char *tail = lines ? g_strdup_printf("%u", lines) : g_strdup("all");
    g_autofree char *rest =
        g_strdup_printf("/logs?stdout=1&stderr=1&tail=%s%s", tail, follow ? "&follow=1" : "");
    return docker_path("containers", ref, rest);
}

/* ---- The end of what is there ---- */

typedef struct {
    GString *text;
    gsize max_bytes;
    gboolean is_broken;
    DockerFrames frames;
} Tail;

static void cut_front(Tail *tail, gsize slack)
{
    if (tail->text->len > tail->max_bytes + slack)
        g_string_erase(tail->text, 0, (gssize)(tail->text->len - tail->max_bytes));
}

static gboolean keep_piece(DockerStream stream, const char *bytes, gsize length, void *data)
{
    Tail *tail = data;

    (void)stream;
    g_string_append_len(tail->text, bytes, (gssize)length);
    cut_front(tail, MAX(tail->max_bytes, TAIL_SLACK));
    return TRUE;
}

static gboolean take_tail(const char *bytes, gsize length, void *data)
{
    Tail *tail = data;

    tail->is_broken = docker_frames_push(&tail->frames, bytes, length) != DOCKER_FRAMES_OK;
    return !tail->is_broken;
}

gboolean docker_logs(Engine *self, const char *ref, guint lines, gsize max_bytes, GBytes **text,
                     GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autofree char *path = logs_path(ref, lines, FALSE);
    g_autoptr(GString) kept = g_string_new(NULL);
    Tail tail = {.text = kept, .max_bytes = max_bytes};
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "GET",
        .path = path,
        .deadline_ms = docker->deadlines.read_ms,
        .sink = take_tail,
        .data = &tail,
    };

    tail.frames = docker_frames_start(keep_piece, &tail);
    if (!docker_call_ok(docker, &request, "container", &answer, error))
        return FALSE;
    if (tail.is_broken || !docker_frames_at_border(&tail.frames))
        return error_set(error, ERROR_INTERNAL, "docker: unreadable logs");
    cut_front(&tail, 0);
    *text = g_string_free_to_bytes(g_steal_pointer(&kept));
    return TRUE;
}

/* ---- And what comes ---- */

typedef struct {
    EngineBytesFunction function;
    void *data;
    Cancel *cancel;
    gboolean is_broken;
    DockerFrames frames;
} Follow;

static gboolean pass_piece(DockerStream stream, const char *bytes, gsize length, void *data)
{
    Follow *follow = data;

    (void)stream;
    if (cancel_fired(follow->cancel))
        return FALSE;
    follow->function(bytes, length, follow->data);
    return TRUE;
}

static gboolean take_follow(const char *bytes, gsize length, void *data)
{
    Follow *follow = data;
    DockerFramesResult result = docker_frames_push(&follow->frames, bytes, length);

    follow->is_broken = result == DOCKER_FRAMES_BROKEN;
    return result == DOCKER_FRAMES_OK;
}

gboolean docker_logs_follow(Engine *self, const char *ref, guint lines, Cancel *cancel,
                            EngineBytesFunction function, void *data, GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autofree char *path = logs_path(ref, lines, TRUE);
    Follow follow = {.function = function, .data = data, .cancel = cancel};
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "GET",
        .path = path,
        .head_ms = docker->deadlines.read_ms,
        .sink = take_follow,
        .data = &follow,
        .cancel = cancel,
    };

    follow.frames = docker_frames_start(pass_piece, &follow);
    if (!docker_call_ok(docker, &request, "container", &answer, error))
        return FALSE;
    if (follow.is_broken)
        return error_set(error, ERROR_INTERNAL, "docker: unreadable logs");
    if (!answer.is_cancelled && !docker_frames_at_border(&follow.frames))
        return error_set(error, ERROR_UNAVAILABLE, "docker: the logs ended in the middle");
    return TRUE;
}
