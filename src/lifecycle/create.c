/* Making a workspace: check, decide, write one transaction, tell. */
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/redact.h"
#include "base/text.h"
#include "events/payloads.h"
#include "lifecycle/lifecycle.h"
#include "lifecycle/rules.h"
#include "lifecycle/take.h"
#include "provision/templates.h"
#include "provision/wish_spec.h"
#include "store/memories.h"
#include "store/runtime.h"
#include "store/secrets.h"
#include "store/workspaces.h"

#include <string.h>

#define MEMORY_MAX_BYTES      100000 /* spec 01, 5.3 step 4 */
#define MEMORIES_MAX          1000
#define SECRETS_MAX           1000
#define SECRET_VALUE_MAX      (64 * 1024) /* spec 03, F22 */
#define SECRET_SEALED_VERSION 1           /* AES-256-GCM */

void workspace_order_clear(WorkspaceOrder *order)
{
    g_free(order->name);
    g_free(order->role);
    g_free(order->model);
    g_free(order->runtime);
    g_free(order->template_name);
    g_free(order->url);
    g_free(order->workspace_dir);
    g_free(order->workspace_access);
    g_free(order->image);
    g_free(order->executor);
    g_free(order->command);
    *order = (WorkspaceOrder){0};
}

void workspace_created_clear(WorkspaceCreated *created)
{
    g_free(created->awareness_namespace);
    g_free(created->workspace_access);
    *created = (WorkspaceCreated){0};
}

/* ---- Checking ---- */

static gboolean check_fields(const WorkspaceOrder *order, const Config *config, GError **error)
{
    const char *directory = order->workspace_dir ? order->workspace_dir : config->workspace_dir;

    return rule_name(order->name, error) && rule_role(order->role, error) &&
           rule_model(order->model, error) && rule_runtime(order->runtime, error) &&
           rule_template(order->template_name, error) &&
           rule_workspace_dir(order->workspace_dir, config->workspace_dir_roots, error) &&
           rule_workspace_access(order->workspace_access, directory, error) &&
           rule_image(order->image, error) && rule_executor(order->executor, error) &&
           rule_command(order->command, error);
}

static gboolean check_executor(const WorkspaceOrder *order, GError **error)
{
    if (g_strcmp0(order->executor, "command") == 0 && !order->command)
        return error_set(error, ERROR_INVALID, "executor command needs a command");
    return TRUE;
}

static gboolean check_numbers(const WorkspaceOrder *order, const Config *config, GError **error)
{
    if (order->tier != 0 && !rule_tier(order->tier, error))
        return FALSE;
    if (order->tier > 2 && !config->allow_privileged)
        return error_set(error, ERROR_FORBIDDEN, "tiers 3 and 4 are turned off on this server");
    if (order->budget_limit < -1)
        return error_set(error, ERROR_INVALID, "budget_limit must not be negative");
    return TRUE;
}

static gboolean check_secret_name(const char *name, GError **error)
{
    gsize length = strlen(name);
    gboolean is_good = length >= 1 && length <= 256 && (g_ascii_isalpha(name[0]) || name[0] == '_');

    for (gsize i = 1; is_good && i < length; i++)
        is_good = g_ascii_isalnum(name[i]) || strchr("_.-", name[i]);
    if (is_good)
        return TRUE;
    return error_set(error, ERROR_INVALID,
                     "secrets: a name must be letters, digits, '_', '.' and '-', and begin with a "
                     "letter or '_'");
}

static gboolean check_secrets(const WorkspaceOrder *order, GError **error)
{
    JsonWalk walk;
    guint count = 0;

    if (!order->secrets.start)
        return TRUE;
    walk = json_view_walk(order->secrets);
    while (json_walk_next(&walk)) {
        g_autofree char *name = json_view_text_dup(walk.key, NULL);
        gboolean has_nul = FALSE;
        g_autofree char *value = json_view_text_dup(walk.value, &has_nul);
        if (!check_secret_name(name, error))
            return FALSE;
        if (!value || has_nul || strlen(value) > SECRET_VALUE_MAX)
            return error_set(error, ERROR_INVALID,
                             "secrets: every value must be a text of at most %d bytes without NUL",
                             SECRET_VALUE_MAX);
        if (++count > SECRETS_MAX)
            return error_set(error, ERROR_INVALID, "secrets: at most %d", SECRETS_MAX);
    }
    return TRUE;
}

static gboolean check_parent(const Lifecycle *lifecycle, const WorkspaceOrder *order,
                             GError **error)
{
    g_autoptr(OrgNode) parent = NULL;

    if (!*order->parent_id)
        return TRUE;
    parent = org_tree_find(lifecycle->tree, order->parent_id);
    if (parent)
        return TRUE;
    return error_set(error, ERROR_INVALID, "parent_id names no workspace");
}

/* ---- Deciding ---- */

/* What the caller gave wins over what the template says. Source: spec 01, 5.2. */
static void fill_from_template(const Lifecycle *lifecycle, WorkspaceOrder *order)
{
    g_autofree char *folder = NULL;
    g_autoptr(TemplateConfig) config = NULL;

    if (!order->template_name || (order->runtime && order->model))
        return;
    folder = template_find(lifecycle->configs_dir, order->template_name);
    config = folder ? template_config_read(folder) : NULL;
    if (!config)
        return;
    if (!order->runtime)
        order->runtime = g_steal_pointer(&config->runtime);
    if (!order->model)
        order->model = g_steal_pointer(&config->model);
}

/* The template folder that fills /configs; NULL: a generated configuration. Source: spec 01, 5.5.
 */
static char *choose_template(const Lifecycle *lifecycle, const WorkspaceOrder *order)
{
    g_autofree char *folder = NULL;

    if (!order->template_name)
        return NULL;
    folder = template_find(lifecycle->configs_dir, order->template_name);
    if (folder)
        return g_strdup(order->template_name);
    folder = template_find_default(lifecycle->configs_dir, lifecycle->runtimes, order->runtime);
    return folder ? g_path_get_basename(folder) : NULL;
}

static gboolean is_external(const WorkspaceOrder *order)
{
    return order->external || g_strcmp0(order->runtime, RUNTIME_EXTERNAL) == 0;
}

static WorkspaceStatus first_status(const WorkspaceOrder *order)
{
    if (!is_external(order))
        return WORKSPACE_PROVISIONING;
    /* D5: `external:true` alone is believed at once; `runtime:"external"` without an address waits
     * for its agent. */
    if (order->external && (order->url || g_strcmp0(order->runtime, RUNTIME_EXTERNAL) != 0))
        return WORKSPACE_ONLINE;
    return order->url ? WORKSPACE_ONLINE : WORKSPACE_AWAITING_AGENT;
}

static WorkspaceRow *make_row(const Lifecycle *lifecycle, const WorkspaceOrder *order)
{
    WorkspaceRow *row = workspace_row_new();

    id_make(row->id);
    row->name = g_strdup(order->name);
    row->role = g_strdup(order->role);
    row->model = g_strdup(order->model);
    row->status = first_status(order);
    row->runtime = g_strdup(is_external(order) ? RUNTIME_EXTERNAL
                            : order->runtime   ? order->runtime
                                               : lifecycle->config->default_runtime);
    row->tier = order->tier ? order->tier : lifecycle->config->default_tier;
    row->url = is_external(order) ? g_strdup(order->url) : NULL;
    row->agent_url = g_strdup(row->url);
    row->awareness_namespace = g_strconcat("workspace:", row->id, NULL);
    row->workspace_dir = g_strdup(order->workspace_dir);
    row->workspace_access = g_strdup(order->workspace_access ? order->workspace_access : "none");
    memcpy(row->parent_id, order->parent_id, ID_SIZE);
    row->budget_limit = order->budget_limit;
    row->max_concurrent_tasks = MAX(order->max_concurrent_tasks, 1);
    row->template_name = g_strdup(order->template_name);
    row->image = g_strdup(order->image);
    row->executor = g_strdup(order->executor);
    row->command = g_strdup(order->command);
    row->x = order->x;
    row->y = order->y;
    row->created_at_us = row->updated_at_us = row->provision_started_at_us = clock_now_us();
    return row;
}

/* ---- Writing ---- */

/* Two expansions of one team at once take turns; the second finds the member. */
static gboolean check_sibling(const Lifecycle *lifecycle, const WorkspaceOrder *order,
                              GError **error)
{
    g_autofree char *lock = NULL;
    gboolean exists = FALSE;

    if (!order->is_team_member)
        return TRUE;
    lock = g_strconcat("team:", order->parent_id, NULL);
    if (!db_lock(lifecycle->db, lock, error) ||
        !store_workspace_has_child(lifecycle->db, order->parent_id, order->name, &exists, error))
        return FALSE;
    return !exists || error_set(error, ERROR_CONFLICT, "the team has a member of that name");
}

static gboolean put_secrets(const Lifecycle *lifecycle, const WorkspaceOrder *order, const char *id,
                            GError **error)
{
    JsonWalk walk;

    if (!order->secrets.start)
        return TRUE;
    walk = json_view_walk(order->secrets);
    while (json_walk_next(&walk)) {
        g_autofree char *name = json_view_text_dup(walk.key, NULL);
        g_autofree char *value = json_view_text_dup(walk.value, NULL);
        g_autoptr(GBytes) sealed = crypto_seal(lifecycle->secrets_key, value, strlen(value));
        gsize size = 0;
        const void *bytes = g_bytes_get_data(sealed, &size);
        if (!store_secret_put(lifecycle->db, id, name, bytes, size, SECRET_SEALED_VERSION, error))
            return FALSE;
    }
    return TRUE;
}

/* NULL: not one of the three, the seed is skipped. */
static const char *memory_scope(JsonView seed)
{
    static const char *const scopes[] = {"LOCAL", "TEAM", "GLOBAL"};
    JsonView value;
    g_autofree char *given = NULL;
    g_autofree char *scope = NULL;

    if (json_view_member(seed, "scope", JSON_KEYS_FOLDED, &value))
        given = json_view_text_dup(value, NULL);
    if (!given || !*given)
        return scopes[0];
    scope = g_ascii_strup(given, -1);
    for (guint i = 0; i < G_N_ELEMENTS(scopes); i++)
        if (strcmp(scope, scopes[i]) == 0)
            return scopes[i];
    return NULL;
}

static gboolean put_memory(const Lifecycle *lifecycle, const WorkspaceRow *row, JsonView seed,
                           GError **error)
{
    const char *scope = memory_scope(seed);
    JsonView value;
    g_autofree char *content = NULL;
    g_autofree char *clean = NULL;
    g_autofree char *classes = NULL;

    if (json_view_member(seed, "content", JSON_KEYS_FOLDED, &value))
        content = json_view_text_dup(value, NULL);
    if (!scope || !content || !*content)
        return TRUE;
    content[text_prefix_length(content, strlen(content), MEMORY_MAX_BYTES)] = '\0';
    clean = redact_dup(content, &classes);
    if (classes)
        log_info("secrets were taken out of a first memory", LOG_TEXT("workspace", row->id),
                 LOG_TEXT("classes", classes));
    return store_memory_insert(lifecycle->db, row->id, clean, scope, row->awareness_namespace, NULL,
                               error);
}

static gboolean put_memories(const Lifecycle *lifecycle, const WorkspaceOrder *order,
                             const WorkspaceRow *row, GError **error)
{
    JsonWalk walk;

    if (!order->initial_memories.start)
        return TRUE;
    walk = json_view_walk(order->initial_memories);
    for (guint count = 0; count < MEMORIES_MAX && json_walk_next(&walk); count++)
        if (!put_memory(lifecycle, row, walk.value, error))
            return FALSE;
    return TRUE;
}

/* What the first wish asks for. */
static char *make_spec(const Lifecycle *lifecycle, const WorkspaceOrder *order)
{
    g_autofree char *template_name = choose_template(lifecycle, order);

    return wish_spec_text(template_name, FALSE);
}

static gboolean put_wish(const Lifecycle *lifecycle, const WorkspaceOrder *order, const char *id,
                         const char *spec, GError **error)
{
    RuntimeWish wish = {.desired = RUNTIME_RUNNING, .spec = spec};
    gint64 generation = 0;

    if (is_external(order))
        return TRUE;
    return store_runtime_wish(lifecycle->db, id, &wish, &generation, error);
}

static char *external_payload_dup(const WorkspaceRow *row)
{
    g_autoptr(GString) payload = g_string_new(NULL);
    JsonOut out = json_out_start(payload);

    json_out_object(&out, NULL);
    json_out_text(&out, "name", row->name);
    json_out_bool(&out, "external", TRUE);
    json_out_end(&out);
    return g_string_free(g_steal_pointer(&payload), FALSE);
}

static char *first_event(const WorkspaceRow *row, gboolean is_team_member, const char **type)
{
    if (row->status == WORKSPACE_PROVISIONING) {
        *type = "WORKSPACE_PROVISIONING";
        return event_provisioning_payload_dup(row, is_team_member ? "parent_id" : NULL,
                                              row->parent_id);
    }
    *type = row->status == WORKSPACE_ONLINE ? "WORKSPACE_ONLINE" : "WORKSPACE_AWAITING_AGENT";
    return external_payload_dup(row);
}

static gboolean write_all(const Lifecycle *lifecycle, const WorkspaceOrder *order,
                          WorkspaceRow *row, const char *event, const char *payload,
                          WorkspaceCreated *created, GError **error)
{
    const char *warm_key = find_warm_key(lifecycle, row);
    g_autofree char *spec = make_spec(lifecycle, order);
    g_autoptr(DbTransaction) transaction = db_begin(lifecycle->db, error);
    gboolean is_warm = FALSE;

    if (!transaction || !check_sibling(lifecycle, order, error) ||
        !take_warm(lifecycle, warm_key, spec, row, &is_warm, error) ||
        !store_workspace_insert(lifecycle->db, row, error) ||
        !put_secrets(lifecycle, order, row->id, error) ||
        !put_memories(lifecycle, order, row, error) ||
        (!is_warm && !put_wish(lifecycle, order, row->id, spec, error)))
        return FALSE;
    if (row->status == WORKSPACE_AWAITING_AGENT &&
        !tokens_mint(lifecycle->tokens, row->id, TOKEN_ORIGIN_REGISTER, 0, created->token, error))
        return FALSE;
    if (!event_store(lifecycle->db, event, row->id, payload, row->created_at_us, error) ||
        !db_commit(&transaction, error))
        return FALSE;
    if (warm_key)
        reconciler_warm_note(lifecycle->reconciler, is_warm);
    return TRUE;
}

/* Nothing is mounted unless access is asked for; whoever named a folder should know. Source: spec
 * 01, 12.4. */
static const char *warning_for(const WorkspaceRow *row, const Config *config)
{
    if (strcmp(row->workspace_access, "none") != 0)
        return NULL;
    if (row->workspace_dir)
        return "workspace_dir is not used: workspace_access is none";
    if (config->workspace_dir)
        return "WORKSPACE_DIR is not used: workspace_access is none";
    return NULL;
}

static void describe(const WorkspaceRow *row, const Config *config, WorkspaceCreated *created)
{
    memcpy(created->id, row->id, ID_SIZE);
    created->status = row->status;
    created->awareness_namespace = g_strdup(row->awareness_namespace);
    created->workspace_access = g_strdup(row->workspace_access);
    created->external = g_strcmp0(row->runtime, RUNTIME_EXTERNAL) == 0;
    created->warning = warning_for(row, config);
}

gboolean lifecycle_create(const Lifecycle *lifecycle, WorkspaceOrder *order,
                          WorkspaceCreated *created, GError **error)
{
    g_autoptr(WorkspaceRow) row = NULL;
    g_autofree char *payload = NULL;
    const char *event = NULL;

    *created = (WorkspaceCreated){0};
    if (!check_fields(order, lifecycle->config, error) || !check_executor(order, error) ||
        !check_numbers(order, lifecycle->config, error) || !check_secrets(order, error) ||
        !check_parent(lifecycle, order, error))
        return FALSE;
    fill_from_template(lifecycle, order);
    row = make_row(lifecycle, order);
    payload = first_event(row, order->is_team_member, &event);
    if (!write_all(lifecycle, order, row, event, payload, created, error)) {
        tokens_forget(lifecycle->tokens, row->id);
        return FALSE;
    }
    describe(row, lifecycle->config, created);
    if (!org_tree_refresh(lifecycle->tree, row->id, NULL))
        log_warning("a new workspace shows up in memory a little later",
                    LOG_TEXT("workspace", row->id));
    events_announce(lifecycle->events, event, row->id, payload, row->created_at_us);
    if (!created->external)
        reconciler_poke(lifecycle->reconciler, row->id);
    log_info("workspace created", LOG_TEXT("workspace", row->id), LOG_TEXT("runtime", row->runtime),
             LOG_INT("tier", row->tier));
    return TRUE;
}
