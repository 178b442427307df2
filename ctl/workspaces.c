#include "workspaces.h"

#include "base/ids.h"
#include "terminal.h"

#include <string.h>

#define CANDIDATES_SHOWN 5

void workspace_free(Workspace *workspace)
{
    if (!workspace)
        return;
    g_free(workspace->id);
    g_free(workspace->name);
    g_free(workspace->status);
    g_free(workspace->role);
    g_free(workspace->runtime);
    g_free(workspace->url);
    g_free(workspace->parent_id);
    g_free(workspace->error);
    g_free(workspace->reason);
    g_free(workspace->why);
    g_free(workspace->hint);
    g_free(workspace->failed_at);
    g_free(workspace);
}

static char *text_or_empty(JsonView object, const char *key)
{
    char *text = api_text_dup(object, key);

    return text ? text : g_strdup("");
}

/* Without the member, or null: nothing failed. */
static void read_failure(JsonView object, Workspace *workspace)
{
    JsonView failure = {0}, code;
    gboolean has = json_view_member(object, "failure", JSON_KEYS_EXACT, &failure) &&
                   json_view_kind(failure) == JSON_KIND_OBJECT;

    workspace->reason = has ? text_or_empty(failure, "reason") : g_strdup("");
    workspace->why = has ? text_or_empty(failure, "message") : g_strdup("");
    workspace->hint = has ? text_or_empty(failure, "hint") : g_strdup("");
    workspace->failed_at = has ? text_or_empty(failure, "at") : g_strdup("");
    workspace->has_exit_code = has &&
                               json_view_member(failure, "exit_code", JSON_KEYS_EXACT, &code) &&
                               json_view_int(code, &workspace->exit_code);
}

Workspace *workspace_read(JsonView object)
{
    char id[ID_SIZE];
    g_autofree char *text = api_text_dup(object, "id");

    if (!id_fold(text, id))
        return NULL;
    Workspace *workspace = g_new0(Workspace, 1);
    workspace->id = g_strdup(id);
    workspace->name = text_or_empty(object, "name");
    workspace->status = text_or_empty(object, "status");
    workspace->role = text_or_empty(object, "role");
    workspace->runtime = text_or_empty(object, "runtime");
    workspace->url = text_or_empty(object, "url");
    workspace->parent_id = text_or_empty(object, "parent_id");
    workspace->error = text_or_empty(object, "last_sample_error");
    read_failure(object, workspace);
    return workspace;
}

GPtrArray *workspaces_load(Api *api, ApiAnswer *answer, GError **error)
{
    g_auto(ApiAnswer) own = {0};
    g_autoptr(GPtrArray) workspaces =
        g_ptr_array_new_with_free_func((GDestroyNotify)workspace_free);
    JsonView list;

    if (!api_call(api, "GET", "/workspaces", NULL, answer ? answer : &own, &list, error))
        return NULL;
    if (json_view_kind(list) != JSON_KIND_ARRAY) {
        ctl_fail(error, CTL_REFUSED, "the server's list of workspaces is not a list");
        return NULL;
    }
    for (JsonWalk walk = json_view_walk(list); json_walk_next(&walk);) {
        Workspace *workspace = workspace_read(walk.value);
        if (workspace)
            g_ptr_array_add(workspaces, workspace);
    }
    return g_steal_pointer(&workspaces);
}

/* ---- Finding ---- */

static gboolean is_id(const Workspace *workspace, const char *reference)
{
    return g_ascii_strcasecmp(workspace->id, reference) == 0;
}

static gboolean is_name(const Workspace *workspace, const char *reference)
{
    return strcmp(workspace->name, reference) == 0;
}

static gboolean is_folded_name(const Workspace *workspace, const char *reference)
{
    g_autofree char *name = g_utf8_casefold(workspace->name, -1);
    g_autofree char *wanted =
        g_utf8_validate(reference, -1, NULL) ? g_utf8_casefold(reference, -1) : g_strdup("");

    return strcmp(name, wanted) == 0;
}

static gboolean is_id_prefix(const Workspace *workspace, const char *reference)
{
    return *reference && g_ascii_strncasecmp(workspace->id, reference, strlen(reference)) == 0;
}

static GPtrArray *matching(const GPtrArray *workspaces, const char *reference,
                           gboolean (*matches)(const Workspace *, const char *))
{
    GPtrArray *found = g_ptr_array_new();

    for (guint i = 0; i < workspaces->len; i++)
        if (matches(workspaces->pdata[i], reference))
            g_ptr_array_add(found, workspaces->pdata[i]);
    return found;
}

static void say_candidates(const GPtrArray *found, const char *reference, GError **error)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (guint i = 0; i < found->len && i < CANDIDATES_SHOWN; i++) {
        const Workspace *workspace = found->pdata[i];
        g_autofree char *name = terminal_cell_dup(workspace->name, 40);
        g_string_append_printf(list, "\n  %s  %s", workspace->id, name);
    }
    if (found->len > CANDIDATES_SHOWN)
        g_string_append_printf(list, "\n  and %u more", found->len - CANDIDATES_SHOWN);
    ctl_fail(error, CTL_REFUSED, "'%s' means more than one workspace; use the id:%s", reference,
             list->str);
}

const Workspace *workspaces_find(const GPtrArray *workspaces, const char *reference, GError **error)
{
    /* The clearer meaning goes first: a name that looks like the beginning of an id is a name. */
    static gboolean (*const meanings[])(const Workspace *, const char *) = {
        is_id, is_name, is_folded_name, is_id_prefix};

    for (guint i = 0; i < G_N_ELEMENTS(meanings); i++) {
        g_autoptr(GPtrArray) found = matching(workspaces, reference, meanings[i]);
        if (found->len == 1)
            return found->pdata[0];
        if (found->len > 1) {
            say_candidates(found, reference, error);
            return NULL;
        }
    }
    ctl_fail(error, CTL_REFUSED, "there is no workspace '%s'; 'workspacectl list' shows them all",
             reference);
    return NULL;
}

char *workspace_id_resolve(Api *api, const char *reference, GError **error)
{
    char id[ID_SIZE];

    if (id_fold(reference, id))
        return g_strdup(id);
    g_autoptr(GPtrArray) workspaces = workspaces_load(api, NULL, error);
    const Workspace *found = workspaces ? workspaces_find(workspaces, reference, error) : NULL;
    return found ? g_strdup(found->id) : NULL;
}

static gboolean holds(const GPtrArray *workspaces, const char *id)
{
    for (guint i = 0; i < workspaces->len; i++)
        if (strcmp(((const Workspace *)workspaces->pdata[i])->id, id) == 0)
            return TRUE;
    return FALSE;
}

static void add_children(const GPtrArray *workspaces, const char *id, GPtrArray *below)
{
    for (guint i = 0; i < workspaces->len; i++) {
        const Workspace *workspace = workspaces->pdata[i];
        if (strcmp(workspace->parent_id, id) == 0 && !holds(below, workspace->id))
            g_ptr_array_add(below, workspaces->pdata[i]);
    }
}

GPtrArray *workspaces_below(const GPtrArray *workspaces, const char *id)
{
    GPtrArray *below = g_ptr_array_new();

    add_children(workspaces, id, below);
    for (guint i = 0; i < below->len; i++)
        add_children(workspaces, ((const Workspace *)below->pdata[i])->id, below);
    return below;
}
