/* What happens, told to those who listen: the event log (structure_events), the bus and local
 * listeners.
 *
 * A recorded event is first stored, then announced; an event belonging to a database change is
 * stored inside that change's transaction (event_store) and announced after the commit
 * (events_announce), so that neither a crash nor a rollback can make the log lie. A failed insert
 * never suppresses the announcement. Listeners are called in the emitter's thread, in emit order
 * for each workspace, and must be quick. Envelope: {"event":"X","workspace_id":"<id or
 * empty>","timestamp":"<RFC 3339>","payload":{...}} Source: spec 04 sections 11, 12, 15; spec 01
 * section 3.5. Thread: any. */
#pragma once

#include "base/errors.h"
#include "db/db.h"

typedef struct _Events Events;

typedef struct {
    const char *type;         /* "WORKSPACE_ONLINE" */
    const char *workspace_id; /* folded id, or "" */
    const char *payload;      /* compact JSON object */
    gint64 time_us;
    gboolean recorded;    /* FALSE: broadcast-only */
    const char *envelope; /* the whole message, ready to send; valid UTF-8 */
    gsize envelope_length;
} Event;

typedef void (*EventListener)(const Event *event, void *data);

Events *events_new(Db *db);       /* `db` is borrowed */
void events_free(Events *events); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Events, events_free)

/* Adds a listener for good; before the threads start. */
void events_listen(Events *events, EventListener listener, void *data);

/* Stores and announces. `payload` is a JSON object. A failing insert is logged and does not keep
 * the event from listeners. */
void events_record(Events *events, const char *type, const char *workspace_id, const char *payload);
/* Announces without storing (TASK_UPDATED, ACTIVITY_LOGGED, AGENT_MESSAGE, A2A_RESPONSE,
 * WORKSPACE_UPDATED). */
void events_broadcast(Events *events, const char *type, const char *workspace_id,
                      const char *payload);

/* The two halves, for changes in a transaction. */
gboolean event_store(Db *db, const char *type, const char *workspace_id, const char *payload,
                     gint64 time_us, GError **error);
void events_announce(Events *events, const char *type, const char *workspace_id,
                     const char *payload, gint64 time_us);
