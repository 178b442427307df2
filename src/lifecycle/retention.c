#include "lifecycle/retention.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/activity.h"
#include "store/org_tokens.h"
#include "store/secrets.h"
#include "store/structure_events.h"
#include "store/tokens.h"

typedef gboolean (*DeleteBatch)(Db *db, gint64 before_us, guint limit, gint64 *deleted,
                                GError **error);

typedef struct {
    const char *what;
    gint64 days; /* 0: kept for good */
    DeleteBatch delete_batch;
} Kind;

static gboolean is_stopping(const Retention *retention)
{
    return retention->is_stopping && atomic_load(retention->is_stopping);
}

static void sweep_kind(const Retention *retention, const Kind *kind)
{
    gint64 before_us = clock_now_us() - kind->days * CLOCK_DAY_US;
    gint64 total = 0, deleted = RETENTION_BATCH;
    g_autoptr(GError) error = NULL;

    while (deleted == RETENTION_BATCH && !is_stopping(retention)) {
        if (!kind->delete_batch(retention->db, before_us, RETENTION_BATCH, &deleted, &error))
            break;
        total += deleted;
    }
    if (error)
        log_warning("old rows wait for the next sweep", LOG_TEXT("what", kind->what),
                    LOG_CAUSE(error));
    if (total > 0)
        log_info("old rows were deleted", LOG_TEXT("what", kind->what), LOG_INT("rows", total),
                 LOG_INT("older_than_days", kind->days));
}

void retention_sweep(const Retention *retention)
{
    const Kind kinds[] = {
        {"activity", retention->activity_days, store_activity_delete_before},
        {"events", retention->event_days, store_structure_event_delete_before},
        {"revoked tokens", RETENTION_TOKEN_DAYS, store_token_delete_revoked},
        {"revoked organisation tokens", RETENTION_TOKEN_DAYS, store_org_token_delete_revoked},
        {"secrets of removed workspaces", RETENTION_SECRET_DAYS, store_secret_delete_removed},
    };

    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (kinds[i].days > 0)
            sweep_kind(retention, &kinds[i]);
}
