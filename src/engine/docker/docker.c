/* The Docker engine as a whole: its table of operations, its constructors, and what the daemon says
 * about itself. */
#include "engine/docker/docker.h"

#include "engine/docker/json.h"

#include <string.h>

#define LOCAL_ADDRESS    "127.0.0.1"
#define DOCKER_HOST_NAME "host.docker.internal"     /* an extra host of ours; docker/create.c */
#define PODMAN_HOST_NAME "host.containers.internal" /* its own; it does not know `host-gateway` */

const DockerDeadlines docker_deadlines = {
    .ping_ms = 2000,
    .read_ms = 10000,
    .create_ms = 30000,
    .start_ms = 60000,
    .stop_ms = 15000, /* the daemon waits up to 10 s more after SIGKILL */
    .remove_ms = 60000,
    .archive_ms = 60000,
    .pull_idle_ms = 60000,
    .pull_ms = 15 * 60 * 1000,
    .kill_ms = 5000,
};

/* ---- The daemon about itself ---- */

gboolean docker_ping(Engine *self, GError **error)
{
    return docker_transport_ping(docker_engine(self)->transport, error);
}

static void read_host(JsonView document, const char *peer, DockerHost *host)
{
    host->cpus = docker_json_int(document, "NCPU");
    host->limits_cpu =
        docker_json_bool(document, "CpuCfsQuota") || docker_json_bool(document, "CPUCfsQuota");
    g_strlcpy(host->address, *peer ? peer : LOCAL_ADDRESS, sizeof host->address);
}

/* GET /info, and what of it is remembered. */
static gboolean load_document(DockerEngine *docker, DockerAnswer *answer, JsonView *document,
                              DockerHost *host, GError **error)
{
    DockerHost read = {0};

    if (!docker_get(docker, "/info", 0, "daemon", answer, document, error))
        return FALSE;
    read_host(*document, answer->peer, &read);
    if (read.cpus <= 0)
        return error_set(error, ERROR_INTERNAL, "docker: the daemon does not describe itself");
    mutex_lock(&docker->lock);
    docker->host = read;
    mutex_unlock(&docker->lock);
    *host = read;
    return TRUE;
}

gboolean docker_host_load(DockerEngine *docker, DockerHost *host, GError **error)
{
    g_auto(DockerAnswer) answer = {0};
    JsonView document;

    mutex_lock(&docker->lock);
    *host = docker->host;
    mutex_unlock(&docker->lock);
    return host->cpus > 0 || load_document(docker, &answer, &document, host, error);
}

/* Podman invents a new id for every answer: its machine and storage stand for it. */
static char *daemon_id(JsonView document, gboolean is_podman)
{
    g_autofree char *machine = NULL;
    g_autofree char *storage = NULL;

    if (!is_podman)
        return docker_json_text(document, "ID");
    machine = docker_json_text(document, "Name");
    storage = docker_json_text(document, "DockerRootDir");
    return g_strdup_printf("podman:%s:%s", machine ? machine : "", storage ? storage : "");
}

gboolean docker_describe(Engine *self, EngineInfo **info, GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autoptr(EngineInfo) read = g_new0(EngineInfo, 1);
    g_autofree char *version = NULL;
    g_auto(DockerAnswer) answer = {0};
    JsonView document;
    DockerHost host = {0};
    gboolean is_podman;
    guint minor = 0;

    if (!load_document(docker, &answer, &document, &host, error) ||
        !docker_transport_version(docker->transport, &minor, error))
        return FALSE;
    is_podman = docker_transport_is_podman(docker->transport);
    version = docker_json_text(document, "ServerVersion");
    read->id = daemon_id(document, is_podman);
    if (!read->id || !*read->id)
        return error_set(error, ERROR_INTERNAL, "docker: the daemon has no id");
    read->name = g_strdup_printf("%s %s", is_podman ? "Podman" : "Docker Engine",
                                 version ? version : "of unknown version");
    read->version = g_strdup_printf("1.%u", minor);
    read->host_name = g_strdup(is_podman ? PODMAN_HOST_NAME : DOCKER_HOST_NAME);
    read->cpus = host.cpus;
    read->memory_bytes = docker_json_int(document, "MemTotal");
    read->limits_memory = docker_json_bool(document, "MemoryLimit");
    read->limits_cpu = host.limits_cpu;
    read->limits_pids = docker_json_bool(document, "PidsLimit");
    *info = g_steal_pointer(&read);
    return TRUE;
}

/* ---- Life ---- */

static void engine_release(Engine *self)
{
    DockerEngine *docker = docker_engine(self);

    docker_transport_free(docker->transport);
    mutex_clear(&docker->lock);
    docker_listing_free(docker->containers);
    docker_listing_free(docker->volumes);
    g_free(docker->registry);
    g_free(docker->registry_header);
    g_free(docker->platform);
    g_free(docker);
}

static const EngineOps docker_ops = {
    .name = "docker",
    .copies_through_mounts = TRUE, /* measured: a created container's volumes are mounted for it */
    .ping = docker_ping,
    .info = docker_describe,
    .list = docker_list,
    .inspect = docker_inspect,
    .create = docker_create,
    .start = docker_start,
    .stop = docker_stop,
    .remove = docker_remove,
    .freeze = docker_freeze,
    .thaw = docker_thaw,
    .volume_create = docker_volume_create,
    .volume_list = docker_volume_list,
    .volume_remove = docker_volume_remove,
    .network_ensure = docker_network_ensure,
    .exec = docker_exec,
    .attach = docker_attach,
    .session_fd = docker_session_fd,
    .session_resize = docker_session_resize,
    .session_free = docker_session_free,
    .copy_in = docker_copy_in,
    .copy_out = docker_copy_out,
    .logs = docker_logs,
    .logs_follow = docker_logs_follow,
    .stats = docker_stats,
    .events = docker_events,
    .image_inspect = docker_image_inspect,
    .image_import = docker_image_import,
    .image_pull = docker_image_pull,
    .image_prune = docker_image_prune,
    .free = engine_release,
};

Engine *docker_engine_new(const DockerVariables *variables, const DockerDeadlines *deadlines,
                          GError **error)
{
    const DockerDeadlines *limits = deadlines ? deadlines : &docker_deadlines;
    g_autoptr(DockerEndpoint) endpoint = NULL;
    DockerTransport *transport;
    DockerEngine *docker;

    if (!docker_endpoint_parse(variables, &endpoint, error))
        return NULL;
    transport = docker_transport_new(g_steal_pointer(&endpoint), variables->api_version,
                                     limits->ping_ms, error);
    if (!transport)
        return NULL;
    docker = g_new0(DockerEngine, 1);
    engine_init(&docker->base, &docker_ops);
    docker->transport = transport;
    docker->deadlines = *limits;
    mutex_init(&docker->lock);
    return &docker->base;
}

Engine *engine_docker_open(const DockerSettings *settings, GError **error)
{
    DockerVariables variables = {
        .host = settings->host,
        .tls_verify = settings->tls_verify ? "1" : NULL,
        .cert_path = settings->cert_path,
        .api_version = settings->api_version,
    };
    return docker_engine_new(&variables, NULL, error);
}

Engine *engine_docker_new(const char *endpoint, GError **error)
{
    DockerVariables variables = {
        .host = endpoint ? endpoint : g_getenv("DOCKER_HOST"),
        .tls_verify = g_getenv("DOCKER_TLS_VERIFY"),
        .cert_path = g_getenv("DOCKER_CERT_PATH"),
        .api_version = g_getenv("DOCKER_API_VERSION"),
    };
    return docker_engine_new(&variables, NULL, error);
}
