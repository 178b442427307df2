/* A growing text with a maximum it is born with.
 *
 * The bytes are always followed by a NUL that does not count. Fields may be read directly. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char *data; /* NULL while nothing was ever added */
    size_t length;
    size_t capacity;
    size_t maximum;
} TextBuffer;

void text_buffer_init(TextBuffer *buffer, size_t maximum);
void text_buffer_clear(TextBuffer *buffer);

/* Adds what fits below the maximum. False when something had to be left out; the cut is then
 * never inside a character, provided that `bytes` is valid UTF-8. */
bool text_buffer_append(TextBuffer *buffer, const char *bytes, size_t length);

/* Adds to the end and drops from the front what is above the maximum. The new front may be the
 * middle of a character. */
void text_buffer_append_tail(TextBuffer *buffer, const char *bytes, size_t length);

/* Gives unused capacity back. */
void text_buffer_trim(TextBuffer *buffer);

/* The content as a C string, "" when empty; borrowed. */
const char *text_buffer_get(const TextBuffer *buffer);
