/* What the Docker engine says when its daemon is ill: every operation with every symptom gives the
 * right code within its time. The order of symptoms is that of the letters in each operation's row.
 */
#include "base/clock.h"
#include "engine/docker/docker.h"
#include "test-engine-docker-daemon.h"

#define SHORT_MS 400  /* deadline where it is to be reached */
#define LONG_MS  8000 /* and where it is not */

static const char flood_body[65536] = {[0 ... 65535] = 'x'};

/* ---- The operations ---- */

static gboolean call_info(Engine *engine, GError **error)
{
    g_autoptr(EngineInfo) info = NULL;
    return engine_info(engine, &info, error);
}

static gboolean call_list(Engine *engine, GError **error)
{
    g_autoptr(GPtrArray) list = NULL;
    return engine_list(engine, "ours", &list, error);
}

static gboolean call_inspect(Engine *engine, GError **error)
{
    g_autoptr(ContainerInfo) info = NULL;
    return engine_inspect(engine, "box", &info, error);
}

static gboolean call_create(Engine *engine, GError **error)
{
    g_autofree char *id = NULL;
    ContainerSpec spec = {.name = "box", .image = "image"};
    return engine_create(engine, &spec, &id, error);
}

static gboolean call_start(Engine *engine, GError **error)
{
    return engine_start(engine, "box", error);
}

static gboolean call_stop(Engine *engine, GError **error)
{
    return engine_stop(engine, "box", 0, error);
}

static gboolean call_remove(Engine *engine, GError **error)
{
    return engine_remove(engine, "box", error);
}

static gboolean call_freeze(Engine *engine, GError **error)
{
    return engine_freeze(engine, "box", error);
}

static gboolean call_thaw(Engine *engine, GError **error)
{
    return engine_thaw(engine, "box", error);
}

static gboolean call_volume_create(Engine *engine, GError **error)
{
    EngineLabels labels = {.installation = (char *)"ours"};
    EngineLabels existing = {0};
    gboolean ok = engine_volume_create(engine, "volume", &labels, &existing, error);

    engine_labels_clear(&existing);
    return ok;
}

static gboolean call_volume_list(Engine *engine, GError **error)
{
    g_autoptr(GPtrArray) list = NULL;
    return engine_volume_list(engine, "ours", &list, error);
}

static gboolean call_volume_remove(Engine *engine, GError **error)
{
    return engine_volume_remove(engine, "volume", error);
}

static gboolean call_network(Engine *engine, GError **error)
{
    EngineLabels labels = {.installation = (char *)"ours"};
    return engine_network_ensure(engine, "net", &labels, error);
}

static gboolean call_exec(Engine *engine, GError **error)
{
    g_autoptr(ExecResult) result = NULL;
    ExecSpec spec = {
        .argv = (const char *const[]){"true", NULL},
        .max_output_bytes = 1000,
        .timeout_ms = docker_engine(engine)->deadlines.read_ms,
    };
    return engine_exec(engine, "box", &spec, &result, error);
}

static gboolean call_attach(Engine *engine, GError **error)
{
    EngineSession *session = NULL;
    AttachSpec spec = {.argv = (const char *const[]){"sh", NULL}, .columns = 80, .rows = 24};
    gboolean ok = engine_attach(engine, "box", &spec, &session, error);

    engine_session_free(engine, session);
    return ok;
}

static gboolean call_copy_in(Engine *engine, GError **error)
{
    g_autoptr(GBytes) tar = g_bytes_new_static(flood_body, sizeof flood_body);
    return engine_copy_in(engine, "box", "/configs", tar, error);
}

static gboolean call_copy_out(Engine *engine, GError **error)
{
    g_autoptr(GBytes) tar = NULL;
    return engine_copy_out(engine, "box", "/configs", 100000, &tar, error);
}

static gboolean call_logs(Engine *engine, GError **error)
{
    g_autoptr(GBytes) text = NULL;
    return engine_logs(engine, "box", 10, 1000, &text, error);
}

static gboolean call_stats(Engine *engine, GError **error)
{
    EngineStats stats;
    return engine_stats(engine, "box", &stats, error);
}

static gboolean call_image_inspect(Engine *engine, GError **error)
{
    return engine_image_inspect(engine, "image", NULL, error);
}

static gboolean call_image_import(Engine *engine, GError **error)
{
    g_autoptr(GBytes) tar = g_bytes_new_static(flood_body, sizeof flood_body);
    return engine_image_import(engine, "image", tar, error);
}

static gboolean call_image_pull(Engine *engine, GError **error)
{
    return engine_image_pull(engine, "image", NULL, NULL, NULL, error);
}

/* The answers per symptom: U unavailable, O outcome unknown, I internal, N not found, C conflict, T
 * too large, + success, ? internal or unavailable (which comes first depends on the machine). */
typedef struct {
    const char *name, *method, *address;
    gboolean (*call)(Engine *, GError **);
    guint status; /* of its success */
    const char *answers;
} Operation;

static const Operation operations[] = {
    {"info", "GET", "/info", call_info, 200, "UUUUU?UIIIUUNC"},
    {"list", "GET", "/containers/json", call_list, 200, "UUUUU?UIIIUUNC"},
    {"inspect", "GET", "/containers/box/json", call_inspect, 200, "UUUUU?UIIIUUNC"},
    {"create", "POST", "/containers/create", call_create, 201, "OOOOOOOOOIOUNC"},
    {"start", "POST", "/start", call_start, 204, "OOOOOOO++IOUIC"},
    {"stop", "POST", "/stop", call_stop, 204, "OOOOOOO++IOU+C"},
    {"remove", "DELETE", "/containers/box", call_remove, 204, "OOOOOOOIIIOU+O"},
    {"freeze", "POST", "/pause", call_freeze, 204, "OOOOOOO++IOUNI"},
    {"thaw", "POST", "/unpause", call_thaw, 204, "OOOOOOO++IOUNI"},
    {"volume-create", "POST", "/volumes/create", call_volume_create, 201, "OOOOOOOOOIOUNC"},
    {"volume-list", "GET", "/volumes", call_volume_list, 200, "UUUUU?UIIIUUNC"},
    {"volume-remove", "DELETE", "/volumes", call_volume_remove, 204, "OOOOOOO++IOU+C"},
    {"network", "POST", "/networks/create", call_network, 201, "OOOOOOO++IOUNC"},
    {"exec", "POST", "/exec/e1/start", call_exec, 200, "OOOOOOOOOIOUNC"},
    {"attach", "POST", "/exec/e1/start", call_attach, 200, "OO++++O++IOUNC"},
    {"copy-in", "PUT", "/archive", call_copy_in, 200, "OOOOOOO++IOUNC"},
    {"copy-out", "GET", "/archive", call_copy_out, 200, "UUUUUTUUUIUUNC"},
    {"logs", "GET", "/logs", call_logs, 200, "UUUU?IUI+IUUNC"},
    {"stats", "GET", "/stats", call_stats, 200, "UUUUU?UIIIUUNC"},
    {"image-inspect", "GET", "/images/image/json", call_image_inspect, 200, "UUUUU?UIIIUUNC"},
    {"image-import", "POST", "/images/create", call_image_import, 200, "OOOOOOOOOIOUNC"},
    {"image-pull", "POST", "/images/create", call_image_pull, 200, "OOOOOOOOOIOUNI"},
};

/* ---- The symptoms ---- */

typedef struct {
    const char *name;
    FakeRule rule; /* status 0: that of the operation's success (with a body, so 200 for 204) */
    guint deadline_ms;
} Symptom;

#define OWN     "{\"message\":\"went wrong\"}"
#define FOREIGN "<html>gateway</html>"

static const Symptom symptoms[] = {
    {"hangs", {.mode = FAKE_HANG}, SHORT_MS},
    {"closes", {.mode = FAKE_CLOSE}, LONG_MS},
    {"cuts-its-answer", {.mode = FAKE_TRUNCATE, .body = "{}"}, LONG_MS},
    {"stalls-in-its-answer", {.mode = FAKE_STALL, .body = "{}"}, SHORT_MS},
    {"drips", {.mode = FAKE_DRIP, .body = "{}"}, SHORT_MS},
    {"floods", {.mode = FAKE_FLOOD, .body = flood_body, .body_length = sizeof flood_body}, LONG_MS},
    {"speaks-no-http", {.mode = FAKE_GARBAGE}, LONG_MS},
    {"speaks-no-json", {.type = "text/plain", .body = "hello"}, SHORT_MS},
    {"says-nothing", {.body = ""}, SHORT_MS},
    {"fails", {.status = 500, .body = OWN}, LONG_MS},
    {"has-a-failing-proxy", {.status = 502, .type = "text/html", .body = FOREIGN}, LONG_MS},
    {"has-a-proxy-without-it", {.status = 404, .type = "text/html", .body = FOREIGN}, LONG_MS},
    {"knows-it-not", {.status = 404, .body = OWN}, LONG_MS},
    {"finds-a-conflict", {.status = 409, .body = OWN}, LONG_MS},
};

static Engine *open_engine(FakeDaemon *daemon, guint deadline_ms)
{
    DockerVariables variables = {.host = daemon->host};
    DockerDeadlines deadlines = {
        .ping_ms = LONG_MS,
        .read_ms = deadline_ms,
        .create_ms = deadline_ms,
        .start_ms = deadline_ms,
        .stop_ms = deadline_ms,
        .remove_ms = deadline_ms,
        .archive_ms = deadline_ms,
        .pull_idle_ms = deadline_ms,
        .pull_ms = deadline_ms,
        .kill_ms = deadline_ms,
    };
    g_autoptr(GError) error = NULL;
    Engine *engine = docker_engine_new(&variables, &deadlines, &error);

    g_assert_no_error(error);
    return engine;
}

static void rule(FakeDaemon *daemon, const char *method, const char *address, guint status,
                 const char *body)
{
    FakeRule made = {.method = method, .address = address, .status = status, .body = body};
    fake_daemon_rule(daemon, &made);
}

static char letter_of(const GError *error)
{
    static const char letters[] = {
        [ERROR_UNAVAILABLE] = 'U', [ERROR_OUTCOME_UNKNOWN] = 'O', [ERROR_INTERNAL] = 'I',
        [ERROR_NOT_FOUND] = 'N',   [ERROR_CONFLICT] = 'C',        [ERROR_TOO_LARGE] = 'T',
        [ERROR_INVALID] = 'V',
    };
    return error ? letters[error->code] : '+';
}

static void check(const Operation *operation, const Symptom *symptom, const GError *error)
{
    char expected = operation->answers[symptom - symptoms];
    char seen = letter_of(error);

    if (seen == expected || (expected == '?' && (seen == 'I' || seen == 'U')))
        return;
    g_error("%s of a daemon that %s: %c instead of %c: %s", operation->name, symptom->name, seen,
            expected, error ? error->message : "");
}

typedef struct {
    const Operation *operation;
    const Symptom *symptom;
    FakeDaemon *daemon;
    Engine *engine;
} Pair;

static void suffer(void *data)
{
    const Pair *pair = data;
    const Operation *operation = pair->operation;
    FakeDaemon *daemon = pair->daemon;
    Engine *engine = pair->engine;
    g_autoptr(GError) error = NULL;
    FakeRule ill = pair->symptom->rule;
    DockerHost host;

    ill.method = operation->method;
    ill.address = operation->address;
    if (ill.status == 0)
        ill.status = operation->status == 204 ? 200 : operation->status;
    if (strcmp(operation->name, "info") != 0)
        g_assert_true(docker_host_load(docker_engine(engine), &host, NULL));
    fake_daemon_rule(daemon, &ill);
    rule(daemon, "POST", "/containers/box/exec", 201, "{\"Id\":\"e1\"}");
    rule(daemon, "POST", "/resize", 200, NULL);
    rule(daemon, "GET", "/networks/net", 404, OWN);
    gint64 begun_us = clock_monotonic_us();
    g_assert_cmpint(operation->call(engine, &error), ==, error == NULL);
    gint64 duration_ms = (clock_monotonic_us() - begun_us) / 1000;
    check(operation, pair->symptom, error);
    /* An exec also spends its time on ending what may run. */
    g_assert_cmpint(duration_ms, <, 4 * pair->symptom->deadline_ms + 2000);
}

/* All operations at once: most of the time is waiting. */
static void test_symptom(gconstpointer data)
{
    const Symptom *symptom = data;
    Pair pairs[G_N_ELEMENTS(operations)];
    Thread *threads[G_N_ELEMENTS(operations)];

    for (guint i = 0; i < G_N_ELEMENTS(operations); i++) {
        FakeDaemon *daemon = fake_daemon_new(FALSE);
        pairs[i] = (Pair){
            .operation = &operations[i],
            .symptom = symptom,
            .daemon = daemon,
            .engine = open_engine(daemon, symptom->deadline_ms),
        };
        threads[i] = thread_start("operation", suffer, &pairs[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(operations); i++) {
        thread_join(threads[i]);
        engine_free(pairs[i].engine);
        fake_daemon_free(pairs[i].daemon);
    }
}

static void test_no_daemon(void)
{
    DockerVariables variables = {.host = "unix:///nowhere/docker.sock"};
    gint64 begun_us = clock_monotonic_us();
    g_autoptr(Engine) engine = docker_engine_new(&variables, NULL, NULL);

    g_assert_nonnull(engine);
    g_assert_cmpint(clock_monotonic_us() - begun_us, <, 50000);
    for (guint i = 0; i < G_N_ELEMENTS(operations); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(operations[i].call(engine, &error));
        g_assert_error(error, ERROR_DOMAIN, ERROR_UNAVAILABLE);
    }
    g_assert_cmpint(clock_monotonic_us() - begun_us, <, 2 * CLOCK_SECOND_US);
}

static void test_ping_hangs(void)
{
    g_autoptr(FakeDaemon) daemon = fake_daemon_new(FALSE);
    DockerVariables variables = {.host = daemon->host};
    DockerDeadlines deadlines = docker_deadlines;
    g_autoptr(GError) error = NULL;
    FakeRule hang = {.address = "/_ping", .mode = FAKE_HANG};

    deadlines.ping_ms = SHORT_MS;
    g_autoptr(Engine) engine = docker_engine_new(&variables, &deadlines, NULL);
    fake_daemon_rule(daemon, &hang);
    gint64 begun_us = clock_monotonic_us();
    g_assert_false(engine_start(engine, "box", &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_UNAVAILABLE); /* nothing was asked for yet */
    g_assert_cmpint(clock_monotonic_us() - begun_us, <, 2 * CLOCK_SECOND_US);
    g_assert_cmpuint(fake_daemon_count(daemon, "/start"), ==, 0);
}

int main(int argc, char **argv)
{
    /* GLib makes its table of error domains at the first error, under a lock that ThreadSanitizer
     * cannot see. */
    g_error_free(g_error_new_literal(ERROR_DOMAIN, ERROR_INTERNAL, "first"));
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(symptoms); i++) {
        g_autofree char *path = g_strdup_printf("/engine-docker/daemon-%s", symptoms[i].name);
        g_test_add_data_func(path, &symptoms[i], test_symptom);
    }
    g_test_add_func("/engine-docker/daemon-is-not-there", test_no_daemon);
    g_test_add_func("/engine-docker/daemon-hangs-at-the-ping", test_ping_hangs);
    return g_test_run();
}
