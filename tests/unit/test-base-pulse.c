/* Signs of life. */
#include "base/clock.h"
#include "base/pulse.h"
#include "base/sync.h"

#include <string.h>

static const PulseReading *find(GPtrArray *readings, const char *name)
{
    for (guint i = 0; i < readings->len; i++) {
        const PulseReading *reading = readings->pdata[i];
        if (strcmp(reading->name, name) == 0)
            return reading;
    }
    return NULL;
}

static gboolean is_healthy(const char *name)
{
    g_autoptr(GPtrArray) readings = pulse_readings();
    const PulseReading *reading = find(readings, name);

    g_assert_nonnull(reading);
    return reading->is_healthy;
}

static void test_a_loop_that_misses_its_turns_is_sick(void)
{
    g_autoptr(Pulse) pulse = pulse_new("loop", 10);

    g_assert_true(is_healthy("loop")); /* its start counts */
    clock_advance(34 * CLOCK_SECOND_US);
    g_assert_true(is_healthy("loop"));
    clock_advance(2 * CLOCK_SECOND_US);
    g_assert_false(is_healthy("loop"));
    pulse_tick(pulse);
    g_assert_true(is_healthy("loop"));
}

static void test_a_loop_that_rests_is_well(void)
{
    g_autoptr(Pulse) pulse = pulse_new("loop", 1);

    pulse_rest(pulse);
    clock_advance(CLOCK_HOUR_US);
    g_assert_true(is_healthy("loop"));
    pulse_tick(pulse);
    clock_advance(CLOCK_HOUR_US);
    g_assert_false(is_healthy("loop"));
}

static void test_the_worst_of_one_name_is_shown(void)
{
    Pulse *first = pulse_new("b", 1);
    Pulse *second = NULL;
    Pulse *other = pulse_new("a", 100000);
    g_autoptr(GPtrArray) readings = NULL;

    clock_advance(CLOCK_MINUTE_US);
    second = pulse_new("b", 1);
    readings = pulse_readings();
    g_assert_cmpuint(readings->len, ==, 2);
    g_assert_cmpstr(((PulseReading *)readings->pdata[0])->name, ==, "a");
    g_assert_false(((PulseReading *)readings->pdata[1])->is_healthy);
    pulse_free(first);
    g_assert_true(is_healthy("b"));
    pulse_free(second);
    pulse_free(other);
    pulse_free(NULL);
    g_clear_pointer(&readings, g_ptr_array_unref);
    readings = pulse_readings();
    g_assert_cmpuint(readings->len, ==, 0);
}

static void beat(void *data)
{
    for (guint i = 0; i < 2000; i++) {
        g_autoptr(Pulse) pulse = pulse_new(data, 1);
        pulse_tick(pulse);
        pulse_rest(pulse);
    }
}

static void test_loops_come_and_go_while_others_look(void)
{
    static char name[] = "busy";
    Thread *threads[4];

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = thread_start("beat", beat, name);
    for (guint i = 0; i < 500; i++) {
        g_autoptr(GPtrArray) readings = pulse_readings();
        g_assert_cmpuint(readings->len, <=, 1);
    }
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        thread_join(threads[i]);
}

#define ADD(path_, function_) g_test_add_func("/base/pulse/" path_, function_)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("a-loop-that-misses-its-turns-is-sick", test_a_loop_that_misses_its_turns_is_sick);
    ADD("a-loop-that-rests-is-well", test_a_loop_that_rests_is_well);
    ADD("the-worst-of-one-name-is-shown", test_the_worst_of_one_name_is_shown);
    ADD("loops-come-and-go-while-others-look", test_loops_come_and_go_while_others_look);
    return g_test_run();
}
