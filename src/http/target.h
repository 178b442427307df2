/* Request targets: path and query, as they stand in the first line of a request. Pure functions.
 * Source: spec 03, notation and section 1.3. */
#pragma once

#include <glib.h>

typedef struct {
    const char *host; /* of an absolute form ("http://host/path"); NULL else */
    gsize host_length;
    const char *path; /* begins with '/' */
    gsize path_length;
    const char *query;    /* behind the first '?'; NULL when there is none */
    gboolean is_asterisk; /* "*": nothing else is set */
} HttpTarget;

typedef struct {
    const char *name, *value; /* value "" when the pair has no '=' */
} HttpQueryPair;

/* Finds the parts; they point into `text`. FALSE for anything but "/…", "http(s)://…" and "*", and
 * for control characters, blanks and '#'. */
gboolean http_target_parse(const char *text, HttpTarget *target);

/* Undoes percent escapes; `+` stays. `out` has room for length + 1. FALSE for a malformed escape
 * and for %00. */
gboolean http_path_decode(const char *raw, gsize length, char *out);

/* How many pairs http_query_parse can find at most. */
guint http_query_count(const char *query);
/* Splits and decodes `query` in place. Pairs with ';', a malformed escape or %00 are dropped; `+`
 * is a blank. Returns the number of pairs written to `pairs`. */
guint http_query_parse(char *query, HttpQueryPair *pairs, guint max);
