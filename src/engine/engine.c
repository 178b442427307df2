/* The fronts: check what comes from outside, call the implementation, count, measure and say a
 * failure once at debug level (the caller handles and logs it at its own level). They hold no lock
 * and add no deadline; those are the implementation's. Checked here, for all engines alike: names
 * and ids that end up in a URL or a path, absolute paths, environment entries. Source: STYLE
 * section 6; spec 02, 17.3 G. */
#include "engine/engine.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

#define REF_MAX_BYTES   255
#define IMAGE_MAX_BYTES 512
#define PATH_MAX_BYTES  4096

/* ---- Registration ---- */

static const char *const operation_names[ENGINE_OPERATION_COUNT] = {
    [ENGINE_OPERATION_PING] = "ping",
    [ENGINE_OPERATION_INFO] = "info",
    [ENGINE_OPERATION_LIST] = "list",
    [ENGINE_OPERATION_INSPECT] = "inspect",
    [ENGINE_OPERATION_CREATE] = "create",
    [ENGINE_OPERATION_START] = "start",
    [ENGINE_OPERATION_STOP] = "stop",
    [ENGINE_OPERATION_REMOVE] = "remove",
    [ENGINE_OPERATION_FREEZE] = "freeze",
    [ENGINE_OPERATION_THAW] = "thaw",
    [ENGINE_OPERATION_VOLUME_CREATE] = "volume_create",
    [ENGINE_OPERATION_VOLUME_LIST] = "volume_list",
    [ENGINE_OPERATION_VOLUME_REMOVE] = "volume_remove",
    [ENGINE_OPERATION_NETWORK_ENSURE] = "network_ensure",
    [ENGINE_OPERATION_EXEC] = "exec",
    [ENGINE_OPERATION_ATTACH] = "attach",
    [ENGINE_OPERATION_SESSION_RESIZE] = "session_resize",
    [ENGINE_OPERATION_COPY_IN] = "copy_in",
    [ENGINE_OPERATION_COPY_OUT] = "copy_out",
    [ENGINE_OPERATION_LOGS] = "logs",
    [ENGINE_OPERATION_LOGS_FOLLOW] = "logs_follow",
    [ENGINE_OPERATION_STATS] = "stats",
    [ENGINE_OPERATION_EVENTS] = "events",
    [ENGINE_OPERATION_IMAGE_INSPECT] = "image_inspect",
    [ENGINE_OPERATION_IMAGE_IMPORT] = "image_import",
    [ENGINE_OPERATION_IMAGE_PULL] = "image_pull",
    [ENGINE_OPERATION_CONSOLE] = "console",
    [ENGINE_OPERATION_IMAGE_PRUNE] = "image_prune",
};

const char *engine_operation_name(EngineOperation operation)
{
    g_return_val_if_fail(operation < ENGINE_OPERATION_COUNT, "");
    return operation_names[operation];
}

/* What an engine must have whose containers we can reach. */
static void assert_reachable(const EngineOps *ops)
{
    g_assert(ops->list && ops->start && ops->stop);
    g_assert(ops->volume_create && ops->volume_list && ops->volume_remove && ops->network_ensure);
    g_assert(ops->exec && ops->attach);
    g_assert(ops->session_fd && ops->session_resize && ops->session_free);
    g_assert(ops->copy_in && ops->copy_out);
    g_assert(ops->logs && ops->logs_follow && ops->stats && ops->events);
    g_assert(ops->image_inspect && ops->image_import && ops->image_pull);
}

void engine_init(Engine *engine, const EngineOps *ops)
{
    g_assert(ops->name && ops->free);
    g_assert(ops->ping && ops->info && ops->inspect && ops->create && ops->remove);
    g_assert(!ops->freeze == !ops->thaw);
    if (!ops->is_hosted)
        assert_reachable(ops);
    engine->ops = ops;
}

const char *engine_name(Engine *engine)
{
    return engine->ops->name;
}

void engine_free(Engine *engine)
{
    if (engine)
        engine->ops->free(engine);
}

void engine_metrics(Engine *engine, EngineMetrics *metrics)
{
    for (guint i = 0; i < ENGINE_OPERATION_COUNT; i++) {
        EngineCounter *counter = &engine->counters[i];
        metrics->operations[i] = (EngineOperationMetrics){
            .calls = atomic_load_explicit(&counter->calls, memory_order_relaxed),
            .failures = atomic_load_explicit(&counter->failures, memory_order_relaxed),
            .duration_us = atomic_load_explicit(&counter->duration_us, memory_order_relaxed),
        };
    }
}

/* ---- Counting ---- */

typedef struct {
    Engine *engine;
    EngineOperation operation;
    gint64 started_us;
    GError *cause; /* of the implementation; moved to the caller by call_end */
} Call;

static Call call_begin(Engine *engine, EngineOperation operation)
{
    return (Call){.engine = engine, .operation = operation, .started_us = clock_monotonic_us()};
}

static gboolean call_end(Call *call, gboolean ok, const char *ref, GError **error)
{
    EngineCounter *counter = &call->engine->counters[call->operation];
    gint64 duration_us = MAX(clock_monotonic_us() - call->started_us, 0);

    atomic_fetch_add_explicit(&counter->calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counter->duration_us, (guint64)duration_us, memory_order_relaxed);
    if (ok) {
        g_warn_if_fail(!call->cause);
        g_clear_error(&call->cause);
        return TRUE;
    }
    atomic_fetch_add_explicit(&counter->failures, 1, memory_order_relaxed);
    log_debug("engine call failed", LOG_TEXT("engine", engine_name(call->engine)),
              LOG_TEXT("operation", operation_names[call->operation]),
              LOG_TEXT("ref", ref ? ref : ""),
              LOG_TEXT("code", error_code_name(error_code(call->cause))), LOG_CAUSE(call->cause),
              LOG_INT("duration_ms", duration_us / 1000));
    if (!call->cause)
        return error_set(error, ERROR_INTERNAL, "the engine gave no reason");
    g_propagate_error(error, g_steal_pointer(&call->cause));
    return FALSE;
}

/* ---- Checks ---- */

/* Hosted machines are out of reach (engine.h). */
static gboolean reach_check(const Engine *engine, EngineOperation operation, GError **error)
{
    return !engine->ops->is_hosted ||
           error_set(error, ERROR_INVALID, "a hosted machine does not offer this: %s",
                     operation_names[operation]);
}

/* A container, volume or network name as every engine takes it: it becomes part of a URL or of a
 * path. */
static gboolean ref_check(const char *what, const char *ref, GError **error)
{
    gsize length = ref ? strlen(ref) : 0;

    if (length == 0 || length > REF_MAX_BYTES || !g_ascii_isalnum(ref[0]))
        return error_set(error, ERROR_INVALID, "%s must start with a letter or digit", what);
    for (gsize i = 0; i < length; i++)
        if (!g_ascii_isalnum(ref[i]) && !strchr("_.-", ref[i]))
            return error_set(error, ERROR_INVALID,
                             "%s may only hold letters, digits, '_', '.' and '-'", what);
    return TRUE;
}

/* An image reference, e.g. "ghcr.io/acme/agent:1.2" or "sha256:...": no empty or dotted path part,
 * no odd character. */
static gboolean image_check(const char *image, GError **error)
{
    gsize length = image ? strlen(image) : 0;
    gboolean is_good = length > 0 && length <= IMAGE_MAX_BYTES && g_ascii_isalnum(image[0]);

    for (gsize i = 1; is_good && i < length; i++) {
        gboolean is_separator = strchr("/:@", image[i]) != NULL;
        if (is_separator)
            is_good = g_ascii_isalnum(image[i + 1]);
        else
            is_good = g_ascii_isalnum(image[i]) || strchr("_.-", image[i]);
    }
    return is_good || error_set(error, ERROR_INVALID, "image must be a plain image reference");
}

static gboolean path_check(const char *what, const char *path, GError **error)
{
    if (!path || path[0] != '/' || strlen(path) > PATH_MAX_BYTES)
        return error_set(error, ERROR_INVALID, "%s must be an absolute path", what);
    return TRUE;
}

static gboolean mounts_check(const ContainerSpec *spec, GError **error)
{
    for (guint i = 0; i < spec->mount_count; i++) {
        const EngineMount *mount = &spec->mounts[i];
        if (!path_check("mount target", mount->target, error))
            return FALSE;
        if (mount->type == ENGINE_MOUNT_BIND && !path_check("mount source", mount->source, error))
            return FALSE;
        if (mount->type == ENGINE_MOUNT_VOLUME && !ref_check("volume name", mount->source, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean spec_check(const Engine *engine, const ContainerSpec *spec, GError **error)
{
    if (!engine->ops->is_hosted &&
        (!ref_check("container name", spec->name, error) || !image_check(spec->image, error)))
        return FALSE;
    if (spec->network && !ref_check("network name", spec->network, error))
        return FALSE;
    for (const char *const *entry = spec->environment; entry && *entry; entry++)
        if (!strchr(*entry, '=') || **entry == '=')
            return error_set(error, ERROR_INVALID, "an environment entry must be KEY=value");
    if (spec->memory_bytes < 0 || spec->nano_cpus < 0 || spec->pids_limit < 0)
        return error_set(error, ERROR_INVALID, "limits must not be negative");
    return mounts_check(spec, error);
}

static gboolean argv_check(const char *const *argv, GError **error)
{
    if (!argv || !argv[0] || argv[0][0] == '\0')
        return error_set(error, ERROR_INVALID, "a command must not be empty");
    return TRUE;
}

/* ---- Containers ---- */

gboolean engine_ping(Engine *engine, GError **error)
{
    Call call = call_begin(engine, ENGINE_OPERATION_PING);
    return call_end(&call, engine->ops->ping(engine, &call.cause), NULL, error);
}

gboolean engine_info(Engine *engine, EngineInfo **info, GError **error)
{
    g_return_val_if_fail(info, FALSE);
    Call call = call_begin(engine, ENGINE_OPERATION_INFO);
    return call_end(&call, engine->ops->info(engine, info, &call.cause), NULL, error);
}

gboolean engine_list(Engine *engine, const char *installation, GPtrArray **containers,
                     GError **error)
{
    g_return_val_if_fail(containers, FALSE);
    if (!reach_check(engine, ENGINE_OPERATION_LIST, error) ||
        (installation && !ref_check("installation", installation, error)))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_LIST);
    return call_end(&call, engine->ops->list(engine, installation, containers, &call.cause), NULL,
                    error);
}

gboolean engine_inspect(Engine *engine, const char *ref, ContainerInfo **info, GError **error)
{
    g_return_val_if_fail(info, FALSE);
    if (!ref_check("container", ref, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_INSPECT);
    return call_end(&call, engine->ops->inspect(engine, ref, info, &call.cause), ref, error);
}

gboolean engine_create(Engine *engine, const ContainerSpec *spec, char **id, GError **error)
{
    g_return_val_if_fail(spec && id, FALSE);
    if (!spec_check(engine, spec, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_CREATE);
    return call_end(&call, engine->ops->create(engine, spec, id, &call.cause), spec->name, error);
}

gboolean engine_start(Engine *engine, const char *ref, GError **error)
{
    if (!reach_check(engine, ENGINE_OPERATION_START, error) || !ref_check("container", ref, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_START);
    return call_end(&call, engine->ops->start(engine, ref, &call.cause), ref, error);
}

gboolean engine_stop(Engine *engine, const char *ref, guint grace_seconds, GError **error)
{
    if (!reach_check(engine, ENGINE_OPERATION_STOP, error) || !ref_check("container", ref, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_STOP);
    return call_end(&call, engine->ops->stop(engine, ref, grace_seconds, &call.cause), ref, error);
}

gboolean engine_remove(Engine *engine, const char *ref, GError **error)
{
    if (!ref_check("container", ref, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_REMOVE);
    return call_end(&call, engine->ops->remove(engine, ref, &call.cause), ref, error);
}

gboolean engine_copies_through_mounts(const Engine *engine)
{
    return engine->ops->copies_through_mounts;
}

gboolean engine_is_hosted(const Engine *engine)
{
    return engine->ops->is_hosted;
}

gboolean engine_has_console(const Engine *engine)
{
    return engine->ops->console != NULL;
}

gboolean engine_console(Engine *engine, const char *workspace, char **text, GError **error)
{
    g_return_val_if_fail(text && engine_has_console(engine), FALSE);
    if (!ref_check("workspace", workspace, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_CONSOLE);
    return call_end(&call, engine->ops->console(engine, workspace, text, &call.cause), workspace,
                    error);
}

void engine_interrupt(Engine *engine)
{
    if (engine->ops->interrupt)
        engine->ops->interrupt(engine);
}

gboolean engine_can_freeze(Engine *engine)
{
    return engine->ops->freeze != NULL;
}

gboolean engine_freeze(Engine *engine, const char *ref, GError **error)
{
    g_return_val_if_fail(engine_can_freeze(engine), FALSE);
    if (!ref_check("container", ref, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_FREEZE);
    return call_end(&call, engine->ops->freeze(engine, ref, &call.cause), ref, error);
}

gboolean engine_thaw(Engine *engine, const char *ref, GError **error)
{
    g_return_val_if_fail(engine_can_freeze(engine), FALSE);
    if (!ref_check("container", ref, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_THAW);
    return call_end(&call, engine->ops->thaw(engine, ref, &call.cause), ref, error);
}

/* ---- Volumes and networks ---- */

gboolean engine_volume_create(Engine *engine, const char *name, const EngineLabels *labels,
                              EngineLabels *existing, GError **error)
{
    g_return_val_if_fail(labels && existing, FALSE);
    if (!reach_check(engine, ENGINE_OPERATION_VOLUME_CREATE, error) ||
        !ref_check("volume name", name, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_VOLUME_CREATE);
    return call_end(&call, engine->ops->volume_create(engine, name, labels, existing, &call.cause),
                    name, error);
}

gboolean engine_volume_list(Engine *engine, const char *installation, GPtrArray **volumes,
                            GError **error)
{
    g_return_val_if_fail(volumes, FALSE);
    if (!reach_check(engine, ENGINE_OPERATION_VOLUME_LIST, error) ||
        (installation && !ref_check("installation", installation, error)))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_VOLUME_LIST);
    return call_end(&call, engine->ops->volume_list(engine, installation, volumes, &call.cause),
                    NULL, error);
}

gboolean engine_volume_remove(Engine *engine, const char *name, GError **error)
{
    if (!reach_check(engine, ENGINE_OPERATION_VOLUME_REMOVE, error) ||
        !ref_check("volume name", name, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_VOLUME_REMOVE);
    return call_end(&call, engine->ops->volume_remove(engine, name, &call.cause), name, error);
}

gboolean engine_network_ensure(Engine *engine, const char *name, const EngineLabels *labels,
                               GError **error)
{
    g_return_val_if_fail(labels, FALSE);
    if (!reach_check(engine, ENGINE_OPERATION_NETWORK_ENSURE, error) ||
        !ref_check("network name", name, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_NETWORK_ENSURE);
    return call_end(&call, engine->ops->network_ensure(engine, name, labels, &call.cause), name,
                    error);
}

/* ---- Programs inside ---- */

gboolean engine_exec(Engine *engine, const char *ref, const ExecSpec *spec, ExecResult **result,
                     GError **error)
{
    g_return_val_if_fail(spec && result && spec->timeout_ms > 0, FALSE);
    if (!reach_check(engine, ENGINE_OPERATION_EXEC, error) || !ref_check("container", ref, error) ||
        !argv_check(spec->argv, error))
        return FALSE;
    if (spec->working_dir && !path_check("working directory", spec->working_dir, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_EXEC);
    return call_end(&call, engine->ops->exec(engine, ref, spec, result, &call.cause), ref, error);
}

gboolean engine_attach(Engine *engine, const char *ref, const AttachSpec *spec,
                       EngineSession **session, GError **error)
{
    g_return_val_if_fail(spec && session, FALSE);
    if (!reach_check(engine, ENGINE_OPERATION_ATTACH, error) ||
        !ref_check("container", ref, error) || !argv_check(spec->argv, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_ATTACH);
    return call_end(&call, engine->ops->attach(engine, ref, spec, session, &call.cause), ref,
                    error);
}

int engine_session_fd(Engine *engine, EngineSession *session)
{
    return engine->ops->session_fd(session);
}

gboolean engine_session_resize(Engine *engine, EngineSession *session, guint16 columns,
                               guint16 rows, GError **error)
{
    if (columns == 0 || rows == 0)
        return error_set(error, ERROR_INVALID, "columns and rows must be at least 1");
    Call call = call_begin(engine, ENGINE_OPERATION_SESSION_RESIZE);
    return call_end(&call, engine->ops->session_resize(session, columns, rows, &call.cause), NULL,
                    error);
}

void engine_session_free(Engine *engine, EngineSession *session)
{
    if (session)
        engine->ops->session_free(session);
}

/* ---- Files, logs, figures, events ---- */

gboolean engine_copy_in(Engine *engine, const char *ref, const char *path, GBytes *tar,
                        GError **error)
{
    g_return_val_if_fail(tar, FALSE);
    if (!reach_check(engine, ENGINE_OPERATION_COPY_IN, error) ||
        !ref_check("container", ref, error) || !path_check("path", path, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_COPY_IN);
    return call_end(&call, engine->ops->copy_in(engine, ref, path, tar, &call.cause), ref, error);
}

gboolean engine_copy_out(Engine *engine, const char *ref, const char *path, gsize max_bytes,
                         GBytes **tar, GError **error)
{
    g_return_val_if_fail(tar, FALSE);
    if (!reach_check(engine, ENGINE_OPERATION_COPY_OUT, error) ||
        !ref_check("container", ref, error) || !path_check("path", path, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_COPY_OUT);
    return call_end(&call, engine->ops->copy_out(engine, ref, path, max_bytes, tar, &call.cause),
                    ref, error);
}

gboolean engine_logs(Engine *engine, const char *ref, guint lines, gsize max_bytes, GBytes **text,
                     GError **error)
{
    g_return_val_if_fail(text, FALSE);
    if (!reach_check(engine, ENGINE_OPERATION_LOGS, error) || !ref_check("container", ref, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_LOGS);
    return call_end(&call, engine->ops->logs(engine, ref, lines, max_bytes, text, &call.cause), ref,
                    error);
}

gboolean engine_logs_follow(Engine *engine, const char *ref, guint lines, Cancel *cancel,
                            EngineBytesFunction function, void *data, GError **error)
{
    g_return_val_if_fail(function, FALSE);
    if (!reach_check(engine, ENGINE_OPERATION_LOGS_FOLLOW, error) ||
        !ref_check("container", ref, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_LOGS_FOLLOW);
    return call_end(
        &call, engine->ops->logs_follow(engine, ref, lines, cancel, function, data, &call.cause),
        ref, error);
}

gboolean engine_stats(Engine *engine, const char *ref, EngineStats *stats, GError **error)
{
    g_return_val_if_fail(stats, FALSE);
    if (!reach_check(engine, ENGINE_OPERATION_STATS, error) || !ref_check("container", ref, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_STATS);
    return call_end(&call, engine->ops->stats(engine, ref, stats, &call.cause), ref, error);
}

gboolean engine_events(Engine *engine, const char *installation, gint64 since_us, Cancel *cancel,
                       EngineEventFunction function, void *data, GError **error)
{
    g_return_val_if_fail(function, FALSE);
    if (!reach_check(engine, ENGINE_OPERATION_EVENTS, error) ||
        !ref_check("installation", installation, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_EVENTS);
    return call_end(
        &call,
        engine->ops->events(engine, installation, since_us, cancel, function, data, &call.cause),
        NULL, error);
}

/* ---- Images ---- */

gboolean engine_image_inspect(Engine *engine, const char *image, char **digest, GError **error)
{
    if (!reach_check(engine, ENGINE_OPERATION_IMAGE_INSPECT, error) || !image_check(image, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_IMAGE_INSPECT);
    return call_end(&call, engine->ops->image_inspect(engine, image, digest, &call.cause), image,
                    error);
}

gboolean engine_image_import(Engine *engine, const char *image, GBytes *tar, GError **error)
{
    g_return_val_if_fail(tar, FALSE);
    if (!reach_check(engine, ENGINE_OPERATION_IMAGE_IMPORT, error) || !image_check(image, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_IMAGE_IMPORT);
    return call_end(&call, engine->ops->image_import(engine, image, tar, &call.cause), image,
                    error);
}

gboolean engine_image_pull(Engine *engine, const char *image, EngineBytesFunction progress,
                           void *data, Cancel *cancel, GError **error)
{
    if (!reach_check(engine, ENGINE_OPERATION_IMAGE_PULL, error) || !image_check(image, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_IMAGE_PULL);
    return call_end(&call,
                    engine->ops->image_pull(engine, image, progress, data, cancel, &call.cause),
                    image, error);
}

gboolean engine_image_prune(Engine *engine, const char *repository, guint *removed, GError **error)
{
    g_return_val_if_fail(removed, FALSE);
    *removed = 0;
    if (!engine->ops->image_prune)
        return TRUE;
    if (!image_check(repository, error))
        return FALSE;
    Call call = call_begin(engine, ENGINE_OPERATION_IMAGE_PRUNE);
    return call_end(&call, engine->ops->image_prune(engine, repository, removed, &call.cause),
                    repository, error);
}
