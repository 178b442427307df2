/* Reading Server-Sent Events (WHATWG HTML, section 9.2): bytes in, the data of each event out.
 * Comments and fields other than `data` are skipped; an event has at most SSE_EVENT_BYTES_MAX. */
#pragma once

#include <glib.h>

#define SSE_EVENT_BYTES_MAX (16 * 1024 * 1024)

typedef struct {
    GString *line;
    GString *data;
    gboolean has_data;
    gboolean skips_line_feed; /* the last line ended with a carriage return */
} SseReader;

void sse_init(SseReader *reader);
void sse_clear(SseReader *reader);

/* Reads a piece. `event` is called for each event that is complete; FALSE from it ends the reading.
 * FALSE also when an event is too large. */
gboolean sse_feed(SseReader *reader, const char *bytes, gsize length,
                  gboolean (*event)(const char *data, gsize length, void *user), void *user);
