#include "api/fields.h"

#include "a2a/body_fields.h"

static gboolean read_container(JsonView value, const Field *field, JsonView *out, GError **error)
{
    JsonKind wanted = field->type == FIELD_OBJECT ? JSON_KIND_OBJECT : JSON_KIND_ARRAY;

    if (json_view_kind(value) != wanted)
        return error_set(error, ERROR_INVALID, "%s must be %s", field->key,
                         field->type == FIELD_OBJECT ? "an object" : "an array");
    *out = value;
    return TRUE;
}

static gboolean read_value(JsonView object, JsonView value, const Field *field, void *out,
                           GError **error)
{
    void *place = (char *)out + field->offset;
    BodyNeed need = field->required ? BODY_REQUIRED : BODY_OPTIONAL;

    switch (field->type) {
    case FIELD_TEXT:
        return body_text(object, field->key, need, 0, place, error);
    case FIELD_INT:
        return body_int(object, field->key, place, error);
    case FIELD_BOOL:
        return json_view_bool(value, place) ||
               error_set(error, ERROR_INVALID, "%s must be true or false", field->key);
    case FIELD_ID:
        return body_id(object, field->key, place, error);
    case FIELD_OBJECT:
    case FIELD_ARRAY:
        return read_container(value, field, place, error);
    }
    return FALSE;
}

gboolean fields_read(JsonView object, const Field *fields, guint count, void *out, GError **error)
{
    for (guint i = 0; i < count; i++) {
        JsonView value;
        if (body_member(object, fields[i].key, &value)) {
            if (!read_value(object, value, &fields[i], out, error))
                return FALSE;
        } else if (fields[i].required) {
            return error_set(error, ERROR_INVALID, "%s is required", fields[i].key);
        }
    }
    return TRUE;
}

gboolean fields_decode(const char *body, gsize length, const Field *fields, guint count, void *out,
                       GError **error)
{
    JsonView object;

    return body_parse(body, length, &object, error) &&
           fields_read(object, fields, count, out, error);
}
