/* Each operation is: draw a fault; perhaps answer at once; else do it; perhaps throw its answer
 * away. */
#include "base/clock.h"
#include "engine/fault/internal.h"

#define STREAM_LOOK_US 20000 /* how soon a stream notices that it has to end */

static Engine *inner_of(Engine *self)
{
    return fault_engine(self)->inner;
}

/* ---- The operations without results ---- */

static gboolean fault_ping(Engine *self, GError **error)
{
    FaultCall call;

    return fault_begin(&call, self, ENGINE_OPERATION_PING, error) &&
           engine_ping(inner_of(self), error) && fault_finish(&call, error);
}

static gboolean fault_start(Engine *self, const char *ref, GError **error)
{
    FaultCall call;

    return fault_begin(&call, self, ENGINE_OPERATION_START, error) &&
           engine_start(inner_of(self), ref, error) && fault_finish(&call, error);
}

static gboolean fault_stop(Engine *self, const char *ref, guint grace_seconds, GError **error)
{
    FaultCall call;

    return fault_begin(&call, self, ENGINE_OPERATION_STOP, error) &&
           engine_stop(inner_of(self), ref, grace_seconds, error) && fault_finish(&call, error);
}

static gboolean fault_remove(Engine *self, const char *ref, GError **error)
{
    FaultCall call;

    return fault_begin(&call, self, ENGINE_OPERATION_REMOVE, error) &&
           engine_remove(inner_of(self), ref, error) && fault_finish(&call, error);
}

static gboolean fault_freeze(Engine *self, const char *ref, GError **error)
{
    FaultCall call;

    return fault_begin(&call, self, ENGINE_OPERATION_FREEZE, error) &&
           engine_freeze(inner_of(self), ref, error) && fault_finish(&call, error);
}

static gboolean fault_thaw(Engine *self, const char *ref, GError **error)
{
    FaultCall call;

    return fault_begin(&call, self, ENGINE_OPERATION_THAW, error) &&
           engine_thaw(inner_of(self), ref, error) && fault_finish(&call, error);
}

static gboolean fault_volume_remove(Engine *self, const char *name, GError **error)
{
    FaultCall call;

    return fault_begin(&call, self, ENGINE_OPERATION_VOLUME_REMOVE, error) &&
           engine_volume_remove(inner_of(self), name, error) && fault_finish(&call, error);
}

static gboolean fault_network_ensure(Engine *self, const char *name, const EngineLabels *labels,
                                     GError **error)
{
    FaultCall call;

    return fault_begin(&call, self, ENGINE_OPERATION_NETWORK_ENSURE, error) &&
           engine_network_ensure(inner_of(self), name, labels, error) && fault_finish(&call, error);
}

static gboolean fault_copy_in(Engine *self, const char *ref, const char *path, GBytes *tar,
                              GError **error)
{
    FaultCall call;

    return fault_begin(&call, self, ENGINE_OPERATION_COPY_IN, error) &&
           engine_copy_in(inner_of(self), ref, path, tar, error) && fault_finish(&call, error);
}

static gboolean fault_stats(Engine *self, const char *ref, EngineStats *stats, GError **error)
{
    FaultCall call;

    return fault_begin(&call, self, ENGINE_OPERATION_STATS, error) &&
           engine_stats(inner_of(self), ref, stats, error) && fault_finish(&call, error);
}

static gboolean fault_image_import(Engine *self, const char *image, GBytes *tar, GError **error)
{
    FaultCall call;

    return fault_begin(&call, self, ENGINE_OPERATION_IMAGE_IMPORT, error) &&
           engine_image_import(inner_of(self), image, tar, error) && fault_finish(&call, error);
}

static gboolean fault_image_pull(Engine *self, const char *image, EngineBytesFunction progress,
                                 void *data, Cancel *cancel, GError **error)
{
    FaultCall call;

    return fault_begin(&call, self, ENGINE_OPERATION_IMAGE_PULL, error) &&
           engine_image_pull(inner_of(self), image, progress, data, cancel, error) &&
           fault_finish(&call, error);
}

static gboolean fault_image_prune(Engine *self, const char *repository, guint *removed,
                                  GError **error)
{
    FaultCall call;

    return fault_begin(&call, self, ENGINE_OPERATION_IMAGE_PRUNE, error) &&
           engine_image_prune(inner_of(self), repository, removed, error) &&
           fault_finish(&call, error);
}

/* ---- The operations with results: a result nobody is told of is freed here ---- */

static gboolean fault_info(Engine *self, EngineInfo **info, GError **error)
{
    FaultCall call;

    if (!fault_begin(&call, self, ENGINE_OPERATION_INFO, error) ||
        !engine_info(inner_of(self), info, error))
        return FALSE;
    if (fault_finish(&call, error))
        return TRUE;
    g_clear_pointer(info, engine_info_free);
    return FALSE;
}

static gboolean fault_list(Engine *self, const char *installation, GPtrArray **containers,
                           GError **error)
{
    FaultCall call;

    if (!fault_begin(&call, self, ENGINE_OPERATION_LIST, error) ||
        !engine_list(inner_of(self), installation, containers, error))
        return FALSE;
    if (fault_finish(&call, error))
        return TRUE;
    g_clear_pointer(containers, g_ptr_array_unref);
    return FALSE;
}

static gboolean fault_inspect(Engine *self, const char *ref, ContainerInfo **info, GError **error)
{
    FaultCall call;

    if (!fault_begin(&call, self, ENGINE_OPERATION_INSPECT, error) ||
        !engine_inspect(inner_of(self), ref, info, error))
        return FALSE;
    if (fault_finish(&call, error))
        return TRUE;
    g_clear_pointer(info, container_info_free);
    return FALSE;
}

static gboolean fault_create(Engine *self, const ContainerSpec *spec, char **id, GError **error)
{
    FaultCall call;

    if (!fault_begin(&call, self, ENGINE_OPERATION_CREATE, error) ||
        !engine_create(inner_of(self), spec, id, error))
        return FALSE;
    if (fault_finish(&call, error))
        return TRUE;
    g_clear_pointer(id, g_free);
    return FALSE;
}

static gboolean fault_volume_create(Engine *self, const char *name, const EngineLabels *labels,
                                    EngineLabels *existing, GError **error)
{
    FaultCall call;

    if (!fault_begin(&call, self, ENGINE_OPERATION_VOLUME_CREATE, error) ||
        !engine_volume_create(inner_of(self), name, labels, existing, error))
        return FALSE;
    if (fault_finish(&call, error))
        return TRUE;
    engine_labels_clear(existing);
    return FALSE;
}

static gboolean fault_volume_list(Engine *self, const char *installation, GPtrArray **volumes,
                                  GError **error)
{
    FaultCall call;

    if (!fault_begin(&call, self, ENGINE_OPERATION_VOLUME_LIST, error) ||
        !engine_volume_list(inner_of(self), installation, volumes, error))
        return FALSE;
    if (fault_finish(&call, error))
        return TRUE;
    g_clear_pointer(volumes, g_ptr_array_unref);
    return FALSE;
}

static gboolean fault_exec(Engine *self, const char *ref, const ExecSpec *spec, ExecResult **result,
                           GError **error)
{
    FaultCall call;

    if (!fault_begin(&call, self, ENGINE_OPERATION_EXEC, error) ||
        !engine_exec(inner_of(self), ref, spec, result, error))
        return FALSE;
    if (fault_finish(&call, error))
        return TRUE;
    g_clear_pointer(result, exec_result_free);
    return FALSE;
}

static gboolean fault_copy_out(Engine *self, const char *ref, const char *path, gsize max_bytes,
                               GBytes **tar, GError **error)
{
    FaultCall call;

    if (!fault_begin(&call, self, ENGINE_OPERATION_COPY_OUT, error) ||
        !engine_copy_out(inner_of(self), ref, path, max_bytes, tar, error))
        return FALSE;
    if (fault_finish(&call, error))
        return TRUE;
    g_clear_pointer(tar, g_bytes_unref);
    return FALSE;
}

static gboolean fault_logs(Engine *self, const char *ref, guint lines, gsize max_bytes,
                           GBytes **text, GError **error)
{
    FaultCall call;

    if (!fault_begin(&call, self, ENGINE_OPERATION_LOGS, error) ||
        !engine_logs(inner_of(self), ref, lines, max_bytes, text, error))
        return FALSE;
    if (fault_finish(&call, error))
        return TRUE;
    g_clear_pointer(text, g_bytes_unref);
    return FALSE;
}

static gboolean fault_image_inspect(Engine *self, const char *image, char **digest, GError **error)
{
    FaultCall call;

    if (!fault_begin(&call, self, ENGINE_OPERATION_IMAGE_INSPECT, error) ||
        !engine_image_inspect(inner_of(self), image, digest, error))
        return FALSE;
    if (fault_finish(&call, error))
        return TRUE;
    if (digest)
        g_clear_pointer(digest, g_free);
    return FALSE;
}

static gboolean fault_console(Engine *self, const char *workspace, char **text, GError **error)
{
    FaultCall call;

    if (!fault_begin(&call, self, ENGINE_OPERATION_CONSOLE, error) ||
        !engine_console(inner_of(self), workspace, text, error))
        return FALSE;
    if (fault_finish(&call, error))
        return TRUE;
    g_clear_pointer(text, g_free);
    return FALSE;
}

/* ---- Sessions: know their own engine, as the operations on them get nothing else ---- */

typedef struct {
    Engine *inner; /* borrowed */
    EngineSession *session;
} FaultSession;

static gboolean fault_attach(Engine *self, const char *ref, const AttachSpec *spec,
                             EngineSession **session, GError **error)
{
    EngineSession *opened = NULL;
    FaultSession *wrapped = NULL;
    FaultCall call;

    if (!fault_begin(&call, self, ENGINE_OPERATION_ATTACH, error) ||
        !engine_attach(inner_of(self), ref, spec, &opened, error))
        return FALSE;
    if (!fault_finish(&call, error)) {
        engine_session_free(inner_of(self), opened);
        return FALSE;
    }
    wrapped = g_new0(FaultSession, 1);
    wrapped->inner = inner_of(self);
    wrapped->session = opened;
    *session = (EngineSession *)wrapped;
    return TRUE;
}

static int fault_session_fd(EngineSession *session)
{
    FaultSession *wrapped = (FaultSession *)session;

    return engine_session_fd(wrapped->inner, wrapped->session);
}

static gboolean fault_session_resize(EngineSession *session, guint16 columns, guint16 rows,
                                     GError **error)
{
    FaultSession *wrapped = (FaultSession *)session;

    return engine_session_resize(wrapped->inner, wrapped->session, columns, rows, error);
}

static void fault_session_free(EngineSession *session)
{
    FaultSession *wrapped = (FaultSession *)session;

    engine_session_free(wrapped->inner, wrapped->session);
    g_free(wrapped);
}

/* ---- Streams: a thread ends them when it is time, or when the caller wants it ---- */

typedef struct {
    FaultEngine *engine;
    Cancel *outer, *inner; /* borrowed; owned */
    gint64 cut_at_us;      /* g_get_monotonic_time; 0: never */
    atomic_bool is_over, was_cut;
    Thread *thread;
} FaultStream;

static void watch_stream(void *data)
{
    FaultStream *stream = data;

    while (!atomic_load(&stream->is_over)) {
        gboolean is_due = stream->cut_at_us && g_get_monotonic_time() >= stream->cut_at_us;

        if (is_due || fault_is_away(stream->engine)) {
            atomic_store(&stream->was_cut, TRUE);
            break;
        }
        if (cancel_wait_until(stream->outer, clock_monotonic_us() + STREAM_LOOK_US))
            break;
    }
    cancel_fire(stream->inner);
}

static void stream_begin(FaultStream *stream, FaultEngine *engine, EngineOperation operation,
                         Cancel *cancel)
{
    *stream = (FaultStream){.engine = engine, .outer = cancel, .inner = cancel_new()};
    mutex_lock(&engine->lock);
    if (engine->has_plan && engine->plan.stream_max_us)
        stream->cut_at_us = g_get_monotonic_time() + (gint64)(fault_draw_locked(engine, operation) %
                                                              engine->plan.stream_max_us);
    mutex_unlock(&engine->lock);
    stream->thread = thread_start("fault-stream", watch_stream, stream);
}

static gboolean stream_end(FaultStream *stream, gboolean done, GError **error)
{
    gboolean was_cut = FALSE;

    atomic_store(&stream->is_over, TRUE);
    thread_join(stream->thread);
    cancel_unref(stream->inner);
    was_cut = atomic_load(&stream->was_cut) && !cancel_fired(stream->outer);
    if (!done || !was_cut)
        return done;
    return error_set(error, ERROR_UNAVAILABLE, "the stream was cut, on purpose");
}

static gboolean fault_events(Engine *self, const char *installation, gint64 since_us,
                             Cancel *cancel, EngineEventFunction function, void *data,
                             GError **error)
{
    FaultStream stream;
    FaultCall call;
    gboolean done = FALSE;

    if (!fault_begin(&call, self, ENGINE_OPERATION_EVENTS, error))
        return FALSE;
    stream_begin(&stream, call.engine, ENGINE_OPERATION_EVENTS, cancel);
    done =
        engine_events(inner_of(self), installation, since_us, stream.inner, function, data, error);
    return stream_end(&stream, done, error);
}

static gboolean fault_logs_follow(Engine *self, const char *ref, guint lines, Cancel *cancel,
                                  EngineBytesFunction function, void *data, GError **error)
{
    FaultStream stream;
    FaultCall call;
    gboolean done = FALSE;

    if (!fault_begin(&call, self, ENGINE_OPERATION_LOGS_FOLLOW, error))
        return FALSE;
    stream_begin(&stream, call.engine, ENGINE_OPERATION_LOGS_FOLLOW, cancel);
    done = engine_logs_follow(inner_of(self), ref, lines, stream.inner, function, data, error);
    return stream_end(&stream, done, error);
}

static void fault_interrupt(Engine *self)
{
    engine_interrupt(inner_of(self));
}

static void fault_free(Engine *self)
{
    FaultEngine *engine = fault_engine(self);

    engine_free(engine->inner);
    mutex_clear(&engine->lock);
    g_free(engine);
}

const EngineOps fault_ops = {
    .ping = fault_ping,
    .info = fault_info,
    .list = fault_list,
    .inspect = fault_inspect,
    .create = fault_create,
    .start = fault_start,
    .stop = fault_stop,
    .remove = fault_remove,
    .freeze = fault_freeze,
    .thaw = fault_thaw,
    .volume_create = fault_volume_create,
    .volume_list = fault_volume_list,
    .volume_remove = fault_volume_remove,
    .network_ensure = fault_network_ensure,
    .exec = fault_exec,
    .attach = fault_attach,
    .session_fd = fault_session_fd,
    .session_resize = fault_session_resize,
    .session_free = fault_session_free,
    .copy_in = fault_copy_in,
    .copy_out = fault_copy_out,
    .logs = fault_logs,
    .logs_follow = fault_logs_follow,
    .stats = fault_stats,
    .events = fault_events,
    .image_inspect = fault_image_inspect,
    .image_import = fault_image_import,
    .image_pull = fault_image_pull,
    .image_prune = fault_image_prune,
    .console = fault_console,
    .interrupt = fault_interrupt,
    .free = fault_free,
};
