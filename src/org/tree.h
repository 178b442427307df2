/* The organisation in memory: every live workspace, its place in the chart and its latest vital
 * signs.
 *
 * Access checks, lists and heartbeats read here and cost no query. The database stays the truth:
 * whoever committed a change of a workspace calls org_tree_refresh with its id; on several replicas
 * the bus does the same on the others. Vital signs (what a heartbeat brings) live here at once and
 * are written to the database by org_tree_flush, every few seconds.
 *
 * Rows are immutable snapshots with a reference count: readers keep them without a lock.
 * Thread: any. Lock: place 3 in base/sync.h. Source: ARCHITECTURE section 4 (hot state); spec 02
 * section 14; spec 04 section 4. */
#pragma once

#include "base/errors.h"
#include "db/db.h"
#include "store/workspace_row.h"

typedef struct _OrgTree OrgTree;

/* A snapshot: the row as of the last refresh, with the vital signs of this moment filled in. */
typedef struct _OrgNode OrgNode;
const WorkspaceRow *org_node_row(const OrgNode *node);
OrgNode *org_node_ref(OrgNode *node);
void org_node_unref(OrgNode *node); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OrgNode, org_node_unref)

/* Reads all workspaces that are not removed. */
OrgTree *org_tree_new(Db *db, GError **error);
void org_tree_free(OrgTree *tree); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OrgTree, org_tree_free)

/* Reads one workspace again; a removed or absent one leaves the tree. Errors: those of the database
 * (the tree keeps the old row and tries again at the next flush). */
gboolean org_tree_refresh(OrgTree *tree, const char *id, GError **error);

/* NULL when there is no live workspace of that id. */
OrgNode *org_tree_find(OrgTree *tree, const char *id);
/* All live ones, by creation time, then id. GPtrArray of OrgNode references. */
GPtrArray *org_tree_list(OrgTree *tree);
/* Siblings, children, parent of a workspace in that order, by name inside each group (spec
 * 04, 8.2). NULL when it is not live. */
GPtrArray *org_tree_peers(OrgTree *tree, const char *id);
guint org_tree_size(OrgTree *tree);
/* Moves with every visible change; equal versions mean an equal org_tree_list. */
guint64 org_tree_version(OrgTree *tree);

/* May `caller` talk to `target`? Same id: yes, existing or not. Source: spec 04 section 4 (rows 1
 * to 11). */
gboolean org_tree_may_talk(OrgTree *tree, const char *caller, const char *target);
/* Whether making `parent` the parent of `id` would close a cycle (or is itself). */
gboolean org_tree_would_cycle(OrgTree *tree, const char *id, const char *parent);

/* What a heartbeat says. Texts are borrowed. */
typedef struct {
    double error_rate;
    const char *sample_error; /* NULL: keep */
    gint64 active_tasks;
    gint64 uptime_seconds; /* 0: keep */
    const char *current_task;
    gint64 monthly_spend; /* 0: keep */
    gint64 heartbeat_at_us;
} OrgVitals;

/* Stores vital signs in memory. `before` (may be NULL) gets the node as it was. FALSE when the
 * workspace is not live. */
gboolean org_tree_beat(OrgTree *tree, const char *id, const OrgVitals *vitals, OrgNode **before);
/* Writes vital signs that changed since the last flush, in one transaction. Called every few
 * seconds and at shutdown. */
gboolean org_tree_flush(OrgTree *tree, GError **error);
/* Last moment a workspace did or got something (A2A in or out, tasks); for idle hibernation. Memory
 * only, flushed with the rest. */
void org_tree_touch_activity(OrgTree *tree, const char *id, gboolean outbound);
/* Reads the month's totals again: another server on this database adds to them as well. Errors:
 * those of the database. */
gboolean org_tree_read_usage(OrgTree *tree, GError **error);
/* Token usage that was committed to the database (store/usage.h): the month's total is kept here,
 * so that judging a budget costs no query. An unknown workspace is ignored. */
void org_tree_add_usage(OrgTree *tree, const char *id, gint64 cost_micro_usd, gint64 at_us);
