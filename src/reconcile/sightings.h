/* What carries our label and nobody wishes, as long as it is seen: containers, helpers, volumes.
 *
 * Each is noted when it is first seen, by a pass or by the engine's events, and forgotten when a
 * pass does not see it any more or somebody wishes it. So something that goes away while a pass
 * looks is never taken for an orphan, and whoever asks learns what will become of each, and when.
 * Memory only: after a restart of the server the times begin anew, in favour of what is there.
 * Thread: any. Lock: a leaf. Source: spec 02, section 17.3 E, J. */
#pragma once

#include "base/ids.h"
#include "base/sync.h"
#include "reconcile/reconciler.h"

typedef struct _Sightings Sightings;

Sightings *sightings_new(void);
void sightings_free(Sightings *sightings); /* NULL is fine */

/* What was seen. Borrowed for the call. */
typedef struct {
    const char *kind; /* static: "container", "helper", "volume" */
    const char *ref;  /* id of a container, name of a volume */
    const char *name;
    const char *workspace; /* NULL: it names none */
    gint64 since_us;       /* wall; known to be there so long; 0: since now */
} Seen;
/* Gives how long it has been known, in microseconds. */
gint64 sightings_note(Sightings *sightings, const Seen *seen);
/* What will become of it. `action` is static: "stop", "remove", "none". `due_us` is wall time. */
void sightings_plan(Sightings *sightings, const char *kind, const char *ref, const char *action,
                    gint64 due_us);
/* Whether its removal stands in the database; and that from now on it does, since when (wall). */
gboolean sightings_is_intended(Sightings *sightings, const char *ref);
void sightings_set_intended(Sightings *sightings, const char *ref, gint64 since_us);
/* It is gone. */
void sightings_drop(Sightings *sightings, const char *kind, const char *ref);
/* The end of a pass that saw everything: what it did not see is forgotten. */
void sightings_end_pass(Sightings *sightings);

guint sightings_count(Sightings *sightings, guint *quarantined);
/* GPtrArray of ReconcilerOrphan, oldest first. Caller owns it. */
GPtrArray *sightings_list(Sightings *sightings);
