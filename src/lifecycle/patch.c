/* Changing a workspace: the whole patch is checked first, then written in one statement, then told.
 */
#include "base/json_out.h"
#include "base/log.h"
#include "lifecycle/lifecycle.h"
#include "lifecycle/rules.h"
#include "store/workspaces.h"

#include <math.h>
#include <string.h>

/* The patch with the texts it owns. */
typedef struct {
    StoreWorkspacePatch fields;
    char *name, *role, *runtime, *workspace_dir, *workspace_access;
    char parent_id[ID_SIZE];
} Patch;

static void patch_clear(Patch *patch)
{
    g_free(patch->name);
    g_free(patch->role);
    g_free(patch->runtime);
    g_free(patch->workspace_dir);
    g_free(patch->workspace_access);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Patch, patch_clear)

/* ---- Reading members by exact keys ---- */

static gboolean member(JsonView object, const char *key, JsonView *value)
{
    return json_view_member(object, key, JSON_KEYS_EXACT, value);
}

typedef enum { TEXT_NOT_EMPTY, TEXT_CLEARS } TextRule;

/* A text, or with TEXT_CLEARS null and "" for "nothing". `has` stays FALSE when the key is absent.
 */
static gboolean read_text(JsonView object, const char *key, TextRule rule, gboolean *has,
                          char **text, GError **error)
{
    JsonView value;
    gboolean has_nul = FALSE;

    if (!member(object, key, &value))
        return TRUE;
    *has = TRUE;
    if (json_view_is_null(value) && rule == TEXT_CLEARS)
        return TRUE;
    *text = json_view_text_dup(value, &has_nul);
    if (!*text || has_nul)
        return error_set(error, ERROR_INVALID, "%s must be a text without NUL", key);
    if (**text)
        return TRUE;
    g_clear_pointer(text, g_free);
    return rule == TEXT_CLEARS || error_set(error, ERROR_INVALID, "%s must not be empty", key);
}

/* A whole number in any form: 2, 2.0. */
static gboolean read_whole(JsonView object, const char *key, gboolean *has, gint64 *number,
                           GError **error)
{
    JsonView value;
    double real = 0;

    if (!member(object, key, &value))
        return TRUE;
    *has = TRUE;
    if (!json_view_double(value, &real) || real != floor(real) || fabs(real) > 1e9)
        return error_set(error, ERROR_INVALID, "%s must be a whole number", key);
    *number = (gint64)real;
    return TRUE;
}

static gboolean read_parent(const Lifecycle *lifecycle, const char *id, JsonView object,
                            Patch *patch, GError **error)
{
    JsonView value;
    g_autofree char *text = NULL;
    g_autoptr(OrgNode) parent = NULL;

    if (!member(object, "parent_id", &value))
        return TRUE;
    patch->fields.has_parent = TRUE;
    if (json_view_is_null(value))
        return TRUE;
    text = json_view_text_dup(value, NULL);
    if (!id_fold(text, patch->parent_id))
        return error_set(error, ERROR_INVALID, "parent_id must be a workspace id or null");
    parent = org_tree_find(lifecycle->tree, patch->parent_id);
    if (!parent)
        return error_set(error, ERROR_INVALID, "parent_id names no workspace");
    if (org_tree_would_cycle(lifecycle->tree, id, patch->parent_id))
        return error_set(error, ERROR_INVALID,
                         "parent_id must not be the workspace itself or one below it");
    patch->fields.parent_id = patch->parent_id;
    return TRUE;
}

static gboolean read_position(JsonView object, Patch *patch, GError **error)
{
    JsonView x, y;
    gboolean has_x = member(object, "x", &x);
    gboolean has_y = member(object, "y", &y);

    if ((has_x && !json_view_double(x, &patch->fields.x)) ||
        (has_y && !json_view_double(y, &patch->fields.y)))
        return error_set(error, ERROR_INVALID, "x and y must be finite numbers");
    patch->fields.has_position = has_x && has_y;
    return TRUE;
}

static gboolean read_collapsed(JsonView object, Patch *patch, GError **error)
{
    JsonView value;

    if (!member(object, "collapsed", &value))
        return TRUE;
    patch->fields.has_collapsed = TRUE;
    return json_view_bool(value, &patch->fields.collapsed) ||
           error_set(error, ERROR_INVALID, "collapsed must be true or false");
}

static gboolean read_idle_minutes(JsonView object, Patch *patch, GError **error)
{
    StoreWorkspacePatch *fields = &patch->fields;
    JsonView value;

    if (!member(object, "hibernation_idle_minutes", &value))
        return TRUE;
    if (json_view_is_null(value)) {
        fields->has_hibernation_idle_minutes = TRUE;
        return TRUE;
    }
    return read_whole(object, "hibernation_idle_minutes", &fields->has_hibernation_idle_minutes,
                      &fields->hibernation_idle_minutes, error) &&
           (fields->hibernation_idle_minutes >= 1 ||
            error_set(error, ERROR_INVALID,
                      "hibernation_idle_minutes must be at least 1, or null"));
}

static gboolean read_fields(JsonView object, gboolean is_own_token, Patch *patch, GError **error)
{
    StoreWorkspacePatch *fields = &patch->fields;

    if (!read_text(object, "name", TEXT_NOT_EMPTY, &fields->has_name, &patch->name, error) ||
        !read_text(object, "role", TEXT_CLEARS, &fields->has_role, &patch->role, error) ||
        !read_text(object, "runtime", TEXT_CLEARS, &fields->has_runtime, &patch->runtime, error) ||
        !read_text(object, "workspace_dir", TEXT_CLEARS, &fields->has_workspace_dir,
                   &patch->workspace_dir, error) ||
        !read_whole(object, "tier", &fields->has_tier, &fields->tier, error) ||
        !read_collapsed(object, patch, error) || !read_position(object, patch, error))
        return FALSE;
    if (is_own_token) /* both are then ignored, like any unknown key */
        return TRUE;
    return read_text(object, "workspace_access", TEXT_CLEARS, &fields->has_workspace_access,
                     &patch->workspace_access, error) &&
           read_idle_minutes(object, patch, error);
}

/* ---- Checking ---- */

static gboolean check_rules(const Lifecycle *lifecycle, const Patch *patch, GError **error)
{
    if (!rule_name(patch->name, error) || !rule_role(patch->role, error) ||
        !rule_runtime(patch->runtime, error))
        return FALSE;
    if (!patch->fields.has_tier)
        return TRUE;
    if (!rule_tier(patch->fields.tier, error))
        return FALSE;
    if (patch->fields.tier > 2 && !lifecycle->config->allow_privileged)
        return error_set(error, ERROR_FORBIDDEN, "tiers 3 and 4 are turned off on this server");
    return TRUE;
}

/* D2: an agent must not raise its own privileges. */
static gboolean check_authority(const Patch *patch, gboolean is_own_token, GError **error)
{
    const StoreWorkspacePatch *fields = &patch->fields;

    if (!is_own_token || !(fields->has_tier || fields->has_runtime || fields->has_parent ||
                           fields->has_workspace_dir || fields->has_workspace_access))
        return TRUE;
    return error_set(error, ERROR_FORBIDDEN,
                     "tier, runtime, parent_id, workspace_dir and workspace_access need an admin "
                     "credential");
}

/* Directory and access must fit together after the change. */
static gboolean check_directory(const Lifecycle *lifecycle, const WorkspaceRow *row,
                                const Patch *patch, GError **error)
{
    const StoreWorkspacePatch *fields = &patch->fields;
    const char *directory = fields->has_workspace_dir ? patch->workspace_dir : row->workspace_dir;
    const char *access =
        fields->has_workspace_access ? patch->workspace_access : row->workspace_access;

    if (fields->has_workspace_dir &&
        !rule_workspace_dir(patch->workspace_dir, lifecycle->config->workspace_dir_roots, error))
        return FALSE;
    if (!fields->has_workspace_dir && !fields->has_workspace_access)
        return TRUE;
    if (!directory || !*directory)
        directory = lifecycle->config->workspace_dir;
    return rule_workspace_access(access, directory, error);
}

static void bind_texts(Patch *patch)
{
    patch->fields.name = patch->name;
    patch->fields.role = patch->role;
    patch->fields.runtime = patch->runtime;
    patch->fields.workspace_dir = patch->workspace_dir;
    patch->fields.workspace_access = patch->workspace_access ? patch->workspace_access : "none";
}

/* ---- Telling ---- */

static char *changes(const Patch *patch)
{
    const StoreWorkspacePatch *fields = &patch->fields;
    g_autoptr(GString) payload = g_string_new(NULL);
    JsonOut out = json_out_start(payload);

    json_out_object(&out, NULL);
    if (fields->has_name)
        json_out_text(&out, "name", fields->name);
    if (fields->has_role)
        json_out_text(&out, "role", fields->role);
    if (fields->has_tier)
        json_out_int(&out, "tier", fields->tier);
    if (fields->has_parent)
        json_out_text(&out, "parent_id", fields->parent_id);
    if (fields->has_runtime)
        json_out_text(&out, "runtime", fields->runtime);
    if (fields->has_workspace_dir)
        json_out_text(&out, "workspace_dir", fields->workspace_dir);
    if (fields->has_workspace_access)
        json_out_text(&out, "workspace_access", fields->workspace_access);
    if (fields->has_collapsed)
        json_out_bool(&out, "collapsed", fields->collapsed);
    if (fields->has_position) {
        json_out_double(&out, "x", fields->x);
        json_out_double(&out, "y", fields->y);
    }
    json_out_end(&out);
    return g_string_free(g_steal_pointer(&payload), FALSE);
}

static void tell(const Lifecycle *lifecycle, const char *id, const Patch *patch)
{
    g_autofree char *payload = changes(patch);

    if (!org_tree_refresh(lifecycle->tree, id, NULL))
        log_warning("a change shows up in memory a little later", LOG_TEXT("workspace", id));
    if (strcmp(payload, "{}") != 0)
        events_broadcast(lifecycle->events, "WORKSPACE_UPDATED", id, payload);
}

gboolean lifecycle_patch(const Lifecycle *lifecycle, const char *id, JsonView object,
                         gboolean is_own_token, WorkspacePatched *patched, GError **error)
{
    g_auto(Patch) patch = {0};
    g_autoptr(WorkspaceRow) row = NULL;

    if (!read_fields(object, is_own_token, &patch, error) ||
        !check_rules(lifecycle, &patch, error) ||
        !store_workspace_load(lifecycle->db, id, &row, error) ||
        !check_directory(lifecycle, row, &patch, error) ||
        !read_parent(lifecycle, id, object, &patch, error) ||
        !check_authority(&patch, is_own_token, error))
        return FALSE;
    bind_texts(&patch);
    if (!store_workspace_patch(lifecycle->db, id, &patch.fields, error))
        return FALSE;
    tell(lifecycle, id, &patch);
    patched->needs_restart = patch.fields.has_workspace_dir;
    return TRUE;
}
