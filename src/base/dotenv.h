/* `.env` files: variables for people who start the server from a checkout.
 *
 * Line by line, no interpolation, no escapes, no multi-line values; the first assignment of a key
 * wins. A line over 64 KiB and a key that is no variable's name are skipped. Source: spec 02,
 * section 4. Thread: main, at start. */
#pragma once

#include <glib.h>

/* Reads the text of a file into a table name -> value (both owned by the table). */
GHashTable *dotenv_parse(const char *text, gsize length);

/* Looks for a `.env` in `start` and upward, six folders in all; it counts only beside a marker of a
 * source tree
 * (`workspace-server/go.mod`, or our own `migrations/` and `dev`). Returns its path or NULL. Caller
 * owns it. */
char *dotenv_find(const char *start);
