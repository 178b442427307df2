/* One change of a workspace's status by the reconciler: what it writes and what it says are one
 * transaction; whoever listens hears of it after the commit. Not for other rooms. Errors: those of
 * db/db.h; ERROR_SUPERSEDED: a newer wish won. Thread: the look's. Source: spec 01 section 10.2. */
#pragma once

#include "reconcile/failure_words.h"

typedef struct {
    Look *look;
    DbTransaction *transaction;
    const char *event;      /* NULL: nothing to tell */
    gboolean shows_failure; /* what the tree remembers of it has changed */
    char *payload;
    gint64 time_us;
} Change;
void change_clear(Change *change); /* rolls back what was not ended */
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Change, change_clear)

G_GNUC_WARN_UNUSED_RESULT gboolean change_begin(Change *change, Look *look, GError **error);
/* `payload` moves in. */
G_GNUC_WARN_UNUSED_RESULT gboolean change_say(Change *change, const char *event, char *payload,
                                              GError **error);
/* Kept for whoever asks later: list, doctor. */
G_GNUC_WARN_UNUSED_RESULT gboolean change_fail(Change *change, const Failure *failure,
                                               GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean change_end(Change *change, GError **error);

/* A fenced write went through, or ERROR_SUPERSEDED. */
G_GNUC_WARN_UNUSED_RESULT gboolean change_check_current(gboolean current, GError **error);
/* As the store keeps it. Borrows. */
RuntimeFailure failure_to_keep(const Failure *failure);
