/* Notices agents that fell silent.
 *
 * One sweep over the org tree: an online or degraded workspace whose last heartbeat is older than
 * its window becomes offline by a guarded update (in which the database's own heartbeat time is
 * asked again, because another replica may have taken a later one), gets WORKSPACE_OFFLINE and a
 * poke of the reconciler. For a full window after the start nobody is judged: while we were away
 * nobody could report. Source: spec 04 section 7.5 ("Ours"), F42, F43; spec 02 sections 13.9
 * and 17.3 I. */
#pragma once

#include "a2a/options.h"
#include "events/events.h"
#include "org/tree.h"

typedef struct _Liveness Liveness;

typedef struct {
    Db *db;
    OrgTree *tree;
    Events *events;
    A2aOptions options;
    /* Container workspaces that fell silent (reconciler_poke). NULL: nobody. */
    void (*poke)(const char *workspace_id, void *data);
    void *data;
} LivenessOptions;

/* Pointers are borrowed until liveness_free. The boot window starts now. */
Liveness *liveness_new(const LivenessOptions *options);
void liveness_free(Liveness *liveness); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Liveness, liveness_free)

/* One sweep; call it every 5 s, not twice at once. A failing row does not stop the others.
 * Gives the number of workspaces that went offline. Thread: a worker. */
guint liveness_sweep(Liveness *liveness);
