/* Ids, text helpers, keys and tokens, error prefixes. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/ids.h"
#include "base/text.h"

#include <string.h>

static void test_ids_fold_and_refuse(void)
{
    static const char *const bad[] = {
        "",
        "x",
        "7c9e6679742540de944be07fc1f90ae7",
        "{7c9e6679-7425-40de-944b-e07fc1f90ae7}",
        "urn:uuid:7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "7c9e6679-7425-40de-944b-e07fc1f90ae",
        "7c9e6679-7425-40de-944b-e07fc1f90ae7x",
        "7c9e6679-7425-40de-944b_e07fc1f90ae7",
        "gc9e6679-7425-40de-944b-e07fc1f90ae7",
    };
    char id[ID_SIZE] = "untouched";

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(id_fold(bad[i], id));
    g_assert_false(id_fold(NULL, id));
    g_assert_cmpstr(id, ==, "untouched");
    g_assert_true(id_fold("7C9E6679-7425-40DE-944B-E07FC1F90AE7", id));
    g_assert_cmpstr(id, ==, "7c9e6679-7425-40de-944b-e07fc1f90ae7");
    id_make(id);
    g_assert_true(id_fold(id, id));
    g_assert_cmpint(id[14], ==, '4');
}

static void test_slugs(void)
{
    static const char *const cases[][2] = {
        {"Frontend Engineer", "frontend-engineer"},
        {"  Extra  Spaces  ", "extra-spaces"},
        {"Role (with parens)", "role-with-parens"},
        {"em\u2014dash", "em-dash"},
        {"---weird---", "weird"},
        {"\u2014", ""},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *slug = text_slug_dup(cases[i][0]);
        g_assert_cmpstr(slug, ==, cases[i][1]);
    }
}

static void test_cutting_never_splits_a_character(void)
{
    const char *text = "a\u00e9\u20ac"; /* 1 + 2 + 3 bytes */

    g_assert_cmpuint(text_prefix_length(text, 6, 6), ==, 6);
    g_assert_cmpuint(text_prefix_length(text, 6, 5), ==, 3);
    g_assert_cmpuint(text_prefix_length(text, 6, 2), ==, 1);
    g_assert_cmpuint(text_prefix_length(text, 6, 0), ==, 0);
    g_assert_cmpstr(text_suffix(text, 6, 4), ==, "\u20ac");
    g_assert_cmpstr(text_suffix(text, 6, 99), ==, text);
}

static void test_repair(void)
{
    g_autofree char *repaired = text_repair_dup("a\0b\xff\xc3", 5);

    g_assert_cmpstr(repaired, ==, "a\uFFFDb\uFFFD\uFFFD");
}

static void test_integers_and_booleans(void)
{
    gint64 value = 0;
    gboolean flag = FALSE;

    g_assert_true(text_parse_int("+5", 0, 10, &value));
    g_assert_cmpint(value, ==, 5);
    g_assert_true(text_parse_int("-5", -10, 10, &value));
    g_assert_false(text_parse_int("+-5", -10, 10, &value));
    g_assert_false(text_parse_int("11", 0, 10, &value));
    g_assert_false(text_parse_int("", 0, 10, &value));
    g_assert_false(text_parse_int("1.5", 0, 10, &value));
    g_assert_true(text_parse_bool("T", &flag));
    g_assert_true(flag);
    g_assert_false(text_parse_bool("yes", &flag));
}

static void test_keys(void)
{
    guint8 key[CRYPTO_KEY_SIZE];
    g_autoptr(GError) error = NULL;

    g_assert_true(crypto_key_parse("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", key, NULL));
    g_assert_cmpmem(key, 32, "01234567890123456789012345678901", 32);
    g_assert_true(crypto_key_parse("0123456789abcdef0123456789abcdef", key, NULL));
    g_assert_false(crypto_key_parse("c2hvcnQ=", key, &error));
    g_assert_true(error_is(error, ERROR_INVALID));
}

static void test_sealing(void)
{
    guint8 key[CRYPTO_KEY_SIZE];
    g_autoptr(GBytes) sealed = NULL;
    g_autoptr(GBytes) opened = NULL;
    g_autofree guint8 *spoiled = NULL;
    gsize size = 0;

    crypto_random(key, sizeof key);
    sealed = crypto_seal(key, "secret", 6);
    g_assert_cmpuint(g_bytes_get_size(sealed), ==, 12 + 6 + 16);
    opened = crypto_open(key, g_bytes_get_data(sealed, NULL), g_bytes_get_size(sealed), NULL);
    g_assert_cmpmem(g_bytes_get_data(opened, NULL), g_bytes_get_size(opened), "secret", 6);
    spoiled = g_memdup2(g_bytes_get_data(sealed, &size), g_bytes_get_size(sealed));
    spoiled[14] ^= 1;
    g_assert_null(crypto_open(key, spoiled, size, NULL));
    g_assert_null(crypto_open(key, spoiled, 27, NULL));
}

static void test_tokens(void)
{
    char token[CRYPTO_TOKEN_SIZE];

    crypto_token_make(token);
    g_assert_cmpuint(strlen(token), ==, 43);
    g_assert_cmpuint(
        strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), ==, 43);
    g_assert_true(crypto_equal(token, token));
    g_assert_false(crypto_equal(token, NULL));
    g_assert_false(crypto_equal("a", "b"));
}

static void test_prefixes_leave_outcomes_alone(void)
{
    g_autoptr(GError) outcome = NULL;
    g_autoptr(GError) fault = NULL;

    error_set(&outcome, ERROR_NOT_FOUND, "workspace not found");
    error_prefix(&outcome, "seed %d", 1);
    g_assert_cmpstr(outcome->message, ==, "workspace not found");
    error_set(&fault, ERROR_UNAVAILABLE, "refused");
    error_prefix(&fault, "seed %d", 1);
    g_assert_cmpstr(fault->message, ==, "seed 1: refused");
    g_assert_false(error_prefix(NULL, "x"));
}

static void test_times(void)
{
    char text[CLOCK_TEXT_SIZE];

    g_assert_cmpstr(clock_format(0, text), ==, "1970-01-01T00:00:00Z");
    g_assert_cmpstr(clock_format(G_GINT64_CONSTANT(1767323045000001), text), ==,
                    "2026-01-02T03:04:05.000001Z");
    g_assert_cmpstr(clock_format(-1, text), ==, "1969-12-31T23:59:59.999999Z");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/text/ids-fold-and-refuse", test_ids_fold_and_refuse);
    g_test_add_func("/text/slugs", test_slugs);
    g_test_add_func("/text/cutting-never-splits-a-character",
                    test_cutting_never_splits_a_character);
    g_test_add_func("/text/repair", test_repair);
    g_test_add_func("/text/integers-and-booleans", test_integers_and_booleans);
    g_test_add_func("/crypto/keys", test_keys);
    g_test_add_func("/crypto/sealing", test_sealing);
    g_test_add_func("/crypto/tokens", test_tokens);
    g_test_add_func("/errors/prefixes-leave-outcomes-alone", test_prefixes_leave_outcomes_alone);
    g_test_add_func("/clock/times", test_times);
    return g_test_run();
}
