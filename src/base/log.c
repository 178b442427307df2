#include "base/log.h"

#include "base/clock.h"
#include "base/json_out.h"

#include <string.h>
#include <unistd.h>

static LogLevel lowest_level = LOG_LEVEL_INFO; /* written before threads start, read only after */
static LogFormat chosen_format = LOG_FORMAT_AUTO;
static _Thread_local char request_id[64];

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void log_setup(LogLevel lowest, LogFormat format)
{
    lowest_level = lowest;
    chosen_format = format;
    if (format == LOG_FORMAT_AUTO)
        chosen_format = isatty(STDERR_FILENO) ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
}

gboolean log_level_parse(const char *text, LogLevel *level)
{
    for (guint i = 0; i < G_N_ELEMENTS(level_names); i++) {
        if (g_str_equal(text, level_names[i])) {
            *level = (LogLevel)i;
            return TRUE;
        }
    }
    return FALSE;
}

void log_request_set(const char *id)
{
    g_strlcpy(request_id, id ? id : "", sizeof request_id);
}

const char *log_request_get(void)
{
    return request_id[0] ? request_id : NULL;
}

/* A value on a terminal: quoted when it holds a blank or a quote, control characters escaped. */
static void append_text_value(GString *line, const char *value)
{
    gboolean quote = !*value || strpbrk(value, " \"=\t\r\n") != NULL;

    if (quote)
        g_string_append_c(line, '"');
    for (; *value; value++) {
        if ((guchar)*value < 0x20 || *value == 0x7f)
            g_string_append_printf(line, "\\x%02x", (guchar)*value);
        else if (*value == '"' || *value == '\\')
            g_string_append_printf(line, "\\%c", *value);
        else
            g_string_append_c(line, *value);
    }
    if (quote)
        g_string_append_c(line, '"');
}

static void format_text(GString *line, const char *time, LogLevel level, const char *message,
                        const LogField *fields)
{
    g_string_append_printf(line, "%s %-7s %s", time, level_names[level], message);
    for (; fields->key; fields++) {
        g_string_append_printf(line, " %s=", fields->key);
        if (fields->is_number)
            g_string_append_printf(line, "%" G_GINT64_FORMAT, fields->number);
        else
            append_text_value(line, fields->text ? fields->text : "-");
    }
    if (request_id[0])
        g_string_append_printf(line, " request=%s", request_id);
}

static void format_json(GString *line, const char *time, LogLevel level, const char *message,
                        const LogField *fields)
{
    JsonOut out = json_out_start(line);

    json_out_object(&out, NULL);
    json_out_text(&out, "time", time);
    json_out_text(&out, "level", level_names[level]);
    json_out_text(&out, "message", message);
    for (; fields->key; fields++) {
        if (fields->is_number)
            json_out_int(&out, fields->key, fields->number);
        else
            json_out_text(&out, fields->key, fields->text);
    }
    if (request_id[0])
        json_out_text(&out, "request", request_id);
    json_out_end(&out);
}

void log_write(LogLevel level, const char *message, const LogField *fields)
{
    g_autoptr(GString) line = NULL;
    char time[CLOCK_TEXT_SIZE];

    if (level < lowest_level)
        return;
    line = g_string_sized_new(256);
    clock_format(clock_now_us(), time);
    if (chosen_format == LOG_FORMAT_TEXT)
        format_text(line, time, level, message, fields);
    else
        format_json(line, time, level, message, fields);
    g_string_append_c(line, '\n');
    /* A log that cannot be written must not stop the server. */
    if (write(STDERR_FILENO, line->str, line->len) < 0)
        return;
}
