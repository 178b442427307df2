/* Reading a command line by a table: the same rows are parsed, printed as help, and written into
 * the shells' completions. Options may stand anywhere; `--` ends them; `--name=value`, `--name
 * value`, `-n value` and `-nvalue` are alike; short ones without a value may be joined (`-fn5`). */
#pragma once

#include "failure.h"

typedef struct {
    const char *name;  /* long form, without hyphens; NULL ends a table */
    char letter;       /* short form; 0: none */
    const char *value; /* what it takes, in capitals ("LINES"); NULL: nothing */
    const char
        *choices; /* for completion: words separated by blanks, "@workspace", "@file"; or NULL */
    const char *help;
    gboolean is_repeatable;
} Option;

typedef struct {
    GHashTable *values;   /* long name -> GPtrArray of texts; "" for an option without value */
    GPtrArray *positions; /* the other words */
} Arguments;

/* Reads `words` (NULL-terminated, borrowed) by up to two tables. Error: CTL_USAGE with a sentence.
 * Caller owns the result. */
Arguments *arguments_parse(const char *const *words, const Option *options, const Option *more,
                           GError **error);
void arguments_free(Arguments *arguments);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Arguments, arguments_free)

gboolean arguments_has(const Arguments *arguments, const char *name);
/* The (last) value; NULL when absent. Borrowed. */
const char *arguments_get(const Arguments *arguments, const char *name);
/* Every value of a repeatable option; NULL when absent. Borrowed. */
const GPtrArray *arguments_get_all(const Arguments *arguments, const char *name);
/* A whole number inside [min, max]; `value` stays when the option is absent. Error: CTL_USAGE. */
gboolean arguments_get_int(const Arguments *arguments, const char *name, gint64 min, gint64 max,
                           gint64 *value, GError **error);
/* The word at `index`; NULL when there are not so many. Borrowed. */
const char *arguments_position(const Arguments *arguments, guint index);
