/* Table `workspaces` with its layout row: reading, changing, guarded changes of status, and the
 * hierarchy.
 *
 * Every change of status is one statement that names the states it may leave; `changed` says
 * whether it did, and no event may go out when it did not. `removed` is final: no function here
 * leads out of it. "Fenced by generation" means: nothing is written when the workspace's wish
 * (store/runtime.h) has another generation; generation 0 asks for no fence.
 *
 * Each function is one statement, or joins the thread's transaction, or opens its own. Errors of
 * all: those of db/db.h; further ones are named. Thread: workers, reconciler, timers. Source: spec
 * 01 sections 4 to 10 and 19.1, spec 02 section 17.3 B and D, spec 04 section 7. */
#pragma once

#include "base/errors.h"
#include "base/ids.h"
#include "db/db.h"
#include "store/workspace_row.h"

/* ---- Making and reading ---- */

/* Inserts the row and its layout (x, y, collapsed). Zero created_at/updated_at become now.
 * Errors: ERROR_INVALID when the parent is unknown or removed; ERROR_CONFLICT when the id exists.
 */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_insert(Db *db, const WorkspaceRow *row,
                                                          GError **error);

/* Removed rows included. `row` is NULL when there is none; the caller owns it. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_find(Db *db, const char *id, WorkspaceRow **row,
                                                        GError **error);
/* The same; none: ERROR_NOT_FOUND "workspace not found". */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_load(Db *db, const char *id, WorkspaceRow **row,
                                                        GError **error);
/* The id that begins with `start`; removed rows included. "" when there is none or more than one:
 * `count` says (0, 1, 2 for several). */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_find_start(Db *db, const char *start,
                                                              char id[ID_SIZE], guint *count,
                                                              GError **error);
/* All that are not removed, by creation time (NULL last), then id: the list of clients and the
 * content of the tree in memory. GPtrArray of WorkspaceRow, owned; NULL on an error. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_workspace_list_live(Db *db, GError **error);
/* Direct children that are not removed, in the same order. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_workspace_list_children(Db *db, const char *id,
                                                                   GError **error);
/* `provisioning` rows, not external, whose attempt began before `started_before_us`. Oldest first.
 */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *
store_workspace_list_provisioning(Db *db, gint64 started_before_us, GError **error);
/* Whether a direct child that is not removed has exactly this name. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_has_child(Db *db, const char *id,
                                                             const char *name, gboolean *has,
                                                             GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_count_live(Db *db, gint64 *count,
                                                              GError **error);

/* ---- Changing fields ---- */

/* Only fields whose has_ flag is set are written. Texts are borrowed; NULL (or "" where said)
 * clears. */
typedef struct {
    gboolean has_name, has_role, has_tier, has_parent, has_runtime, has_workspace_dir,
        has_workspace_access, has_hibernation_idle_minutes, has_budget_limit, has_collapsed,
        has_position, has_model, has_max_concurrent_tasks;
    const char *name;
    const char *role;
    gint64 tier;
    const char *parent_id; /* NULL or "": becomes a root */
    const char *runtime;
    const char *workspace_dir;
    const char *workspace_access;
    gint64 hibernation_idle_minutes; /* 0: off */
    gint64 budget_limit;             /* -1: none */
    gboolean collapsed;
    double x, y;
    const char *model;
    gint64 max_concurrent_tasks;
} StoreWorkspacePatch;

/* Writes all fields or none.
 * Errors: ERROR_NOT_FOUND (no row; removed ones count as rows), ERROR_INVALID (parent unknown,
 * removed, itself or below it). */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_patch(Db *db, const char *id,
                                                         const StoreWorkspacePatch *patch,
                                                         GError **error);
/* Stores an agent card (compact JSON). `changed` is FALSE for an unknown or removed workspace. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_set_card(Db *db, const char *id,
                                                            const char *card, gboolean *changed,
                                                            GError **error);
/* A successful A2A call made by the workspace. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_touch_outbound(Db *db, const char *id,
                                                                  gint64 at_us, GError **error);
/* The address that our own engine gave. Fenced by generation; not for paused, hibernating,
 * hibernated, removed. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_set_minted_url(
    Db *db, const char *id, gint64 generation, const char *url, gboolean *changed, GError **error);

/* What heartbeats brought since the last flush. */
typedef struct {
    char id[ID_SIZE];
    double error_rate;
    const char *sample_error; /* NULL: keep */
    gint64 active_tasks;
    gint64 uptime_seconds; /* 0: keep */
    const char *current_task;
    gint64 monthly_spend;       /* 0: keep it and its period */
    gint64 spend_period;        /* yyyymm of monthly_spend */
    gint64 heartbeat_at_us;     /* never moves back; 0: keep */
    gint64 last_outbound_at_us; /* never moves back; 0: keep */
    gint64 idle_since_us;       /* never moves back; 0: keep */
} StoreVitals;

/* Writes them in one transaction; those of unknown and removed workspaces are skipped. `updated_at`
 * stays. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_write_vitals(Db *db, const StoreVitals *vitals,
                                                                gsize count, GError **error);

/* ---- Changes of status ---- */

#define STORE_STATUS_BIT(status_) (1u << (status_))
/* Who may leave what, for store_workspace_mark_provisioning. */
#define STORE_FROM_RESUME STORE_STATUS_BIT(WORKSPACE_PAUSED)
#define STORE_FROM_WAKE   STORE_STATUS_BIT(WORKSPACE_HIBERNATED)
#define STORE_FROM_REPAIR                                                                          \
    (STORE_STATUS_BIT(WORKSPACE_PROVISIONING) | STORE_STATUS_BIT(WORKSPACE_ONLINE) |               \
     STORE_STATUS_BIT(WORKSPACE_OFFLINE) | STORE_STATUS_BIT(WORKSPACE_DEGRADED) |                  \
     STORE_STATUS_BIT(WORKSPACE_FAILED)) /* the server's own restarts */
#define STORE_FROM_RESTART                                                                         \
    (STORE_FROM_REPAIR | STORE_FROM_RESUME | STORE_FROM_WAKE |                                     \
     STORE_STATUS_BIT(WORKSPACE_HIBERNATING) | STORE_STATUS_BIT(WORKSPACE_AWAITING_AGENT))

/* What a registration says. Texts are borrowed. */
typedef struct {
    const char *url;
    const char *agent_card;  /* compact JSON */
    gint64 token_generation; /* generation the caller's token was made for, 0: none */
} StoreRegistration;

typedef struct {
    gboolean found;      /* FALSE: no such row */
    gboolean stored;     /* url and card were written; FALSE for removed and superseded ones */
    gboolean superseded; /* the token belongs to an older generation: nothing was written */
    WorkspaceStatus before, after;
    gint64 generation; /* of the wish, 0: none */
    char *url;         /* the address the server uses from now on; owned by the result */
} StoreRegisterResult;
void store_register_result_clear(StoreRegisterResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(StoreRegisterResult, store_register_result_clear)

/* Stores url, card and heartbeat time. Becomes `online` from provisioning, online, offline,
 * degraded, failed and awaiting_agent; paused, hibernating and hibernated keep their status. The
 * minted url stays the server's own; the posted one is kept as agent_url. Source: spec 04, 7.1. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_mark_online_by_register(
    Db *db, const char *id, const StoreRegistration *registration, StoreRegisterResult *result,
    GError **error);
/* provisioning, offline or failed -> online. `from` is the status the caller saw (any other:
 * nothing changes), so that the event can say what was recovered from. From provisioning not when
 * `token_generation` (0: none) is older than the wish. Source: spec 04, 7.3; spec 02, F12. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_mark_online_by_heartbeat(Db *db, const char *id,
                                                                            WorkspaceStatus from,
                                                                            gint64 token_generation,
                                                                            gboolean *changed,
                                                                            GError **error);
/* online -> degraded. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_mark_degraded(Db *db, const char *id,
                                                                 gboolean *changed, GError **error);
/* degraded -> online. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_mark_recovered(Db *db, const char *id,
                                                                  gboolean *changed,
                                                                  GError **error);
/* provisioning -> failed, fenced by generation. `sample_error` becomes last_sample_error; NULL
 * keeps it. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_mark_failed(Db *db, const char *id,
                                                               gint64 generation,
                                                               const char *sample_error,
                                                               gboolean *changed, GError **error);
/* provisioning and offline, also online and degraded without a sign of life since `silent_since_us`
 * -> failed: the container dies again and again. Fenced by generation. Source: spec 02, 17.3 F. */
G_GNUC_WARN_UNUSED_RESULT gboolean
store_workspace_mark_crash_loop(Db *db, const char *id, gint64 generation, gint64 silent_since_us,
                                const char *sample_error, gboolean *changed, GError **error);
/* online, degraded -> offline. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_mark_offline(Db *db, const char *id,
                                                                gboolean *changed, GError **error);

typedef enum {
    STORE_RUNTIME_ANY,
    STORE_RUNTIME_EXTERNAL,
    STORE_RUNTIME_CONTAINER
} StoreRuntimeKind;
/* The same for all of `kind` whose last heartbeat (else updated_at) is older than `older_than_us`
 * (a moment). Gives the ids that changed (GPtrArray of char *, owned); NULL on an error. Write
 * vital signs first. Source: spec 04, 7.5. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_workspace_mark_stale_offline(Db *db,
                                                                        StoreRuntimeKind kind,
                                                                        gint64 older_than_us,
                                                                        GError **error);
/* A status in `from` (STORE_FROM_...; removed never counts) -> provisioning: a new attempt begins
 * now. The url is dropped, except for external workspaces. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_mark_provisioning(Db *db, const char *id,
                                                                     guint from, gboolean *changed,
                                                                     GError **error);
/* Any but removed and paused -> paused. The url is dropped, except for external workspaces. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_mark_paused(Db *db, const char *id,
                                                               gboolean *changed, GError **error);
/* online, degraded -> hibernating; only without active tasks unless `force`. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_mark_hibernating(Db *db, const char *id,
                                                                    gboolean force,
                                                                    gboolean *changed,
                                                                    GError **error);
/* hibernating -> hibernated. The url is dropped, except for external workspaces. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_mark_hibernated(Db *db, const char *id,
                                                                   gboolean *changed,
                                                                   GError **error);

/* The same of one that was frozen: it keeps the address under which other containers know it. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_mark_frozen(Db *db, const char *id,
                                                               gboolean *changed, GError **error);
/* hibernating, hibernated -> online: thawed, and reached at `url`, which our own engine gave. It is
 * a sign of life, too. Fenced by generation. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_mark_thawed(Db *db, const char *id,
                                                               gint64 generation, const char *url,
                                                               gboolean *changed, GError **error);

/* ---- The hierarchy ---- */

typedef struct {
    char id[ID_SIZE];
    char parent_id[ID_SIZE];
    char *name;
    WorkspaceStatus status;
} StoreMember;
void store_member_free(StoreMember *member);

/* All below `id` at any depth, through removed rows too, parents before children. A cycle ends.
 * GPtrArray of StoreMember, owned. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_workspace_list_descendants(Db *db, const char *id,
                                                                      GError **error);
/* Keeps everybody else from changing the workspace's row or its wish until the transaction ends.
 * For who writes the wish's row before the workspace's own: taken in the other order, two
 * transactions could wait for each other. A row that is not there is locked by nobody. Only inside
 * a transaction. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_lock(Db *db, const char *id, GError **error);
/* For who changes a tree from its root down: keeps everybody else from changing who belongs to it,
 * and its rows, until the transaction ends. Takes the locks in the order of store/joined.h, so that
 * two who do so at once never wait for each other. Only inside a transaction. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_lock_tree(Db *db, const char *id,
                                                             GError **error);
/* The nearest ancestor that is paused; NULL when there is none. A cycle ends. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_find_paused_ancestor(Db *db, const char *id,
                                                                        StoreMember **ancestor,
                                                                        GError **error);

typedef enum {
    STORE_REMOVE_TREE,  /* `id` and all below */
    STORE_REMOVE_BELOW, /* all below `id`, not itself (collapse) */
} StoreRemoveExtent;

typedef struct {
    GPtrArray *members; /* StoreMember with the status before: those removed by this call, children
                           before parents */
    gboolean root_removed; /* `id` itself is among them */
    gint64 rows_purged;
} StoreRemoval;
void store_removal_free(StoreRemoval *removal); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreRemoval, store_removal_free)

/* Removes a tree in one transaction: status, layouts, tokens, schedules, channels, queued messages,
 * pending approvals and delegations, the wish
 * (`absent`, generation + 1) and one runtime_gc intent for each container, volume and instance that
 * may exist. Rows that were removed before are left as they are. With `purge` all rows of the tree,
 * those removed before included, are then deleted; intents and events stay, and volumes of theirs
 * that were kept are kept no longer. Error: ERROR_NOT_FOUND when there is no row. Source: spec 01
 * section 8, spec 02 section 17.3 D. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_workspace_remove(Db *db, const char *id,
                                                          StoreRemoveExtent extent, gboolean purge,
                                                          StoreRemoval **removal, GError **error);
