#include "provision/github_app.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "base/json_view.h"
#include "base/jwt.h"
#include "base/sync.h"
#include "base/text.h"

#include <string.h>

#define API_VERSION      "2022-11-28"
#define JWT_BACK_S       60  /* clocks differ */
#define JWT_FORTH_S      480 /* GitHub allows 10 minutes */
#define CALL_TIMEOUT_MS  (30 * 1000)
#define ANSWER_MAX_BYTES (256 * 1024)
#define LIFE_DEFAULT_US  CLOCK_HOUR_US /* when the answer names no end */
#define REFRESH_US       (5 * CLOCK_MINUTE_US)
#define TOKEN_MAX_BYTES  4096

typedef struct {
    char *token; /* NULL: none */
    gint64 expires_at_us;
} Minted;

struct _GithubApp {
    char *app_id, *url; /* constant, like all until the lock */
    JwtKey *key;
    HttpClient *client;

    Mutex lock; /* guards all that follows; never held while GitHub is asked */
    Condition changed;
    Minted minted;
    guint64 flight;      /* mints begun */
    gboolean is_minting; /* one is under way */
    char *failure;       /* of the last mint that ended; NULL: it went well */
    HttpCall *call;      /* a reference while it is under way */
    gboolean is_stopping;
};

/* ---- Making ---- */

static gboolean check_number(const char *name, const char *text, GError **error)
{
    gint64 number = 0;

    return (text && text_parse_int(text, 1, G_MAXINT64, &number)) ||
           error_set(error, ERROR_INVALID, "%s must be a number greater than 0", name);
}

static char *tokens_url_dup(const GithubAppOptions *options)
{
    g_autofree char *base = g_strdup(options->api_url);
    gsize length = strlen(base);

    while (length > 0 && base[length - 1] == '/')
        base[--length] = '\0';
    return g_strdup_printf("%s/app/installations/%s/access_tokens", base, options->installation_id);
}

static gboolean check_url(const char *url, GError **error)
{
    return g_str_has_prefix(url, "https://") || g_str_has_prefix(url, "http://") ||
           error_set(error, ERROR_INVALID,
                     "WORKSPACED_GITHUB_API must begin with https:// or http://");
}

GithubApp *github_app_new(const GithubAppOptions *options, GError **error)
{
    g_autoptr(GithubApp) app = NULL;

    if (!check_number("GITHUB_APP_ID", options->app_id, error) ||
        !check_number("GITHUB_APP_INSTALLATION_ID", options->installation_id, error) ||
        !check_url(options->api_url, error))
        return NULL;
    if (!options->key_file) {
        error_set(error, ERROR_INVALID, "GITHUB_APP_ID needs GITHUB_APP_PRIVATE_KEY_FILE");
        return NULL;
    }
    app = g_new0(GithubApp, 1);
    mutex_init(&app->lock);
    condition_init(&app->changed);
    app->app_id = g_strdup(options->app_id);
    app->url = tokens_url_dup(options);
    app->client = options->client;
    app->key = jwt_key_read(options->key_file, error);
    return app->key ? g_steal_pointer(&app) : NULL;
}

void github_app_stop(GithubApp *app)
{
    HttpCall *call = NULL;

    if (!app)
        return;
    mutex_lock(&app->lock);
    app->is_stopping = TRUE;
    if (app->call)
        call = http_call_ref(app->call);
    mutex_unlock(&app->lock);
    if (!call)
        return;
    http_call_cancel(call);
    http_call_unref(call);
}

void github_app_free(GithubApp *app)
{
    if (!app)
        return;
    g_free(app->app_id);
    g_free(app->url);
    jwt_key_free(app->key);
    g_free(app->minted.token);
    g_free(app->failure);
    condition_clear(&app->changed);
    mutex_clear(&app->lock);
    g_free(app);
}

/* ---- One call to GitHub ---- */

typedef struct {
    GithubApp *app;
    gboolean is_done; /* guarded by the app's lock, like what follows */
    HttpCallOutcome outcome;
    guint status;
    GString *body;
    char *reason;
} Reply;

static void reply_clear(Reply *reply)
{
    if (reply->body)
        g_string_free(reply->body, TRUE);
    g_free(reply->reason);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reply, reply_clear)

/* In the HTTP client's thread. */
static void on_done(HttpCall *call, const HttpCallResult *result, void *data)
{
    Reply *reply = data;
    GithubApp *app = reply->app;

    (void)call;
    mutex_lock(&app->lock);
    reply->outcome = result->outcome;
    reply->status = result->status;
    if (result->body)
        reply->body = g_string_new_len(result->body->str, (gssize)result->body->len);
    reply->reason = g_strdup(result->reason);
    reply->is_done = TRUE;
    condition_broadcast(&app->changed);
    mutex_unlock(&app->lock);
}

static char *claims_dup(const GithubApp *app)
{
    gint64 now_s = clock_now_us() / CLOCK_SECOND_US;
    g_autoptr(GString) text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "iss", app->app_id);
    json_out_int(&out, "iat", now_s - JWT_BACK_S);
    json_out_int(&out, "exp", now_s + JWT_FORTH_S);
    json_out_end(&out);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* The call is known while it is under way, so that a stop can end it. */
static void await_reply(GithubApp *app, HttpCall *call, Reply *reply)
{
    gboolean is_late = FALSE;

    mutex_lock(&app->lock);
    app->call = call;
    is_late = app->is_stopping;
    mutex_unlock(&app->lock);
    if (is_late)
        http_call_cancel(call);
    mutex_lock(&app->lock);
    while (!reply->is_done)
        condition_wait_until(&app->changed, &app->lock, G_MAXINT64);
    app->call = NULL;
    mutex_unlock(&app->lock);
}

static gboolean ask(GithubApp *app, Reply *reply, GError **error)
{
    g_autofree char *claims = claims_dup(app);
    g_autofree char *jwt = jwt_sign(app->key, claims, error);
    g_autofree char *authorization = jwt ? g_strconcat("Authorization: Bearer ", jwt, NULL) : NULL;
    const char *headers[] = {authorization, "Accept: application/vnd.github+json",
                             "X-GitHub-Api-Version: " API_VERSION, NULL};
    const HttpCallSpec spec = {
        .url = app->url,
        .headers = headers,
        .trusted = TRUE, /* the operator's own setting */
        .total_timeout_ms = CALL_TIMEOUT_MS,
        .max_answer_bytes = ANSWER_MAX_BYTES,
        .done = on_done,
        .data = reply,
    };
    g_autoptr(HttpCall) call = jwt ? http_client_start(app->client, &spec, error) : NULL;

    if (!call)
        return FALSE;
    await_reply(app, call, reply);
    if (reply->outcome != HTTP_CALL_ANSWERED)
        return error_set(error, ERROR_INTERNAL, "GitHub did not answer: %s", reply->reason);
    if (reply->status < 200 || reply->status >= 300)
        return error_set(error, ERROR_INTERNAL, "GitHub answered %u", reply->status);
    return TRUE;
}

static gint64 read_end(JsonView object)
{
    g_autofree char *text = NULL;
    g_autoptr(GDateTime) time = NULL;
    JsonView value;

    if (json_view_member(object, "expires_at", JSON_KEYS_EXACT, &value))
        text = json_view_text_dup(value, NULL);
    if (text)
        time = g_date_time_new_from_iso8601(text, NULL);
    return time ? g_date_time_to_unix(time) * CLOCK_SECOND_US : clock_now_us() + LIFE_DEFAULT_US;
}

/* A token that could end a header or a line is none. */
static gboolean is_token(const char *text)
{
    gsize length = text ? strlen(text) : 0;

    for (gsize i = 0; i < length; i++)
        if (!g_ascii_isgraph(text[i]))
            return FALSE;
    return length > 0 && length <= TOKEN_MAX_BYTES;
}

static gboolean mint(GithubApp *app, Minted *minted, GError **error)
{
    g_auto(Reply) reply = {.app = app};
    g_autofree char *token = NULL;
    JsonView object, value;

    if (!ask(app, &reply, error))
        return FALSE;
    if (!reply.body ||
        !json_view_parse(reply.body->str, reply.body->len, JSON_ONE_VALUE, &object, NULL) ||
        !json_view_member(object, "token", JSON_KEYS_EXACT, &value) ||
        !is_token(token = json_view_text_dup(value, NULL)))
        return error_set(error, ERROR_INTERNAL, "GitHub's answer holds no token");
    minted->token = g_steal_pointer(&token);
    minted->expires_at_us = read_end(object);
    return TRUE;
}

/* ---- One mint for all who wait ---- */

static gboolean is_fresh_locked(const GithubApp *app) REQUIRES(app->lock)
{
    return app->minted.token && app->minted.expires_at_us - clock_now_us() > REFRESH_US;
}

static void take_locked(const GithubApp *app, Minted *minted) REQUIRES(app->lock)
{
    minted->token = g_strdup(app->minted.token);
    minted->expires_at_us = app->minted.expires_at_us;
}

static void fly_locked(GithubApp *app) REQUIRES(app->lock) UNCHECKED_SYNC
{
    Minted minted = {0};
    g_autoptr(GError) error = NULL;

    app->is_minting = TRUE;
    app->flight++;
    mutex_unlock(&app->lock);
    (void)mint(app, &minted, &error);
    mutex_lock(&app->lock);
    app->is_minting = FALSE;
    g_free(app->failure);
    app->failure = error ? g_strdup(error->message) : NULL;
    if (!error) {
        g_free(app->minted.token);
        app->minted = minted;
    }
    condition_broadcast(&app->changed);
}

/* Whoever comes while a mint is under way gets that one's outcome, good or bad; else he begins one.
 * An outcome is never older than the call. */
static gboolean obtain_locked(GithubApp *app, Minted *minted, GError **error)
    REQUIRES(app->lock) UNCHECKED_SYNC
{
    if (is_fresh_locked(app)) {
        take_locked(app, minted);
        return TRUE;
    }
    if (app->is_stopping)
        return error_set(error, ERROR_INTERNAL, "the server stops");
    if (app->is_minting) {
        guint64 flight = app->flight;
        while (app->is_minting && app->flight == flight)
            condition_wait_until(&app->changed, &app->lock, G_MAXINT64);
    } else {
        fly_locked(app);
    }
    if (app->failure)
        return error_set(error, ERROR_INTERNAL, "%s", app->failure);
    take_locked(app, minted);
    return TRUE;
}

gboolean github_app_token(GithubApp *app, char **token, gint64 *expires_at_us, GError **error)
{
    Minted minted = {0};
    gboolean has_token = FALSE;

    mutex_lock(&app->lock);
    has_token = obtain_locked(app, &minted, error);
    mutex_unlock(&app->lock);
    *token = minted.token;
    *expires_at_us = minted.expires_at_us;
    return has_token;
}

/* ---- The mutator ---- */

static gboolean run(const char *workspace_id, GHashTable *environment, void *data, GError **error)
{
    g_autofree char *token = NULL;
    gint64 expires_at_us = 0;

    (void)workspace_id;
    if (!github_app_token(data, &token, &expires_at_us, error))
        return FALSE;
    g_hash_table_insert(environment, g_strdup("GITHUB_TOKEN"), g_strdup(token));
    g_hash_table_insert(environment, g_strdup("GH_TOKEN"), g_strdup(token));
    return TRUE;
}

static gboolean provide(char **token, gint64 *expires_at_us, void *data, GError **error)
{
    return github_app_token(data, token, expires_at_us, error);
}

EnvMutator github_app_mutator(GithubApp *app)
{
    return (EnvMutator){.name = GITHUB_APP_NAME, .run = run, .token = provide, .data = app};
}
