/* Table `workspace_runtime`: what should be (the wish) and what is known to be (progress), one row
 * a workspace.
 *
 * Who changes the wish raises the generation; who carries it out writes with the generation it
 * read, and learns by `current` being FALSE that a newer wish won: it must then undo its last step.
 * No foreign key: the row outlives its workspace until nothing is left of it. Errors of all: those
 * of db/db.h. Thread: workers (wishes), reconciler (progress). Source: spec 02, section 17.3 B. */
#pragma once

#include "base/errors.h"
#include "base/ids.h"
#include "base/reasons.h"
#include "db/db.h"

/* Frozen: its processes are halted where they stand and cost no time; the container stays. */
typedef enum { RUNTIME_RUNNING, RUNTIME_STOPPED, RUNTIME_ABSENT, RUNTIME_FROZEN } RuntimeDesired;

typedef enum {
    RUNTIME_PENDING,
    RUNTIME_PULLING,
    RUNTIME_CREATED,
    RUNTIME_SEEDED,
    RUNTIME_STARTED,
    RUNTIME_READY,
    RUNTIME_STOPPING,
    RUNTIME_GONE,
    RUNTIME_BACKOFF,
    RUNTIME_FAILED,
    RUNTIME_PHASE_FROZEN, /* by us; a container paused by hand stays `started` or `ready` */
} RuntimePhase;

const char *runtime_desired_name(RuntimeDesired desired);
const char *runtime_phase_name(RuntimePhase phase);

/* Every text is owned; NULL is SQL NULL. Times: 0 is NULL. */
typedef struct {
    char workspace_id[ID_SIZE];
    RuntimeDesired desired;
    gint64 generation;
    char *spec; /* JSON: all that is needed to start without the request */
    gboolean has_seed;
    GBytes *seed; /* tar for /configs; NULL in lists */
    RuntimePhase phase;
    char *container_id;
    char *address; /* where the server reaches the container, e.g. "http://127.0.0.1:32768" */
    char *image_digest;
    char *instance_id;
    char *volumes; /* JSON: kind -> name */
    gint64 attempts;
    gint64 next_attempt_at_us;
    char *last_error;
    char *reason; /* why the last attempt failed, a word of base/reasons.h; last_error is its
                   * sentence for people, without the engine's own text */
    gboolean has_exit_code;
    gint64 exit_code;    /* of the container's last end */
    gint64 failed_at_us; /* 0: nothing failed */
    char *warm_key;      /* a started agent that no workspace has taken yet: what it was made for */
    /* The stock's container that this workspace was handed; NULL: none (store/warm.h). */
    char *warm_container;
    gint64 warm_started_at_us; /* the run that was told whose it is, by the engine's clock; 0: none,
                                * -1: telling it began */
    char *last_log;            /* the last lines of a container that is gone; NULL in lists */
    gint64 updated_at_us;
} RuntimeRow;
void runtime_row_free(RuntimeRow *row); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RuntimeRow, runtime_row_free)

/* ---- The wish ---- */

typedef struct {
    RuntimeDesired desired;
    const char *spec;   /* NULL: keep */
    GBytes *seed;       /* NULL: keep one that was not yet used */
    gboolean drop_seed; /* forget one that was not yet used */
} RuntimeWish;

/* Records a wish: generation + 1 (1 for the first), phase `pending`, no attempts. Part of the
 * caller's transaction. Error: ERROR_NOT_FOUND for RUNNING or STOPPED when the workspace is removed
 * or unknown. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_wish(Db *db, const char *workspace_id,
                                                      const RuntimeWish *wish, gint64 *generation,
                                                      GError **error);
/* Raises the generation to at least `generation` (a container of a later one was seen: the database
 * was restored). */
G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_raise(Db *db, const char *workspace_id,
                                                       gint64 generation, gint64 *now_generation,
                                                       GError **error);

/* Changes the wish between RUNNING, FROZEN and STOPPED and keeps generation, phase and container:
 * for what is done to a container, not instead of it. Fenced: nothing is written (`changed` FALSE)
 * when generation or wish are others than the caller read. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_switch(Db *db, const char *workspace_id,
                                                        gint64 generation, RuntimeDesired from,
                                                        RuntimeDesired to, gboolean *changed,
                                                        GError **error);

/* ---- Reading ---- */

/* With seed and log. NULL when there is none. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_find(Db *db, const char *workspace_id,
                                                      RuntimeRow **row, GError **error);
/* Just the fence. `found` FALSE: no row. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_peek(Db *db, const char *workspace_id,
                                                      RuntimeDesired *desired, gint64 *generation,
                                                      gboolean *found, GError **error);
/* What is wished and how far it is. `found` FALSE: no row. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_glance(Db *db, const char *workspace_id,
                                                        RuntimeDesired *desired,
                                                        RuntimePhase *phase, gboolean *found,
                                                        GError **error);
/* Those frozen since before `before_us`, oldest first, without seed and log. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_runtime_list_frozen(Db *db, gint64 before_us,
                                                               guint limit, GError **error);
/* All, without seed and log. GPtrArray of RuntimeRow, owned; NULL on an error. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_runtime_list(Db *db, GError **error);
/* Members of the stock that are wished to run (store/warm.h), likewise. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_runtime_list_warm(Db *db, GError **error);
/* All, in no order and only with what a decision from afar needs: wish, generation, phase,
 * container, next attempt, reason, what it was made for. For who looks at thousands at once. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_runtime_list_brief(Db *db, GError **error);
/* Those in back-off whose time has come. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_runtime_list_due(Db *db, gint64 now_us, guint limit,
                                                            GError **error);

/* Nothing of a removed workspace is wished, whatever a foreign or restored database says: such
 * wishes become `absent`. `ended` says how many did. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_end_removed(Db *db, gint64 *ended, GError **error);

/* ---- Progress: fenced by generation; `current` is FALSE when a newer wish won and nothing was
 * written ---- */

/* NULL texts are kept, "" clears. */
typedef struct {
    RuntimePhase phase;
    const char *container_id;
    const char *address;
    const char *image_digest;
    const char *instance_id;
    const char *volumes;
    const char *last_error;
    gboolean clear_seed;     /* it was used */
    gboolean reset_attempts; /* attempts 0, no next attempt, no error, no failure */
} RuntimeProgress;

G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_progress(Db *db, const char *workspace_id,
                                                          gint64 generation,
                                                          const RuntimeProgress *progress,
                                                          gboolean *current, GError **error);
/* A hosted machine was ordered, and recorded under an id that stands for the order (`ordered`);
 * here is what the order gave. Fenced by that id and not by the generation: what exists must be
 * known, wished or not. Also writes the workspace's `instance_id`. `known` FALSE: another id is
 * recorded. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_name_hosted(Db *db, const char *workspace_id,
                                                             const char *ordered, const char *id,
                                                             const char *instance, gboolean *known,
                                                             GError **error);
/* The hosted machine recorded as `id` is verified ended: nothing is recorded any more. With
 * `raise_generation` an order for the same wish is a new order from now on. Not fenced by the
 * generation. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_forget_hosted(Db *db, const char *workspace_id,
                                                               const char *id,
                                                               gboolean raise_generation,
                                                               GError **error);
/* Phase `backoff`, attempts + 1. `attempts` (may be NULL) gets the new count. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_back_off(Db *db, const char *workspace_id,
                                                          gint64 generation,
                                                          gint64 next_attempt_at_us,
                                                          const char *last_error, gint64 *attempts,
                                                          gboolean *current, GError **error);
/* Why an attempt failed, or a container ended: reason, exit_code, last_error and when. It stays
 * until the next wish, or until progress resets the attempts. */
typedef struct {
    Reason reason;
    const char *sentence; /* for people */
    gboolean has_exit_code;
    gint64 exit_code;
} RuntimeFailure;
G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_fail(Db *db, const char *workspace_id,
                                                      gint64 generation,
                                                      const RuntimeFailure *failure,
                                                      gboolean *current, GError **error);
/* What failed for `reason` is well again: no failure is kept. `changed` FALSE: another one is, or
 * none, or a newer wish won. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_lift(Db *db, const char *workspace_id,
                                                      gint64 generation, Reason reason,
                                                      gboolean *changed, GError **error);
/* Keeps the last lines of a container about to go. Not fenced. NULL clears. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_save_log(Db *db, const char *workspace_id,
                                                          const char *log, GError **error);
/* Deletes the row, and the adoptions of its workspace, when its wish is still `absent` of this
 * generation, its phase `gone`, its workspace removed or purged, and no intent of it is left in
 * runtime_gc but those for volumes that are kept; their adoptions stay. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_runtime_delete_gone(Db *db, const char *workspace_id,
                                                             gint64 generation, gboolean *deleted,
                                                             GError **error);
