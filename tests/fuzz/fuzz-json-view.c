/* Any bytes as JSON: what the checker accepts must be walkable, and its compact form must be JSON
 * with the same meaning. */
#include "base/json_view.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    JsonView view, again;
    g_autofree char *compact = NULL;

    if (!json_view_parse((const char *)data, size, JSON_FIRST_VALUE, &view, NULL))
        return 0;
    walk_all(view, 0);
    compact = json_view_compact_dup(view);
    g_assert(json_view_parse(compact, strlen(compact), JSON_ONE_VALUE, &again, NULL));
    g_assert(g_utf8_validate(compact, -1, NULL));
    return 0;
}
