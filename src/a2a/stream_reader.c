#include "a2a/stream_reader.h"

#include "base/json_out.h"

#include <string.h>

struct _StreamReader {
    GString *line;         /* the line under way */
    GString *data;         /* data lines of the event under way */
    gboolean has_data;     /* a data line was there, maybe an empty one */
    gboolean is_long;      /* the event under way is over its limit */
    gboolean after_return; /* the last byte was a CR: an LF next to it belongs to it */
    gboolean at_line_start;

    char *whole;       /* the last whole message or task; owned */
    char *last;        /* the last event that was JSON; owned */
    GString *artifact; /* text of the artifacts */
    gboolean has_artifact;
    AnswerUsage usage;
    gboolean has_usage;
};

StreamReader *stream_reader_new(void)
{
    StreamReader *reader = g_new0(StreamReader, 1);

    reader->line = g_string_new(NULL);
    reader->data = g_string_new(NULL);
    reader->artifact = g_string_new(NULL);
    reader->at_line_start = TRUE;
    return reader;
}

void stream_reader_free(StreamReader *reader)
{
    if (!reader)
        return;
    g_string_free(reader->line, TRUE);
    g_string_free(reader->data, TRUE);
    g_string_free(reader->artifact, TRUE);
    g_free(reader->whole);
    g_free(reader->last);
    g_free(reader);
}

/* ---- What an event says ---- */

static void collect_part(StreamReader *reader, JsonView part)
{
    g_autofree char *text = NULL;
    JsonView value;

    if (!json_view_member(part, "text", JSON_KEYS_EXACT, &value))
        return;
    text = json_view_text_dup(value, NULL);
    if (text && reader->artifact->len + strlen(text) <= STREAM_TEXT_MAX_BYTES)
        g_string_append(reader->artifact, text);
}

static void collect_artifact(StreamReader *reader, JsonView update)
{
    JsonView artifact, parts, append;
    gboolean appends = FALSE;
    JsonWalk walk;

    if (!json_view_member(update, "artifact", JSON_KEYS_EXACT, &artifact) ||
        !json_view_member(artifact, "parts", JSON_KEYS_EXACT, &parts))
        return;
    if (json_view_member(update, "append", JSON_KEYS_EXACT, &append))
        (void)json_view_bool(append, &appends);
    if (!appends && reader->artifact->len > 0)
        g_string_append_c(reader->artifact, '\n'); /* another artifact */
    reader->has_artifact = TRUE;
    walk = json_view_walk(parts);
    while (json_walk_next(&walk))
        collect_part(reader, walk.value);
}

static gboolean kind_is(JsonView result, const char *name)
{
    JsonView kind;

    return json_view_member(result, "kind", JSON_KEYS_EXACT, &kind) &&
           json_view_text_is(kind, name, JSON_KEYS_EXACT);
}

/* A task that is only announced, before its pieces come, holds nothing to show. */
static gboolean is_whole(JsonView result)
{
    JsonView artifacts, status, message;

    if (kind_is(result, "message"))
        return TRUE;
    if (!kind_is(result, "task"))
        return FALSE;
    return json_view_member(result, "artifacts", JSON_KEYS_EXACT, &artifacts) ||
           (json_view_member(result, "status", JSON_KEYS_EXACT, &status) &&
            json_view_member(status, "message", JSON_KEYS_EXACT, &message));
}

static void take_event(StreamReader *reader, const char *text, gsize length)
{
    JsonView event, result;

    if (!json_view_parse(text, length, JSON_ONE_VALUE, &event, NULL) ||
        json_view_kind(event) != JSON_KIND_OBJECT)
        return;
    g_free(reader->last);
    reader->last = json_view_compact_dup(event);
    reader->has_usage |= usage_read(event, &reader->usage);
    if (!json_view_member(event, "result", JSON_KEYS_EXACT, &result))
        return;
    if (kind_is(result, "artifact-update")) {
        collect_artifact(reader, result);
    } else if (is_whole(result)) {
        g_free(reader->whole);
        reader->whole = g_strdup(reader->last);
    }
}

/* ---- Lines ---- */

static void end_event(StreamReader *reader)
{
    if (reader->has_data && !reader->is_long)
        take_event(reader, reader->data->str, reader->data->len);
    g_string_truncate(reader->data, 0);
    reader->has_data = reader->is_long = FALSE;
}

static void take_data(StreamReader *reader, const char *value)
{
    gsize length = strlen(value);

    if (reader->data->len + length + 1 > STREAM_EVENT_MAX_BYTES) {
        reader->is_long = TRUE;
        return;
    }
    if (reader->has_data)
        g_string_append_c(reader->data, '\n');
    reader->has_data = TRUE;
    g_string_append_len(reader->data, value, (gssize)length);
}

static void end_line(StreamReader *reader)
{
    const char *line = reader->line->str;

    if (reader->line->len == 0)
        end_event(reader);
    else if (g_str_has_prefix(line, "data:"))
        take_data(reader, line + (line[5] == ' ' ? 6 : 5));
    g_string_truncate(reader->line, 0);
}

static void grow_line(StreamReader *reader, const char *bytes, gsize length)
{
    if (reader->line->len + length <= STREAM_EVENT_MAX_BYTES)
        g_string_append_len(reader->line, bytes, (gssize)length);
    else
        reader->is_long = TRUE;
}

void stream_reader_feed(StreamReader *reader, const char *bytes, gsize length)
{
    const char *end = bytes + length;

    if (length == 0)
        return;
    while (bytes < end) {
        const char *stop = bytes;
        if (reader->after_return && *bytes == '\n')
            stop = ++bytes;
        reader->after_return = FALSE;
        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        grow_line(reader, bytes, (gsize)(stop - bytes));
        bytes = stop;
        if (bytes == end)
            break;
        end_line(reader);
        reader->after_return = *bytes++ == '\r';
    }
    /* After a CR an LF may still come: a comment in between would end an event. */
    reader->at_line_start = end[-1] == '\n';
}

gboolean stream_reader_at_line_start(const StreamReader *reader)
{
    return reader->at_line_start;
}

/* ---- At the end ---- */

static char *message_of_text(const char *text)
{
    GString *json = g_string_sized_new(strlen(text) + 128);
    JsonOut out = json_out_start(json);

    json_out_object(&out, NULL);
    json_out_text(&out, "jsonrpc", "2.0");
    json_out_object(&out, "result");
    json_out_text(&out, "kind", "message");
    json_out_text(&out, "role", "agent");
    json_out_array(&out, "parts");
    json_out_object(&out, NULL);
    json_out_text(&out, "kind", "text");
    json_out_text(&out, "text", text);
    json_out_end(&out);
    json_out_end(&out);
    json_out_end(&out);
    json_out_end(&out);
    return g_string_free(json, FALSE);
}

char *stream_reader_answer_dup(const StreamReader *reader)
{
    if (reader->has_artifact)
        return message_of_text(reader->artifact->str);
    return g_strdup(reader->whole ? reader->whole : reader->last);
}

gboolean stream_reader_usage(const StreamReader *reader, AnswerUsage *usage)
{
    if (reader->has_usage)
        *usage = reader->usage;
    return reader->has_usage;
}
