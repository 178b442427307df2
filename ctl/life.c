/* `restart`, `pause`, `resume`, `hibernate`: other wishes for a workspace. Source: spec 01, 9.1 to
 * 9.5. */
#include "base/json_out.h"
#include "commands.h"
#include "terminal.h"
#include "workspaces.h"

#include <string.h>

const Option restart_options[] = {
    {.name = "template", .value = "FOLDER", .help = "fill its configuration from this template"},
    {.name = "apply-template", .help = "from the template of its name or runtime"},
    {.name = "rebuild-config", .help = "from its team's template"},
    {.name = "reset", .help = "forget its agent's sessions first"},
    {0},
};

const Option hibernate_options[] = {
    {.name = "force", .help = "even while it works on something"},
    {0},
};

/* One call for one workspace. `word` comes before the name in what is said; the number in `counted`
 * (NULL: none) tells how many it concerns, itself included. */
typedef struct {
    const char *verb, *query, *body, *word, *counted;
} Wish;

static void say(const Wish *wish, const Workspace *workspace, JsonView answer)
{
    g_autofree char *name = terminal_cell_dup(workspace->name, 60);
    JsonView value;
    gint64 count = 1;

    if (wish->counted && json_view_member(answer, wish->counted, JSON_KEYS_EXACT, &value))
        json_view_int(value, &count);
    printf("%s %s", wish->word, name);
    if (count > 1)
        printf(" and %" G_GINT64_FORMAT " below it", count - 1);
    putchar('\n');
}

static gboolean send(Session *session, const Wish *wish, GError **error)
{
    g_autoptr(GPtrArray) workspaces = workspaces_load(session->api, NULL, error);
    const Workspace *workspace =
        workspaces ? workspaces_find(workspaces, arguments_position(session->arguments, 0), error)
                   : NULL;
    g_auto(ApiAnswer) answer = {0};
    JsonView view;

    if (!workspace)
        return FALSE;
    g_autofree char *path =
        g_strdup_printf("/workspaces/%s/%s%s", workspace->id, wish->verb, wish->query);
    if (!api_call(session->api, "POST", path, wish->body, &answer, &view, error))
        return FALSE;
    if (session->wants_json)
        printf("%s\n", answer.body->str);
    else
        say(wish, workspace, view);
    return TRUE;
}

/* Caller owns it. */
static GString *restart_body(const Arguments *arguments)
{
    const char *template = arguments_get(arguments, "template");
    GString *body = g_string_new(NULL);
    JsonOut out = json_out_start(body);

    json_out_object(&out, NULL);
    if (template)
        json_out_text(&out, "template", template);
    if (arguments_has(arguments, "apply-template"))
        json_out_bool(&out, "apply_template", TRUE);
    if (arguments_has(arguments, "rebuild-config"))
        json_out_bool(&out, "rebuild_config", TRUE);
    if (arguments_has(arguments, "reset"))
        json_out_bool(&out, "reset", TRUE);
    json_out_end(&out);
    return body;
}

gboolean restart_run(Session *session, GError **error)
{
    g_autoptr(GString) body = restart_body(session->arguments);
    const Wish wish = {.verb = "restart", .query = "", .body = body->str, .word = "restarting"};

    return send(session, &wish, error);
}

gboolean pause_run(Session *session, GError **error)
{
    const Wish wish = {
        .verb = "pause", .query = "", .body = "{}", .word = "paused", .counted = "paused_count"};

    return send(session, &wish, error);
}

gboolean resume_run(Session *session, GError **error)
{
    const Wish wish = {.verb = "resume",
                       .query = "",
                       .body = "{}",
                       .word = "starting",
                       .counted = "resumed_count"};

    return send(session, &wish, error);
}

gboolean hibernate_run(Session *session, GError **error)
{
    const Wish wish = {
        .verb = "hibernate",
        .query = arguments_has(session->arguments, "force") ? "?force=true" : "",
        .body = "{}",
        .word = "asleep:",
    };

    return send(session, &wish, error);
}
