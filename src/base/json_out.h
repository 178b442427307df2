/* Writes JSON straight into a GString: compact, no tree, no copies.
 *
 *     g_autoptr(GString) text = g_string_new(NULL);
 *     JsonOut out = json_out_start(text);
 *     json_out_object(&out, NULL);
 *     json_out_text(&out, "id", id);
 *     json_out_end(&out);                      {"id":"7c9e…"}
 *
 * In an object every value has a key; in an array, and at the top, the key is NULL. Doubles are
 * written in their shortest form (100.0 is 100, 0.8 is 0.8), text as valid UTF-8 whatever comes in.
 * Source: spec 01, section 1 (numbers out). Thread: the writer belongs to one thread. */
#pragma once

#include <glib.h>

typedef struct {
    GString *text; /* borrowed */
    gboolean needs_comma;
    guint depth;
    guint64 is_array; /* bit per level, level 0 is the lowest bit; at most 64 levels */
} JsonOut;

JsonOut json_out_start(GString *text);

void json_out_object(JsonOut *out, const char *key); /* opens an object */
void json_out_array(JsonOut *out, const char *key);  /* opens an array */
void json_out_end(JsonOut *out);                     /* closes the innermost one */

void json_out_text(JsonOut *out, const char *key, const char *text); /* NULL becomes null */
void json_out_text_bytes(JsonOut *out, const char *key, const char *bytes, gsize length);
void json_out_int(JsonOut *out, const char *key, gint64 value);
void json_out_double(JsonOut *out, const char *key, double value); /* not finite becomes 0 */
void json_out_bool(JsonOut *out, const char *key, gboolean value);
void json_out_null(JsonOut *out, const char *key);
void json_out_time(JsonOut *out, const char *key, gint64 time_us); /* 0 becomes null */
/* Text that is JSON already (stored documents); NULL becomes null. Not checked. */
void json_out_raw(JsonOut *out, const char *key, const char *json);
void json_out_raw_bytes(JsonOut *out, const char *key, const char *json, gsize length);
