/* Any method and path against a table: what is found must be a row of that method whose literals
 * stand in the path, in its length. */
#include "http/router.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const RouterRow rows[] = {
    {"GET", "/", FALSE},
    {"GET", "/a", TRUE},
    {"GET", "/a/", FALSE},
    {"POST", "/a/:x", FALSE},
    {"GET", "/a/:x/b", FALSE},
    {"GET", "/a/c/:y", TRUE},
    {"PUT", "/a/:x/:y", FALSE},
    {"GET", "/a/:x/:y/:z/d", FALSE},
    {"DELETE", "/a/:x/*rest", FALSE},
    {"GET", "/*all", FALSE},
    {"POST", "/e/f/g/h", FALSE},
};

/* Puts the path together again from the row and what its parameters matched. */
static void check_found(const RouterMatch *match, const char *path)
{
    g_autoptr(GString) again = g_string_new(NULL);
    guint next = 0;

    for (const char *at = rows[match->index].path; *at;) {
        const char *segment = at + 1;
        gsize length = strcspn(segment, "/");
        if (*segment != '*')
            g_string_append_c(again, '/');
        if (*segment == ':' || *segment == '*') {
            const RouterParameter *parameter = &match->parameters[next++];
            g_assert(strncmp(parameter->name, segment + 1, length - 1) == 0);
            g_assert(parameter->length > 0);
            g_string_append_len(again, parameter->value, (gssize)parameter->length);
        } else {
            g_string_append_len(again, segment, (gssize)length);
        }
        at = segment + length;
    }
    g_assert(next == match->parameter_count);
    g_assert_cmpstr(again->str, ==, path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Router *router;
    g_autofree char *method = g_strndup((const char *)data, size);
    char *path = strchr(method, ' ');
    RouterMatch match;

    if (!router)
        router = router_new(rows, G_N_ELEMENTS(rows));
    if (!path)
        return 0;
    *path++ = '\0';
    router_match(router, method, path, &match);
    if (match.outcome == ROUTER_FOUND)
        check_found(&match, path);
    if (match.outcome == ROUTER_FOUND && strcmp(method, "HEAD") != 0)
        g_assert_cmpstr(rows[match.index].method, ==, method);
    g_assert((match.outcome == ROUTER_WRONG_METHOD) == (match.allow[0] != '\0'));
    return 0;
}
