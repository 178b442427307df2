/* The stream of events. A container's labels are among an event's attributes. Source: spec 02, 17.3
 * F (measured). */
#include "engine/docker/events.h"

#include "base/clock.h"
#include "base/text.h"
#include "engine/docker/docker.h"
#include "engine/docker/json.h"
#include "engine/docker/lines.h"

#include <string.h>

/* ---- One event ---- */

static const struct {
    const char *action;
    EngineEventType type;
} actions[] = {
    {"create", ENGINE_EVENT_CREATE},     {"start", ENGINE_EVENT_START},
    {"die", ENGINE_EVENT_DIE},           {"destroy", ENGINE_EVENT_DESTROY},
    {"oom", ENGINE_EVENT_OUT_OF_MEMORY}, {"died", ENGINE_EVENT_DIE},
    {"remove", ENGINE_EVENT_DESTROY}, /* Podman's words */
};

#define HEALTH_ACTION                                                                              \
    "health_status" /* "health_status: unhealthy"; Podman says no more than this */

static EngineEventType type_of(const char *action)
{
    if (action && g_str_has_prefix(action, HEALTH_ACTION))
        return ENGINE_EVENT_HEALTH;
    for (guint i = 0; action && i < G_N_ELEMENTS(actions); i++)
        if (strcmp(actions[i].action, action) == 0)
            return actions[i].type;
    return ENGINE_EVENT_OTHER;
}

static gint64 exit_code_of(JsonView attributes)
{
    g_autofree char *text = docker_json_text(attributes, "exitCode");
    gint64 code = 0;

    if (!text)
        text = docker_json_text(attributes, "containerExitCode"); /* Podman */
    if (!text || !text_parse_int(text, G_MININT32, G_MAXINT32, &code))
        return 0;
    return code;
}

static gint64 time_of(JsonView value)
{
    gint64 nanoseconds = docker_json_int(value, "timeNano");
    gint64 seconds = docker_json_int(value, "time");

    if (nanoseconds > 0)
        return nanoseconds / 1000;
    return seconds > 0 && seconds < G_MAXINT64 / CLOCK_SECOND_US ? seconds * CLOCK_SECOND_US : 0;
}

void docker_event_report(JsonView value, const char *installation, EngineEventFunction function,
                         void *data)
{
    g_autofree char *kind = docker_json_text(value, "Type");
    g_autofree char *action = docker_json_text(value, "Action");
    g_autofree char *id = NULL;
    EngineEvent event = {.type = type_of(action), .time_us = time_of(value)};
    JsonView actor, attributes;

    if (g_strcmp0(kind, "container") != 0 || !docker_json_child(value, "Actor", &actor) ||
        !docker_json_child(actor, "Attributes", &attributes))
        return;
    id = docker_json_text(actor, "ID");
    event.container_id = id ? id : "";
    event.exit_code = event.type == ENGINE_EVENT_DIE ? exit_code_of(attributes) : 0;
    docker_json_labels(attributes, &event.labels);
    if (*event.container_id && g_strcmp0(event.labels.installation, installation) == 0)
        function(&event, data);
    engine_labels_clear(&event.labels);
}

/* ---- The stream ---- */

typedef struct {
    const char *installation;
    EngineEventFunction function;
    void *data;
    Cancel *cancel;
    DockerLines lines;
    gboolean is_broken;
} Watch;

static void on_started(void *data)
{
    Watch *watch = data;
    EngineEvent event = {
        .type = ENGINE_EVENT_CONNECTED,
        .container_id = "",
        .time_us = clock_now_us(),
    };
    watch->function(&event, watch->data);
}

static void on_line(JsonView value, void *data)
{
    Watch *watch = data;

    if (!cancel_fired(watch->cancel))
        docker_event_report(value, watch->installation, watch->function, watch->data);
}

static gboolean on_bytes(const char *bytes, gsize length, void *data)
{
    Watch *watch = data;

    watch->is_broken = !docker_lines_push(&watch->lines, bytes, length);
    return !watch->is_broken;
}

static char *events_path(const char *installation, gint64 since_us)
{
    g_autofree char *filters = docker_json_filters("container", installation);

    if (since_us <= 0)
        return g_strconcat("/events?filters=", filters, NULL);
    return g_strdup_printf("/events?since=%" G_GINT64_FORMAT ".%06d000&filters=%s",
                           since_us / CLOCK_SECOND_US, (int)(since_us % CLOCK_SECOND_US), filters);
}

gboolean docker_events(Engine *self, const char *installation, gint64 since_us, Cancel *cancel,
                       EngineEventFunction function, void *data, GError **error)
{
    DockerEngine *docker = docker_engine(self);
    g_autofree char *path = events_path(installation, since_us);
    Watch watch = {
        .installation = installation,
        .function = function,
        .data = data,
        .cancel = cancel,
    };
    g_auto(DockerLines) lines = docker_lines_start(on_line, &watch);
    g_auto(DockerAnswer) answer = {0};
    DockerRequest request = {
        .method = "GET",
        .path = path,
        .head_ms = docker->deadlines.read_ms,
        .sink = on_bytes,
        .started = on_started,
        .data = &watch,
        .cancel = cancel,
    };

    watch.lines = lines; /* the same buffer; `lines` only frees it */
    if (!docker_call_ok(docker, &request, "events", &answer, error))
        return FALSE;
    if (watch.is_broken)
        return error_set(error, ERROR_INTERNAL, "docker: unreadable events");
    if (answer.is_cancelled)
        return TRUE;
    return error_set(error, ERROR_UNAVAILABLE, "docker: the stream of events ended");
}
