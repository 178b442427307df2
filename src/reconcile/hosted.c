/* Machines that a platform hosts: ordered, recorded, ended.
 *
 * Nothing can be listed there, so what is recorded is all that can be known. An order is recorded
 * before it is sent, its answer when it comes, whatever was wished meanwhile; what was recorded
 * goes only when the platform says so. One order, one generation: a machine made anew for the same
 * wish raises it. No token is given along: the agent's first registration gets one, so the server's
 * former ones end here. Source: spec 01, 11.2; spec 02, section 11, L32 to L34, L42. */
#include "reconcile/hosted.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/hosted_id.h"
#include "reconcile/start.h"

#include <string.h>

#define FRESH_US CLOCK_MINUTE_US /* who beat so lately runs; agents beat every 30 s */

static Engine *engine_of(const Look *look)
{
    return look->reconciler->options.engine;
}

/* ---- Looking ---- */

/* An order of this very wish without an answer will be given again: it is no machine yet. */
static gboolean is_open_order(const RuntimeRow *runtime, const ContainerInfo *info)
{
    return info->state == CONTAINER_CREATED && runtime->desired == RUNTIME_RUNNING &&
           info->labels.generation == runtime->generation;
}

gboolean hosted_observe(Look *look, GError **error)
{
    const char *recorded = look->runtime->container_id;
    g_autoptr(ContainerInfo) info = NULL;
    g_autoptr(GError) cause = NULL;

    if (!recorded || !*recorded)
        return TRUE;
    if (!engine_inspect(engine_of(look), recorded, &info, &cause)) {
        if (error_is(cause, ERROR_NOT_FOUND)) /* made by another kind of engine */
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    if (!is_open_order(look->runtime, info))
        g_ptr_array_add(look->containers, g_steal_pointer(&info));
    return TRUE;
}

/* Nothing is listed: who was heard of lately needs no question, everybody else gets one. */
gboolean hosted_is_settled(const RuntimeRow *runtime, const WorkspaceRow *workspace)
{
    gboolean has_machine = runtime->container_id && *runtime->container_id;
    gboolean is_alive = workspace && (workspace->status == WORKSPACE_ONLINE ||
                                      workspace->status == WORKSPACE_DEGRADED);

    if (runtime->desired != RUNTIME_RUNNING)
        return runtime->phase == RUNTIME_GONE && !has_machine;
    if (runtime->phase == RUNTIME_FAILED)
        return !has_machine;
    return runtime->phase == RUNTIME_READY && is_alive && has_machine &&
           clock_now_us() - workspace->last_heartbeat_at_us < FRESH_US;
}

/* ---- Ordering ---- */

static gboolean order(Start *start, gint64 generation, char **id, GError **error)
{
    const Look *look = start->look;
    g_auto(GStrv) environment = environment_list(start->environment);
    ContainerSpec spec = {
        .environment = (const char *const *)environment,
        .runtime = look->workspace->runtime,
        .tier = look->workspace->tier,
        .platform_url = start->platform_url,
        .labels =
            {
                .installation = (char *)look->reconciler->options.installation,
                .workspace = (char *)look->id,
                .kind = (char *)ENGINE_KIND_WORKSPACE,
                .generation = generation,
            },
    };

    return engine_create(engine_of(look), &spec, id, error);
}

/* Records what an order gave. Nothing else can have been recorded meanwhile; if it was, what came
 * is nobody's and goes at once. */
static gboolean record(Look *look, const char *ordered, const char *id, GError **error)
{
    g_auto(HostedId) parts = {.instance = NULL};
    gboolean known = FALSE;

    if (!hosted_id_parse(id, &parts))
        return error_set(error, ERROR_INTERNAL, "the engine gave an id that is none of its own");
    if (!store_runtime_name_hosted(look->reconciler->options.db, look->id, ordered, id,
                                   parts.instance, &known, error))
        return FALSE;
    if (known)
        return TRUE;
    return engine_remove(engine_of(look), id, error) &&
           error_set(error, ERROR_SUPERSEDED, "another machine was recorded meanwhile");
}

/* A refusal says that nothing was made, unless an earlier try of this order may have succeeded. */
static gboolean give_up_order(Look *look, gboolean is_first_try, GError *cause, GError **error)
{
    RuntimeProgress nothing = {.phase = RUNTIME_PULLING, .container_id = ""};
    gboolean is_refused = error_is_outcome(error_code(cause));

    if (is_refused && is_first_try && !look_progress(look, &nothing, error)) {
        g_error_free(cause);
        return FALSE;
    }
    g_propagate_error(error, cause);
    return FALSE;
}

static gboolean publish(Look *look, const char *id, GError **error)
{
    RuntimeProgress progress = {.phase = RUNTIME_STARTED, .container_id = id, .address = ""};

    if (!look_progress(look, &progress, error) || !verdict_ordered(look, error))
        return FALSE;
    log_info("workspace runs", LOG_TEXT("workspace", look->id), LOG_TEXT("machine", id),
             LOG_INT("generation", look->runtime->generation));
    return TRUE;
}

static gboolean order_and_record(Start *start, const char *ordered, gboolean is_first_try,
                                 GError **error)
{
    Look *look = start->look;
    g_autofree char *id = NULL;
    GError *cause = NULL;

    if (!order(start, look->runtime->generation, &id, &cause))
        return give_up_order(look, is_first_try, cause, error);
    return record(look, ordered, id, error) && publish(look, id, error);
}

gboolean hosted_start(Look *look, GError **error)
{
    g_auto(Start) start = {0};
    gint64 generation = look->runtime->generation;
    g_autofree char *ordered = hosted_id_dup(look->id, generation, "");
    gboolean is_first_try = g_strcmp0(look->runtime->container_id, ordered) != 0;
    RuntimeProgress progress = {.phase = RUNTIME_PULLING, .container_id = ordered, .address = ""};
    guint timeout_s = 0;
    gint64 deadline_us = look_provision_deadline_us(look, &timeout_s);

    if (!start_prepare(&start, look, error) ||
        !verdict_begins_again(look, deadline_us && deadline_us <= clock_now_us(), error) ||
        !tokens_revoke_issued(look->reconciler->options.tokens, look->id, generation, error) ||
        !look_progress(look, &progress, error))
        return FALSE;
    log_info("a machine is being ordered", LOG_TEXT("workspace", look->id),
             LOG_INT("generation", generation), LOG_INT("attempts", look->runtime->attempts));
    return order_and_record(&start, ordered, is_first_try, error);
}

gboolean hosted_adopt(Look *look, const ContainerInfo *container, GError **error)
{
    return publish(look, container->id, error);
}

/* ---- Ending ---- */

/* What an earlier order gave is learnt by giving it again, with all that belonged to it. A purged
 * workspace has nothing left to order with: then the engine does without. */
static gboolean learn(Look *look, const HostedId *order_id, char **id, GError **error)
{
    g_auto(Start) start = {0};
    g_autoptr(GError) cause = NULL;
    g_autofree char *given = NULL;

    if (!look->workspace || !start_prepare(&start, look, NULL))
        return TRUE;
    if (!order(&start, order_id->generation, &given, &cause)) {
        if (error_is_outcome(error_code(cause)))
            return error_set(error, ERROR_BUSY, "what an earlier order gave is not known yet");
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    if (!record(look, *id, given, error))
        return FALSE;
    g_free(*id);
    *id = g_steal_pointer(&given);
    return TRUE;
}

static gboolean is_meant(const GarbageRow *intent, const HostedId *gone)
{
    g_auto(HostedId) meant = {.instance = NULL};

    if (intent->kind == GARBAGE_INSTANCE)
        return strcmp(intent->ref, gone->instance) == 0;
    return intent->kind == GARBAGE_CONTAINER && hosted_id_parse(intent->ref, &meant) &&
           meant.generation == gone->generation &&
           (!*meant.instance || strcmp(meant.instance, gone->instance) == 0);
}

/* Intents for what is gone are done. */
static gboolean finish_intents(Look *look, const char *id, GError **error)
{
    Db *db = look->reconciler->options.db;
    g_autoptr(GPtrArray) intents = store_garbage_list_of(db, look->id, error);
    g_auto(HostedId) gone = {.instance = NULL};

    if (!intents)
        return FALSE;
    if (!hosted_id_parse(id, &gone))
        return TRUE;
    for (guint i = 0; i < intents->len; i++) {
        const GarbageRow *intent = intents->pdata[i];
        if (is_meant(intent, &gone) && !store_garbage_done(db, intent->id, error))
            return FALSE;
    }
    return TRUE;
}

gboolean hosted_remove(Look *look, const ContainerInfo *container, const char *reason,
                       GError **error)
{
    Reconciler *reconciler = look->reconciler;
    const RuntimeRow *runtime = look->runtime;
    gint64 generation = container->labels.generation;
    g_autofree char *id = g_strdup(container->id);
    g_auto(HostedId) parts = {.instance = NULL};

    watch_expect(reconciler->watch, look->id, NULL);
    if (!hosted_id_parse(id, &parts))
        return TRUE;
    if ((!*parts.instance && !learn(look, &parts, &id, error)) ||
        !engine_remove(engine_of(look), id, error) || !finish_intents(look, id, error) ||
        !store_runtime_forget_hosted(
            reconciler->options.db, look->id, id,
            runtime->desired == RUNTIME_RUNNING && generation == runtime->generation, error))
        return FALSE;
    reconciler_count_deletion(reconciler, "instance", reason);
    log_info("machine ended", LOG_TEXT("workspace", look->id), LOG_TEXT("machine", id),
             LOG_INT("generation", generation), LOG_TEXT("why", reason));
    return TRUE;
}

gboolean hosted_sweep(Reconciler *reconciler, const GarbageRow *intent, GError **error)
{
    g_auto(HostedId) parts = {.instance = NULL};
    g_autofree char *id = NULL;

    if (intent->kind == GARBAGE_INSTANCE)
        id = hosted_id_dup(intent->workspace_id, 0, intent->ref);
    else if (intent->kind == GARBAGE_CONTAINER && hosted_id_parse(intent->ref, &parts))
        id = g_strdup(intent->ref);
    if (!id) /* a name or a volume: nothing that this engine ever made */
        return TRUE;
    if (!engine_remove(reconciler->options.engine, id, error))
        return FALSE;
    reconciler_count_deletion(reconciler, "instance", "intended");
    log_info("machine ended", LOG_TEXT("workspace", intent->workspace_id), LOG_TEXT("machine", id),
             LOG_TEXT("why", "intended"));
    return TRUE;
}

/* ---- What it wrote ---- */

gboolean reconciler_has_console(const Reconciler *reconciler)
{
    return reconciler->options.engine && engine_has_console(reconciler->options.engine);
}

#define CONSOLES_MAX 2 /* each may hold its worker for 12 s */

gboolean reconciler_console(Reconciler *reconciler, const char *workspace_id, char **text,
                            GError **error)
{
    static atomic_uint readers;
    gboolean done = FALSE;

    g_return_val_if_fail(reconciler_has_console(reconciler), FALSE);
    if (atomic_fetch_add(&readers, 1) >= CONSOLES_MAX) {
        atomic_fetch_sub(&readers, 1);
        return error_set(error, ERROR_BUSY, "too many consoles are being read");
    }
    done = engine_console(reconciler->options.engine, workspace_id, text, error);
    atomic_fetch_sub(&readers, 1);
    return done;
}
