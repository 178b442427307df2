/* Merging the free configuration document. */
#include "lifecycle/settings.h"

#include <string.h>

static char *merge(const char *document, const char *patch, GError **error)
{
    JsonView view;

    g_assert_true(json_view_parse(patch, strlen(patch), JSON_ONE_VALUE, &view, NULL));
    return config_document_merge(document, view, error);
}

static void assert_merged(const char *document, const char *patch, const char *wanted)
{
    g_autofree char *merged = merge(document, patch, NULL);

    g_assert_cmpstr(merged, ==, wanted);
}

static void test_top_level_members_replace(void)
{
    assert_merged(NULL, "{ }", "{}");
    assert_merged(NULL, "{\"a\": {\"x\": 1}}", "{\"a\":{\"x\":1}}");
    assert_merged("{\"a\":{\"x\":1},\"b\":2}", "{\"a\":{\"y\":2}}", "{\"a\":{\"y\":2},\"b\":2}");
    assert_merged("{\"a\":1}", "{\"a\":null}", "{\"a\":null}");
    assert_merged("{\"a\":1}", "{\"A\":2}", "{\"a\":1,\"A\":2}");
    assert_merged(NULL, "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}");
    assert_merged("{\"\\u0061\":1}", "{\"a\":2}", "{\"a\":2}");
}

static void test_numbers_keep_their_digits(void)
{
    assert_merged("{\"a\":12345678901234567890123}", "{\"b\":1.50}",
                  "{\"a\":12345678901234567890123,\"b\":1.50}");
}

static void test_a_foreign_document_ends(void)
{
    assert_merged("[1]", "{\"a\":1}", "{\"a\":1}");
    assert_merged("", "{\"a\":1}", "{\"a\":1}");
}

static void test_the_result_is_bounded(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *filler = g_strnfill(CONFIG_DOCUMENT_MAX_BYTES - strlen("{\"a\":\"\"}"), 'x');
    g_autofree char *longest = g_strdup_printf("{\"a\":\"%s\"}", filler);
    g_autofree char *kept = merge(NULL, longest, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(kept, ==, longest);
    g_assert_null(merge(longest, "{\"b\":1}", &error));
    g_assert_true(error_is(error, ERROR_TOO_LARGE));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lifecycle/settings/top-level-members-replace",
                    test_top_level_members_replace);
    g_test_add_func("/lifecycle/settings/numbers-keep-their-digits",
                    test_numbers_keep_their_digits);
    g_test_add_func("/lifecycle/settings/a-foreign-document-ends", test_a_foreign_document_ends);
    g_test_add_func("/lifecycle/settings/the-result-is-bounded", test_the_result_is_bounded);
    return g_test_run();
}
