/* What the agent decides without a loop: repair of texts, commands, retries, tokens, peers'
 * answers. */
#include "command_words.h"
#include "peer_answer.h"
#include "retry.h"
#include "token.h"
#include "utf8.h"
#include "utf8_boundary.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

/* Feeds `bytes` in pieces of `step` and returns what comes out. */
static char *repaired(const char *bytes, gsize length, gsize step)
{
    Utf8Repair repair = {0};
    TextBuffer out;

    text_buffer_init(&out, 3 * length + 12);
    for (gsize at = 0; at < length; at += step)
        utf8_repair_feed(&repair, bytes + at, MIN(step, length - at), &out);
    utf8_repair_end(&repair, &out);
    char *text = g_strdup(text_buffer_get(&out));
    text_buffer_clear(&out);
    return text;
}

static void test_repair_does_not_depend_on_the_pieces(void)
{
    static const struct {
        const char *bytes;
        gsize length;
        const char *wanted;
    } cases[] = {
        {"plain", 5, "plain"},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82", 14, "café € 🙂"},
        {"a\xff"
         "b",
         3,
         "a\xef\xbf\xbd"
         "b"},
        {"\xe2\x82", 2, "\xef\xbf\xbd"},
        {"\xe2\x82x", 3, "\xef\xbf\xbdx"},
        {"nul\0!", 5, "nul\xef\xbf\xbd!"},
        {"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        for (gsize step = 1; step <= cases[i].length; step++) {
            g_autofree char *text = repaired(cases[i].bytes, cases[i].length, step);
            g_assert_cmpstr(text, ==, cases[i].wanted);
        }
}

static void test_a_cut_never_halves_a_character(void)
{
    const char *text = "a\xe2\x82\xac"
                       "b";

    g_assert_cmpuint(utf8_boundary(text, 5, 0), ==, 0);
    g_assert_cmpuint(utf8_boundary(text, 5, 1), ==, 1);
    g_assert_cmpuint(utf8_boundary(text, 5, 3), ==, 1);
    g_assert_cmpuint(utf8_boundary(text, 5, 4), ==, 4);
    g_assert_cmpuint(utf8_boundary(text, 5, 99), ==, 5);
}

static void test_pauses_grow_to_an_end(void)
{
    g_assert_cmpint(retry_delay_ms(1, 0), ==, RETRY_FIRST_MS);
    g_assert_cmpint(retry_delay_ms(3, 0), ==, 4 * RETRY_FIRST_MS);
    g_assert_cmpint(retry_delay_ms(1000000, 0), ==, RETRY_LAST_MS);
    for (guint32 random = 0; random < 100000; random += 97)
        g_assert_cmpint(retry_delay_ms(50, random), <=, RETRY_LAST_MS + RETRY_LAST_MS / 4);
}

static void test_refusals_need_number_and_time(void)
{
    Refusals refusals = {0};

    g_assert_false(refusals_add(&refusals, 1000, 500));
    g_assert_false(refusals_add(&refusals, 9000, 500));
    g_assert_true(refusals_add(&refusals, 9001, 500));
    refusals_reset(&refusals);
    for (int i = 0; i < 10; i++)
        g_assert_false(refusals_add(&refusals, 1000 + i, 500));
}

static void test_tokens_that_can_be_sent(void)
{
    g_autofree char *long_one = g_strnfill(TOKEN_MAX_BYTES + 1, 'x');

    g_assert_true(token_is_valid("abc-_.~"));
    g_assert_false(token_is_valid(""));
    g_assert_false(token_is_valid("a b"));
    g_assert_false(token_is_valid("a\r\nb"));
    g_assert_false(token_is_valid("\xc3\xa9"));
    g_assert_false(token_is_valid(long_one));
}

static void test_commands_are_words_or_a_line(void)
{
    char **argv = NULL;
    char *error = NULL;

    g_assert_true(command_words_parse("[\"a b\",\"c\"]", &argv, &error));
    g_assert_cmpstr(argv[0], ==, "a b");
    g_assert_cmpstr(argv[1], ==, "c");
    g_assert_null(argv[2]);
    command_words_free(argv);
    g_assert_true(command_words_parse("echo hi | cat", &argv, &error));
    g_assert_cmpstr(argv[0], ==, COMMAND_SHELL);
    g_assert_cmpstr(argv[1], ==, "-c");
    g_assert_cmpstr(argv[2], ==, "echo hi | cat");
    command_words_free(argv);
    g_assert_false(command_words_parse("[]", &argv, &error));
    g_assert_nonnull(error);
    free(error);
}

static void test_answers_of_peers(void)
{
    static const struct {
        int status;
        const char *body;
        PeerOutcome outcome;
        const char *text;
    } cases[] = {
        {200, "{\"result\":{\"parts\":[{\"kind\":\"text\",\"text\":\"a\"}]}}", PEER_ANSWERED, "a"},
        {202, "{\"queued\":true}", PEER_QUEUED, NULL},
        {403, "{\"error\":\"no\"}", PEER_FAILED, "no"},
        {200, "{\"error\":{\"message\":\"m\"}}", PEER_FAILED, "m"},
        {200, "{\"result\":{}}", PEER_FAILED, NULL},
        {200, "[", PEER_FAILED, NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *text = NULL;
        g_assert_cmpint(
            peer_answer_read(cases[i].status, cases[i].body, strlen(cases[i].body), &text), ==,
            cases[i].outcome);
        g_assert_nonnull(text);
        if (cases[i].text != NULL)
            g_assert_cmpstr(text, ==, cases[i].text);
        free(text);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/agent/repair-does-not-depend-on-the-pieces",
                    test_repair_does_not_depend_on_the_pieces);
    g_test_add_func("/agent/a-cut-never-halves-a-character", test_a_cut_never_halves_a_character);
    g_test_add_func("/agent/pauses-grow-to-an-end", test_pauses_grow_to_an_end);
    g_test_add_func("/agent/refusals-need-number-and-time", test_refusals_need_number_and_time);
    g_test_add_func("/agent/tokens-that-can-be-sent", test_tokens_that_can_be_sent);
    g_test_add_func("/agent/commands-are-words-or-a-line", test_commands_are_words_or_a_line);
    g_test_add_func("/agent/answers-of-peers", test_answers_of_peers);
    return g_test_run();
}
