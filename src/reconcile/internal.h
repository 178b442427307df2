/* What the reconciler's files share; not for other rooms.
 *
 * One look at a workspace (look.c) reads wish and reality, asks plan.c for the next step, carries
 * it out and begins again, until nothing is to be done. Steps return TRUE to go on, or an error
 * that says how:
 *   ERROR_SUPERSEDED       a newer wish won, or the server stops; what was half done is undone
 *   ERROR_UNAVAILABLE      engine or database are away: nothing is concluded, later again
 *   ERROR_OUTCOME_UNKNOWN  it may have happened: look again
 *   any other              this attempt failed */
#pragma once

#include "provision/names.h"
#include "provision/runtimes.h"
#include "provision/tiers.h"
#include "reconcile/executor.h"
#include "reconcile/images.h"
#include "reconcile/owned.h"
#include "reconcile/plan.h"
#include "reconcile/reconciler.h"
#include "reconcile/sightings.h"
#include "reconcile/watch.h"
#include "store/garbage.h"

#define RECONCILE_NETWORK_DEFAULT "molecule-monorepo-net"
#define RECONCILE_SILENT_SECONDS  180                   /* spec 02, 17.3 E */
#define RECONCILE_LATER_US        (2 * CLOCK_SECOND_US) /* engine or database were away */

struct _Reconciler {
    ReconcilerOptions options; /* read only after new, with defaults filled in */
    TierOptions tiers;
    Runtimes *own_runtimes; /* NULL: options.runtimes */
    Executor *executor;
    Images *images;     /* NULL without an engine */
    struct _Warm *warm; /* reconcile/warm.h */
    Watch *watch;
    atomic_uint config_readers; /* reconciler_read_config under way */
    Sightings *sightings;
    Cancel *cancel; /* fired by stop */
    Thread *pass_thread, *event_thread;
    gboolean has_network; /* it was there or made since the start; the watching thread's only */

    Mutex lock; /* guards all that follows; never held across a call of another room */
    Condition changed;
    GPtrArray *waiters; /* Waiter, borrowed from their stacks */
    EngineInfo *host;   /* NULL: not asked yet */
    ReconcilerStatus status;
    gboolean wants_pass, wants_ping, wants_review;
    gboolean makes_network; /* somebody is at it */
    DbTicket leads;         /* the watching thread's only; 0: another server leads the passes */
    GPtrArray *suspects;    /* orphans.c: containers to look at */
    GHashTable *containers; /* ids of ours, as of the last pass and the events since */
    /* Passes that began and that ended well; the next to begin reaps when it is this one. */
    guint64 passes_begun, passes_done, reaping_pass, awaited_pass;
    GArray *deletions;                     /* ReconcilerDeletions */
    gint64 down_logged_us, held_logged_us; /* monotonic; the watching thread's only */
    atomic_bool seems_lost, is_confirmed;  /* identity.c */
};

static inline const Runtimes *reconciler_runtimes(const Reconciler *reconciler)
{
    return reconciler->own_runtimes ? reconciler->own_runtimes : reconciler->options.runtimes;
}

/* Makes the containers' network unless it is there; one caller at a time. */
G_GNUC_WARN_UNUSED_RESULT gboolean reconciler_ensure_network(Reconciler *reconciler,
                                                             GError **error);
/* Tells the watching thread that an engine call found nobody. */
void reconciler_suspect_engine(Reconciler *reconciler);
void reconciler_want_pass(Reconciler *reconciler);
/* "Somebody pulls and a wish changed": see whether the pull is still wanted. */
void reconciler_want_review(Reconciler *reconciler);
/* Kinds: "container", "volume", "instance". The reason is the log's; of few, static ones. */
void reconciler_count_deletion(Reconciler *reconciler, const char *kind, const char *reason);
/* Nothing of the workspace is left: whoever waits for it goes on. */
void reconciler_note_gone(Reconciler *reconciler, const char *id);
/* Whether an administrator's order can be carried out now: there is an engine, it answers, and
 * nothing is held. `done`: the word for the sentence ("removed"). ERROR_CONFLICT,
 * ERROR_UNAVAILABLE. */
G_GNUC_WARN_UNUSED_RESULT gboolean reconciler_check_open(Reconciler *reconciler, const char *done,
                                                         GError **error);
/* A copy of what the host has; NULL: not known yet. Caller owns it. */
EngineInfo *reconciler_host_dup(Reconciler *reconciler);

/* ---- One look (look.c) ---- */

/* All that a look knows; owned by the look. */
typedef struct {
    Reconciler *reconciler;
    const char *id;
    RuntimeRow *runtime;
    WorkspaceRow *workspace;   /* NULL: none, or purged */
    GPtrArray *containers;     /* ContainerInfo: ours, of this workspace */
    gboolean short_is_foreign; /* "ws-<short>" belongs to somebody else */
    gboolean wants_rest;       /* the step did what can be done now */
    DbTicket turn;             /* among the servers of one database */
    char **missing;            /* required variables without a value, of the failed attempt */
} Look;

void look_run(const char *id, void *reconciler);
WorkKind look_classify(const char *id, void *reconciler);
/* Fenced progress. Error ERROR_SUPERSEDED when a newer wish won. */
G_GNUC_WARN_UNUSED_RESULT gboolean look_progress(Look *look, const RuntimeProgress *progress,
                                                 GError **error);
/* Whether the wish is still this one and the server goes on; else ERROR_SUPERSEDED. */
G_GNUC_WARN_UNUSED_RESULT gboolean look_is_current(Look *look, GError **error);
/* When its provisioning has failed, wall time; 0 when it is not provisioning. */
gint64 look_provision_deadline_us(const Look *look, guint *timeout_s);

/* ---- Observing (observe.c) ---- */

/* All containers of ours of this workspace, by the names they can have and the recorded id. */
G_GNUC_WARN_UNUSED_RESULT gboolean observe(Look *look, GError **error);
gboolean observe_is_ours(const Reconciler *reconciler, const EngineLabels *labels, const char *id);

/* ---- Starting (start.c, seeding.c) ---- */

G_GNUC_WARN_UNUSED_RESULT gboolean start_from_nothing(Look *look, GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean start_from_created(Look *look, const ContainerInfo *container,
                                                      GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean start_from_seeded(Look *look, const ContainerInfo *container,
                                                     GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean start_adopt(Look *look, const ContainerInfo *container,
                                               GError **error);

/* ---- The stock of started agents (hand_over.c, warm.c) ---- */

G_GNUC_WARN_UNUSED_RESULT gboolean hand_over(Look *look, const ContainerInfo *container,
                                             GError **error);
/* A member did not start, or died (`container` may be NULL): put off, and its container removed.
 * `why` is for the log. */
G_GNUC_WARN_UNUSED_RESULT gboolean warm_failed(Look *look, const ContainerInfo *container,
                                               const RuntimeFailure *failure, const char *why,
                                               GError **error);

/* ---- Removing (remove.c) ---- */

/* Stops, keeps the last lines, removes, verified. */
G_GNUC_WARN_UNUSED_RESULT gboolean remove_container(Look *look, const ContainerInfo *container,
                                                    const char *reason, GError **error);
/* No container is left where none is wished: the rest. */
G_GNUC_WARN_UNUSED_RESULT gboolean remove_finish(Look *look, GError **error);
/* The due intents of a workspace. `is_wished`: it lives, what it uses stays. */
G_GNUC_WARN_UNUSED_RESULT gboolean remove_intents(Reconciler *reconciler, const char *id,
                                                  gboolean is_wished, GError **error);
/* Intents that belong to no workspace, of a list of GarbageRow. */
G_GNUC_WARN_UNUSED_RESULT gboolean remove_ownerless(Reconciler *reconciler,
                                                    const GPtrArray *intents, GError **error);
/* Keeps the last lines of a container; what cannot be read is not kept. */
char *remove_save_log(Look *look, const char *container_id);

/* ---- What becomes of the status (verdicts.c) ---- */

/* An attempt failed with `cause`. Says so and decides between back-off and the end. */
G_GNUC_WARN_UNUSED_RESULT gboolean verdict_attempt_failed(Look *look, const GError *cause,
                                                          GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean verdict_died(Look *look, const Plan *plan, GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean verdict_timed_out(Look *look, const Plan *plan, GError **error);
/* The image's own check came to another result: degraded, or online again (health.c). */
G_GNUC_WARN_UNUSED_RESULT gboolean verdict_health(Look *look, const ContainerInfo *container,
                                                  GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean verdict_crash_loop(Look *look, const Plan *plan, GError **error);
/* offline -> provisioning, before a new attempt; or a new deadline for one that is provisioning. */
G_GNUC_WARN_UNUSED_RESULT gboolean verdict_begins_again(Look *look, gboolean reset_deadline,
                                                        GError **error);
/* failed -> provisioning, when a machine was ordered nevertheless: its agent may register. */
G_GNUC_WARN_UNUSED_RESULT gboolean verdict_ordered(Look *look, GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean verdict_stopped(Look *look, GError **error);

/* ---- Are engine and database the ones we know? (identity.c; the watching thread only) ---- */

/* FALSE: not known now; error as that of engine or database. */
G_GNUC_WARN_UNUSED_RESULT gboolean identity_check(Reconciler *reconciler, gboolean *is_known,
                                                  GError **error);
/* An installation that is new here wishes nothing, and `found` objects carry its label: TRUE, and
 * everything is held. */
gboolean identity_seems_lost(Reconciler *reconciler, guint wished, guint found);

/* ---- What nobody wishes (orphans.c) ---- */

GPtrArray *orphans_suspects_new(void);
/* A container of ours was made or started: look soon whether somebody wishes it. Thread: events. */
void orphans_suspect(Reconciler *reconciler, const EngineEvent *event);
void orphans_look_at_suspects(Reconciler *reconciler); /* the watching thread only */
/* The rules, on complete lists. `wishes` has a key for each workspace with a row. `reaps`: what the
 * rules would remove later goes now. */
G_GNUC_WARN_UNUSED_RESULT gboolean orphans_treat(Reconciler *reconciler,
                                                 const GPtrArray *containers,
                                                 const GPtrArray *volumes, GHashTable *wishes,
                                                 gboolean reaps, GError **error);
/* Waits until a pass that begins from now on has ended well. */
G_GNUC_WARN_UNUSED_RESULT gboolean reconciler_await_pass(Reconciler *reconciler, gboolean reaps,
                                                         guint patience_ms, GError **error);

/* ---- The periodic pass and the engine's events (pass.c, engine_watch.c) ---- */

G_GNUC_WARN_UNUSED_RESULT gboolean pass_run(Reconciler *reconciler, gboolean reaps, GError **error);
void engine_watch_run(void *reconciler);  /* a thread: pings, identity, passes */
void engine_events_run(void *reconciler); /* a thread */
