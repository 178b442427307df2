/* A new container for a workspace: by its user, or because something that a start reads changed. */
#include "base/log.h"
#include "events/payloads.h"
#include "lifecycle/checks.h"
#include "lifecycle/notices.h"
#include "provision/templates.h"
#include "provision/wish_spec.h"
#include "store/runtime.h"
#include "store/workspaces.h"

#include <string.h>

#define EXISTING_VOLUME "existing-volume"
#define ORG_TEMPLATES   "org-templates"

void restart_order_clear(RestartOrder *order)
{
    g_free(order->template_name);
    *order = (RestartOrder){0};
}

void workspace_restarted_clear(WorkspaceRestarted *restarted)
{
    g_free(restarted->config);
    *restarted = (WorkspaceRestarted){0};
}

/* ---- The runtime that its configuration names ---- */

/* Known ones only: a start must not fail because of what an agent wrote. NULL: as it is. */
static char *configured_runtime_dup(const Lifecycle *lifecycle, const WorkspaceRow *row)
{
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(TemplateConfig) config = NULL;
    const Runtime *runtime;
    gsize size = 0;
    const char *text;

    if (!reconciler_read_config(lifecycle->reconciler, row->id, TEMPLATE_CONFIG_MAX_BYTES, &bytes))
        return NULL;
    text = g_bytes_get_data(bytes, &size);
    config = template_config_parse(text ? text : "", size);
    runtime = config->runtime ? runtimes_find(lifecycle->runtimes, config->runtime) : NULL;
    if (!runtime || strcmp(runtime->name, RUNTIME_EXTERNAL) == 0 ||
        g_strcmp0(runtime->name, row->runtime) == 0)
        return NULL;
    return g_strdup(runtime->name);
}

/* ---- The template; spec 01, section 12.1 ---- */

static char *label_of(const char *prefix, const char *folder)
{
    g_autofree char *name = g_path_get_basename(folder);

    return g_strconcat(prefix, name, NULL);
}

static char *find_by_name(const Lifecycle *lifecycle, const char *below, const char *name)
{
    g_autofree char *root = *below && lifecycle->configs_dir
                                ? g_build_filename(lifecycle->configs_dir, below, NULL)
                                : g_strdup(lifecycle->configs_dir);
    g_autofree char *prefix = *below ? g_strconcat(below, "/", NULL) : g_strdup("");
    g_autofree char *folder = root ? template_find_by_name(root, name) : NULL;

    return folder ? label_of(prefix, folder) : NULL;
}

static char *find_default(const Lifecycle *lifecycle, const char *runtime)
{
    g_autofree char *name =
        g_strconcat(runtimes_allowed_name(lifecycle->runtimes, runtime), "-default", NULL);
    g_autofree char *folder = template_find(lifecycle->configs_dir, name);

    return folder ? g_steal_pointer(&name) : NULL;
}

/* NULL: the volume stays as it is. */
static char *choose_template(const Lifecycle *lifecycle, const WorkspaceRow *row,
                             const char *runtime, const RestartOrder *order)
{
    g_autofree char *named = template_find(lifecycle->configs_dir, order->template_name);
    char *found = named ? g_strdup(order->template_name) : NULL;

    if (!found && order->apply_template && !order->template_name)
        found = find_by_name(lifecycle, "", row->name);
    if (!found && order->rebuild_config)
        found = find_by_name(lifecycle, ORG_TEMPLATES, row->name);
    if (!found && order->apply_template && runtime && *runtime)
        found = find_default(lifecycle, runtime);
    return found;
}

/* ---- Checks ---- */

static gboolean check_restart(const Lifecycle *lifecycle, const char *id, WorkspaceRow **row,
                              GError **error)
{
    g_autoptr(WorkspaceRow) found = NULL;

    if (!store_workspace_load(lifecycle->db, id, &found, error))
        return FALSE;
    if (found->status == WORKSPACE_REMOVED)
        return error_set(error, ERROR_NOT_FOUND, "workspace not found");
    if (lifecycle_is_external(found))
        return error_set(error, ERROR_CONFLICT,
                         "an external workspace is not started by this server");
    if (!lifecycle_check_ancestors(lifecycle, id, error))
        return FALSE;
    *row = g_steal_pointer(&found);
    return TRUE;
}

/* ---- Writing ---- */

/* What a restart changes. Texts are borrowed. */
typedef struct {
    WorkspaceRow *row;
    guint from;                /* STORE_FROM_... */
    const char *runtime;       /* NULL: as it is */
    const char *template_name; /* to be unpacked; NULL: none */
    gboolean reset;
} Change;

/* NULL: as it is. An order that has not been carried out yet stays beside the new one. */
static gboolean make_spec(const Lifecycle *lifecycle, const Change *change, char **spec,
                          GError **error)
{
    g_autoptr(RuntimeRow) runtime = NULL;

    if (!change->template_name && !change->reset)
        return TRUE;
    if (!store_runtime_find(lifecycle->db, change->row->id, &runtime, error))
        return FALSE;
    *spec = wish_spec_join(runtime ? runtime->spec : NULL, change->template_name, change->reset);
    return TRUE;
}

static gboolean set_runtime(const Lifecycle *lifecycle, const Change *change, GError **error)
{
    const StoreWorkspacePatch patch = {.has_runtime = TRUE, .runtime = change->runtime};

    if (!change->runtime)
        return TRUE;
    g_free(change->row->runtime);
    change->row->runtime = g_strdup(change->runtime);
    log_info("a workspace's configuration names another runtime",
             LOG_TEXT("workspace", change->row->id), LOG_TEXT("runtime", change->runtime));
    return store_workspace_patch(lifecycle->db, change->row->id, &patch, error);
}

static gboolean write_change(const Lifecycle *lifecycle, const Change *change, Notices *notices,
                             gboolean *changed, GError **error)
{
    const char *id = change->row->id;
    RuntimeWish wish = {.desired = RUNTIME_RUNNING};
    g_autofree char *spec = NULL;
    g_autoptr(DbTransaction) transaction = db_begin(lifecycle->db, error);
    gint64 generation = 0;

    if (!transaction ||
        !store_workspace_mark_provisioning(lifecycle->db, id, change->from, changed, error))
        return FALSE;
    if (!*changed)
        return TRUE;
    if (!make_spec(lifecycle, change, &spec, error))
        return FALSE;
    wish.spec = spec;
    return set_runtime(lifecycle, change, error) &&
           store_runtime_wish(lifecycle->db, id, &wish, &generation, error) &&
           notices_add(notices, "WORKSPACE_PROVISIONING", id,
                       event_provisioning_payload_dup(change->row, NULL, NULL), error) &&
           db_commit(&transaction, error);
}

static gboolean carry_out(const Lifecycle *lifecycle, const Change *change, gboolean *changed,
                          GError **error)
{
    g_auto(Notices) notices = {.lifecycle = lifecycle};

    restart_contexts_collect(lifecycle->contexts, change->row);
    if (!write_change(lifecycle, change, &notices, changed, error))
        return FALSE;
    if (!*changed)
        return TRUE;
    restart_contexts_arm(lifecycle->contexts, change->row->id);
    notices_tell(&notices);
    return TRUE;
}

gboolean lifecycle_restart(const Lifecycle *lifecycle, const char *id, const RestartOrder *order,
                           WorkspaceRestarted *restarted, GError **error)
{
    g_autoptr(WorkspaceRow) row = NULL;
    g_autofree char *runtime = NULL;
    g_autofree char *template_name = NULL;
    Change change = {.from = STORE_FROM_RESTART};
    gboolean changed = FALSE;

    *restarted = (WorkspaceRestarted){0};
    if (!check_restart(lifecycle, id, &row, error))
        return FALSE;
    restarted->has_no_engine = !lifecycle_has_engine(lifecycle);
    if (restarted->has_no_engine)
        return TRUE;
    if (!order->is_own_token)
        runtime = configured_runtime_dup(lifecycle, row);
    template_name = choose_template(lifecycle, row, runtime ? runtime : row->runtime, order);
    change.row = row;
    change.runtime = runtime;
    change.template_name = template_name;
    change.reset = order->reset;
    if (!carry_out(lifecycle, &change, &changed, error))
        return FALSE;
    if (!changed)
        return error_set(error, ERROR_NOT_FOUND, "workspace not found");
    restarted->config = template_name ? g_steal_pointer(&template_name) : g_strdup(EXISTING_VOLUME);
    log_info("workspace restarts", LOG_TEXT("workspace", id),
             LOG_TEXT("config", restarted->config));
    return TRUE;
}

/* ---- The server's own ---- */

static gboolean is_below_paused(const Lifecycle *lifecycle, const char *id, gboolean *is_below,
                                GError **error)
{
    g_autoptr(GError) cause = NULL;

    *is_below = FALSE;
    if (lifecycle_check_ancestors(lifecycle, id, &cause))
        return TRUE;
    *is_below = error_is(cause, ERROR_CONFLICT);
    if (!*is_below)
        g_propagate_error(error, g_steal_pointer(&cause));
    return *is_below;
}

gboolean lifecycle_repair(const Lifecycle *lifecycle, const char *id, const char *why,
                          gboolean *changed, GError **error)
{
    g_autoptr(WorkspaceRow) row = NULL;
    Change change = {.from = STORE_FROM_REPAIR};
    gboolean is_below = FALSE, applied = FALSE;

    if (changed)
        *changed = FALSE;
    if (!store_workspace_find(lifecycle->db, id, &row, error))
        return FALSE;
    if (!row || lifecycle_is_external(row) || !lifecycle_has_engine(lifecycle))
        return TRUE;
    if (!is_below_paused(lifecycle, id, &is_below, error))
        return FALSE;
    change.row = row;
    if (!is_below && !carry_out(lifecycle, &change, &applied, error))
        return FALSE;
    if (applied)
        log_info("workspace restarts", LOG_TEXT("workspace", id), LOG_TEXT("why", why));
    if (changed)
        *changed = applied;
    return TRUE;
}
