#include "engine/docker/exec.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/json_out.h"
#include "base/log.h"
#include "engine/docker/frames.h"
#include "engine/docker/json.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define MARK_VARIABLE   "WORKSPACED_EXEC="
#define PIECE_BYTES     (32 * 1024)
#define POLL_MAX_MS     1000 /* so that a turned clock is seen */
#define LOOK_FIRST_US   2000
#define LOOK_MAX_US     200000
#define KILLER_OUTPUT   1024
#define EXIT_NOT_FOUND  127
#define EXIT_NOT_FITTED 126

/* ---- Starting ---- */

char *docker_exec_mark_new(void)
{
    return g_strdup_printf("%08x%08x%08x%08x", g_random_int(), g_random_int(), g_random_int(),
                           g_random_int());
}

static void write_text(JsonOut *out, const char *key, const char *text)
{
    if (text)
        json_out_text(out, key, text);
}

static void write_environment(JsonOut *out, const DockerExecPlan *plan)
{
    g_autofree char *mark = plan->mark ? g_strconcat(MARK_VARIABLE, plan->mark, NULL) : NULL;

    json_out_array(out, "Env");
    if (mark)
        json_out_text(out, NULL, mark);
    if (plan->is_terminal)
        json_out_text(out, NULL, "TERM=xterm-256color");
    json_out_end(out);
}

static void write_size(JsonOut *out, const DockerExecPlan *plan)
{
    if (!plan->is_terminal)
        return;
    json_out_array(out,
                   "ConsoleSize"); /* API 1.42 and later; before, the resize that follows counts */
    json_out_int(out, NULL, plan->rows);
    json_out_int(out, NULL, plan->columns);
    json_out_end(out);
}

static void write_plan(GString *text, const DockerExecPlan *plan)
{
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_bool(&out, "AttachStdin", plan->has_input);
    json_out_bool(&out, "AttachStdout", TRUE);
    json_out_bool(&out, "AttachStderr", TRUE);
    json_out_bool(&out, "Tty", plan->is_terminal);
    write_size(&out, plan);
    write_environment(&out, plan);
    json_out_array(&out, "Cmd");
    for (const char *const *word = plan->argv; *word; word++)
        json_out_text(&out, NULL, *word);
    json_out_end(&out);
    write_text(&out, "User", plan->user);
    write_text(&out, "WorkingDir", plan->working_dir);
    json_out_end(&out);
}

static gboolean prepare(DockerEngine *docker, const DockerExecPlan *plan, char **id, GError **error)
{
    g_autofree char *path = docker_path("containers", plan->ref, "/exec");
    g_autoptr(GString) body = g_string_new(NULL);
    g_autofree char *read = NULL;
    g_auto(DockerAnswer) answer = {0};
    JsonView view;

    write_plan(body, plan);
    /* Nothing runs yet: what is lost here has no effect. */
    DockerRequest request = {
        .method = "POST",
        .path = path,
        .deadline_ms = docker->deadlines.read_ms,
        .body = body->str,
        .body_length = body->len,
    };
    if (!docker_call_ok(docker, &request, "container", &answer, error) ||
        !docker_answer_json(&answer, &view, error))
        return FALSE;
    read = docker_json_text(view, "Id");
    if (!read || !*read)
        return error_set(error, ERROR_INTERNAL, "docker: an exec without an id");
    *id = g_steal_pointer(&read);
    return TRUE;
}

gboolean docker_exec_start(DockerEngine *docker, const DockerExecPlan *plan, char **id,
                           DockerPipe **pipe, GError **error)
{
    g_autofree char *made = NULL;
    g_autofree char *path = NULL;
    g_autofree char *body =
        g_strdup_printf("{\"Detach\":false,\"Tty\":%s}", plan->is_terminal ? "true" : "false");
    g_auto(DockerAnswer) answer = {0};
    DockerPipe *opened = NULL;

    if (!prepare(docker, plan, &made, error))
        return FALSE;
    path = docker_path("exec", made, "/start");
    DockerRequest request = {
        .method = "POST",
        .path = path,
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.read_ms,
        .body = body,
        .body_length = strlen(body),
    };
    if (!docker_pipe_open(docker->transport, &request, &opened, &answer, error))
        return FALSE;
    if (!opened)
        return docker_refuse(&request, &answer, "container", error);
    *id = g_steal_pointer(&made);
    *pipe = opened;
    return TRUE;
}

/* ---- Running to the end ---- */

typedef struct {
    DockerPipe *pipe;
    const ExecSpec *spec;
    ExecResult *result;
    DockerFrames frames;
    gint64 deadline_us;
    const char *input;
    gsize input_length;
    gsize input_sent;
    gboolean is_input_ended;
} Run;

typedef enum { RUN_GOES_ON, RUN_ENDED, RUN_LATE, RUN_BROKEN } RunState;

static gboolean keep_piece(DockerStream stream, const char *bytes, gsize length, void *data)
{
    Run *run = data;
    GString *text = stream == DOCKER_STREAM_OUTPUT ? run->result->output : run->result->errors;
    gsize room =
        run->spec->max_output_bytes > text->len ? run->spec->max_output_bytes - text->len : 0;

    if (length > room)
        run->result->truncated = TRUE; /* and the program may write on, it is only not kept */
    g_string_append_len(text, bytes, (gssize)MIN(length, room));
    return TRUE;
}

/* Sends what fits. A program that reads no more is no failure. */
static void feed(Run *run)
{
    while (!run->is_input_ended && run->input_sent < run->input_length) {
        gsize sent = 0;
        switch (docker_pipe_send(run->pipe, run->input + run->input_sent,
                                 run->input_length - run->input_sent, &sent)) {
        case DOCKER_PIPE_DATA:
            run->input_sent += sent;
            break;
        case DOCKER_PIPE_WAIT:
            return;
        case DOCKER_PIPE_END:
            run->is_input_ended = TRUE;
            return;
        }
    }
    if (!run->is_input_ended)
        docker_pipe_end_input(run->pipe);
    run->is_input_ended = TRUE;
}

/* Waits for something to do. FALSE: its time is over. */
static gboolean wait_for_work(Run *run)
{
    gint64 left_ms = (run->deadline_us - clock_monotonic_us() + 999) / 1000;
    struct pollfd watch = {
        .fd = docker_pipe_fd(run->pipe),
        .events = (short)(run->is_input_ended ? POLLIN : POLLIN | POLLOUT),
    };

    if (left_ms <= 0)
        return FALSE;
    poll(&watch, 1, (int)MIN(left_ms, POLL_MAX_MS));
    return TRUE;
}

static RunState take_output(Run *run)
{
    char piece[PIECE_BYTES];
    gsize received = 0;

    switch (docker_pipe_receive(run->pipe, piece, sizeof piece, &received)) {
    case DOCKER_PIPE_DATA:
        if (docker_frames_push(&run->frames, piece, received) != DOCKER_FRAMES_OK)
            return RUN_BROKEN;
        return clock_monotonic_us() < run->deadline_us ? RUN_GOES_ON : RUN_LATE;
    case DOCKER_PIPE_WAIT:
        return wait_for_work(run) ? RUN_GOES_ON : RUN_LATE;
    case DOCKER_PIPE_END:
        break;
    }
    return docker_frames_at_border(&run->frames) ? RUN_ENDED : RUN_BROKEN;
}

static RunState pump(Run *run)
{
    RunState state = RUN_GOES_ON;

    while (state == RUN_GOES_ON) {
        feed(run);
        state = take_output(run);
    }
    return state;
}

/* ---- The exit code ---- */

static gboolean look_ended(DockerEngine *docker, const char *id, gboolean *is_running,
                           gint64 *exit_code, GError **error)
{
    g_autofree char *path = docker_path("exec", id, "/json");
    g_auto(DockerAnswer) answer = {0};
    JsonView view, running;

    if (!docker_get(docker, path, 0, "exec", &answer, &view, error))
        return FALSE;
    if (!json_view_member(view, "Running", JSON_KEYS_EXACT, &running) ||
        !json_view_bool(running, is_running))
        return error_set(error, ERROR_INTERNAL, "docker: an exec without a state");
    *exit_code = docker_json_int(view, "ExitCode");
    return TRUE;
}

/* The streams may end before the program does: it can close them, and the daemon notes its end a
 * moment later. */
static RunState wait_for_exit(DockerEngine *docker, const char *id, Run *run, GError **error)
{
    gint64 pause_us = LOOK_FIRST_US;
    gboolean is_running = TRUE;

    for (;;) {
        if (!look_ended(docker, id, &is_running, &run->result->exit_code, error))
            return RUN_BROKEN;
        if (!is_running)
            return RUN_ENDED;
        if (clock_monotonic_us() + pause_us > run->deadline_us)
            return RUN_LATE;
        g_usleep((gulong)pause_us);
        pause_us = MIN(pause_us * 2, LOOK_MAX_US);
    }
}

/* ---- All of it ---- */

static ExecResult *result_new(void)
{
    ExecResult *result = g_new0(ExecResult, 1);

    result->output = g_string_new(NULL);
    result->errors = g_string_new(NULL);
    return result;
}

static gboolean execute(DockerEngine *docker, const char *ref, const ExecSpec *spec,
                        const char *mark, ExecResult **result, GError **error)
{
    g_autoptr(ExecResult) made = result_new();
    g_autoptr(DockerPipe) pipe = NULL;
    g_autofree char *id = NULL;
    g_autoptr(GError) cause = NULL;
    DockerExecPlan plan = {
        .ref = ref,
        .argv = spec->argv,
        .user = spec->user,
        .working_dir = spec->working_dir,
        .mark = mark,
        .has_input = spec->input != NULL,
    };
    Run run = {
        .spec = spec,
        .result = made,
        .deadline_us = clock_monotonic_us() + (gint64)spec->timeout_ms * 1000,
        .is_input_ended = !spec->input,
    };

    if (!docker_exec_start(docker, &plan, &id, &pipe, &cause)) {
        if (mark && error_is(cause, ERROR_OUTCOME_UNKNOWN)) /* it may run */
            docker_exec_kill(docker, ref, spec->user, mark);
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    run.pipe = pipe;
    run.frames = docker_frames_start(keep_piece, &run);
    if (spec->input)
        run.input = g_bytes_get_data(spec->input, &run.input_length);
    RunState state = pump(&run);
    if (state == RUN_ENDED)
        state = wait_for_exit(docker, id, &run, NULL);
    if (state == RUN_ENDED) {
        *result = g_steal_pointer(&made);
        return TRUE;
    }
    if (mark)
        docker_exec_kill(docker, ref, spec->user, mark);
    return error_set(error, ERROR_OUTCOME_UNKNOWN,
                     state == RUN_LATE ? "docker: the program took more than %u ms"
                                       : "docker: the connection to the program broke within %u ms",
                     spec->timeout_ms);
}

gboolean docker_exec(Engine *self, const char *ref, const ExecSpec *spec, ExecResult **result,
                     GError **error)
{
    g_autofree char *mark = docker_exec_mark_new();
    return execute(docker_engine(self), ref, spec, mark, result, error);
}

/* ---- Ending what runs ---- */

void docker_exec_kill(DockerEngine *docker, const char *ref, const char *user, const char *mark)
{
    /* Twice, since a process may have started another one between being seen and being killed. */
    g_autofree char *script = g_strdup_printf(
        "for round in 1 2; do for p in /proc/[0-9]*; do "
        "if grep -qs " MARK_VARIABLE "%s $p/environ; then kill -9 ${p#/proc/}; fi; done; done",
        mark);
    g_autoptr(ExecResult) result = NULL;
    g_autoptr(GError) error = NULL;
    ExecSpec spec = {
        .argv = (const char *const[]){"/bin/sh", "-c", script, NULL},
        .user = user,
        .max_output_bytes = KILLER_OUTPUT,
        .timeout_ms = docker->deadlines.kill_ms,
    };

    if (!execute(docker, ref, &spec, NULL, &result, &error)) {
        /* With its container everything in it has ended. */
        if (!error_is(error, ERROR_NOT_FOUND) && !error_is(error, ERROR_CONFLICT))
            log_warning("a program in a container may still run", LOG_TEXT("container", ref),
                        LOG_CAUSE(error));
        return;
    }
    if (result->exit_code == EXIT_NOT_FOUND || result->exit_code == EXIT_NOT_FITTED)
        log_warning("a program in a container may still run: its image has no shell to end it",
                    LOG_TEXT("container", ref));
}
