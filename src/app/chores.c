/* Work that comes back: what is held in memory reaches the database, what fell silent or idle is
 * seen, what is old is deleted. */
#include "app/house.h"
#include "base/log.h"

#define FLUSH_INTERVAL_MS    3000  /* the database behind heartbeats; ARCHITECTURE section 4 */
#define SPENDING_INTERVAL_MS 30000 /* how far behind another server's metering a budget may be */
#define TOKEN_INTERVAL_MS    20000
#define LIVENESS_INTERVAL_MS 5000 /* a2a/liveness.h */

static void flush_vitals(void *data)
{
    g_autoptr(GError) error = NULL;

    if (!org_tree_flush(((Rooms *)data)->tree, &error))
        log_warning("vital signs wait for the database", LOG_CAUSE(error));
}

static void flush_tokens(void *data)
{
    g_autoptr(GError) error = NULL;

    if (!tokens_flush(((Rooms *)data)->tokens, &error))
        log_warning("uses of tokens were not recorded", LOG_CAUSE(error));
}

/* Only another server on the same database can know of usage that we do not. */
static void read_spending(void *data)
{
    g_autoptr(GError) error = NULL;

    if (!org_tree_read_usage(((Rooms *)data)->tree, &error))
        log_warning("spending could not be read again", LOG_CAUSE(error));
}

static void sweep_liveness(void *data)
{
    liveness_sweep(((Rooms *)data)->liveness);
}

static void sweep_idle(void *data)
{
    lifecycle_idle_sweep(&((Rooms *)data)->lifecycle);
}

static void sweep_old_rows(void *data)
{
    retention_sweep(&((Rooms *)data)->retention);
}

void chores_add(Rooms *rooms)
{
    double hours = rooms->config->cleanup_interval_hours;

    rooms->retention = (Retention){
        .db = rooms->db,
        .activity_days = rooms->config->activity_retention_days,
        .event_days = rooms->config->event_retention_days,
        .is_stopping = &rooms->is_stopping,
    };
    timers_add(rooms->timers, "retention", (guint)MAX(hours * 3600 * 1000, 1), sweep_old_rows,
               rooms);
    timers_add(rooms->timers, "vital-signs", FLUSH_INTERVAL_MS, flush_vitals, rooms);
    timers_add(rooms->timers, "token-uses", TOKEN_INTERVAL_MS, flush_tokens, rooms);
    if (db_kind(rooms->db) == DB_POSTGRES)
        timers_add(rooms->timers, "spending", SPENDING_INTERVAL_MS, read_spending, rooms);
    timers_add(rooms->timers, "liveness-monitor", LIVENESS_INTERVAL_MS, sweep_liveness, rooms);
    timers_add(rooms->timers, "hibernation-monitor", LIFECYCLE_IDLE_INTERVAL_MS, sweep_idle, rooms);
}

void chores_flush(Rooms *rooms)
{
    flush_vitals(rooms);
    flush_tokens(rooms);
}
