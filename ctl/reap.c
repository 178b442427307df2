/* `reap`: removes now what carries the server's label and nobody wishes; or says what it would. */
#include "commands.h"
#include "terminal.h"

#include <string.h>

const Option reap_options[] = {
    {.name = "dry-run", .help = "only say what would be removed"},
    {.name = "kept", .help = "also the volumes of deleted workspaces that are kept for a while"},
    {.name = "yes", .letter = 'y', .help = "do not ask"},
    {0},
};

/* Gives how many were listed. */
static guint print_orphans(JsonView answer, gboolean is_dry)
{
    JsonView list;
    guint count = 0;

    if (!json_view_member(answer, "orphans", JSON_KEYS_EXACT, &list) ||
        json_view_kind(list) != JSON_KIND_ARRAY)
        return 0;
    for (JsonWalk walk = json_view_walk(list); json_walk_next(&walk); count++) {
        g_autofree char *kind = api_text_dup(walk.value, "kind");
        g_autofree char *name = api_text_dup(walk.value, "name");
        g_autofree char *cell = terminal_cell_dup(name ? name : "", 0);
        const char *verdict = is_dry                            ? "would be removed"
                              : api_flag(walk.value, "removed") ? "removed"
                                                                : "could not be removed yet";

        printf("%s %s: %s\n", kind ? kind : "object", cell, verdict);
    }
    return count;
}

static gboolean call(Session *session, gboolean is_dry, GError **error)
{
    gboolean with_kept = arguments_has(session->arguments, "kept");
    g_autofree char *path = g_strconcat(
        "/admin/runtime/reap", is_dry || with_kept ? "?" : "", is_dry ? "dry_run=true" : "",
        is_dry && with_kept ? "&" : "", with_kept ? "kept=true" : "", NULL);
    g_auto(ApiAnswer) answer = {0};
    JsonView view;

    if (!api_call(session->api, "POST", path, NULL, &answer, &view, error))
        return FALSE;
    if (session->wants_json)
        printf("%s\n", answer.body->str);
    else if (print_orphans(view, is_dry) == 0)
        puts("nothing is left over");
    return TRUE;
}

gboolean reap_run(Session *session, GError **error)
{
    if (arguments_has(session->arguments, "dry-run"))
        return call(session, TRUE, error);
    if (!arguments_has(session->arguments, "yes")) {
        if (!terminal_can_ask())
            return ctl_fail(error, CTL_USAGE, "nobody can be asked here: give --yes or --dry-run");
        if (!terminal_ask(arguments_has(session->arguments, "kept")
                              ? "Remove all containers and volumes of this server that no "
                                "workspace wants, and the kept data of deleted workspaces?"
                              : "Remove all containers and volumes of this server that no "
                                "workspace wants?"))
            return ctl_fail(error, CTL_REFUSED, "nothing was removed");
    }
    return call(session, FALSE, error);
}
