#include "base/json_out.h"

#include "base/clock.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

JsonOut json_out_start(GString *text)
{
    return (JsonOut){.text = text};
}

/* Appends text between quotes; `valid` says that it is known to be UTF-8 without NUL. */
static void append_quoted(GString *out, const char *text, gsize length)
{
    const char *end = text + length;
    const char *plain = text; /* start of the run that needs no escape */

    g_string_append_c(out, '"');
    for (; text < end; text++) {
        guchar byte = (guchar)*text;
        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        g_string_append_len(out, plain, text - plain);
        plain = text + 1;
        switch (byte) {
        case '"':
            g_string_append(out, "\\\"");
            break;
        case '\\':
            g_string_append(out, "\\\\");
            break;
        case '\n':
            g_string_append(out, "\\n");
            break;
        case '\r':
            g_string_append(out, "\\r");
            break;
        case '\t':
            g_string_append(out, "\\t");
            break;
        default:
            g_string_append_printf(out, "\\u%04x", byte);
        }
    }
    g_string_append_len(out, plain, text - plain);
    g_string_append_c(out, '"');
}

static void begin_value(JsonOut *out, const char *key)
{
    if (out->needs_comma)
        g_string_append_c(out->text, ',');
    out->needs_comma = TRUE;
    if (!key)
        return;
    append_quoted(out->text, key, strlen(key));
    g_string_append_c(out->text, ':');
}

static void open_container(JsonOut *out, const char *key, gboolean is_array)
{
    begin_value(out, key);
    g_assert(out->depth < 64);
    if (is_array)
        out->is_array |= G_GUINT64_CONSTANT(1) << out->depth;
    else
        out->is_array &= ~(G_GUINT64_CONSTANT(1) << out->depth);
    out->depth++;
    g_string_append_c(out->text, is_array ? '[' : '{');
    out->needs_comma = FALSE;
}

void json_out_object(JsonOut *out, const char *key)
{
    open_container(out, key, FALSE);
}

void json_out_array(JsonOut *out, const char *key)
{
    open_container(out, key, TRUE);
}

void json_out_end(JsonOut *out)
{
    g_assert(out->depth > 0);
    out->depth--;
    g_string_append_c(out->text, (out->is_array >> out->depth) & 1 ? ']' : '}');
    out->needs_comma = TRUE;
}

void json_out_text(JsonOut *out, const char *key, const char *text)
{
    if (text)
        json_out_text_bytes(out, key, text, strlen(text));
    else
        json_out_null(out, key);
}

void json_out_text_bytes(JsonOut *out, const char *key, const char *bytes, gsize length)
{
    begin_value(out, key);
    if (g_utf8_validate_len(bytes, length, NULL)) {
        append_quoted(out->text, bytes, length);
    } else {
        g_autofree char *repaired = text_repair_dup(bytes, length);
        append_quoted(out->text, repaired, strlen(repaired));
    }
}

void json_out_int(JsonOut *out, const char *key, gint64 value)
{
    begin_value(out, key);
    g_string_append_printf(out->text, "%" G_GINT64_FORMAT, value);
}

/* The shortest decimal that reads back as the same double, as digits and a decimal exponent. */
static void shortest_digits(double value, char digits[32], int *exponent)
{
    char text[40];
    const char *mark;
    gsize count = 0;

    for (int precision = 0; precision <= 17; precision++) {
        g_ascii_formatd(text, sizeof text,
                        (char[]){'%', '.', (char)('0' + precision / 10),
                                 (char)('0' + precision % 10), 'e', '\0'},
                        value);
        if (g_ascii_strtod(text, NULL) == value)
            break;
    }
    mark = strchr(text, 'e');
    for (const char *c = text; c < mark; c++)
        if (g_ascii_isdigit(*c))
            digits[count++] = *c;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    digits[count] = '\0';
    *exponent = (int)g_ascii_strtoll(mark + 1, NULL, 10);
}

/* Plain notation from 1e-6 up to below 1e21, exponent form outside (spec 01, section 1). */
static void append_double(GString *out, double value)
{
    char digits[32] = "";
    int exponent = 0;
    int count;

    if (value < 0) {
        g_string_append_c(out, '-');
        value = -value;
    }
    shortest_digits(value, digits, &exponent);
    count = (int)strlen(digits);
    if (exponent >= 21 || exponent < -6) {
        g_string_append_c(out, digits[0]);
        if (count > 1)
            g_string_append_printf(out, ".%s", digits + 1);
        g_string_append_printf(out, "e%c%d", exponent < 0 ? '-' : '+', abs(exponent));
    } else if (exponent < 0) {
        g_string_append(out, "0.");
        for (int i = -1; i > exponent; i--)
            g_string_append_c(out, '0');
        g_string_append(out, digits);
    } else {
        for (int i = 0; i <= exponent || i < count; i++) {
            if (i == exponent + 1)
                g_string_append_c(out, '.');
            g_string_append_c(out, i < count ? digits[i] : '0');
        }
    }
}

void json_out_double(JsonOut *out, const char *key, double value)
{
    begin_value(out, key);
    if (!isfinite(value) || value == 0)
        g_string_append_c(out->text, '0');
    else if (value == floor(value) && fabs(value) < 1e15)
        g_string_append_printf(out->text, "%" G_GINT64_FORMAT, (gint64)value);
    else
        append_double(out->text, value);
}

void json_out_bool(JsonOut *out, const char *key, gboolean value)
{
    begin_value(out, key);
    g_string_append(out->text, value ? "true" : "false");
}

void json_out_null(JsonOut *out, const char *key)
{
    begin_value(out, key);
    g_string_append(out->text, "null");
}

void json_out_time(JsonOut *out, const char *key, gint64 time_us)
{
    char text[CLOCK_TEXT_SIZE];

    if (time_us == 0)
        json_out_null(out, key);
    else
        json_out_text(out, key, clock_format(time_us, text));
}

void json_out_raw(JsonOut *out, const char *key, const char *json)
{
    if (json)
        json_out_raw_bytes(out, key, json, strlen(json));
    else
        json_out_null(out, key);
}

void json_out_raw_bytes(JsonOut *out, const char *key, const char *json, gsize length)
{
    begin_value(out, key);
    g_string_append_len(out->text, json, (gssize)length);
}
