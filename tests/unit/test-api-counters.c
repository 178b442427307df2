#include "api/counters.h"
#include "base/sync.h"

static void test_samples_are_sorted_and_complete(void)
{
    Counters *counters = counters_new(3);
    g_autoptr(GArray) samples = NULL;

    counters_add(counters, 1, "POST", 200, 10);
    counters_add(counters, 1, "GET", 404, 20);
    counters_add(counters, 1, "GET", 404, 30);
    counters_add(counters, 3, "BREW", 404, 5);
    counters_add(counters, 3, "STEEP", 404, 5);
    samples = counters_samples(counters);
    g_assert_cmpuint(samples->len, ==, 3);
    g_assert_cmpstr(g_array_index(samples, CounterSample, 0).method, ==, "GET");
    g_assert_cmpuint(g_array_index(samples, CounterSample, 0).count, ==, 2);
    g_assert_cmpint(g_array_index(samples, CounterSample, 0).duration_us, ==, 50);
    g_assert_cmpstr(g_array_index(samples, CounterSample, 2).method, ==, "OTHER");
    g_assert_cmpuint(g_array_index(samples, CounterSample, 2).count, ==, 2);
    counters_free(counters);
}

#define ADDS 20000

static void add_many(void *data)
{
    for (guint i = 0; i < ADDS; i++)
        counters_add(data, 0, "GET", 200 + i % 4, 100);
}

static void test_threads_lose_nothing(void)
{
    Counters *counters = counters_new(1);
    Thread *threads[4];
    guint64 buckets[COUNTERS_BUCKETS], count = 0, sum = 0;
    double seconds = 0;
    g_autoptr(GArray) samples = NULL;

    for (guint i = 0; i < 4; i++)
        threads[i] = thread_start("add", add_many, counters);
    for (guint i = 0; i < 4; i++)
        thread_join(threads[i]);
    samples = counters_samples(counters);
    g_assert_cmpuint(samples->len, ==, 4);
    for (guint i = 0; i < samples->len; i++)
        sum += g_array_index(samples, CounterSample, i).count;
    g_assert_cmpuint(sum, ==, 4 * ADDS);
    counters_histogram(counters, buckets, &count, &seconds);
    g_assert_cmpuint(count, ==, 4 * ADDS);
    g_assert_cmpuint(buckets[0], ==, 4 * ADDS);
    counters_free(counters);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/counters/samples-are-sorted-and-complete",
                    test_samples_are_sorted_and_complete);
    g_test_add_func("/counters/threads-lose-nothing", test_threads_lose_nothing);
    return g_test_run();
}
