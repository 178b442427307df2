/* Reads along while an agent's event stream passes, to know at its end what was answered.
 *
 * A stream of message/stream holds JSON-RPC answers as SSE events: a whole message or task, or
 * pieces of an artifact followed by a last status. What is kept is one answer in the form
 * message/send would have had, so that the chat history can show it. Events and collected text are
 * bounded; what is longer passes unread. Thread: one at a time. Source: A2A protocol,
 * message/stream; spec 04 section 5.12 (activity row, A2A_RESPONSE). */
#pragma once

#include "a2a/usage.h"

#define STREAM_EVENT_MAX_BYTES (1024 * 1024)
#define STREAM_TEXT_MAX_BYTES  (1024 * 1024)

typedef struct _StreamReader StreamReader;

StreamReader *stream_reader_new(void);
void stream_reader_free(StreamReader *reader); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StreamReader, stream_reader_free)

/* The next bytes, cut anywhere. */
void stream_reader_feed(StreamReader *reader, const char *bytes, gsize length);
/* Whether the bytes so far end with a line, so that a comment line may be put in. */
gboolean stream_reader_at_line_start(const StreamReader *reader);

/* The answer as JSON text: a message made of the artifacts' pieces, else the last whole message or
 * task, else the last event; NULL when there was none. Caller owns it. */
char *stream_reader_answer_dup(const StreamReader *reader);
/* The last usage an event told of. */
gboolean stream_reader_usage(const StreamReader *reader, AnswerUsage *usage);
