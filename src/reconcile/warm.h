/* Keeps the stock of started agents as WARM_POOL wishes it.
 *
 * A member is an ordinary workspace to the reconciler, with a row in `workspace_runtime` and a
 * stand-in for its row in `workspaces`; its agent stands by until it is told whose it is
 * (hand_over.c). This file adds and drops members and counts. Thread: the watching thread tends;
 * the rest any. Source: issue 5, item 7; docs/architecture.md, "The stock of started agents". */
#pragma once

#include "reconcile/reconciler.h"
#include "store/runtime.h"
#include "store/workspace_row.h"

#define WARM_TRY_US  (60 * G_GINT64_CONSTANT(1000000)) /* from one try of an image to the next */
#define WARM_STANDBY "WORKSPACE_AGENT_STANDBY" /* tells the agent to wait; agent/standby.h */

typedef struct _Warm Warm;

/* Error: ERROR_INVALID for a WARM_POOL that cannot be read. */
Warm *warm_new(Reconciler *reconciler, GError **error);
void warm_free(Warm *warm); /* NULL is fine */

/* Something about the stock has changed: it is tended now. */
void warm_want(Warm *warm);
/* One was handed over: tended a moment later, when its agent has registered; making the next one
 * would slow that down. */
void warm_want_soon(Warm *warm);
/* When it must be tended, monotonic; G_MAXINT64: when the next pass ends. */
gint64 warm_due_us(Warm *warm);
/* Adds and drops. `is_pass`: also looks whether the images are still the same. */
void warm_tend(Warm *warm, gboolean is_pass);
void warm_status(Warm *warm, ReconcilerStatus *status);
/* A hand-over did not work and its workspace is started in the ordinary way. */
void warm_count_refused(Warm *warm);

/* What stands for a member's workspace while it has none. Caller owns it. */
WorkspaceRow *warm_stand_in(const Reconciler *reconciler, const RuntimeRow *runtime);
