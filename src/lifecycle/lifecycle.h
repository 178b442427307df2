/* The life of a workspace as its users ask for it: create, change, remove.
 *
 * Each call validates everything first, writes one transaction (rows, wish, event), and only then
 * tells the others: the tree in memory, listeners, the reconciler. Nothing here talks to a
 * container engine, and nothing depends on the client's connection (ARCHITECTURE idea 1). Source:
 * spec 01 sections 4 to 8; spec 02 section 17.3 B, D; ARCHITECTURE D2, D5, D16, D24. Thread:
 * workers. */
#pragma once

#include "auth/tokens.h"
#include "base/config.h"
#include "base/json_view.h"
#include "events/events.h"
#include "lifecycle/restart_context.h"
#include "lifecycle/status_signal.h"
#include "org/tree.h"
#include "provision/runtimes.h"
#include "reconcile/reconciler.h"

typedef struct {
    Db *db;
    OrgTree *tree;
    Tokens *tokens;
    Events *events;
    Reconciler *reconciler;
    const Config *config;
    const char *configs_dir; /* templates; NULL: none */
    const Runtimes *runtimes;
    const guint8 *secrets_key; /* CRYPTO_KEY_SIZE bytes */
    StatusSignal *status;
    RestartContexts *contexts; /* NULL: restarted agents are told nothing */
    /* Is a message to this workspace under way? NULL: nobody knows. */
    gboolean (*has_messages)(const char *workspace_id, void *data);
    void *data; /* of it */
} Lifecycle;    /* borrowed pointers, read only after start */

/* ---- Create ---- */

/* What is asked for. Texts are owned; NULL is absent. Zeroed is an empty order but for the two -1.
 */
typedef struct {
    char *name; /* required */
    char *role, *model, *runtime, *template_name;
    gint64 tier; /* 0: the default */
    gboolean external;
    char *url; /* of an external agent */
    char *workspace_dir, *workspace_access;
    char parent_id[ID_SIZE];     /* "": a root */
    gint64 budget_limit;         /* cents; -1: none */
    gint64 max_concurrent_tasks; /* below 1: 1 */
    double x, y;
    JsonView secrets; /* object name -> text; start NULL: none. Borrowed from the request */
    JsonView initial_memories;        /* array of {content, scope}; start NULL: none. Borrowed */
    char *image, *executor, *command; /* D24 */
    gboolean is_team_member;          /* ERROR_CONFLICT when a live sibling has the name */
} WorkspaceOrder;
void workspace_order_clear(WorkspaceOrder *order);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WorkspaceOrder, workspace_order_clear)

typedef struct {
    char id[ID_SIZE];
    WorkspaceStatus status;
    char *awareness_namespace;
    char *workspace_access;
    const char *warning; /* NULL: none; static */
    gboolean external;
    char token[CRYPTO_TOKEN_SIZE]; /* of an awaiting external agent; "" else. Shown once */
} WorkspaceCreated;
void workspace_created_clear(WorkspaceCreated *created);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WorkspaceCreated, workspace_created_clear)

/* The caller is of the admin class (D2, D24). Errors: ERROR_INVALID, ERROR_FORBIDDEN (tiers 3 and 4
 * are turned off), those of the database. */
gboolean lifecycle_create(const Lifecycle *lifecycle, WorkspaceOrder *order,
                          WorkspaceCreated *created, GError **error);

/* ---- Change ---- */

typedef struct {
    gboolean needs_restart; /* workspace_dir was named */
} WorkspacePatched;
/* `patch` is the client's object: keys match exactly, unknown ones are ignored. `is_own_token`: the
 * caller is the workspace itself, which may not touch tier, runtime, parent, directory. Errors:
 * ERROR_INVALID, ERROR_FORBIDDEN, ERROR_NOT_FOUND, those of the database. */
gboolean lifecycle_patch(const Lifecycle *lifecycle, const char *id, JsonView patch,
                         gboolean is_own_token, WorkspacePatched *patched, GError **error);

/* ---- Remove ---- */

typedef struct {
    gboolean needs_confirmation; /* nothing was changed; `children` says who would go, too */
    GPtrArray *children;         /* of StoreMember */
    guint cascade_deleted;       /* descendants removed by this call */
    gboolean is_cleaned;         /* verified: no container of the tree is left */
} WorkspaceRemoved;
void workspace_removed_clear(WorkspaceRemoved *removed);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WorkspaceRemoved, workspace_removed_clear)

/* Removes a workspace and all below. Waits a moment for the containers, but their end is certain
 * without it. Errors: ERROR_NOT_FOUND, those of the database. */
gboolean lifecycle_remove(const Lifecycle *lifecycle, const char *id, gboolean confirmed,
                          gboolean purge, WorkspaceRemoved *removed, GError **error);

/* ---- Restart ---- */

/* What is asked for beyond a new container. Zeroed: nothing. */
typedef struct {
    char *template_name; /* owned; NULL: none */
    gboolean apply_template, rebuild_config;
    gboolean reset;        /* discard the sessions */
    gboolean is_own_token; /* the workspace itself asks: its runtime stays what it is (D2) */
} RestartOrder;
void restart_order_clear(RestartOrder *order);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RestartOrder, restart_order_clear)

typedef struct {
    gboolean has_no_engine; /* nothing was changed: there is nothing that could start it */
    char *config;           /* the template to be unpacked, or "existing-volume" */
} WorkspaceRestarted;
void workspace_restarted_clear(WorkspaceRestarted *restarted);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WorkspaceRestarted, workspace_restarted_clear)

/* A new container, whatever the state; acts as resume and wake, too. A running one is asked for the
 * runtime in its configuration first. Errors: ERROR_NOT_FOUND, ERROR_CONFLICT (external; a paused
 * ancestor, who is named), those of the database. Source: spec 01 sections 9.1, 12.1. */
gboolean lifecycle_restart(const Lifecycle *lifecycle, const char *id, const RestartOrder *order,
                           WorkspaceRestarted *restarted, GError **error);

/* The server's own restart: something that a start reads has changed (a secret, a model, an image,
 * a plugin). Nothing happens to workspaces that are removed, paused, asleep, external, or below a
 * paused one. Each call raises the wish, so none is lost; a start under way gives up at its next
 * checkpoint, so many calls in a row make one start. `why` is for the log. `changed` (may be NULL):
 * whether it applied. Source: spec 01 section 9.2. */
gboolean lifecycle_repair(const Lifecycle *lifecycle, const char *id, const char *why,
                          gboolean *changed, GError **error);

/* ---- Pause and resume ---- */

/* Stops a workspace and all below it; volumes stay. `count`: how many were paused, itself included.
 * Error: ERROR_NOT_FOUND (none, removed, or paused already). Source: spec 01 section 9.3. */
gboolean lifecycle_pause(const Lifecycle *lifecycle, const char *id, guint *count, GError **error);

typedef struct {
    gboolean has_no_engine; /* nothing was changed */
    guint count;            /* itself included */
} WorkspaceResumed;
/* Starts a paused workspace and those below it that are reached through paused ones. Errors:
 * ERROR_NOT_FOUND (not paused), ERROR_CONFLICT (a paused ancestor). Source: spec 01 section 9.4. */
gboolean lifecycle_resume(const Lifecycle *lifecycle, const char *id, WorkspaceResumed *resumed,
                          GError **error);

/* ---- Sleep and wake ---- */

typedef struct {
    gint64 active_tasks;    /* not 0: it works and was left alone */
    WorkspaceStatus status; /* hibernated, or hibernating when that takes longer */
} WorkspaceHibernated;
/* Freezes an idle workspace, or with `force` stops it whatever it does; waits a moment for the end.
 * Errors: ERROR_NOT_FOUND (none, or neither online nor degraded), ERROR_CONFLICT (somebody else was
 * first, or a message needs it). Source: spec 01 section 9.5. */
gboolean lifecycle_hibernate(const Lifecycle *lifecycle, const char *id, gboolean force,
                             WorkspaceHibernated *hibernated, GError **error);
/* Somebody wants a sleeping workspace. Thaws or starts it; does not wait. Several calls make one
 * wake. Failures are logged. Source: spec 01 section 9.6. */
void lifecycle_wake(const Lifecycle *lifecycle, const char *id);
/* The idle monitor: puts to sleep who idled for its `hibernation_idle_minutes`, stops who was
 * frozen for long, finishes who is hibernating for too long. Call it every
 * LIFECYCLE_IDLE_INTERVAL_MS. */
#define LIFECYCLE_IDLE_INTERVAL_MS 5000
void lifecycle_idle_sweep(const Lifecycle *lifecycle);
