#include "reconcile/change.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/workspaces.h"

static Db *database(const Look *look)
{
    return look->reconciler->options.db;
}

void change_clear(Change *change)
{
    g_clear_pointer(&change->transaction, db_rollback);
    g_free(change->payload);
}

gboolean change_begin(Change *change, Look *look, GError **error)
{
    *change = (Change){.look = look, .time_us = clock_now_us()};
    change->transaction = db_begin(database(look), error);
    return change->transaction && store_workspace_lock(database(look), look->id, error);
}

gboolean change_say(Change *change, const char *event, char *payload, GError **error)
{
    change->event = event;
    change->payload = payload;
    return event_store(database(change->look), event, change->look->id, payload, change->time_us,
                       error);
}

gboolean change_end(Change *change, GError **error)
{
    const ReconcilerOptions *options = &change->look->reconciler->options;
    const char *id = change->look->id;

    if (!db_commit(&change->transaction, error))
        return FALSE;
    if ((change->event || change->shows_failure) && !org_tree_refresh(options->tree, id, NULL))
        log_warning("a change of status shows up in memory a little later",
                    LOG_TEXT("workspace", id));
    if (change->event)
        events_announce(options->events, change->event, id, change->payload, change->time_us);
    return TRUE;
}

gboolean change_check_current(gboolean current, GError **error)
{
    return current || error_set(error, ERROR_SUPERSEDED, "a newer wish won");
}

RuntimeFailure failure_to_keep(const Failure *failure)
{
    return (RuntimeFailure){
        .reason = failure->reason,
        .sentence = failure->error,
        .has_exit_code = failure->has_exit_code,
        .exit_code = failure->exit_code,
    };
}

gboolean change_fail(Change *change, const Failure *failure, GError **error)
{
    Look *look = change->look;
    RuntimeFailure kept = failure_to_keep(failure);
    gboolean current = FALSE;

    change->shows_failure = TRUE;
    return store_runtime_fail(database(look), look->id, look->runtime->generation, &kept, &current,
                              error) &&
           change_check_current(current, error);
}
