#include "provision/wish_spec.h"

#include "base/ids.h"
#include "base/json_out.h"
#include "base/json_view.h"
#include "provision/names.h"

#include <string.h>

void wish_spec_free(WishSpec *spec)
{
    if (!spec)
        return;
    g_free(spec->template_name);
    g_free(spec->order);
    g_free(spec);
}

static void read_fields(WishSpec *spec, JsonView root)
{
    JsonView value;

    if (json_view_member(root, "template", JSON_KEYS_EXACT, &value))
        spec->template_name = json_view_text_dup(value, NULL);
    if (spec->template_name && !*spec->template_name)
        g_clear_pointer(&spec->template_name, g_free);
    if (json_view_member(root, "reset_sessions", JSON_KEYS_EXACT, &value) &&
        !json_view_bool(value, &spec->reset_sessions))
        spec->reset_sessions = FALSE;
    if (json_view_member(root, "order", JSON_KEYS_EXACT, &value))
        spec->order = json_view_text_dup(value, NULL);
}

WishSpec *wish_spec_parse(const char *text)
{
    WishSpec *spec = g_new0(WishSpec, 1);
    char id[ID_SIZE];
    JsonView root;

    if (text && json_view_parse(text, strlen(text), JSON_ONE_VALUE, &root, NULL))
        read_fields(spec, root);
    if (!spec->order || !id_fold(spec->order, id)) { /* it becomes part of a volume's name */
        g_free(spec->order);
        spec->order = g_strdup("");
    }
    return spec;
}

char *wish_spec_text(const char *template_name, gboolean reset_sessions)
{
    gboolean has_template = template_name && *template_name;
    GString *text = g_string_new(NULL);
    JsonOut out = json_out_start(text);
    char order[ID_SIZE];

    json_out_object(&out, NULL);
    if (has_template)
        json_out_text(&out, "template", template_name);
    if (reset_sessions)
        json_out_bool(&out, "reset_sessions", TRUE);
    if (has_template || reset_sessions) {
        id_make(order);
        json_out_text(&out, "order", order);
    }
    json_out_end(&out);
    return g_string_free(text, FALSE);
}

char *volume_names_text(char *const *names)
{
    GString *text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    for (guint i = 0; i < VOLUME_KINDS; i++)
        if (names[i])
            json_out_text(&out, volume_kind_key((VolumeKind)i), names[i]);
    json_out_end(&out);
    return g_string_free(text, FALSE);
}

char **volume_names_parse(const char *text)
{
    char **names = NULL;
    JsonView root, value;

    if (!text || !*text || !json_view_parse(text, strlen(text), JSON_ONE_VALUE, &root, NULL))
        return NULL;
    names = g_new0(char *, VOLUME_KINDS + 1);
    for (guint i = 0; i < VOLUME_KINDS; i++)
        if (json_view_member(root, volume_kind_key((VolumeKind)i), JSON_KEYS_EXACT, &value))
            names[i] = json_view_text_dup(value, NULL);
    return names;
}

void volume_names_free(char **names)
{
    for (guint i = 0; names && i < VOLUME_KINDS; i++)
        g_free(names[i]);
    g_free(names);
}
