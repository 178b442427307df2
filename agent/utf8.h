/* Makes valid UTF-8 of whatever a program prints.
 *
 * Bytes arrive in pieces that may end inside a character, so the repair keeps up to three bytes
 * back until the rest has come. Each maximal ill-formed part becomes one U+FFFD (Unicode, chapter
 * 3.9), and so does NUL, which databases refuse in a text. */
#pragma once

#include "text_buffer.h"

#include <stddef.h>

typedef struct {
    char pending[4]; /* the begin of a character, valid so far */
    size_t pending_length;
} Utf8Repair;

/* Repairs a piece and adds it to `out`, which must not have a maximum below 3 times the length
 * plus 12. */
void utf8_repair_feed(Utf8Repair *repair, const char *bytes, size_t length, TextBuffer *out);

/* No more will come: a character left half becomes U+FFFD. */
void utf8_repair_end(Utf8Repair *repair, TextBuffer *out);

/* A repaired copy of a text; NULL gives NULL. The caller frees it. */
char *utf8_dup_repaired(const char *text);
