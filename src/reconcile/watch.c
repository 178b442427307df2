#include "reconcile/watch.h"

#include "base/clock.h"

typedef struct {
    char id[ID_SIZE];
    gint64 died_at_us[WATCH_CRASHES_MAX]; /* monotonic, a ring */
    guint deaths;
    char *expected;  /* container whose end would be a death; NULL: none */
    char *last_dead; /* container id of the last death */
    WatchEnd end;    /* of `last_dead`, by an event */
    char *starved;   /* container that ran out of memory since its last end; NULL: none */
    gint64 silent_since_us;
    gint64 generation; /* 0: none was seen */
    guint aways;
} Entry;

struct _Watch {
    Mutex lock;
    GHashTable *entries; /* id -> Entry, owned */
};

static void entry_free(gpointer data)
{
    Entry *entry = data;

    g_free(entry->expected);
    g_free(entry->last_dead);
    g_free(entry->starved);
    g_free(entry);
}

Watch *watch_new(void)
{
    Watch *watch = g_new0(Watch, 1);

    mutex_init(&watch->lock);
    watch->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_free);
    return watch;
}

void watch_free(Watch *watch)
{
    if (!watch)
        return;
    g_hash_table_unref(watch->entries);
    mutex_clear(&watch->lock);
    g_free(watch);
}

static Entry *entry_locked(Watch *watch, const char *id)
{
    Entry *entry = g_hash_table_lookup(watch->entries, id);

    if (entry)
        return entry;
    entry = g_new0(Entry, 1);
    g_strlcpy(entry->id, id, ID_SIZE);
    g_hash_table_insert(watch->entries, entry->id, entry);
    return entry;
}

static void count_locked(Entry *entry, const char *container_id)
{
    entry->died_at_us[entry->deaths++ % WATCH_CRASHES_MAX] = clock_monotonic_us();
    g_free(entry->last_dead);
    entry->last_dead = g_strdup(container_id);
    entry->end = (WatchEnd){0};
}

void watch_expect(Watch *watch, const char *id, const char *container_id)
{
    Entry *entry = NULL;

    mutex_lock(&watch->lock);
    entry = container_id ? entry_locked(watch, id) : g_hash_table_lookup(watch->entries, id);
    if (entry && g_strcmp0(entry->expected, container_id) != 0) {
        g_free(entry->expected);
        entry->expected = g_strdup(container_id);
    }
    mutex_unlock(&watch->lock);
}

void watch_note_generation(Watch *watch, const char *id, gint64 generation)
{
    Entry *entry = NULL;

    mutex_lock(&watch->lock);
    entry = entry_locked(watch, id);
    if (entry->generation && entry->generation != generation) {
        entry->deaths = 0;
        g_clear_pointer(&entry->last_dead, g_free);
        entry->silent_since_us = 0;
    }
    entry->generation = generation;
    mutex_unlock(&watch->lock);
}

gboolean watch_note_death(Watch *watch, const char *id, const char *container_id, gint64 exit_code)
{
    Entry *entry = NULL;
    gboolean is_death = FALSE;

    mutex_lock(&watch->lock);
    entry = g_hash_table_lookup(watch->entries, id);
    is_death = entry && g_strcmp0(entry->expected, container_id) == 0;
    if (is_death) {
        count_locked(entry, container_id);
        entry->end = (WatchEnd){
            .is_known = TRUE,
            .exit_code = exit_code,
            .out_of_memory = g_strcmp0(entry->starved, container_id) == 0,
        };
        g_clear_pointer(&entry->starved, g_free);
    }
    mutex_unlock(&watch->lock);
    return is_death;
}

void watch_note_out_of_memory(Watch *watch, const char *id, const char *container_id)
{
    Entry *entry = NULL;

    mutex_lock(&watch->lock);
    entry = g_hash_table_lookup(watch->entries, id);
    if (entry && g_strcmp0(entry->expected, container_id) == 0) {
        g_free(entry->starved);
        entry->starved = g_strdup(container_id);
    }
    mutex_unlock(&watch->lock);
}

WatchEnd watch_last_end(Watch *watch, const char *id, const char *container_id)
{
    const Entry *entry = NULL;
    WatchEnd end = {0};

    mutex_lock(&watch->lock);
    entry = g_hash_table_lookup(watch->entries, id);
    if (entry && container_id && g_strcmp0(entry->last_dead, container_id) == 0)
        end = entry->end;
    mutex_unlock(&watch->lock);
    return end;
}

void watch_note_found_dead(Watch *watch, const char *id, const char *container_id)
{
    Entry *entry = NULL;

    mutex_lock(&watch->lock);
    entry = entry_locked(watch, id);
    if (!container_id || g_strcmp0(entry->last_dead, container_id) != 0)
        count_locked(entry, container_id);
    mutex_unlock(&watch->lock);
}

gboolean watch_is_crash_loop(Watch *watch, const char *id)
{
    const Entry *entry = NULL;
    gboolean is_loop = FALSE;

    mutex_lock(&watch->lock);
    entry = g_hash_table_lookup(watch->entries, id);
    if (entry && entry->deaths >= WATCH_CRASHES_MAX) /* the ring's next place is its oldest death */
        is_loop = clock_monotonic_us() - entry->died_at_us[entry->deaths % WATCH_CRASHES_MAX] <
                  WATCH_WINDOW_US;
    mutex_unlock(&watch->lock);
    return is_loop;
}

gint64 watch_note_silent(Watch *watch, const char *id, gboolean is_silent)
{
    Entry *entry = NULL;
    gint64 since_us = 0;

    mutex_lock(&watch->lock);
    entry = is_silent ? entry_locked(watch, id) : g_hash_table_lookup(watch->entries, id);
    if (entry && !is_silent)
        entry->silent_since_us = 0;
    else if (entry && entry->silent_since_us == 0)
        entry->silent_since_us = clock_monotonic_us();
    since_us = entry ? entry->silent_since_us : 0;
    mutex_unlock(&watch->lock);
    return since_us;
}

guint watch_note_away(Watch *watch, const char *id, gboolean is_away)
{
    Entry *entry = NULL;
    guint aways = 0;

    mutex_lock(&watch->lock);
    entry = is_away ? entry_locked(watch, id) : g_hash_table_lookup(watch->entries, id);
    if (entry)
        aways = entry->aways = is_away ? entry->aways + 1 : 0;
    mutex_unlock(&watch->lock);
    return aways;
}

void watch_forget(Watch *watch, const char *id)
{
    mutex_lock(&watch->lock);
    g_hash_table_remove(watch->entries, id);
    mutex_unlock(&watch->lock);
}
