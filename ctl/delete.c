/* `delete`: a workspace, and with the person's word its whole team. */
#include "base/ids.h"
#include "commands.h"
#include "terminal.h"
#include "workspaces.h"

#include <string.h>

#define NAMES_SHOWN 10

const Option delete_options[] = {
    {.name = "yes", .letter = 'y', .help = "do not ask"},
    {.name = "cascade", .help = "delete everything below it, too"},
    {.name = "purge", .help = "delete its history, memories and secrets for good, too"},
    {0},
};

/* "a, b, c and 4 more" of Workspaces. Caller owns it. */
static char *names_dup(const GPtrArray *workspaces)
{
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < workspaces->len && i < NAMES_SHOWN; i++) {
        g_autofree char *name =
            terminal_cell_dup(((const Workspace *)workspaces->pdata[i])->name, 40);
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", name);
    }
    if (workspaces->len > NAMES_SHOWN)
        g_string_append_printf(names, " and %u more", workspaces->len - NAMES_SHOWN);
    return g_string_free(names, FALSE);
}

static gboolean ask(const Workspace *workspace, const GPtrArray *below, gboolean purges)
{
    g_autofree char *name = terminal_cell_dup(workspace->name, 60);
    g_autofree char *names = names_dup(below);
    g_autoptr(GString) question = g_string_new(NULL);

    g_string_append_printf(question, "Delete workspace '%s' (%.8s)", name, workspace->id);
    if (below->len > 0)
        g_string_append_printf(question, " and the %u below it: %s", below->len, names);
    g_string_append(question, purges ? ", with all their data?" : "?");
    return terminal_ask(question->str);
}

/* Whether to delete, and whether with all below. */
static gboolean decide(Session *session, const Workspace *workspace, const GPtrArray *below,
                       gboolean *is_confirmed, GError **error)
{
    *is_confirmed = arguments_has(session->arguments, "cascade");
    if (arguments_has(session->arguments, "yes"))
        return TRUE;
    if (!terminal_can_ask())
        return ctl_fail(error, CTL_USAGE, "nobody can be asked here: give --yes%s to delete '%s'",
                        below->len > 0 ? " --cascade" : "", workspace->name);
    if (!ask(workspace, below, arguments_has(session->arguments, "purge")))
        return ctl_fail(error, CTL_REFUSED, "nothing was deleted");
    *is_confirmed = *is_confirmed || below->len > 0; /* the question named them */
    return TRUE;
}

/* The server's 409: there are children and nobody confirmed. */
static gboolean explain_children(const ApiAnswer *answer, const Workspace *workspace,
                                 GError **error)
{
    JsonView view, children;
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func((GDestroyNotify)workspace_free);

    if (json_view_parse(answer->body->str, answer->body->len, JSON_FIRST_VALUE, &view, NULL) &&
        json_view_member(view, "children", JSON_KEYS_EXACT, &children) &&
        json_view_kind(children) == JSON_KIND_ARRAY)
        for (JsonWalk walk = json_view_walk(children); json_walk_next(&walk);) {
            Workspace *child = workspace_read(walk.value);
            if (child)
                g_ptr_array_add(found, child);
        }
    g_autofree char *names = names_dup(found);
    return ctl_fail(error, CTL_REFUSED,
                    "workspace '%s' has a team: %s. Nothing was deleted; add --cascade to delete "
                    "them, too",
                    workspace->name, *names ? names : "some workspaces");
}

static gboolean is_confirmation_wanted(const ApiAnswer *answer)
{
    JsonView view;

    if (answer->status != 409 ||
        !json_view_parse(answer->body->str, answer->body->len, JSON_FIRST_VALUE, &view, NULL))
        return FALSE;
    g_autofree char *status = api_text_dup(view, "status");
    return g_strcmp0(status, "confirmation_required") == 0;
}

static void report(const Session *session, const ApiAnswer *answer, const Workspace *workspace,
                   JsonView view)
{
    g_autofree char *name = terminal_cell_dup(workspace->name, 60);
    JsonView value;
    gint64 count = 0;

    if (session->wants_json) {
        printf("%s\n", answer->body->str);
        return;
    }
    if (json_view_member(view, "cascade_deleted", JSON_KEYS_EXACT, &value))
        json_view_int(value, &count);
    printf("deleted %s", name);
    if (count > 0)
        printf(" and %" G_GINT64_FORMAT " below it", count);
    putchar('\n');
    g_autofree char *cleanup = api_text_dup(view, "cleanup");
    if (g_strcmp0(cleanup, "pending") == 0)
        fputs("Its container is still being removed.\n", stderr);
}

static gboolean delete_one(Session *session, const Workspace *workspace, gboolean is_confirmed,
                           GError **error)
{
    gboolean purges = arguments_has(session->arguments, "purge");
    g_autofree char *path =
        g_strconcat("/workspaces/", workspace->id, is_confirmed || purges ? "?" : "",
                    is_confirmed ? "confirm=true" : "", is_confirmed && purges ? "&" : "",
                    purges ? "purge=true" : "", NULL);
    const ApiRequest request = {.method = "DELETE", .path = path};
    g_auto(ApiAnswer) answer = {0};
    JsonView view;

    if (!api_run(session->api, &request, &answer, error))
        return FALSE;
    if (is_confirmation_wanted(&answer))
        return explain_children(&answer, workspace, error);
    if (answer.status < 200 || answer.status > 299)
        return api_refusal(session->api, &answer, error);
    if (!api_answer_json(session->api, &answer, &view, error))
        return FALSE;
    report(session, &answer, workspace, view);
    return TRUE;
}

/* A removed workspace is in no list, but its data can still be purged: it is asked for by its whole
 * id. FALSE with an error only when that fails. */
static gboolean add_removed(Session *session, GPtrArray *workspaces, const char *reference,
                            GError **error)
{
    g_auto(ApiAnswer) answer = {0};
    JsonView view;
    char id[ID_SIZE];

    if (!id_fold(reference, id))
        return TRUE;
    for (guint i = 0; i < workspaces->len; i++)
        if (strcmp(((const Workspace *)workspaces->pdata[i])->id, id) == 0)
            return TRUE;
    g_autofree char *path = g_strconcat("/workspaces/", id, NULL);
    if (!api_call(session->api, "GET", path, NULL, &answer, &view, error))
        return FALSE;
    Workspace *workspace = workspace_read(view);
    if (workspace)
        g_ptr_array_add(workspaces, workspace);
    return TRUE;
}

gboolean delete_run(Session *session, GError **error)
{
    const char *reference = arguments_position(session->arguments, 0);
    gboolean is_confirmed = FALSE;
    g_autoptr(GPtrArray) workspaces = workspaces_load(session->api, NULL, error);

    if (!workspaces || !add_removed(session, workspaces, reference, error))
        return FALSE;
    const Workspace *workspace = workspaces_find(workspaces, reference, error);
    if (!workspace)
        return FALSE;
    g_autoptr(GPtrArray) below = workspaces_below(workspaces, workspace->id);
    return decide(session, workspace, below, &is_confirmed, error) &&
           delete_one(session, workspace, is_confirmed, error);
}
