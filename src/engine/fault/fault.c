/* The plan, its chance, and what a fault says. */
#include "engine/fault/internal.h"

FaultEngine *fault_engine(Engine *self)
{
    return (FaultEngine *)self;
}

const char *engine_fault_name(EngineFault fault)
{
    static const char *const names[ENGINE_FAULT_KINDS] = {
        [ENGINE_FAULT_NONE] = "none",
        [ENGINE_FAULT_DELAY] = "delay",
        [ENGINE_FAULT_REFUSE] = "refuse",
        [ENGINE_FAULT_REFUSE_AFTER] = "refuse_after",
        [ENGINE_FAULT_LOSE] = "lose",
        [ENGINE_FAULT_LOSE_AFTER] = "lose_after",
        [ENGINE_FAULT_AWAY] = "away",
        [ENGINE_FAULT_CONFLICT] = "conflict",
        [ENGINE_FAULT_CONFLICT_AFTER] = "conflict_after",
        [ENGINE_FAULT_FOREIGN_ABSENT] = "foreign_absent",
        [ENGINE_FAULT_FALSE_ABSENT] = "false_absent",
    };

    return names[fault];
}

EngineFaultPlan engine_fault_plan(guint64 seed)
{
    return (EngineFaultPlan){
        .seed = seed,
        .per_mille = {[ENGINE_FAULT_DELAY] = 20,
                      [ENGINE_FAULT_REFUSE] = 20,
                      [ENGINE_FAULT_REFUSE_AFTER] = 15,
                      [ENGINE_FAULT_LOSE] = 20,
                      [ENGINE_FAULT_LOSE_AFTER] = 25,
                      [ENGINE_FAULT_AWAY] = 15,
                      [ENGINE_FAULT_CONFLICT] = 10,
                      [ENGINE_FAULT_CONFLICT_AFTER] = 10,
                      [ENGINE_FAULT_FOREIGN_ABSENT] = 15},
        .delay_max_us = 20000,
        .stream_max_us = 2000000,
        .outage_per_mille = 1,
        .outage_max_us = 200000,
    };
}

/* ---- Chance ---- */

/* SplitMix64 (Steele, Lea, Flood 2014): the same everywhere, and good for seeds that are near each
 * other. */
static guint64 mix(guint64 value)
{
    value += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

guint64 fault_draw_locked(FaultEngine *engine, EngineOperation operation)
{
    guint64 n = engine->drawn[operation]++;

    return mix(engine->plan.seed ^ mix(((guint64)operation << 48) ^ n));
}

static EngineFault choose(const EngineFaultPlan *plan, guint64 chance)
{
    guint64 point = chance % 1000;

    for (guint fault = 1; fault < ENGINE_FAULT_KINDS; fault++) {
        if (point < plan->per_mille[fault])
            return (EngineFault)fault;
        point -= plan->per_mille[fault];
    }
    return ENGINE_FAULT_NONE;
}

/* ---- What an operation can say ---- */

static gboolean has_effect(EngineOperation operation)
{
    switch (operation) {
    case ENGINE_OPERATION_CREATE:
    case ENGINE_OPERATION_START:
    case ENGINE_OPERATION_STOP:
    case ENGINE_OPERATION_REMOVE:
    case ENGINE_OPERATION_FREEZE:
    case ENGINE_OPERATION_THAW:
    case ENGINE_OPERATION_VOLUME_CREATE:
    case ENGINE_OPERATION_VOLUME_REMOVE:
    case ENGINE_OPERATION_NETWORK_ENSURE:
    case ENGINE_OPERATION_EXEC:
    case ENGINE_OPERATION_ATTACH:
    case ENGINE_OPERATION_COPY_IN:
    case ENGINE_OPERATION_IMAGE_IMPORT:
    case ENGINE_OPERATION_IMAGE_PULL:
    case ENGINE_OPERATION_IMAGE_PRUNE:
        return TRUE;
    default:
        return FALSE;
    }
}

/* A daemon says so of anything that it is changing. */
static gboolean knows_conflict(EngineOperation operation)
{
    return has_effect(operation) || operation == ENGINE_OPERATION_STATS;
}

/* Only what the contract of the operation names. */
static gboolean knows_absent(EngineOperation operation)
{
    return operation == ENGINE_OPERATION_INSPECT || operation == ENGINE_OPERATION_START ||
           operation == ENGINE_OPERATION_COPY_IN || operation == ENGINE_OPERATION_COPY_OUT ||
           operation == ENGINE_OPERATION_FREEZE || operation == ENGINE_OPERATION_THAW ||
           operation == ENGINE_OPERATION_IMAGE_INSPECT || operation == ENGINE_OPERATION_LOGS;
}

static gboolean say(const FaultCall *call, GError **error)
{
    const char *name = engine_operation_name(call->operation);
    gboolean is_unknown = has_effect(call->operation);

    switch (call->fault) {
    case ENGINE_FAULT_LOSE:
    case ENGINE_FAULT_LOSE_AFTER:
        return error_set(error, is_unknown ? ERROR_OUTCOME_UNKNOWN : ERROR_UNAVAILABLE,
                         "%s: no answer, on purpose", name);
    case ENGINE_FAULT_AWAY:
        return error_set(error, ERROR_UNAVAILABLE, "%s: nobody there, on purpose", name);
    case ENGINE_FAULT_FOREIGN_ABSENT:
        return error_set(error, ERROR_UNAVAILABLE, "%s: a foreign 404, on purpose", name);
    case ENGINE_FAULT_CONFLICT:
    case ENGINE_FAULT_CONFLICT_AFTER:
        return error_set(error, knows_conflict(call->operation) ? ERROR_CONFLICT : ERROR_INTERNAL,
                         "%s: a conflict, on purpose", name);
    case ENGINE_FAULT_FALSE_ABSENT:
        return error_set(error, knows_absent(call->operation) ? ERROR_NOT_FOUND : ERROR_INTERNAL,
                         "%s: not found, on purpose", name);
    default:
        return error_set(error, ERROR_INTERNAL, "%s: refused, on purpose", name);
    }
}

/* ---- A call ---- */

static gboolean is_away_locked(FaultEngine *engine)
{
    if (engine->away_until_us && g_get_monotonic_time() >= engine->away_until_us)
        engine->away_until_us = 0;
    return engine->is_away || engine->away_until_us;
}

gboolean fault_is_away(FaultEngine *engine)
{
    gboolean away = FALSE;

    mutex_lock(&engine->lock);
    away = is_away_locked(engine);
    mutex_unlock(&engine->lock);
    return away;
}

static gboolean is_counted(EngineOperation operation)
{
    return operation != ENGINE_OPERATION_PING && operation != ENGINE_OPERATION_INFO;
}

/* `extra` gets chance for the amount of a delay or of an outage. */
static EngineFault next_fault_locked(FaultEngine *engine, EngineOperation operation, guint64 *extra)
{
    const EngineFaultPlan *plan = &engine->plan;
    guint64 chance = 0;

    if (is_counted(operation) && ++engine->calls == engine->armed_at)
        return engine->armed;
    if (is_away_locked(engine))
        return ENGINE_FAULT_AWAY;
    if (!engine->has_plan)
        return ENGINE_FAULT_NONE;
    chance = fault_draw_locked(engine, operation);
    *extra = mix(chance);
    if ((chance >> 32) % 1000 < plan->outage_per_mille) {
        engine->away_until_us =
            g_get_monotonic_time() + (gint64)(*extra % MAX(plan->outage_max_us, 1));
        return ENGINE_FAULT_AWAY;
    }
    return choose(plan, chance);
}

/* FALSE: it never reaches the engine. */
gboolean fault_begin(FaultCall *call, Engine *self, EngineOperation operation, GError **error)
{
    FaultEngine *engine = fault_engine(self);
    guint64 extra = 0;
    guint delay_us = 0;

    *call = (FaultCall){.engine = engine, .operation = operation};
    mutex_lock(&engine->lock);
    call->fault = next_fault_locked(engine, operation, &extra);
    engine->counts[call->fault]++;
    delay_us = (guint)(extra % MAX(engine->plan.delay_max_us, 1));
    mutex_unlock(&engine->lock);
    switch (call->fault) {
    case ENGINE_FAULT_DELAY:
        g_usleep(delay_us);
        return TRUE;
    case ENGINE_FAULT_NONE:
    case ENGINE_FAULT_REFUSE_AFTER:
    case ENGINE_FAULT_LOSE_AFTER:
    case ENGINE_FAULT_CONFLICT_AFTER:
        return TRUE;
    default:
        return say(call, error);
    }
}

/* FALSE: what it did is not told. */
gboolean fault_finish(const FaultCall *call, GError **error)
{
    if (call->fault == ENGINE_FAULT_NONE || call->fault == ENGINE_FAULT_DELAY)
        return TRUE;
    return say(call, error);
}

/* ---- The engine ---- */

/* What the wrapped engine lacks, this one lacks. */
static EngineOps abilities_of(const EngineOps *inner)
{
    EngineOps ops = fault_ops;

    ops.name = inner->name;
    ops.copies_through_mounts = inner->copies_through_mounts;
    ops.is_hosted = inner->is_hosted;
#define LACKS_TOO(operation_) ops.operation_ = inner->operation_ ? ops.operation_ : NULL
    LACKS_TOO(list);
    LACKS_TOO(start);
    LACKS_TOO(stop);
    LACKS_TOO(freeze);
    LACKS_TOO(thaw);
    LACKS_TOO(volume_create);
    LACKS_TOO(volume_list);
    LACKS_TOO(volume_remove);
    LACKS_TOO(network_ensure);
    LACKS_TOO(exec);
    LACKS_TOO(attach);
    LACKS_TOO(session_fd);
    LACKS_TOO(session_resize);
    LACKS_TOO(session_free);
    LACKS_TOO(copy_in);
    LACKS_TOO(copy_out);
    LACKS_TOO(logs);
    LACKS_TOO(logs_follow);
    LACKS_TOO(stats);
    LACKS_TOO(events);
    LACKS_TOO(image_inspect);
    LACKS_TOO(image_import);
    LACKS_TOO(image_pull);
    LACKS_TOO(console);
    LACKS_TOO(interrupt);
#undef LACKS_TOO
    return ops;
}

Engine *engine_fault_new(Engine *inner)
{
    FaultEngine *engine = g_new0(FaultEngine, 1);

    engine->ops = abilities_of(inner->ops);
    engine->inner = inner;
    mutex_init(&engine->lock);
    engine_init(&engine->base, &engine->ops);
    return &engine->base;
}

void engine_fault_set_plan(Engine *self, const EngineFaultPlan *plan)
{
    FaultEngine *engine = fault_engine(self);

    mutex_lock(&engine->lock);
    engine->has_plan = plan != NULL;
    engine->plan = plan ? *plan : (EngineFaultPlan){0};
    if (!plan)
        engine->away_until_us = 0, engine->is_away = FALSE;
    mutex_unlock(&engine->lock);
}

void engine_fault_set_outage(Engine *self, gboolean is_away_now)
{
    FaultEngine *engine = fault_engine(self);

    mutex_lock(&engine->lock);
    engine->is_away = is_away_now;
    mutex_unlock(&engine->lock);
}

void engine_fault_arm(Engine *self, guint n, EngineFault fault)
{
    FaultEngine *engine = fault_engine(self);

    mutex_lock(&engine->lock);
    engine->calls = 0;
    engine->armed_at = n;
    engine->armed = fault;
    mutex_unlock(&engine->lock);
}

guint engine_fault_calls(Engine *self)
{
    FaultEngine *engine = fault_engine(self);
    guint calls = 0;

    mutex_lock(&engine->lock);
    calls = engine->calls;
    mutex_unlock(&engine->lock);
    return calls;
}

void engine_fault_counts(Engine *self, guint64 counts[ENGINE_FAULT_KINDS])
{
    FaultEngine *engine = fault_engine(self);

    mutex_lock(&engine->lock);
    for (guint i = 0; i < ENGINE_FAULT_KINDS; i++)
        counts[i] = engine->counts[i];
    mutex_unlock(&engine->lock);
}
