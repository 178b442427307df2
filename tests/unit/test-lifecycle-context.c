/* The text that a restarted agent reads. */
#include "base/clock.h"
#include "lifecycle/restart_context.h"

#include <string.h>

#define NOON (G_GINT64_CONSTANT(1764072000) * CLOCK_SECOND_US) /* 2025-11-25 12:00 UTC */

static void check_ago(gint64 ago_us, const char *expected)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *text = restart_context_text(NOON, NOON - ago_us, names);
    g_autofree char *wanted = g_strdup_printf(" (%s ago)\n", expected);

    g_assert_nonnull(strstr(text, wanted));
}

static void test_durations(void)
{
    check_ago(-CLOCK_MINUTE_US, "0s");
    check_ago(45 * CLOCK_SECOND_US, "45s");
    check_ago(45 * CLOCK_SECOND_US + 499999, "45s");
    check_ago(59 * CLOCK_SECOND_US + 500000, "1m0s");
    check_ago(3 * CLOCK_MINUTE_US, "3m0s");
    check_ago(CLOCK_HOUR_US * 2 + 14 * CLOCK_MINUTE_US + 59 * CLOCK_SECOND_US, "2h14m");
    check_ago(25 * CLOCK_HOUR_US, "25h0m");
}

static void test_whole_text(void)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *none = restart_context_text(NOON, 0, names);
    g_autofree char *some = NULL;

    g_assert_cmpstr(none, ==,
                    "=== WORKSPACE RESTART CONTEXT ===\n"
                    "Restart at: 2025-11-25T12:00:00Z\n"
                    "Previous session ended: (no prior session on record)\n"
                    "Env vars now available: (none)\n"
                    "=== END RESTART CONTEXT ===\n");
    g_ptr_array_add(names, (char *)"A");
    g_ptr_array_add(names, (char *)"B");
    some = restart_context_text(NOON, NOON - 45 * CLOCK_SECOND_US, names);
    g_assert_cmpstr(some, ==,
                    "=== WORKSPACE RESTART CONTEXT ===\n"
                    "Restart at: 2025-11-25T12:00:00Z\n"
                    "Previous session ended: 2025-11-25T11:59:15Z (45s ago)\n"
                    "Env vars now available: A, B\n"
                    "=== END RESTART CONTEXT ===\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lifecycle/context/durations-as-people-say-them", test_durations);
    g_test_add_func("/lifecycle/context/the-whole-text", test_whole_text);
    return g_test_run();
}
