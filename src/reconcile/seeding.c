/* What is put into a created, not yet started container: our agent, /configs, the token.
 *
 * A template is unpacked once for each order (provision/wish_spec.h): the last entry of the archive
 * is a marker with the order's id, so that later containers leave the user's files alone, and an
 * archive that was cut off is unpacked again. The token is minted when it is delivered, and the
 * server's former tokens end at that moment (nobody uses them: the former container is gone).
 * Source: spec 02 sections 8.11, 8.12, 9 (steps 6 to 8), L51; ARCHITECTURE D6. */
#include "base/log.h"
#include "provision/seed.h"
#include "provision/templates.h"
#include "reconcile/start.h"
#include "reconcile/wire.h"
#include "store/warm.h"
#include "store/workspaces.h"

#include <string.h>

#define CONFIGS_PATH     "/configs"
#define CONFIGS_FOLDER   "configs"
#define MARKER_NAME      ".workspaced/seeded"
#define ENVIRONMENT_NAME ".workspaced-environment" /* agent/standby.h */
#define ASSIGNED_NAME    ".workspaced-assigned"
#define ENVIRONMENT_MAX  (4 * 1024 * 1024)
#define MARKER_MAX_BYTES 64
#define USERS_MAX_BYTES  (1024 * 1024)
#define TAR_SLACK_BYTES  8192 /* headers and padding of a one-file archive */
#define TOKEN_MODE       0600
#define FILE_MODE        0644

static Engine *engine_of(const Start *start)
{
    return start->look->reconciler->options.engine;
}

/* A file of the container. NULL with `error` untouched: there is none, or it is no plain file of
 * that size. */
static gboolean read_file(Start *start, const char *container, const char *path, gsize max_bytes,
                          GBytes **bytes, GError **error)
{
    g_autoptr(GBytes) tar = NULL;
    g_autoptr(GError) cause = NULL;

    *bytes = NULL;
    if (engine_copy_out(engine_of(start), container, path, max_bytes + TAR_SLACK_BYTES, &tar,
                        &cause)) {
        *bytes = seed_read_file(tar, max_bytes);
        return TRUE;
    }
    if (error_is(cause, ERROR_NOT_FOUND) || error_is(cause, ERROR_TOO_LARGE))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

/* ---- Whose files they are ---- */

/* The container's user. The reference's images start as root and then become user 1000. */
static gboolean find_owner(Start *start, const ContainerInfo *container, guint *owner, guint *group,
                           GError **error)
{
    g_autoptr(GBytes) users = NULL;
    g_autoptr(GBytes) groups = NULL;
    const char *user = container->user ? container->user : "";

    if (*user && (!read_file(start, container->id, "/etc/passwd", USERS_MAX_BYTES, &users, error) ||
                  !read_file(start, container->id, "/etc/group", USERS_MAX_BYTES, &groups, error)))
        return FALSE;
    if (!seed_user_ids(user, users, groups, owner, group) || (*owner == 0 && !start->has_agent))
        *owner = *group = SEED_OWNER;
    return TRUE;
}

/* ---- Configuration ---- */

static gboolean is_seeded_already(Start *start, const char *container, gboolean *is_seeded,
                                  GError **error)
{
    g_autoptr(GBytes) marker = NULL;
    const char *wanted = start->order;

    if (!read_file(start, container, CONFIGS_PATH "/" MARKER_NAME, MARKER_MAX_BYTES, &marker,
                   error))
        return FALSE;
    *is_seeded = marker && g_bytes_get_size(marker) == strlen(wanted) &&
                 memcmp(g_bytes_get_data(marker, NULL), wanted, strlen(wanted)) == 0;
    return TRUE;
}

/* A template that vanished since is not a reason to fail: the default takes its place. */
static gboolean add_template(Start *start, Seed *seed, GError **error)
{
    const char *name = start->wish->template_name;
    g_autofree char *folder = template_find(start->look->reconciler->options.configs_dir, name);

    if (name && !folder)
        log_warning("a template is not there any more", LOG_TEXT("workspace", start->look->id),
                    LOG_TEXT("template", name));
    return !folder || seed_add_tree(seed, folder, error);
}

/* What this wish asks to unpack: the template of an order once, files of its own as long as they
 * were not delivered. */
static gboolean add_wished(Start *start, Seed *seed, const char *container, GError **error)
{
    GBytes *files = start->look->runtime->seed;
    gboolean is_seeded = FALSE;

    if (!is_seeded_already(start, container, &is_seeded, error) ||
        (!is_seeded && !add_template(start, seed, error)))
        return FALSE;
    return !files || seed_add_tar(seed, files, error);
}

static char *fallback_folder(const Start *start)
{
    const char *root = start->look->reconciler->options.configs_dir;
    const char *name = start->look->workspace->template_name;
    char *folder = template_find(root, name);

    if (folder || !name)
        return folder;
    return template_find_default(root, reconciler_runtimes(start->look->reconciler),
                                 start->look->workspace->runtime);
}

static char *generate_config(const Start *start)
{
    const WorkspaceRow *row = start->look->workspace;

    return template_config_generate(row->name, row->role, row->tier,
                                    reconciler_runtimes(start->look->reconciler), row->runtime,
                                    row->model, start->port);
}

/* For a volume without a config.yaml: the workspace's template, else a generated one. */
static gboolean add_fallback(Start *start, Seed *seed, GError **error)
{
    g_autofree char *folder = fallback_folder(start);
    g_autoptr(GBytes) config = NULL;
    g_autofree char *text = NULL;

    if (folder && !seed_add_tree(seed, folder, error))
        return FALSE;
    config = seed_dup_config(seed);
    if (config && g_bytes_get_size(config) > 0)
        return TRUE;
    text = generate_config(start);
    return seed_add_file(seed, TEMPLATE_CONFIG_FILE, text, strlen(text), FILE_MODE, error);
}

/* The configuration that the agent will read: added now, or in the volume already. */
static gboolean find_config(Start *start, Seed *seed, const char *container, GBytes **config,
                            GError **error)
{
    *config = seed_dup_config(seed);
    if (*config && g_bytes_get_size(*config) > 0)
        return TRUE;
    g_clear_pointer(config, g_bytes_unref);
    return read_file(start, container, CONFIGS_PATH "/" TEMPLATE_CONFIG_FILE,
                     TEMPLATE_CONFIG_MAX_BYTES, config, error);
}

static gboolean add_config(Start *start, Seed *seed, const char *container, GBytes **config,
                           GError **error)
{
    if (!find_config(start, seed, container, config, error))
        return FALSE;
    if (*config)
        return TRUE;
    return add_fallback(start, seed, error) && find_config(start, seed, container, config, error);
}

static gboolean check_required(Start *start, GBytes *config, GError **error)
{
    gsize size = 0;
    const char *text = config ? g_bytes_get_data(config, &size) : NULL;
    g_autoptr(TemplateConfig) parsed = template_config_parse(text ? text : "", size);
    g_auto(GStrv) missing = template_missing_env(parsed->required_env, start->environment);
    g_autofree char *sentence = NULL;

    if (!*missing)
        return TRUE;
    sentence = template_missing_sentence(missing);
    g_strfreev(start->look->missing);
    start->look->missing = g_steal_pointer(&missing);
    return error_set_reason(error, ERROR_INVALID, REASON_VARIABLES_MISSING, "%s", sentence);
}

/* ---- Delivery ---- */

/* One upload when it can be one: each costs the daemon some 45 ms, whatever its size. */
static gboolean is_one_upload(const Start *start)
{
    return start->caps.read_only_root || engine_copies_through_mounts(engine_of(start));
}

static gboolean add_agent(Start *start, Seed *seed, GError **error)
{
    const char *name = start->caps.read_only_root ? AGENT_READ_ONLY_TAR_NAME : AGENT_TAR_NAME;

    return seed_add_agent(seed, name, start->look->reconciler->options.agent_path, error);
}

/* Where our agent must go into the root file system by an upload of its own. */
static gboolean deliver_agent(Start *start, const char *container, GError **error)
{
    g_autoptr(Seed) seed = seed_new(CONFIGS_FOLDER, 0, 0);
    g_autoptr(GBytes) tar = NULL;

    if (!add_agent(start, seed, error))
        return FALSE;
    tar = seed_finish(seed, error);
    return tar && engine_copy_in(engine_of(start), container, "/", tar, error);
}

static gboolean place_agent(Start *start, Seed *seed, const char *container, GError **error)
{
    if (!start->has_agent || start->is_agent_inside)
        return TRUE;
    return is_one_upload(start) ? add_agent(start, seed, error)
                                : deliver_agent(start, container, error);
}

static const char *configs_folder(const Start *start)
{
    gboolean is_at_root = start->has_agent && !start->is_agent_inside &&
                          !start->caps.read_only_root && is_one_upload(start);

    return is_at_root ? CONFIGS_FOLDER : NULL;
}

static gboolean upload(Start *start, Seed *seed, const char *container, const char *folder,
                       GError **error)
{
    g_autoptr(GBytes) tar = seed_finish(seed, error);

    return tar &&
           engine_copy_in(engine_of(start), container, folder ? "/" : CONFIGS_PATH, tar, error);
}

/* Each "KEY=value" ends with a NUL, because values may have lines. NULL: too large. */
static GString *make_environment_text(const Start *start, GError **error)
{
    g_auto(GStrv) list = environment_list(start->environment);
    g_autoptr(GString) text = g_string_new(NULL);

    for (char **one = list; *one; one++)
        g_string_append_len(text, *one, (gssize)strlen(*one) + 1);
    if (text->len <= ENVIRONMENT_MAX)
        return g_steal_pointer(&text);
    error_set(error, ERROR_TOO_LARGE, "the environment is too large to be handed over");
    return NULL;
}

static gboolean add_environment(Start *start, Seed *seed, GError **error)
{
    g_autoptr(GString) text = make_environment_text(start, error);

    return text && seed_add_file(seed, ENVIRONMENT_NAME, text->str, text->len, TOKEN_MODE, error) &&
           seed_add_file(seed, ASSIGNED_NAME, "", 0, FILE_MODE, error);
}

/* `is_running`: an agent in stand-by waits for the last entry. */
static gboolean deliver_configs(Start *start, Seed *seed, const char *container, const char *token,
                                gboolean is_running, GError **error)
{
    g_autoptr(GBytes) tar = NULL;

    if (!seed_add_file(seed, SEED_TOKEN, token, strlen(token), TOKEN_MODE, error) ||
        !seed_add_file(seed, MARKER_NAME, start->order, strlen(start->order), FILE_MODE, error) ||
        (is_running && !add_environment(start, seed, error)))
        return FALSE;
    tar = seed_finish(seed, error);
    return tar &&
           engine_copy_in(engine_of(start), container,
                          configs_folder(start) && !is_running ? "/" : CONFIGS_PATH, tar, error);
}

/* A token that was not delivered is nobody's. */
static void revoke_undelivered(const Look *look)
{
    if (!tokens_revoke_attempt(look->reconciler->options.tokens, look->id,
                               look->runtime->generation, NULL))
        log_warning("a token that was not delivered stays until the next start",
                    LOG_TEXT("workspace", look->id));
}

static gboolean deliver(Start *start, Seed *seed, const ContainerInfo *container, GError **error)
{
    Look *look = start->look;
    Tokens *tokens = look->reconciler->options.tokens;
    char token[CRYPTO_TOKEN_SIZE];

    if (!look_is_current(look, error) || !tokens_revoke_issued(tokens, look->id, 0, error) ||
        !tokens_mint(tokens, look->id, TOKEN_ORIGIN_PROVISION, look->runtime->generation, token,
                     error))
        return FALSE;
    if (deliver_configs(start, seed, container->id, token, FALSE, error))
        return TRUE;
    revoke_undelivered(look);
    return FALSE;
}

/* A member of the stock gets our agent, in a /configs that it may write to; the rest comes with its
 * workspace. */
static gboolean seed_member(Start *start, Seed *seed, const char *container, GError **error)
{
    return place_agent(start, seed, container, error) &&
           upload(start, seed, container, configs_folder(start), error);
}

gboolean start_seed(Start *start, const ContainerInfo *container, GError **error)
{
    g_autoptr(Seed) seed = NULL;
    g_autoptr(GBytes) config = NULL;
    guint owner = 0, group = 0;

    if (!find_owner(start, container, &owner, &group, error))
        return FALSE;
    seed = seed_new(configs_folder(start), owner, group);
    if (start->look->runtime->warm_key)
        return seed_member(start, seed, container->id, error);
    return add_wished(start, seed, container->id, error) &&
           add_config(start, seed, container->id, &config, error) &&
           check_required(start, config, error) && place_agent(start, seed, container->id, error) &&
           deliver(start, seed, container, error);
}

/* ---- A container that runs already ---- */

/* That the attempt begins and its token are one change: each says that the other may be out. */
static gboolean begin_telling(Look *look, char token[CRYPTO_TOKEN_SIZE], GError **error)
{
    const ReconcilerOptions *options = &look->reconciler->options;
    g_autoptr(DbTransaction) transaction = db_begin(options->db, error);
    gboolean current = FALSE;

    if (!transaction || !store_workspace_lock(options->db, look->id, error) ||
        !store_warm_told(options->db, look->id, look->runtime->generation, WARM_TOLD_BEGUN,
                         &current, error))
        return FALSE;
    if (!current)
        return error_set(error, ERROR_SUPERSEDED, "a newer wish won");
    if (tokens_mint(options->tokens, look->id, TOKEN_ORIGIN_PROVISION, look->runtime->generation,
                    token, error) &&
        db_commit(&transaction, error))
        return TRUE;
    tokens_forget(options->tokens, look->id);
    return FALSE;
}

/* What has no files of a template goes straight to the agent. */
static WireEnd send_straight(Start *start, const ContainerInfo *container, const char *token,
                             GError **error)
{
    const guint8 *secret = start->look->reconciler->options.secrets_key;
    g_autofree char *folder = fallback_folder(start);
    g_autofree char *config = generate_config(start);
    g_autoptr(GString) environment = make_environment_text(start, error);
    g_autoptr(GByteArray) message = g_byte_array_new();
    guint8 key[CRYPTO_KEY_SIZE];

    if (!environment)
        return WIRE_UNKNOWN;
    if (!secret || folder || start->wish->template_name || !container->address) {
        error_set(error, ERROR_UNAVAILABLE, "it has files of a template, or no address");
        return WIRE_NOT_TAKEN;
    }
    wire_add(message, SEED_TOKEN, TOKEN_MODE, token, strlen(token));
    wire_add(message, TEMPLATE_CONFIG_FILE, FILE_MODE, config, strlen(config));
    wire_add(message, MARKER_NAME, FILE_MODE, start->order, strlen(start->order));
    wire_add(message, ENVIRONMENT_NAME, TOKEN_MODE, environment->str, environment->len);
    wire_key(secret, start->look->id, key);
    return wire_send(container->address, key, message, error);
}

/* Its volumes are new, so nothing in them needs to be asked for. */
static gboolean unpack(Start *start, const ContainerInfo *container, const char *token,
                       GError **error)
{
    g_autoptr(Seed) seed = NULL;
    g_autoptr(GBytes) config = NULL;
    guint owner = 0, group = 0;

    if (!find_owner(start, container, &owner, &group, error))
        return FALSE;
    seed = seed_new(NULL, owner, group);
    if (!add_template(start, seed, error))
        return FALSE;
    config = seed_dup_config(seed);
    if (!config || g_bytes_get_size(config) == 0) {
        g_clear_pointer(&config, g_bytes_unref);
        if (!add_fallback(start, seed, error))
            return FALSE;
        config = seed_dup_config(seed);
    }
    return check_required(start, config, error) &&
           deliver_configs(start, seed, container->id, token, TRUE, error);
}

gboolean start_seed_running(Start *start, const ContainerInfo *container, GError **error)
{
    char token[CRYPTO_TOKEN_SIZE];
    g_autoptr(GError) cause = NULL;
    WireEnd end = WIRE_NOT_TAKEN;

    if (executor_is_stopping(start->look->reconciler->executor))
        return error_set(error, ERROR_SUPERSEDED, "the server stops");
    if (!begin_telling(start->look, token, error))
        return FALSE;
    end = send_straight(start, container, token, &cause);
    if (end == WIRE_TAKEN || (end == WIRE_NOT_TAKEN && unpack(start, container, token, error)))
        return TRUE;
    if (end == WIRE_UNKNOWN)
        g_propagate_error(error, g_steal_pointer(&cause));
    revoke_undelivered(start->look);
    return FALSE;
}
