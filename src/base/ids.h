/* Workspace ids and every other id of ours: random UUIDs, 36 characters, lower case.
 *
 * An id that comes from outside is folded once, at the border; inside, ids are compared as bytes.
 * Source: spec 01, section 1 (`:id` validation), spec 02 L43. */
#pragma once

#include <glib.h>

#define ID_SIZE 37 /* 36 characters and the NUL */

/* Writes a new random (version 4) id. Aborts if the system has no randomness. */
void id_make(char id[ID_SIZE]);

/* Reads the 36-character form in any case and writes it in lower case. FALSE for every other form
 * (braces, no hyphens, `urn:uuid:`), NULL included; `id` is untouched then. */
gboolean id_fold(const char *text, char id[ID_SIZE]);
