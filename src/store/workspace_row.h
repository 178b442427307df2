/* A workspace as the database keeps it. Plain values, no behaviour. Source: spec 01, sections
 * 4, 10.1, 19.1, 19.26. */
#pragma once

#include "base/ids.h"

#include <glib.h>

typedef enum {
    WORKSPACE_PROVISIONING,
    WORKSPACE_ONLINE,
    WORKSPACE_OFFLINE,
    WORKSPACE_DEGRADED,
    WORKSPACE_FAILED,
    WORKSPACE_REMOVED,
    WORKSPACE_PAUSED,
    WORKSPACE_HIBERNATED,
    WORKSPACE_HIBERNATING,
    WORKSPACE_AWAITING_AGENT,
} WorkspaceStatus;

/* "provisioning", ... Borrowed. */
const char *workspace_status_name(WorkspaceStatus status);
/* Unknown text (another program's) reads as WORKSPACE_OFFLINE; NULL as WORKSPACE_PROVISIONING. */
WorkspaceStatus workspace_status_parse(const char *name);

/* Every text is owned; NULL is SQL NULL. Times are microseconds, 0 is NULL. */
typedef struct {
    char id[ID_SIZE];
    char *name;
    char *role;
    gint64 tier;
    WorkspaceStatus status;
    char *source_bundle_id;
    char *agent_card;        /* compact JSON */
    char *url;               /* where the server reaches the agent */
    gboolean url_is_minted;  /* TRUE: made by our own engine (trusted); FALSE: said by the agent */
    char *agent_url;         /* what the agent last registered; shown to peers */
    char parent_id[ID_SIZE]; /* "" for a root */
    gint64 last_heartbeat_at_us;
    double last_error_rate;
    char *last_sample_error;
    gint64 active_tasks;
    gint64 uptime_seconds;
    gint64 created_at_us;
    gint64 updated_at_us;
    char *current_task;
    char *awareness_namespace;
    char *runtime;
    char *workspace_dir;
    char *workspace_access;          /* "none", "read_only", "read_write" */
    gint64 budget_limit;             /* US cents; -1: no limit */
    gint64 monthly_spend;            /* US cents */
    gint64 spend_period;             /* yyyymm of monthly_spend, 0: none yet */
    gint64 hibernation_idle_minutes; /* 0: off */
    gint64 last_outbound_at_us;
    gint64 max_concurrent_tasks;
    char *instance_id;
    char *model;
    char *template_name; /* the template it was created from, or NULL */
    char *image;         /* asked for at create (D24), or NULL */
    char *executor;      /* built-in agent: "echo", "command", ...; or NULL */
    char *command;       /* command of the executor; or NULL */
    gint64 provision_started_at_us;
    gint64 idle_since_us;
    /* Of its workspace_runtime row, read only: why it does not run. */
    char *failure_reason;   /* a word of base/reasons.h; NULL: nothing failed */
    char *failure_sentence; /* for people */
    gboolean has_exit_code;
    gint64 exit_code;
    gint64 failed_at_us;
    double x, y; /* canvas_layouts; 0 without a row */
    gboolean collapsed;
    /* Not of this table: the tree in memory (org/tree.h) fills them in, else 0. */
    gint64 metered_micro_usd; /* token usage of the month metered_period */
    gint64 metered_period;    /* yyyymm; 0: none */
} WorkspaceRow;

WorkspaceRow *workspace_row_new(void); /* zeroed, budget_limit -1, max_concurrent_tasks 1 */
WorkspaceRow *workspace_row_copy(const WorkspaceRow *row);
void workspace_row_free(WorkspaceRow *row); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WorkspaceRow, workspace_row_free)
