/* Every setting of the server, declared once: variable, flag, type, default, help.
 *
 * A value comes from the command line, else the process environment, else the `.env` file, else the
 * default; an empty variable counts as unset. Read once at start; `const` and free for all threads
 * afterwards. `workspaced serve --help` and docs/configuration.md are printed from the same table.
 * Nothing else in the server reads the environment. Source: spec 02 section 2; spec 03 section 3;
 * ARCHITECTURE sections 6 and 8. */
#pragma once

#include "base/errors.h"

#include <stdio.h>

typedef struct {
    /* Network */
    gint64 port;
    char *listen; /* comma list of HOST:PORT, [HOST]:PORT, unix:/path; NULL: loopback and the
                     engine's gateway */
    char *platform_url;
    char *external_platform_url;
    char *cors_origins;
    gint64 rate_limit; /* requests a minute and address */
    gint64 workers;
    gint64 shutdown_seconds;
    /* Data */
    char *data_dir;
    char *database_url;
    char *secrets_key;
    char *installation_id;
    char *configs_dir;
    char *run_as; /* "UID:GID" */
    /* Access */
    char *admin_token;
    char *environment; /* MOLECULE_ENV */
    gboolean public_workspace_get;
    gboolean enable_test_tokens;
    char *deploy_mode;
    char *org_id;
    /* Engine */
    char *engine;
    char *cp_url;           /* MOLECULE_CP_URL */
    char *cp_provision_url; /* CP_PROVISION_URL, else cp_url */
    char *cp_shared_secret; /* MOLECULE_CP_SHARED_SECRET, else PROVISION_SHARED_SECRET */
    char *provision_shared_secret;
    char *cp_admin_api_token; /* CP_ADMIN_API_TOKEN, else the shared secret */
    char *docker_host;
    char *docker_api_version;
    char *docker_cert_path;
    gboolean docker_tls_verify;
    char *network;
    char *in_docker; /* MOLECULE_IN_DOCKER; NULL: find out */
    char *agent_path;
    char *ghcr_user, *ghcr_token;
    char *image_prefix, *image_tag;
    char *manifest_path;
    char *image_platform; /* NULL: the daemon's own */
    char *registry_url;   /* NULL: follows from image_prefix */
    gboolean image_auto_refresh, image_prune;
    gint64 image_check_seconds;
    gint64 start_limit, stop_limit;
    gint64 reconcile_seconds;
    gint64 quarantine_hours; /* 0: volumes that nobody explains are never removed by themselves */
    /* Workspaces */
    gint64 default_tier;
    char *default_runtime;
    gint64 tier2_memory_mb, tier3_memory_mb, tier4_memory_mb;
    gint64 tier2_cpu_shares, tier3_cpu_shares, tier4_cpu_shares;
    gboolean allow_privileged;
    char *workspace_dir, *workspace_dir_roots;
    char *awareness_url;
    char *warm_pool;                  /* IMAGE:NUMBER, separated by commas */
    gint64 provision_timeout_seconds; /* 0: per runtime */
    gint64 liveness_seconds;
    gint64 wake_wait_seconds;            /* 0: messages do not wait */
    gint64 hibernate_stop_after_minutes; /* 0: never frozen */
    gint64 remote_stale_seconds;
    /* Messages */
    gint64 a2a_idle_seconds;
    gint64 a2a_max_forwards;
    /* Retention */
    gint64 activity_retention_days;
    gint64 event_retention_days; /* 0: events are kept */
    double cleanup_interval_hours;
    double volume_retention_hours; /* of deleted workspaces; 0: they go with them */
    /* GitHub */
    char *github_app_id; /* NULL: no App */
    char *github_installation_id;
    char *github_key_file;
    char *github_api;
    char *gh_identity_file;
    /* Logging */
    char *log_level;
    char *log_format;
    /* Derived */
    gboolean development; /* MOLECULE_ENV is development or dev, whatever ADMIN_TOKEN says */
    gboolean production;  /* MOLECULE_ENV is production or prod */
    gboolean open_access; /* development and no ADMIN_TOKEN: the reference's openness (D1) */
    gboolean saas;        /* spec 03, section 9.1 */
    gboolean hosted;      /* machines come from the control plane: an organisation is set, no other
                             engine is named */
    char *env_file;       /* the `.env` that was read, or NULL */
} Config;

/* Reads everything. `argv` holds flags only ("--port", "8081", "--data-dir=/x"); NULL-terminated.
 * `working_dir` is where the search for
 * `.env` begins. Error: ERROR_INVALID with a sentence that names the flag or variable. */
Config *config_load(const char *const *argv, const char *const *environment,
                    const char *working_dir, GError **error);
void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

/* Prints all flags, variables and defaults for people. */
void config_print_help(FILE *out);
/* Prints docs/configuration.md. */
void config_print_markdown(FILE *out);
