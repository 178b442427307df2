/* Routes found and not found; request targets taken apart. */
#include "http/router.h"
#include "http/target.h"

#include <string.h>

static const RouterRow rows[] = {
    {"GET", "/", FALSE},
    {"GET", "/health", TRUE},
    {"GET", "/workspaces", FALSE},
    {"POST", "/workspaces", FALSE},
    {"GET", "/workspaces/:id", FALSE},
    {"DELETE", "/workspaces/:id", FALSE},
    {"GET", "/workspaces/:id/files", FALSE},
    {"GET", "/workspaces/:id/files/*path", FALSE},
    {"PUT", "/workspaces/:id/files/*path", FALSE},
    {"POST", "/workspaces/import", FALSE},
    {"POST", "/workspaces/:id/tokens/:token/revoke/:reason", FALSE},
    {"GET", "/workspaces/:id/tokens/latest", FALSE},
    {"GET", "/org/tokens/", FALSE},
    {"GET", "/ui/*rest", TRUE},
};

static Router *router;

static RouterMatch look_up(const char *method, const char *path)
{
    RouterMatch match;

    router_match(router, method, path, &match);
    return match;
}

static void assert_found(const char *method, const char *path, const char *row)
{
    RouterMatch match = look_up(method, path);

    g_assert_cmpint(match.outcome, ==, ROUTER_FOUND);
    g_assert_cmpstr(rows[match.index].path, ==, row);
}

static void assert_parameter(const RouterMatch *match, guint at, const char *name,
                             const char *value)
{
    g_autofree char *found = NULL;

    g_assert_cmpuint(at, <, match->parameter_count);
    found = g_strndup(match->parameters[at].value, match->parameters[at].length);
    g_assert_cmpstr(match->parameters[at].name, ==, name);
    g_assert_cmpstr(found, ==, value);
}

static void test_literals_beat_parameters(void)
{
    assert_found("GET", "/", "/");
    assert_found("GET", "/workspaces", "/workspaces");
    assert_found("GET", "/workspaces/import", "/workspaces/:id"); /* only POST is literal */
    assert_found("POST", "/workspaces/import", "/workspaces/import");
    assert_found("GET", "/workspaces/7/tokens/latest", "/workspaces/:id/tokens/latest");
    assert_found("POST", "/workspaces/7/tokens/latest/revoke/x",
                 "/workspaces/:id/tokens/:token/revoke/:reason");
}

static void test_parameters_are_named(void)
{
    RouterMatch match = look_up("POST", "/workspaces/w 1/tokens/t/revoke/because");

    g_assert_cmpint(match.outcome, ==, ROUTER_FOUND);
    g_assert_cmpuint(match.parameter_count, ==, 3);
    assert_parameter(&match, 0, "id", "w 1");
    assert_parameter(&match, 1, "token", "t");
    assert_parameter(&match, 2, "reason", "because");
    match = look_up("GET", "/workspaces/7/files/a/b.txt");
    assert_parameter(&match, 0, "id", "7");
    assert_parameter(&match, 1, "path", "/a/b.txt");
    match = look_up("GET", "/workspaces/7/files/");
    assert_parameter(&match, 1, "path", "/");
    match = look_up("GET", "/workspaces/7/files");
    g_assert_cmpstr(rows[match.index].path, ==, "/workspaces/:id/files");
}

static void test_nothing_is_folded(void)
{
    static const char *const strangers[] = {
        "/Health",     "/health/",      "//health",
        "/./health",   "/workspaces/",  "/workspaces//files",
        "/org/tokens", "/org/tokens/x", "",
        "health",      "/ui",           "/workspaces/7/",
    };

    for (guint i = 0; i < G_N_ELEMENTS(strangers); i++)
        g_assert_cmpint(look_up("GET", strangers[i]).outcome, ==, ROUTER_NO_ROUTE);
    assert_found("GET", "/workspaces/7/files/../x", "/workspaces/:id/files/*path");
    assert_found("GET", "/org/tokens/", "/org/tokens/");
}

static void test_wrong_methods_are_told_the_right_ones(void)
{
    RouterMatch match = look_up("PATCH", "/workspaces/7");

    g_assert_cmpint(match.outcome, ==, ROUTER_WRONG_METHOD);
    g_assert_cmpstr(match.allow, ==, "GET, DELETE");
    g_assert_cmpstr(look_up("POST", "/health").allow, ==, "GET, HEAD");
    g_assert_cmpstr(look_up("PATCH", "/workspaces/import").allow, ==, "POST, GET, DELETE");
    g_assert_cmpstr(look_up("GET", "/health").allow, ==, "");
    g_assert_cmpint(look_up("get", "/health").outcome, ==, ROUTER_WRONG_METHOD);
}

static void test_head_is_answered_where_the_row_says(void)
{
    assert_found("HEAD", "/health", "/health");
    assert_found("HEAD", "/ui/x/y", "/ui/*rest");
    g_assert_cmpint(look_up("HEAD", "/workspaces").outcome, ==, ROUTER_WRONG_METHOD);
}

static void test_a_row_twice_aborts(void)
{
    static const RouterRow twice[] = {{"GET", "/a/:b", FALSE}, {"GET", "/a/:c", FALSE}};

    if (g_test_subprocess()) {
        router_free(router_new(twice, G_N_ELEMENTS(twice)));
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_failed();
}

/* ---- Targets ---- */

static void test_targets_are_taken_apart(void)
{
    HttpTarget target;

    g_assert_true(http_target_parse("/a%20b/c?x=1&y", &target));
    g_assert_cmpuint(target.path_length, ==, strlen("/a%20b/c"));
    g_assert_cmpstr(target.query, ==, "x=1&y");
    g_assert_true(http_target_parse("http://example.com:8080?q", &target));
    g_assert_cmpuint(target.host_length, ==, strlen("example.com:8080"));
    g_assert_cmpstr(target.query, ==, "q");
    g_assert_true(http_target_parse("HTTPS://h/p", &target));
    g_assert_true(http_target_parse("*", &target));
    g_assert_true(target.is_asterisk);
}

static void test_odd_targets_are_refused(void)
{
    static const char *const odd[] = {
        "",        "a",         "/a b",     "/a\tb",       "/a#b",  "/a\x7f",
        "http://", "http:///x", "ftp://h/", "http://u@h/", "\x01/", "**",
    };
    HttpTarget target;

    for (guint i = 0; i < G_N_ELEMENTS(odd); i++)
        if (http_target_parse(odd[i], &target))
            g_error("%s was taken", odd[i]);
}

static void test_queries_are_decoded(void)
{
    char query[] = "a=1&b=x+y%21&c&bad=%zz&a=2&s=1;t=2&=e&nul=%00&";
    HttpQueryPair pairs[16];
    guint count = http_query_parse(query, pairs, G_N_ELEMENTS(pairs));

    g_assert_cmpuint(count, ==, 5);
    g_assert_cmpstr(pairs[0].value, ==, "1");
    g_assert_cmpstr(pairs[1].value, ==, "x y!");
    g_assert_cmpstr(pairs[2].name, ==, "c");
    g_assert_cmpstr(pairs[2].value, ==, "");
    g_assert_cmpstr(pairs[3].value, ==, "2");
    g_assert_cmpstr(pairs[4].value, ==, "e");
}

int main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    router = router_new(rows, G_N_ELEMENTS(rows));
    g_test_add_func("/http/router/literals-beat-parameters", test_literals_beat_parameters);
    g_test_add_func("/http/router/parameters-are-named", test_parameters_are_named);
    g_test_add_func("/http/router/nothing-is-folded", test_nothing_is_folded);
    g_test_add_func("/http/router/wrong-methods-are-told-the-right-ones",
                    test_wrong_methods_are_told_the_right_ones);
    g_test_add_func("/http/router/head-is-answered-where-the-row-says",
                    test_head_is_answered_where_the_row_says);
    g_test_add_func("/http/router/a-row-twice-aborts", test_a_row_twice_aborts);
    g_test_add_func("/http/target/targets-are-taken-apart", test_targets_are_taken_apart);
    g_test_add_func("/http/target/odd-targets-are-refused", test_odd_targets_are_refused);
    g_test_add_func("/http/target/queries-are-decoded", test_queries_are_decoded);
    result = g_test_run();
    router_free(router);
    return result;
}
