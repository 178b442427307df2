/* The decision table of the reconciler: one workspace's wish and what was seen of it -> the next
 * step. Pure: no clock, no engine, no database.
 *
 * Each step, carried out or lost half way, leads to a state in which the table names the step that
 * follows, so that crash, error and race need no code of their own. Source: spec 02, section 17.3
 * E, F, L18. */
#pragma once

#include "engine/engine.h"
#include "store/runtime.h"
#include "store/workspace_row.h"

typedef enum {
    PLAN_REST,       /* nothing to do; look again at `again_at_us` (0: when asked) */
    PLAN_START,      /* make a container from nothing */
    PLAN_SEED,       /* go on with `container`, which was created */
    PLAN_LAUNCH,     /* go on with `container`, which was seeded */
    PLAN_HAND_OVER,  /* `container` is of the stock: tell its agent whose it is */
    PLAN_ADOPT,      /* `container` runs: record it and its address */
    PLAN_SETTLE,     /* it has been well long enough: forget former failures */
    PLAN_HEALTH,     /* the image's own check of `container` came to another result: say so */
    PLAN_DIED,       /* what was recorded is verified dead, or silent for good */
    PLAN_TIMED_OUT,  /* its agent did not register in time */
    PLAN_CRASH_LOOP, /* it dies again and again */
    PLAN_HALT,       /* stop `container`, keep it for inspection */
    PLAN_RAISE,      /* `container` is of a later generation than the row knows */
    PLAN_REMOVE,     /* stop and remove `container` */
    PLAN_FREEZE,     /* halt `container` where it stands, and say so */
    PLAN_THAW,       /* let `container` go on, and say so */
    PLAN_FINISH,     /* no container is left where none is wished */
} PlanStep;

typedef struct {
    const RuntimeRow *runtime;
    const WorkspaceRow *workspace; /* NULL: there is none */
    const GPtrArray *containers;   /* ContainerInfo, all of this workspace and of ours */
    gint64 provision_deadline_us;  /* when a provisioning one has failed; 0: not provisioning */
    gint64 silent_until_us;        /* when an offline agent counts as hung; 0: it is not silent */
    gboolean is_crash_loop;
    gint64 now_us; /* all times are wall time */
} PlanInput;

typedef struct {
    PlanStep step;
    const ContainerInfo *container; /* borrowed from the input; NULL where none is meant */
    const char *reason;             /* for the log; static */
    gint64 again_at_us;             /* PLAN_REST */
} Plan;

#define PLAN_KEEP_FAILED_US   (3600 * G_GINT64_CONSTANT(1000000)) /* a failed container; 17.3 F */
#define PLAN_SETTLED_AFTER_US (60 * G_GINT64_CONSTANT(1000000))

Plan plan_next(const PlanInput *input);
/* Whether a container of the stock (store/warm.h) runs again since its agent was told whose it is.
 */
gboolean plan_has_forgotten(const RuntimeRow *runtime, const ContainerInfo *container);

/* Whether a pass must look closer, from a listing alone. */
gboolean plan_is_settled(const PlanInput *input);

/* The container to keep of several: the recorded one, else a running one, else the newest. NULL
 * when there is none. */
const ContainerInfo *plan_keeper(const RuntimeRow *runtime, const GPtrArray *containers);

/* Where the server calls it: "http://127.0.0.1:49153". NULL when it has no address. Caller owns it.
 */
char *plan_url_dup(const ContainerInfo *container);

/* Microseconds until attempt number `attempts` + 1: 5 s x 2^n up to 10 min. */
gint64 plan_back_off_us(gint64 attempts);
/* The same for what shall go: up to a minute, so that it is gone two minutes after the last fault.
 */
gint64 plan_removal_back_off_us(gint64 attempts);
