/* Images: looking, importing, pulling. The daemon reports a pull or import that fails on the way as
 * status 200 with an error in the stream, so that the last line decides. Source: spec 02, 8.5
 * and 17.3 G. */
#include "base/json_out.h"
#include "engine/docker/docker.h"
#include "engine/docker/json.h"
#include "engine/docker/lines.h"
#include "engine/docker/reason.h"
#include "engine/image_reference.h"

#include <string.h>

#define PROGRESS_MAX (1024 * 1024) /* of an import */

/* ---- References ---- */

/* "repo=<escaped>&tag=<escaped>" with the name of the first parameter. Without a tag a daemon would
 * pull all of them. */
static char *reference_query(const char *parameter, const char *image)
{
    const char *tag = image_reference_find_tag(image);
    g_autofree char *repository = tag ? g_strndup(image, (gsize)(tag - image)) : g_strdup(image);
    g_autofree char *escaped = g_uri_escape_string(repository, "/", FALSE);
    g_autofree char *escaped_tag = g_uri_escape_string(tag ? tag + 1 : "latest", NULL, FALSE);

    return g_strdup_printf("%s=%s&tag=%s", parameter, escaped, escaped_tag);
}

/* ---- Credentials ---- */

static char *registry_header(const char *registry, const char *user, const char *token)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *encoded = NULL;
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "username", user);
    json_out_text(&out, "password", token);
    json_out_text(&out, "serveraddress", registry);
    json_out_end(&out);
    encoded = g_base64_encode((const guchar *)text->str, text->len);
    g_strdelimit(encoded, "+", '-'); /* the daemon wants the URL's alphabet */
    g_strdelimit(encoded, "/", '_');
    return g_strconcat("X-Registry-Auth: ", encoded, NULL);
}

void engine_docker_registry_set(Engine *engine, const char *registry, const char *user,
                                const char *token)
{
    DockerEngine *docker = docker_engine(engine);
    gboolean is_set = registry && user && token;
    char *name = is_set ? g_strdup(registry) : NULL;
    char *header = is_set ? registry_header(registry, user, token) : NULL;

    mutex_lock(&docker->lock);
    char *old_name = docker->registry;
    char *old_header = docker->registry_header;
    docker->registry = name;
    docker->registry_header = header;
    mutex_unlock(&docker->lock);
    g_free(old_name);
    g_free(old_header);
}

/* The header for a pull of `image`, or NULL: nobody but its registry may see the token. Caller owns
 * it. */
static char *header_for(DockerEngine *docker, const char *image)
{
    g_autofree char *registry = image_reference_registry_dup(image);
    char *header = NULL;

    mutex_lock(&docker->lock);
    if (g_strcmp0(docker->registry, registry) == 0)
        header = g_strdup(docker->registry_header);
    mutex_unlock(&docker->lock);
    return header;
}

/* ---- Platform ---- */

void engine_docker_platform_set(Engine *engine, const char *platform)
{
    DockerEngine *docker = docker_engine(engine);
    char *copy = platform && *platform ? g_strdup(platform) : NULL;

    mutex_lock(&docker->lock);
    char *old = docker->platform;
    docker->platform = copy;
    mutex_unlock(&docker->lock);
    g_free(old);
}

/* Both parts there: "linux", "linux/" and "/amd64" name no platform (spec 02, 8.5). */
static gboolean names_both(const char *platform)
{
    const char *slash = strchr(platform, '/');

    return slash && slash != platform && slash[1];
}

char *docker_platform_query(DockerEngine *docker, gboolean is_pair)
{
    g_autofree char *platform = NULL;
    g_autofree char *escaped = NULL;

    mutex_lock(&docker->lock);
    platform = g_strdup(docker->platform);
    mutex_unlock(&docker->lock);
    if (!platform || (is_pair && !names_both(platform)))
        return g_strdup("");
    escaped = g_uri_escape_string(platform, "/", FALSE);
    return g_strconcat("&platform=", escaped, NULL);
}

/* ---- Looking ---- */

gboolean docker_image_inspect(Engine *self, const char *image, char **digest, GError **error)
{
    g_autofree char *escaped = g_uri_escape_string(image, "/:@", FALSE);
    g_autofree char *path = g_strconcat("/images/", escaped, "/json", NULL);
    g_autofree char *id = NULL;
    g_auto(DockerAnswer) answer = {0};
    JsonView view;

    if (!docker_get(docker_engine(self), path, 0, "image", &answer, &view, error))
        return FALSE;
    id = docker_json_text(view, "Id");
    if (!id || !*id)
        return error_set(error, ERROR_INTERNAL, "docker: an image without an id");
    if (digest)
        *digest = g_steal_pointer(&id);
    return TRUE;
}

/* ---- Streams of progress ---- */

typedef struct {
    DockerLines *lines;
    gboolean is_broken;
} Stream;

static gboolean on_bytes(const char *bytes, gsize length, void *data)
{
    Stream *stream = data;

    stream->is_broken = !docker_lines_push(stream->lines, bytes, length);
    return !stream->is_broken;
}

/* Sends, and reads the progress to its end. TRUE: the stream ended well, look into `progress` for a
 * failure. */
static gboolean run_stream(DockerEngine *docker, const DockerRequest *request,
                           DockerProgress *progress, DockerAnswer *answer, GError **error)
{
    g_auto(DockerLines) lines = docker_lines_start(docker_progress_take, progress);
    Stream stream = {.lines = &lines};
    DockerRequest streamed = *request;

    streamed.sink = on_bytes;
    streamed.data = &stream;
    if (!docker_call(docker, &streamed, answer, error))
        return FALSE;
    if (answer->status / 100 != 2)
        return TRUE;
    if (answer->is_cancelled && !stream.is_broken)
        return docker_exchange_fail(error, request, TRUE, "cancelled");
    /* A daemon always says something, if only that nothing was to do. */
    if (stream.is_broken || !docker_lines_end(&lines) || progress->values == 0)
        return docker_exchange_fail(error, request, TRUE, "unreadable progress");
    return TRUE;
}

/* Podman does not read `tag` here and calls everything "latest"; it takes a name with its tag. */
static char *import_query(DockerEngine *docker, const char *image)
{
    g_autofree char *escaped = g_uri_escape_string(image, "/:", FALSE);

    if (docker_transport_is_podman(docker->transport))
        return g_strconcat("repo=", escaped, NULL);
    return reference_query("repo", image);
}

gboolean docker_image_import(Engine *self, const char *image, GBytes *tar, GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autofree char *reference = import_query(docker, image);
    g_autofree char *path = g_strconcat("/images/create?fromSrc=-&", reference, NULL);
    g_auto(DockerProgress) progress = docker_progress_start(NULL, NULL);
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "POST",
        .path = path,
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.archive_ms,
        .max_body = PROGRESS_MAX,
        .body = g_bytes_get_data(tar, NULL),
        .body_length = g_bytes_get_size(tar),
        .content_type = "application/x-tar",
    };

    if (!run_stream(docker, &request, &progress, &answer, error))
        return FALSE;
    if (answer.status / 100 != 2)
        return docker_refuse(&request, &answer, "image", error);
    if (progress.failure)
        return error_set_reason(error, ERROR_INTERNAL, docker_reason_of_pull(progress.failure),
                                "docker: import of %s: %s", image, progress.failure);
    return TRUE;
}

/* ---- Pulling ---- */

/* The error words of the registries' own protocol (OCI distribution specification, "error codes"),
 * which is all that a stream has. They count before a 404: that is what Docker makes of a
 * registry's "denied", too (measured, 20.10). */
static const struct {
    const char *word;
    ErrorCode code;
} refusals[] = {
    {"manifest unknown", ERROR_NOT_FOUND}, {"name unknown", ERROR_NOT_FOUND},
    {"unauthorized", ERROR_FORBIDDEN},     {"denied", ERROR_FORBIDDEN},
    {"forbidden", ERROR_FORBIDDEN},
};

static ErrorCode code_of_failure(const char *text, gint64 status)
{
    g_autofree char *lower = g_ascii_strdown(text, -1);

    if (status == 401 || status == 403)
        return ERROR_FORBIDDEN;
    for (guint i = 0; i < G_N_ELEMENTS(refusals); i++)
        if (strstr(lower, refusals[i].word))
            return refusals[i].code;
    return status == 404 ? ERROR_NOT_FOUND : ERROR_INTERNAL;
}

static gboolean fail_pull(const char *image, ErrorCode code, const char *text, GError **error)
{
    switch (code) {
    case ERROR_NOT_FOUND:
        return error_set_reason(error, code, REASON_IMAGE_NOT_FOUND,
                                "image %s is not at its registry", image);
    case ERROR_FORBIDDEN:
        return error_set_reason(error, code, REASON_IMAGE_PULL_DENIED,
                                "image %s: its registry refuses access", image);
    default:
        return error_set_reason(error, ERROR_INTERNAL, docker_reason_of_pull(text),
                                "docker: pull of %s: %s", image, text);
    }
}

static gboolean refuse_pull(const char *image, const DockerRequest *request,
                            const DockerAnswer *answer, GError **error)
{
    g_autofree char *text = NULL;
    JsonView view;

    if (!docker_answer_is_own(answer))
        return docker_refuse(request, answer, "image", error);
    if (docker_answer_json(answer, &view, NULL))
        text = docker_json_text(view, "message");
    docker_log_refusal(request, answer);
    return fail_pull(image, code_of_failure(text ? text : "", answer->status), text, error);
}

gboolean docker_image_pull(Engine *self, const char *image, EngineBytesFunction progress,
                           void *data, Cancel *cancel, GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autofree char *reference = reference_query("fromImage", image);
    g_autofree char *platform = docker_platform_query(docker, FALSE);
    g_autofree char *path = g_strconcat("/images/create?", reference, platform, NULL);
    g_autofree char *header = header_for(docker, image);
    g_auto(DockerProgress) taken = docker_progress_start(progress, data);
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "POST",
        .path = path,
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.pull_ms,
        .idle_ms = docker->deadlines.pull_idle_ms,
        .extra_header = header,
        .cancel = cancel,
    };

    if (!run_stream(docker, &request, &taken, &answer, error))
        return FALSE;
    if (answer.status / 100 != 2)
        return answer.is_cancelled ? docker_exchange_fail(error, &request, TRUE, "cancelled")
                                   : refuse_pull(image, &request, &answer, error);
    if (taken.failure)
        return fail_pull(image, code_of_failure(taken.failure, taken.failure_code), taken.failure,
                         error);
    return TRUE;
}
