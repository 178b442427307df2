#include "memory.h"

#include "log.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
    if (memory == NULL) {
        log_error("out of memory");
        abort();
    }
    return memory;
}

static void *allocate(size_t size_bytes)
{
    return checked(malloc(size_bytes > 0 ? size_bytes : 1));
}

void memory_install(void)
{
    json_set_alloc_funcs(allocate, free);
    event_set_mem_functions(allocate, memory_resize, free);
}

void *memory_new(size_t size_bytes)
{
    return checked(calloc(1, size_bytes > 0 ? size_bytes : 1));
}

void *memory_resize(void *old, size_t size_bytes)
{
    return checked(realloc(old, size_bytes > 0 ? size_bytes : 1));
}

char *memory_text_dup(const char *text)
{
    return text != NULL ? memory_text_dup_length(text, strlen(text)) : NULL;
}

char *memory_text_dup_length(const char *text, size_t length)
{
    if (text == NULL)
        return NULL;
    char *copy = allocate(length + 1);

    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *memory_printf(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    return checked(text);
}

void memory_free_variable(void *variable)
{
    void *memory;

    memcpy(&memory, variable, sizeof memory); /* any pointer type may stand behind it */
    free(memory);
}
