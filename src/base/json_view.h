/* Reads JSON without building a tree: the text is checked once, then looked at in place.
 *
 * Why not jansson here: clients' documents (agent cards, configuration, A2A messages) must come out
 * with the digits, order and escapes they came in with, integers beyond 64 bits and lone surrogates
 * included, and a heartbeat should cost no allocation. A JsonView is a slice of the checked text;
 * it owns nothing and is valid as long as the text. Source: spec 01 section 1 (request parsing),
 * spec 04 section 5.7. Thread: any (pure functions). */
#pragma once

#include <glib.h>

#define JSON_DEPTH_MAX 10000 /* levels; spec 01, section 1 */

typedef struct {
    const char *start; /* first byte of the value, quotes and brackets included */
    const char *end;   /* one past its last byte */
} JsonView;

typedef enum {
    JSON_KIND_NULL,
    JSON_KIND_BOOL,
    JSON_KIND_NUMBER,
    JSON_KIND_TEXT,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT,
} JsonKind;

typedef enum {
    JSON_FIRST_VALUE, /* bytes after the first value are ignored */
    JSON_ONE_VALUE,   /* only white space may follow */
} JsonExtent;

typedef enum {
    JSON_KEYS_FOLDED, /* ASCII case of keys does not matter */
    JSON_KEYS_EXACT,
} JsonKeys;

/* Checks `length` bytes and gives the view of the (first) value. Invalid UTF-8 inside strings is
 * allowed here and repaired when a string is read. Error: ERROR_INVALID with a sentence for the
 * client (empty text, byte order mark, syntax error with its offset, more than JSON_DEPTH_MAX
 * levels). */
gboolean json_view_parse(const char *text, gsize length, JsonExtent extent, JsonView *view,
                         GError **error);

JsonKind json_view_kind(JsonView view);
gboolean json_view_is_null(JsonView view);

/* The member of an object; of equal keys the last one. FALSE when absent or when `object` is no
 * object. */
gboolean json_view_member(JsonView object, const char *key, JsonKeys keys, JsonView *value);

/* Walks an object's members or an array's elements in order:
 *     JsonWalk walk = json_view_walk(object);
 *     while (json_walk_next(&walk)) use(walk.key, walk.value); */
typedef struct {
    JsonView key; /* the key's string token; empty slice in an array */
    JsonView value;
    const char *next, *end;
    gboolean is_object;
} JsonWalk;
JsonWalk json_view_walk(JsonView container);
gboolean json_walk_next(JsonWalk *walk);

/* Whether a string token (a key or a text value) equals `text`, escapes decoded. */
gboolean json_view_text_is(JsonView token, const char *text, JsonKeys keys);

/* The decoded string, NUL-terminated; invalid UTF-8 and lone surrogates are U+FFFD. `has_nul` (may
 * be NULL) says whether \u0000 occurs; it is U+FFFD in the result. NULL when `view` is no string.
 * Caller owns it. */
char *json_view_text_dup(JsonView view, gboolean *has_nul);

/* A plain integer token inside 64 bits: "5", "-3"; not "5.0", "1e1" or "\"5\"". */
gboolean json_view_int(JsonView view, gint64 *value);
gboolean json_view_double(JsonView view,
                          double *value); /* any number token; FALSE when not finite */
gboolean json_view_bool(JsonView view, gboolean *value);

/* The value's text without white space between tokens, valid UTF-8, every number with the digits it
 * came with. Appends to `out`. \u0000 becomes \ufffd so that every database can keep it. */
void json_view_append_compact(JsonView view, GString *out);
char *json_view_compact_dup(JsonView view);
