/* New images for those who run old ones: pulled on an administrator's word or when a registry has
 * another digest, then brought to the workspaces a few at a time.
 *
 * A refresh is a change of wish: it records which local image the workspaces of a reference shall
 * run (store/image_wishes), and only when that really differs from what they run. A second thread
 * raises the generation of those who lag behind, two at a time, idle ones first, and waits for each
 * to come back; the first that does not ends the change, so that a broken image costs two
 * workspaces and not all. Paused, sleeping and frozen ones get the new image at their next start.
 * Source: spec 02 section 15 ("Ours"), 17.1 L37, F43. Thread: any, where not said otherwise. */
#pragma once

#include "base/config.h"
#include "events/events.h"
#include "http/client.h"
#include "org/tree.h"
#include "provision/runtimes.h"
#include "reconcile/reconciler.h"

typedef struct _Refresh Refresh;

typedef struct {
    Db *db;
    OrgTree *tree;
    Events *events;
    Reconciler *reconciler;
    HttpClient *client;
    const Runtimes *runtimes;
    const Config *config;
    gboolean can_pull; /* an engine that knows registries */
} RefreshOptions;      /* borrowed until refresh_free */

Refresh *refresh_new(const RefreshOptions *options);
void refresh_start(Refresh *refresh);
/* Ends pulls, answers the orders that wait, joins the threads. Repeatable. */
void refresh_stop(Refresh *refresh);
void refresh_free(Refresh *refresh); /* stops first; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Refresh, refresh_free)

typedef struct {
    const char *runtime; /* borrowed */
    char *sentence;      /* for people */
} RefreshFailure;

typedef struct {
    GPtrArray *pulled;    /* runtime names, borrowed */
    GPtrArray *failed;    /* RefreshFailure */
    GPtrArray *recreated; /* container names of those who will be brought over, owned */
    GError *error;        /* it ended early: database or engine are away; NULL */
} RefreshResult;

/* Runs exactly once, in a thread of the refresh's; must be quick. */
typedef void (*RefreshDone)(const RefreshResult *result, void *data);

/* Queues a refresh of `runtime` (NULL: of all that refresh_known lists first, and those in use).
 * `done` is not called when this fails. Errors: ERROR_NOT_FOUND: no engine that pulls;
 * ERROR_INVALID: unknown runtime; ERROR_BUSY: too many wait. Never blocks. */
gboolean refresh_order(Refresh *refresh, const char *runtime, gboolean recreate, RefreshDone done,
                       void *data, GError **error);
/* The runtimes that have an image; NULL-terminated, borrowed. */
const char *const *refresh_known(const Refresh *refresh);
