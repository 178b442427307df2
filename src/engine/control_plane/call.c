#include "engine/control_plane/call.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>

#define CONNECT_MS 5000
#define PROTOCOLS  "http,https"

/* ---- The line ---- */

static gboolean copy_secret(const char *name, const char *value, char **copy, GError **error)
{
    for (const char *at = value; at && *at; at++)
        if (g_ascii_iscntrl(*at))
            return error_set(error, ERROR_INVALID, "%s must be one line", name);
    *copy = value && *value ? g_strdup(value) : NULL;
    return TRUE;
}

static gboolean copy_base(const char *url, char **copy, GError **error)
{
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
    const char *scheme = uri ? g_uri_get_scheme(uri) : "";
    const char *host = uri ? g_uri_get_host(uri) : NULL;
    gsize length = strlen(url);

    if ((strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0) || !host || !*host ||
        g_uri_get_userinfo(uri) || g_uri_get_query(uri) || g_uri_get_fragment(uri))
        return error_set(error, ERROR_INVALID,
                         "CP_PROVISION_URL (or MOLECULE_CP_URL) must be an http(s) URL");
    while (length > 0 && url[length - 1] == '/')
        length--;
    *copy = g_strndup(url, length);
    return TRUE;
}

static void curl_start(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

gboolean control_plane_line_init(ControlPlaneLine *line, const char *base_url,
                                 const char *shared_secret, const char *admin_token,
                                 const char *admin_api_token, GError **error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, curl_start);
    *line = (ControlPlaneLine){0};
    if (copy_base(base_url, &line->base_url, error) &&
        copy_secret("MOLECULE_CP_SHARED_SECRET", shared_secret, &line->shared_secret, error) &&
        copy_secret("ADMIN_TOKEN", admin_token, &line->admin_token, error) &&
        copy_secret("CP_ADMIN_API_TOKEN", admin_api_token, &line->admin_api_token, error))
        return TRUE;
    control_plane_line_clear(line);
    return FALSE;
}

void control_plane_line_clear(ControlPlaneLine *line)
{
    g_clear_pointer(&line->base_url, g_free);
    g_clear_pointer(&line->shared_secret, g_free);
    g_clear_pointer(&line->admin_token, g_free);
    g_clear_pointer(&line->admin_api_token, g_free);
}

void control_plane_answer_clear(ControlPlaneAnswer *answer)
{
    if (answer->body)
        g_string_free(answer->body, TRUE);
    answer->body = NULL;
}

/* ---- One exchange ---- */

typedef struct {
    ControlPlaneLine *line;
    const ControlPlaneCall *call;
    CURL *easy;
    struct curl_slist *headers;
    GString *body;
    gboolean was_sent, is_full;
    char reason[CURL_ERROR_SIZE];
} Exchange;

static void exchange_clear(Exchange *exchange)
{
    g_clear_pointer(&exchange->easy, curl_easy_cleanup);
    g_clear_pointer(&exchange->headers, curl_slist_free_all);
    if (exchange->body)
        g_string_free(exchange->body, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Exchange, exchange_clear)

/* Called right before the request leaves. */
static int on_connected(void *data, char *peer, char *local, int peer_port, int local_port)
{
    (void)peer, (void)local, (void)peer_port, (void)local_port;
    ((Exchange *)data)->was_sent = TRUE;
    return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    Exchange *exchange = data;
    gsize length = size * count;
    gsize room = exchange->call->max_bytes - exchange->body->len;

    g_string_append_len(exchange->body, bytes, (gssize)MIN(length, room));
    exchange->is_full = length > room;
    return exchange->is_full ? CURL_WRITEFUNC_ERROR : length;
}

static int on_progress(void *data, curl_off_t download_total, curl_off_t downloaded,
                       curl_off_t upload_total, curl_off_t uploaded)
{
    (void)download_total, (void)downloaded, (void)upload_total, (void)uploaded;
    return atomic_load(&((Exchange *)data)->line->is_interrupted);
}

static void add_header(Exchange *exchange, const char *name, const char *value)
{
    g_autofree char *header = value ? g_strconcat(name, value, NULL) : NULL;

    if (header)
        exchange->headers = curl_slist_append(exchange->headers, header);
}

static void set_headers(Exchange *exchange)
{
    const ControlPlaneLine *line = exchange->line;
    const ControlPlaneCall *call = exchange->call;

    add_header(exchange, "Authorization: Bearer ",
               call->is_admin ? line->admin_api_token : line->shared_secret);
    add_header(exchange, "X-Molecule-Admin-Token: ", line->admin_token);
    add_header(exchange, "Idempotency-Key: ", call->idempotency_key);
    add_header(exchange, "Content-Type: ", call->body ? "application/json" : NULL);
    add_header(exchange, "Accept: ", "application/json");
    add_header(exchange, "Expect:", "");
    curl_easy_setopt(exchange->easy, CURLOPT_HTTPHEADER, exchange->headers);
}

static void set_up(Exchange *exchange, const char *url, guint timeout_ms)
{
    CURL *easy = exchange->easy = curl_easy_init();

    if (!easy)
        g_error("libcurl gives no handle");
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, PROTOCOLS);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)MIN(CONNECT_MS, timeout_ms));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->reason);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, exchange);
}

static void set_request(Exchange *exchange)
{
    const ControlPlaneCall *call = exchange->call;
    CURL *easy = exchange->easy;

    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    if (call->body)
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, exchange);
    set_headers(exchange);
}

static gboolean fail(const Exchange *exchange, CURLcode code, GError **error)
{
    gboolean is_unknown = exchange->was_sent && exchange->call && exchange->call->has_effect;

    return error_set(error, is_unknown ? ERROR_OUTCOME_UNKNOWN : ERROR_UNAVAILABLE,
                     "control plane: %s",
                     *exchange->reason ? exchange->reason : curl_easy_strerror(code));
}

gboolean control_plane_call(ControlPlaneLine *line, const ControlPlaneCall *call,
                            ControlPlaneAnswer *answer, GError **error)
{
    g_auto(Exchange) exchange = {.line = line, .call = call, .body = g_string_new(NULL)};
    g_autofree char *url = g_strconcat(line->base_url, call->path, NULL);
    long status = 0;
    CURLcode code = CURLE_OK;

    set_up(&exchange, url, call->timeout_ms);
    set_request(&exchange);
    code = curl_easy_perform(exchange.easy);
    if (code != CURLE_OK && !exchange.is_full)
        return fail(&exchange, code, error);
    curl_easy_getinfo(exchange.easy, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (guint)status;
    answer->body = g_steal_pointer(&exchange.body);
    return TRUE;
}

gboolean control_plane_connect(ControlPlaneLine *line, guint timeout_ms, GError **error)
{
    g_auto(Exchange) exchange = {.line = line};
    CURLcode code = CURLE_OK;

    set_up(&exchange, line->base_url, timeout_ms);
    curl_easy_setopt(exchange.easy, CURLOPT_CONNECT_ONLY, 1L);
    code = curl_easy_perform(exchange.easy);
    return code == CURLE_OK || fail(&exchange, code, error);
}
