/* `create`: a workspace, and on request the wait until its agent answers. */
#include "base/ids.h"
#include "base/json_out.h"
#include "commands.h"
#include "terminal.h"
#include "workspaces.h"

#include <string.h>

#define WAIT_SECONDS    600 /* what the server gives a start, spec 01, 10.3 */
#define POLL_FIRST_US   50000
#define POLL_LAST_US    1000000
#define POLL_FAULTS_MAX 5 /* in a row, before a server that went away is given up */

const Option create_options[] = {
    {.name = "role", .value = "TEXT", .help = "what it is for, shown to its peers"},
    {.name = "parent",
     .value = "WORKSPACE",
     .choices = "@workspace",
     .help = "whose team it joins; without: a root of the chart"},
    {.name = "tier",
     .value = "1..4",
     .choices = "1 2 3 4",
     .help = "how much of the machine it may use; the server's default is 2"},
    {.name = "runtime", .value = "NAME", .help = "kind of agent; the server's default is builtin"},
    {.name = "image", .value = "IMAGE", .help = "container image, such as node:22"},
    {.name = "executor",
     .value = "NAME",
     .choices = "echo command",
     .help = "how the built-in agent answers: echo, command"},
    {.name = "command",
     .value = "COMMAND",
     .help = "program that answers a message (stdin to stdout): a line for /bin/sh, or a JSON "
             "array of words; implies --executor command"},
    {.name = "model", .value = "NAME", .help = "language model for its runtime"},
    {.name = "template", .value = "NAME", .help = "template folder of its configuration"},
    {.name = "secret",
     .value = "KEY=VALUE",
     .is_repeatable = TRUE,
     .help = "secret for its environment; KEY alone takes the value of that variable here, which "
             "keeps it out of the list of processes; repeatable"},
    {.name = "dir",
     .value = "PATH",
     .choices = "@file",
     .help = "folder of the server's machine to mount as /workspace"},
    {.name = "access",
     .value = "MODE",
     .choices = "none read_only read_write",
     .help = "how --dir is mounted: none, read_only, read_write"},
    {.name = "budget", .value = "CENTS", .help = "monthly limit in US cents"},
    {.name = "max-tasks", .value = "N", .help = "messages it may work on at once"},
    {.name = "external", .help = "no container: an agent that runs elsewhere"},
    {.name = "agent-url", .value = "URL", .help = "where that agent is; with --external"},
    {.name = "wait", .letter = 'w', .help = "wait until it is online; fail if it does not start"},
    {.name = "timeout", .value = "SECONDS", .help = "longest wait [600]"},
    {0},
};

/* Options that are text fields of the request as they are. */
static const struct {
    const char *option;
    const char *field;
} text_fields[] = {
    {"role", "role"},         {"runtime", "runtime"},   {"image", "image"},
    {"executor", "executor"}, {"command", "command"},   {"model", "model"},
    {"template", "template"}, {"dir", "workspace_dir"}, {"access", "workspace_access"},
    {"agent-url", "url"},
};

static const struct {
    const char *option;
    const char *field;
    gint64 min, max;
} number_fields[] = {
    {"tier", "tier", 1, 4},
    {"budget", "budget_limit", 0, G_MAXINT64},
    {"max-tasks", "max_concurrent_tasks", 1, G_MAXINT32},
};

/* ---- The request ---- */

static gboolean write_numbers(JsonOut *out, const Arguments *arguments, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(number_fields); i++) {
        gint64 value = 0;
        if (!arguments_has(arguments, number_fields[i].option))
            continue;
        if (!arguments_get_int(arguments, number_fields[i].option, number_fields[i].min,
                               number_fields[i].max, &value, error))
            return FALSE;
        json_out_int(out, number_fields[i].field, value);
    }
    return TRUE;
}

static gboolean write_secret(JsonOut *out, const char *secret, GError **error)
{
    const char *equals = strchr(secret, '=');
    g_autofree char *key = equals ? g_strndup(secret, (gsize)(equals - secret)) : g_strdup(secret);
    const char *value = equals ? equals + 1 : g_getenv(key);

    if (!*key)
        return ctl_fail(error, CTL_USAGE, "--secret needs a key: --secret KEY=VALUE");
    if (!value)
        return ctl_fail(error, CTL_USAGE,
                        "--secret %s: there is no such variable; set it, or write "
                        "--secret %s=VALUE",
                        key, key);
    json_out_text(out, key, value);
    return TRUE;
}

static gboolean write_secrets(JsonOut *out, const Arguments *arguments, GError **error)
{
    const GPtrArray *secrets = arguments_get_all(arguments, "secret");

    if (!secrets)
        return TRUE;
    json_out_object(out, "secrets");
    for (guint i = 0; i < secrets->len; i++)
        if (!write_secret(out, secrets->pdata[i], error))
            return FALSE;
    json_out_end(out);
    return TRUE;
}

static gboolean write_body(JsonOut *out, const Arguments *arguments, const char *parent_id,
                           GError **error)
{
    json_out_object(out, NULL);
    json_out_text(out, "name", arguments_position(arguments, 0));
    for (guint i = 0; i < G_N_ELEMENTS(text_fields); i++)
        if (arguments_has(arguments, text_fields[i].option))
            json_out_text(out, text_fields[i].field,
                          arguments_get(arguments, text_fields[i].option));
    if (arguments_has(arguments, "command") && !arguments_has(arguments, "executor"))
        json_out_text(out, "executor", "command");
    if (arguments_has(arguments, "external"))
        json_out_bool(out, "external", TRUE);
    if (parent_id)
        json_out_text(out, "parent_id", parent_id);
    if (!write_numbers(out, arguments, error) || !write_secrets(out, arguments, error))
        return FALSE;
    json_out_end(out);
    return TRUE;
}

/* ---- Waiting ---- */

typedef struct {
    Session *session;
    const char *id;
    const char *name;
    gint64 started_us;
    gint64 deadline_us;
    guint faults;
    ApiAnswer answer; /* the last one */
} Wait;

static gboolean is_up(const char *status)
{
    return strcmp(status, "online") == 0 || strcmp(status, "degraded") == 0;
}

static gboolean is_lost(const char *status)
{
    return strcmp(status, "failed") == 0 || strcmp(status, "removed") == 0 ||
           strcmp(status, "paused") == 0 || strcmp(status, "hibernated") == 0;
}

/* The reason of a failed start, and what to do about it, stand in the list. Caller owns it; "" when
 * unknown. */
static char *dup_failure_reason(const Wait *wait)
{
    g_autoptr(GPtrArray) workspaces = workspaces_load(wait->session->api, NULL, NULL);

    for (guint i = 0; workspaces && i < workspaces->len; i++) {
        const Workspace *workspace = workspaces->pdata[i];
        if (strcmp(workspace->id, wait->id) == 0)
            return g_strconcat(workspace->error, *workspace->hint ? "\n" : "", workspace->hint,
                               NULL);
    }
    return g_strdup("");
}

static gboolean fail_start(const Wait *wait, const char *status, GError **error)
{
    g_autofree char *reason = dup_failure_reason(wait);

    return ctl_fail(error, CTL_REFUSED,
                    "workspace '%s' (%s) is %s%s%s\n'workspacectl logs %.8s' and 'workspacectl "
                    "events %.8s' may tell more.",
                    wait->name, wait->id, status, *reason ? ": " : "", reason, wait->id, wait->id);
}

static void show_progress(const Wait *wait, const char *status)
{
    double seconds = (double)(g_get_monotonic_time() - wait->started_us) / 1e6;
    g_autofree char *line = g_strdup_printf("%s: %s, %.1f s", wait->name, status, seconds);

    terminal_progress(line);
}

/* Asks once. `status` is NULL when the server did not answer this time, which is forgiven a few
 * times: it may be restarting. Caller owns it. */
static gboolean ask_status(Wait *wait, char **status, GError **error)
{
    g_autofree char *path = g_strconcat("/workspaces/", wait->id, NULL);
    g_autoptr(GError) fault = NULL;
    JsonView view;

    *status = NULL;
    api_answer_clear(&wait->answer);
    if (api_call(wait->session->api, "GET", path, NULL, &wait->answer, &view, &fault)) {
        wait->faults = 0;
        *status = api_text_dup(view, "status");
        return *status || ctl_fail(error, CTL_REFUSED, "the server did not tell a status");
    }
    gboolean may_pass = ctl_failure_status(fault) == CTL_UNREACHABLE || wait->answer.status >= 500;
    if (may_pass && ++wait->faults < POLL_FAULTS_MAX)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&fault));
    return FALSE;
}

static gboolean wait_until_up(Wait *wait, GError **error)
{
    for (gint64 pause_us = POLL_FIRST_US;; pause_us = MIN(pause_us * 5 / 4, POLL_LAST_US)) {
        g_autofree char *status = NULL;
        if (!ask_status(wait, &status, error))
            return FALSE;
        if (status && is_up(status))
            return TRUE;
        if (status && is_lost(status))
            return fail_start(wait, status, error);
        show_progress(wait, status ? status : "the server does not answer");
        if (g_get_monotonic_time() + pause_us > wait->deadline_us)
            return ctl_fail(error, CTL_REFUSED,
                            "workspace '%s' (%s) is still %s after the time allowed; the server "
                            "goes on trying, see 'workspacectl list'",
                            wait->name, wait->id, status ? status : "unknown");
        g_usleep((gulong)pause_us);
    }
}

static gboolean wait_run(Wait *wait, GError **error)
{
    gboolean is_ready = wait_until_up(wait, error);
    double seconds = (double)(g_get_monotonic_time() - wait->started_us) / 1e6;

    terminal_progress(NULL);
    if (is_ready && wait->session->wants_json)
        printf("%s\n", wait->answer.body->str);
    else if (is_ready && terminal_can_ask())
        fprintf(stderr, "%s is online after %.1f s\n", wait->name, seconds);
    api_answer_clear(&wait->answer);
    return is_ready;
}

/* ---- The command ---- */

static gboolean wait_for(Session *session, const char *id, GError **error)
{
    g_autofree char *name = terminal_cell_dup(arguments_position(session->arguments, 0), 60);
    gint64 seconds = WAIT_SECONDS;
    Wait wait = {.session = session, .id = id, .name = name};

    if (!arguments_get_int(session->arguments, "timeout", 1, 86400, &seconds, error))
        return FALSE;
    wait.started_us = g_get_monotonic_time();
    wait.deadline_us = wait.started_us + seconds * G_USEC_PER_SEC;
    return wait_run(&wait, error);
}

static gboolean check(const Arguments *arguments, GError **error)
{
    gint64 ignored;

    if (arguments_has(arguments, "timeout") && !arguments_has(arguments, "wait"))
        return ctl_fail(error, CTL_USAGE, "--timeout is for --wait");
    if (!*arguments_position(arguments, 0))
        return ctl_fail(error, CTL_USAGE, "the name of a workspace must not be empty");
    return arguments_get_int(arguments, "timeout", 1, 86400, &ignored, error);
}

gboolean create_run(Session *session, GError **error)
{
    const char *parent = arguments_get(session->arguments, "parent");
    g_autofree char *parent_id = NULL;
    g_autoptr(GString) body = g_string_new(NULL);
    g_auto(ApiAnswer) answer = {0};
    JsonOut out = json_out_start(body);
    JsonView view;

    if (!check(session->arguments, error) ||
        (parent && !(parent_id = workspace_id_resolve(session->api, parent, error))) ||
        !write_body(&out, session->arguments, parent_id, error) ||
        !api_call(session->api, "POST", "/workspaces", body->str, &answer, &view, error))
        return FALSE;
    g_autofree char *text = api_text_dup(view, "id");
    char id[ID_SIZE];
    if (!id_fold(text, id))
        return ctl_fail(error, CTL_REFUSED, "the server did not tell the new workspace's id");
    gboolean waits = arguments_has(session->arguments, "wait");
    if (!session->wants_json)
        printf("%s\n", id);
    else if (!waits)
        printf("%s\n", answer.body->str);
    fflush(stdout);
    return !waits || wait_for(session, id, error);
}
