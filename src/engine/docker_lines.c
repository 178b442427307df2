#include "engine/docker_lines.h"

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

DockerProgress docker_progress_start(void (*line)(const char *, gsize, void *), void *data)
{
    return (DockerProgress){
        .line = line,
        .data = data,
        .seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
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

/* Whether this layer said something new. */
static gboolean is_news(DockerProgress *progress, const char *layer, const char *status)
{
    if (!layer)
        return TRUE;
    if (g_strcmp0(g_hash_table_lookup(progress->seen, layer), status) == 0)
        return FALSE;
    if (g_hash_table_size(progress->seen) < LAYERS_MAX ||
        g_hash_table_contains(progress->seen, layer))
        g_hash_table_replace(progress->seen, g_strdup(layer), g_strdup(status));
    return TRUE;
}

static void tell(DockerProgress *progress, JsonView value)
{
    g_autofree char *status = member_dup(value, "status");
    g_autofree char *layer = member_dup(value, "id");
    g_autofree char *text = NULL;

    if (!progress->line || !status || !is_news(progress, layer, status))
        return;
    text = layer ? g_strdup_printf("%s: %s", layer, status) : g_steal_pointer(&status);
    progress->line(text, strlen(text), progress->data);
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
