#include "base/redact.h"

static void assert_redacted(const char *text, const char *expected)
{
    g_autofree char *result = redact_dup(text, NULL);

    g_assert_cmpstr(result, ==, expected);
}

static void test_pinned_replacements(void)
{
    assert_redacted("OPENAI_API_KEY=sk-1234567890abcdefgh", "[REDACTED:API_KEY]");
    assert_redacted("MY_SERVICE_TOKEN=ghp_abcdef", "[REDACTED:TOKEN]");
    assert_redacted("DATABASE_SECRET=supersecret", "[REDACTED:SECRET]");
    assert_redacted("Authorization: Bearer ghp_x", "Authorization: [REDACTED:BEARER_TOKEN]");
    assert_redacted("a sk-1234567890123456 b ctx7_abc",
                    "a [REDACTED:SK_TOKEN] b [REDACTED:CTX7_TOKEN]");
}

static void test_plain_text_stays(void)
{
    assert_redacted("An ordinary sentence, naïve and short.",
                    "An ordinary sentence, naïve and short.");
    assert_redacted("7c9e6679-7425-40de-944b-e07fc1f90ae7", "7c9e6679-7425-40de-944b-e07fc1f90ae7");
    assert_redacted("", "");
}

static void test_classes_that_fired_are_named(void)
{
    g_autofree char *classes = NULL;
    g_autofree char *none = NULL;
    g_autofree char *a = redact_dup("X_TOKEN=1 and Bearer y", &classes);
    g_autofree char *b = redact_dup("nothing here", &none);

    g_assert_cmpstr(classes, ==, "TOKEN,BEARER_TOKEN");
    g_assert_null(none);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/redact/pinned-replacements", test_pinned_replacements);
    g_test_add_func("/redact/plain-text-stays", test_plain_text_stays);
    g_test_add_func("/redact/classes-that-fired-are-named", test_classes_that_fired_are_named);
    return g_test_run();
}
