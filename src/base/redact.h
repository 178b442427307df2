/* Takes secrets out of text before it is stored. Source: spec 03, section 9.0. Thread: any (pure).
 */
#pragma once

#include <glib.h>

/* A copy of `text` in which everything that looks like a key, token or secret is
 * "[REDACTED:<label>]". `classes` (may be NULL) gets the labels that fired, joined by commas, owned
 * by the caller; NULL when none did. Caller owns the result. */
char *redact_dup(const char *text, char **classes);
