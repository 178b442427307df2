#include "base/json_pieces.h"

#include "base/errors.h"

#include <string.h>

static gboolean fail(JsonPieces *pieces, const char *fault)
{
    if (!pieces->fault)
        pieces->fault = fault;
    return FALSE;
}

static void skip_blanks(JsonPieces *pieces)
{
    while (pieces->place < pieces->end && (*pieces->place == ' ' || *pieces->place == '\t' ||
                                           *pieces->place == '\n' || *pieces->place == '\r'))
        pieces->place++;
}

/* Whether `byte` comes next; not behind a fault. */
static gboolean stands(JsonPieces *pieces, char byte)
{
    if (pieces->fault)
        return FALSE;
    skip_blanks(pieces);
    return pieces->place < pieces->end && *pieces->place == byte;
}

JsonPieces json_pieces_start(const char *text, gsize length)
{
    return (JsonPieces){.text = text, .place = text, .end = text + length};
}

gboolean json_pieces_is(JsonPieces *pieces, char byte)
{
    return !pieces->is_behind_value && stands(pieces, byte);
}

gboolean json_pieces_enter(JsonPieces *pieces, char bracket)
{
    if (!json_pieces_is(pieces, bracket))
        return FALSE;
    pieces->place++;
    return TRUE;
}

gboolean json_pieces_next(JsonPieces *pieces, char closing)
{
    gboolean is_first = !pieces->is_behind_value;

    if (stands(pieces, closing)) {
        pieces->place++;
        pieces->is_behind_value = TRUE;
        return FALSE;
    }
    if (pieces->fault || is_first)
        return pieces->fault == NULL;
    if (!stands(pieces, ','))
        return fail(pieces, "a comma or closing bracket is missing");
    pieces->place++;
    pieces->is_behind_value = FALSE;
    return !stands(pieces, closing) || fail(pieces, "unexpected character");
}

gboolean json_pieces_value(JsonPieces *pieces, JsonView *value)
{
    if (pieces->fault)
        return FALSE;
    if (pieces->is_behind_value ||
        !json_view_parse(pieces->place, (gsize)(pieces->end - pieces->place), JSON_FIRST_VALUE,
                         value, NULL))
        return fail(pieces, "bad value");
    pieces->place = value->end;
    pieces->is_behind_value = TRUE;
    return TRUE;
}

gboolean json_pieces_key(JsonPieces *pieces, JsonView *key)
{
    if (!stands(pieces, '"'))
        return fail(pieces, "an object's key must be a string");
    if (!json_pieces_value(pieces, key))
        return FALSE;
    if (!stands(pieces, ':'))
        return fail(pieces, "a colon is missing behind a key");
    pieces->place++;
    pieces->is_behind_value = FALSE;
    return TRUE;
}

gboolean json_pieces_skip(JsonPieces *pieces, const char *known, gsize length)
{
    if (!json_pieces_is(pieces, *known) || (gsize)(pieces->end - pieces->place) < length ||
        memcmp(pieces->place, known, length) != 0)
        return FALSE;
    pieces->place += length;
    pieces->is_behind_value = TRUE;
    return TRUE;
}

gboolean json_pieces_end(JsonPieces *pieces, GError **error)
{
    if (!pieces->fault) {
        skip_blanks(pieces);
        if (pieces->is_behind_value && pieces->place == pieces->end)
            return TRUE;
        fail(pieces, pieces->is_behind_value ? "bytes after the value" : "unexpected end");
    }
    return error_set(error, ERROR_INVALID, "invalid JSON: %s at byte %" G_GSIZE_FORMAT,
                     pieces->fault, (gsize)(pieces->place - pieces->text));
}
