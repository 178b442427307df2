#include "reconcile/sightings.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

#define HELPER "helper"

typedef struct {
    ReconcilerOrphan orphan;
    gint64 first_us; /* monotonic */
    gboolean is_seen, is_intended;
} Sighting;

struct _Sightings {
    Mutex lock;
    GHashTable *all; /* kind, blank, ref -> Sighting, owned */
};

static void clear_orphan(ReconcilerOrphan *orphan)
{
    g_free(orphan->ref);
    g_free(orphan->name);
    g_free(orphan->workspace_id);
}

void reconciler_orphan_free(ReconcilerOrphan *orphan)
{
    if (orphan)
        clear_orphan(orphan);
    g_free(orphan);
}

static void sighting_free(gpointer data)
{
    Sighting *sighting = data;

    clear_orphan(&sighting->orphan);
    g_free(sighting);
}

Sightings *sightings_new(void)
{
    Sightings *sightings = g_new0(Sightings, 1);

    mutex_init(&sightings->lock);
    sightings->all = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, sighting_free);
    return sightings;
}

void sightings_free(Sightings *sightings)
{
    if (!sightings)
        return;
    g_hash_table_unref(sightings->all);
    mutex_clear(&sightings->lock);
    g_free(sightings);
}

static char *key_dup(const char *kind, const char *ref)
{
    return g_strconcat(kind, " ", ref, NULL);
}

static Sighting *find_locked(Sightings *sightings, const char *kind, const char *ref)
{
    g_autofree char *key = key_dup(kind, ref);

    return g_hash_table_lookup(sightings->all, key);
}

/* ---- Seeing ---- */

static Sighting *add_locked(Sightings *sightings, const Seen *seen)
{
    Sighting *sighting = g_new0(Sighting, 1);
    gint64 now_us = clock_now_us();
    gint64 known_us = seen->since_us ? MAX(now_us - seen->since_us, 0) : 0;

    sighting->first_us = clock_monotonic_us() - known_us;
    sighting->orphan = (ReconcilerOrphan){
        .kind = seen->kind,
        .ref = g_strdup(seen->ref),
        .name = g_strdup(seen->name),
        .workspace_id = g_strdup(seen->workspace),
        .first_seen_us = now_us - known_us,
        .action = "none",
    };
    g_hash_table_insert(sightings->all, key_dup(seen->kind, seen->ref), sighting);
    return sighting;
}

gint64 sightings_note(Sightings *sightings, const Seen *seen)
{
    Sighting *sighting = NULL;
    gboolean is_new = FALSE;
    gint64 known_us = 0;

    mutex_lock(&sightings->lock);
    sighting = find_locked(sightings, seen->kind, seen->ref);
    is_new = !sighting;
    if (is_new)
        sighting = add_locked(sightings, seen);
    sighting->is_seen = TRUE;
    known_us = clock_monotonic_us() - sighting->first_us;
    mutex_unlock(&sightings->lock);
    if (is_new && strcmp(seen->kind, HELPER) != 0)
        log_warning("something that nobody wishes", LOG_TEXT("workspace", seen->workspace),
                    LOG_TEXT("kind", seen->kind), LOG_TEXT("name", seen->name));
    return known_us;
}

void sightings_plan(Sightings *sightings, const char *kind, const char *ref, const char *action,
                    gint64 due_us)
{
    Sighting *sighting = NULL;

    mutex_lock(&sightings->lock);
    sighting = find_locked(sightings, kind, ref);
    if (sighting) {
        sighting->orphan.action = action;
        sighting->orphan.due_us = due_us;
    }
    mutex_unlock(&sightings->lock);
}

gboolean sightings_is_intended(Sightings *sightings, const char *ref)
{
    const Sighting *sighting = NULL;
    gboolean is_intended = FALSE;

    mutex_lock(&sightings->lock);
    sighting = find_locked(sightings, "volume", ref);
    is_intended = sighting && sighting->is_intended;
    mutex_unlock(&sightings->lock);
    return is_intended;
}

void sightings_set_intended(Sightings *sightings, const char *ref, gint64 since_us)
{
    Sighting *sighting = NULL;

    mutex_lock(&sightings->lock);
    sighting = find_locked(sightings, "volume", ref);
    if (sighting) {
        sighting->is_intended = TRUE;
        sighting->orphan.first_seen_us = MIN(sighting->orphan.first_seen_us, since_us);
    }
    mutex_unlock(&sightings->lock);
}

void sightings_drop(Sightings *sightings, const char *kind, const char *ref)
{
    g_autofree char *key = key_dup(kind, ref);

    mutex_lock(&sightings->lock);
    g_hash_table_remove(sightings->all, key);
    mutex_unlock(&sightings->lock);
}

static gboolean is_forgotten(gpointer key, gpointer value, gpointer data)
{
    Sighting *sighting = value;
    gboolean was_seen = sighting->is_seen;

    (void)key;
    (void)data;
    sighting->is_seen = FALSE;
    return !was_seen;
}

void sightings_end_pass(Sightings *sightings)
{
    mutex_lock(&sightings->lock);
    g_hash_table_foreach_remove(sightings->all, is_forgotten, NULL);
    mutex_unlock(&sightings->lock);
}

/* ---- Asking ---- */

guint sightings_count(Sightings *sightings, guint *quarantined)
{
    GHashTableIter iter;
    gpointer value = NULL;
    guint count = 0;

    *quarantined = 0;
    mutex_lock(&sightings->lock);
    g_hash_table_iter_init(&iter, sightings->all);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Sighting *sighting = value;

        count += strcmp(sighting->orphan.kind, HELPER) != 0;
        *quarantined += sighting->is_intended;
    }
    mutex_unlock(&sightings->lock);
    return count;
}

static gint compare_age(gconstpointer a, gconstpointer b)
{
    const ReconcilerOrphan *left = *(ReconcilerOrphan *const *)a;
    const ReconcilerOrphan *right = *(ReconcilerOrphan *const *)b;

    if (left->first_seen_us != right->first_seen_us)
        return left->first_seen_us < right->first_seen_us ? -1 : 1;
    return strcmp(left->ref, right->ref);
}

GPtrArray *sightings_list(Sightings *sightings)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)reconciler_orphan_free);
    GHashTableIter iter;
    gpointer value = NULL;

    mutex_lock(&sightings->lock);
    g_hash_table_iter_init(&iter, sightings->all);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        ReconcilerOrphan *copy = g_memdup2(&((Sighting *)value)->orphan, sizeof *copy);

        copy->ref = g_strdup(copy->ref);
        copy->name = g_strdup(copy->name);
        copy->workspace_id = g_strdup(copy->workspace_id);
        g_ptr_array_add(list, copy);
    }
    mutex_unlock(&sightings->lock);
    g_ptr_array_sort(list, compare_age);
    return list;
}
