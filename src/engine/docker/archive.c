/* Files in and out of a container in any state, as tar. Source: spec 02, 8.12 and 8.13. */
#include "engine/docker/docker.h"

static char *archive_path(const char *ref, const char *path, const char *options)
{
    g_autofree char *escaped = g_uri_escape_string(path, "/", FALSE);
    g_autofree char *rest = g_strconcat("/archive?path=", escaped, options, NULL);
    return docker_path("containers", ref, rest);
}

gboolean docker_copy_in(Engine *self, const char *ref, const char *path, GBytes *tar,
                        GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autofree char *target = archive_path(ref, path, "&noOverwriteDirNonDir=true");
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "PUT",
        .path = target,
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.archive_ms,
        .body = g_bytes_get_data(tar, NULL),
        .body_length = g_bytes_get_size(tar),
        .content_type = "application/x-tar",
        .expects_continue = TRUE,
    };

    if (!docker_call(docker, &request, &answer, error))
        return FALSE;
    if (answer.status / 100 == 2)
        return TRUE;
    if (answer.status == 400 && docker_answer_is_own(&answer)) {
        docker_log_refusal(&request, &answer);
        return error_set(error, ERROR_INVALID, "the files cannot be unpacked there");
    }
    return docker_refuse(&request, &answer, "container or path", error);
}

#define TAR_BLOCK_BYTES 512
#define EMPTY_TRIES     5
#define EMPTY_WAIT_US   (100 * 1000)

/* No archive is shorter than a block. Podman, while it still tidies up after a container that just
 * ended, answers 200 and gives nothing: asked a moment later it gives the files. */
static gboolean is_empty(const DockerAnswer *answer)
{
    return !answer->body || answer->body->len < TAR_BLOCK_BYTES;
}

gboolean docker_copy_out(Engine *self, const char *ref, const char *path, gsize max_bytes,
                         GBytes **tar, GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autofree char *target = archive_path(ref, path, "");
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "GET",
        .path = target,
        .deadline_ms = docker->deadlines.archive_ms,
        .max_body = MAX(max_bytes, 1),
        .cap_is_outcome = TRUE,
    };

    if (!docker_call_ok(docker, &request, "container or path", &answer, error))
        return FALSE;
    for (guint i = 1; is_empty(&answer) && i < EMPTY_TRIES; i++) {
        g_usleep(EMPTY_WAIT_US);
        docker_answer_clear(&answer);
        if (!docker_call_ok(docker, &request, "container or path", &answer, error))
            return FALSE;
    }
    if (is_empty(&answer))
        return error_set(error, ERROR_UNAVAILABLE, "docker: an archive without a block");
    *tar = g_string_free_to_bytes(g_steal_pointer(&answer.body));
    return TRUE;
}
