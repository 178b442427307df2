#include "base/errors.h"

#include <string.h>

static void test_every_reason_has_its_words(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    g_assert_cmpstr(reason_word(REASON_NONE), ==, "");
    for (guint i = 1; i < REASON_COUNT; i++) {
        const char *word = reason_word((Reason)i);
        const char *sentence = reason_sentence((Reason)i);
        const char *hint = reason_hint((Reason)i);

        g_test_message("%s: %s. %s", word, sentence, hint);
        g_assert_true(g_hash_table_add(seen, (char *)word));
        g_assert_cmpuint(strspn(word, "abcdefghijklmnopqrstuvwxyz_"), ==, strlen(word));
        g_assert_false(g_str_has_suffix(sentence, "."));
        g_assert_true(g_str_has_suffix(hint, "."));
        g_assert_cmpint(reason_parse(word), ==, i);
    }
}

static void test_foreign_words_are_no_reason(void)
{
    g_assert_cmpint(reason_parse(NULL), ==, REASON_NONE);
    g_assert_cmpint(reason_parse(""), ==, REASON_NONE);
    g_assert_cmpint(reason_parse("OUT_OF_MEMORY"), ==, REASON_NONE);
    g_assert_cmpstr(reason_word((Reason)9999), ==, "start_failed");
}

static void test_an_end_is_classified_by_its_facts(void)
{
    static const struct {
        gint64 exit_code;
        gboolean out_of_memory;
        Reason reason;
        const char *sentence;
    } cases[] = {
        {0, FALSE, REASON_EXIT_CODE, "the container ended with exit code 0"},
        {3, FALSE, REASON_EXIT_CODE, "the container ended with exit code 3"},
        {128, FALSE, REASON_EXIT_CODE, "the container ended with exit code 128"},
        {255, FALSE, REASON_EXIT_CODE, "the container ended with exit code 255"},
        {-1, FALSE, REASON_EXIT_CODE, "the container ended with exit code -1"},
        {126, FALSE, REASON_COMMAND_NOT_EXECUTABLE, "the container's command may not be run"},
        {127, FALSE, REASON_COMMAND_NOT_FOUND, "the container's command is not in its image"},
        {137, FALSE, REASON_KILLED, "the container was killed by signal 9"},
        {143, FALSE, REASON_KILLED, "the container was killed by signal 15"},
        {137, TRUE, REASON_OUT_OF_MEMORY, "the container ran out of memory"},
        {1, TRUE, REASON_OUT_OF_MEMORY, "the container ran out of memory"},
        {0, TRUE, REASON_EXIT_CODE, "the container ended with exit code 0"},
        {143, TRUE, REASON_KILLED, "the container was killed by signal 15"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        Reason reason = reason_of_exit(cases[i].exit_code, cases[i].out_of_memory);
        g_autofree char *sentence = reason_exit_sentence_dup(reason, cases[i].exit_code);

        g_assert_cmpint(reason, ==, cases[i].reason);
        g_assert_cmpstr(sentence, ==, cases[i].sentence);
    }
}

static void test_a_reason_travels_with_its_error(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) copy = NULL;
    g_autoptr(GError) moved = NULL;
    g_autoptr(GError) plain = NULL;
    g_autoptr(GError) foreign = g_error_new_literal(G_FILE_ERROR, 1, "x");

    g_assert_false(
        error_set_reason(&error, ERROR_INTERNAL, REASON_DISK_FULL, "write %s: full", "a"));
    g_assert_false(error_prefix(&error, "seed"));
    copy = g_error_copy(error);
    g_propagate_error(&moved, g_steal_pointer(&error));
    g_assert_cmpstr(moved->message, ==, "seed: write a: full");
    g_assert_cmpint(error_reason(moved), ==, REASON_DISK_FULL);
    g_assert_cmpint(error_reason(copy), ==, REASON_DISK_FULL);
    g_assert_true(error_is(copy, ERROR_INTERNAL));
    error_set(&plain, ERROR_INVALID, "no");
    g_assert_cmpint(error_reason(plain), ==, REASON_NONE);
    g_assert_cmpint(error_reason(foreign), ==, REASON_NONE);
    g_assert_cmpint(error_reason(NULL), ==, REASON_NONE);
    g_assert_false(error_set_reason(NULL, ERROR_INTERNAL, REASON_DISK_FULL, "nobody asks"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/reasons/every-one-has-its-words", test_every_reason_has_its_words);
    g_test_add_func("/reasons/foreign-words-are-none", test_foreign_words_are_no_reason);
    g_test_add_func("/reasons/an-end-is-classified-by-its-facts",
                    test_an_end_is_classified_by_its_facts);
    g_test_add_func("/reasons/one-travels-with-its-error", test_a_reason_travels_with_its_error);
    return g_test_run();
}
