/* Removing a container: done when the daemon itself says that it is not there, and not before.
 *
 * A removal that somebody else has begun answers 409; both ways end only at a 404. Source: spec
 * 02, 8.14 (measured statuses) and 17.3 E. */
#include "base/clock.h"
#include "engine/docker/docker.h"

#define LOOK_FIRST_US 10000
#define LOOK_MAX_US   500000

/* FALSE without an error: still there. */
static gboolean look_gone(DockerEngine *docker, const char *ref, gboolean *is_gone, GError **error)
{
    g_autofree char *path = docker_path("containers", ref, "/json");
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "GET",
        .path = path,
        .deadline_ms = docker->deadlines.read_ms,
    };

    if (!docker_call(docker, &request, &answer, error))
        return FALSE;
    *is_gone = docker_answer_is_absent(&answer);
    if (*is_gone || answer.status == 200)
        return TRUE;
    return docker_refuse(&request, &answer, "container", error);
}

static gboolean still_there(const char *ref, GError **error)
{
    return error_set(error, ERROR_OUTCOME_UNKNOWN, "docker: container %s is still being removed",
                     ref);
}

static gboolean wait_gone(DockerEngine *docker, const char *ref, gint64 deadline_us, GError **error)
{
    gint64 pause_us = LOOK_FIRST_US;
    gboolean is_gone = FALSE;

    for (;;) {
        if (!look_gone(docker, ref, &is_gone, error))
            return FALSE;
        if (is_gone)
            return TRUE;
        if (clock_monotonic_us() + pause_us > deadline_us)
            return still_there(ref, error);
        g_usleep((gulong)pause_us);
        pause_us = MIN(pause_us * 2, LOOK_MAX_US);
    }
}

/* One request; `is_busy`: somebody else is at it, or the daemon says so. */
static gboolean ask(DockerEngine *docker, const char *ref, gboolean *is_gone, gboolean *is_busy,
                    GError **error)
{
    g_autofree char *path = docker_path("containers", ref, "?force=1&v=1");
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "DELETE",
        .path = path,
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.remove_ms,
    };

    if (!docker_call(docker, &request, &answer, error))
        return FALSE;
    *is_gone = docker_answer_is_absent(&answer);
    *is_busy = answer.status == 409 && docker_answer_is_own(&answer);
    if (*is_gone || *is_busy || answer.status / 100 == 2)
        return TRUE;
    return docker_refuse(&request, &answer, "container", error);
}

/* Asking again costs nothing when a removal is under way, and does the work when it was given up.
 */
gboolean docker_remove(Engine *self, const char *ref, GError **error)
{
    DockerEngine *docker = docker_engine(self);
    gint64 deadline_us = clock_monotonic_us() + (gint64)docker->deadlines.remove_ms * 1000;
    gint64 pause_us = LOOK_FIRST_US;
    gboolean is_gone = FALSE, is_busy = FALSE;

    for (;;) {
        if (!ask(docker, ref, &is_gone, &is_busy, error))
            return FALSE;
        if (is_gone)
            return TRUE;
        if (!is_busy)
            return wait_gone(docker, ref, deadline_us, error);
        if (clock_monotonic_us() + pause_us > deadline_us)
            return still_there(ref, error);
        g_usleep((gulong)pause_us);
        pause_us = MIN(pause_us * 2, LOOK_MAX_US);
    }
}
