/* The calls that are under way, by target workspace, and what each target's heartbeat declared
 * about itself.
 *
 * A forward is given up after a window without a sign of life of its target. A heartbeat and every
 * event of the target (of any replica) is such a sign: it resets the window of all forwards to it.
 * The same table keeps the capabilities a heartbeat declares (runtime_metadata), because only the
 * proxy reads them. Thread: any. Lock: place 2 in base/sync.h. Source: spec 04 sections 5.8, 7.2.
 */
#pragma once

#include "events/events.h"
#include "http/client.h"

typedef struct _Forwards Forwards;

typedef enum {
    CAPABILITY_HEARTBEAT = 1 << 0,
    CAPABILITY_SCHEDULER = 1 << 1,
    CAPABILITY_SESSION = 1 << 2,
    CAPABILITY_STATUS_MGMT = 1 << 3,
    CAPABILITY_RETRY = 1 << 4,
    CAPABILITY_ACTIVITY_DECORATION = 1 << 5,
    CAPABILITY_CHANNEL_DISPATCH = 1 << 6,
} Capabilities;

typedef struct {
    guint capabilities;   /* Capabilities, or-ed */
    guint idle_timeout_s; /* 0: the server's */
} Declared;

/* `capacity`: forwards at once. */
Forwards *forwards_new(guint capacity);
void forwards_free(Forwards *forwards); /* NULL is fine; nothing may be under way */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Forwards, forwards_free)

/* Every event of a workspace touches its forwards. Before the threads that emit start. */
void forwards_listen(Forwards *forwards, Events *events);
/* A sign of life of the workspace. Costs one look-up when nothing is under way. */
void forwards_touch(Forwards *forwards, const char *workspace_id);

/* Takes a place for one call. FALSE when all are taken (counted). */
G_GNUC_WARN_UNUSED_RESULT gboolean forwards_enter(Forwards *forwards);
/* Gives the place back. */
void forwards_leave(Forwards *forwards);
/* Enters a running call of the workspace in the table (a reference is taken), takes it out again.
 */
void forwards_add(Forwards *forwards, const char *workspace_id, HttpCall *call);
void forwards_remove(Forwards *forwards, const char *workspace_id, HttpCall *call);

/* Whether a call of the workspace is in the table. */
gboolean forwards_has(Forwards *forwards, const char *workspace_id);

/* What the latest heartbeat declared; both zero forgets. */
void forwards_declare(Forwards *forwards, const char *workspace_id, const Declared *declared);
/* All zero when nothing was declared. */
Declared forwards_declared(Forwards *forwards, const char *workspace_id);

guint forwards_active(Forwards *forwards);
guint64 forwards_refused(Forwards *forwards);
