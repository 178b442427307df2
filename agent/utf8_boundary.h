/* Cutting valid UTF-8. */
#pragma once

#include <stddef.h>

/* The longest length <= `limit` at which valid UTF-8 text can be cut without halving a
 * character. */
size_t utf8_boundary(const char *text, size_t length, size_t limit);
