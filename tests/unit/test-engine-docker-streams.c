/* The Docker engine's streams beside a daemon that does as it is told: how they are read, and how
 * they end. */
#include "base/clock.h"
#include "engine/docker/docker.h"
#include "engine/docker/frames.h"
#include "test-engine-docker-daemon.h"

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

/* ---- Streams ---- */

#define FRAME_ONE "\x01\0\0\0\0\0\0\x04one\n"

typedef struct {
    World *world;
    Cancel *cancel;
    GString *seen; /* the thread's until it is joined */
    atomic_uint pieces;
    GError *error;
    gboolean ok;
} Stream;

static void on_piece(const char *bytes, gsize length, void *data)
{
    Stream *stream = data;

    g_string_append_len(stream->seen, bytes, (gssize)length);
    atomic_fetch_add(&stream->pieces, 1);
}

static void on_event(const EngineEvent *event, void *data)
{
    Stream *stream = data;

    g_string_append_printf(stream->seen, "%d:%s:%d ", (int)event->type, event->container_id,
                           (int)event->exit_code);
    atomic_fetch_add(&stream->pieces, 1);
}

static void follow(void *data)
{
    Stream *stream = data;

    stream->ok = engine_logs_follow(stream->world->engine, "box", 5, stream->cancel, on_piece,
                                    stream, &stream->error);
}

static void watch_events(void *data)
{
    Stream *stream = data;

    stream->ok = engine_events(stream->world->engine, "ours", 1500000, stream->cancel, on_event,
                               stream, &stream->error);
}

static void pull(void *data)
{
    Stream *stream = data;

    stream->ok = engine_image_pull(stream->world->engine, "a/b:1", on_piece, stream, stream->cancel,
                                   &stream->error);
}

/* Runs `function` in a thread of its own, fires its cancellation after `pieces` (0: never), and
 * waits for its end. */
static void run_stream(Stream *stream, World *world, ThreadFunction function, guint pieces)
{
    Thread *thread;
    gint64 deadline_us = clock_monotonic_us() + 10 * CLOCK_SECOND_US;

    *stream = (Stream){.world = world, .cancel = cancel_new(), .seen = g_string_new(NULL)};
    thread = thread_start("stream", function, stream);
    while (pieces > 0 && atomic_load(&stream->pieces) < pieces) {
        g_assert_cmpint(clock_monotonic_us(), <, deadline_us);
        g_usleep(1000);
    }
    gint64 fired_us = clock_monotonic_us();
    if (pieces > 0)
        cancel_fire(stream->cancel);
    thread_join(thread);
    if (pieces > 0)
        g_assert_cmpint(clock_monotonic_us() - fired_us, <, CLOCK_SECOND_US);
}

static void end_stream(Stream *stream)
{
    g_clear_error(&stream->error);
    g_string_free(stream->seen, TRUE);
    cancel_unref(stream->cancel);
}

static void test_follow_is_cut_in_a_frame(World *world, gconstpointer data)
{
    Stream stream;

    (void)data;
    FakeRule cut = {.address = "/logs",
                    .status = 200,
                    .body = FRAME_ONE "\x01\0\0\0\0\0\0\x09two",
                    .body_length = sizeof FRAME_ONE - 1 + 11};
    fake_daemon_rule(world->daemon, &cut);
    run_stream(&stream, world, follow, 0);
    g_assert_false(stream.ok);
    g_assert_error(stream.error, ERROR_DOMAIN, ERROR_UNAVAILABLE);
    g_assert_cmpstr(stream.seen->str, ==, "one\ntwo");
    end_stream(&stream);
}

static void test_follow_ends_and_is_cancelled(World *world, gconstpointer data)
{
    Stream stream;

    (void)data;
    mode(world, FAKE_STREAM, "/logs", FRAME_ONE, sizeof FRAME_ONE - 1);
    run_stream(&stream, world, follow, 1);
    g_assert_no_error(stream.error);
    g_assert_true(stream.ok);
    end_stream(&stream);
    fake_daemon_forget(world->daemon);
    mode(world, FAKE_ANSWER, "/logs", FRAME_ONE, sizeof FRAME_ONE - 1);
    run_stream(&stream, world, follow, 0);
    g_assert_true(stream.ok);
    g_assert_cmpstr(stream.seen->str, ==, "one\n");
    end_stream(&stream);
}

static void test_follow_of_nothing(World *world, gconstpointer data)
{
    Stream stream;

    (void)data;
    rule(world, "GET", "/logs", 404, "{\"message\":\"No such container\"}");
    run_stream(&stream, world, follow, 0);
    g_assert_error(stream.error, ERROR_DOMAIN, ERROR_NOT_FOUND);
    end_stream(&stream);
}

static void test_follow_without_an_answer(World *world, gconstpointer data)
{
    Stream stream;
    gint64 begun_us = clock_monotonic_us();

    (void)data;
    docker_engine(world->engine)->deadlines.read_ms = 300;
    mode(world, FAKE_HANG, "/logs", NULL, 0);
    run_stream(&stream, world, follow, 0);
    g_assert_error(stream.error, ERROR_DOMAIN, ERROR_UNAVAILABLE);
    g_assert_cmpint(clock_monotonic_us() - begun_us, <, 3 * CLOCK_SECOND_US);
    end_stream(&stream);
}

#define EVENT(action_, installation_, more_)                                                       \
    "{\"Type\":\"container\",\"Action\":\"" action_ "\",\"Actor\":{\"ID\":\"c1\",\"Attributes\":"  \
    "{\"workspaced.installation\":\"" installation_ "\"" more_ "}},\"timeNano\":5000}\n"

static void test_events(World *world, gconstpointer data)
{
    Stream stream;

    (void)data;
    mode(world, FAKE_STREAM, "/events",
         EVENT("start", "ours", "") EVENT("start", "theirs", "")
             EVENT("die", "ours", ",\"exitCode\":\"137\"")
                 EVENT("exec_die", "ours", ",\"exitCode\":\"1\"") "{\"Type\":\"network\"}\n" EVENT(
                     "health_status: unhealthy", "ours", "") EVENT("destroy", "ours", ""),
         0);
    run_stream(&stream, world, watch_events, 6);
    g_assert_no_error(stream.error);
    g_assert_true(stream.ok);
    g_assert_cmpstr(stream.seen->str, ==, "7::0 1:c1:0 2:c1:137 6:c1:0 5:c1:0 3:c1:0 ");
    g_assert_cmpuint(asked(world, "/events?since=1.500000000&filters="), ==, 1);
    end_stream(&stream);
}

static void test_events_end_badly(World *world, gconstpointer data)
{
    static const struct {
        FakeMode mode;
        const char *body;
        ErrorCode code;
    } rows[] = {
        {FAKE_ANSWER, EVENT("start", "ours", ""), ERROR_UNAVAILABLE}, /* it must not end at all */
        {FAKE_TRUNCATE, "{\"Type\":", ERROR_UNAVAILABLE},
        {FAKE_ANSWER, "nonsense\n", ERROR_INTERNAL},
        {FAKE_CLOSE, NULL, ERROR_UNAVAILABLE},
    };

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        Stream stream;
        fake_daemon_forget(world->daemon);
        mode(world, rows[i].mode, "/events", rows[i].body, 0);
        run_stream(&stream, world, watch_events, 0);
        g_assert_false(stream.ok);
        g_assert_error(stream.error, ERROR_DOMAIN, (gint)rows[i].code);
        end_stream(&stream);
    }
}

static void test_events_with_an_endless_line(World *world, gconstpointer data)
{
    static const char line[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    Stream stream;

    (void)data;
    mode(world, FAKE_FLOOD, "/events", line, 0);
    run_stream(&stream, world, watch_events, 0);
    g_assert_error(stream.error, ERROR_DOMAIN, ERROR_INTERNAL);
    end_stream(&stream);
}

static void test_pull_is_cancelled(World *world, gconstpointer data)
{
    Stream stream;

    (void)data;
    docker_engine(world->engine)->deadlines.pull_idle_ms = 60000;
    mode(world, FAKE_STREAM, "/images/create", "{\"status\":\"x\"}\n", 0);
    run_stream(&stream, world, pull, 1);
    g_assert_error(stream.error, ERROR_DOMAIN, ERROR_OUTCOME_UNKNOWN);
    end_stream(&stream);
}

/* ---- Programs ---- */

static void test_exec_exit_code_comes_later(World *world, gconstpointer data)
{
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GError) error = NULL;
    ExecSpec spec = {
        .argv = (const char *const[]){"x", NULL}, .max_output_bytes = 3, .timeout_ms = 5000};

    (void)data;
    rule(world, "POST", "/containers/box/exec", 201, "{\"Id\":\"e1\"}");
    mode(world, FAKE_UPGRADE, "/exec/e1/start", FRAME_ONE "\x02\0\0\0\0\0\0\x02no",
         sizeof FRAME_ONE - 1 + 10);
    once(world, "GET", "/exec/e1/json", 200, "{\"Running\":true,\"ExitCode\":null}");
    rule(world, "GET", "/exec/e1/json", 200, "{\"Running\":false,\"ExitCode\":3}");
    engine_exec(world->engine, "box", &spec, &result, &error);
    g_assert_no_error(error);
    g_assert_cmpint(result->exit_code, ==, 3);
    g_assert_cmpstr(result->output->str, ==, "one");
    g_assert_cmpstr(result->errors->str, ==, "no");
    g_assert_true(result->truncated);
}

static void test_exec_breaks_in_a_frame(World *world, gconstpointer data)
{
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GError) error = NULL;
    ExecSpec spec = {
        .argv = (const char *const[]){"x", NULL}, .max_output_bytes = 3, .timeout_ms = 5000};

    (void)data;
    rule(world, "POST", "/containers/box/exec", 201, "{\"Id\":\"e1\"}");
    mode(world, FAKE_UPGRADE, "/exec/e1/start", FRAME_ONE "\x02\0\0", sizeof FRAME_ONE - 1 + 3);
    g_assert_false(engine_exec(world->engine, "box", &spec, &result, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_OUTCOME_UNKNOWN);
    g_assert_cmpuint(asked(world, "/containers/box/exec"), ==, 2); /* the second one ends it */
}

/* ---- Frames alone ---- */

static gboolean keep(DockerStream stream, const char *bytes, gsize length, void *data)
{
    g_string_append_printf(data, "%d", (int)stream);
    g_string_append_len(data, bytes, (gssize)length);
    return TRUE;
}

static void test_frames_cut_anywhere(void)
{
    static const char bytes[] = FRAME_ONE "\x02\0\0\0\0\0\0\0"
                                          "\0\0\0\0\0\0\0\x01x"
                                          "\x03\0\0\0\0\0\0\x01!";
    gsize length = sizeof bytes - 1;

    for (gsize cut = 0; cut <= length; cut++) {
        g_autoptr(GString) seen = g_string_new(NULL);
        DockerFrames frames = docker_frames_start(keep, seen);
        g_assert_cmpint(docker_frames_push(&frames, bytes, cut), ==, DOCKER_FRAMES_OK);
        g_assert_cmpint(docker_frames_push(&frames, bytes + cut, length - cut), ==,
                        DOCKER_FRAMES_OK);
        g_assert_true(docker_frames_at_border(&frames));
        g_assert_true(g_str_has_suffix(seen->str, "1x2!"));
    }
}

#define ADD(path_, function_)                                                                      \
    g_test_add("/engine-docker/" path_, World, NULL, set_up, function_, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("follow-is-cut-in-a-frame", test_follow_is_cut_in_a_frame);
    ADD("follow-ends-and-is-cancelled", test_follow_ends_and_is_cancelled);
    ADD("follow-of-nothing", test_follow_of_nothing);
    ADD("follow-without-an-answer", test_follow_without_an_answer);
    ADD("events", test_events);
    ADD("events-end-badly", test_events_end_badly);
    ADD("events-with-an-endless-line", test_events_with_an_endless_line);
    ADD("pull-is-cancelled", test_pull_is_cancelled);
    ADD("exec-exit-code-comes-later", test_exec_exit_code_comes_later);
    ADD("exec-breaks-in-a-frame", test_exec_breaks_in_a_frame);
    g_test_add_func("/engine-docker/frames-cut-anywhere", test_frames_cut_anywhere);
    return g_test_run();
}
