/* `adopt`: gives to workspaces the containers and volumes of a former server; or says what it
 * would. */
#include "base/json_out.h"
#include "commands.h"
#include "terminal.h"

const Option adopt_options[] = {
    {.name = "installation",
     .value = "ID",
     .help = "those with this installation's label, not those without labels"},
    {.name = "dry-run", .help = "only say what would be adopted"},
    {.name = "yes", .letter = 'y', .help = "do not ask"},
    {0},
};

static void print_object(JsonView object, gboolean is_dry)
{
    g_autofree char *kind = api_text_dup(object, "kind");
    g_autofree char *name = api_text_dup(object, "name");
    g_autofree char *why = api_text_dup(object, "why");
    g_autofree char *cell = terminal_cell_dup(name ? name : "", 0);
    const char *done = is_dry ? "would be adopted" : "adopted";

    printf("%s %s: %s%s\n", kind ? kind : "object", cell,
           api_flag(object, "adopted") ? done : "left alone: ", why ? why : "");
}

static void print_objects(JsonView answer, gboolean is_dry)
{
    JsonView list;
    guint count = 0;

    if (json_view_member(answer, "objects", JSON_KEYS_EXACT, &list) &&
        json_view_kind(list) == JSON_KIND_ARRAY)
        for (JsonWalk walk = json_view_walk(list); json_walk_next(&walk); count++)
            print_object(walk.value, is_dry);
    if (count == 0)
        puts("nothing is there to adopt");
}

static gboolean call(Session *session, gboolean is_dry, GError **error)
{
    g_autoptr(GString) body = g_string_new(NULL);
    const char *installation = arguments_get(session->arguments, "installation");
    JsonOut out = json_out_start(body);
    g_auto(ApiAnswer) answer = {0};
    JsonView view;

    json_out_object(&out, NULL);
    if (installation)
        json_out_text(&out, "installation", installation);
    json_out_end(&out);
    if (!api_call(session->api, "POST",
                  is_dry ? "/admin/runtime/adopt?dry_run=true" : "/admin/runtime/adopt", body->str,
                  &answer, &view, error))
        return FALSE;
    if (session->wants_json)
        printf("%s\n", answer.body->str);
    else
        print_objects(view, is_dry);
    return TRUE;
}

gboolean adopt_run(Session *session, GError **error)
{
    if (arguments_has(session->arguments, "dry-run"))
        return call(session, TRUE, error);
    if (!arguments_has(session->arguments, "yes")) {
        if (!terminal_can_ask())
            return ctl_fail(error, CTL_USAGE, "nobody can be asked here: give --yes or --dry-run");
        if (!terminal_ask("Does the server that made them run no more?"))
            return ctl_fail(error, CTL_REFUSED, "nothing was adopted");
    }
    return call(session, FALSE, error);
}
