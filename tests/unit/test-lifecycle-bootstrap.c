/* What is kept of the report of a failed instance. */
#include "lifecycle/bootstrap.h"

#include <string.h>

static void assert_made(const char *error, const char *log, const char *sample)
{
    g_auto(BootstrapFailure) failure = {0};

    bootstrap_failure_make(error, log, &failure);
    g_assert_cmpstr(failure.sample, ==, sample);
}

static void test_short_ones_are_kept_whole(void)
{
    assert_made("  it broke\n", "one\ntwo", "it broke\n\none\ntwo");
    assert_made("it broke", "", "it broke");
    assert_made("it broke", NULL, "it broke");
    assert_made(" ", "log", "the instance failed before its agent registered\n\nlog");
}

/* Every length around the limit, so that each cut falls once at each place of a character. */
static void test_the_end_of_a_log_survives(void)
{
    for (gsize length = BOOTSTRAP_SAMPLE_MAX_BYTES - 64; length < BOOTSTRAP_SAMPLE_MAX_BYTES + 64;
         length++) {
        g_auto(BootstrapFailure) failure = {0};
        g_autoptr(GString) log = g_string_new(NULL);

        while (log->len < length)
            g_string_append(log, "\xE6\x97\xA5 "); /* a day, and a blank */
        g_string_append(log, "the end \xE2\x82\xAC");
        bootstrap_failure_make("it broke", log->str, &failure);
        g_assert_cmpuint(strlen(failure.sample), <=, BOOTSTRAP_SAMPLE_MAX_BYTES);
        g_assert_true(g_utf8_validate(failure.sample, -1, NULL));
        g_assert_true(g_utf8_validate(failure.log_tail, -1, NULL));
        g_assert_true(g_str_has_prefix(failure.sample, "it broke\n\n"));
        g_assert_true(g_str_has_suffix(failure.sample, "the end \xE2\x82\xAC"));
        g_assert_true(g_str_has_suffix(failure.log_tail, "the end \xE2\x82\xAC"));
    }
}

static void test_a_long_sentence_leaves_room(void)
{
    g_auto(BootstrapFailure) failure = {0};
    g_autoptr(GString) error = g_string_new(NULL);
    g_autofree char *log = g_strnfill(20000, '.');

    while (error->len < 100000)
        g_string_append(error, "no \xE2\x82\xAC ");
    bootstrap_failure_make(error->str, log, &failure);
    g_assert_cmpuint(strlen(failure.error), <=, BOOTSTRAP_ERROR_MAX_BYTES);
    g_assert_cmpuint(strlen(failure.sample), <=, BOOTSTRAP_SAMPLE_MAX_BYTES);
    g_assert_true(g_utf8_validate(failure.sample, -1, NULL));
    g_assert_true(g_str_has_suffix(failure.sample, "......"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lifecycle/bootstrap/short-ones-are-kept-whole",
                    test_short_ones_are_kept_whole);
    g_test_add_func("/lifecycle/bootstrap/the-end-of-a-log-survives",
                    test_the_end_of_a_log_survives);
    g_test_add_func("/lifecycle/bootstrap/a-long-sentence-leaves-room",
                    test_a_long_sentence_leaves_room);
    return g_test_run();
}
