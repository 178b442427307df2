/* The chain of mutators, gh-identity, and the tokens of a GitHub App against a server of our own.
 */
#include "base/clock.h"
#include "base/sync.h"
#include "provision/gh_identity.h"
#include "provision/github_app.h"

#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORKSPACE "7c9e6679-7425-40de-944b-e07fc1f90ae7"

static GHashTable *environment_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static void put(GHashTable *environment, const char *name, const char *value)
{
    g_hash_table_insert(environment, g_strdup(name), g_strdup(value));
}

static const char *value_of(GHashTable *environment, const char *name)
{
    return g_hash_table_lookup(environment, name);
}

/* ---- The chain ---- */

static gboolean append_letter(const char *id, GHashTable *environment, void *data, GError **error)
{
    g_autofree char *longer = NULL;
    const char *before = value_of(environment, "X");

    (void)error;
    g_assert_cmpstr(id, ==, WORKSPACE);
    longer = g_strconcat(before ? before : "", data, NULL);
    put(environment, "X", longer);
    return TRUE;
}

static gboolean fail(const char *id, GHashTable *environment, void *data, GError **error)
{
    (void)id;
    (void)environment;
    (void)data;
    return error_set(error, ERROR_UNAVAILABLE, "no luck");
}

static void test_order_and_first_error(void)
{
    static char a[] = "a", b[] = "b";
    g_autoptr(EnvMutators) mutators = env_mutators_new();
    g_autoptr(GHashTable) environment = environment_new();
    g_autoptr(GError) error = NULL;
    const EnvMutator first = {.name = "first", .run = append_letter, .data = a};
    const EnvMutator second = {.name = "second", .run = append_letter, .data = b};
    const EnvMutator broken = {.name = "broken", .run = fail};

    g_assert_true(env_mutators_run(NULL, WORKSPACE, environment, NULL));
    env_mutators_add(mutators, &first);
    env_mutators_add(mutators, NULL);
    env_mutators_add(mutators, &second);
    env_mutators_add(mutators, &first);
    g_assert_true(env_mutators_run(mutators, WORKSPACE, environment, NULL));
    g_assert_cmpstr(value_of(environment, "X"), ==, "aba");
    env_mutators_add(mutators, &broken);
    env_mutators_add(mutators, &second);
    g_assert_false(env_mutators_run(mutators, WORKSPACE, environment, &error));
    g_assert_true(error_is(error, ERROR_INTERNAL));
    g_assert_cmpstr(error->message, ==, "provisionhook \"broken\": no luck");
    g_assert_cmpstr(value_of(environment, "X"), ==, "abaaba");
}

static void test_without_a_provider_there_is_no_token(void)
{
    g_autoptr(EnvMutators) mutators = env_mutators_new();
    g_autoptr(GError) error = NULL;
    const EnvMutator first = {.name = "first", .run = append_letter};
    char *token = NULL;
    gint64 end_us = 0;

    env_mutators_add(mutators, &first);
    g_assert_false(env_mutators_token(mutators, &token, &end_us, &error));
    g_assert_true(error_is(error, ERROR_NOT_FOUND));
}

/* ---- gh-identity ---- */

static void test_roles_have_one_spelling(void)
{
    static const char *const cases[][2] = {
        {"  pmm-lead ", "Pmm-Lead"},
        {"ResearchLead", "ResearchLead"},
        {"-a", "-A"},
        {"a--b", "A--B"},
        {"", ""},
        {NULL, ""},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *role = gh_role_dup(cases[i][0]);
        g_assert_cmpstr(role, ==, cases[i][1]);
    }
}

static char *write_file(const char *text)
{
    char *path = NULL;
    int fd = g_file_open_tmp("identity-XXXXXX", &path, NULL);

    close(fd);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static GHashTable *identify(GhIdentity *identity, const char *role)
{
    GHashTable *environment = environment_new();
    EnvMutator mutator = gh_identity_mutator(identity);

    if (role)
        put(environment, "MOLECULE_AGENT_ROLE", role);
    g_assert_true(mutator.run(WORKSPACE, environment, mutator.data, NULL));
    return environment;
}

static void test_an_agent_gets_its_identity(void)
{
    g_autofree char *path =
        write_file("roles:\n  PMM-lead: {owner: pam}\n  default: {owner: dora}\n"
                   "  nobody: {}\n  odd: [1]\n");
    g_autoptr(GhIdentity) identity = gh_identity_new(path, NULL);
    g_autoptr(GHashTable) pmm = identify(identity, " pmm-lead");
    g_autoptr(GHashTable) other = identify(identity, "nobody");
    g_autoptr(GHashTable) none = identify(identity, " ");
    g_autofree guchar *script = NULL;
    gsize size = 0;
    g_autofree char *sum = NULL;

    g_assert_cmpstr(value_of(pmm, "MOLECULE_AGENT_ROLE"), ==, "Pmm-Lead");
    g_assert_cmpstr(value_of(pmm, "MOLECULE_OWNER"), ==, "pam");
    g_assert_cmpstr(value_of(pmm, "MOLECULE_WORKSPACE_ID"), ==, WORKSPACE);
    g_assert_cmpstr(value_of(pmm, "MOLECULE_ATTRIBUTION_BADGE"), ==,
                    "\xF0\x9F\xA4\x96 [Agent: Pmm-Lead \xC2\xB7 ws-7c9e6679]");
    g_assert_cmpstr(value_of(other, "MOLECULE_OWNER"), ==, "dora");
    g_assert_cmpuint(g_hash_table_size(none), ==, 1);
    script = g_base64_decode(value_of(pmm, "MOLECULE_GH_WRAPPER_B64"), &size);
    g_assert_true(size > 0 && memcmp(script, "#!", 2) == 0);
    sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, script, size);
    sum[12] = '\0';
    g_assert_cmpstr(value_of(pmm, "MOLECULE_GH_WRAPPER_SHA"), ==, sum);
    g_unlink(path);
}

static void test_bad_identity_files_are_fatal(void)
{
    static const char *const bad[] = {"roles: [", "- a\n", "text"};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = write_file(bad[i]);
        g_autoptr(GError) error = NULL;
        g_assert_null(gh_identity_new(path, &error));
        g_assert_true(error_is(error, ERROR_INVALID));
        g_unlink(path);
    }
    g_assert_null(gh_identity_new("/", NULL));
    g_autoptr(GhIdentity) absent = gh_identity_new("/nowhere/at/all", NULL);
    g_autoptr(GHashTable) environment = identify(absent, "x");
    g_assert_cmpstr(value_of(environment, "MOLECULE_OWNER"), ==, "");
}

/* ---- GitHub, for a while ---- */

typedef struct {
    int listener;
    guint16 port;
    Thread *thread;
    atomic_uint calls;
    _Atomic gint64 life_s; /* of the tokens it makes; 0: names no end */
    atomic_uint status;
    atomic_bool is_stopping, is_slow;
    char *last_request;
    EVP_PKEY *key;
    char *key_file;
} Github;

static void answer_one(Github *github, int client)
{
    char buffer[8192] = {0};
    gsize length = 0;
    g_autofree char *body = NULL;
    g_autofree char *end = NULL;
    g_autofree char *text = NULL;
    gint64 life_s = atomic_load(&github->life_s);
    guint call = atomic_fetch_add(&github->calls, 1) + 1;

    while (!strstr(buffer, "\r\n\r\n") && length < sizeof buffer - 1) {
        ssize_t got = read(client, buffer + length, sizeof buffer - 1 - length);
        if (got <= 0)
            break;
        length += (gsize)got;
    }
    g_free(github->last_request);
    github->last_request = g_strdup(buffer);
    while (atomic_load(&github->is_slow) && !atomic_load(&github->is_stopping))
        g_usleep(1000);
    if (life_s) {
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        g_autoptr(GDateTime) then = g_date_time_add_seconds(now, (double)life_s);
        end = g_date_time_format(then, ",\"expires_at\":\"%Y-%m-%dT%H:%M:%SZ\"");
    }
    body = g_strdup_printf("{\"token\":\"ghs_%u\"%s}", call, end ? end : "");
    text = g_strdup_printf("HTTP/1.1 %u X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                           atomic_load(&github->status), strlen(body), body);
    (void)!write(client, text, strlen(text));
}

static void serve(void *data)
{
    Github *github = data;

    for (;;) {
        int client = accept(github->listener, NULL, NULL);
        if (client < 0 || atomic_load(&github->is_stopping)) {
            if (client >= 0)
                close(client);
            return;
        }
        answer_one(github, client);
        close(client);
    }
}

static void github_start(Github *github)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    FILE *file = NULL;

    *github = (Github){.listener = socket(AF_INET, SOCK_STREAM, 0)};
    atomic_store(&github->status, 201);
    atomic_store(&github->life_s, 3600);
    g_assert_cmpint(bind(github->listener, (struct sockaddr *)&address, size), ==, 0);
    g_assert_cmpint(listen(github->listener, 16), ==, 0);
    getsockname(github->listener, (struct sockaddr *)&address, &size);
    github->port = ntohs(address.sin_port);
    github->key = EVP_RSA_gen(2048);
    close(g_file_open_tmp("key-XXXXXX", &github->key_file, NULL));
    file = fopen(github->key_file, "w");
    g_assert_true(PEM_write_PrivateKey(file, github->key, NULL, NULL, 0, NULL, NULL));
    fclose(file);
    github->thread = thread_start("github", serve, github);
}

static void github_stop(Github *github)
{
    atomic_store(&github->is_stopping, TRUE);
    shutdown(github->listener, SHUT_RDWR);
    thread_join(github->thread);
    close(github->listener);
    g_unlink(github->key_file);
    g_free(github->key_file);
    g_free(github->last_request);
    EVP_PKEY_free(github->key);
}

static GithubApp *app_for(Github *github, HttpClient *client)
{
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", github->port);
    g_autoptr(GError) error = NULL;
    const GithubAppOptions options = {
        .app_id = "4711",
        .installation_id = "99",
        .key_file = github->key_file,
        .api_url = url,
        .client = client,
    };
    GithubApp *app = github_app_new(&options, &error);

    g_assert_no_error(error);
    return app;
}

static guchar *base64url_decode(const char *text, gsize length, gsize *size)
{
    g_autoptr(GString) padded = g_string_new_len(text, (gssize)length);

    for (gsize i = 0; i < padded->len; i++)
        padded->str[i] = padded->str[i] == '-' ? '+' : padded->str[i] == '_' ? '/' : padded->str[i];
    while (padded->len % 4)
        g_string_append_c(padded, '=');
    return g_base64_decode(padded->str, size);
}

/* The claims of the request's JWT, after its signature was verified. */
static char *verified_claims(const Github *github)
{
    const char *start = strstr(github->last_request, "Authorization: Bearer ");
    g_autofree char *jwt = NULL;
    g_auto(GStrv) parts = NULL;
    gsize size = 0, claims_size = 0;
    g_autofree guchar *signature = NULL;
    g_autofree guchar *claims = NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    g_assert_nonnull(start);
    start += strlen("Authorization: Bearer ");
    jwt = g_strndup(start, strcspn(start, "\r"));
    parts = g_strsplit(jwt, ".", -1);
    g_assert_cmpuint(g_strv_length(parts), ==, 3);
    signature = base64url_decode(parts[2], strlen(parts[2]), &size);
    g_assert_cmpint(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, github->key), ==, 1);
    g_assert_cmpint(EVP_DigestVerify(context, signature, size, (const guint8 *)jwt,
                                     strlen(jwt) - strlen(parts[2]) - 1),
                    ==, 1);
    EVP_MD_CTX_free(context);
    claims = base64url_decode(parts[1], strlen(parts[1]), &claims_size);
    return g_strndup((const char *)claims, claims_size);
}

static char *obtain(GithubApp *app)
{
    g_autoptr(GError) error = NULL;
    char *token = NULL;
    gint64 end_us = 0;

    g_assert_true(github_app_token(app, &token, &end_us, &error));
    g_assert_no_error(error);
    g_assert_cmpint(end_us, >, clock_now_us());
    return token;
}

static void test_a_token_is_minted_once(void)
{
    Github github;
    HttpClient *client = http_client_new(8);
    GithubApp *app = NULL;
    gint64 now_s = clock_now_us() / CLOCK_SECOND_US;
    g_autoptr(GHashTable) environment = environment_new();
    g_autofree char *claims = NULL;
    gint64 issued_s = 0, end_s = 0;
    EnvMutator mutator;

    github_start(&github);
    app = app_for(&github, client);
    mutator = github_app_mutator(app);
    g_assert_true(mutator.run(WORKSPACE, environment, mutator.data, NULL));
    g_assert_cmpstr(value_of(environment, "GITHUB_TOKEN"), ==, "ghs_1");
    g_assert_cmpstr(value_of(environment, "GH_TOKEN"), ==, "ghs_1");
    for (guint i = 0; i < 3; i++) {
        g_autofree char *token = obtain(app);
        g_assert_cmpstr(token, ==, "ghs_1");
    }
    g_assert_cmpuint(atomic_load(&github.calls), ==, 1);
    g_assert_true(g_str_has_prefix(github.last_request,
                                   "POST /app/installations/99/access_tokens HTTP/1.1\r\n"));
    g_assert_nonnull(strstr(github.last_request, "Accept: application/vnd.github+json\r\n"));
    g_assert_nonnull(strstr(github.last_request, "X-GitHub-Api-Version: 2022-11-28\r\n"));
    g_assert_nonnull(strstr(github.last_request, "Content-Length: 0\r\n"));
    g_assert_nonnull(strstr(github.last_request, "User-Agent: workspaced/"));
    claims = verified_claims(&github);
    g_assert_cmpint(sscanf(claims, "{\"iss\":\"4711\",\"iat\":%ld,\"exp\":%ld}", &issued_s, &end_s),
                    ==, 2);
    g_assert_cmpint(issued_s, >=, now_s - 60);
    g_assert_cmpint(issued_s, <=, now_s - 50);
    g_assert_cmpint(end_s - issued_s, ==, 540);
    github_app_free(app);
    http_client_free(client);
    github_stop(&github);
}

static void test_a_token_near_its_end_is_minted_anew(void)
{
    Github github;
    HttpClient *client = http_client_new(8);
    GithubApp *app = NULL;

    github_start(&github);
    app = app_for(&github, client);
    atomic_store(&github.life_s, 4 * 60);
    for (guint i = 1; i < 4; i++) {
        g_autofree char *token = obtain(app);
        g_assert_cmpuint(atomic_load(&github.calls), ==, i);
    }
    atomic_store(&github.life_s, 0); /* an hour */
    for (guint i = 0; i < 3; i++) {
        g_autofree char *token = obtain(app);
        g_assert_cmpstr(token, ==, "ghs_4");
    }
    clock_advance(56 * CLOCK_MINUTE_US);
    g_autofree char *late = obtain(app);
    g_assert_cmpstr(late, ==, "ghs_5");
    github_app_free(app);
    http_client_free(client);
    github_stop(&github);
}

typedef struct {
    GithubApp *app;
    Thread *thread;
    char *token;
    gboolean failed;
} Caller;

static void call(void *data)
{
    Caller *caller = data;
    gint64 end_us = 0;

    caller->failed = !github_app_token(caller->app, &caller->token, &end_us, NULL);
}

static void call_at_once(GithubApp *app, Caller *callers, guint count)
{
    for (guint i = 0; i < count; i++) {
        callers[i] = (Caller){.app = app};
        callers[i].thread = thread_start("caller", call, &callers[i]);
    }
}

static void test_callers_at_once_share_one_mint(void)
{
    Github github;
    HttpClient *client = http_client_new(8);
    GithubApp *app = NULL;
    Caller callers[8];

    github_start(&github);
    atomic_store(&github.is_slow, TRUE);
    app = app_for(&github, client);
    call_at_once(app, callers, G_N_ELEMENTS(callers));
    while (atomic_load(&github.calls) == 0)
        g_usleep(1000);
    g_usleep(20000); /* let the others come */
    atomic_store(&github.is_slow, FALSE);
    for (guint i = 0; i < G_N_ELEMENTS(callers); i++) {
        thread_join(callers[i].thread);
        g_assert_cmpstr(callers[i].token, ==, "ghs_1");
        g_free(callers[i].token);
    }
    g_assert_cmpuint(atomic_load(&github.calls), ==, 1);
    github_app_free(app);
    http_client_free(client);
    github_stop(&github);
}

static void test_failures_are_told_and_pass(void)
{
    Github github;
    HttpClient *client = http_client_new(8);
    GithubApp *app = NULL;
    g_autoptr(GHashTable) environment = environment_new();
    EnvMutator mutator;
    g_autoptr(GError) error = NULL;

    github_start(&github);
    app = app_for(&github, client);
    mutator = github_app_mutator(app);
    atomic_store(&github.status, 404);
    g_assert_false(mutator.run(WORKSPACE, environment, mutator.data, &error));
    g_assert_cmpstr(error->message, ==, "GitHub answered 404");
    g_assert_cmpuint(g_hash_table_size(environment), ==, 0);
    atomic_store(&github.status, 200);
    g_autofree char *token = obtain(app);
    g_assert_cmpstr(token, ==, "ghs_2");
    github_app_free(app);
    http_client_free(client);
    github_stop(&github);
}

static void test_a_stop_ends_the_waiting(void)
{
    Github github;
    HttpClient *client = http_client_new(8);
    GithubApp *app = NULL;
    Caller callers[3];

    github_start(&github);
    atomic_store(&github.is_slow, TRUE);
    app = app_for(&github, client);
    call_at_once(app, callers, G_N_ELEMENTS(callers));
    while (atomic_load(&github.calls) == 0)
        g_usleep(1000);
    github_app_stop(app);
    for (guint i = 0; i < G_N_ELEMENTS(callers); i++) {
        thread_join(callers[i].thread);
        g_assert_true(callers[i].failed);
    }
    github_app_free(app);
    http_client_free(client);
    github_stop(&github);
}

static void test_bad_settings_are_fatal(void)
{
    g_autofree char *no_key = write_file("-----BEGIN PRIVATE KEY-----\nAAAA\n");
    const GithubAppOptions cases[] = {
        {"0", "1", no_key, "http://x", NULL},  {"x", "1", no_key, "http://x", NULL},
        {"1", NULL, no_key, "http://x", NULL}, {"1", "-1", no_key, "http://x", NULL},
        {"1", "1", NULL, "http://x", NULL},    {"1", "1", "/nowhere", "http://x", NULL},
        {"1", "1", no_key, "http://x", NULL},  {"1", "1", no_key, "ftp://x", NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(github_app_new(&cases[i], &error));
        g_assert_true(error_is(error, ERROR_INVALID));
    }
    g_unlink(no_key);
}

#define ADD(path_, function_) g_test_add_func("/provision/mutators/" path_, function_)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("order-and-first-error", test_order_and_first_error);
    ADD("without-a-provider-there-is-no-token", test_without_a_provider_there_is_no_token);
    ADD("roles-have-one-spelling", test_roles_have_one_spelling);
    ADD("an-agent-gets-its-identity", test_an_agent_gets_its_identity);
    ADD("bad-identity-files-are-fatal", test_bad_identity_files_are_fatal);
    ADD("a-token-is-minted-once", test_a_token_is_minted_once);
    ADD("callers-at-once-share-one-mint", test_callers_at_once_share_one_mint);
    ADD("failures-are-told-and-pass", test_failures_are_told_and_pass);
    ADD("a-stop-ends-the-waiting", test_a_stop_ends_the_waiting);
    ADD("bad-settings-are-fatal", test_bad_settings_are_fatal);
    ADD("a-token-near-its-end-is-minted-anew", test_a_token_near_its_end_is_minted_anew);
    return g_test_run();
}
