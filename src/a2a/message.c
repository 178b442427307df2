#include "a2a/message.h"

#include "base/ids.h"
#include "base/json_out.h"
#include "base/json_view.h"
#include "base/text.h"

#include <string.h>

void message_clear(Message *message)
{
    if (message->text)
        g_string_free(message->text, TRUE);
    message->text = NULL;
    g_clear_pointer(&message->method, g_free);
}

/* ---- Repair ---- */

static guint read_unit(const char *hex)
{
    guint unit = 0;

    for (guint i = 0; i < 4; i++)
        unit = unit << 4 | (guint)g_ascii_xdigit_value(hex[i]);
    return unit;
}

static gboolean is_high(guint unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static gboolean is_low(guint unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* The length of the escape at `place` when it may stay; 0: a lone surrogate. The text is checked
 * JSON, so the escape is whole. */
static gsize escape_length(const char *place)
{
    guint unit;

    if (place[1] != 'u')
        return 2;
    unit = read_unit(place + 2);
    if (is_high(unit) && place[6] == '\\' && place[7] == 'u' && is_low(read_unit(place + 8)))
        return 12;
    return is_high(unit) || is_low(unit) ? 0 : 6;
}

/* A backslash occurs in JSON inside texts only, so they need not be told apart from the rest. */
static void repair_surrogates(GString *text)
{
    for (char *place = strchr(text->str, '\\'); place; place = strchr(place, '\\')) {
        gsize length = escape_length(place);
        if (length == 0) {
            memcpy(place, "\\ufffd", 6);
            length = 6;
        }
        place += length;
    }
}

static void repair(GString *text)
{
    if (!g_utf8_validate_len(text->str, text->len, NULL)) {
        g_autofree char *repaired = text_repair_dup(text->str, text->len);
        g_string_assign(text, repaired);
    }
    repair_surrogates(text);
}

/* ---- Editing ---- */

/* `params`, with a messageId added when its message has none. */
static void append_params(GString *text, JsonView params)
{
    JsonView message, id;
    char made[ID_SIZE];
    const char *last; /* the brace that closes the message */

    if (!json_view_member(params, "message", JSON_KEYS_EXACT, &message) ||
        json_view_kind(message) != JSON_KIND_OBJECT ||
        json_view_member(message, "messageId", JSON_KEYS_EXACT, &id)) {
        g_string_append_len(text, params.start, params.end - params.start);
        return;
    }
    id_make(made);
    last = message.end - 1;
    g_string_append_len(text, params.start, last - params.start);
    JsonWalk walk = json_view_walk(message);
    if (json_walk_next(&walk))
        g_string_append_c(text, ',');
    g_string_append_printf(text, "\"messageId\":\"%s\"", made);
    g_string_append_len(text, last, params.end - last);
}

static void append_member(GString *text, JsonView object, const char *key)
{
    JsonView value;

    if (json_view_member(object, key, JSON_KEYS_EXACT, &value))
        g_string_append_len(text, value.start, value.end - value.start);
    else
        g_string_append(text, "null");
}

static void build_envelope(GString *text, JsonView object)
{
    JsonView params;
    char id[ID_SIZE];

    id_make(id);
    g_string_append_printf(text, "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":", id);
    append_member(text, object, "method");
    g_string_append(text, ",\"params\":");
    if (json_view_member(object, "params", JSON_KEYS_EXACT, &params))
        append_params(text, params);
    else
        g_string_append(text, "null");
    g_string_append_c(text, '}');
}

static void keep_envelope(GString *text, JsonView object)
{
    JsonView params;

    if (!json_view_member(object, "params", JSON_KEYS_EXACT, &params)) {
        g_string_append_len(text, object.start, object.end - object.start);
        return;
    }
    g_string_append_len(text, object.start, params.start - object.start);
    append_params(text, params);
    g_string_append_len(text, params.end, object.end - params.end);
}

static char *method_dup(JsonView object)
{
    JsonView method;
    char *text = NULL;

    if (json_view_member(object, "method", JSON_KEYS_EXACT, &method))
        text = json_view_text_dup(method, NULL); /* NULL when it is no text */
    if (!text)
        return g_strdup("");
    text[text_prefix_length(text, strlen(text), MESSAGE_METHOD_MAX_BYTES)] = '\0';
    return text;
}

gboolean message_normalise(const char *body, gsize length, Message *out, GError **error)
{
    GString *text;
    JsonView object, version;

    if (!json_view_parse(body, length, JSON_ONE_VALUE, &object, NULL) ||
        json_view_kind(object) != JSON_KIND_OBJECT)
        return error_set(error, ERROR_INVALID, "invalid JSON");
    text = g_string_sized_new(length + 160);
    if (json_view_member(object, "jsonrpc", JSON_KEYS_EXACT, &version))
        keep_envelope(text, object);
    else
        build_envelope(text, object);
    repair(text);
    out->text = text;
    out->method = method_dup(object);
    return TRUE;
}
