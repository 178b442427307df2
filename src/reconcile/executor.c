#include "reconcile/executor.h"

#include "base/clock.h"
#include "base/pulse.h"

#include <string.h>

/* Invariant: a slot is in exactly one place: `delayed` (DELAYED), a queue of `ready` (READY), or in
 * the hands of a thread (BUSY). A slot without work is freed. */
typedef enum { SLOT_DELAYED, SLOT_READY, SLOT_BUSY } SlotState;

typedef struct {
    char id[ID_SIZE];
    SlotState state;
    WorkKind kind;
    gint64 due_us;       /* DELAYED: when it becomes ready; BUSY: when to look again */
    GSequenceIter *spot; /* DELAYED: its place in `delayed` */
} Slot;

#define NEVER      G_MAXINT64
#define STEP_MAX_S 900 /* of one look at a workspace; a slow pull is the longest */

struct _Executor {
    ExecutorOptions options;
    GPtrArray *threads;
    Mutex lock; /* guards all that follows */
    Condition changed;
    GHashTable *slots; /* id -> Slot, owned */
    GQueue ready[WORK_KINDS];
    GSequence *delayed; /* Slot, by due_us */
    guint running[WORK_KINDS];
    gboolean is_paused, is_stopping;
};

static gint compare_due(gconstpointer a, gconstpointer b, gpointer data)
{
    const Slot *left = a, *right = b;

    (void)data;
    return (left->due_us > right->due_us) - (left->due_us < right->due_us);
}

Executor *executor_new(const ExecutorOptions *options)
{
    Executor *executor = g_new0(Executor, 1);

    executor->options = *options;
    executor->threads = g_ptr_array_new();
    mutex_init(&executor->lock);
    condition_init(&executor->changed);
    executor->slots = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    executor->delayed = g_sequence_new(NULL);
    for (guint i = 0; i < WORK_KINDS; i++)
        g_queue_init(&executor->ready[i]);
    executor->is_paused = TRUE;
    return executor;
}

void executor_free(Executor *executor)
{
    if (!executor)
        return;
    executor_stop(executor);
    for (guint i = 0; i < WORK_KINDS; i++)
        g_queue_clear(&executor->ready[i]);
    g_sequence_free(executor->delayed);
    g_hash_table_unref(executor->slots);
    g_ptr_array_unref(executor->threads);
    condition_clear(&executor->changed);
    mutex_clear(&executor->lock);
    g_free(executor);
}

/* ---- Slots ---- */

static void make_ready_locked(Executor *executor, Slot *slot)
{
    slot->state = SLOT_READY;
    g_queue_push_tail(&executor->ready[slot->kind], slot);
    condition_signal(&executor->changed);
}

static void delay_locked(Executor *executor, Slot *slot, gint64 due_us)
{
    slot->state = SLOT_DELAYED;
    slot->due_us = due_us;
    slot->spot = g_sequence_insert_sorted(executor->delayed, slot, compare_due, NULL);
    condition_signal(&executor->changed);
}

/* Puts a slot that is in nobody's hands where its due time says. */
static void place_locked(Executor *executor, Slot *slot, gint64 due_us)
{
    slot->kind = WORK_UNKNOWN;
    if (due_us <= clock_monotonic_us())
        make_ready_locked(executor, slot);
    else
        delay_locked(executor, slot, due_us);
}

static void poke_locked(Executor *executor, const char *id, gint64 due_us)
{
    Slot *slot = g_hash_table_lookup(executor->slots, id);

    if (!slot) {
        slot = g_new0(Slot, 1);
        g_strlcpy(slot->id, id, ID_SIZE);
        g_hash_table_insert(executor->slots, slot->id, slot);
        place_locked(executor, slot, due_us);
    } else if (slot->state == SLOT_BUSY) {
        slot->due_us = MIN(slot->due_us, due_us);
    } else if (slot->state == SLOT_DELAYED && due_us < slot->due_us) {
        g_sequence_remove(slot->spot);
        place_locked(executor, slot, due_us);
    }
}

void executor_poke_at(Executor *executor, const char *id, gint64 due_us)
{
    mutex_lock(&executor->lock);
    poke_locked(executor, id, due_us);
    mutex_unlock(&executor->lock);
}

void executor_poke(Executor *executor, const char *id)
{
    executor_poke_at(executor, id, 0);
}

gboolean executor_poke_idle(Executor *executor, const char *id)
{
    const Slot *slot = NULL;
    gboolean is_idle = FALSE;

    mutex_lock(&executor->lock);
    slot = g_hash_table_lookup(executor->slots, id);
    is_idle = !slot || slot->state != SLOT_BUSY;
    if (is_idle)
        poke_locked(executor, id, 0);
    mutex_unlock(&executor->lock);
    return is_idle;
}

/* ---- Threads ---- */

static void wake_due_locked(Executor *executor, gint64 *next_us)
{
    gint64 now_us = clock_monotonic_us();

    *next_us = NEVER;
    while (!g_sequence_is_empty(executor->delayed)) {
        GSequenceIter *first = g_sequence_get_begin_iter(executor->delayed);
        Slot *slot = g_sequence_get(first);

        if (slot->due_us > now_us) {
            *next_us = slot->due_us;
            return;
        }
        g_sequence_remove(first);
        make_ready_locked(executor, slot);
    }
}

static gboolean has_room_locked(const Executor *executor, WorkKind kind)
{
    if (kind == WORK_START)
        return executor->running[kind] < executor->options.start_limit;
    return kind != WORK_STOP || executor->running[kind] < executor->options.stop_limit;
}

/* Stops first: they free what starts need. */
static Slot *pick_locked(Executor *executor)
{
    static const WorkKind order[] = {WORK_STOP, WORK_UNKNOWN, WORK_START};

    if (executor->is_paused)
        return NULL;
    for (guint i = 0; i < G_N_ELEMENTS(order); i++)
        if (has_room_locked(executor, order[i]) && !g_queue_is_empty(&executor->ready[order[i]]))
            return g_queue_pop_head(&executor->ready[order[i]]);
    return NULL;
}

static Slot *take(Executor *executor)
{
    Slot *slot = NULL;
    gint64 next_us = NEVER;

    mutex_lock(&executor->lock);
    while (!executor->is_stopping) {
        wake_due_locked(executor, &next_us);
        slot = pick_locked(executor);
        if (slot)
            break;
        condition_wait_until(&executor->changed, &executor->lock, next_us);
    }
    if (slot) {
        slot->state = SLOT_BUSY;
        slot->due_us = NEVER;
        executor->running[slot->kind]++;
    }
    mutex_unlock(&executor->lock);
    return slot;
}

/* Gives a freshly classified slot its place among its kind; FALSE when it must wait there. */
static gboolean enter(Executor *executor, Slot *slot, WorkKind kind)
{
    gboolean has_room = FALSE;

    mutex_lock(&executor->lock);
    executor->running[WORK_UNKNOWN]--;
    slot->kind = kind;
    has_room = has_room_locked(executor, kind);
    if (has_room)
        executor->running[kind]++;
    else
        make_ready_locked(executor, slot);
    mutex_unlock(&executor->lock);
    return has_room;
}

static void give_back(Executor *executor, Slot *slot)
{
    mutex_lock(&executor->lock);
    executor->running[slot->kind]--;
    if (slot->due_us == NEVER)
        g_hash_table_remove(executor->slots, slot->id);
    else
        place_locked(executor, slot, slot->due_us);
    condition_broadcast(&executor->changed); /* a place of its kind is free */
    mutex_unlock(&executor->lock);
}

static void work(void *data)
{
    Executor *executor = data;
    g_autoptr(Pulse) pulse = pulse_new("reconcile-workers", STEP_MAX_S);

    pulse_rest(pulse);
    for (Slot *slot; (slot = take(executor)); pulse_rest(pulse)) {
        pulse_tick(pulse);
        if (slot->kind == WORK_UNKNOWN &&
            !enter(executor, slot, executor->options.classify(slot->id, executor->options.data)))
            continue;
        executor->options.run(slot->id, executor->options.data);
        give_back(executor, slot);
    }
}

void executor_start(Executor *executor)
{
    guint count = executor->options.start_limit + executor->options.stop_limit;

    for (guint i = 0; i < count; i++) {
        char name[16];

        g_snprintf(name, sizeof name, "reconcile-%u", i);
        g_ptr_array_add(executor->threads, thread_start(name, work, executor));
    }
}

void executor_stop(Executor *executor)
{
    mutex_lock(&executor->lock);
    executor->is_stopping = TRUE;
    condition_broadcast(&executor->changed);
    mutex_unlock(&executor->lock);
    for (guint i = 0; i < executor->threads->len; i++)
        thread_join(executor->threads->pdata[i]);
    g_ptr_array_set_size(executor->threads, 0);
}

void executor_pause(Executor *executor, gboolean paused)
{
    mutex_lock(&executor->lock);
    executor->is_paused = paused;
    condition_broadcast(&executor->changed);
    mutex_unlock(&executor->lock);
}

gboolean executor_is_stopping(Executor *executor)
{
    gboolean is_stopping = FALSE;

    mutex_lock(&executor->lock);
    is_stopping = executor->is_stopping;
    mutex_unlock(&executor->lock);
    return is_stopping;
}

guint executor_running(Executor *executor)
{
    guint running = 0;

    mutex_lock(&executor->lock);
    running = executor->running[WORK_START] + executor->running[WORK_STOP];
    mutex_unlock(&executor->lock);
    return running;
}

gboolean executor_is_idle(Executor *executor)
{
    gboolean is_idle = TRUE;

    mutex_lock(&executor->lock);
    for (guint i = 0; i < WORK_KINDS; i++)
        is_idle = is_idle && executor->running[i] == 0 && g_queue_is_empty(&executor->ready[i]);
    mutex_unlock(&executor->lock);
    return is_idle;
}
