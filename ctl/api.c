#include "api.h"

#include "base/text.h"

#include <curl/curl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define CONNECT_LIMIT_MS 10000
#define CALL_LIMIT_MS    120000 /* a deletion waits up to 30 s for its containers, spec 01, 8 */
#define ERROR_BYTES_MAX  65536  /* of a refusal */

struct _Api {
    const Target *target;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
};

/* One call under way. */
typedef struct {
    Api *api;
    const ApiRequest *request;
    ApiAnswer *answer;
    gboolean is_head_known;
    gboolean is_too_large;
    gboolean is_stopped; /* `chunk` wanted no more */
} Call;

/* ---- Answers ---- */

void api_answer_clear(ApiAnswer *answer)
{
    if (answer->body)
        g_string_free(answer->body, TRUE);
    g_free(answer->content_type);
    *answer = (ApiAnswer){0};
}

static gboolean is_success(long status)
{
    return status >= 200 && status <= 299;
}

/* Status and type, known when the first byte of the body comes. */
static void read_head(Call *call)
{
    const char *type = NULL;
    curl_off_t retry_after = 0;
    CURL *easy = call->api->easy;

    if (call->is_head_known)
        return;
    call->is_head_known = TRUE;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &call->answer->status);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    call->answer->content_type = g_ascii_strdown(type ? type : "", -1);
    call->answer->content_type[strcspn(call->answer->content_type, "; ")] = '\0';
    call->answer->retry_after_s = retry_after > 0 ? (gint64)retry_after : -1;
}

static size_t on_bytes(char *bytes, size_t one, size_t length, void *data)
{
    Call *call = data;
    GString *body = call->answer->body;
    (void)one;

    read_head(call);
    gboolean is_good = is_success(call->answer->status);
    if (is_good && call->request->chunk) {
        call->is_stopped = !call->request->chunk(call->answer, bytes, length, call->request->data);
        return call->is_stopped ? 0 : length;
    }
    if (body->len + length > (is_good ? API_ANSWER_BYTES_MAX : ERROR_BYTES_MAX)) {
        call->is_too_large = TRUE;
        return 0;
    }
    g_string_append_len(body, bytes, (gssize)length);
    return length;
}

/* ---- Running a call ---- */

Api *api_new(const Target *target)
{
    Api *api = g_new0(Api, 1);

    curl_global_init(CURL_GLOBAL_DEFAULT);
    api->target = target;
    api->multi = curl_multi_init();
    api->easy = curl_easy_init();
    g_assert(api->multi && api->easy);
    return api;
}

void api_free(Api *api)
{
    if (!api)
        return;
    curl_easy_cleanup(api->easy);
    curl_multi_cleanup(api->multi);
    curl_slist_free_all(api->headers);
    g_free(api);
    curl_global_cleanup();
}

const Target *api_target(const Api *api)
{
    return api->target;
}

static void add_header(Api *api, const char *name, const char *value)
{
    g_autofree char *line = g_strdup_printf("%s: %s", name, value);

    api->headers = curl_slist_append(api->headers, line);
}

static void set_headers(Api *api, const ApiRequest *request)
{
    curl_slist_free_all(api->headers);
    api->headers = NULL;
    add_header(api, "Accept", request->accept ? request->accept : "application/json");
    api->headers = curl_slist_append(api->headers, "Expect:");
    if (request->body)
        add_header(api, "Content-Type", "application/json");
    if (api->target->token) {
        g_autofree char *value = g_strdup_printf("Bearer %s", api->target->token);
        add_header(api, "Authorization", value);
    }
    curl_easy_setopt(api->easy, CURLOPT_HTTPHEADER, api->headers);
}

static void prepare(Call *call)
{
    Api *api = call->api;
    const ApiRequest *request = call->request;
    g_autofree char *url = g_strconcat(api->target->url, request->path, NULL);

    curl_easy_reset(api->easy);
    curl_easy_setopt(api->easy, CURLOPT_URL, url);
    curl_easy_setopt(api->easy, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(api->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(api->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(api->easy, CURLOPT_USERAGENT, "workspacectl/" WORKSPACED_VERSION);
    curl_easy_setopt(api->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_LIMIT_MS);
    curl_easy_setopt(api->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    if (request->limit_ms > 0 || !request->chunk)
        curl_easy_setopt(api->easy, CURLOPT_TIMEOUT_MS,
                         request->limit_ms > 0 ? (long)request->limit_ms : (long)CALL_LIMIT_MS);
    if (target_is_loopback(api->target->url))
        curl_easy_setopt(api->easy, CURLOPT_PROXY, "");
    if (request->body) {
        curl_easy_setopt(api->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(request->body));
        curl_easy_setopt(api->easy, CURLOPT_POSTFIELDS, request->body);
    }
    curl_easy_setopt(api->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(api->easy, CURLOPT_WRITEDATA, call);
    set_headers(api, request);
}

/* Lets Ctrl-C come as something to read; -1 when it is not asked for. */
static int interrupts_open(const ApiRequest *request, sigset_t *old_mask)
{
    sigset_t mask;

    if (!request->interrupted)
        return -1;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    pthread_sigmask(SIG_BLOCK, &mask, old_mask);
    return signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
}

static gboolean interrupts_take(int interrupts)
{
    struct signalfd_siginfo information;
    gboolean has_any = FALSE;

    while (interrupts >= 0 && read(interrupts, &information, sizeof information) > 0)
        has_any = TRUE;
    return has_any;
}

static void interrupts_close(int interrupts, const sigset_t *old_mask)
{
    if (interrupts < 0)
        return;
    interrupts_take(interrupts); /* a late one must not end what comes next */
    close(interrupts);
    pthread_sigmask(SIG_SETMASK, old_mask, NULL);
}

/* Drives the call to its end. FALSE: interrupted. */
static gboolean drive(Call *call, int interrupts, CURLcode *result)
{
    CURLM *multi = call->api->multi;
    struct curl_waitfd also = {.fd = interrupts, .events = CURL_WAIT_POLLIN};
    int running = 1;
    int left;

    *result = CURLE_FAILED_INIT;
    while (curl_multi_perform(multi, &running) == CURLM_OK && running > 0) {
        if (curl_multi_poll(multi, &also, interrupts >= 0 ? 1 : 0, 1000, NULL) != CURLM_OK)
            break;
        if (interrupts_take(interrupts) && !call->request->interrupted(call->request->data))
            return FALSE;
    }
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left));)
        if (message->msg == CURLMSG_DONE)
            *result = message->data.result;
    return TRUE;
}

gboolean api_unreachable(const Api *api, const char *reason, GError **error)
{
    return ctl_fail(error, CTL_UNREACHABLE,
                    "cannot reach the server at %s (from %s): %s\n"
                    "Is it running? Start it with 'workspaced serve', or name another one with "
                    "--url or WORKSPACED_URL.",
                    api->target->url, api->target->url_source, reason);
}

static gboolean judge(Call *call, CURLcode result, GError **error)
{
    if (call->is_too_large && is_success(call->answer->status))
        return ctl_fail(error, CTL_REFUSED, "the server's answer is larger than %d MiB",
                        API_ANSWER_BYTES_MAX >> 20);
    if (result == CURLE_OK || call->is_stopped || call->is_too_large) {
        read_head(call);
        return TRUE;
    }
    if (call->is_head_known)
        return ctl_fail(error, CTL_UNREACHABLE, "the connection to %s broke off: %s",
                        call->api->target->url, curl_easy_strerror(result));
    return api_unreachable(call->api, curl_easy_strerror(result), error);
}

gboolean api_run(Api *api, const ApiRequest *request, ApiAnswer *answer, GError **error)
{
    Call call = {.api = api, .request = request, .answer = answer};
    CURLcode result = CURLE_OK;
    sigset_t old_mask;

    *answer = (ApiAnswer){.body = g_string_new(NULL), .retry_after_s = -1};
    prepare(&call);
    int interrupts = interrupts_open(request, &old_mask);
    curl_multi_add_handle(api->multi, api->easy);
    gboolean is_done = drive(&call, interrupts, &result);
    curl_multi_remove_handle(api->multi, api->easy);
    interrupts_close(interrupts, &old_mask);
    if (!is_done)
        return ctl_fail(error, CTL_INTERRUPTED, "interrupted");
    return judge(&call, result, error);
}

/* ---- Reading answers ---- */

char *api_text_dup(JsonView object, const char *key)
{
    JsonView value;

    if (!json_view_member(object, key, JSON_KEYS_EXACT, &value))
        return NULL;
    return json_view_text_dup(value, NULL);
}

gboolean api_flag(JsonView object, const char *key)
{
    JsonView value;
    gboolean is_set = FALSE;

    return json_view_member(object, key, JSON_KEYS_EXACT, &value) &&
           json_view_bool(value, &is_set) && is_set;
}

/* The server's own words; NULL when it said none. Caller owns it. */
static char *words_of(const ApiAnswer *answer)
{
    JsonView view;

    if (!json_view_parse(answer->body->str, answer->body->len, JSON_FIRST_VALUE, &view, NULL))
        return NULL;
    g_autofree char *reason = api_text_dup(view, "error");
    return reason && *reason ? g_steal_pointer(&reason) : api_text_dup(view, "message");
}

/* What the person can do about a status. Caller owns it; "" when there is nothing general. */
static char *advice_for(const Api *api, const ApiAnswer *answer)
{
    const Target *target = api->target;

    switch (answer->status) {
    case 401:
        if (!target->token)
            return g_strdup_printf("\nNo token was sent: %s.\nGive one with --token or "
                                   "WORKSPACED_TOKEN.",
                                   target->token_source);
        return g_strdup_printf("\nThe token came from %s; is it the one of this server? "
                               "'workspacectl token' shows which is used.",
                               target->token_source);
    case 403:
        return g_strdup_printf("\nThe token (from %s) may not do this; an administrator's may.",
                               target->token_source);
    case 429:
    case 503:
        if (answer->retry_after_s > 0)
            return g_strdup_printf("\nTry again in %" G_GINT64_FORMAT " s.", answer->retry_after_s);
        return g_strdup("\nTry again in a moment.");
    default:
        return g_strdup("");
    }
}

gboolean api_refusal(const Api *api, const ApiAnswer *answer, GError **error)
{
    g_autofree char *words = words_of(answer);
    g_autofree char *advice = advice_for(api, answer);

    if (!words)
        words = g_strdup_printf("the server at %s answered with status %ld", api->target->url,
                                answer->status);
    return ctl_fail(error, CTL_REFUSED, "%s%s", words, advice);
}

gboolean api_answer_json(const Api *api, const ApiAnswer *answer, JsonView *view, GError **error)
{
    if (json_view_parse(answer->body->str, answer->body->len, JSON_FIRST_VALUE, view, NULL))
        return TRUE;
    return ctl_fail(error, CTL_REFUSED,
                    "%s (from %s) did not answer with JSON; is it the address of a workspaced "
                    "server?",
                    api->target->url, api->target->url_source);
}

gboolean api_call(Api *api, const char *method, const char *path, const char *body,
                  ApiAnswer *answer, JsonView *view, GError **error)
{
    const ApiRequest request = {.method = method, .path = path, .body = body};
    JsonView ignored;

    if (!api_run(api, &request, answer, error))
        return FALSE;
    if (!is_success(answer->status))
        return api_refusal(api, answer, error);
    return api_answer_json(api, answer, view ? view : &ignored, error);
}
