#include "app/engine_choice.h"

#include "auth/state_files.h"
#include "base/log.h"
#include "engine/image_reference.h"

#include <string.h>

#define CHOICE_FILE "engine"

static Engine *open_docker(const Config *config, GError **error)
{
    DockerSettings settings = {
        .host = config->docker_host,
        .api_version = config->docker_api_version,
        .cert_path = config->docker_cert_path,
        .tls_verify = config->docker_tls_verify,
    };
    g_autofree char *registry = image_reference_registry_dup(config->image_prefix);
    Engine *engine = engine_docker_open(&settings, error);

    if (!engine)
        return NULL;
    if (config->ghcr_user && config->ghcr_token)
        engine_docker_registry_set(engine, registry, config->ghcr_user, config->ghcr_token);
    engine_docker_platform_set(engine, config->image_platform);
    return engine;
}

static Engine *open_sandbox(const Config *config, GError **error)
{
    g_autofree char *directory = g_build_filename(config->data_dir, "sandbox", NULL);

    return engine_sandbox_new(directory, error);
}

static Engine *open_control_plane(const Config *config, const char *installation, GError **error)
{
    ControlPlaneSettings settings = {
        .base_url = config->cp_provision_url,
        .org_id = config->org_id,
        .shared_secret = config->cp_shared_secret,
        .admin_token = config->admin_token,
        .admin_api_token = config->cp_admin_api_token,
        .installation = installation,
    };

    if (!config->platform_url && !config->external_platform_url)
        log_warning("hosted machines cannot find this server: PLATFORM_URL is not set");
    return engine_control_plane_open(&settings, error);
}

static Engine *open_named(const Config *config, const char *name, GError **error)
{
    return strcmp(name, "sandbox") == 0 ? open_sandbox(config, error) : open_docker(config, error);
}

static Engine *find_any(const Config *config)
{
    g_autoptr(GError) docker_error = NULL;
    g_autoptr(GError) sandbox_error = NULL;
    g_autoptr(Engine) docker = open_docker(config, &docker_error);
    Engine *sandbox = NULL;

    if (docker && engine_ping(docker, &docker_error))
        return g_steal_pointer(&docker);
    sandbox = open_sandbox(config, &sandbox_error);
    if (!sandbox)
        log_warning("no container engine: only external workspaces can work",
                    LOG_TEXT("docker", docker_error ? docker_error->message : ""),
                    LOG_TEXT("sandbox", sandbox_error ? sandbox_error->message : ""));
    return sandbox;
}

static gboolean choose_auto(const Config *config, Engine **engine, GError **error)
{
    g_autofree char *remembered = state_file_read(config->data_dir, CHOICE_FILE);

    if (remembered) {
        *engine = open_named(config, remembered, error);
        return *engine != NULL;
    }
    *engine = find_any(config);
    return !*engine || state_file_write(config->data_dir, CHOICE_FILE, engine_name(*engine), error);
}

gboolean engine_choose(const Config *config, const char *installation, Engine **engine,
                       GError **error)
{
    *engine = NULL;
    if (config->hosted) {
        *engine = open_control_plane(config, installation, error);
        return *engine != NULL;
    }
    if (strcmp(config->engine, "none") == 0)
        return TRUE;
    if (strcmp(config->engine, "auto") == 0)
        return choose_auto(config, engine, error);
    *engine = open_named(config, config->engine, error);
    return *engine != NULL;
}
