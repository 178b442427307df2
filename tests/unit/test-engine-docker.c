/* The Docker engine beside a daemon that does as it is told: what it asks, and what it
 * believes. */
#include "base/clock.h"
#include "engine/docker/docker.h"
#include "test-engine-docker-daemon.h"

#include <string.h>

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

typedef struct {
    FakeDaemon *daemon;
    Engine *engine;
} World;

static void set_up(World *world, gconstpointer data)
{
    DockerVariables variables = {0};
    DockerDeadlines deadlines = docker_deadlines;

    deadlines.remove_ms = 300;
    deadlines.pull_idle_ms = 300;
    deadlines.read_ms = 3000;
    world->daemon = fake_daemon_new(data != NULL);
    variables.host = world->daemon->host;
    world->engine = docker_engine_new(&variables, &deadlines, NULL);
}

static void tear_down(World *world, gconstpointer data)
{
    (void)data;
    engine_free(world->engine);
    fake_daemon_free(world->daemon);
}

static void rule(World *world, const char *method, const char *address, guint status,
                 const char *body)
{
    FakeRule made = {.method = method, .address = address, .status = status, .body = body};
    fake_daemon_rule(world->daemon, &made);
}

static void once(World *world, const char *method, const char *address, guint status,
                 const char *body)
{
    FakeRule made = {
        .method = method, .address = address, .status = status, .body = body, .times = 1};
    fake_daemon_rule(world->daemon, &made);
}

static void mode(World *world, FakeMode how, const char *address, const char *body, gsize length)
{
    FakeRule made = {
        .address = address, .mode = how, .status = 200, .body = body, .body_length = length};
    fake_daemon_rule(world->daemon, &made);
}

static guint asked(World *world, const char *text)
{
    return fake_daemon_count(world->daemon, text);
}

/* ---- The way to the daemon ---- */

static void test_version_is_the_lower_one(World *world, gconstpointer data)
{
    g_autoptr(EngineInfo) info = NULL;

    (void)data;
    fake_daemon_api(world->daemon, 99);
    g_assert_true(engine_info(world->engine, &info, NULL));
    g_assert_cmpstr(info->version, ==, "1.51");
    g_assert_cmpuint(asked(world, "GET /v1.51/info"), ==, 1);
    g_assert_cmpstr(info->id, ==, "fake-daemon");
    g_assert_cmpint(info->cpus, ==, 2);
    g_assert_true(info->limits_memory && info->limits_cpu && info->limits_pids);
}

static void test_daemon_is_too_old(World *world, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    fake_daemon_api(world->daemon, 40);
    g_assert_false(engine_start(world->engine, "box", &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_UNAVAILABLE);
    g_assert_cmpuint(asked(world, "start"), ==, 0);
}

static void test_daemon_is_replaced_by_an_older_one(World *world, gconstpointer data)
{
    g_autoptr(GPtrArray) list = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    fake_daemon_api(world->daemon, 45);
    g_assert_true(engine_ping(world->engine, NULL));
    fake_daemon_api(world->daemon, 43);
    rule(world, "GET", "/v1.45/", 400, "{\"message\":\"client version 1.45 is too new\"}");
    rule(world, "GET", "/v1.43/containers/json", 200, "[]");
    engine_list(world->engine, "ours", &list, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(list->len, ==, 0);
}

static void test_ping_behind_a_proxy_without_head(World *world, gconstpointer data)
{
    (void)data;
    rule(world, "HEAD", "/_ping", 403, "{\"message\":\"forbidden\"}");
    g_assert_true(engine_ping(world->engine, NULL));
}

/* Reading may use a kept connection; whatever has an effect has one of its own, or libcurl could
 * send it twice. */
static void test_connections_are_kept_for_reading_only(World *world, gconstpointer data)
{
    (void)data;
    rule(world, "GET", "/containers/json", 200, "[]");
    rule(world, "POST", "/start", 204, NULL);
    g_assert_true(engine_ping(world->engine, NULL));
    g_assert_cmpuint(fake_daemon_connections(world->daemon), ==, 1);
    for (int i = 0; i < 3; i++) {
        g_autoptr(GPtrArray) list = NULL;
        g_assert_true(engine_list(world->engine, "ours", &list, NULL));
    }
    g_assert_cmpuint(fake_daemon_connections(world->daemon), ==, 1);
    for (int i = 0; i < 3; i++)
        g_assert_true(engine_start(world->engine, "box", NULL));
    g_assert_cmpuint(fake_daemon_connections(world->daemon), ==, 4);
}

static void test_lost_answer_is_not_asked_for_again(World *world, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    mode(world, FAKE_CLOSE, "/start", NULL, 0);
    g_assert_true(engine_ping(world->engine, NULL));
    g_assert_false(engine_start(world->engine, "box", &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_OUTCOME_UNKNOWN);
    g_assert_cmpuint(asked(world, "/start"), ==, 1);
}

static void test_over_tcp(World *world, gconstpointer data)
{
    ContainerSpec spec = {.name = "box", .image = "image", .port = 8000};
    g_autofree char *id = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    rule(world, "POST", "/containers/create", 201, "{\"Id\":\"" ID_A "\"}");
    engine_create(world->engine, &spec, &id, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(id, ==, ID_A);
}

static void test_addresses(void)
{
    static const struct {
        const char *host, *cert_path, *version;
        gboolean is_good;
    } rows[] = {
        {NULL, NULL, NULL, TRUE},
        {"", NULL, "", TRUE},
        {"unix:///run/docker.sock", NULL, "1.43", TRUE},
        {"tcp://127.0.0.1", NULL, NULL, TRUE},
        {"tcp://[::1]:2375", NULL, NULL, TRUE},
        {"tcp://host:2375/path", NULL, NULL, FALSE},
        {"tcp://user@host:2375", NULL, NULL, FALSE},
        {"tcp://host:2376", "/nowhere", NULL, FALSE},
        {"unix://relative", NULL, NULL, FALSE},
        {"ssh://host", NULL, NULL, FALSE},
        {"http://host", NULL, NULL, FALSE},
        {"unix:///run/docker.sock", NULL, "1.40", FALSE},
        {"unix:///run/docker.sock", NULL, "2.0", FALSE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        DockerSettings settings = {
            .host = rows[i].host,
            .cert_path = rows[i].cert_path,
            .api_version = rows[i].version,
        };
        g_autoptr(GError) error = NULL;
        g_autoptr(Engine) engine = engine_docker_open(&settings, &error);
        g_assert_cmpint(engine != NULL, ==, rows[i].is_good);
        if (!rows[i].is_good)
            g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
    }
}

/* ---- What is believed ---- */

#define ELEMENT(id_, installation_)                                                                \
    "{\"Id\":\"" id_ "\",\"Names\":[\"/ws-1\"],\"Image\":\"i\",\"State\":\"exited\","              \
    "\"Status\":\"Exited (137) 3 seconds ago\",\"Created\":5,"                                     \
    "\"Labels\":{\"workspaced.installation\":\"" installation_ "\"}}"

static void test_list_that_ignores_its_filter(World *world, gconstpointer data)
{
    g_autoptr(GPtrArray) list = NULL;

    (void)data;
    rule(world, "GET", "/containers/json", 200,
         "[" ELEMENT("a", "theirs") "," ELEMENT("b", "ours") "," ELEMENT("c", "") "]");
    g_assert_true(engine_list(world->engine, "ours", &list, NULL));
    g_assert_cmpuint(list->len, ==, 1);
    ContainerInfo *info = list->pdata[0];
    g_assert_cmpstr(info->id, ==, "b");
    g_assert_cmpstr(info->name, ==, "ws-1");
    g_assert_cmpint(info->exit_code, ==, 137);
    g_assert_cmpint(info->created_at_us, ==, 5 * CLOCK_SECOND_US);
    g_assert_cmpint(info->labels.generation, ==, 0);
}

static void test_lists_that_cannot_be_whole(World *world, gconstpointer data)
{
    static const char *const bodies[] = {
        "{}",
        "null",
        "[1]",
        "[{}]",
        "[{\"Id\":\"a\",\"Names\":[\"/n\"],\"State\":\"singing\"}]",
        "[{\"Id\":\"a\",\"Names\":[],\"State\":\"running\"}]",
        "[" ELEMENT("a", "ours"),
    };

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_autoptr(GPtrArray) list = NULL;
        g_autoptr(GError) error = NULL;
        fake_daemon_forget(world->daemon);
        rule(world, "GET", "/containers/json", 200, bodies[i]);
        g_assert_false(engine_list(world->engine, "ours", &list, &error));
        g_assert_error(error, ERROR_DOMAIN, ERROR_INTERNAL);
        g_assert_null(list);
    }
}

static void test_volumes_with_a_warning(World *world, gconstpointer data)
{
    g_autoptr(GPtrArray) list = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    once(world, "GET", "/volumes", 200, "{\"Volumes\":null,\"Warnings\":null}");
    rule(world, "GET", "/volumes", 200, "{\"Volumes\":[],\"Warnings\":[\"driver nfs is gone\"]}");
    g_assert_true(engine_volume_list(world->engine, "ours", &list, NULL));
    g_assert_cmpuint(list->len, ==, 0);
    g_clear_pointer(&list, g_ptr_array_unref);
    g_assert_false(engine_volume_list(world->engine, "ours", &list, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_UNAVAILABLE);
}

#define INSPECT(id_, state_)                                                                       \
    "{\"Id\":\"" id_ "\",\"Name\":\"/ws-1\",\"Image\":\"sha256:1\",\"RestartCount\":4,"            \
    "\"Created\":\"2026-01-02T03:04:05.123456789Z\",\"State\":" state_ ","                         \
    "\"Config\":{\"Image\":\"i:1\",\"User\":\"1000\",\"Labels\":{\"workspaced.kind\":\"helper\","  \
    "\"workspaced.generation\":\"12\"}},\"NetworkSettings\":{\"Ports\":{\"8000/tcp\":"             \
    "[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"49153\"}]}}}"

static void test_inspect_in_full(World *world, gconstpointer data)
{
    g_autoptr(ContainerInfo) info = NULL;

    (void)data;
    rule(world, "GET", "/containers/ws-1/json", 200,
         INSPECT(ID_A, "{\"Status\":\"running\",\"ExitCode\":3,\"OOMKilled\":true,"
                       "\"Error\":\"no\",\"StartedAt\":\"2026-01-02T03:04:06Z\","
                       "\"FinishedAt\":\"0001-01-01T00:00:00Z\"}"));
    g_assert_true(engine_inspect(world->engine, "ws-1", &info, NULL));
    g_assert_cmpstr(info->address, ==, "127.0.0.1:49153");
    g_assert_cmpstr(info->user, ==, "1000");
    g_assert_cmpstr(info->failure, ==, "no");
    g_assert_cmpint(info->exit_code, ==, 3);
    g_assert_true(info->out_of_memory);
    g_assert_cmpint(info->restart_count, ==, 4);
    g_assert_cmpint(info->created_at_us, ==, G_GINT64_CONSTANT(1767323045123456));
    g_assert_cmpint(info->started_at_us, ==, G_GINT64_CONSTANT(1767323046000000));
    g_assert_cmpint(info->finished_at_us, ==, 0);
    g_assert_cmpint(info->labels.generation, ==, 12);
}

/* ---- The image's own check ---- */

#define CHECKED(status_, health_) "{\"Status\":\"" status_ "\",\"Health\":" health_ "}"

static void check_health(World *world, const char *body, ContainerHealth health, const char *output)
{
    g_autoptr(ContainerInfo) info = NULL;

    fake_daemon_forget(world->daemon);
    rule(world, "GET", "/containers/ws-1/json", 200, body);
    g_assert_true(engine_inspect(world->engine, "ws-1", &info, NULL));
    g_assert_cmpint(info->health, ==, health);
    g_assert_cmpstr(info->probe_output, ==, output);
}

static void test_health_of_a_container(World *world, gconstpointer data)
{
    g_autofree char *text = g_strnfill(2000, 'x');
    g_autofree char *cut = g_strndup(text, CONTAINER_PROBE_BYTES);
    g_autofree char *endless = g_strdup_printf(
        INSPECT(ID_A, CHECKED("running", "{\"Status\":\"unhealthy\",\"Log\":[{\"Output\":"
                                         "\"old\"},{\"Output\":\"%s\"}]}")),
        text);

    (void)data;
    check_health(world, INSPECT(ID_A, CHECKED("running", "{\"Status\":\"starting\"}")),
                 HEALTH_STARTING, NULL);
    check_health(world,
                 INSPECT(ID_A, CHECKED("running", "{\"Status\":\"healthy\",\"Log\":[{\"Output\":"
                                                  "\"fine\"}]}")),
                 HEALTH_HEALTHY, NULL);
    check_health(world,
                 INSPECT(ID_A, CHECKED("running", "{\"Status\":\"unhealthy\",\"FailingStreak\":3,"
                                                  "\"Log\":[{\"Output\":\"old\"},{\"ExitCode\":1,"
                                                  "\"Output\":\" refused\\n\"}]}")),
                 HEALTH_UNHEALTHY, "refused");
    check_health(world, endless, HEALTH_UNHEALTHY, cut);
    check_health(world, INSPECT(ID_A, CHECKED("running", "{\"Status\":\"unhealthy\",\"Log\":7}")),
                 HEALTH_UNHEALTHY, NULL);
    check_health(world, INSPECT(ID_A, CHECKED("exited", "{\"Status\":\"unhealthy\"}")), HEALTH_NONE,
                 NULL);
    check_health(world, INSPECT(ID_A, CHECKED("running", "{\"Status\":\"\"}")), HEALTH_NONE, NULL);
    check_health(world, INSPECT(ID_A, CHECKED("running", "null")), HEALTH_NONE, NULL);
    check_health(world, INSPECT(ID_A, "{\"Status\":\"running\"}"), HEALTH_NONE, NULL);
}

#define UP(id_, status_)                                                                           \
    "{\"Id\":\"" id_ "\",\"Names\":[\"/ws-1\"],\"Image\":\"i\",\"State\":\"running\","             \
    "\"Status\":\"" status_ "\",\"Labels\":{\"workspaced.installation\":\"ours\"}}"

static void test_health_in_a_list(World *world, gconstpointer data)
{
    static const ContainerHealth expected[] = {HEALTH_UNHEALTHY, HEALTH_HEALTHY, HEALTH_STARTING,
                                               HEALTH_NONE};
    g_autoptr(GPtrArray) list = NULL;

    (void)data;
    rule(world, "GET", "/containers/json", 200,
         "[" UP("a", "Up 2 minutes (unhealthy)") "," UP("b", "Up 2 minutes (healthy)") "," UP(
             "c", "Up 1 second (health: starting)") "," UP("d", "Up 3 days") "]");
    g_assert_true(engine_list(world->engine, "ours", &list, NULL));
    g_assert_cmpuint(list->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < list->len; i++)
        g_assert_cmpint(((ContainerInfo *)list->pdata[i])->health, ==, expected[i]);
}

static void test_inspect_of_another_one(World *world, gconstpointer data)
{
    g_autoptr(ContainerInfo) info = NULL;
    g_autoptr(GError) error = NULL;

    (void)data; /* "aaa" is the beginning of an id, and no name */
    rule(world, "GET", "/containers/aaa/json", 200, INSPECT(ID_A, "{\"Status\":\"exited\"}"));
    g_assert_false(engine_inspect(world->engine, "aaa", &info, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_NOT_FOUND);
}

static void test_start_without_its_network(World *world, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    rule(world, "POST", "/start", 404, "{\"message\":\"network x not found\"}");
    rule(world, "GET", "/containers/ws-1/json", 200, INSPECT(ID_A, "{\"Status\":\"created\"}"));
    g_assert_false(engine_start(world->engine, "ws-1", &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
}

/* ---- Removing ---- */

static void test_removal_that_somebody_began(World *world, gconstpointer data)
{
    (void)data;
    once(world, "DELETE", "/containers/box", 409, "{\"message\":\"already in progress\"}");
    rule(world, "DELETE", "/containers/box", 404, "{\"message\":\"No such container\"}");
    g_assert_true(engine_remove(world->engine, "box", NULL));
    g_assert_cmpuint(asked(world, "DELETE /v1.41/containers/box"), ==, 2);
}

static void test_removal_that_does_not_end(World *world, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    gint64 begun_us = clock_monotonic_us();

    (void)data;
    rule(world, "DELETE", "/containers/box", 204, NULL);
    rule(world, "GET", "/containers/box/json", 200, "{}");
    g_assert_false(engine_remove(world->engine, "box", &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_OUTCOME_UNKNOWN);
    g_assert_cmpint(clock_monotonic_us() - begun_us, <, 3 * CLOCK_SECOND_US);
}

/* ---- Pulling ---- */

static void on_progress(const char *bytes, gsize length, void *data)
{
    g_string_append_len(data, bytes, (gssize)length);
    g_string_append_c(data, '|');
}

static void test_pull_tells_its_progress(World *world, gconstpointer data)
{
    g_autoptr(GString) told = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    (void)data;
    rule(world, "POST", "/images/create", 200,
         "{\"status\":\"Pulling from acme/agent\",\"id\":\"1\"}\r\n"
         "{\"status\":\"Pulling fs layer\",\"id\":\"f00\"}\r\n"
         "{\"status\":\"Already exists\",\"id\":\"f01\"}\r\n"
         "{\"status\":\"Downloading\",\"id\":\"f00\",\"progressDetail\":{\"current\":1}}\r\n"
         "{\"status\":\"Downloading\",\"id\":\"f00\",\"progressDetail\":{\"current\":2}}\r\n"
         "{\"status\":\"Downloading\",\"id\":\"f00\","
         "\"progressDetail\":{\"current\":5,\"total\":10}}\r\n"
         "{\"status\":\"Pulling fs layer\",\"id\":\"f02\"}\r\n"
         "{\"status\":\"Done\"}");
    engine_image_pull(world->engine, "ghcr.io:443/acme/agent", on_progress, told, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(
        told->str, ==,
        "1: Pulling from acme/agent|0% f00: Pulling fs layer|50% f01: Already exists|"
        "50% f00: Downloading|67% f00: Downloading|67% f02: Pulling fs layer|67% Done|");
    /* Without a tag a daemon would pull every one. */
    g_assert_cmpuint(asked(world, "fromImage=ghcr.io%3A443/acme/agent&tag=latest"), ==, 1);
}

static void test_platform_is_named(World *world, gconstpointer data)
{
    static const char *const no_pairs[] = {NULL, "", "linux", "linux/", "/amd64"};
    ContainerSpec spec = {.name = "box", .image = "a/b:1"};
    g_autofree char *id = NULL;

    (void)data;
    rule(world, "POST", "/images/create", 200, "{\"status\":\"x\"}");
    rule(world, "POST", "/containers/create", 201, "{\"Id\":\"abc\"}");
    rule(world, "GET", "/info", 200, "{\"NCPU\":2,\"ID\":\"x\"}");
    for (guint i = 0; i < G_N_ELEMENTS(no_pairs); i++) {
        engine_docker_platform_set(world->engine, no_pairs[i]);
        g_assert_true(engine_create(world->engine, &spec, &id, NULL));
        g_clear_pointer(&id, g_free);
    }
    g_assert_cmpuint(asked(world, "platform="), ==, 0);
    engine_docker_platform_set(world->engine, "linux/amd64/v8");
    g_assert_true(engine_image_pull(world->engine, "a/b:1", NULL, NULL, NULL, NULL));
    g_assert_true(engine_create(world->engine, &spec, &id, NULL));
    g_assert_cmpuint(asked(world, "tag=1&platform=linux/amd64/v8"), ==, 1);
    g_assert_cmpuint(asked(world, "name=box&platform=linux/amd64/v8"), ==, 1);
}

static void test_pull_fails_in_its_stream(World *world, gconstpointer data)
{
    static const struct {
        const char *body;
        ErrorCode code;
    } rows[] = {
        {"{\"status\":\"x\"}\n{\"errorDetail\":{\"message\":\"manifest unknown\"},\"error\":\"m\"}",
         ERROR_INTERNAL},
        {"{\"error\":\"manifest unknown: no\"}", ERROR_NOT_FOUND},
        {"{\"errorDetail\":{\"code\":404,\"message\":\"x\"}}", ERROR_NOT_FOUND},
        {"{\"error\":\"unauthorized: log in\"}", ERROR_FORBIDDEN},
        {"{\"error\":\"no space left on device\"}", ERROR_INTERNAL},
        {"{\"errorDetail\":{}}", ERROR_INTERNAL},
        {"{\"status\":\"x\"}\nnonsense\n", ERROR_OUTCOME_UNKNOWN},
    };

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        fake_daemon_forget(world->daemon);
        rule(world, "POST", "/images/create", 200, rows[i].body);
        g_assert_false(engine_image_pull(world->engine, "a/b:1", NULL, NULL, NULL, &error));
        g_assert_error(error, ERROR_DOMAIN, (gint)rows[i].code);
    }
}

static void test_pull_that_stalls(World *world, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    gint64 begun_us = clock_monotonic_us();

    (void)data;
    mode(world, FAKE_STREAM, "/images/create", "{\"status\":\"x\"}\n", 0);
    g_assert_false(engine_image_pull(world->engine, "a/b:1", NULL, NULL, NULL, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_OUTCOME_UNKNOWN);
    g_assert_cmpint(clock_monotonic_us() - begun_us, <, 3 * CLOCK_SECOND_US);
}

static void test_credentials_go_to_their_registry_only(World *world, gconstpointer data)
{
    static const char *const others[] = {"acme/agent:1", "ghcr.io.evil.com/a:1", "quay.io/a:1"};
    g_autofree char *none = NULL;
    g_autofree char *auth = NULL;
    g_autofree char *text = NULL;
    gsize length = 0;

    (void)data;
    rule(world, "POST", "/images/create", 200, "{\"status\":\"x\"}");
    engine_docker_registry_set(world->engine, "ghcr.io", "me", "to>k?en~");
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        g_assert_true(engine_image_pull(world->engine, others[i], NULL, NULL, NULL, NULL));
    none = fake_daemon_auth_dup(world->daemon);
    g_assert_cmpstr(none, ==, "");
    g_assert_true(engine_image_pull(world->engine, "ghcr.io/a/b:1", NULL, NULL, NULL, NULL));
    auth = fake_daemon_auth_dup(world->daemon);
    g_assert_null(strpbrk(auth, "+/"));
    g_strdelimit(auth, "-", '+');
    g_strdelimit(auth, "_", '/');
    text = (char *)g_base64_decode(auth, &length);
    g_assert_true(strstr(text, "\"username\":\"me\",\"password\":\"to>k?en~\"") != NULL);
    fake_daemon_forget(world->daemon);
    rule(world, "POST", "/images/create", 200, "{\"status\":\"x\"}");
    engine_docker_registry_set(world->engine, "ghcr.io", NULL, NULL);
    g_assert_true(engine_image_pull(world->engine, "ghcr.io/a/b:1", NULL, NULL, NULL, NULL));
    g_free(none);
    none = fake_daemon_auth_dup(world->daemon);
    g_assert_cmpstr(none, ==, "");
}

#define ADD(path_, function_)                                                                      \
    g_test_add("/engine-docker/" path_, World, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("version-is-the-lower-one", test_version_is_the_lower_one);
    ADD("daemon-is-too-old", test_daemon_is_too_old);
    ADD("daemon-is-replaced-by-an-older-one", test_daemon_is_replaced_by_an_older_one);
    ADD("ping-behind-a-proxy-without-head", test_ping_behind_a_proxy_without_head);
    ADD("connections-are-kept-for-reading-only", test_connections_are_kept_for_reading_only);
    ADD("lost-answer-is-not-asked-for-again", test_lost_answer_is_not_asked_for_again);
    g_test_add("/engine-docker/over-tcp", World, "tcp", set_up, test_over_tcp, tear_down);
    g_test_add_func("/engine-docker/addresses", test_addresses);
    ADD("list-that-ignores-its-filter", test_list_that_ignores_its_filter);
    ADD("lists-that-cannot-be-whole", test_lists_that_cannot_be_whole);
    ADD("volumes-with-a-warning", test_volumes_with_a_warning);
    ADD("inspect-in-full", test_inspect_in_full);
    ADD("health-of-a-container", test_health_of_a_container);
    ADD("health-in-a-list", test_health_in_a_list);
    ADD("inspect-of-another-one", test_inspect_of_another_one);
    ADD("start-without-its-network", test_start_without_its_network);
    ADD("removal-that-somebody-began", test_removal_that_somebody_began);
    ADD("removal-that-does-not-end", test_removal_that_does_not_end);
    ADD("pull-tells-its-progress", test_pull_tells_its_progress);
    ADD("platform-is-named-to-the-daemon", test_platform_is_named);
    ADD("pull-fails-in-its-stream", test_pull_fails_in_its_stream);
    ADD("pull-that-stalls", test_pull_that_stalls);
    ADD("credentials-go-to-their-registry-only", test_credentials_go_to_their_registry_only);
    return g_test_run();
}
