/* Allocation that never fails.
 *
 * The agent has no sensible way on without memory, so running out of it ends the process with a
 * message. Every buffer that the outside world can fill has a maximum of its own (see
 * text_buffer.h), so this is about a machine that is full and not about a hostile peer. */
#pragma once

#include <stddef.h>

/* Makes jansson and libevent use the functions below. Call once, before either is used. */
void memory_install(void);

/* Zeroed memory; the caller frees it. */
void *memory_new(size_t size_bytes);

/* Like realloc(); the caller frees the result. */
void *memory_resize(void *old, size_t size_bytes);

/* Copies of a text; NULL gives NULL. The caller frees them. */
char *memory_text_dup(const char *text);
char *memory_text_dup_length(const char *text, size_t length);

/* sprintf() into new memory; the caller frees it. */
char *memory_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Clean-up function of AUTO_FREE; frees what the pointer variable holds. */
void memory_free_variable(void *variable);

/* Declares a variable whose value is freed when it goes out of scope. */
#define AUTO_FREE __attribute__((cleanup(memory_free_variable)))
