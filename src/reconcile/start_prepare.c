/* What a start needs to know before it touches the engine. */
#include "base/crypto.h"
#include "base/log.h"
#include "base/text.h"
#include "reconcile/hosted.h"
#include "reconcile/start.h"
#include "reconcile/warm.h"
#include "reconcile/wire.h"
#include "store/secrets.h"

#include <string.h>

#define SEALED_VERSION      1 /* AES-256-GCM */
#define RESET_SECRET        "WORKSPACE_RESET_SESSION"
#define HOST_FROM_DOCKER    "host.docker.internal"
#define LOCAL_ENGINE        "sandbox"
#define LOOPBACK            "127.0.0.1"
#define TEXT_MUTATOR_FAILED "plugin env mutator chain failed" /* spec 02, section 9 step 5 */

void start_clear(Start *start)
{
    g_clear_pointer(&start->wish, wish_spec_free);
    g_clear_pointer(&start->secrets, g_hash_table_unref);
    g_clear_pointer(&start->environment, g_hash_table_unref);
    g_free(start->platform_url);
    g_free(start->order);
}

/* ---- Secrets ---- */

static gboolean open_secret(const guint8 *key, const SecretRow *row, GHashTable *into,
                            GError **error)
{
    g_autoptr(GBytes) opened = NULL;
    gsize size = 0;
    const char *data = NULL;

    if (row->encryption_version == 0)
        opened = g_bytes_ref(row->value);
    else if (row->encryption_version == SEALED_VERSION && key)
        opened = crypto_open(key, g_bytes_get_data(row->value, NULL), g_bytes_get_size(row->value),
                             NULL);
    if (!opened)
        return error_set_reason(error, ERROR_INVALID, REASON_SECRETS_UNREADABLE,
                                "failed to decrypt %s secret",
                                row->is_global ? "global" : "workspace");
    data = g_bytes_get_data(opened, &size);
    g_hash_table_insert(into, g_strdup(row->key), g_strndup(data ? data : "", size));
    return TRUE;
}

static gboolean load_secrets(Start *start, GError **error)
{
    const ReconcilerOptions *options = &start->look->reconciler->options;
    g_autoptr(GPtrArray) rows = NULL;

    start->secrets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (start->look->runtime->warm_key) /* they come with its workspace */
        return TRUE;
    rows = store_secret_list_effective(options->db, start->look->id, error);
    if (!rows)
        return FALSE;
    for (guint i = 0; i < rows->len; i++)
        if (!open_secret(options->secrets_key, rows->pdata[i], start->secrets, error))
            return FALSE;
    return TRUE;
}

static gboolean secret_is_true(const Start *start, const char *name)
{
    const char *text = g_hash_table_lookup(start->secrets, name);
    gboolean value = FALSE;

    return text && text_parse_bool(text, &value) && value;
}

/* ---- Addresses ---- */

static char *platform_url_dup(const Start *start)
{
    const ReconcilerOptions *options = &start->look->reconciler->options;
    gboolean shares_host = start->is_local || start->caps.host_network;
    g_autoptr(EngineInfo) host = reconciler_host_dup(start->look->reconciler);
    const char *host_name = host && host->host_name ? host->host_name : HOST_FROM_DOCKER;

    if (options->platform_url && *options->platform_url)
        return g_strdup(options->platform_url);
    if (look_is_hosted(start->look) && options->config && options->config->external_platform_url)
        return g_strdup(options->config->external_platform_url);
    return g_strdup_printf("http://%s:%u", shares_host ? LOOPBACK : host_name,
                           options->server_port);
}

static void add_standby(const Start *start)
{
    const guint8 *secret = start->look->reconciler->options.secrets_key;
    guint8 key[CRYPTO_KEY_SIZE];

    g_hash_table_insert(start->environment, g_strdup(WARM_STANDBY), g_strdup("1"));
    if (!secret)
        return;
    wire_key(secret, start->look->id, key);
    g_hash_table_insert(start->environment, g_strdup(WIRE_KEY_VARIABLE), wire_key_text_dup(key));
}

static void make_environment(Start *start)
{
    const Config *config = start->look->reconciler->options.config;
    g_autofree char *host_url = start->caps.host_network && !start->is_local
                                    ? g_strdup_printf("http://" HOST_FROM_DOCKER ":%u", start->port)
                                    : NULL;
    EnvironmentInput input = {
        .row = start->look->workspace,
        .secrets = start->secrets,
        .platform_url = start->platform_url,
        .awareness_url = config ? config->awareness_url : NULL,
        .agent_url = host_url,
        .agent_listen = start->is_local ? LOOPBACK : NULL,
        .agent_port = start->port,
        .has_builtin_agent = start->has_agent,
        .is_hosted = look_is_hosted(start->look),
    };

    start->environment = environment_make(&input);
    g_hash_table_remove(start->environment, WARM_STANDBY); /* no secret may put an agent to sleep */
    g_hash_table_remove(start->environment, WIRE_KEY_VARIABLE);
    if (start->look->runtime->warm_key)
        add_standby(start);
}

/* Tried again later: what a mutator asks may be away. Its own words are for the log, because they
 * may tell of things outside. */
static gboolean mutate_environment(Start *start, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (start->look->runtime->warm_key) /* what they add belongs to a workspace */
        return TRUE;
    if (env_mutators_run(start->look->reconciler->options.mutators, start->look->id,
                         start->environment, &cause))
        return TRUE;
    log_warning("the environment of a workspace could not be made",
                LOG_TEXT("workspace", start->look->id), LOG_CAUSE(cause));
    return error_set(error, ERROR_BUSY, TEXT_MUTATOR_FAILED);
}

/* ---- All together ---- */

static void name_unenforced(const Start *start)
{
    const TierCaps *caps = &start->caps;

    if (caps->memory_unenforced || caps->cpu_unenforced || caps->pids_unenforced)
        log_warning("caps of its tier are not enforced by this engine",
                    LOG_TEXT("workspace", start->look->id),
                    LOG_TEXT("memory", caps->memory_unenforced ? "not enforced" : "enforced"),
                    LOG_TEXT("cpu", caps->cpu_unenforced ? "not enforced" : "enforced"),
                    LOG_TEXT("pids", caps->pids_unenforced ? "not enforced" : "enforced"));
}

static gboolean choose_caps(Start *start, GError **error)
{
    Reconciler *reconciler = start->look->reconciler;
    g_autoptr(EngineInfo) host = reconciler_host_dup(reconciler);

    if (!tier_caps(start->look->workspace->tier, &reconciler->tiers, host, &start->caps, error))
        return FALSE;
    name_unenforced(start);
    start->port =
        start->caps.host_network ? container_host_port(start->look->id) : AGENT_DEFAULT_PORT;
    return TRUE;
}

/* Only of the base image we know what is in it. What is wrong with an image's name, the start says.
 */
static gboolean is_agent_inside(const Start *start)
{
    const Reconciler *reconciler = start->look->reconciler;
    g_autofree char *image =
        container_image_dup(start->look->workspace, reconciler_runtimes(reconciler), "", NULL);

    return start->has_agent && reconciler->options.base_image_has_agent && image && !*image;
}

gboolean start_prepare(Start *start, Look *look, GError **error)
{
    Reconciler *reconciler = look->reconciler;
    const Config *config = reconciler->options.config;

    *start = (Start){.look = look};
    if (!look->workspace)
        return error_set(error, ERROR_INTERNAL, "there is a wish for a workspace without a row");
    start->runtime = runtimes_find(reconciler_runtimes(reconciler), look->workspace->runtime);
    start->has_agent = container_has_builtin_agent(look->workspace);
    start->is_agent_inside = is_agent_inside(start);
    start->is_local = strcmp(engine_name(reconciler->options.engine), LOCAL_ENGINE) == 0;
    start->wish = wish_spec_parse(look->runtime->spec);
    start->order = *start->wish->order
                       ? g_strdup(start->wish->order)
                       : g_strdup_printf("%" G_GINT64_FORMAT, look->runtime->generation);
    /* How large a hosted machine is, and what is mounted there, is not ours to say. */
    if (!look_is_hosted(look) &&
        (!choose_caps(start, error) ||
         !container_host_directory(look->workspace, config ? config->workspace_dir : NULL,
                                   &start->directory, &start->directory_read_only, error)))
        return FALSE;
    if (!load_secrets(start, error))
        return FALSE;
    start->resets_each_wish = secret_is_true(start, RESET_SECRET);
    start->platform_url = platform_url_dup(start);
    make_environment(start);
    return mutate_environment(start, error);
}
