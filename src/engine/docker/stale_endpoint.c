/* An endpoint of a container that is gone keeps its name in the network, after an unclean stop of
 * the daemon, and every start under that name fails.
 *
 * The daemon removes such an endpoint only by a name that no container has. So ours gives its name
 * up for the moment: renamed, the endpoint disconnected by force, renamed back. Disconnecting the
 * container itself would take the network out of its settings. Source: spec 02, 17.1 L40. */
#include "base/json_out.h"
#include "base/log.h"
#include "engine/docker/docker.h"
#include "engine/docker/json.h"

#include <string.h>

#define BEFORE_NAME    "endpoint with name "
#define BEFORE_NETWORK " already exists in network "
#define PASSING_NAME   "workspaced-passing-"
#define ID_BYTES       12
#define NAME_MARKS     "_.-"

/* The word at the front of `text`. Caller owns it. */
static char *name_at(const char *text)
{
    gsize length = 0;

    while (g_ascii_isalnum(text[length]) || (text[length] && strchr(NAME_MARKS, text[length])))
        length++;
    return g_strndup(text, length);
}

/* Whether the daemon refused for that reason; names what it names. */
static gboolean read_refusal(const DockerAnswer *answer, char **name, char **network)
{
    g_autofree char *message = NULL;
    const char *at = NULL;
    const char *behind = NULL;
    JsonView view;

    if (answer->status / 100 == 2 || !docker_answer_is_own(answer) ||
        !docker_answer_json(answer, &view, NULL))
        return FALSE;
    message = docker_json_text(view, "message");
    at = message ? strstr(message, BEFORE_NAME) : NULL;
    behind = at ? strstr(at, BEFORE_NETWORK) : NULL;
    if (!behind)
        return FALSE;
    *name = name_at(at + strlen(BEFORE_NAME));
    *network = name_at(behind + strlen(BEFORE_NETWORK));
    return **name && **network;
}

static gboolean rename_to(DockerEngine *docker, const char *id, const char *name)
{
    g_autofree char *rest = g_strconcat("/rename?name=", name, NULL);
    g_autofree char *path = docker_path("containers", id, rest);
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "POST",
        .path = path,
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.read_ms,
    };

    return docker_call_ok(docker, &request, "container", &answer, NULL);
}

static void disconnect(DockerEngine *docker, const char *network, const char *name)
{
    g_autofree char *path = docker_path("networks", network, "/disconnect");
    g_autoptr(GString) body = g_string_new(NULL);
    g_auto(DockerAnswer) answer = {0};
    JsonOut out = json_out_start(body);

    json_out_object(&out, NULL);
    json_out_text(&out, "Container", name);
    json_out_bool(&out, "Force", TRUE);
    json_out_end(&out);
    DockerRequest request = {
        .method = "POST",
        .path = path,
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.read_ms,
        .body = body->str,
        .body_length = body->len,
    };
    if (docker_call(docker, &request, &answer, NULL) && answer.status / 100 != 2)
        docker_log_refusal(&request, &answer);
}

gboolean docker_free_endpoint(DockerEngine *docker, const char *ref, const DockerAnswer *refusal)
{
    g_autofree char *name = NULL;
    g_autofree char *network = NULL;
    g_autofree char *passing = NULL;
    g_autoptr(ContainerInfo) info = NULL;

    if (!read_refusal(refusal, &name, &network) ||
        !docker_inspect(&docker->base, ref, &info, NULL) || strcmp(info->name, name) != 0)
        return FALSE;
    log_warning("a dead container's endpoint is in the way; it is removed",
                LOG_TEXT("container", name), LOG_TEXT("network", network));
    passing = g_strdup_printf(PASSING_NAME "%.*s", ID_BYTES, info->id);
    if (!rename_to(docker, info->id, passing))
        return FALSE;
    disconnect(docker, network, name);
    return rename_to(docker, info->id, name);
}
