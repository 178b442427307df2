#include "lifecycle/status_signal.h"

#include "base/clock.h"
#include "base/sync.h"

struct _StatusSignal {
    OrgTree *tree;
    Mutex lock; /* guards count; nothing is called while it is held */
    Condition changed;
    guint64 count; /* of events */
};

/* Events are announced after the tree knows. */
static void note(const Event *event, void *data)
{
    StatusSignal *signal = data;

    if (!event->recorded)
        return;
    mutex_lock(&signal->lock);
    signal->count++;
    condition_broadcast(&signal->changed);
    mutex_unlock(&signal->lock);
}

StatusSignal *status_signal_new(OrgTree *tree, Events *events)
{
    StatusSignal *signal = g_new0(StatusSignal, 1);

    signal->tree = tree;
    mutex_init(&signal->lock);
    condition_init(&signal->changed);
    events_listen(events, note, signal);
    return signal;
}

void status_signal_free(StatusSignal *signal)
{
    if (!signal)
        return;
    condition_clear(&signal->changed);
    mutex_clear(&signal->lock);
    g_free(signal);
}

static WorkspaceStatus status_of(OrgTree *tree, const char *id)
{
    g_autoptr(OrgNode) node = org_tree_find(tree, id);

    return node ? org_node_row(node)->status : WORKSPACE_REMOVED;
}

static guint64 count_of(StatusSignal *signal)
{
    guint64 count = 0;

    mutex_lock(&signal->lock);
    count = signal->count;
    mutex_unlock(&signal->lock);
    return count;
}

/* FALSE: the time is over. */
static gboolean wait_event(StatusSignal *signal, guint64 count, gint64 deadline_us)
{
    gboolean in_time = TRUE;

    mutex_lock(&signal->lock);
    while (in_time && signal->count == count)
        in_time = condition_wait_until(&signal->changed, &signal->lock, deadline_us);
    mutex_unlock(&signal->lock);
    return in_time;
}

WorkspaceStatus status_signal_wait_left(StatusSignal *signal, const char *id,
                                        WorkspaceStatus status, guint patience_ms)
{
    gint64 deadline_us = clock_monotonic_us() + (gint64)patience_ms * 1000;

    for (;;) {
        guint64 count = count_of(signal); /* before looking: no event is missed */
        WorkspaceStatus now = status_of(signal->tree, id);

        if (now != status || !wait_event(signal, count, deadline_us))
            return now;
    }
}
