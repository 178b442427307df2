/* Programs and files inside a container. */
#include "test-engine-conformance-world.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* ---- Programs inside ---- */

static void test_exec_streams_and_code(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, WAITER);
    g_autoptr(GBytes) input = g_bytes_new_static("from outside", 12);
    ExecSpec spec = {
        .argv = SHELL("cat; echo problem >&2; pwd; exit 3"),
        .working_dir = "/etc",
        .input = input,
        .max_output_bytes = OUTPUT_MAX,
        .timeout_ms = 10000,
    };
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_true(engine_exec(engine, id, &spec, &result, &error));
    g_assert_no_error(error);
    g_assert_cmpint(result->exit_code, ==, 3);
    g_assert_cmpstr(result->output->str, ==, "from outside/etc\n");
    g_assert_cmpstr(result->errors->str, ==, "problem\n");
    g_assert_false(result->truncated);
}

static void test_exec_takes_much_and_keeps_little(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, WAITER);
    gsize size = 3 << 20;
    g_autoptr(GBytes) input = g_bytes_new_take(g_malloc0(size), size);
    ExecSpec spec = {
        .argv = (const char *const[]){"/bin/cat", NULL},
        .input = input,
        .max_output_bytes = 1000,
        .timeout_ms = 20000,
    };
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_true(engine_exec(engine, id, &spec, &result, &error));
    g_assert_no_error(error);
    g_assert_cmpint(result->exit_code, ==, 0);
    g_assert_cmpuint(result->output->len, ==, 1000);
    g_assert_true(result->truncated);
    /* A program that reads nothing is no failure either. */
    g_clear_pointer(&result, exec_result_free);
    spec.argv = (const char *const[]){"/bin/true", NULL};
    g_assert_true(engine_exec(engine, id, &spec, &result, &error));
    g_assert_cmpint(result->exit_code, ==, 0);
}

static void test_exec_over_its_time_is_killed(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, WAITER);
    ExecSpec spec = {
        .argv = SHELL("echo $$ >/tmp/first; sleep 987 & echo $! >/tmp/second; wait"),
        .max_output_bytes = OUTPUT_MAX,
        .timeout_ms = 500,
    };
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GError) error = NULL;
    gint64 begun_us = clock_monotonic_us();

    (void)data;
    g_assert_false(engine_exec(engine, id, &spec, &result, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_OUTCOME_UNKNOWN);
    g_assert_cmpint(clock_monotonic_us() - begun_us, <, 7 * CLOCK_SECOND_US);
    assert_output(id,
                  "sleep 0.2; for f in first second; do pid=$(cat /tmp/$f); "
                  "grep -qs '^State:.[RSD]' /proc/$pid/status && echo $f lives; done; true",
                  "");
}

static void test_exec_of_nothing(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, WAITER);
    ExecSpec spec = {
        .argv = (const char *const[]){"/bin/nothing", NULL},
        .max_output_bytes = OUTPUT_MAX,
        .timeout_ms = 5000,
    };
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    if (engine_exec(engine, id, &spec, &result, &error))
        g_assert_true(result->exit_code == 126 || result->exit_code == 127);
    else
        g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
}

static void test_exec_needs_a_running_container(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, "true");
    ExecSpec spec = {.argv = SHELL("true"), .timeout_ms = 5000};
    AttachSpec attach = {.argv = SHELL("true"), .columns = 80, .rows = 24};
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GError) error = NULL;
    EngineSession *session = NULL;

    (void)data;
    container_info_free(wait_for_state(id, CONTAINER_EXITED));
    g_assert_false(engine_exec(engine, id, &spec, &result, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_CONFLICT);
    g_clear_error(&error);
    g_assert_false(engine_attach(engine, id, &attach, &session, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_CONFLICT);
}

/* Reads until `text` has been seen. */
static void expect(int fd, GString *seen, const char *text)
{
    gint64 deadline_us = clock_monotonic_us() + PATIENCE_US;

    while (!strstr(seen->str, text)) {
        struct pollfd watch = {.fd = fd, .events = POLLIN};
        char piece[4096];
        g_assert_cmpint(clock_monotonic_us(), <, deadline_us);
        if (poll(&watch, 1, 100) <= 0)
            continue;
        gssize length = read(fd, piece, sizeof piece);
        if (length < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        g_assert_cmpint(length, >, 0);
        g_string_append_len(seen, piece, length);
    }
    g_string_truncate(seen, 0);
}

static void type_in(int fd, const char *text)
{
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (gssize)strlen(text));
}

static void test_terminal(Case *test, gconstpointer data)
{
    g_autofree char *id = run(test, WAITER);
    AttachSpec spec = {.argv = (const char *const[]){"/bin/sh", NULL}, .columns = 91, .rows = 33};
    EngineSession *session = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) seen = g_string_new(NULL);
    int fd;

    (void)data;
    g_assert_true(engine_attach(engine, id, &spec, &session, &error));
    g_assert_no_error(error);
    fd = engine_session_fd(engine, session);
    type_in(fd, "echo hi-$((40+2)); echo $$ >/tmp/shell\n");
    expect(fd, seen, "hi-42");
    type_in(fd, "stty size\n");
    expect(fd, seen, "33 91");
    g_assert_true(engine_session_resize(engine, session, 120, 40, &error));
    g_assert_no_error(error);
    type_in(fd, "stty size\n");
    expect(fd, seen, "40 120");
    g_assert_false(engine_session_resize(engine, session, 0, 40, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
    engine_session_free(engine, session);
    assert_output(id,
                  "sleep 0.2; grep -qs '^State:.[RSD]' /proc/$(cat /tmp/shell)/status && "
                  "echo lives; true",
                  "");
}

/* ---- Files ---- */

static GBytes *small_tar(void)
{
    static const TarFile entries[] = {
        {"inner", NULL},
        {"inner/file", "seeded\n"},
        {"top", "top\n"},
    };
    return tar_of(entries, G_N_ELEMENTS(entries));
}

static void test_files_go_in_before_the_start(Case *test, gconstpointer data)
{
    g_autofree char *name = new_name(test);
    ContainerSpec spec =
        spec_of(test, name, SHELL("cat /configs/inner/file; cat /configs/top; " WAITER));
    g_autofree char *id = create(&spec);
    g_autoptr(GBytes) tar = small_tar();
    g_autoptr(GBytes) out = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *content = NULL;

    (void)data;
    g_assert_true(engine_copy_in(engine, id, "/configs", tar, &error));
    g_assert_no_error(error);
    start(id);
    assert_output(id, "cat /configs/inner/file", "seeded\n");
    assert_output(id, "echo more >/configs/inner/more", "");
    g_assert_true(engine_copy_out(engine, id, "/configs/inner", 1 << 20, &out, &error));
    g_assert_no_error(error);
    content = tar_find(out, "inner/more");
    g_assert_cmpstr(content, ==, "more\n");
}

static void test_files_come_out_of_a_stopped_one(Case *test, gconstpointer data)
{
    g_autofree char *id =
        run(test, "mkdir /data; echo kept >/data/file; head -c 100000 /dev/zero >/data/big");
    g_autoptr(GBytes) out = NULL;
    g_autofree char *content = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    container_info_free(wait_for_state(id, CONTAINER_EXITED));
    g_assert_true(engine_copy_out(engine, id, "/data/file", 1 << 20, &out, &error));
    content = tar_find(out, "file");
    g_assert_cmpstr(content, ==, "kept\n");
    g_clear_pointer(&out, g_bytes_unref);
    g_assert_false(engine_copy_out(engine, id, "/data/absent", 1 << 20, &out, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_assert_false(engine_copy_out(engine, id, "/data/big", 50000, &out, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_TOO_LARGE);
    g_assert_null(out);
}

const CaseRow inside_cases[] = {
    {"exec-streams-and-code", test_exec_streams_and_code},
    {"exec-takes-much-and-keeps-little", test_exec_takes_much_and_keeps_little},
    {"exec-over-its-time-is-killed", test_exec_over_its_time_is_killed},
    {"exec-of-nothing", test_exec_of_nothing},
    {"exec-needs-a-running-container", test_exec_needs_a_running_container},
    {"terminal", test_terminal},
    {"files-go-in-before-the-start", test_files_go_in_before_the_start},
    {"files-come-out-of-a-stopped-one", test_files_come_out_of_a_stopped_one},
    {NULL, NULL},
};
