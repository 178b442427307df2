/* What is written for people: text of others made harmless, lines that replace themselves,
 * questions. Thread: the main one. */
#pragma once

#include <glib.h>
#include <stdio.h>

/* Writes text of an agent or a log. On a terminal every control character but line end and tab
 * becomes '?', so that no answer can move the cursor, rename the window or type for the reader;
 * into a file or pipe the bytes go unchanged. */
void terminal_write(FILE *stream, const char *text, gsize length);

/* One cell of a table: no control characters, at most `width_max` columns (0: any), cut with an
 * ellipsis. Caller owns it. */
char *terminal_cell_dup(const char *text, guint width_max);
/* Columns that `text` takes. */
guint terminal_width(const char *text);
/* Writes `text` and blanks up to `width` columns. */
void terminal_pad(FILE *stream, const char *text, guint width);

/* Whether the locale can show more than ASCII. */
gboolean terminal_is_utf8(void);

/* Shows a line on standard error that the next one replaces; nothing when that is no terminal.
 * NULL takes it away. */
void terminal_progress(const char *line);

/* Whether a person can be asked: standard input and standard error are terminals. */
gboolean terminal_can_ask(void);
/* Asks; TRUE only for "y" or "yes". */
gboolean terminal_ask(const char *question);
