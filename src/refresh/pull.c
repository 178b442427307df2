/* One refresh: pull, and wish for what is new. */
#include "base/log.h"
#include "engine/image_reference.h"
#include "provision/container_spec.h"
#include "provision/names.h"
#include "refresh/internal.h"

#include <string.h>

#define BUDGET_US (5 * CLOCK_MINUTE_US) /* for all images; spec 02, section 15 */

static void failure_free(gpointer data)
{
    RefreshFailure *failure = data;

    g_free(failure->sentence);
    g_free(failure);
}

static void result_init(RefreshResult *result)
{
    *result = (RefreshResult){
        .pulled = g_ptr_array_new(),
        .failed = g_ptr_array_new_with_free_func(failure_free),
        .recreated = g_ptr_array_new_with_free_func(g_free),
    };
}

void refresh_result_clear(RefreshResult *result)
{
    g_clear_pointer(&result->pulled, g_ptr_array_unref);
    g_clear_pointer(&result->failed, g_ptr_array_unref);
    g_clear_pointer(&result->recreated, g_ptr_array_unref);
    g_clear_error(&result->error);
}

gboolean refresh_uses(const Refresh *refresh, const WorkspaceRow *row, const char *image)
{
    g_autofree char *own = container_image_dup(row, refresh->options.runtimes, "", NULL);

    return g_strcmp0(own, image) == 0;
}

static void runtime_free(gpointer row)
{
    runtime_row_free(row);
}

GHashTable *refresh_runtimes_load(Refresh *refresh, GError **error)
{
    GPtrArray *rows = store_runtime_list(refresh->options.db, error);
    GHashTable *by_id = NULL;

    if (!rows)
        return NULL;
    by_id = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, runtime_free);
    g_ptr_array_set_free_func(rows, NULL);
    for (guint i = 0; i < rows->len; i++) {
        RuntimeRow *row = rows->pdata[i];

        g_hash_table_replace(by_id, row->workspace_id, row);
    }
    g_ptr_array_unref(rows);
    return by_id;
}

/* ---- Who is concerned ---- */

/* Those that should run and run another image than `after`. */
static gboolean list_outdated(Refresh *refresh, const char *image, const char *before,
                              const char *after, GPtrArray *names, GError **error)
{
    g_autoptr(GHashTable) runtimes = refresh_runtimes_load(refresh, error);
    g_autoptr(GPtrArray) nodes = runtimes ? org_tree_list(refresh->options.tree) : NULL;

    if (!runtimes)
        return FALSE;
    for (guint i = 0; i < nodes->len; i++) {
        const WorkspaceRow *row = org_node_row(nodes->pdata[i]);
        const RuntimeRow *runtime = g_hash_table_lookup(runtimes, row->id);
        const char *digest = runtime && runtime->image_digest ? runtime->image_digest : before;

        if (runtime && runtime->desired == RUNTIME_RUNNING && row->status != WORKSPACE_FAILED &&
            g_strcmp0(digest, after) != 0 && refresh_uses(refresh, row, image))
            g_ptr_array_add(names, container_name_dup(row->id, FALSE));
    }
    return TRUE;
}

static gboolean wish_for(Refresh *refresh, const char *image, const char *before, const char *after,
                         RefreshResult *result)
{
    guint known = result->recreated->len;

    if (!list_outdated(refresh, image, before, after, result->recreated, &result->error))
        return FALSE;
    if (result->recreated->len == known)
        return TRUE;
    if (!store_image_wish_put(refresh->options.db, image, after, &result->error)) {
        g_ptr_array_set_size(result->recreated, (gint)known);
        return FALSE;
    }
    log_info("workspaces will be brought over to a new image", LOG_TEXT("image", image),
             LOG_INT("count", result->recreated->len - known));
    refresh_want_roll(refresh);
    return TRUE;
}

void refresh_prune(Refresh *refresh, const char *image)
{
    const char *tag = image_reference_find_tag(image);
    g_autofree char *repository = tag ? g_strndup(image, (gsize)(tag - image)) : g_strdup(image);
    g_autoptr(GError) cause = NULL;

    if (refresh->options.config->image_prune &&
        !reconciler_image_prune(refresh->options.reconciler, repository, &cause))
        log_warning("old images stay", LOG_TEXT("image", image), LOG_CAUSE(cause));
}

/* ---- Pulling ---- */

static const char *sentence_for(const GError *cause)
{
    switch (error_code(cause)) {
    case ERROR_SUPERSEDED:
        return "the pull was ended: it took too long, or the server stops";
    case ERROR_NOT_FOUND:
    case ERROR_FORBIDDEN:
    case ERROR_INVALID:
    case ERROR_BUSY:
        return cause->message;
    default:
        return "the container engine did not answer";
    }
}

static void add_failure(RefreshResult *result, const char *runtime, const GError *cause)
{
    RefreshFailure *failure = g_new0(RefreshFailure, 1);

    failure->runtime = runtime;
    failure->sentence = g_strdup(sentence_for(cause));
    g_ptr_array_add(result->failed, failure);
}

/* FALSE: `result->error` says why nothing more can be done. */
static gboolean refresh_one(Refresh *refresh, const Runtime *runtime, gint64 deadline_us,
                            Cancel *cancel, gboolean recreate, RefreshResult *result)
{
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    g_autoptr(GError) cause = NULL;

    if (!reconciler_image_refresh(refresh->options.reconciler, runtime->image, deadline_us, cancel,
                                  &before, &after, &cause)) {
        add_failure(result, runtime->name, cause);
        return TRUE;
    }
    g_ptr_array_add(result->pulled, (char *)(gsize)runtime->name);
    if (recreate && !wish_for(refresh, runtime->image, before, after, result))
        return FALSE;
    refresh_prune(refresh, runtime->image);
    return TRUE;
}

/* Beyond the canonical ones only what somebody uses. */
static gboolean is_used(Refresh *refresh, const Runtime *runtime)
{
    g_autoptr(GPtrArray) nodes = org_tree_list(refresh->options.tree);

    for (guint i = 0; i < nodes->len; i++)
        if (refresh_uses(refresh, org_node_row(nodes->pdata[i]), runtime->image))
            return TRUE;
    return FALSE;
}

static gboolean is_meant(Refresh *refresh, const char *asked, guint at, const Runtime *runtime)
{
    if (asked)
        return strcmp(asked, runtime->name) == 0;
    return at < RUNTIME_CANONICAL || is_used(refresh, runtime);
}

static Cancel *begin(Refresh *refresh)
{
    Cancel *cancel = cancel_new();

    mutex_lock(&refresh->lock);
    refresh->pulling = cancel;
    if (refresh->is_stopping)
        cancel_fire(cancel);
    mutex_unlock(&refresh->lock);
    return cancel;
}

static void finish(Refresh *refresh)
{
    Cancel *cancel = NULL;

    mutex_lock(&refresh->lock);
    cancel = g_steal_pointer(&refresh->pulling);
    mutex_unlock(&refresh->lock);
    cancel_unref(cancel);
}

void refresh_run(Refresh *refresh, const char *runtime, gboolean recreate, RefreshResult *result)
{
    const char *const *names = refresh_known(refresh);
    gint64 deadline_us = clock_monotonic_us() + BUDGET_US;
    Cancel *cancel = begin(refresh);

    result_init(result);
    for (guint i = 0; names[i]; i++) {
        const Runtime *each = runtimes_find(refresh->options.runtimes, names[i]);

        if (is_meant(refresh, runtime, i, each) &&
            !refresh_one(refresh, each, deadline_us, cancel, recreate, result))
            break;
    }
    finish(refresh);
}
