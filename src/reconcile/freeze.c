#include "reconcile/freeze.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "events/payloads.h"
#include "store/workspaces.h"

#define FROM_SLEEP (STORE_FROM_WAKE | STORE_STATUS_BIT(WORKSPACE_HIBERNATING))

gboolean freeze_is_asleep(const Look *look)
{
    return look->workspace && (look->workspace->status == WORKSPACE_HIBERNATING ||
                               look->workspace->status == WORKSPACE_HIBERNATED);
}

/* What failed for a reason that another try would meet again. */
static gboolean is_lasting(const GError *cause)
{
    return !error_is(cause, ERROR_UNAVAILABLE) && !error_is(cause, ERROR_OUTCOME_UNKNOWN) &&
           !error_is(cause, ERROR_SUPERSEDED);
}

/* ---- A change of status with its event ---- */

typedef gboolean (*Mark)(Look *look, const char *url, gboolean *changed, GError **error);

typedef struct {
    Mark mark;
    const char *url; /* may be NULL */
    const char *event;
    char *payload; /* owned */
    RuntimeProgress progress;
} Passage;

/* Wish and status were read one after the other, and a switch keeps the generation: the wish must
 * still be the one that was read. */
static gboolean check_wish(Look *look, GError **error)
{
    const RuntimeRow *runtime = look->runtime;
    gboolean is_same = FALSE;

    return store_runtime_switch(look->reconciler->options.db, look->id, runtime->generation,
                                runtime->desired, runtime->desired, &is_same, error) &&
           (is_same || error_set(error, ERROR_SUPERSEDED, "a newer wish won"));
}

static gboolean write_passage(Look *look, const Passage *passage, gint64 now_us, gboolean *changed,
                              GError **error)
{
    Db *db = look->reconciler->options.db;
    g_autoptr(DbTransaction) transaction = db_begin(db, error);

    return transaction && passage->mark(look, passage->url, changed, error) &&
           check_wish(look, error) && look_progress(look, &passage->progress, error) &&
           (!*changed ||
            event_store(db, passage->event, look->id, passage->payload, now_us, error)) &&
           db_commit(&transaction, error);
}

/* Takes the payload. */
static gboolean pass_on(Look *look, const Passage *passage, GError **error)
{
    const ReconcilerOptions *options = &look->reconciler->options;
    g_autofree char *payload = passage->payload;
    gint64 now_us = clock_now_us();
    gboolean changed = FALSE;

    if (!write_passage(look, passage, now_us, &changed, error))
        return FALSE;
    if (!changed)
        return TRUE;
    if (!org_tree_refresh(options->tree, look->id, NULL))
        log_warning("a change of status shows up in memory a little later",
                    LOG_TEXT("workspace", look->id));
    events_announce(options->events, passage->event, look->id, payload, now_us);
    return TRUE;
}

static gboolean mark_frozen(Look *look, const char *url, gboolean *changed, GError **error)
{
    (void)url;
    return store_workspace_mark_frozen(look->reconciler->options.db, look->id, changed, error);
}

static gboolean mark_thawed(Look *look, const char *url, gboolean *changed, GError **error)
{
    return store_workspace_mark_thawed(look->reconciler->options.db, look->id,
                                       look->runtime->generation, url, changed, error);
}

static gboolean mark_provisioning(Look *look, const char *url, gboolean *changed, GError **error)
{
    (void)url;
    return store_workspace_mark_provisioning(look->reconciler->options.db, look->id, FROM_SLEEP,
                                             changed, error);
}

/* ---- Freezing ---- */

gboolean freeze_give_up(Look *look, const GError *cause, GError **error)
{
    gboolean changed = FALSE;

    log_info("a workspace is stopped instead of frozen", LOG_TEXT("workspace", look->id),
             LOG_CAUSE(cause));
    return store_runtime_switch(look->reconciler->options.db, look->id, look->runtime->generation,
                                RUNTIME_FROZEN, RUNTIME_STOPPED, &changed, error);
}

static gboolean say_frozen(Look *look, GError **error)
{
    const Passage passage = {
        .mark = mark_frozen,
        .event = "WORKSPACE_HIBERNATED",
        .payload = event_hibernated_payload_dup(look->workspace),
        .progress = {.phase = RUNTIME_PHASE_FROZEN},
    };

    return pass_on(look, &passage, error);
}

static gboolean halt(Look *look, const ContainerInfo *container, GError **error)
{
    Engine *engine = look->reconciler->options.engine;
    const RuntimeProgress progress = {.phase = RUNTIME_PHASE_FROZEN, .container_id = container->id};

    if (!engine_can_freeze(engine))
        return error_set(error, ERROR_CONFLICT, "this engine cannot freeze");
    return look_progress(look, &progress, error) && engine_freeze(engine, container->id, error);
}

gboolean freeze_container(Look *look, const ContainerInfo *container, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (!look->workspace)
        return error_set(error, ERROR_INTERNAL, "there is a wish for a workspace without a row");
    watch_expect(look->reconciler->watch, look->id, NULL);
    if (!halt(look, container, &cause)) {
        if (is_lasting(cause))
            return freeze_give_up(look, cause, error);
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    log_info("workspace frozen", LOG_TEXT("workspace", look->id),
             LOG_INT("generation", look->runtime->generation));
    return say_frozen(look, error);
}

/* ---- Thawing ---- */

gboolean freeze_provision(Look *look, GError **error)
{
    const Passage passage = {
        .mark = mark_provisioning,
        .event = "WORKSPACE_PROVISIONING",
        .payload = event_provisioning_payload_dup(look->workspace, NULL, NULL),
        .progress = {.phase = RUNTIME_PENDING, .container_id = "", .address = ""},
    };

    return pass_on(look, &passage, error);
}

/* Its memory is lost, its volumes are not. */
static gboolean begin_anew(Look *look, const ContainerInfo *container, const GError *cause,
                           GError **error)
{
    log_warning("a frozen workspace cannot go on and is made anew", LOG_TEXT("workspace", look->id),
                LOG_CAUSE(cause));
    return remove_container(look, container, "cannot be thawed", error) &&
           freeze_provision(look, error);
}

/* Where it is reached: a thaw keeps the port. */
static gboolean say_thawed(Look *look, const ContainerInfo *container, GError **error)
{
    g_autofree char *seen = plan_url_dup(container);
    const char *url = seen ? seen : look->runtime->address;
    const Passage passage = {
        .mark = mark_thawed,
        .url = url,
        .event = "WORKSPACE_ONLINE",
        .payload = g_strdup("{\"recovered_from\":\"hibernated\"}"),
        .progress = {.phase = RUNTIME_STARTED, .container_id = container->id, .address = url},
    };

    return pass_on(look, &passage, error);
}

gboolean freeze_thaw(Look *look, const ContainerInfo *container, GError **error)
{
    Engine *engine = look->reconciler->options.engine;
    gboolean is_halted = container->state == CONTAINER_PAUSED;
    g_autoptr(GError) cause = NULL;

    if (!look->workspace)
        return error_set(error, ERROR_INTERNAL, "there is a wish for a workspace without a row");
    if (is_halted && !engine_thaw(engine, container->id, &cause)) {
        if (is_lasting(cause))
            return begin_anew(look, container, cause, error);
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    return say_thawed(look, container, error);
}
