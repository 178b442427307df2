/* Reads a long JSON text piece by piece and checks each piece when it comes to it, so that what is
 * known from an earlier reading is neither checked nor read again.
 *
 *     JsonPieces pieces = json_pieces_start(text, length);
 *     if (json_pieces_enter(&pieces, '['))
 *         while (json_pieces_next(&pieces, ']'))
 *             if (!json_pieces_skip(&pieces, known, known_length) &&
 *                 json_pieces_value(&pieces, &value))
 *                 use(value);
 *     if (!json_pieces_end(&pieces, &error))
 *         forget all that was used;
 *
 * The first fault ends every loop and stays until json_pieces_end tells it; what was read before it
 * was well-formed by itself. Views are valid as long as the text. Thread: any (pure functions). */
#pragma once

#include "base/json_view.h"

typedef struct {
    const char *text, *place, *end;
    const char *fault;        /* what is wrong at `place`; NULL while all is well */
    gboolean is_behind_value; /* a comma or the closing bracket must follow */
} JsonPieces;

JsonPieces json_pieces_start(const char *text, gsize length);

/* Crosses `bracket` ('[' or '{') if the next value begins with it; FALSE, and nothing is crossed,
 * if it does not. */
gboolean json_pieces_enter(JsonPieces *pieces, char bracket);
/* Whether the next value begins with `byte` ('n': null). */
gboolean json_pieces_is(JsonPieces *pieces, char byte);
/* Goes to the next element of an array, or member of an object: `closing` is its bracket. FALSE at
 * its end, which is crossed, and at a fault. */
gboolean json_pieces_next(JsonPieces *pieces, char closing);
/* A member's key and its colon. FALSE: a fault. */
gboolean json_pieces_key(JsonPieces *pieces, JsonView *key);
/* One value, whole. FALSE: a fault. It may have JSON_DEPTH_MAX levels of its own. */
gboolean json_pieces_value(JsonPieces *pieces, JsonView *value);
/* Crosses the next value if its bytes are the `length` bytes of `known`, which must be an object or
 * array that was checked: brackets say themselves where they end. FALSE, and nothing is crossed, if
 * they are not. */
gboolean json_pieces_skip(JsonPieces *pieces, const char *known, gsize length);

/* TRUE when the one value was crossed, all of it was well and only white space follows.
 * ERROR_INVALID, with a sentence like json_view_parse's. */
gboolean json_pieces_end(JsonPieces *pieces, GError **error);
