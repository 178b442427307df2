#include "text_buffer.h"

#include "memory.h"
#include "utf8_boundary.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64

void text_buffer_init(TextBuffer *buffer, size_t maximum)
{
    *buffer = (TextBuffer){.maximum = maximum};
}

void text_buffer_clear(TextBuffer *buffer)
{
    free(buffer->data);
    *buffer = (TextBuffer){.maximum = buffer->maximum};
}

static void make_room(TextBuffer *buffer, size_t length)
{
    size_t needed = buffer->length + length + 1;
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : FIRST_CAPACITY;

    if (needed <= buffer->capacity)
        return;
    while (capacity < needed)
        capacity *= 2;
    buffer->data = memory_resize(buffer->data, capacity);
    buffer->capacity = capacity;
}

static void add(TextBuffer *buffer, const char *bytes, size_t length)
{
    if (length == 0)
        return;
    make_room(buffer, length);
    memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
}

bool text_buffer_append(TextBuffer *buffer, const char *bytes, size_t length)
{
    size_t room = buffer->maximum - buffer->length;

    if (length <= room) {
        add(buffer, bytes, length);
        return true;
    }
    add(buffer, bytes, utf8_boundary(bytes, length, room));
    return false;
}

void text_buffer_append_tail(TextBuffer *buffer, const char *bytes, size_t length)
{
    if (length > buffer->maximum) {
        bytes += length - buffer->maximum;
        length = buffer->maximum;
    }
    if (buffer->length + length > buffer->maximum) {
        size_t surplus = buffer->length + length - buffer->maximum;

        memmove(buffer->data, buffer->data + surplus, buffer->length - surplus);
        buffer->length -= surplus;
    }
    add(buffer, bytes, length);
}

void text_buffer_trim(TextBuffer *buffer)
{
    if (buffer->data == NULL || buffer->capacity == buffer->length + 1)
        return;
    buffer->capacity = buffer->length + 1;
    buffer->data = memory_resize(buffer->data, buffer->capacity);
}

const char *text_buffer_get(const TextBuffer *buffer)
{
    return buffer->data != NULL ? buffer->data : "";
}
