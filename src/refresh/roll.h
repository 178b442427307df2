/* Who is brought over to a new image, and when. Pure. Source: spec 02 section 15 ("Ours"). */
#pragma once

#include "store/runtime.h"
#include "store/workspace_row.h"

typedef enum {
    ROLL_NOTHING,   /* runs it, or will by itself */
    ROLL_CANDIDATE, /* runs an old one */
    ROLL_LATER,     /* is being started by somebody else, maybe with the old one */
    ROLL_WAITING,   /* we brought it over and it is not back yet */
    ROLL_FAILED,    /* we brought it over and it did not come back */
} RollState;

/* `rolled_generation`: the generation of our wish, 0: none for this digest. `is_overdue`: it had
 * its time since. */
RollState roll_judge(const RuntimeRow *runtime, WorkspaceStatus status, const char *digest,
                     gint64 rolled_generation, gboolean is_overdue);

typedef struct {
    const WorkspaceRow *row;
    gint64 generation;
} RollCandidate;

/* Puts the idle ones first and gives how many of them to take: at most `slots`, busy ones only when
 * `may_disturb`. */
guint roll_choose(RollCandidate *candidates, guint count, guint slots, gboolean may_disturb);
