#include "refresh/registry_digest.h"

#include "base/errors.h"
#include "base/json_view.h"
#include "base/sync.h"

#include <string.h>

#define CALL_MS    10000 /* spec 02, section 15 */
#define ANSWER_MAX (64 * 1024)
#define DIGEST_MAX 256

/* Whatever kind of manifest the tag names. */
#define ACCEPT                                                                                     \
    "Accept: application/vnd.oci.image.index.v1+json, "                                            \
    "application/vnd.oci.image.manifest.v1+json, "                                                 \
    "application/vnd.docker.distribution.manifest.list.v2+json, "                                  \
    "application/vnd.docker.distribution.manifest.v2+json"

struct _RegistryDigests {
    HttpClient *client;
    char *base, *service, *basic; /* basic: "Authorization: Basic ...", NULL: anonymous */

    Mutex lock; /* guards what follows */
    Condition changed;
    HttpCall *call; /* under way; NULL: none */
    gboolean is_stopping;
};

RegistryDigests *registry_digests_new(HttpClient *client, const char *base, const char *service,
                                      const char *user, const char *token)
{
    RegistryDigests *registry = g_new0(RegistryDigests, 1);
    gsize length = strlen(base);

    while (length > 0 && base[length - 1] == '/')
        length--;
    registry->client = client;
    registry->base = g_strndup(base, length);
    registry->service = g_strdup(service);
    if (user && token) {
        g_autofree char *pair = g_strconcat(user, ":", token, NULL);
        g_autofree char *encoded = g_base64_encode((const guchar *)pair, strlen(pair));
        registry->basic = g_strconcat("Authorization: Basic ", encoded, NULL);
    }
    mutex_init(&registry->lock);
    condition_init(&registry->changed);
    return registry;
}

void registry_digests_stop(RegistryDigests *registry)
{
    HttpCall *call = NULL;

    mutex_lock(&registry->lock);
    registry->is_stopping = TRUE;
    if (registry->call)
        call = http_call_ref(registry->call);
    mutex_unlock(&registry->lock);
    if (call)
        http_call_cancel(call);
    http_call_unref(call);
}

void registry_digests_free(RegistryDigests *registry)
{
    if (!registry)
        return;
    condition_clear(&registry->changed);
    mutex_clear(&registry->lock);
    g_free(registry->base);
    g_free(registry->service);
    g_free(registry->basic);
    g_free(registry);
}

/* ---- One call ---- */

typedef struct {
    RegistryDigests *registry;
    gboolean is_done;
    HttpCallOutcome outcome;
    guint status;
    char *body, *digest, *reason;
} Answer;

static void answer_clear(Answer *answer)
{
    g_free(answer->body);
    g_free(answer->digest);
    g_free(answer->reason);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Answer, answer_clear)

static void on_done(HttpCall *call, const HttpCallResult *result, void *data)
{
    Answer *answer = data;
    RegistryDigests *registry = answer->registry;

    (void)call;
    mutex_lock(&registry->lock);
    answer->outcome = result->outcome;
    answer->status = result->status;
    answer->body = result->body ? g_strndup(result->body->str, result->body->len) : g_strdup("");
    answer->digest = g_strdup(result->wanted_value);
    answer->reason = g_strdup(result->reason);
    answer->is_done = TRUE;
    condition_broadcast(&registry->changed);
    mutex_unlock(&registry->lock);
}

static void wait_done(RegistryDigests *registry, HttpCall *call, Answer *answer)
{
    gboolean is_stopping = FALSE;

    mutex_lock(&registry->lock);
    registry->call = call;
    is_stopping = registry->is_stopping;
    mutex_unlock(&registry->lock);
    if (is_stopping)
        http_call_cancel(call);
    mutex_lock(&registry->lock);
    while (!answer->is_done)
        condition_wait_until(&registry->changed, &registry->lock, G_MAXINT64);
    registry->call = NULL;
    mutex_unlock(&registry->lock);
}

/* The base is the administrator's word, so the guard against inner addresses does not judge it. */
static gboolean ask(RegistryDigests *registry, const char *method, const char *url,
                    const char *const *headers, Answer *answer, GError **error)
{
    HttpCallSpec spec = {
        .method = method,
        .url = url,
        .headers = headers,
        .wanted_header = "Docker-Content-Digest",
        .trusted = TRUE,
        .total_timeout_ms = CALL_MS,
        .max_answer_bytes = ANSWER_MAX,
        .done = on_done,
        .data = answer,
    };
    g_autoptr(HttpCall) call = NULL;

    answer->registry = registry;
    call = http_client_start(registry->client, &spec, error);
    if (!call)
        return FALSE;
    wait_done(registry, call, answer);
    if (answer->outcome != HTTP_CALL_ANSWERED)
        return error_set(error, ERROR_UNAVAILABLE, "registry: %s", answer->reason);
    return TRUE;
}

static gboolean refuse(const char *what, guint status, GError **error)
{
    ErrorCode code = status == 401 || status == 403 ? ERROR_FORBIDDEN
                     : status == 404                ? ERROR_NOT_FOUND
                                                    : ERROR_UNAVAILABLE;

    return error_set(error, code, "registry: %s was answered %u", what, status);
}

/* ---- Token, then manifest ---- */

static gboolean is_token(const char *text)
{
    for (; *text; text++)
        if (!g_ascii_isgraph(*text))
            return FALSE;
    return TRUE;
}

/* "Authorization: Bearer ..."; NULL in a registry that gives no tokens. */
static gboolean load_token(RegistryDigests *registry, const char *repository, char **bearer,
                           GError **error)
{
    static const char *const keys[] = {"token", "access_token"};
    const char *headers[] = {registry->basic, NULL};
    g_autofree char *scope = g_strdup_printf("repository:%s:pull", repository);
    g_autofree char *escaped = g_uri_escape_string(scope, ":/", FALSE);
    g_autofree char *service = g_uri_escape_string(registry->service, ":", FALSE);
    g_autofree char *url =
        g_strdup_printf("%s/token?service=%s&scope=%s", registry->base, service, escaped);
    g_auto(Answer) answer = {0};
    JsonView root, value;

    if (!ask(registry, "GET", url, headers, &answer, error))
        return FALSE;
    if (answer.status == 404)
        return TRUE;
    if (answer.status != 200)
        return refuse("the request for a token", answer.status, error);
    if (!json_view_parse(answer.body, strlen(answer.body), JSON_ONE_VALUE, &root, NULL))
        return error_set(error, ERROR_INTERNAL, "registry: a token that is no JSON");
    for (guint i = 0; i < G_N_ELEMENTS(keys) && !*bearer; i++) {
        g_autofree char *token = NULL;

        if (json_view_member(root, keys[i], JSON_KEYS_EXACT, &value))
            token = json_view_text_dup(value, NULL);
        if (token && *token && is_token(token))
            *bearer = g_strconcat("Authorization: Bearer ", token, NULL);
    }
    return *bearer || error_set(error, ERROR_INTERNAL, "registry: an answer without a token");
}

gboolean registry_digest_load(RegistryDigests *registry, const char *repository, const char *tag,
                              char **digest, GError **error)
{
    g_autofree char *bearer = NULL;
    g_autofree char *url =
        g_strdup_printf("%s/v2/%s/manifests/%s", registry->base, repository, tag);
    g_auto(Answer) answer = {0};

    if (!load_token(registry, repository, &bearer, error))
        return FALSE;
    const char *headers[] = {ACCEPT, bearer, NULL};
    if (!ask(registry, "HEAD", url, headers, &answer, error))
        return FALSE;
    if (answer.status != 200)
        return refuse("the look at the manifest", answer.status, error);
    if (!answer.digest || !*answer.digest || strlen(answer.digest) > DIGEST_MAX)
        return error_set(error, ERROR_INTERNAL, "registry: a manifest without its digest");
    *digest = g_steal_pointer(&answer.digest);
    return TRUE;
}
