#include "engine/docker/info.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/text.h"
#include "engine/docker/json.h"
#include "engine/docker/reason.h"

#include <stdio.h>
#include <string.h>

/* Docker's words, then those that only Podman uses. */
static const struct {
    const char *word;
    ContainerState state;
} states[] = {
    {"running", CONTAINER_RUNNING},
    {"exited", CONTAINER_EXITED},
    {"created", CONTAINER_CREATED},
    {"paused", CONTAINER_PAUSED},
    {"restarting", CONTAINER_RESTARTING},
    {"removing", CONTAINER_REMOVING},
    {"dead", CONTAINER_DEAD},
    {"configured", CONTAINER_CREATED},
    {"initialized", CONTAINER_CREATED},
    {"stopping", CONTAINER_RUNNING},
    {"stopped", CONTAINER_EXITED},
};

static gboolean parse_state(const char *word, ContainerState *state)
{
    for (guint i = 0; word && i < G_N_ELEMENTS(states); i++)
        if (strcmp(states[i].word, word) == 0) {
            *state = states[i].state;
            return TRUE;
        }
    return FALSE;
}

static char *without_slash(char *name)
{
    if (name && name[0] == '/')
        memmove(name, name + 1, strlen(name));
    return name;
}

static gboolean is_complete(const ContainerInfo *info, gboolean has_state, GError **error)
{
    if (info->id && *info->id && info->name && has_state)
        return TRUE;
    return error_set(error, ERROR_INTERNAL, "docker: a container without id, name or known state");
}

/* ---- Inspect ---- */

static char *address_of_binding(JsonView binding)
{
    g_autofree char *host = docker_json_text(binding, "HostIp");
    g_autofree char *port = docker_json_text(binding, "HostPort");

    if (!port || !*port)
        return NULL;
    if (!host || !*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
        return g_strconcat("127.0.0.1:", port, NULL);
    return g_strdup_printf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

/* The first published port; we publish one at most. */
static char *published_address(JsonView document)
{
    JsonView settings, ports;
    JsonWalk port, binding;

    if (!docker_json_child(document, "NetworkSettings", &settings) ||
        !docker_json_child(settings, "Ports", &ports))
        return NULL;
    port = json_view_walk(ports);
    while (json_walk_next(&port)) {
        if (json_view_kind(port.value) != JSON_KIND_ARRAY)
            continue;
        binding = json_view_walk(port.value);
        if (json_walk_next(&binding))
            return address_of_binding(binding.value);
    }
    return NULL;
}

static char *host_network_address(JsonView document, JsonView labels)
{
    g_autofree char *mode = NULL;
    g_autofree char *port = docker_json_text(labels, DOCKER_LABEL_PORT);
    JsonView host_config;

    if (!port || !docker_json_child(document, "HostConfig", &host_config))
        return NULL;
    mode = docker_json_text(host_config, "NetworkMode");
    return g_strcmp0(mode, "host") == 0 ? g_strconcat("127.0.0.1:", port, NULL) : NULL;
}

static ContainerHealth parse_health(const char *word)
{
    if (g_strcmp0(word, "unhealthy") == 0)
        return HEALTH_UNHEALTHY;
    if (g_strcmp0(word, "healthy") == 0)
        return HEALTH_HEALTHY;
    return g_strcmp0(word, "starting") == 0 ? HEALTH_STARTING : HEALTH_NONE;
}

/* The last entry is the newest. */
static char *last_probe_output(JsonView health)
{
    g_autofree char *output = NULL;
    JsonView log;
    JsonWalk walk;

    if (!docker_json_child(health, "Log", &log) || json_view_kind(log) != JSON_KIND_ARRAY)
        return NULL;
    for (walk = json_view_walk(log); json_walk_next(&walk);) {
        g_free(output);
        output = docker_json_text(walk.value, "Output");
    }
    if (!output)
        return NULL;
    g_strstrip(output);
    output[text_prefix_length(output, strlen(output), CONTAINER_PROBE_BYTES)] = '\0';
    return *output ? g_steal_pointer(&output) : NULL;
}

static void read_health(JsonView state, ContainerInfo *info)
{
    g_autofree char *word = NULL;
    JsonView health;

    /* What was said of a former run is no news of one that ended. */
    if (info->state != CONTAINER_RUNNING || !docker_json_child(state, "Health", &health))
        return;
    word = docker_json_text(health, "Status");
    info->health = parse_health(word);
    if (info->health == HEALTH_UNHEALTHY)
        info->probe_output = last_probe_output(health);
}

static gboolean read_state(JsonView document, ContainerInfo *info)
{
    g_autofree char *word = NULL;
    JsonView state;

    if (!docker_json_child(document, "State", &state))
        return FALSE;
    word = docker_json_text(state, "Status");
    info->exit_code = docker_json_int(state, "ExitCode");
    info->out_of_memory = docker_json_bool(state, "OOMKilled");
    info->started_at_us = docker_json_time(state, "StartedAt");
    info->finished_at_us = docker_json_time(state, "FinishedAt");
    info->ever_started = info->started_at_us != 0;
    info->failure = docker_json_text(state, "Error");
    if (info->failure && !*info->failure)
        g_clear_pointer(&info->failure, g_free);
    info->failure_reason = docker_reason_of_text(info->failure);
    if (!parse_state(word, &info->state))
        return FALSE;
    read_health(state, info);
    return TRUE;
}

static gboolean has_processes(ContainerState state)
{
    return state == CONTAINER_RUNNING || state == CONTAINER_PAUSED;
}

gboolean docker_info_from_inspect(JsonView document, ContainerInfo **info, GError **error)
{
    g_autoptr(ContainerInfo) read = g_new0(ContainerInfo, 1);
    JsonView config, labels;
    gboolean has_state = read_state(document, read);

    read->id = docker_json_text(document, "Id");
    read->name = without_slash(docker_json_text(document, "Name"));
    read->image_digest = docker_json_text(document, "Image");
    read->created_at_us = docker_json_time(document, "Created");
    read->restart_count = docker_json_int(document, "RestartCount");
    if (!is_complete(read, has_state, error))
        return FALSE;
    if (has_processes(read->state))
        read->address = published_address(document);
    if (docker_json_child(document, "Config", &config)) {
        read->image = docker_json_text(config, "Image");
        read->user = docker_json_text(config, "User");
        if (docker_json_child(config, "Labels", &labels)) {
            docker_json_labels(labels, &read->labels);
            if (!read->address && has_processes(read->state))
                read->address = host_network_address(document, labels);
        }
    }
    *info = g_steal_pointer(&read);
    return TRUE;
}

/* ---- List ---- */

/* "Exited (137) 3 seconds ago", "Up 2 minutes (unhealthy)", "Up 2 seconds (health: starting)": the
 * only place where a list has the exit code and the health. */
static void read_status(JsonView value, ContainerInfo *info)
{
    g_autofree char *status = json_view_text_dup(value, NULL);
    int code = 0;

    if (!status)
        return;
    if (sscanf(status, "Exited (%d)", &code) == 1 || sscanf(status, "Restarting (%d)", &code) == 1)
        info->exit_code = code;
    else if (g_str_has_suffix(status, "(unhealthy)"))
        info->health = HEALTH_UNHEALTHY;
    else if (g_str_has_suffix(status, "(healthy)"))
        info->health = HEALTH_HEALTHY;
    else if (g_str_has_suffix(status, "(health: starting)"))
        info->health = HEALTH_STARTING;
}

static char *first_name(JsonView names)
{
    JsonWalk walk = json_view_walk(names);
    return json_walk_next(&walk) ? without_slash(json_view_text_dup(walk.value, NULL)) : NULL;
}

static void replace(char **to, char *text)
{
    g_free(*to);
    *to = text;
}

static gint64 microseconds_of(gint64 seconds)
{
    return seconds > 0 && seconds < G_MAXINT64 / CLOCK_SECOND_US ? seconds * CLOCK_SECOND_US : 0;
}

/* One walk over the members: a list may have thousands of elements. */
static gboolean read_element(JsonWalk *element, ContainerInfo *info)
{
    gboolean has_state = FALSE;

    while (json_walk_next(element)) {
        JsonView key = element->key, value = element->value;

        if (docker_json_key_is(key, "Id")) {
            replace(&info->id, json_view_text_dup(value, NULL));
        } else if (docker_json_key_is(key, "Names")) {
            replace(&info->name, first_name(value));
        } else if (docker_json_key_is(key, "Image")) {
            replace(&info->image, json_view_text_dup(value, NULL));
        } else if (docker_json_key_is(key, "ImageID")) {
            replace(&info->image_digest, json_view_text_dup(value, NULL));
        } else if (docker_json_key_is(key, "Labels")) {
            docker_json_labels(value, &info->labels);
        } else if (docker_json_key_is(key, "Status")) {
            read_status(value, info);
        } else if (docker_json_key_is(key, "Created")) {
            json_view_int(value, &info->created_at_us); /* seconds, until below */
        } else if (docker_json_key_is(key, "State")) {
            g_autofree char *word = json_view_text_dup(value, NULL);
            has_state = parse_state(word, &info->state);
        }
    }
    info->created_at_us = microseconds_of(info->created_at_us);
    info->ever_started = info->state != CONTAINER_CREATED;
    return has_state;
}

static gpointer container_read(JsonView element, GError **error)
{
    g_autoptr(ContainerInfo) info = g_new0(ContainerInfo, 1);
    JsonWalk walk = json_view_walk(element);

    return is_complete(info, read_element(&walk, info), error) ? g_steal_pointer(&info) : NULL;
}

static gpointer container_ref(gpointer info)
{
    return container_info_ref(info);
}

static void container_unref(gpointer info)
{
    container_info_free(info);
}

static const EngineLabels *container_labels(gconstpointer info)
{
    return &((const ContainerInfo *)info)->labels;
}

const DockerElement docker_container_element = {
    .name = "containers",
    .read = container_read,
    .ref = container_ref,
    .unref = container_unref,
    .labels = container_labels,
};

gboolean docker_info_from_list(DockerListing *listing, GString *text, const char *installation,
                               GPtrArray **containers, GError **error)
{
    JsonPieces pieces = docker_listing_start(listing, text);

    return docker_listing_array(listing, &pieces, error) &&
           docker_listing_end(listing, &pieces, installation, containers, error);
}
