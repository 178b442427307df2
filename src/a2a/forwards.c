#include "a2a/forwards.h"

#include "base/sync.h"

/* What is known of one target. Dropped when nothing is left to know. */
typedef struct {
    GPtrArray *calls; /* HttpCall references; NULL while none */
    Declared declared;
} Target;

struct _Forwards {
    guint capacity;
    atomic_uint active;
    _Atomic guint64 refused;
    atomic_uint listed; /* calls in the table: a touch looks no further while it is 0 */

    Mutex lock;          /* place 2; guards targets */
    GHashTable *targets; /* workspace id -> Target, both owned */
};

static void target_free(void *data)
{
    Target *target = data;

    g_clear_pointer(&target->calls, g_ptr_array_unref);
    g_free(target);
}

static void call_unref(void *call)
{
    http_call_unref(call);
}

Forwards *forwards_new(guint capacity)
{
    Forwards *forwards = g_new0(Forwards, 1);

    forwards->capacity = capacity;
    mutex_init(&forwards->lock);
    forwards->targets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, target_free);
    return forwards;
}

void forwards_free(Forwards *forwards)
{
    if (!forwards)
        return;
    g_hash_table_unref(forwards->targets);
    mutex_clear(&forwards->lock);
    g_free(forwards);
}

static void on_event(const Event *event, void *data)
{
    if (event->workspace_id[0])
        forwards_touch(data, event->workspace_id);
}

void forwards_listen(Forwards *forwards, Events *events)
{
    events_listen(events, on_event, forwards);
}

gboolean forwards_has(Forwards *forwards, const char *workspace_id)
{
    const Target *target;
    gboolean has = FALSE;

    mutex_lock(&forwards->lock);
    target = g_hash_table_lookup(forwards->targets, workspace_id);
    has = target && target->calls && target->calls->len > 0;
    mutex_unlock(&forwards->lock);
    return has;
}

/* References to the calls of one target, so that they can be touched without the lock. */
static GPtrArray *calls_dup(Forwards *forwards, const char *workspace_id)
{
    GPtrArray *calls = NULL;
    Target *target;

    mutex_lock(&forwards->lock);
    target = g_hash_table_lookup(forwards->targets, workspace_id);
    if (target && target->calls) {
        calls = g_ptr_array_new_full(target->calls->len, call_unref);
        for (guint i = 0; i < target->calls->len; i++)
            g_ptr_array_add(calls, http_call_ref(target->calls->pdata[i]));
    }
    mutex_unlock(&forwards->lock);
    return calls;
}

void forwards_touch(Forwards *forwards, const char *workspace_id)
{
    g_autoptr(GPtrArray) calls = NULL;

    if (atomic_load(&forwards->listed) == 0)
        return;
    calls = calls_dup(forwards, workspace_id);
    for (guint i = 0; calls && i < calls->len; i++)
        http_call_touch(calls->pdata[i]);
}

gboolean forwards_enter(Forwards *forwards)
{
    if (atomic_fetch_add(&forwards->active, 1) < forwards->capacity)
        return TRUE;
    atomic_fetch_sub(&forwards->active, 1);
    atomic_fetch_add(&forwards->refused, 1);
    return FALSE;
}

void forwards_leave(Forwards *forwards)
{
    atomic_fetch_sub(&forwards->active, 1);
}

static Target *target_get_locked(Forwards *forwards, const char *workspace_id)
    REQUIRES(forwards->lock)
{
    Target *target = g_hash_table_lookup(forwards->targets, workspace_id);

    if (target)
        return target;
    target = g_new0(Target, 1);
    g_hash_table_insert(forwards->targets, g_strdup(workspace_id), target);
    return target;
}

static void target_drop_if_empty_locked(Forwards *forwards, const char *workspace_id,
                                        Target *target) REQUIRES(forwards->lock)
{
    if (!target->calls && !target->declared.capabilities && !target->declared.idle_timeout_s)
        g_hash_table_remove(forwards->targets, workspace_id);
}

void forwards_add(Forwards *forwards, const char *workspace_id, HttpCall *call)
{
    Target *target;

    mutex_lock(&forwards->lock);
    target = target_get_locked(forwards, workspace_id);
    if (!target->calls)
        target->calls = g_ptr_array_new_with_free_func(call_unref);
    g_ptr_array_add(target->calls, http_call_ref(call));
    atomic_fetch_add(&forwards->listed, 1);
    mutex_unlock(&forwards->lock);
}

void forwards_remove(Forwards *forwards, const char *workspace_id, HttpCall *call)
{
    Target *target;

    mutex_lock(&forwards->lock);
    target = g_hash_table_lookup(forwards->targets, workspace_id);
    if (target && target->calls && g_ptr_array_remove_fast(target->calls, call)) {
        atomic_fetch_sub(&forwards->listed, 1);
        if (target->calls->len == 0)
            g_clear_pointer(&target->calls, g_ptr_array_unref);
        target_drop_if_empty_locked(forwards, workspace_id, target);
    }
    mutex_unlock(&forwards->lock);
}

void forwards_declare(Forwards *forwards, const char *workspace_id, const Declared *declared)
{
    gboolean is_empty = !declared->capabilities && !declared->idle_timeout_s;
    Target *target;

    mutex_lock(&forwards->lock);
    target = is_empty ? g_hash_table_lookup(forwards->targets, workspace_id)
                      : target_get_locked(forwards, workspace_id);
    if (target) {
        target->declared = *declared;
        target_drop_if_empty_locked(forwards, workspace_id, target);
    }
    mutex_unlock(&forwards->lock);
}

Declared forwards_declared(Forwards *forwards, const char *workspace_id)
{
    Declared declared = {0};
    const Target *target;

    mutex_lock(&forwards->lock);
    target = g_hash_table_lookup(forwards->targets, workspace_id);
    if (target)
        declared = target->declared;
    mutex_unlock(&forwards->lock);
    return declared;
}

guint forwards_active(Forwards *forwards)
{
    return atomic_load(&forwards->active);
}

guint64 forwards_refused(Forwards *forwards)
{
    return atomic_load(&forwards->refused);
}
