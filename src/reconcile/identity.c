/* Whether the engine and the database are the ones we know.
 *
 * Three things can be in dispute: the database belongs to another installation; the engine is
 * another one than before; or the installation is new here and nothing is wished, yet the engine
 * holds objects of it (a database that was lost, or the wrong one). While any is, nothing is
 * started or removed and nobody is told anything new, until an administrator confirms. Source: spec
 * 02, section 17.3 A, E, L24, L41. */
#include "base/clock.h"
#include "base/log.h"
#include "reconcile/internal.h"
#include "store/installation.h"

#include <string.h>

#define HELD_LOG_US CLOCK_MINUTE_US

#define TEXT_FOREIGN_DATABASE "the database belongs to another installation"
#define TEXT_FOREIGN_ENGINE   "the engine is another one than before"
#define TEXT_LOST_DATABASE                                                                         \
    "the installation is new here and wishes nothing, yet the engine holds objects of it"

static void set_host(Reconciler *reconciler, EngineInfo *info)
{
    EngineInfo *former = NULL;

    mutex_lock(&reconciler->lock);
    former = reconciler->host;
    reconciler->host = info;
    mutex_unlock(&reconciler->lock);
    engine_info_free(former);
}

/* `why` NULL: nothing is in dispute. The watching thread only. */
static void set_held(Reconciler *reconciler, const char *why)
{
    gint64 now_us = clock_monotonic_us();
    gboolean was_held = FALSE;

    mutex_lock(&reconciler->lock);
    was_held = reconciler->status.held;
    reconciler->status.held = why != NULL;
    reconciler->status.held_why = why;
    if (!why)
        reconciler->status.held_since_us = 0;
    else if (!was_held)
        reconciler->status.held_since_us = clock_now_us();
    mutex_unlock(&reconciler->lock);
    if (why && (!was_held || now_us - reconciler->held_logged_us >= HELD_LOG_US)) {
        reconciler->held_logged_us = now_us;
        log_error("nothing is started or removed until an administrator confirms",
                  LOG_TEXT("why", why));
    }
    if (was_held && !why)
        log_info("nothing is in dispute any more");
}

/* NULL: nothing is. */
static const char *find_dispute(Reconciler *reconciler, const InstallationRow *row,
                                const char *daemon_id)
{
    if (row && strcmp(row->id, reconciler->options.installation) != 0)
        return TEXT_FOREIGN_DATABASE;
    if (row && row->daemon_id && daemon_id && strcmp(row->daemon_id, daemon_id) != 0)
        return TEXT_FOREIGN_ENGINE;
    return atomic_load(&reconciler->seems_lost) ? TEXT_LOST_DATABASE : NULL;
}

gboolean identity_check(Reconciler *reconciler, gboolean *is_known, GError **error)
{
    g_autoptr(EngineInfo) info = NULL;
    g_autoptr(InstallationRow) row = NULL;
    const char *dispute = NULL;

    if (!engine_info(reconciler->options.engine, &info, error) ||
        !store_installation_find(reconciler->options.db, &row, error))
        return FALSE;
    dispute = find_dispute(reconciler, row, info->id);
    if (!dispute && info->id && (!row || !row->daemon_id) &&
        !store_installation_put(reconciler->options.db, reconciler->options.installation, info->id,
                                error))
        return FALSE;
    set_held(reconciler, dispute);
    set_host(reconciler, g_steal_pointer(&info));
    *is_known = dispute == NULL;
    return TRUE;
}

gboolean identity_seems_lost(Reconciler *reconciler, guint wished, guint found)
{
    if (!reconciler->options.installation_is_new || atomic_load(&reconciler->is_confirmed) ||
        wished > 0 || found == 0)
        return FALSE;
    atomic_store(&reconciler->seems_lost, TRUE);
    executor_pause(reconciler->executor, TRUE);
    set_held(reconciler, TEXT_LOST_DATABASE);
    return TRUE;
}

gboolean reconciler_confirm(Reconciler *reconciler, const ReconcilerConfirmation *confirmation,
                            GError **error)
{
    const char *ours = reconciler->options.installation;
    g_autoptr(EngineInfo) info = NULL;
    g_autoptr(InstallationRow) row = NULL;

    if (!reconciler->options.engine)
        return error_set(error, ERROR_CONFLICT, "%s", reason_sentence(REASON_NO_ENGINE));
    if (!engine_info(reconciler->options.engine, &info, error) ||
        !store_installation_find(reconciler->options.db, &row, error))
        return FALSE;
    if (confirmation->engine_id && g_strcmp0(confirmation->engine_id, info->id) != 0)
        return error_set(error, ERROR_CONFLICT, "the engine's id is %s",
                         info->id ? info->id : "not known");
    if (row && strcmp(row->id, ours) != 0 && g_strcmp0(confirmation->installation, ours) != 0)
        return error_set(error, ERROR_CONFLICT,
                         TEXT_FOREIGN_DATABASE ": correct WORKSPACED_INSTALLATION_ID or "
                                               "DATABASE_URL, or confirm installation %s",
                         ours);
    if (!store_installation_put(reconciler->options.db, ours, info->id, error))
        return FALSE;
    atomic_store(&reconciler->is_confirmed, TRUE);
    atomic_store(&reconciler->seems_lost, FALSE);
    log_info("an administrator confirmed installation and engine", LOG_TEXT("installation", ours),
             LOG_TEXT("daemon", info->id));
    reconciler_want_pass(reconciler);
    return TRUE;
}
