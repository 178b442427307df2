/* Containers: looking, starting, stopping, freezing. Source: spec 02, 8.13, 8.14 and 17.3 E. */
#include "base/log.h"
#include "engine/docker/docker.h"
#include "engine/docker/info.h"
#include "engine/docker/json.h"

#include <string.h>

#define LIST_MAX    (64 * 1024 * 1024) /* some 20,000 containers */
#define INSPECT_MAX (1024 * 1024)
#define SHORT_ID    12 /* digits of an id that name a container safely */

/* ---- Looking ---- */

/* The daemon filters; a proxy or an old Podman that does not must not make us touch what is not
 * ours, so the labels are looked at, too. */
gboolean docker_list(Engine *self, const char *installation, GPtrArray **containers, GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autofree char *filters = docker_json_filters(NULL, installation);
    g_autofree char *path = g_strconcat("/containers/json?all=1&filters=", filters, NULL);
    DockerListing *listing =
        docker_listing_take(docker, &docker->containers, &docker_container_element);
    GString *text = NULL;
    gboolean ok = docker_get_list(docker, path, LIST_MAX, listing, &text, error) &&
                  docker_info_from_list(listing, text, installation, containers, error);

    docker_listing_give_back(docker, &docker->containers, listing);
    return ok;
}

/* Whether the daemon means what we mean: it also takes any unique beginning of an id. */
static gboolean is_meant(const ContainerInfo *info, const char *ref)
{
    return strcmp(info->name, ref) == 0 ||
           (strlen(ref) >= SHORT_ID && g_str_has_prefix(info->id, ref));
}

gboolean docker_inspect(Engine *self, const char *ref, ContainerInfo **info, GError **error)
{
    g_autofree char *path = docker_path("containers", ref, "/json");
    g_autoptr(ContainerInfo) read = NULL;
    g_auto(DockerAnswer) answer = {0};
    JsonView view;

    if (!docker_get(docker_engine(self), path, INSPECT_MAX, "container", &answer, &view, error) ||
        !docker_info_from_inspect(view, &read, error))
        return FALSE;
    if (!is_meant(read, ref))
        return error_set(error, ERROR_NOT_FOUND, "container not found");
    *info = g_steal_pointer(&read);
    return TRUE;
}

/* ---- Starting ---- */

/* A 404 means the container, or its network. */
static gboolean refuse_missing(Engine *self, const char *ref, GError **error)
{
    g_autoptr(ContainerInfo) info = NULL;

    if (!docker_inspect(self, ref, &info, error))
        return FALSE;
    return error_set(error, ERROR_INVALID, "the container cannot be started: its network is gone");
}

/* The daemon leaves the exit code of a shell behind when a command cannot be run; 127 also stands
 * for a mount that does not fit, which its sentence tells apart. */
static Reason reason_of_start(Engine *self, const char *ref, const DockerAnswer *answer)
{
    Reason reason = docker_answer_reason(answer);
    g_autoptr(ContainerInfo) info = NULL;

    if (reason != REASON_NONE || !docker_inspect(self, ref, &info, NULL))
        return reason;
    reason = reason_of_exit(info->exit_code, FALSE);
    return reason == REASON_COMMAND_NOT_FOUND || reason == REASON_COMMAND_NOT_EXECUTABLE
               ? reason
               : REASON_NONE;
}

static gboolean refuse_start(Engine *self, const char *ref, const DockerRequest *request,
                             const DockerAnswer *answer, GError **error)
{
    Reason reason = reason_of_start(self, ref, answer);

    docker_log_refusal(request, answer);
    if (reason == REASON_COMMAND_NOT_FOUND || reason == REASON_COMMAND_NOT_EXECUTABLE ||
        reason == REASON_MOUNT_REFUSED)
        return error_set_reason(error, ERROR_INVALID, reason, "the container cannot be started: %s",
                                reason_sentence(reason));
    if (answer->status != 400) /* a port, a full disk: may be better next time */
        return docker_refuse(request, answer, "container", error);
    return error_set_reason(error, ERROR_INVALID,
                            reason == REASON_NONE ? REASON_SETTINGS_REFUSED : reason,
                            "the container cannot be started: its command is not in the image or "
                            "may not be run, or a mount does not fit");
}

gboolean docker_start(Engine *self, const char *ref, GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autofree char *path = docker_path("containers", ref, "/start");
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "POST",
        .path = path,
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.start_ms,
    };

    if (!docker_call(docker, &request, &answer, error))
        return FALSE;
    if (docker_free_endpoint(docker, ref, &answer)) {
        docker_answer_clear(&answer);
        answer = (DockerAnswer){0};
        if (!docker_call(docker, &request, &answer, error))
            return FALSE;
    }
    if (answer.status / 100 == 2 || answer.status == 304)
        return TRUE;
    if (docker_answer_is_absent(&answer)) {
        docker_log_refusal(&request, &answer);
        return refuse_missing(self, ref, error);
    }
    if ((answer.status == 400 || answer.status == 500) && docker_answer_is_own(&answer))
        return refuse_start(self, ref, &request, &answer, error);
    return docker_refuse(&request, &answer, "container", error);
}

/* ---- Stopping ---- */

/* Between two runs of a crash loop nothing runs that could be stopped: without its restart policy
 * the container cannot come back. A daemon that cannot change it (Podman) stops for good anyway, so
 * that only a broken connection counts. */
static gboolean forbid_restart(DockerEngine *docker, const char *ref, GError **error)
{
    static const char body[] = "{\"RestartPolicy\":{\"Name\":\"no\"}}";
    g_autofree char *path = docker_path("containers", ref, "/update");
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "POST",
        .path = path,
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.read_ms,
        .body = body,
        .body_length = sizeof body - 1,
    };

    if (!docker_call(docker, &request, &answer, error))
        return FALSE;
    if (answer.status / 100 != 2)
        docker_log_refusal(&request, &answer);
    return TRUE;
}

static gboolean ask_to_stop(DockerEngine *docker, const char *ref, guint grace_seconds,
                            gboolean *was_running, GError **error)
{
    g_autofree char *rest = g_strdup_printf("/stop?t=%u", grace_seconds);
    g_autofree char *path = docker_path("containers", ref, rest);
    g_auto(DockerAnswer) answer = {0};
    guint grace_ms = MIN(grace_seconds, 86400u) * 1000;
    DockerRequest request = {
        .method = "POST",
        .path = path,
        .has_effect = TRUE,
        .deadline_ms = grace_ms + docker->deadlines.stop_ms,
    };

    if (!docker_call(docker, &request, &answer, error))
        return FALSE;
    *was_running = answer.status != 304 && !docker_answer_is_absent(&answer);
    if (answer.status / 100 == 2 || !*was_running)
        return TRUE;
    return docker_refuse(&request, &answer, "container", error);
}

/* A container that was running when it was stopped stays stopped: the daemon remembers who ended
 * it. Changing its policy first, always, would cost 10 ms of every removal. */
gboolean docker_stop(Engine *self, const char *ref, guint grace_seconds, GError **error)
{
    DockerEngine *docker = docker_engine(self);
    gboolean was_running = FALSE;

    if (!ask_to_stop(docker, ref, grace_seconds, &was_running, error))
        return FALSE;
    return was_running || (forbid_restart(docker, ref, error) &&
                           ask_to_stop(docker, ref, grace_seconds, &was_running, error));
}

/* ---- Freezing ---- */

/* The daemon refuses when there is nothing to change, too, each version with a status of its own:
 * the state decides. */
static gboolean judge_state(Engine *self, const char *ref, ContainerState wanted,
                            const DockerRequest *request, const DockerAnswer *answer,
                            GError **error)
{
    g_autoptr(ContainerInfo) info = NULL;

    if (!docker_inspect(self, ref, &info, error))
        return FALSE;
    if (info->state == wanted)
        return TRUE;
    if (info->state != CONTAINER_RUNNING && info->state != CONTAINER_PAUSED) {
        docker_log_refusal(request, answer);
        return error_set(error, ERROR_CONFLICT, "the container is not running");
    }
    return docker_refuse(request, answer, "container", error);
}

static gboolean set_frozen(Engine *self, const char *ref, const char *verb, ContainerState wanted,
                           GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autofree char *path = docker_path("containers", ref, verb);
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "POST",
        .path = path,
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.read_ms,
    };

    if (!docker_call(docker, &request, &answer, error))
        return FALSE;
    if (answer.status / 100 == 2 || answer.status == 304)
        return TRUE;
    if (!docker_answer_is_own(&answer) || answer.status == 404)
        return docker_refuse(&request, &answer, "container", error);
    return judge_state(self, ref, wanted, &request, &answer, error);
}

gboolean docker_freeze(Engine *self, const char *ref, GError **error)
{
    return set_frozen(self, ref, "/pause", CONTAINER_PAUSED, error);
}

gboolean docker_thaw(Engine *self, const char *ref, GError **error)
{
    return set_frozen(self, ref, "/unpause", CONTAINER_RUNNING, error);
}
