/* An engine that wraps any other and fails on purpose: for tests, built into nothing else.
 *
 * A plan says how often each kind of fault comes; chance is drawn from the plan's seed, the
 * operation and how many calls of that operation came before, so that a seed gives the same faults
 * on every machine however the threads run. To its callers it is the engine it wraps: same name,
 * same abilities, same errors. Thread: any. */
#pragma once

#include "engine/engine.h"

/* What happens to a call. "Before": it never reaches the engine. "After": it happens, then its
 * answer is replaced. A call that fails by itself keeps its own error. The codes are those that the
 * engine's border makes of the same answer on the wire. */
typedef enum {
    ENGINE_FAULT_NONE,
    ENGINE_FAULT_DELAY,        /* takes up to `delay_max_us` longer, then happens */
    ENGINE_FAULT_REFUSE,       /* before; 500 from the engine: ERROR_INTERNAL */
    ENGINE_FAULT_REFUSE_AFTER, /* after; the same */
    ENGINE_FAULT_LOSE,         /* before; sent, no answer: ERROR_OUTCOME_UNKNOWN, for reads
                                  ERROR_UNAVAILABLE */
    ENGINE_FAULT_LOSE_AFTER,   /* after; the same */
    ENGINE_FAULT_AWAY,         /* before; connection refused: ERROR_UNAVAILABLE */
    ENGINE_FAULT_CONFLICT, /* before; 409 from the engine: ERROR_CONFLICT, where the operation knows
                              it */
    ENGINE_FAULT_CONFLICT_AFTER, /* after; the same ("removal is already in progress") */
    ENGINE_FAULT_FOREIGN_ABSENT, /* before; a 404 that is not the engine's own: ERROR_UNAVAILABLE,
                                    proves nothing */
    ENGINE_FAULT_FALSE_ABSENT, /* before; a 404 that looks like the engine's own: ERROR_NOT_FOUND, a
                                  lie; where the operation knows it */
    ENGINE_FAULT_KINDS,
} EngineFault;
const char *engine_fault_name(EngineFault fault); /* "lose_after"; borrowed */

typedef struct {
    guint64 seed;
    guint per_mille[ENGINE_FAULT_KINDS]; /* of all calls; [ENGINE_FAULT_NONE] is what is left */
    guint delay_max_us;
    guint stream_max_us; /* event and log streams are cut after up to this, wall-clock; 0: never */
    guint outage_per_mille; /* calls that begin a total outage: everything ERROR_UNAVAILABLE, all
                               streams end */
    guint outage_max_us;    /* it lasts up to this, wall-clock */
} EngineFaultPlan;
/* A mixture in which most calls fail somehow sooner or later: about one in seven. */
EngineFaultPlan engine_fault_plan(guint64 seed);

/* `inner` moves in and is freed with it. Starts without faults. */
Engine *engine_fault_new(Engine *inner);
/* NULL: no faults from now on, a running outage is over. */
void engine_fault_set_plan(Engine *engine, const EngineFaultPlan *plan);
/* Until told otherwise everything is ERROR_UNAVAILABLE and every stream ends. */
void engine_fault_set_outage(Engine *engine, gboolean is_away);
/* Instead of chance: the `n`-th call from now (1: the next), of any operation but ping and info,
 * gets `fault`. */
void engine_fault_arm(Engine *engine, guint n, EngineFault fault);
/* Calls counted since the last engine_fault_arm. */
guint engine_fault_calls(Engine *engine);
/* How often each kind was done so far. */
void engine_fault_counts(Engine *engine, guint64 counts[ENGINE_FAULT_KINDS]);
