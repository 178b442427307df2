/* A container's specification in the daemon's words.
 *
 * Beyond what the spec names: nothing is published but one port on an address of the daemon's
 * machine that we reach it by, an unprivileged container keeps only the capabilities that entry
 * points need, logs have a bounded size, and caps the machine cannot keep are cut to what it has,
 * because the daemon would refuse them. Source: spec 02, 8.6, 8.7 and 8.9. */
#include "base/json_out.h"
#include "base/log.h"
#include "engine/docker/docker.h"
#include "engine/docker/info.h"
#include "engine/docker/json.h"

#include <string.h>

#define NANO_PER_CPU   G_GINT64_CONSTANT(1000000000)
#define TMPFS_MODE     01777
#define LOG_SIZE_MAX   "10m"
#define LOG_FILES_MAX  "3"
#define HOST_ALIAS     "host.docker.internal:host-gateway"
#define RESTART_POLICY "unless-stopped"

static const char *const kept_capabilities[] = {
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID", NULL,
};

/* ---- Small writers ---- */

static void write_list(JsonOut *out, const char *key, const char *const *texts)
{
    if (!texts)
        return;
    json_out_array(out, key);
    for (; *texts; texts++)
        json_out_text(out, NULL, *texts);
    json_out_end(out);
}

static void write_one(JsonOut *out, const char *key, const char *text)
{
    write_list(out, key, (const char *const[]){text, NULL});
}

static void write_optional(JsonOut *out, const char *key, const char *text)
{
    if (text)
        json_out_text(out, key, text);
}

static void write_labels(JsonOut *out, const ContainerSpec *spec)
{
    json_out_object(out, "Labels");
    docker_json_out_label_members(out, &spec->labels);
    if (spec->host_network && spec->port) {
        g_autofree char *port = g_strdup_printf("%u", spec->port);
        json_out_text(out, DOCKER_LABEL_PORT, port);
    }
    json_out_end(out);
}

/* ---- Mounts ---- */

/* A volume that is not there is made by the daemon on the way: it gets our labels then, so that it
 * can be found again. */
static void write_volume_options(JsonOut *out, const EngineLabels *labels)
{
    EngineLabels owner = {.installation = labels->installation, .workspace = labels->workspace};

    json_out_object(out, "VolumeOptions");
    docker_json_out_labels(out, &owner);
    json_out_end(out);
}

static void write_mount(JsonOut *out, const EngineMount *mount, const EngineLabels *labels)
{
    static const char *const words[] = {
        [ENGINE_MOUNT_VOLUME] = "volume",
        [ENGINE_MOUNT_BIND] = "bind",
        [ENGINE_MOUNT_TMPFS] = "tmpfs",
    };

    json_out_object(out, NULL);
    json_out_text(out, "Type", words[mount->type]);
    json_out_text(out, "Target", mount->target);
    if (mount->type != ENGINE_MOUNT_TMPFS)
        json_out_text(out, "Source", mount->source);
    json_out_bool(out, "ReadOnly", mount->read_only);
    if (mount->type == ENGINE_MOUNT_VOLUME)
        write_volume_options(out, labels);
    if (mount->type == ENGINE_MOUNT_TMPFS) {
        json_out_object(out, "TmpfsOptions");
        if (mount->size_bytes > 0)
            json_out_int(out, "SizeBytes", mount->size_bytes);
        json_out_int(out, "Mode", TMPFS_MODE);
        json_out_end(out);
    }
    json_out_end(out);
}

static void write_mounts(JsonOut *out, const ContainerSpec *spec)
{
    json_out_array(out, "Mounts");
    for (guint i = 0; i < spec->mount_count; i++)
        write_mount(out, &spec->mounts[i], &spec->labels);
    json_out_end(out);
}

/* ---- Ports and networks ---- */

static gboolean publishes(const ContainerSpec *spec)
{
    return spec->port && !spec->host_network;
}

static void write_exposed(JsonOut *out, const ContainerSpec *spec)
{
    g_autofree char *port = g_strdup_printf("%u/tcp", spec->port);

    if (!publishes(spec))
        return;
    json_out_object(out, "ExposedPorts");
    json_out_object(out, port);
    json_out_end(out);
    json_out_end(out);
}

static void write_bindings(JsonOut *out, const ContainerSpec *spec, const DockerHost *host)
{
    g_autofree char *port = g_strdup_printf("%u/tcp", spec->port);

    if (!publishes(spec))
        return;
    json_out_object(out, "PortBindings");
    json_out_array(out, port);
    json_out_object(out, NULL);
    json_out_text(out, "HostIp", host->address);
    json_out_text(out, "HostPort", "");
    json_out_end(out);
    json_out_end(out);
    json_out_end(out);
}

static void write_networking(JsonOut *out, const ContainerSpec *spec)
{
    /* "none" is a mode and no network: Docker takes settings for it, Podman refuses them. */
    if (!spec->network || spec->host_network || strcmp(spec->network, "none") == 0)
        return;
    json_out_object(out, "NetworkingConfig");
    json_out_object(out, "EndpointsConfig");
    json_out_object(out, spec->network);
    if (spec->network_alias)
        write_one(out, "Aliases", spec->network_alias);
    json_out_end(out);
    json_out_end(out);
    json_out_end(out);
}

/* ---- The host's side ---- */

static void write_caps(JsonOut *out, const ContainerSpec *spec, const DockerHost *host)
{
    if (spec->memory_bytes > 0) {
        json_out_int(out, "Memory", spec->memory_bytes);
        json_out_int(out, "MemorySwap", spec->memory_bytes); /* the sum of both: no swap */
    }
    if (spec->nano_cpus > 0 && host->limits_cpu)
        json_out_int(out, "NanoCpus", MIN(spec->nano_cpus, host->cpus * NANO_PER_CPU));
    if (spec->pids_limit > 0)
        json_out_int(out, "PidsLimit", spec->pids_limit);
}

static void write_rights(JsonOut *out, const ContainerSpec *spec)
{
    json_out_bool(out, "ReadonlyRootfs", spec->read_only_root);
    json_out_bool(out, "Privileged", spec->privileged);
    if (spec->host_pid)
        json_out_text(out, "PidMode", "host");
    if (spec->keep_capabilities || spec->privileged)
        return;
    write_one(out, "CapDrop", "ALL");
    write_list(out, "CapAdd", kept_capabilities);
    write_one(out, "SecurityOpt", "no-new-privileges");
}

static void write_log_config(JsonOut *out)
{
    json_out_object(out, "LogConfig");
    json_out_text(out, "Type", "json-file");
    json_out_object(out, "Config");
    json_out_text(out, "max-size", LOG_SIZE_MAX);
    json_out_text(out, "max-file", LOG_FILES_MAX);
    json_out_end(out);
    json_out_end(out);
}

static void write_restart_policy(JsonOut *out, const ContainerSpec *spec)
{
    gboolean is_helper = g_strcmp0(spec->labels.kind, ENGINE_KIND_HELPER) == 0;

    json_out_object(out, "RestartPolicy");
    json_out_text(out, "Name", is_helper ? "no" : RESTART_POLICY);
    json_out_end(out);
}

static void write_host_config(JsonOut *out, const ContainerSpec *spec, const DockerHost *host,
                              gboolean is_podman)
{
    json_out_object(out, "HostConfig");
    if (spec->host_network)
        json_out_text(out, "NetworkMode", "host");
    else
        write_optional(out, "NetworkMode", spec->network);
    write_bindings(out, spec, host);
    write_restart_policy(out, spec);
    write_mounts(out, spec);
    write_rights(out, spec);
    write_caps(out, spec, host);
    if (!is_podman) { /* which names the host itself, and has no such driver */
        write_one(out, "ExtraHosts", HOST_ALIAS);
        write_log_config(out);
    }
    json_out_end(out);
}

static void write_body(GString *text, const ContainerSpec *spec, const DockerHost *host,
                       gboolean is_podman)
{
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "Image", spec->image);
    if (!spec->host_network)
        write_optional(&out, "Hostname", spec->hostname);
    write_optional(&out, "User", spec->user);
    write_list(&out, "Env", spec->environment);
    write_list(&out, "Entrypoint", spec->entrypoint);
    write_list(&out, "Cmd", spec->command);
    write_labels(&out, spec);
    write_exposed(&out, spec);
    write_host_config(&out, spec, host, is_podman);
    write_networking(&out, spec);
    json_out_end(&out);
}

/* ---- The call ---- */

/* What is wrong with the settings only the daemon's sentence says. */
static gboolean refuse_settings(const DockerAnswer *answer, GError **error)
{
    Reason reason = docker_answer_reason(answer);

    if (reason == REASON_COMMAND_NOT_FOUND)
        return error_set_reason(error, ERROR_INVALID, reason,
                                "the image names no command, and none is given");
    if (reason != REASON_NONE)
        return error_set_reason(error, ERROR_INVALID, reason, "%s", reason_sentence(reason));
    return error_set_reason(error, ERROR_INVALID, REASON_SETTINGS_REFUSED,
                            "the engine refuses the container's settings (limits, mounts or "
                            "names); a directory to mount must exist on the engine's machine");
}

static gboolean refuse(const DockerRequest *request, const DockerAnswer *answer, GError **error)
{
    if (!docker_answer_is_own(answer))
        return docker_refuse(request, answer, "container", error);
    switch (answer->status) {
    case 404:
        docker_log_refusal(request, answer);
        return error_set_reason(error, ERROR_NOT_FOUND, REASON_IMAGE_NOT_FOUND, "image not found");
    case 409:
        docker_log_refusal(request, answer);
        return error_set(error, ERROR_CONFLICT, "the container's name is taken");
    case 400:
        docker_log_refusal(request, answer);
        return refuse_settings(answer, error);
    default:
        return docker_refuse(request, answer, "container", error);
    }
}

/* Podman makes a directory that is not there, as root, wherever it was told to: refused here. Over
 * TCP its machine is another one, and only it knows. */
static gboolean check_sources(DockerEngine *docker, const ContainerSpec *spec, GError **error)
{
    if (!docker_transport_is_podman(docker->transport) ||
        !docker_transport_endpoint(docker->transport)->socket_path)
        return TRUE;
    for (guint i = 0; i < spec->mount_count; i++) {
        const EngineMount *mount = &spec->mounts[i];
        if (mount->type == ENGINE_MOUNT_BIND && !g_file_test(mount->source, G_FILE_TEST_EXISTS))
            return error_set_reason(error, ERROR_INVALID, REASON_MOUNT_REFUSED,
                                    "a directory to mount must exist on the engine's machine");
    }
    return TRUE;
}

static gboolean read_id(const DockerAnswer *answer, char **id, GError **error)
{
    g_autofree char *read = NULL;
    JsonView view;

    if (docker_answer_json(answer, &view, NULL))
        read = docker_json_text(view, "Id");
    if (!read || !*read)
        return error_set(error, ERROR_OUTCOME_UNKNOWN, "docker: a new container without an id");
    *id = g_steal_pointer(&read);
    return TRUE;
}

gboolean docker_create(Engine *self, const ContainerSpec *spec, char **id, GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autofree char *platform = docker_platform_query(docker, TRUE);
    g_autofree char *path = g_strconcat("/containers/create?name=", spec->name, platform, NULL);
    g_autoptr(GString) body = g_string_new(NULL);
    g_auto(DockerAnswer) answer = {0};
    DockerHost host = {0};

    if (!docker_host_load(docker, &host, error) || !check_sources(docker, spec, error))
        return FALSE;
    write_body(body, spec, &host, docker_transport_is_podman(docker->transport));
    DockerRequest request = {
        .method = "POST",
        .path = path,
        .has_effect = TRUE,
        .deadline_ms = docker->deadlines.create_ms,
        .body = body->str,
        .body_length = body->len,
    };
    if (!docker_call(docker, &request, &answer, error))
        return FALSE;
    if (answer.status != 201)
        return refuse(&request, &answer, error);
    return read_id(&answer, id, error);
}
