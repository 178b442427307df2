/* What a restarted agent is told: when, how long it was away, which variables it has now (names,
 * never values). Collected before the restart, sent as one message once the workspace is online;
 * the event of that is the signal. What is not online within its provisioning time-out is told
 * nothing. Source: spec 01 section 9.7. Thread: any. */
#pragma once

#include "base/errors.h"
#include "db/db.h"
#include "events/events.h"
#include "store/workspace_row.h"

#define RESTART_CONTEXT_CALLER "system:restart-context"

typedef struct _RestartContexts RestartContexts;

typedef struct {
    Db *db;
    Events *events;
    guint timeout_s; /* within which it must be online; 0: 1800 */
    /* Sends a JSON-RPC message (moved in) to the workspace's agent as RESTART_CONTEXT_CALLER, soon;
     * must not wait. Runs in the thread that told of the change. */
    void (*send)(const char *workspace_id, char *body, void *data);
    /* The server itself makes a workspace's container anew: has restart_contexts_note_repair run in
     * a worker, soon; must not wait. NULL: such agents are told nothing. */
    void (*note_repair)(const char *workspace_id, void *data);
    void *data; /* of both */
} RestartContextOptions;

/* Pointers are borrowed. Listens: before the threads that emit start. */
RestartContexts *restart_contexts_new(const RestartContextOptions *options);
void restart_contexts_free(RestartContexts *contexts); /* after the last event; NULL is fine */

/* Collects what is known of a workspace about to be restarted; a later one replaces it. Part of the
 * restart's transaction or before it. Failures are logged: a restart needs no context. */
void restart_contexts_collect(RestartContexts *contexts, const WorkspaceRow *row);
/* From now on its event counts: after the restart's commit. */
void restart_contexts_arm(RestartContexts *contexts, const char *id);

/* Collects and arms in one, for a restart that is under way and nobody asked for. */
void restart_contexts_note_repair(RestartContexts *contexts, const char *id);

/* The text. Pure. `names` sorted, may be empty; `ended_us` 0: no prior session. Caller owns it. */
char *restart_context_text(gint64 restart_us, gint64 ended_us, const GPtrArray *names);
