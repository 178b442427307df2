/* `status`: one workspace, and why it does not run. */
#include "commands.h"
#include "terminal.h"
#include "workspaces.h"

#include <string.h>

#define LABEL_COLUMNS 11

static void print_fact(const char *label, const char *text)
{
    if (!*text)
        return;
    terminal_pad(stdout, label, LABEL_COLUMNS);
    terminal_write(stdout, text, strlen(text));
    putchar('\n');
}

/* The end of its log stands below the first line of the error. */
static const char *last_lines(const Workspace *workspace)
{
    const char *end = strchr(workspace->error, '\n');

    return end ? end + 1 : "";
}

static void print_failure(const Workspace *workspace)
{
    g_autofree char *code = workspace->has_exit_code
                                ? g_strdup_printf("%" G_GINT64_FORMAT, workspace->exit_code)
                                : g_strdup("");

    if (!*workspace->reason)
        return;
    print_fact("reason", workspace->reason);
    print_fact("why", workspace->why);
    print_fact("do", workspace->hint);
    print_fact("exit code", code);
    print_fact("since", workspace->failed_at);
    if (*last_lines(workspace))
        print_fact("log", "");
    terminal_write(stdout, last_lines(workspace), strlen(last_lines(workspace)));
}

/* The list's object of one workspace. TRUE: found. */
static gboolean find_object(JsonView list, const char *id, JsonView *object)
{
    for (JsonWalk walk = json_view_walk(list); json_walk_next(&walk);) {
        g_autofree char *one = api_text_dup(walk.value, "id");

        *object = walk.value;
        if (g_strcmp0(one, id) == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean print_json(const ApiAnswer *answer, const char *id, GError **error)
{
    JsonView list, object;

    if (!json_view_parse(answer->body->str, answer->body->len, JSON_ONE_VALUE, &list, NULL) ||
        !find_object(list, id, &object))
        return ctl_fail(error, CTL_REFUSED, "the server's list of workspaces is not a list");
    g_autofree char *text = json_view_compact_dup(object);
    printf("%s\n", text);
    return TRUE;
}

gboolean status_run(Session *session, GError **error)
{
    g_auto(ApiAnswer) answer = {0};
    g_autoptr(GPtrArray) workspaces = workspaces_load(session->api, &answer, error);
    const Workspace *workspace =
        workspaces ? workspaces_find(workspaces, arguments_position(session->arguments, 0), error)
                   : NULL;

    if (!workspace)
        return FALSE;
    if (session->wants_json)
        return print_json(&answer, workspace->id, error);
    print_fact("id", workspace->id);
    print_fact("name", workspace->name);
    print_fact("status", workspace->status);
    print_fact("role", workspace->role);
    print_fact("runtime", workspace->runtime);
    print_fact("url", workspace->url);
    print_failure(workspace);
    return TRUE;
}
