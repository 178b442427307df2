#include "refresh/roll.h"

#include <stdlib.h>

static gboolean is_up(const RuntimeRow *runtime)
{
    return runtime->phase == RUNTIME_STARTED || runtime->phase == RUNTIME_READY;
}

static gboolean answers(WorkspaceStatus status)
{
    return status == WORKSPACE_ONLINE || status == WORKSPACE_DEGRADED;
}

/* Of one that we brought over. */
static RollState judge_rolled(const RuntimeRow *runtime, WorkspaceStatus status, gboolean is_new,
                              gint64 rolled_generation, gboolean is_overdue)
{
    if (runtime->generation != rolled_generation)
        return ROLL_NOTHING; /* another wish came after ours and starts it with what is here */
    if (status == WORKSPACE_FAILED)
        return ROLL_FAILED;
    if (is_new && is_up(runtime) && answers(status))
        return ROLL_NOTHING;
    /* Back, but with a third image: somebody pulled meanwhile. Never twice for one wish. */
    if (!is_new && is_up(runtime) && answers(status) && runtime->image_digest)
        return ROLL_NOTHING;
    return is_overdue ? ROLL_FAILED : ROLL_WAITING;
}

RollState roll_judge(const RuntimeRow *runtime, WorkspaceStatus status, const char *digest,
                     gint64 rolled_generation, gboolean is_overdue)
{
    gboolean is_new = g_strcmp0(runtime->image_digest, digest) == 0;

    if (runtime->desired != RUNTIME_RUNNING)
        return ROLL_NOTHING;
    if (rolled_generation)
        return judge_rolled(runtime, status, is_new, rolled_generation, is_overdue);
    if (is_new)
        return ROLL_NOTHING;
    if (status == WORKSPACE_PROVISIONING)
        return ROLL_LATER;
    return is_up(runtime) && (answers(status) || status == WORKSPACE_OFFLINE) ? ROLL_CANDIDATE
                                                                              : ROLL_NOTHING;
}

static int compare_tasks(const void *a, const void *b)
{
    gint64 left = ((const RollCandidate *)a)->row->active_tasks;
    gint64 right = ((const RollCandidate *)b)->row->active_tasks;

    return (left > right) - (left < right);
}

guint roll_choose(RollCandidate *candidates, guint count, guint slots, gboolean may_disturb)
{
    guint taken = 0;

    if (count > 1)
        qsort(candidates, count, sizeof *candidates, compare_tasks);
    while (taken < MIN(count, slots) && (may_disturb || candidates[taken].row->active_tasks == 0))
        taken++;
    return taken;
}
