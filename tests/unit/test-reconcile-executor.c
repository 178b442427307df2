/* One look at a time for each workspace, so many at once, nothing forgotten. */
#include "base/clock.h"
#include "reconcile/executor.h"
#include "reconcile/watch.h"

#include <string.h>

#define WORKSPACES 12

typedef struct {
    Executor *executor;
    Mutex lock;
    guint looks[WORKSPACES], now[WORKSPACES], starting, stopping, most_starting, most_stopping;
    gboolean has_overlap;
    guint sleep_us;
} Bench;

static guint number_of(const char *id)
{
    return (guint)g_ascii_strtoull(id, NULL, 10);
}

/* Even ones start, odd ones stop. */
static WorkKind classify(const char *id, void *data)
{
    (void)data;
    return number_of(id) % 2 == 0 ? WORK_START : WORK_STOP;
}

static void count(Bench *bench, guint number, int step)
{
    gboolean is_start = number % 2 == 0;
    guint *kind = is_start ? &bench->starting : &bench->stopping;
    guint *most = is_start ? &bench->most_starting : &bench->most_stopping;

    mutex_lock(&bench->lock);
    bench->now[number] += (guint)step;
    bench->looks[number] += step > 0;
    bench->has_overlap = bench->has_overlap || bench->now[number] > 1;
    *kind += (guint)step;
    *most = MAX(*most, *kind);
    mutex_unlock(&bench->lock);
}

static void run(const char *id, void *data)
{
    Bench *bench = data;

    count(bench, number_of(id), 1);
    g_usleep(bench->sleep_us);
    count(bench, number_of(id), -1);
}

static void set_up(Bench *bench, gconstpointer data)
{
    (void)data;
    *bench = (Bench){.sleep_us = 2000};
    mutex_init(&bench->lock);
    bench->executor = executor_new(&(ExecutorOptions){
        .classify = classify, .run = run, .data = bench, .start_limit = 2, .stop_limit = 3});
    executor_start(bench->executor);
}

static void tear_down(Bench *bench, gconstpointer data)
{
    (void)data;
    executor_free(bench->executor);
    mutex_clear(&bench->lock);
}

static void poke(Bench *bench, guint number)
{
    g_autofree char *id = g_strdup_printf("%u", number);

    executor_poke(bench->executor, id);
}

static guint looks(Bench *bench, guint number)
{
    guint value = 0;

    mutex_lock(&bench->lock);
    value = bench->looks[number];
    mutex_unlock(&bench->lock);
    return value;
}

static void wait_idle(Bench *bench)
{
    for (guint i = 0; i < 10000 && !executor_is_idle(bench->executor); i++)
        g_usleep(1000);
    g_assert_true(executor_is_idle(bench->executor));
}

static void test_limits_and_no_overlap(Bench *bench, gconstpointer data)
{
    (void)data;
    executor_pause(bench->executor, FALSE);
    for (guint round = 0; round < 20; round++) {
        for (guint i = 0; i < WORKSPACES; i++)
            poke(bench, i);
        g_usleep(500);
    }
    wait_idle(bench);
    g_assert_false(bench->has_overlap);
    g_assert_cmpuint(bench->most_starting, ==, 2);
    g_assert_cmpuint(bench->most_stopping, ==, 3);
    for (guint i = 0; i < WORKSPACES; i++)
        g_assert_cmpuint(looks(bench, i), >=, 1);
    g_assert_cmpuint(executor_running(bench->executor), ==, 0);
}

static void test_many_pokes_are_one_look(Bench *bench, gconstpointer data)
{
    (void)data;
    for (guint i = 0; i < 50; i++)
        poke(bench, 1);
    g_usleep(20000);
    g_assert_cmpuint(looks(bench, 1), ==, 0); /* paused */
    executor_pause(bench->executor, FALSE);
    wait_idle(bench);
    g_assert_cmpuint(looks(bench, 1), ==, 1);
}

static void test_a_poke_during_a_look_is_not_lost(Bench *bench, gconstpointer data)
{
    (void)data;
    bench->sleep_us = 30000;
    executor_pause(bench->executor, FALSE);
    poke(bench, 0);
    while (looks(bench, 0) == 0)
        g_usleep(500);
    g_assert_false(executor_poke_idle(bench->executor, "0"));
    poke(bench, 0);
    poke(bench, 0);
    wait_idle(bench);
    g_assert_cmpuint(looks(bench, 0), ==, 2);
    g_assert_true(executor_poke_idle(bench->executor, "0"));
    wait_idle(bench);
    g_assert_cmpuint(looks(bench, 0), ==, 3);
}

static void test_due_times(Bench *bench, gconstpointer data)
{
    gint64 now_us = clock_monotonic_us();

    (void)data;
    executor_pause(bench->executor, FALSE);
    executor_poke_at(bench->executor, "0", now_us + CLOCK_HOUR_US);
    executor_poke_at(bench->executor, "0", now_us + 2 * CLOCK_HOUR_US); /* the earlier one stays */
    executor_poke_at(bench->executor, "1", now_us + 30000);
    g_usleep(60000);
    wait_idle(bench);
    g_assert_cmpuint(looks(bench, 0), ==, 0);
    g_assert_cmpuint(looks(bench, 1), ==, 1);
    clock_advance(CLOCK_HOUR_US);
    for (guint i = 0; i < 1000 && looks(bench, 0) == 0; i++)
        g_usleep(1000);
    g_assert_cmpuint(looks(bench, 0), ==, 1);
}

/* ---- The memory of deaths ---- */

#define ID "7c9e6679-7425-40de-944b-e07fc1f90ae7"

static void test_five_deaths_in_two_minutes_are_a_loop(void)
{
    Watch *watch = watch_new();

    watch_expect(watch, ID, "c1");
    for (guint i = 0; i < 4; i++)
        g_assert_true(watch_note_death(watch, ID, "c1", 3));
    g_assert_false(watch_note_death(watch, ID, "c2", 3)); /* nobody expects that one to live */
    watch_note_found_dead(watch, ID, "c1");               /* told already */
    g_assert_false(watch_is_crash_loop(watch, ID));
    watch_note_found_dead(watch, ID, "c3");
    g_assert_true(watch_is_crash_loop(watch, ID));
    clock_advance(WATCH_WINDOW_US);
    g_assert_false(watch_is_crash_loop(watch, ID));
    watch_expect(watch, ID, NULL);
    g_assert_false(watch_note_death(watch, ID, "c1", 3)); /* we ended it ourselves */
    watch_free(watch);
}

static void test_silence_is_timed_from_its_first_sight(void)
{
    Watch *watch = watch_new();
    gint64 since_us = watch_note_silent(watch, ID, TRUE);

    g_assert_cmpint(since_us, >, 0);
    clock_advance(CLOCK_SECOND_US);
    g_assert_cmpint(watch_note_silent(watch, ID, TRUE), ==, since_us);
    g_assert_cmpint(watch_note_silent(watch, ID, FALSE), ==, 0);
    g_assert_cmpint(watch_note_silent(watch, ID, TRUE), >, since_us);
    g_assert_cmpuint(watch_note_away(watch, ID, TRUE), ==, 1);
    g_assert_cmpuint(watch_note_away(watch, ID, TRUE), ==, 2);
    g_assert_cmpuint(watch_note_away(watch, ID, FALSE), ==, 0);
    watch_forget(watch, ID);
    watch_free(watch);
}

#define ADD(path_, function_)                                                                      \
    g_test_add("/executor/" path_, Bench, NULL, set_up, function_, tear_down)

static void test_the_last_end_is_remembered(void)
{
    Watch *watch = watch_new();
    WatchEnd end = watch_last_end(watch, ID, "c1");

    g_assert_false(end.is_known);
    watch_expect(watch, ID, "c1");
    watch_note_out_of_memory(watch, ID, "c2"); /* not the one we expect to live */
    g_assert_true(watch_note_death(watch, ID, "c1", 3));
    end = watch_last_end(watch, ID, "c1");
    g_assert_true(end.is_known && end.exit_code == 3 && !end.out_of_memory);
    watch_note_out_of_memory(watch, ID, "c1");
    g_assert_true(watch_note_death(watch, ID, "c1", 137));
    end = watch_last_end(watch, ID, "c1");
    g_assert_true(end.is_known && end.exit_code == 137 && end.out_of_memory);
    g_assert_true(watch_note_death(watch, ID, "c1", 1)); /* starved then, not now */
    g_assert_false(watch_last_end(watch, ID, "c1").out_of_memory);
    g_assert_false(watch_last_end(watch, ID, "c9").is_known);
    watch_note_found_dead(watch, ID, "c3"); /* by a look: no event told how */
    g_assert_false(watch_last_end(watch, ID, "c3").is_known);
    watch_free(watch);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("limits-and-no-overlap", test_limits_and_no_overlap);
    ADD("many-pokes-are-one-look", test_many_pokes_are_one_look);
    ADD("a-poke-during-a-look-is-not-lost", test_a_poke_during_a_look_is_not_lost);
    ADD("due-times", test_due_times);
    g_test_add_func("/watch/five-deaths-in-two-minutes-are-a-loop",
                    test_five_deaths_in_two_minutes_are_a_loop);
    g_test_add_func("/watch/the-last-end-is-remembered", test_the_last_end_is_remembered);
    g_test_add_func("/watch/silence-is-timed-from-its-first-sight",
                    test_silence_is_timed_from_its_first_sight);
    return g_test_run();
}
