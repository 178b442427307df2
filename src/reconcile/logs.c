/* What other rooms ask about one container: its last lines, and whether it is dead. */
#include "base/log.h"
#include "reconcile/internal.h"

#include <string.h>

static gboolean find_container(Reconciler *reconciler, const char *id, RuntimeRow **row,
                               GError **error)
{
    if (!store_runtime_find(reconciler->options.db, id, row, error))
        return FALSE;
    return *row || error_set(error, ERROR_NOT_FOUND, "the workspace has no container");
}

static gboolean has_container(const Reconciler *reconciler, const RuntimeRow *row)
{
    return reconciler->options.engine && row->container_id && *row->container_id;
}

static gboolean has_log(const Reconciler *reconciler, const RuntimeRow *row)
{
    return has_container(reconciler, row) && !engine_is_hosted(reconciler->options.engine);
}

/* The last `lines` lines (0: all) of at most `max_bytes`. */
static const char *tail(const char *text, guint lines, gsize max_bytes)
{
    gsize length = strlen(text);
    const char *end = text + length, *start = length > max_bytes ? end - max_bytes : text;
    const char *at = end;

    if (lines == 0)
        return start;
    if (at > start && at[-1] == '\n')
        at--;
    for (; at > start; at--)
        if (at[-1] == '\n' && --lines == 0)
            break;
    return at;
}

static gboolean kept_log(const RuntimeRow *row, guint lines, gsize max_bytes, GBytes **text,
                         GError **error)
{
    const char *start = NULL;

    if (!row->last_log)
        return error_set(error, ERROR_NOT_FOUND, "no container of the workspace left a log");
    start = tail(row->last_log, lines, max_bytes);
    *text = g_bytes_new(start, strlen(start));
    return TRUE;
}

gboolean reconciler_logs(Reconciler *reconciler, const char *workspace_id, guint lines,
                         gsize max_bytes, GBytes **text, GError **error)
{
    g_autoptr(RuntimeRow) row = NULL;
    g_autoptr(GError) cause = NULL;

    if (!find_container(reconciler, workspace_id, &row, error))
        return FALSE;
    if (!has_log(reconciler, row))
        return kept_log(row, lines, max_bytes, text, error);
    if (engine_logs(reconciler->options.engine, row->container_id, lines, max_bytes, text, &cause))
        return TRUE;
    if (error_is(cause, ERROR_NOT_FOUND))
        return kept_log(row, lines, max_bytes, text, error);
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

gboolean reconciler_logs_previous(Reconciler *reconciler, const char *workspace_id, guint lines,
                                  gsize max_bytes, GBytes **text, GError **error)
{
    g_autoptr(RuntimeRow) row = NULL;

    return find_container(reconciler, workspace_id, &row, error) &&
           kept_log(row, lines, max_bytes, text, error);
}

static gboolean give_kept_log(const RuntimeRow *row, guint lines, EngineBytesFunction function,
                              void *data, GError **error)
{
    g_autoptr(GBytes) text = NULL;

    if (!kept_log(row, lines, G_MAXSIZE, &text, error))
        return FALSE;
    function(g_bytes_get_data(text, NULL), g_bytes_get_size(text), data);
    return TRUE;
}

gboolean reconciler_logs_follow(Reconciler *reconciler, const char *workspace_id, guint lines,
                                Cancel *cancel, EngineBytesFunction function, void *data,
                                GError **error)
{
    g_autoptr(RuntimeRow) row = NULL;
    g_autoptr(GError) cause = NULL;

    if (!find_container(reconciler, workspace_id, &row, error))
        return FALSE;
    if (!has_log(reconciler, row))
        return give_kept_log(row, lines, function, data, error);
    if (engine_logs_follow(reconciler->options.engine, row->container_id, lines, cancel, function,
                           data, &cause))
        return TRUE;
    if (error_is(cause, ERROR_NOT_FOUND))
        return give_kept_log(row, lines, function, data, error);
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

/* Only what the engine says counts; an engine that does not answer makes nobody dead. */
static gboolean is_dead(Reconciler *reconciler, const RuntimeRow *row)
{
    g_autoptr(ContainerInfo) info = NULL;
    g_autoptr(GError) cause = NULL;

    if (!engine_inspect(reconciler->options.engine, row->container_id, &info, &cause))
        return error_is(cause, ERROR_NOT_FOUND);
    return info->state == CONTAINER_EXITED || info->state == CONTAINER_DEAD;
}

gboolean reconciler_verify_dead(Reconciler *reconciler, const char *workspace_id)
{
    g_autoptr(RuntimeRow) row = NULL;
    gboolean dead = FALSE;

    if (!store_runtime_find(reconciler->options.db, workspace_id, &row, NULL) || !row)
        return FALSE;
    executor_poke(reconciler->executor, workspace_id);
    if (row->desired != RUNTIME_RUNNING || !has_container(reconciler, row) ||
        (row->phase != RUNTIME_STARTED && row->phase != RUNTIME_READY))
        return FALSE;
    dead = is_dead(reconciler, row);
    log_debug("an agent could not be reached", LOG_TEXT("workspace", workspace_id),
              LOG_TEXT("container", dead ? "dead" : "not dead"));
    return dead;
}

gboolean reconciler_find_address(Reconciler *reconciler, const char *workspace_id, char **url)
{
    g_autofree char *name = container_name_dup(workspace_id, FALSE);
    g_autoptr(RuntimeRow) row = NULL;
    g_autoptr(ContainerInfo) info = NULL;
    const char *ref = name;

    if (!find_container(reconciler, workspace_id, &row, NULL) || !reconciler->options.engine)
        return FALSE;
    if (has_container(reconciler, row))
        ref = row->container_id;
    if (!owned_inspect(reconciler, ref, &info, NULL) ||
        !observe_is_ours(reconciler, &info->labels, workspace_id))
        return FALSE;
    *url = plan_url_dup(info);
    return *url != NULL;
}
