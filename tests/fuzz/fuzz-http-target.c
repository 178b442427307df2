/* Any bytes as a request target: what is taken must lie within the text, decode to no more than its
 * length, and mean the same twice. */
#include "http/target.h"

#include <stdint.h>
#include <string.h>

#define PAIRS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const HttpTarget *target)
{
    g_autofree char *decoded = g_malloc(target->path_length + 1);

    g_assert(target->path[0] == '/');
    if (http_path_decode(target->path, target->path_length, decoded))
        g_assert(strlen(decoded) <= target->path_length);
}

static void check_query(const char *query)
{
    g_autofree char *copy = g_strdup(query);
    HttpQueryPair pairs[PAIRS_MAX];
    guint count = http_query_parse(copy, pairs, PAIRS_MAX);

    g_assert(count <= http_query_count(query));
    for (guint i = 0; i < count; i++)
        g_assert(strlen(pairs[i].name) + strlen(pairs[i].value) <= strlen(query));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    HttpTarget target;

    check_query(text);
    if (!http_target_parse(text, &target) || target.is_asterisk)
        return 0;
    check_path(&target);
    if (target.host)
        g_assert(target.host_length > 0 && target.host > text);
    if (target.query)
        check_query(target.query);
    return 0;
}
