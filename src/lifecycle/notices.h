/* Events of one transaction: stored inside it, told after its commit. Private to src/lifecycle. */
#pragma once

#include "lifecycle/lifecycle.h"

typedef struct {
    const Lifecycle *lifecycle;
    GPtrArray *all; /* Notice, owned */
    gint64 time_us;
} Notices;
void notices_clear(Notices *notices);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Notices, notices_clear)

/* Stores an event in the thread's transaction; a microsecond after the one before, so that a reader
 * sorted by time sees the same order. `type` is static; takes the payload. */
G_GNUC_WARN_UNUSED_RESULT gboolean notices_add(Notices *notices, const char *type, const char *id,
                                               char *payload, GError **error);
/* After the commit: memory, listeners, reconciler, in that order for each workspace. */
void notices_tell(const Notices *notices);
