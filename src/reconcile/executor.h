/* One queue a workspace, so many starts and so many stops at once.
 *
 * Whoever thinks that a workspace needs a look names it; looks at the same workspace never overlap,
 * and what is asked for while one is under way is done once more after it. Before it runs, a look
 * is classified (start or stop), because the two have limits of their own. Nothing is kept that a
 * crash could lose: at a start every workspace is named again.
 *
 * Thread: any; the functions given run in the executor's own threads, without its lock. Lock: place
 * 1 in base/sync.h. Source: spec 02, section 17.3 C. */
#pragma once

#include "base/ids.h"
#include "base/sync.h"

typedef struct _Executor Executor;

typedef enum { WORK_UNKNOWN, WORK_START, WORK_STOP, WORK_KINDS } WorkKind;

typedef struct {
    /* What this workspace needs now: WORK_START or WORK_STOP. May run SQL. */
    WorkKind (*classify)(const char *id, void *data);
    void (*run)(const char *id, void *data);
    void *data;
    guint start_limit, stop_limit;
} ExecutorOptions;

/* Paused until executor_pause(FALSE). */
Executor *executor_new(const ExecutorOptions *options);
void executor_start(Executor *executor);
/* No further looks; those under way are told by executor_is_stopping. Joins. Repeatable. */
void executor_stop(Executor *executor);
void executor_free(Executor *executor); /* stops first; NULL is fine */

/* "Look at it." Never blocks. */
void executor_poke(Executor *executor, const char *id);
/* The same, once the monotonic clock shows `due_us`; an earlier one that is pending stays. */
void executor_poke_at(Executor *executor, const char *id, gint64 due_us);
/* Only when no look is under way; FALSE then. */
gboolean executor_poke_idle(Executor *executor, const char *id);

/* While paused nothing new begins. */
void executor_pause(Executor *executor, gboolean paused);
gboolean executor_is_stopping(Executor *executor);
guint executor_running(Executor *executor);
/* Nothing is under way and nothing is due. For tests. */
gboolean executor_is_idle(Executor *executor);
