/* Requests as the operations make them, and what an answer's status means. */
#include "base/log.h"
#include "base/text.h"
#include "engine/docker/docker.h"
#include "engine/docker/json.h"
#include "engine/docker/reason.h"

#include <string.h>

#define SENTENCE_MAX 600 /* bytes of the daemon's text that go into a log line */

char *docker_path(const char *collection, const char *ref, const char *rest)
{
    g_autofree char *escaped = g_uri_escape_string(ref, NULL, FALSE);
    return g_strconcat("/", collection, "/", escaped, rest, NULL);
}

gboolean docker_call(DockerEngine *docker, const DockerRequest *request, DockerAnswer *answer,
                     GError **error)
{
    return docker_transport_call(docker->transport, request, answer, error);
}

gboolean docker_call_ok(DockerEngine *docker, const DockerRequest *request, const char *what,
                        DockerAnswer *answer, GError **error)
{
    if (!docker_call(docker, request, answer, error))
        return FALSE;
    if (answer->status / 100 == 2 || answer->status == 304 || answer->is_cancelled)
        return TRUE;
    return docker_refuse(request, answer, what, error);
}

gboolean docker_get(DockerEngine *docker, const char *path, gsize max_body, const char *what,
                    DockerAnswer *answer, JsonView *view, GError **error)
{
    DockerRequest request = {
        .method = "GET",
        .path = path,
        .deadline_ms = docker->deadlines.read_ms,
        .max_body = max_body,
    };
    return docker_call_ok(docker, &request, what, answer, error) &&
           docker_answer_json(answer, view, error);
}

/* ---- Lists ---- */

gboolean docker_get_list(DockerEngine *docker, const char *path, gsize max_body,
                         DockerListing *listing, GString **text, GError **error)
{
    g_auto(DockerAnswer) answer = {.body = docker_listing_steal_buffer(listing)};
    DockerRequest request = {
        .method = "GET",
        .path = path,
        .deadline_ms = docker->deadlines.read_ms,
        .max_body = max_body,
    };

    if (!docker_call_ok(docker, &request, "list", &answer, error))
        return FALSE;
    *text = g_steal_pointer(&answer.body);
    return TRUE;
}

DockerListing *docker_listing_take(DockerEngine *docker, DockerListing **place,
                                   const DockerElement *element)
{
    DockerListing *listing = NULL;

    mutex_lock(&docker->lock);
    listing = g_steal_pointer(place);
    mutex_unlock(&docker->lock);
    return listing ? listing : docker_listing_new(element);
}

void docker_listing_give_back(DockerEngine *docker, DockerListing **place, DockerListing *listing)
{
    DockerListing *former = NULL;

    mutex_lock(&docker->lock);
    former = *place;
    *place = listing;
    mutex_unlock(&docker->lock);
    docker_listing_free(former);
}

/* ---- Judging ---- */

gboolean docker_answer_json(const DockerAnswer *answer, JsonView *view, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (json_view_parse(answer->body->str, answer->body->len, JSON_ONE_VALUE, view, &cause))
        return TRUE;
    return error_set(error, ERROR_INTERNAL, "docker: unreadable answer: %s", cause->message);
}

/* The daemon's sentence, or NULL when the body is not one of the daemon's errors. Caller owns it.
 */
static char *sentence_dup(const DockerAnswer *answer)
{
    g_autofree char *text = NULL;
    JsonView view;

    if (!answer->is_json || !answer->body || !docker_answer_json(answer, &view, NULL))
        return NULL;
    text = docker_json_text(view, "message");
    return text ? g_strndup(text, text_prefix_length(text, strlen(text), SENTENCE_MAX)) : NULL;
}

gboolean docker_answer_is_own(const DockerAnswer *answer)
{
    g_autofree char *sentence = sentence_dup(answer);
    return sentence != NULL;
}

Reason docker_answer_reason(const DockerAnswer *answer)
{
    g_autofree char *sentence = sentence_dup(answer);
    return docker_reason_of_text(sentence);
}

gboolean docker_answer_is_absent(const DockerAnswer *answer)
{
    return answer->status == 404 && docker_answer_is_own(answer);
}

void docker_log_refusal(const DockerRequest *request, const DockerAnswer *answer)
{
    g_autofree char *sentence = sentence_dup(answer);
    g_autofree char *path = g_strndup(request->path, strcspn(request->path, "?"));

    log_debug("docker refuses", LOG_TEXT("method", request->method), LOG_TEXT("path", path),
              LOG_INT("status", answer->status), LOG_TEXT("text", sentence ? sentence : ""));
}

static gboolean refuse_foreign(const DockerRequest *request, const DockerAnswer *answer,
                               GError **error)
{
    gboolean is_unknown =
        request->has_effect && (answer->status >= 500 || answer->status / 100 == 2);

    return error_set(error, is_unknown ? ERROR_OUTCOME_UNKNOWN : ERROR_UNAVAILABLE,
                     "docker: %s %s: status %u, and not from the daemon", request->method,
                     request->path, answer->status);
}

static guint status_of(const DockerAnswer *answer, const char *sentence)
{
    gboolean is_conflict =
        answer->is_podman && answer->status == 500 &&
        (docker_reason_is_name_taken(sentence) || docker_reason_is_wrong_state(sentence));

    return is_conflict ? 409 : answer->status;
}

gboolean docker_refuse(const DockerRequest *request, const DockerAnswer *answer, const char *what,
                       GError **error)
{
    g_autofree char *sentence = sentence_dup(answer);

    if (!sentence)
        return refuse_foreign(request, answer, error);
    docker_log_refusal(request, answer);
    switch (status_of(answer, sentence)) {
    case 404:
        return error_set(error, ERROR_NOT_FOUND, "%s not found", what);
    case 409:
        return error_set(error, ERROR_CONFLICT, "%s: its state does not allow this now", what);
    default:
        return error_set_reason(error, ERROR_INTERNAL, docker_reason_of_text(sentence),
                                "docker: %s %s: status %u: %s", request->method, request->path,
                                answer->status, sentence);
    }
}
