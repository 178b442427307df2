#include "sse.h"

#include <string.h>

void sse_init(SseReader *reader)
{
    *reader = (SseReader){.line = g_string_new(NULL), .data = g_string_new(NULL)};
}

void sse_clear(SseReader *reader)
{
    if (reader->line)
        g_string_free(reader->line, TRUE);
    if (reader->data)
        g_string_free(reader->data, TRUE);
    *reader = (SseReader){0};
}

/* "data: text" joins the event; lines of one event are joined by line ends. */
static void take_field(SseReader *reader)
{
    const char *line = reader->line->str;

    if (!g_str_has_prefix(line, "data:") && strcmp(line, "data") != 0)
        return;
    const char *value = line[4] == ':' ? line + 5 : line + 4;
    if (*value == ' ')
        value++;
    if (reader->has_data)
        g_string_append_c(reader->data, '\n');
    g_string_append_len(reader->data, value, (gssize)(reader->line->len - (gsize)(value - line)));
    reader->has_data = TRUE;
}

static gboolean end_line(SseReader *reader,
                         gboolean (*event)(const char *data, gsize length, void *user), void *user)
{
    gboolean goes_on = TRUE;

    if (reader->line->len > 0) {
        take_field(reader);
    } else if (reader->has_data) {
        goes_on = event(reader->data->str, reader->data->len, user);
        g_string_truncate(reader->data, 0);
        reader->has_data = FALSE;
    }
    g_string_truncate(reader->line, 0);
    return goes_on;
}

gboolean sse_feed(SseReader *reader, const char *bytes, gsize length,
                  gboolean (*event)(const char *data, gsize length, void *user), void *user)
{
    const char *end = bytes + length;

    while (bytes < end) {
        if (reader->skips_line_feed && *bytes == '\n')
            bytes++;
        reader->skips_line_feed = FALSE;
        const char *stop = bytes;
        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        g_string_append_len(reader->line, bytes, (gssize)(stop - bytes));
        if (reader->line->len + reader->data->len > SSE_EVENT_BYTES_MAX)
            return FALSE;
        if (stop == end)
            return TRUE;
        reader->skips_line_feed = *stop == '\r';
        if (!end_line(reader, event, user))
            return FALSE;
        bytes = stop + 1;
    }
    return TRUE;
}
