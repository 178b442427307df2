/* Any bytes as JSON: what the checker accepts must be walkable, and its compact form must be JSON
 * with the same meaning; whole and in pieces, the same bytes are JSON. */
#include "base/json_pieces.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_all(JsonView view, guint depth)
{
    JsonWalk walk = json_view_walk(view);
    gint64 number;
    double real;
    g_autofree char *text = json_view_text_dup(view, NULL);

    if (text)
        g_assert(g_utf8_validate(text, -1, NULL));
    (void)json_view_int(view, &number);
    (void)json_view_double(view, &real);
    while (depth < 200 && json_walk_next(&walk)) {
        if (walk.is_object)
            (void)json_view_text_is(walk.key, "name", JSON_KEYS_FOLDED);
        walk_all(walk.value, depth + 1);
    }
}

/* The outermost level piece by piece. */
static gboolean read_pieces(const char *text, gsize length)
{
    JsonPieces pieces = json_pieces_start(text, length);
    JsonView view;

    if (json_pieces_enter(&pieces, '[')) {
        while (json_pieces_next(&pieces, ']') && json_pieces_value(&pieces, &view))
            walk_all(view, 0);
    } else if (json_pieces_enter(&pieces, '{')) {
        while (json_pieces_next(&pieces, '}') && json_pieces_key(&pieces, &view) &&
               json_pieces_value(&pieces, &view))
            walk_all(view, 0);
    } else {
        (void)json_pieces_value(&pieces, &view);
    }
    return json_pieces_end(&pieces, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    JsonView view, again;
    g_autofree char *compact = NULL;

    if (size < JSON_DEPTH_MAX) /* beyond, the pieces may be one level deeper */
        g_assert(read_pieces((const char *)data, size) ==
                 json_view_parse((const char *)data, size, JSON_ONE_VALUE, &view, NULL));
    if (!json_view_parse((const char *)data, size, JSON_FIRST_VALUE, &view, NULL))
        return 0;
    walk_all(view, 0);
    compact = json_view_compact_dup(view);
    g_assert(json_view_parse(compact, strlen(compact), JSON_ONE_VALUE, &again, NULL));
    g_assert(g_utf8_validate(compact, -1, NULL));
    return 0;
}
