#include "auth/origins.h"
#include "auth/rate_limit.h"
#include "base/clock.h"

static void test_a_window_has_its_places(void)
{
    g_autoptr(RateLimit) limit = rate_limit_new(3, CLOCK_MINUTE_US);

    for (gint64 left = 2; left >= 0; left--) {
        RateVerdict verdict = rate_limit_take(limit, "10.0.0.1");
        g_assert_true(verdict.allowed);
        g_assert_cmpint(verdict.remaining, ==, left);
        g_assert_cmpint(verdict.reset_seconds, ==, 59);
    }
    g_assert_false(rate_limit_take(limit, "10.0.0.1").allowed);
    g_assert_true(rate_limit_take(limit, "10.0.0.2").allowed);
    clock_advance(CLOCK_MINUTE_US);
    g_assert_cmpint(rate_limit_take(limit, "10.0.0.1").remaining, ==, 2);
}

static void test_many_keys_stay_bounded(void)
{
    g_autoptr(RateLimit) limit = rate_limit_new(1, CLOCK_MINUTE_US);

    for (guint i = 0; i < 100000; i++) {
        g_autofree char *key = g_strdup_printf("key-%u", i);
        g_assert_true(rate_limit_take(limit, key).allowed);
    }
}

static void test_origins_of_the_default(void)
{
    g_autoptr(Origins) origins = origins_new(NULL);

    g_assert_cmpint(origins_judge(origins, NULL, "h"), ==, ORIGIN_NONE);
    g_assert_cmpint(origins_judge(origins, "http://localhost:3000", "h"), ==, ORIGIN_ALLOWED);
    g_assert_cmpint(origins_judge(origins, "http://LOCALHOST:3000", "h"), ==, ORIGIN_REFUSED);
    g_assert_cmpint(origins_judge(origins, "https://h:1", "h:1"), ==, ORIGIN_SAME);
    g_assert_cmpint(origins_judge(origins, "https://h.evil", "h"), ==, ORIGIN_REFUSED);
    g_assert_cmpint(origins_judge(origins, "null", "h"), ==, ORIGIN_REFUSED);
}

static void test_origins_of_a_list(void)
{
    g_autoptr(Origins) origins = origins_new("http://a, HTTP://B,,junk,");
    g_autoptr(Origins) any = origins_new("*");

    g_assert_cmpint(origins_judge(origins, "http://a", "h"), ==, ORIGIN_ALLOWED);
    g_assert_cmpint(origins_judge(origins, "http://b", "h"), ==, ORIGIN_ALLOWED);
    g_assert_cmpint(origins_judge(origins, "http://localhost:3000", "h"), ==, ORIGIN_REFUSED);
    g_assert_cmpint(origins_judge(any, "http://anything", "h"), ==, ORIGIN_ALLOWED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/limits/a-window-has-its-places", test_a_window_has_its_places);
    g_test_add_func("/limits/many-keys-stay-bounded", test_many_keys_stay_bounded);
    g_test_add_func("/origins/of-the-default", test_origins_of_the_default);
    g_test_add_func("/origins/of-a-list", test_origins_of_a_list);
    return g_test_run();
}
