/* Images that a newer pull took the tag from: they stay, untagged, until somebody removes them.
 *
 * Their digests still name the repository they came from; that is how ours are known. A removal is
 * never forced, so the daemon itself keeps what a container is made from. Source: spec 02, 17.1
 * L39. */
#include "base/log.h"
#include "engine/docker/docker.h"
#include "engine/docker/json.h"

#include <string.h>

#define LIST_MAX  (16 * 1024 * 1024)
#define LIST_PATH "/images/json?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D"
#define NO_TAG    "<none>:<none>"

/* Podman's list is not filtered the same way, so that tags are looked at once more. */
static gboolean has_tag(JsonView element)
{
    JsonView tags;
    JsonWalk walk;

    if (!docker_json_child(element, "RepoTags", &tags))
        return FALSE;
    walk = json_view_walk(tags);
    while (json_walk_next(&walk)) {
        g_autofree char *tag = json_view_text_dup(walk.value, NULL);

        if (tag && strcmp(tag, NO_TAG) != 0)
            return TRUE;
    }
    return FALSE;
}

/* Every digest is of that repository, and there is one. */
static gboolean is_of(JsonView element, const char *repository)
{
    g_autofree char *prefix = g_strconcat(repository, "@", NULL);
    gboolean found = FALSE;
    JsonView digests;
    JsonWalk walk;

    if (!docker_json_child(element, "RepoDigests", &digests))
        return FALSE;
    walk = json_view_walk(digests);
    while (json_walk_next(&walk)) {
        g_autofree char *digest = json_view_text_dup(walk.value, NULL);

        if (!digest || !g_str_has_prefix(digest, prefix))
            return FALSE;
        found = TRUE;
    }
    return found;
}

static gboolean remove_one(DockerEngine *docker, const char *id, gboolean *is_gone, GError **error)
{
    g_autofree char *path = docker_path("images", id, "");
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "DELETE",
        .path = path,
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.remove_ms,
    };

    if (!docker_call(docker, &request, &answer, error))
        return FALSE;
    *is_gone = answer.status / 100 == 2;
    if (!*is_gone && answer.status != 409) /* 409: a container is made from it */
        docker_log_refusal(&request, &answer);
    return TRUE;
}

gboolean docker_image_prune(Engine *self, const char *repository, guint *removed, GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_auto(DockerAnswer) answer = {0};
    JsonView document;
    JsonWalk walk;

    if (!docker_get(docker, LIST_PATH, LIST_MAX, "list", &answer, &document, error))
        return FALSE;
    walk = json_view_walk(document);
    while (json_walk_next(&walk)) {
        g_autofree char *id = docker_json_text(walk.value, "Id");
        gboolean is_gone = FALSE;

        if (!id || !*id || has_tag(walk.value) || !is_of(walk.value, repository))
            continue;
        if (!remove_one(docker, id, &is_gone, error))
            return FALSE;
        if (is_gone)
            log_info("an image that a newer one replaced was removed", LOG_TEXT("image", id),
                     LOG_TEXT("repository", repository));
        *removed += is_gone ? 1 : 0;
    }
    return TRUE;
}
