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
} Lifecycle;                   /* borrowed pointers, read only after start */

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
