/* What the refresh's files share; not for other rooms. */
#pragma once

#include "base/clock.h"
#include "refresh/refresh.h"
#include "refresh/registry_digest.h"
#include "refresh/roll.h"
#include "store/image_wishes.h"

typedef struct {
    char *runtime; /* NULL: all */
    gboolean recreate;
    RefreshDone done;
    void *data;
} RefreshOrder;

struct _Refresh {
    RefreshOptions options;
    RegistryDigests *registry;
    GHashTable
        *unseen; /* the pulling thread's: runtimes whose registry was not reached last time */
    GHashTable *rolled; /* the rolling thread's: id -> Rolled */
    Cancel *cancel;     /* fired by stop */
    Thread *pull_thread, *roll_thread;

    Mutex lock; /* guards what follows; never held across a call of another room */
    Condition changed;
    GQueue orders;   /* RefreshOrder, owned */
    Cancel *pulling; /* of the order under way; NULL: none */
    gboolean wants_roll, is_stopping;
};

/* Pulls and records wishes (pull.c). Into `result`, which is the caller's. */
void refresh_run(Refresh *refresh, const char *runtime, gboolean recreate, RefreshResult *result);
void refresh_result_clear(RefreshResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RefreshResult, refresh_result_clear)
/* Removes what `image` replaced and nobody uses, if that is wished (pull.c). */
void refresh_prune(Refresh *refresh, const char *image);
/* Asks the registry for each runtime and refreshes what changed (watch.c). */
void refresh_watch(Refresh *refresh);
/* One turn of the rolling thread (rolling.c): when to come again, monotonic; G_MAXINT64: nobody is
 * to be brought over. */
gint64 refresh_roll(Refresh *refresh);
void refresh_want_roll(Refresh *refresh);

/* workspace id -> RuntimeRow of all, owned; NULL on an error. */
GHashTable *refresh_runtimes_load(Refresh *refresh, GError **error);
/* Whether the workspace's container is made from `image`. */
gboolean refresh_uses(const Refresh *refresh, const WorkspaceRow *row, const char *image);
