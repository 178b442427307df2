#include "base/config.h"

#include "base/dotenv.h"
#include "base/log.h"
#include "base/text.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

typedef enum { OPTION_TEXT, OPTION_INT, OPTION_BOOL, OPTION_DECIMAL } OptionType;

/* The reference's own variables fall back to their default when they hold junk; ours are refused.
 */
typedef enum { JUNK_REFUSED, JUNK_IS_DEFAULT } Junk;

typedef struct {
    const char *variable; /* NULL: a heading, its text in `help` */
    const char *flag;
    OptionType type;
    gsize offset;
    const char *fallback; /* NULL: unset */
    gint64 min, max;      /* integers; a decimal is greater than min */
    Junk junk;
    gboolean secret; /* never as a flag: others could read it in the list of processes */
    const char *help;
} Option;

#define HEADING(text_)                                                                             \
    {                                                                                              \
        .help = (text_)                                                                            \
    }
#define FIELD(name_) offsetof(Config, name_)
#define NO_LIMIT     G_MAXINT64

#define DEFAULT_RUNTIME        "builtin"
#define HOSTED_DEFAULT_RUNTIME "langgraph" /* the platform's machines bring agents of their own */

static const Option options[] = {
    HEADING("Network"),
    {"PORT", "port", OPTION_INT, FIELD(port), "8080", 0, 65535, JUNK_REFUSED, FALSE,
     "port to listen on; 0 picks a free one"},
    {"WORKSPACED_LISTEN", "listen", OPTION_TEXT, FIELD(listen), NULL, 0, 0, JUNK_REFUSED, FALSE,
     "addresses to listen on instead, separated by commas: HOST:PORT, [HOST]:PORT or unix:/path; "
     "unset: "
     "loopback and the gateway of the containers' network"},
    {"PLATFORM_URL", "platform-url", OPTION_TEXT, FIELD(platform_url), NULL, 0, 0, JUNK_REFUSED,
     FALSE,
     "URL under which agents reach this server; unset: the engine's own way to the host, in a "
     "container its host name"},
    {"EXTERNAL_PLATFORM_URL", "external-platform-url", OPTION_TEXT, FIELD(external_platform_url),
     NULL, 0, 0, JUNK_REFUSED, FALSE, "URL told to agents that run elsewhere"},
    {"CORS_ORIGINS", "cors-origins", OPTION_TEXT, FIELD(cors_origins), NULL, 0, 0, JUNK_REFUSED,
     FALSE,
     "web origins that may call the API, separated by commas; unset: http://localhost:3000 and "
     ":3001"},
    {"RATE_LIMIT", "rate-limit", OPTION_INT, FIELD(rate_limit), "600", 1, NO_LIMIT, JUNK_IS_DEFAULT,
     FALSE, "requests a minute from one address; a workspace's own token has a window of its own"},
    {"WORKSPACED_WORKERS", "workers", OPTION_INT, FIELD(workers), "0", 0, 1024, JUNK_REFUSED, FALSE,
     "threads that run handlers; 0: four a core"},
    {"WORKSPACED_SHUTDOWN_SECONDS", "shutdown-seconds", OPTION_INT, FIELD(shutdown_seconds), "30",
     1, 3600, JUNK_REFUSED, FALSE, "time to finish work after SIGTERM"},
    HEADING("Data"),
    {"WORKSPACED_DATA_DIR", "data-dir", OPTION_TEXT, FIELD(data_dir), NULL, 0, 0, JUNK_REFUSED,
     FALSE,
     "folder of the database, admin token, key and sandbox; unset: /var/lib/workspaced as root, "
     "else "
     "$XDG_STATE_HOME/workspaced"},
    {"DATABASE_URL", "database-url", OPTION_TEXT, FIELD(database_url), NULL, 0, 0, JUNK_REFUSED,
     TRUE, "sqlite:PATH or postgres://...; unset: SQLite in the data folder"},
    {"SECRETS_ENCRYPTION_KEY", "secrets-key", OPTION_TEXT, FIELD(secrets_key), NULL, 0, 0,
     JUNK_REFUSED, TRUE,
     "32 bytes, raw or base64; unset: made at the first start and kept in the data folder"},
    {"WORKSPACED_INSTALLATION_ID", "installation-id", OPTION_TEXT, FIELD(installation_id), NULL, 0,
     0, JUNK_REFUSED, FALSE, "id that marks containers as ours; unset: made at the first start"},
    {"CONFIGS_DIR", "configs-dir", OPTION_TEXT, FIELD(configs_dir), NULL, 0, 0, JUNK_REFUSED, FALSE,
     "folder of workspace templates; unset: workspace-configs-templates here or up to two folders "
     "above"},
    {"WORKSPACED_RUN_AS", "run-as", OPTION_TEXT, FIELD(run_as), NULL, 0, 0, JUNK_REFUSED, FALSE,
     "UID:GID to become after a start as root, with the group of the engine's socket beside"},
    HEADING("Access"),
    {"ADMIN_TOKEN", "admin-token", OPTION_TEXT, FIELD(admin_token), NULL, 0, 0, JUNK_REFUSED, TRUE,
     "the administrator's bearer token; unset: made at the first start and kept in the data "
     "folder"},
    {"MOLECULE_ENV", "environment", OPTION_TEXT, FIELD(environment), NULL, 0, 0, JUNK_REFUSED,
     FALSE,
     "development or dev: open access while ADMIN_TOKEN is unset; production or prod: strict"},
    {"PUBLIC_WORKSPACE_GET", "public-workspace-get", OPTION_BOOL, FIELD(public_workspace_get), "0",
     0, 0, JUNK_REFUSED, FALSE, "let anyone read one workspace by its id"},
    {"MOLECULE_ENABLE_TEST_TOKENS", "enable-test-tokens", OPTION_BOOL, FIELD(enable_test_tokens),
     "0", 0, 0, JUNK_IS_DEFAULT, FALSE, "mint tokens for tests in production, too"},
    {"MOLECULE_DEPLOY_MODE", "deploy-mode", OPTION_TEXT, FIELD(deploy_mode), NULL, 0, 0,
     JUNK_REFUSED, FALSE, "saas or self-hosted"},
    {"MOLECULE_ORG_ID", "org-id", OPTION_TEXT, FIELD(org_id), NULL, 0, 0, JUNK_REFUSED, FALSE,
     "organisation id of a hosted tenant"},
    HEADING("Container engine"),
    {"WORKSPACED_ENGINE", "engine", OPTION_TEXT, FIELD(engine), "auto", 0, 0, JUNK_REFUSED, FALSE,
     "auto (the control plane when MOLECULE_ORG_ID is set, else Docker if its socket answers, else "
     "the sandbox), "
     "docker, podman, sandbox, control-plane or none"},
    {"MOLECULE_CP_URL", "cp-url", OPTION_TEXT, FIELD(cp_url), "https://api.moleculesai.app", 0, 0,
     JUNK_REFUSED, FALSE,
     "the control plane of a hosted tenant; https unless it is on this machine"},
    {"CP_PROVISION_URL", "cp-provision-url", OPTION_TEXT, FIELD(cp_provision_url), NULL, 0, 0,
     JUNK_REFUSED, FALSE, "where machines are ordered; unset: MOLECULE_CP_URL"},
    {"MOLECULE_CP_SHARED_SECRET", "cp-shared-secret", OPTION_TEXT, FIELD(cp_shared_secret), NULL, 0,
     0, JUNK_REFUSED, TRUE, "credential for ordering machines; unset: PROVISION_SHARED_SECRET"},
    {"PROVISION_SHARED_SECRET", "provision-shared-secret", OPTION_TEXT,
     FIELD(provision_shared_secret), NULL, 0, 0, JUNK_REFUSED, TRUE,
     "the same under its former name"},
    {"CP_ADMIN_API_TOKEN", "cp-admin-api-token", OPTION_TEXT, FIELD(cp_admin_api_token), NULL, 0, 0,
     JUNK_REFUSED, TRUE, "credential for machines' consoles; unset: that for ordering"},
    {"DOCKER_HOST", "docker-host", OPTION_TEXT, FIELD(docker_host), NULL, 0, 0, JUNK_REFUSED, FALSE,
     "the daemon's address; unset: unix:///var/run/docker.sock, for podman "
     "unix:///run/podman/podman.sock or below "
     "$XDG_RUNTIME_DIR"},
    {"DOCKER_API_VERSION", "docker-api-version", OPTION_TEXT, FIELD(docker_api_version), NULL, 0, 0,
     JUNK_REFUSED, FALSE, "speak this API version instead of negotiating"},
    {"DOCKER_TLS_VERIFY", "docker-tls-verify", OPTION_BOOL, FIELD(docker_tls_verify), "0", 0, 0,
     JUNK_IS_DEFAULT, FALSE, "check the daemon's certificate"},
    {"DOCKER_CERT_PATH", "docker-cert-path", OPTION_TEXT, FIELD(docker_cert_path), NULL, 0, 0,
     JUNK_REFUSED, FALSE, "folder of ca.pem, cert.pem and key.pem for the daemon"},
    {"WORKSPACED_NETWORK", "network", OPTION_TEXT, FIELD(network), "molecule-monorepo-net", 0, 0,
     JUNK_REFUSED, FALSE, "network that the containers join; made when it is absent"},
    {"MOLECULE_IN_DOCKER", "in-docker", OPTION_TEXT, FIELD(in_docker), NULL, 0, 0, JUNK_REFUSED,
     FALSE, "whether this server itself runs in a container: true or false; unset: find out"},
    {"WORKSPACED_AGENT", "agent", OPTION_TEXT, FIELD(agent_path), NULL, 0, 0, JUNK_REFUSED, FALSE,
     "the workspace-agent program to inject; unset: beside this program"},
    {"WORKSPACED_IMAGE_PREFIX", "image-prefix", OPTION_TEXT, FIELD(image_prefix),
     "ghcr.io/molecule-ai/workspace-template-", 0, 0, JUNK_REFUSED, FALSE,
     "what stands before a runtime's name in its image's"},
    {"WORKSPACED_IMAGE_TAG", "image-tag", OPTION_TEXT, FIELD(image_tag), "latest", 0, 0,
     JUNK_REFUSED, FALSE, "tag of the runtimes' images"},
    {"WORKSPACE_MANIFEST_PATH", "manifest-path", OPTION_TEXT, FIELD(manifest_path), NULL, 0, 0,
     JUNK_REFUSED, FALSE, "file whose workspace_templates[].name are runtimes, too"},
    {"MOLECULE_IMAGE_PLATFORM", "image-platform", OPTION_TEXT, FIELD(image_platform), NULL, 0, 0,
     JUNK_REFUSED, FALSE, "os/architecture that images are pulled for; unset: the daemon's own"},
    {"GHCR_USER", "ghcr-user", OPTION_TEXT, FIELD(ghcr_user), NULL, 0, 0, JUNK_REFUSED, FALSE,
     "user for pulls from the registry of WORKSPACED_IMAGE_PREFIX, and from no other"},
    {"GHCR_TOKEN", "ghcr-token", OPTION_TEXT, FIELD(ghcr_token), NULL, 0, 0, JUNK_REFUSED, TRUE,
     "its token"},
    {"WORKSPACED_REGISTRY_URL", "registry-url", OPTION_TEXT, FIELD(registry_url), NULL, 0, 0,
     JUNK_REFUSED, FALSE,
     "where IMAGE_AUTO_REFRESH asks for digests; unset: https and the registry of "
     "WORKSPACED_IMAGE_PREFIX"},
    {"IMAGE_AUTO_REFRESH", "image-auto-refresh", OPTION_BOOL, FIELD(image_auto_refresh), "0", 0, 0,
     JUNK_IS_DEFAULT, FALSE,
     "pull the runtimes' images and roll workspaces over when a registry has new ones"},
    {"WORKSPACED_IMAGE_CHECK_SECONDS", "image-check-seconds", OPTION_INT,
     FIELD(image_check_seconds), "300", 1, 86400, JUNK_REFUSED, FALSE,
     "time between two looks at the registry"},
    {"WORKSPACED_IMAGE_PRUNE", "image-prune", OPTION_BOOL, FIELD(image_prune), "0", 0, 0,
     JUNK_REFUSED, FALSE,
     "after a refresh remove the runtimes' images that have no tag any more and no container"},
    {"PROVISION_CONCURRENCY", "start-limit", OPTION_INT, FIELD(start_limit), "4", 1, 64,
     JUNK_IS_DEFAULT, FALSE, "workspaces started at once"},
    {"WORKSPACED_STOP_CONCURRENCY", "stop-limit", OPTION_INT, FIELD(stop_limit), "8", 1, 64,
     JUNK_REFUSED, FALSE, "workspaces stopped at once"},
    {"WORKSPACED_RECONCILE_SECONDS", "reconcile-seconds", OPTION_INT, FIELD(reconcile_seconds),
     "30", 1, 3600, JUNK_REFUSED, FALSE, "time between two full comparisons of wish and reality"},
    {"WORKSPACED_QUARANTINE_HOURS", "quarantine-hours", OPTION_INT, FIELD(quarantine_hours), "24",
     0, 8760, JUNK_REFUSED, FALSE,
     "how long a volume of ours that no workspace explains is kept before it is removed; 0: "
     "always"},
    HEADING("Workspaces"),
    {"DEFAULT_TIER", "default-tier", OPTION_INT, FIELD(default_tier), "2", 1, 4, JUNK_REFUSED,
     FALSE, "tier of a workspace that names none"},
    {"DEFAULT_RUNTIME", "default-runtime", OPTION_TEXT, FIELD(default_runtime), NULL, 0, 0,
     JUNK_REFUSED, FALSE,
     "runtime of a workspace that names none; unset: " DEFAULT_RUNTIME
     ", on a control plane " HOSTED_DEFAULT_RUNTIME},
    {"TIER2_MEMORY_MB", "tier2-memory-mb", OPTION_INT, FIELD(tier2_memory_mb), "512", 1, NO_LIMIT,
     JUNK_IS_DEFAULT, FALSE, "memory of tiers 1 and 2"},
    {"TIER3_MEMORY_MB", "tier3-memory-mb", OPTION_INT, FIELD(tier3_memory_mb), "2048", 1, NO_LIMIT,
     JUNK_IS_DEFAULT, FALSE, "memory of tier 3"},
    {"TIER4_MEMORY_MB", "tier4-memory-mb", OPTION_INT, FIELD(tier4_memory_mb), "4096", 1, NO_LIMIT,
     JUNK_IS_DEFAULT, FALSE, "memory of tier 4"},
    {"TIER2_CPU_SHARES", "tier2-cpu-shares", OPTION_INT, FIELD(tier2_cpu_shares), "1024", 1,
     NO_LIMIT, JUNK_IS_DEFAULT, FALSE, "processor share of tiers 1 and 2; 1024 is one core"},
    {"TIER3_CPU_SHARES", "tier3-cpu-shares", OPTION_INT, FIELD(tier3_cpu_shares), "2048", 1,
     NO_LIMIT, JUNK_IS_DEFAULT, FALSE, "processor share of tier 3"},
    {"TIER4_CPU_SHARES", "tier4-cpu-shares", OPTION_INT, FIELD(tier4_cpu_shares), "4096", 1,
     NO_LIMIT, JUNK_IS_DEFAULT, FALSE, "processor share of tier 4"},
    {"WORKSPACED_ALLOW_PRIVILEGED", "allow-privileged", OPTION_BOOL, FIELD(allow_privileged), "1",
     0, 0, JUNK_REFUSED, FALSE, "allow tiers 3 and 4, whose containers are privileged"},
    {"WORKSPACE_DIR", "workspace-dir", OPTION_TEXT, FIELD(workspace_dir), NULL, 0, 0, JUNK_REFUSED,
     FALSE, "host folder for /workspace of workspaces that ask for access but name none"},
    {"WORKSPACE_DIR_ROOTS", "workspace-dir-roots", OPTION_TEXT, FIELD(workspace_dir_roots), NULL, 0,
     0, JUNK_REFUSED, FALSE, "folders below which a workspace_dir must lie, separated by colons"},
    {"AWARENESS_URL", "awareness-url", OPTION_TEXT, FIELD(awareness_url), NULL, 0, 0, JUNK_REFUSED,
     FALSE, "awareness service told to agents"},
    {"WARM_POOL", "warm-pool", OPTION_TEXT, FIELD(warm_pool), NULL, 0, 0, JUNK_REFUSED, FALSE,
     "started agents kept ready for new workspaces: IMAGE:NUMBER, separated by commas; builtin is "
     "the "
     "built-in base image"},
    {"PROVISION_TIMEOUT_SECONDS", "provision-timeout-seconds", OPTION_INT,
     FIELD(provision_timeout_seconds), "0", 0, NO_LIMIT / 1000000, JUNK_IS_DEFAULT, FALSE,
     "time a started agent has to register; 0: by runtime (600, hermes 1800)"},
    {"WORKSPACED_LIVENESS_SECONDS", "liveness-seconds", OPTION_INT, FIELD(liveness_seconds), "180",
     1, 86400, JUNK_REFUSED, FALSE, "silence after which a workspace counts as offline"},
    {"REMOTE_LIVENESS_STALE_AFTER", "remote-stale-seconds", OPTION_INT, FIELD(remote_stale_seconds),
     "90", 1, NO_LIMIT / 1000000, JUNK_IS_DEFAULT, FALSE, "the same for external workspaces"},
    {"HIBERNATE_STOP_AFTER_MINUTES", "hibernate-stop-after-minutes", OPTION_INT,
     FIELD(hibernate_stop_after_minutes), "60", 0, 525600, JUNK_REFUSED, FALSE,
     "an idle workspace is frozen, and stopped when it has slept this long; 0: stopped at once"},
    HEADING("Messages"),
    {"A2A_IDLE_TIMEOUT_SECONDS", "a2a-idle-seconds", OPTION_INT, FIELD(a2a_idle_seconds), "300", 1,
     86400, JUNK_IS_DEFAULT, FALSE, "silence of an agent after which a message to it is given up"},
    {"A2A_WAKE_WAIT_SECONDS", "a2a-wake-wait-seconds", OPTION_INT, FIELD(wake_wait_seconds), "30",
     0, 3600, JUNK_REFUSED, FALSE,
     "how long a message waits for a sleeping workspace to wake; 0: it is refused with "
     "Retry-After"},
    {"WORKSPACED_MAX_FORWARDS", "max-forwards", OPTION_INT, FIELD(a2a_max_forwards), "1024", 1,
     100000, JUNK_REFUSED, FALSE, "messages under way at once"},
    HEADING("Retention"),
    {"ACTIVITY_RETENTION_DAYS", "activity-retention-days", OPTION_INT,
     FIELD(activity_retention_days), "7", 1, 36500, JUNK_REFUSED, FALSE,
     "age at which activity is deleted"},
    {"EVENT_RETENTION_DAYS", "event-retention-days", OPTION_INT, FIELD(event_retention_days), "90",
     0, 36500, JUNK_REFUSED, FALSE, "age at which recorded events are deleted; 0: never"},
    {"ACTIVITY_CLEANUP_INTERVAL_HOURS", "cleanup-interval-hours", OPTION_DECIMAL,
     FIELD(cleanup_interval_hours), "6", 0, 1000, JUNK_IS_DEFAULT, FALSE,
     "time between two deletions of what is old; fractions are allowed"},
    {"WORKSPACED_VOLUME_RETENTION_HOURS", "volume-retention-hours", OPTION_DECIMAL,
     FIELD(volume_retention_hours), "0", -1, 8760, JUNK_REFUSED, FALSE,
     "how long the volumes of a deleted workspace are kept, so that an accidental delete can be "
     "undone; fractions are allowed; 0: they go with it"},
    HEADING("GitHub"),
    {"GITHUB_APP_ID", "github-app-id", OPTION_TEXT, FIELD(github_app_id), NULL, 0, 0, JUNK_REFUSED,
     FALSE,
     "number of the App whose tokens workspaces get as GITHUB_TOKEN and GH_TOKEN; unset: none"},
    {"GITHUB_APP_INSTALLATION_ID", "github-installation-id", OPTION_TEXT,
     FIELD(github_installation_id), NULL, 0, 0, JUNK_REFUSED, FALSE, "number of its installation"},
    {"GITHUB_APP_PRIVATE_KEY_FILE", "github-key-file", OPTION_TEXT, FIELD(github_key_file), NULL, 0,
     0, JUNK_REFUSED, FALSE, "file of its private RSA key, PEM"},
    {"WORKSPACED_GITHUB_API", "github-api", OPTION_TEXT, FIELD(github_api),
     "https://api.github.com", 0, 0, JUNK_REFUSED, FALSE, "where its tokens are minted"},
    {"MOLECULE_GH_IDENTITY_CONFIG_FILE", "gh-identity-file", OPTION_TEXT, FIELD(gh_identity_file),
     NULL, 0, 0, JUNK_REFUSED, FALSE,
     "YAML file of the GitHub logins that own roles: roles: {<role>: {owner: <login>}}"},
    HEADING("Logging"),
    {"WORKSPACED_LOG_LEVEL", "log-level", OPTION_TEXT, FIELD(log_level), "info", 0, 0, JUNK_REFUSED,
     FALSE, "debug, info, warning or error"},
    {"WORKSPACED_LOG_FORMAT", "log-format", OPTION_TEXT, FIELD(log_format), "auto", 0, 0,
     JUNK_REFUSED, FALSE, "auto (text on a terminal, else JSON), text or json"},
};

/* ---- Where values come from ---- */

typedef struct {
    GHashTable *flags; /* flag -> value, borrowed texts */
    GHashTable *file;  /* the .env file; may be NULL */
    const char *const *environment;
} Sources;

static const Option *find_flag(const char *name, gsize length)
{
    for (guint i = 0; i < G_N_ELEMENTS(options); i++)
        if (options[i].flag && !options[i].secret && strlen(options[i].flag) == length &&
            memcmp(options[i].flag, name, length) == 0)
            return &options[i];
    return NULL;
}

static gboolean read_flags(const char *const *argv, GHashTable *flags, GError **error)
{
    for (; *argv; argv++) {
        const char *name = *argv + 2;
        const char *equals = strchr(*argv, '=');
        const Option *option = NULL;
        if (g_str_has_prefix(*argv, "--"))
            option = find_flag(name, equals ? (gsize)(equals - name) : strlen(name));
        if (!option)
            return error_set(error, ERROR_INVALID, "unknown option '%s'; see --help", *argv);
        if (!equals && !argv[1])
            return error_set(error, ERROR_INVALID, "option '%s' needs a value", *argv);
        g_hash_table_insert(flags, (void *)option->flag, (void *)(equals ? equals + 1 : argv[1]));
        if (!equals)
            argv++;
    }
    return TRUE;
}

static const char *environment_get(const char *const *environment, const char *name)
{
    return g_environ_getenv((char **)environment, name);
}

static const char *not_empty(const char *text)
{
    return text && *text ? text : NULL;
}

static const char *find_value(const Sources *sources, const Option *option)
{
    const char *value = g_hash_table_lookup(sources->flags, option->flag);

    if (value)
        return not_empty(value);
    /* A variable of the process is never changed by the file, even when it is empty. */
    value = environment_get(sources->environment, option->variable);
    if (!value && sources->file)
        value = g_hash_table_lookup(sources->file, option->variable);
    value = not_empty(value);
    return value ? value : option->fallback;
}

/* ---- Turning texts into values ---- */

static gboolean parse_decimal(const Option *option, const char *text, double *field)
{
    char *end = NULL;
    double number = g_ascii_strtod(text, &end);

    if (!g_ascii_isdigit(*text) || *end || text[strspn(text, "0123456789.")] ||
        number <= (double)option->min || number > (double)option->max)
        return FALSE;
    *field = number;
    return TRUE;
}

static gboolean parse_value(const Option *option, const char *text, void *field)
{
    switch (option->type) {
    case OPTION_TEXT:
        *(char **)field = g_strstrip(g_strdup(text));
        return TRUE;
    case OPTION_INT:
        return text_parse_int(text, option->min, option->max, field);
    case OPTION_BOOL:
        return text_parse_bool(text, field);
    case OPTION_DECIMAL:
        return parse_decimal(option, text, field);
    }
    return FALSE;
}

static gboolean store_value(const Option *option, const char *text, Config *config, GError **error)
{
    void *field = (char *)config + option->offset;

    if (!text || parse_value(option, text, field))
        return TRUE;
    if (option->junk == JUNK_IS_DEFAULT) {
        log_warning("a setting is not valid and its default is used",
                    LOG_TEXT("variable", option->variable));
        return parse_value(option, option->fallback, field);
    }
    if (option->type == OPTION_BOOL)
        return error_set(error, ERROR_INVALID, "%s (--%s) must be true or false", option->variable,
                         option->flag);
    if (option->type == OPTION_DECIMAL)
        return error_set(error, ERROR_INVALID,
                         "%s (--%s) must be a number from 0 to %" G_GINT64_FORMAT
                         ", such as 12 or 0.5",
                         option->variable, option->flag, option->max);
    return error_set(error, ERROR_INVALID,
                     "%s (--%s) must be a whole number from %" G_GINT64_FORMAT
                     " to %" G_GINT64_FORMAT,
                     option->variable, option->flag, option->min, option->max);
}

/* ---- What follows from the values ---- */

static gboolean is_one_of(const char *text, const char *a, const char *b)
{
    return text && (g_ascii_strcasecmp(text, a) == 0 || g_ascii_strcasecmp(text, b) == 0);
}

static char *default_data_dir(const char *const *environment)
{
    const char *state = environment_get(environment, "XDG_STATE_HOME");
    const char *home = environment_get(environment, "HOME");

    if (geteuid() == 0)
        return g_strdup("/var/lib/workspaced");
    if (state && *state)
        return g_build_filename(state, "workspaced", NULL);
    return g_build_filename(home && *home ? home : "/tmp", ".local/state/workspaced", NULL);
}

static gboolean decide_saas(const Config *config)
{
    const char *mode = config->deploy_mode;

    if (mode && *mode) {
        if (g_ascii_strcasecmp(mode, "saas") == 0)
            return TRUE;
        if (!is_one_of(mode, "self-hosted", "selfhosted") &&
            g_ascii_strcasecmp(mode, "standalone") != 0)
            log_warning("MOLECULE_DEPLOY_MODE is unknown and taken as self-hosted");
        return FALSE;
    }
    return config->org_id && *config->org_id;
}

static gboolean check_words(const Config *config, GError **error)
{
    static const char *const engines[] = {"auto",          "docker", "podman", "sandbox",
                                          "control-plane", "none",   NULL};
    static const char *const formats[] = {"auto", "text", "json", NULL};
    LogLevel level;

    if (!g_strv_contains(engines, config->engine))
        return error_set(error, ERROR_INVALID,
                         "WORKSPACED_ENGINE (--engine) must be auto, docker, podman, sandbox, "
                         "control-plane or none");
    if (!g_strv_contains(formats, config->log_format))
        return error_set(error, ERROR_INVALID,
                         "WORKSPACED_LOG_FORMAT (--log-format) must be auto, text or json");
    if (!log_level_parse(config->log_level, &level))
        return error_set(
            error, ERROR_INVALID,
            "WORKSPACED_LOG_LEVEL (--log-level) must be debug, info, warning or error");
    return TRUE;
}

static void fall_back(char **value, const char *other)
{
    if (!*value)
        *value = g_strdup(other);
}

static void derive_hosted(Config *config)
{
    config->hosted = strcmp(config->engine, "control-plane") == 0 ||
                     (config->org_id && strcmp(config->engine, "auto") == 0);
    fall_back(&config->cp_provision_url, config->cp_url);
    fall_back(&config->cp_shared_secret, config->provision_shared_secret);
    fall_back(&config->cp_admin_api_token, config->cp_shared_secret);
    fall_back(&config->default_runtime, config->hosted ? HOSTED_DEFAULT_RUNTIME : DEFAULT_RUNTIME);
}

/* Where Podman's service listens by itself. */
static void derive_podman(Config *config, const char *const *environment)
{
    const char *runtime = environment_get(environment, "XDG_RUNTIME_DIR");

    if (strcmp(config->engine, "podman") != 0 || config->docker_host)
        return;
    if (geteuid() == 0 || !runtime || !*runtime)
        config->docker_host = g_strdup("unix:///run/podman/podman.sock");
    else
        config->docker_host = g_strdup_printf("unix://%s/podman/podman.sock", runtime);
}

static void derive(Config *config, const char *const *environment)
{
    config->development = is_one_of(config->environment, "development", "dev");
    config->production = is_one_of(config->environment, "production", "prod");
    config->open_access = config->development && !config->admin_token;
    config->saas = decide_saas(config);
    derive_hosted(config);
    derive_podman(config, environment);
    if (!config->data_dir)
        config->data_dir = default_data_dir(environment);
    if (!config->database_url)
        config->database_url = g_strdup_printf("sqlite:%s/workspaced.db", config->data_dir);
}

static GHashTable *read_env_file(const char *const *environment, const char *working_dir,
                                 char **path, GError **error)
{
    const char *explicit = not_empty(environment_get(environment, "WORKSPACED_ENV_FILE"));
    g_autofree char *text = NULL;
    gsize length = 0;

    *path = explicit ? g_strdup(explicit) : dotenv_find(working_dir);
    if (!*path)
        return NULL;
    if (!g_file_get_contents(*path, &text, &length, NULL)) {
        error_set(error, ERROR_INVALID, "cannot read the variables of %s", *path);
        return NULL;
    }
    return dotenv_parse(text, length);
}

Config *config_load(const char *const *argv, const char *const *environment,
                    const char *working_dir, GError **error)
{
    g_autoptr(Config) config = g_new0(Config, 1);
    g_autoptr(GHashTable) flags = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) file = NULL;
    g_autoptr(GError) file_error = NULL;
    Sources sources;

    if (!read_flags(argv, flags, error))
        return NULL;
    file = read_env_file(environment, working_dir, &config->env_file, &file_error);
    if (file_error) {
        g_propagate_error(error, g_steal_pointer(&file_error));
        return NULL;
    }
    sources = (Sources){.flags = flags, .file = file, .environment = environment};
    for (guint i = 0; i < G_N_ELEMENTS(options); i++)
        if (options[i].variable &&
            !store_value(&options[i], find_value(&sources, &options[i]), config, error))
            return NULL;
    if (!check_words(config, error))
        return NULL;
    derive(config, environment);
    return g_steal_pointer(&config);
}

void config_free(Config *config)
{
    if (!config)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(options); i++)
        if (options[i].variable && options[i].type == OPTION_TEXT)
            g_free(*(char **)((char *)config + options[i].offset));
    g_free(config->env_file);
    g_free(config);
}

/* ---- For people ---- */

void config_print_help(FILE *out)
{
    for (guint i = 0; i < G_N_ELEMENTS(options); i++) {
        const Option *option = &options[i];
        if (!option->variable) {
            fprintf(out, "\n%s\n", option->help);
            continue;
        }
        if (option->secret)
            fprintf(out, "  %s\n", option->variable);
        else
            fprintf(out, "  --%s, %s\n", option->flag, option->variable);
        fprintf(out, "      %s%s%s%s\n", option->help, option->fallback ? " [" : "",
                option->fallback ? option->fallback : "", option->fallback ? "]" : "");
    }
}

void config_print_markdown(FILE *out)
{
    fputs("# Configuration\n\n"
          "Every setting is a variable; most are flags of `workspaced serve`, too. A flag wins "
          "over the process's "
          "environment, that over\na `.env` file (beside a source tree, or named by "
          "`WORKSPACED_ENV_FILE`), that over "
          "the default. An empty variable counts as unset.\nSecrets are never flags, because "
          "everyone may read the "
          "list of processes.\n\n"
          "This page is printed by `workspaced help --markdown`; a test holds it against the "
          "program.\n",
          out);
    for (guint i = 0; i < G_N_ELEMENTS(options); i++) {
        const Option *option = &options[i];
        if (!option->variable) {
            fprintf(out, "\n## %s\n\n| Variable | Flag | Default | Meaning |\n|---|---|---|---|\n",
                    option->help);
            continue;
        }
        fprintf(out, "| `%s` | %s%s%s | %s%s%s | %s |\n", option->variable,
                option->secret ? "" : "`--", option->secret ? "none" : option->flag,
                option->secret ? "" : "`", option->fallback ? "`" : "",
                option->fallback ? option->fallback : "unset", option->fallback ? "`" : "",
                option->help);
    }
}
