/* What the two files of the fault engine share; not for others. */
#pragma once

#include "engine/fault/fault.h"

typedef struct {
    Engine base; /* its ops are `ops` */
    EngineOps ops;
    Engine *inner; /* owned */

    Mutex lock; /* guards what follows; never held across a call */
    EngineFaultPlan plan;
    gboolean has_plan, is_away;
    gint64 away_until_us;                  /* g_get_monotonic_time; 0: no outage by plan */
    guint64 drawn[ENGINE_OPERATION_COUNT]; /* calls of each operation so far */
    guint64 counts[ENGINE_FAULT_KINDS];
    guint calls, armed_at; /* armed_at 0: nothing is armed */
    EngineFault armed;
} FaultEngine;

/* One call under way. */
typedef struct {
    FaultEngine *engine;
    EngineOperation operation;
    EngineFault fault;
} FaultCall;

FaultEngine *fault_engine(Engine *self);
/* Chance for the next call of `operation`. */
guint64 fault_draw_locked(FaultEngine *engine, EngineOperation operation);
gboolean fault_is_away(FaultEngine *engine);
/* Draws what happens to a call. FALSE: it never reaches the engine. */
gboolean fault_begin(FaultCall *call, Engine *self, EngineOperation operation, GError **error);
/* It has happened. FALSE: nobody is told; results must be freed. */
gboolean fault_finish(const FaultCall *call, GError **error);

extern const EngineOps fault_ops; /* without a name */
