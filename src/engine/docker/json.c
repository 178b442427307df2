#include "engine/docker/json.h"

#include "base/json_out.h"
#include "base/text.h"

#include <string.h>

char *docker_json_text(JsonView object, const char *key)
{
    JsonView value;

    if (!json_view_member(object, key, JSON_KEYS_EXACT, &value))
        return NULL;
    return json_view_text_dup(value, NULL);
}

gint64 docker_json_int(JsonView object, const char *key)
{
    JsonView value;
    gint64 number = 0;

    if (!json_view_member(object, key, JSON_KEYS_EXACT, &value) || !json_view_int(value, &number))
        return 0;
    return number;
}

gboolean docker_json_bool(JsonView object, const char *key)
{
    JsonView value;
    gboolean is_true = FALSE;

    if (!json_view_member(object, key, JSON_KEYS_EXACT, &value) || !json_view_bool(value, &is_true))
        return FALSE;
    return is_true;
}

gboolean docker_json_child(JsonView object, const char *key, JsonView *child)
{
    JsonView value;
    JsonKind kind;

    if (!json_view_member(object, key, JSON_KEYS_EXACT, &value))
        return FALSE;
    kind = json_view_kind(value);
    if (kind != JSON_KIND_OBJECT && kind != JSON_KIND_ARRAY)
        return FALSE;
    *child = value;
    return TRUE;
}

gboolean docker_json_key_is(JsonView key, const char *name)
{
    gsize length = (gsize)(key.end - key.start);
    return length == strlen(name) + 2 && memcmp(key.start + 1, name, length - 2) == 0;
}

static void take_text(char **to, JsonView value)
{
    g_free(*to);
    *to = json_view_text_dup(value, NULL);
}

static gint64 generation_of(JsonView value)
{
    g_autofree char *text = json_view_text_dup(value, NULL);
    gint64 generation = 0;

    if (!text || !text_parse_int(text, 1, G_MAXINT64, &generation))
        return 0;
    return generation;
}

void docker_json_labels(JsonView object, EngineLabels *labels)
{
    JsonWalk walk;

    if (json_view_kind(object) != JSON_KIND_OBJECT)
        return;
    walk = json_view_walk(object);
    while (json_walk_next(&walk)) {
        if (docker_json_key_is(walk.key, ENGINE_LABEL_INSTALLATION))
            take_text(&labels->installation, walk.value);
        else if (docker_json_key_is(walk.key, ENGINE_LABEL_WORKSPACE))
            take_text(&labels->workspace, walk.value);
        else if (docker_json_key_is(walk.key, ENGINE_LABEL_KIND))
            take_text(&labels->kind, walk.value);
        else if (docker_json_key_is(walk.key, ENGINE_LABEL_GENERATION))
            labels->generation = generation_of(walk.value);
    }
}

static void out_optional(JsonOut *out, const char *key, const char *text)
{
    if (text)
        json_out_text(out, key, text);
}

void docker_json_out_label_members(JsonOut *out, const EngineLabels *labels)
{
    g_autofree char *generation = g_strdup_printf("%" G_GINT64_FORMAT, labels->generation);

    out_optional(out, ENGINE_LABEL_INSTALLATION, labels->installation);
    out_optional(out, ENGINE_LABEL_WORKSPACE, labels->workspace);
    out_optional(out, ENGINE_LABEL_KIND, labels->kind);
    if (labels->generation > 0)
        json_out_text(out, ENGINE_LABEL_GENERATION, generation);
}

void docker_json_out_labels(JsonOut *out, const EngineLabels *labels)
{
    json_out_object(out, "Labels");
    docker_json_out_label_members(out, labels);
    json_out_end(out);
}

gint64 docker_json_time(JsonView object, const char *key)
{
    g_autofree char *text = docker_json_text(object, key);
    g_autoptr(GDateTime) time = NULL;

    if (!text || g_str_has_prefix(text, "0001-"))
        return 0;
    time = g_date_time_new_from_iso8601(text, NULL);
    if (!time)
        return 0;
    return g_date_time_to_unix(time) * 1000000 + g_date_time_get_microsecond(time);
}

char *docker_json_filters(const char *type, const char *installation)
{
    g_autoptr(GString) text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    if (type) {
        json_out_array(&out, "type");
        json_out_text(&out, NULL, type);
        json_out_end(&out);
    }
    if (installation) {
        g_autofree char *label = g_strconcat(ENGINE_LABEL_INSTALLATION "=", installation, NULL);

        json_out_array(&out, "label");
        json_out_text(&out, NULL, label);
        json_out_end(&out);
    }
    json_out_end(&out);
    return g_uri_escape_string(text->str, NULL, FALSE);
}
