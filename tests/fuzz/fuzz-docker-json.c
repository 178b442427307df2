/* Any bytes as the daemon's answers and streams of JSON: lists, inspections, volumes, events,
 * progress. What is accepted must be complete (an id, a name, a known state), and an error must
 * come with a reason. */
#include "base/errors.h"
#include "engine/docker/docker.h"
#include "engine/docker/events.h"
#include "engine/docker/info.h"
#include "engine/docker/json.h"
#include "engine/docker/lines.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_container(const ContainerInfo *info)
{
    g_assert(info->id && *info->id && info->name);
    g_assert(info->state <= CONTAINER_DEAD);
    g_assert(info->labels.generation >= 0);
    g_assert(!info->address || strchr(info->address, ':'));
    g_assert(g_utf8_validate(info->id, -1, NULL) && g_utf8_validate(info->name, -1, NULL));
}

/* A second reading finds all of the first one and means the same. */
static void read_list(const char *bytes, gsize length)
{
    g_autoptr(DockerListing) listing = docker_listing_new(&docker_container_element);
    g_autoptr(GPtrArray) list = NULL, again = NULL;
    g_autoptr(GError) error = NULL;

    if (!docker_info_from_list(listing, g_string_new_len(bytes, (gssize)length), NULL, &list,
                               &error)) {
        g_assert(error_is(error, ERROR_INTERNAL) && !list);
        return;
    }
    for (guint i = 0; i < list->len; i++)
        check_container(list->pdata[i]);
    g_assert(docker_info_from_list(listing, g_string_new_len(bytes, (gssize)length), NULL, &again,
                                   NULL));
    g_assert(docker_listing_news(listing) == 0 && again->len == list->len);
}

static void read_container(JsonView view)
{
    g_autoptr(ContainerInfo) info = NULL;
    g_autoptr(GError) error = NULL;

    if (docker_info_from_inspect(view, &info, &error))
        check_container(info);
    else
        g_assert(error && !info);
}

static void read_volumes(const char *bytes, gsize length)
{
    g_autoptr(DockerListing) listing = docker_listing_new(&docker_volume_element);
    g_autoptr(GPtrArray) list = NULL;
    g_autoptr(GError) error = NULL;

    if (!docker_volume_list_read(listing, g_string_new_len(bytes, (gssize)length), "ours", &list,
                                 &error)) {
        g_assert(error && !list);
        return;
    }
    for (guint i = 0; i < list->len; i++) {
        const VolumeInfo *info = list->pdata[i];
        g_assert(info->name && *info->name);
        g_assert(g_strcmp0(info->labels.installation, "ours") == 0);
    }
}

static void on_event(const EngineEvent *event, void *data)
{
    (void)data;
    g_assert(event->type <= ENGINE_EVENT_OTHER && *event->container_id);
    g_assert(g_strcmp0(event->labels.installation, "ours") == 0);
}

static void on_value(JsonView value, void *data)
{
    docker_event_report(value, "ours", on_event, NULL);
    docker_progress_take(value, data);
}

static void on_progress(const char *text, gsize length, void *data)
{
    (void)data;
    g_assert(strlen(text) == length);
}

/* Whole and byte by byte: the same values must come out. */
static guint64 read_lines(const char *bytes, gsize length, gsize step, gboolean *ok)
{
    g_auto(DockerProgress) progress = docker_progress_start(on_progress, NULL);
    g_auto(DockerLines) lines = docker_lines_start(on_value, &progress);

    *ok = TRUE;
    for (gsize at = 0; at < length && *ok; at += step)
        *ok = docker_lines_push(&lines, bytes + at, MIN(step, length - at));
    *ok = *ok && docker_lines_end(&lines);
    return progress.values;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    gboolean whole_ok = FALSE, cut_ok = FALSE;
    guint64 whole = read_lines(bytes, size, MAX(size, 1), &whole_ok);
    guint64 cut = read_lines(bytes, size, 1, &cut_ok);
    JsonView view;

    g_assert(whole_ok == cut_ok && whole == cut);
    read_list(bytes, size);
    read_volumes(bytes, size);
    if (json_view_parse(bytes, size, JSON_ONE_VALUE, &view, NULL))
        read_container(view);
    return 0;
}
