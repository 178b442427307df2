/* Waiting for a change of status without asking again and again: every event of a workspace wakes
 * who waits. Source: spec 01 section 9.7 ("Ours"). Thread: any. */
#pragma once

#include "events/events.h"
#include "org/tree.h"

typedef struct _StatusSignal StatusSignal;

/* Listens: before the threads that emit start. */
StatusSignal *status_signal_new(OrgTree *tree, Events *events);
void status_signal_free(StatusSignal *signal); /* after the last event; NULL is fine */

/* Waits until the workspace has left `status`, at most `patience_ms`. Gives its status then;
 * removed when it is not live. */
WorkspaceStatus status_signal_wait_left(StatusSignal *signal, const char *id,
                                        WorkspaceStatus status, guint patience_ms);
