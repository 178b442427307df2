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
    g_free(spec->reset_order);
    g_free(spec);
}

/* "" for anything but an id: it becomes part of a volume's name. */
static char *read_order(JsonView root, const char *key)
{
    g_autofree char *text = NULL;
    char id[ID_SIZE];
    JsonView value;

    if (json_view_member(root, key, JSON_KEYS_EXACT, &value))
        text = json_view_text_dup(value, NULL);
    return text && id_fold(text, id) ? g_steal_pointer(&text) : g_strdup("");
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
    spec->order = read_order(root, "order");
    /* Documents of before had one order for both. */
    spec->reset_order = json_view_member(root, "reset_order", JSON_KEYS_EXACT, &value)
                            ? read_order(root, "reset_order")
                            : g_strdup(spec->order);
}

WishSpec *wish_spec_parse(const char *text)
{
    WishSpec *spec = g_new0(WishSpec, 1);
    JsonView root;

    if (text && json_view_parse(text, strlen(text), JSON_ONE_VALUE, &root, NULL))
        read_fields(spec, root);
    if (!spec->order)
        spec->order = g_strdup("");
    if (!spec->reset_order)
        spec->reset_order = g_strdup("");
    return spec;
}

static void renew(char **order)
{
    char id[ID_SIZE];

    id_make(id);
    g_free(*order);
    *order = g_strdup(id);
}

static char *write_spec(const WishSpec *spec)
{
    GString *text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    if (spec->template_name) {
        json_out_text(&out, "template", spec->template_name);
        json_out_text(&out, "order", spec->order);
    }
    if (spec->reset_sessions) {
        json_out_bool(&out, "reset_sessions", TRUE);
        json_out_text(&out, "reset_order", spec->reset_order);
    }
    json_out_end(&out);
    return g_string_free(text, FALSE);
}

char *wish_spec_join(const char *former, const char *template_name, gboolean reset_sessions)
{
    g_autoptr(WishSpec) spec = wish_spec_parse(former);

    if (template_name && *template_name) {
        g_free(spec->template_name);
        spec->template_name = g_strdup(template_name);
        renew(&spec->order);
    }
    if (reset_sessions) {
        spec->reset_sessions = TRUE;
        renew(&spec->reset_order);
    }
    return write_spec(spec);
}

char *wish_spec_text(const char *template_name, gboolean reset_sessions)
{
    return wish_spec_join(NULL, template_name, reset_sessions);
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
