#include "engine/docker/lines.h"

#include <string.h>

#define LAYERS_MAX 1000 /* remembered; more are still shown */

/* ---- Lines ---- */

DockerLines docker_lines_start(DockerLineFunction function, void *data)
{
    return (DockerLines){.function = function, .data = data, .rest = g_string_new(NULL)};
}

void docker_lines_clear(DockerLines *lines)
{
    if (lines->rest)
        g_string_free(lines->rest, TRUE);
    lines->rest = NULL;
}

static gboolean is_blank(const char *bytes, gsize length)
{
    for (gsize i = 0; i < length; i++)
        if (!g_ascii_isspace(bytes[i]))
            return FALSE;
    return TRUE;
}

static gboolean take_line(DockerLines *lines, const char *bytes, gsize length)
{
    JsonView value;

    if (is_blank(bytes, length))
        return TRUE;
    if (!json_view_parse(bytes, length, JSON_ONE_VALUE, &value, NULL))
        return FALSE;
    lines->function(value, lines->data);
    return TRUE;
}

gboolean docker_lines_push(DockerLines *lines, const char *bytes, gsize length)
{
    const char *end = bytes + length;
    const char *newline;

    while ((newline = memchr(bytes, '\n', (gsize)(end - bytes)))) {
        gsize piece = (gsize)(newline - bytes);
        gboolean ok;
        if (lines->rest->len + piece > DOCKER_LINE_MAX)
            return FALSE;
        if (lines->rest->len == 0) {
            ok = take_line(lines, bytes, piece);
        } else {
            g_string_append_len(lines->rest, bytes, (gssize)piece);
            ok = take_line(lines, lines->rest->str, lines->rest->len);
            g_string_truncate(lines->rest, 0);
        }
        if (!ok)
            return FALSE;
        bytes = newline + 1;
    }
    if (lines->rest->len + (gsize)(end - bytes) > DOCKER_LINE_MAX)
        return FALSE;
    g_string_append_len(lines->rest, bytes, end - bytes);
    return TRUE;
}

gboolean docker_lines_end(DockerLines *lines)
{
    gboolean ok = take_line(lines, lines->rest->str, lines->rest->len);
    g_string_truncate(lines->rest, 0);
    return ok;
}

/* ---- Progress ---- */

typedef struct {
    char *status;
    guint percent;
    gboolean is_counted; /* a layer, not a tag or a digest */
} Layer;

static void layer_free(gpointer data)
{
    Layer *layer = data;

    g_free(layer->status);
    g_free(layer);
}

DockerProgress docker_progress_start(void (*line)(const char *, gsize, void *), void *data)
{
    return (DockerProgress){
        .line = line,
        .data = data,
        .percent = -1,
        .seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, layer_free),
    };
}

void docker_progress_clear(DockerProgress *progress)
{
    g_clear_pointer(&progress->failure, g_free);
    g_clear_pointer(&progress->seen, g_hash_table_unref);
}

static char *member_dup(JsonView object, const char *key)
{
    JsonView value;

    if (!json_view_member(object, key, JSON_KEYS_EXACT, &value))
        return NULL;
    return json_view_text_dup(value, NULL);
}

static void take_failure(DockerProgress *progress, JsonView value)
{
    JsonView detail, code;

    g_free(progress->failure);
    progress->failure = member_dup(value, "error");
    if (json_view_member(value, "errorDetail", JSON_KEYS_EXACT, &detail)) {
        if (!progress->failure)
            progress->failure = member_dup(detail, "message");
        if (json_view_member(detail, "code", JSON_KEYS_EXACT, &code))
            json_view_int(code, &progress->failure_code);
    }
    if (!progress->failure)
        progress->failure = g_strdup("the daemon gave no reason");
}

/* ---- How much is done ---- */

/* What a layer's words mean for its way: from `from` percent on, and `span` more by the bytes done.
 * Fetching is taken as most of the work. */
static const struct {
    const char *status;
    guint from, span;
} stations[] = {
    {"Pulling fs layer", 0, 0},   {"Waiting", 0, 0},
    {"Downloading", 0, 70},       {"Verifying Checksum", 70, 0},
    {"Download complete", 70, 0}, {"Extracting", 70, 30},
    {"Pull complete", 100, 0},    {"Already exists", 100, 0},
};

static gint64 detail_int(JsonView value, const char *key)
{
    JsonView detail, member;
    gint64 number = 0;

    if (json_view_member(value, "progressDetail", JSON_KEYS_EXACT, &detail) &&
        json_view_member(detail, key, JSON_KEYS_EXACT, &member) && json_view_int(member, &number))
        return MAX(number, 0);
    return 0;
}

static guint percent_at(guint station, JsonView value)
{
    gint64 current = detail_int(value, "current");
    gint64 total = detail_int(value, "total");
    double share = total > 0 ? MIN((double)current / (double)total, 1.0) : 0;

    return stations[station].from + (guint)(share * stations[station].span);
}

static Layer *layer_of(DockerProgress *progress, const char *id)
{
    Layer *layer = g_hash_table_lookup(progress->seen, id);

    if (layer || g_hash_table_size(progress->seen) >= LAYERS_MAX)
        return layer;
    layer = g_new0(Layer, 1);
    g_hash_table_insert(progress->seen, g_strdup(id), layer);
    return layer;
}

/* It never goes back, also when more layers come up. */
static void count(DockerProgress *progress)
{
    GHashTableIter iter;
    gpointer each;
    guint sum = 0, layers = 0;

    g_hash_table_iter_init(&iter, progress->seen);
    while (g_hash_table_iter_next(&iter, NULL, &each)) {
        const Layer *layer = each;

        sum += layer->is_counted ? layer->percent : 0;
        layers += layer->is_counted ? 1 : 0;
    }
    if (layers > 0)
        progress->percent = MAX(progress->percent, (gint)(sum / layers));
}

static void move_on(Layer *layer, const char *status, JsonView value)
{
    for (guint i = 0; i < G_N_ELEMENTS(stations); i++)
        if (strcmp(stations[i].status, status) == 0) {
            layer->is_counted = TRUE;
            layer->percent = MAX(layer->percent, percent_at(i, value));
        }
}

/* Whether this line says something new: another word for its layer, or another percentage. */
static gboolean is_news(DockerProgress *progress, const char *id, const char *status,
                        JsonView value)
{
    Layer *layer = id ? layer_of(progress, id) : NULL;
    gint percent = progress->percent;
    gboolean is_new = !layer || g_strcmp0(layer->status, status) != 0;

    if (!layer)
        return TRUE;
    if (is_new) {
        g_free(layer->status);
        layer->status = g_strdup(status);
    }
    move_on(layer, status, value);
    count(progress);
    return is_new || progress->percent != percent;
}

static void tell(DockerProgress *progress, JsonView value)
{
    g_autofree char *status = member_dup(value, "status");
    g_autofree char *layer = member_dup(value, "id");
    g_autoptr(GString) text = g_string_new(NULL);

    if (!progress->line || !status || !is_news(progress, layer, status, value))
        return;
    if (progress->percent >= 0)
        g_string_append_printf(text, "%d%% ", progress->percent);
    if (layer)
        g_string_append_printf(text, "%s: ", layer);
    g_string_append(text, status);
    progress->line(text->str, text->len, progress->data);
}

void docker_progress_take(JsonView value, void *data)
{
    DockerProgress *progress = data;
    JsonView unused;

    progress->values++;
    if (json_view_member(value, "error", JSON_KEYS_EXACT, &unused) ||
        json_view_member(value, "errorDetail", JSON_KEYS_EXACT, &unused))
        take_failure(progress, value);
    else
        tell(progress, value);
}
