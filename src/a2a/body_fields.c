#include "a2a/body_fields.h"

#include "base/text.h"

#include <string.h>

gboolean body_parse(const char *text, gsize length, JsonView *object, GError **error)
{
    static const char empty[] = "{}";

    if (!json_view_parse(text, length, JSON_FIRST_VALUE, object, error))
        return FALSE;
    if (json_view_is_null(*object))
        *object = (JsonView){empty, empty + 2};
    if (json_view_kind(*object) != JSON_KIND_OBJECT)
        return error_set(error, ERROR_INVALID, "the body must be a JSON object");
    return TRUE;
}

gboolean body_member(JsonView object, const char *key, JsonView *value)
{
    return json_view_member(object, key, JSON_KEYS_FOLDED, value) && !json_view_is_null(*value);
}

static gboolean missing(const char *key, GError **error)
{
    return error_set(error, ERROR_INVALID, "%s is required", key);
}

gboolean body_text(JsonView object, const char *key, BodyNeed need, gsize max_bytes, char **text,
                   GError **error)
{
    g_autofree char *value = NULL;
    gboolean has_nul = FALSE;
    JsonView member;

    *text = NULL;
    if (!body_member(object, key, &member))
        return need == BODY_OPTIONAL || missing(key, error);
    if (json_view_kind(member) != JSON_KIND_TEXT)
        return error_set(error, ERROR_INVALID, "%s must be a string", key);
    if (member.end - member.start ==
        2) /* "": the usual case of a heartbeat, without an allocation */
        return need == BODY_OPTIONAL || missing(key, error);
    value = json_view_text_dup(member, &has_nul);
    if (has_nul)
        return error_set(error, ERROR_INVALID, "%s must not contain \\u0000", key);
    if (max_bytes > 0)
        value[text_prefix_length(value, strlen(value), max_bytes)] = '\0';
    *text = g_steal_pointer(&value);
    return TRUE;
}

gboolean body_id(JsonView object, const char *key, char id[ID_SIZE], GError **error)
{
    g_autofree char *text = NULL;

    if (!body_text(object, key, BODY_REQUIRED, 0, &text, error))
        return FALSE;
    if (!id_fold(text, id))
        return error_set(error, ERROR_INVALID, "%s must be a workspace ID", key);
    return TRUE;
}

gboolean body_int(JsonView object, const char *key, gint64 *value, GError **error)
{
    JsonView member;

    if (!body_member(object, key, &member))
        return TRUE;
    if (!json_view_int(member, value))
        return error_set(error, ERROR_INVALID, "%s must be an integer", key);
    return TRUE;
}

gboolean body_double(JsonView object, const char *key, double *value, GError **error)
{
    JsonView member;

    if (!body_member(object, key, &member))
        return TRUE;
    if (!json_view_double(member, value))
        return error_set(error, ERROR_INVALID, "%s must be a number", key);
    return TRUE;
}

/* Whether \u0000 occurs in the text: a backslash that is not itself escaped, then u0000. */
static gboolean holds_nul(const char *json)
{
    for (const char *place = strchr(json, '\\'); place; place = strchr(place + 2, '\\'))
        if (strncmp(place + 1, "u0000", 5) == 0)
            return TRUE;
    return FALSE;
}

gboolean body_has_nul(JsonView value)
{
    g_autofree char *raw = g_strndup(value.start, (gsize)(value.end - value.start));

    return holds_nul(raw);
}

gboolean body_json(JsonView object, const char *key, char **json, GError **error)
{
    JsonView member;

    if (!json_view_member(object, key, JSON_KEYS_FOLDED, &member))
        return missing(key, error);
    if (body_has_nul(member))
        return error_set(error, ERROR_INVALID, "%s must not contain \\u0000", key);
    *json = json_view_compact_dup(member);
    return TRUE;
}
