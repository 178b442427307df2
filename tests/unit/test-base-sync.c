/* Queues, cancellation and waiting. Run under ThreadSanitizer as well. */
#include "base/clock.h"
#include "base/sync.h"

#define PRODUCERS  4
#define ITEMS_EACH 5000

static void produce(void *data)
{
    Queue *queue = data;

    for (guint i = 0; i < ITEMS_EACH; i++)
        while (!queue_push(queue, GUINT_TO_POINTER(i + 1)))
            sched_yield();
}

static void test_queue_loses_nothing(void)
{
    g_autoptr(Queue) queue = queue_new(16, NULL);
    Thread *threads[PRODUCERS];
    guint64 sum = 0;

    for (guint i = 0; i < PRODUCERS; i++)
        threads[i] = thread_start("producer", produce, queue);
    for (guint i = 0; i < PRODUCERS * ITEMS_EACH; i++)
        sum += GPOINTER_TO_UINT(queue_pop(queue, G_MAXINT64));
    for (guint i = 0; i < PRODUCERS; i++)
        thread_join(threads[i]);
    g_assert_cmpuint(sum, ==, (guint64)PRODUCERS * ITEMS_EACH * (ITEMS_EACH + 1) / 2);
    g_assert_cmpuint(queue_length(queue), ==, 0);
}

static void test_full_and_closed_queues_refuse(void)
{
    g_autoptr(Queue) queue = queue_new(1, NULL);

    g_assert_true(queue_push(queue, queue));
    g_assert_false(queue_push(queue, queue));
    queue_close(queue);
    g_assert_cmpuint(queue_refusals(queue), ==, 1);
    g_assert_true(queue_pop(queue, G_MAXINT64) == queue);
    g_assert_null(queue_pop(queue, G_MAXINT64));
    g_assert_false(queue_push(queue, queue));
}

static void fire(void *data)
{
    cancel_fire(data);
}

static void test_cancel_wakes_its_waiter(void)
{
    g_autoptr(Cancel) cancel = cancel_new();
    Thread *thread;

    g_assert_false(cancel_wait_until(cancel, clock_monotonic_us() + 1000));
    thread = thread_start("firing", fire, cancel);
    g_assert_true(cancel_wait_until(cancel, G_MAXINT64));
    thread_join(thread);
    g_assert_true(cancel_fired(cancel));
    g_assert_false(cancel_fired(NULL));
}

static void test_a_turned_clock_ends_a_wait(void)
{
    g_autoptr(Queue) queue = queue_new(1, NULL);
    gint64 deadline = clock_monotonic_us() + CLOCK_HOUR_US;

    clock_advance(2 * CLOCK_HOUR_US);
    g_assert_null(queue_pop(queue, deadline));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sync/queue-loses-nothing", test_queue_loses_nothing);
    g_test_add_func("/sync/full-and-closed-queues-refuse", test_full_and_closed_queues_refuse);
    g_test_add_func("/sync/cancel-wakes-its-waiter", test_cancel_wakes_its_waiter);
    g_test_add_func("/sync/a-turned-clock-ends-a-wait", test_a_turned_clock_ends_a_wait);
    return g_test_run();
}
