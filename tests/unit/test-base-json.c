/* Reading and writing JSON: strictness, digits, text that is no text, the border cases of spec 01
 * section 1. */
#include "base/errors.h"
#include "base/json_out.h"
#include "base/json_pieces.h"
#include "base/json_view.h"

#include <string.h>

static JsonView parse(const char *text)
{
    JsonView view = {0};
    g_assert_true(json_view_parse(text, strlen(text), JSON_FIRST_VALUE, &view, NULL));
    return view;
}

static void test_refuses_what_is_not_json(void)
{
    static const char *const bad[] = {
        "",         " ",          "\xEF\xBB\xBF{}", "{",   "[1,]", "{\"a\"}",
        "{\"a\":}", "{a:1}",      "[01]",           "1.",  "-",    "+1",
        "\"\x01\"", "\"\\x\"",    "\"\\u12\"",      "tru", "nul",  "'a'",
        "[1 2]",    "{\"a\":1,}", "\"open",         "]",   "NaN",  "1e",
    };
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        JsonView view;
        g_assert_false(json_view_parse(bad[i], strlen(bad[i]), JSON_FIRST_VALUE, &view, &error));
        g_assert_true(error_is(error, ERROR_INVALID));
    }
}

static void test_only_the_first_value_counts_unless_asked(void)
{
    g_autoptr(GError) error = NULL;
    JsonView view;

    g_assert_true(json_view_parse("{} garbage", 10, JSON_FIRST_VALUE, &view, NULL));
    g_assert_false(json_view_parse("{} x", 4, JSON_ONE_VALUE, &view, &error));
    g_assert_true(json_view_parse(" {} \n", 5, JSON_ONE_VALUE, &view, NULL));
}

static void test_depth_has_a_limit(void)
{
    GString *text = g_string_new(NULL);
    JsonView view;

    for (guint i = 0; i < JSON_DEPTH_MAX; i++)
        g_string_append_c(text, '[');
    for (guint i = 0; i < JSON_DEPTH_MAX; i++)
        g_string_append_c(text, ']');
    g_assert_true(json_view_parse(text->str, text->len, JSON_ONE_VALUE, &view, NULL));
    g_string_prepend_c(text, '[');
    g_string_append_c(text, ']');
    g_assert_false(json_view_parse(text->str, text->len, JSON_ONE_VALUE, &view, NULL));
    g_string_free(text, TRUE);
}

static void test_keys_fold_and_the_last_wins(void)
{
    JsonView object = parse("{\"Name\":1,\"name\":2,\"n\\u0061me\":3}");
    JsonView value;
    gint64 number = 0;

    g_assert_true(json_view_member(object, "NAME", JSON_KEYS_FOLDED, &value));
    g_assert_true(json_view_int(value, &number));
    g_assert_cmpint(number, ==, 3);
    g_assert_true(json_view_member(object, "Name", JSON_KEYS_EXACT, &value));
    g_assert_true(json_view_int(value, &number));
    g_assert_cmpint(number, ==, 1);
    g_assert_false(json_view_member(object, "other", JSON_KEYS_FOLDED, &value));
}

static void test_integers_are_plain_tokens(void)
{
    static const struct {
        const char *text;
        gboolean ok;
        gint64 value;
    } cases[] = {
        {"0", TRUE, 0},
        {"-3", TRUE, -3},
        {"9223372036854775807", TRUE, G_MAXINT64},
        {"-9223372036854775808", TRUE, G_MININT64},
        {"9223372036854775808", FALSE, 0},
        {"1.0", FALSE, 0},
        {"1e3", FALSE, 0},
        {"\"1\"", FALSE, 0},
        {"true", FALSE, 0},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        gint64 value = 0;
        g_assert_cmpint(json_view_int(parse(cases[i].text), &value), ==, cases[i].ok);
        g_assert_cmpint(value, ==, cases[i].value);
    }
}

static void test_text_is_always_valid(void)
{
    static const struct {
        const char *json, *text;
        gboolean nul;
    } cases[] = {
        {"\"a\\n\\\"\\u00e9\"", "a\n\"\u00e9", FALSE},
        {"\"\\ud83d\\ude00\"", "\U0001F600", FALSE},
        {"\"\\ud83dx\"", "\uFFFDx", FALSE},
        {"\"\\ude00\\ud83d\"", "\uFFFD\uFFFD", FALSE},
        {"\"a\\u0000b\"", "a\uFFFDb", TRUE},
        {"\"\xff\"", "\uFFFD", FALSE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        gboolean nul = FALSE;
        g_autofree char *text = json_view_text_dup(parse(cases[i].json), &nul);
        g_assert_cmpstr(text, ==, cases[i].text);
        g_assert_cmpint(nul, ==, cases[i].nul);
    }
}

static void test_compacting_keeps_digits_and_order(void)
{
    g_autofree char *compact = json_view_compact_dup(
        parse(" { \"z\" : 1.50 , \"a\" : [ 12345678901234567890123 , \"x y\" , \"\\u0000\" ] } "));

    g_assert_cmpstr(compact, ==,
                    "{\"z\":1.50,\"a\":[12345678901234567890123,\"x y\",\"\\ufffd\"]}");
}

static void check_double(double value, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_double(&out, NULL, value);
    g_assert_cmpstr(text->str, ==, expected);
}

static void test_doubles_are_shortest(void)
{
    check_double(100.0, "100");
    check_double(0.8, "0.8");
    check_double(-0.5, "-0.5");
    check_double(0.1 + 0.2, "0.30000000000000004");
    check_double(1e-6, "0.000001");
    check_double(1e-7, "1e-7");
    check_double(1.5e-7, "1.5e-7");
    check_double(1e20, "100000000000000000000");
    check_double(1e21, "1e+21");
    check_double(123456.789, "123456.789");
    check_double(1.0 / 0.0, "0");
    check_double(5e-324, "5e-324");
    check_double(1.7976931348623157e308, "1.7976931348623157e+308");
}

static void test_writing_is_compact(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "id", "a\"\\\n\x01\xff");
    json_out_array(&out, "list");
    json_out_int(&out, NULL, -5);
    json_out_bool(&out, NULL, TRUE);
    json_out_object(&out, NULL);
    json_out_end(&out);
    json_out_end(&out);
    json_out_raw(&out, "raw", "{\"x\":1}");
    json_out_raw(&out, "none", NULL);
    json_out_time(&out, "never", 0);
    json_out_time(&out, "time", G_GINT64_CONSTANT(1767323045678000));
    json_out_end(&out);
    g_assert_cmpstr(text->str, ==,
                    "{\"id\":\"a\\\"\\\\\\n\\u0001\uFFFD\",\"list\":[-5,true,{}],\"raw\":{\"x\":1},"
                    "\"none\":null,\"never\":null,\"time\":\"2026-01-02T03:04:05.678Z\"}");
}

/* Whole, and piece by piece: the same texts are JSON. */
static gboolean is_json_in_pieces(const char *text, gsize length)
{
    JsonPieces pieces = json_pieces_start(text, length);
    JsonView view;

    if (json_pieces_enter(&pieces, '['))
        while (json_pieces_next(&pieces, ']') && json_pieces_value(&pieces, &view))
            continue;
    else if (json_pieces_enter(&pieces, '{'))
        while (json_pieces_next(&pieces, '}') && json_pieces_key(&pieces, &view) &&
               json_pieces_value(&pieces, &view))
            continue;
    else
        (void)json_pieces_value(&pieces, &view);
    return json_pieces_end(&pieces, NULL);
}

static void test_pieces_accept_what_the_whole_does(void)
{
    static const char *const texts[] = {
        "",
        " ",
        "[]",
        " [ ] ",
        "[1]",
        "[1,2]",
        "[1 2]",
        "[1,]",
        "[,1]",
        "[",
        "[1",
        "[1,",
        "]",
        "[]]",
        "[] x",
        "{}",
        "{\"a\":1}",
        "{\"a\":1,}",
        "{\"a\"}",
        "{\"a\" 1}",
        "{\"a\":}",
        "{1:2}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1]",
        "[{\"a\":[]}]",
        "[1}",
        "null",
        "nul",
        "\"text\"",
        "\"text",
        "7 7",
        "[\"a\\\"\"]",
        " {\"a\" : [ 1 , {} ] , \"b\" : null } ",
    };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        JsonView view;
        gboolean is_json = json_view_parse(texts[i], strlen(texts[i]), JSON_ONE_VALUE, &view, NULL);

        g_assert_cmpint(is_json_in_pieces(texts[i], strlen(texts[i])), ==, is_json);
    }
}

static void test_pieces_skip_what_is_known(void)
{
    static const char known[] = "{\"a\":[1,2]}";
    static const char text[] = "[ {\"a\":[1,2]} , {\"a\":[1,3]},{\"a\":[1,2]}]";
    JsonPieces pieces = json_pieces_start(text, sizeof text - 1);
    JsonPieces cut = json_pieces_start(known, sizeof known - 2);
    JsonView value;

    g_assert_false(json_pieces_skip(&cut, known, sizeof known - 1));
    g_assert_true(json_pieces_enter(&pieces, '['));
    g_assert_true(json_pieces_next(&pieces, ']'));
    g_assert_true(json_pieces_skip(&pieces, known, sizeof known - 1));
    g_assert_false(json_pieces_skip(&pieces, known, sizeof known - 1)); /* a comma comes first */
    g_assert_true(json_pieces_next(&pieces, ']'));
    g_assert_false(json_pieces_skip(&pieces, known, sizeof known - 1));
    g_assert_true(json_pieces_value(&pieces, &value));
    g_assert_cmpint(json_view_kind(value), ==, JSON_KIND_OBJECT);
    g_assert_true(json_pieces_next(&pieces, ']'));
    g_assert_true(json_pieces_skip(&pieces, known, sizeof known - 1));
    g_assert_false(json_pieces_next(&pieces, ']'));
    g_assert_true(json_pieces_end(&pieces, NULL));
}

static void test_pieces_say_where_the_fault_is(void)
{
    static const char text[] = "[{}, nul]";
    JsonPieces pieces = json_pieces_start(text, sizeof text - 1);
    g_autoptr(GError) error = NULL;
    JsonView value;

    g_assert_true(json_pieces_enter(&pieces, '['));
    while (json_pieces_next(&pieces, ']') && json_pieces_value(&pieces, &value))
        continue;
    g_assert_false(json_pieces_next(&pieces, ']')); /* it stays at its first fault */
    g_assert_false(json_pieces_end(&pieces, &error));
    g_assert_true(error_is(error, ERROR_INVALID));
    g_assert_cmpstr(error->message, ==, "invalid JSON: bad value at byte 5");
}

/* Whatever stands before them, control characters and quotes are found in each place of a word. */
static void test_strings_are_checked_everywhere(void)
{
    for (guint length = 0; length < 40; length++)
        for (guint place = 0; place < length; place++)
            for (guint byte = 1; byte < 256; byte++) {
                g_autofree char *text = g_strnfill(length + 2, (char)(0x80 + length));
                gboolean is_bad = byte < 0x20 || byte == '"' || byte == '\\';
                JsonView view;

                text[0] = text[length + 1] = '"';
                text[1 + place] = (char)byte;
                if (byte == '\\' && place + 1 < length)
                    text[2 + place] = 'n', is_bad = FALSE;
                g_assert_cmpint(json_view_parse(text, length + 2, JSON_ONE_VALUE, &view, NULL), ==,
                                !is_bad);
            }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/pieces/same", test_pieces_accept_what_the_whole_does);
    g_test_add_func("/json/pieces/skip", test_pieces_skip_what_is_known);
    g_test_add_func("/json/pieces/fault", test_pieces_say_where_the_fault_is);
    g_test_add_func("/json/view/strings-are-checked-everywhere",
                    test_strings_are_checked_everywhere);
    g_test_add_func("/json/refuses-what-is-not-json", test_refuses_what_is_not_json);
    g_test_add_func("/json/only-the-first-value-counts-unless-asked",
                    test_only_the_first_value_counts_unless_asked);
    g_test_add_func("/json/depth-has-a-limit", test_depth_has_a_limit);
    g_test_add_func("/json/keys-fold-and-the-last-wins", test_keys_fold_and_the_last_wins);
    g_test_add_func("/json/integers-are-plain-tokens", test_integers_are_plain_tokens);
    g_test_add_func("/json/text-is-always-valid", test_text_is_always_valid);
    g_test_add_func("/json/compacting-keeps-digits-and-order",
                    test_compacting_keeps_digits_and_order);
    g_test_add_func("/json/doubles-are-shortest", test_doubles_are_shortest);
    g_test_add_func("/json/writing-is-compact", test_writing_is_compact);
    return g_test_run();
}
