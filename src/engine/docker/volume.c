/* Volumes and networks. A create of a volume that exists answers with the old one and its old
 * labels: the caller looks at them. Source: spec 02, 8.4 and 8.14. */
#include "base/json_out.h"
#include "engine/docker/docker.h"
#include "engine/docker/info.h"
#include "engine/docker/json.h"

#include <string.h>

#define LIST_MAX    (16 * 1024 * 1024)
#define HOLDERS_MAX 3

/* ---- Volumes ---- */

static void write_volume(GString *text, const char *name, const EngineLabels *labels)
{
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "Name", name);
    json_out_text(&out, "Driver", "local");
    docker_json_out_labels(&out, labels);
    json_out_end(&out);
}

static gboolean read_volume(const DockerAnswer *answer, const char *name, EngineLabels *labels,
                            GError **error)
{
    g_autofree char *theirs = NULL;
    JsonView view, child;

    if (docker_answer_json(answer, &view, NULL))
        theirs = docker_json_text(view, "Name");
    if (g_strcmp0(theirs, name) != 0)
        return error_set(error, ERROR_OUTCOME_UNKNOWN, "docker: a new volume without its name");
    *labels = (EngineLabels){0};
    if (docker_json_child(view, "Labels", &child))
        docker_json_labels(child, labels);
    return TRUE;
}

gboolean docker_volume_create(Engine *self, const char *name, const EngineLabels *labels,
                              EngineLabels *existing, GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autoptr(GString) body = g_string_new(NULL);
    g_auto(DockerAnswer) answer = {0};

    write_volume(body, name, labels);
    DockerRequest request = {
        .method = "POST",
        .path = "/volumes/create",
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.read_ms,
        .body = body->str,
        .body_length = body->len,
    };
    return docker_call_ok(docker, &request, "volume", &answer, error) &&
           read_volume(&answer, name, existing, error);
}

/* One walk over the members: a list may have thousands of elements. */
static gpointer volume_read(JsonView element, GError **error)
{
    g_autoptr(VolumeInfo) info = g_new0(VolumeInfo, 1);
    JsonWalk walk = json_view_walk(element);

    while (json_walk_next(&walk)) {
        if (docker_json_key_is(walk.key, "Name") && !info->name)
            info->name = json_view_text_dup(walk.value, NULL);
        else if (docker_json_key_is(walk.key, "Labels"))
            docker_json_labels(walk.value, &info->labels);
    }
    if (info->name && *info->name)
        return g_steal_pointer(&info);
    error_set(error, ERROR_INTERNAL, "docker: a volume without a name");
    return NULL;
}

static gpointer volume_ref(gpointer info)
{
    return volume_info_ref(info);
}

static void volume_unref(gpointer info)
{
    volume_info_free(info);
}

static const EngineLabels *volume_labels(gconstpointer info)
{
    return &((const VolumeInfo *)info)->labels;
}

const DockerElement docker_volume_element = {
    .name = "volumes",
    .read = volume_read,
    .ref = volume_ref,
    .unref = volume_unref,
    .labels = volume_labels,
};

/* A volume driver that does not answer is a warning beside the others' volumes: the list is not
 * complete then. */
static gboolean is_complete(JsonView warnings)
{
    JsonWalk walk = json_view_walk(warnings);

    return !json_walk_next(&walk);
}

/* What stands behind a key. `has_list`: the volumes were there, be it null for none. */
static gboolean read_member(DockerListing *listing, JsonPieces *pieces, JsonView key,
                            gboolean *has_list, GError **error)
{
    gboolean is_list = docker_json_key_is(key, "Volumes");
    JsonView value;

    if (is_list && !json_pieces_is(pieces, 'n')) {
        *has_list = TRUE;
        return docker_listing_array(listing, pieces, error);
    }
    if (!json_pieces_value(pieces, &value))
        return TRUE; /* docker_listing_end says it */
    *has_list = *has_list || is_list;
    return !docker_json_key_is(key, "Warnings") || is_complete(value) ||
           error_set(error, ERROR_UNAVAILABLE, "docker: the list of volumes is not complete");
}

gboolean docker_volume_list_read(DockerListing *listing, GString *text, const char *installation,
                                 GPtrArray **volumes, GError **error)
{
    JsonPieces pieces = docker_listing_start(listing, text);
    gboolean has_list = FALSE;
    JsonView key;

    if (json_pieces_enter(&pieces, '{'))
        while (json_pieces_next(&pieces, '}') && json_pieces_key(&pieces, &key))
            if (!read_member(listing, &pieces, key, &has_list, error))
                return FALSE;
    if (!has_list && !pieces.fault)
        return error_set(error, ERROR_INTERNAL, "docker: the list of volumes is no list");
    return docker_listing_end(listing, &pieces, installation, volumes, error);
}

gboolean docker_volume_list(Engine *self, const char *installation, GPtrArray **volumes,
                            GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autofree char *filters = docker_json_filters(NULL, installation);
    g_autofree char *path = g_strconcat("/volumes?filters=", filters, NULL);
    DockerListing *listing = docker_listing_take(docker, &docker->volumes, &docker_volume_element);
    GString *text = NULL;
    gboolean ok = docker_get_list(docker, path, LIST_MAX, listing, &text, error) &&
                  docker_volume_list_read(listing, text, installation, volumes, error);

    docker_listing_give_back(docker, &docker->volumes, listing);
    return ok;
}

/* ---- Removing ---- */

static char *holders_path_dup(const char *name)
{
    g_autoptr(GString) filters = g_string_new(NULL);
    g_autofree char *escaped = NULL;
    JsonOut out = json_out_start(filters);

    json_out_object(&out, NULL);
    json_out_array(&out, "volume");
    json_out_text(&out, NULL, name);
    json_out_end(&out);
    json_out_end(&out);
    escaped = g_uri_escape_string(filters->str, NULL, FALSE);
    return g_strconcat("/containers/json?all=1&filters=", escaped, NULL);
}

/* The names of the first containers that have the volume, for people; NULL when that is not known.
 */
static char *holders_dup(DockerEngine *docker, const char *name)
{
    g_autofree char *path = holders_path_dup(name);
    g_autoptr(GPtrArray) containers = NULL;
    g_autoptr(DockerListing) listing = docker_listing_new(&docker_container_element);
    g_autoptr(GString) names = g_string_new(NULL);
    GString *text = NULL;

    if (!docker_get_list(docker, path, LIST_MAX, listing, &text, NULL) ||
        !docker_info_from_list(listing, text, NULL, &containers, NULL) || containers->len == 0)
        return NULL;
    for (guint i = 0; i < MIN(containers->len, HOLDERS_MAX); i++)
        g_string_append_printf(names, "%s%s", i ? ", " : "",
                               ((ContainerInfo *)containers->pdata[i])->name);
    return g_string_free(g_steal_pointer(&names), FALSE);
}

/* Whoever reads it wants to know which container to end: it is none of the workspace. */
static gboolean refuse_in_use(DockerEngine *docker, const char *name, GError **error)
{
    g_autofree char *holders = holders_dup(docker, name);

    return error_set(error, ERROR_CONFLICT, "the volume is in use%s%s", holders ? " by " : "",
                     holders ? holders : "");
}

gboolean docker_volume_remove(Engine *self, const char *name, GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autofree char *path = docker_path("volumes", name, "");
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "DELETE",
        .path = path,
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.read_ms,
    };

    if (!docker_call(docker, &request, &answer, error))
        return FALSE;
    if (answer.status / 100 == 2 || docker_answer_is_absent(&answer))
        return TRUE;
    if (answer.status == 409 && docker_answer_is_own(&answer)) {
        docker_log_refusal(&request, &answer);
        return refuse_in_use(docker, name, error);
    }
    return docker_refuse(&request, &answer, "volume", error);
}

/* ---- Networks ---- */

/* By its exact name: the daemon also finds networks by the beginning of their id. */
static gboolean network_exists(DockerEngine *docker, const char *name, gboolean *exists,
                               GError **error)
{
    g_autofree char *path = docker_path("networks", name, "");
    g_autofree char *theirs = NULL;
    g_auto(DockerAnswer) answer = {0};
    JsonView view;
    DockerRequest request = {
        .method = "GET",
        .path = path,
        .deadline_ms = docker->deadlines.read_ms,
    };

    *exists = FALSE;
    if (!docker_call(docker, &request, &answer, error))
        return FALSE;
    if (docker_answer_is_absent(&answer))
        return TRUE;
    if (answer.status != 200)
        return docker_refuse(&request, &answer, "network", error);
    if (!docker_answer_json(&answer, &view, error))
        return FALSE;
    theirs = docker_json_text(view, "Name");
    *exists = g_strcmp0(theirs, name) == 0;
    return TRUE;
}

static void write_network(GString *text, const char *name, const EngineLabels *labels)
{
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "Name", name);
    json_out_text(&out, "Driver", "bridge");
    json_out_bool(&out, "CheckDuplicate", TRUE);
    docker_json_out_labels(&out, labels);
    json_out_end(&out);
}

gboolean docker_network_ensure(Engine *self, const char *name, const EngineLabels *labels,
                               GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autoptr(GString) body = g_string_new(NULL);
    g_auto(DockerAnswer) answer = {0};
    gboolean exists = FALSE;

    if (!network_exists(docker, name, &exists, error))
        return FALSE;
    if (exists)
        return TRUE;
    write_network(body, name, labels);
    DockerRequest request = {
        .method = "POST",
        .path = "/networks/create",
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.create_ms,
        .body = body->str,
        .body_length = body->len,
    };
    if (!docker_call(docker, &request, &answer, error))
        return FALSE;
    if (answer.status == 201)
        return TRUE;
    if (answer.status == 409 && !network_exists(docker, name, &exists, error))
        return FALSE;
    return exists /* another server was faster */
           || docker_refuse(&request, &answer, "network", error);
}
