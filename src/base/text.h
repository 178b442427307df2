/* Small helpers on bytes that claim to be text. Thread: any (pure functions). */
#pragma once

#include <glib.h>

/* The longest prefix of `text` that is at most `max_bytes` long and does not split a UTF-8
 * character. `text` is valid UTF-8. */
gsize text_prefix_length(const char *text, gsize length, gsize max_bytes);

/* The start of the longest suffix of at most `max_bytes` that begins at a character's border. */
const char *text_suffix(const char *text, gsize length, gsize max_bytes);

/* A copy in which every invalid byte and every NUL is U+FFFD. The caller owns it; the result is
 * valid UTF-8 with a NUL only at its end. */
char *text_repair_dup(const char *bytes, gsize length);

/* Whether `text` holds one of the ASCII characters in `set`. */
gboolean text_has_any(const char *text, const char *set);

/* "name" -> a slug of a-z0-9 and single hyphens, trimmed; "" when nothing is left. Caller owns it.
 * Source: spec 01, section 12.5. */
char *text_slug_dup(const char *name);

/* "1", "t", "T", "TRUE", "true", "True" and their opposites; FALSE for anything else. */
gboolean text_parse_bool(const char *text, gboolean *value);

/* Decimal integer with optional sign, nothing around it, inside [min, max]. */
gboolean text_parse_int(const char *text, gint64 min, gint64 max, gint64 *value);
