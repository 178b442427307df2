/* Reads the fields of a JSON request body and names the faulty one.
 *
 * Rules of spec 01 section 1: the first value counts, keys ignore case, of equal keys the last
 * wins, null acts as absent, a required text that is empty is absent, an integer is a plain integer
 * token. A text that holds \u0000 is refused, since no database keeps it. Every function returns
 * FALSE with ERROR_INVALID. Pure. */
#pragma once

#include "base/errors.h"
#include "base/ids.h"
#include "base/json_view.h"

typedef enum { BODY_OPTIONAL, BODY_REQUIRED } BodyNeed;

/* The body as an object; null acts as an empty one. */
gboolean body_parse(const char *text, gsize length, JsonView *object, GError **error);
/* The member; FALSE without an error when it is absent or null. */
gboolean body_member(JsonView object, const char *key, JsonView *value);

/* NULL when absent or empty. Longer than `max_bytes` is cut at a character's border; 0: no limit.
 * Caller owns it. */
gboolean body_text(JsonView object, const char *key, BodyNeed need, gsize max_bytes, char **text,
                   GError **error);
/* A required workspace id, folded. */
gboolean body_id(JsonView object, const char *key, char id[ID_SIZE], GError **error);
/* Unchanged when absent. */
gboolean body_int(JsonView object, const char *key, gint64 *value, GError **error);
gboolean body_double(JsonView object, const char *key, double *value, GError **error);
/* Whether \u0000 occurs in a text or key of the value: no database keeps it. */
gboolean body_has_nul(JsonView value);
/* A required member of any kind (null passes), compact. Caller owns it. */
gboolean body_json(JsonView object, const char *key, char **json, GError **error);
