/* Makes reality what is wished. The only caller of a container engine.
 *
 * A request changes the wish (store/runtime: desired, generation + 1) in its transaction, commits,
 * and pokes. Everything that follows - images, volumes, containers, seeding, removal, garbage,
 * crash recovery - is done here, for one workspace after another in its own queue, several
 * workspaces at once (4 starts, 8 stops), fenced by the generation. Source: spec 02, section 17.3
 * (A to J) and 9; ARCHITECTURE ideas 1 and D16, D17, D18. */
#pragma once

#include "auth/tokens.h"
#include "base/config.h"
#include "db/db.h"
#include "db/holds.h"
#include "engine/engine.h"
#include "events/events.h"
#include "org/tree.h"
#include "provision/mutators.h"
#include "provision/runtimes.h"

typedef struct _Reconciler Reconciler;

typedef struct {
    Db *db;
    DbHolds *holds; /* locks between several servers of one database; NULL: there is one */
    Engine *engine; /* NULL: no engine; every start fails with that reason */
    Events *events;
    OrgTree *tree;
    Tokens *tokens;
    const char *installation;     /* installation id */
    gboolean installation_is_new; /* neither data folder nor database knew it at this start */
    const char *data_dir;
    const char *platform_url;  /* what agents are told; NULL: the engine's own way to the host */
    const guint8 *secrets_key; /* 32 bytes, or NULL: secrets are stored plain */
    const char *agent_path;    /* the workspace-agent binary to inject */
    const char *configs_dir;   /* templates; NULL: none */
    const char *network;       /* "molecule-monorepo-net" unless configured */
    guint16 server_port;
    guint start_limit, stop_limit; /* 0: 4 and 8 */
    guint pass_interval_ms;        /* 0: 30 s */
    /* Tiers, directories, time-outs, awareness; NULL: the defaults. */
    const Config *config;
    EnvMutators *mutators; /* change environments before a start; NULL: none */
    /* NULL: the reference's own table. */
    const Runtimes *runtimes;
    /* Makes sure that the image of runtime `builtin` is there and gives its name (owned). NULL:
     * there is none, and such starts fail saying so. Errors as those of an engine call. Called by
     * several threads. */
    gboolean (*base_image)(Engine *engine, char **image, void *data, GError **error);
    void *base_image_data;
    gboolean base_image_has_agent; /* at AGENT_PATH: none is uploaded into its containers */
} ReconcilerOptions;

/* Pointers of `options` are borrowed until reconciler_free. */
Reconciler *reconciler_new(const ReconcilerOptions *options, GError **error);
void reconciler_start(Reconciler *reconciler);
/* Lets each running step reach its next durable checkpoint, at most `patience_ms`, and joins its
 * threads. */
void reconciler_stop(Reconciler *reconciler, guint patience_ms);
void reconciler_free(Reconciler *reconciler);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Reconciler, reconciler_free)

/* "The wish of this workspace changed." Never blocks. */
void reconciler_poke(Reconciler *reconciler, const char *workspace_id);
/* Waits until nothing of the workspace is left in the engine, at most `patience_ms`. TRUE when so
 * (delete answers "done"). */
gboolean reconciler_wait_gone(Reconciler *reconciler, const char *workspace_id, guint patience_ms);
/* Asks for a look at reality soon: the proxy could not reach this agent. Gives the verdict: TRUE
 * when the container is verified dead. */
gboolean reconciler_verify_dead(Reconciler *reconciler, const char *workspace_id);
/* Asks the engine where the workspace's container is reached: for the moment between its agent's
 * registration and the look that records the address. FALSE: it does not run, or is not ours. The
 * caller owns `url`. May block as long as an inspect. Thread: workers. */
gboolean reconciler_find_address(Reconciler *reconciler, const char *workspace_id, char **url);
/* What lies at /configs/config.yaml of the workspace's container, running or not; at most
 * `max_bytes`. FALSE: there is no container of ours, no such regular file, it is too long, or the
 * engine is away, or too slow for those who ask already. Caller owns `bytes`. May block as long as
 * an archive call. Thread: workers, a few at once. */
gboolean reconciler_read_config(Reconciler *reconciler, const char *workspace_id, gsize max_bytes,
                                GBytes **bytes);
/* The last lines of a workspace's container, or of its last one when it is gone. ERROR_NOT_FOUND,
 * ERROR_UNAVAILABLE. */
gboolean reconciler_logs(Reconciler *reconciler, const char *workspace_id, guint lines,
                         gsize max_bytes, GBytes **text, GError **error);
/* The last lines of the container before the present one. Error: ERROR_NOT_FOUND. */
gboolean reconciler_logs_previous(Reconciler *reconciler, const char *workspace_id, guint lines,
                                  gsize max_bytes, GBytes **text, GError **error);
gboolean reconciler_logs_follow(Reconciler *reconciler, const char *workspace_id, guint lines,
                                Cancel *cancel, EngineBytesFunction function, void *data,
                                GError **error);

/* Pulls `image` again, until the monotonic moment `deadline_us`. `before` (NULL: it was not there)
 * and `after` get its local ids, owned. Errors: ERROR_NOT_FOUND, ERROR_FORBIDDEN, ERROR_INVALID,
 * ERROR_BUSY with a sentence for people; ERROR_SUPERSEDED when `cancel` fired or the server stops;
 * ERROR_UNAVAILABLE: the engine. Blocks. Thread: any but I/O. Source: spec 02, 15. */
gboolean reconciler_image_refresh(Reconciler *reconciler, const char *image, gint64 deadline_us,
                                  Cancel *cancel, char **before, char **after, GError **error);
/* Removes what newer images of `repository` replaced and no container uses (engine_image_prune).
 * Errors: those of an engine call. Thread: any but I/O. */
gboolean reconciler_image_prune(Reconciler *reconciler, const char *repository, GError **error);
/* The local image's id. Errors: ERROR_NOT_FOUND, those of an engine call. Thread: any but I/O. */
gboolean reconciler_image_find(Reconciler *reconciler, const char *image, char **digest,
                               GError **error);

/* What an administrator confirms; NULL texts are not named. */
typedef struct {
    const char *installation; /* ours, when the database belongs to another one: it becomes ours */
    const char *engine_id;    /* must be the one that answers */
} ReconcilerConfirmation;
/* The engine behind the socket, and the installation, are the ones to use from now on (`held`).
 * Repeatable. Error: ERROR_CONFLICT: no engine, another engine answers, or the database belongs to
 * another installation and ours was not named; those of engine and database. May block as long as
 * an engine's info. Thread: workers. */
gboolean reconciler_confirm(Reconciler *reconciler, const ReconcilerConfirmation *confirmation,
                            GError **error);

/* Something that carries our label and that nobody wishes. */
typedef struct {
    const char *kind; /* static: "container", "helper", "volume" */
    char *ref;        /* id of a container, name of a volume */
    char *name;
    char *workspace_id;   /* NULL: it names none */
    gint64 first_seen_us; /* wall */
    const char *action;   /* static: what becomes of it by itself: "stop", "remove", "none" */
    gint64 due_us;        /* wall; 0: with "none" */
} ReconcilerOrphan;
void reconciler_orphan_free(ReconcilerOrphan *orphan); /* NULL is fine */
/* GPtrArray of ReconcilerOrphan, oldest first. Caller owns it. */
GPtrArray *reconciler_orphans(Reconciler *reconciler);
/* Volumes of deleted workspaces that are kept until `due_us`, by that time: no orphans. GPtrArray
 * of ReconcilerOrphan, the caller's; NULL on an error of db/db.h. */
GPtrArray *reconciler_kept(Reconciler *reconciler, GError **error);
/* How many, and when the next goes (wall; 0: there is none). */
gboolean reconciler_kept_count(Reconciler *reconciler, gint64 *kept, gint64 *next_due_us,
                               GError **error);
typedef struct {
    gboolean dry_run;   /* only look again */
    gboolean with_kept; /* what is kept goes, too */
    guint patience_ms;  /* for each of two passes */
} ReconcilerReaping;
/* Removes now what would be removed by itself later. `found` gets what nobody wished, `left` what
 * is still there; GPtrArrays of ReconcilerOrphan, the caller's. Error: ERROR_CONFLICT when nothing
 * may be removed now; ERROR_UNAVAILABLE. Thread: workers. */
gboolean reconciler_reap(Reconciler *reconciler, const ReconcilerReaping *reaping,
                         GPtrArray **found, GPtrArray **left, GError **error);

/* What an administrator gives to workspaces of ours: objects that an engine's labels give to
 * nobody, or to another installation. */
typedef struct {
    const char *installation; /* whose they were; NULL: without our labels, by their exact names */
    const char *workspace_id; /* only this one's; NULL: everybody's */
    gboolean dry_run;         /* only say */
} ReconcilerAdoption;
typedef struct {
    const char *kind; /* static: "container", "volume" */
    char *ref;        /* id of a container, name of a volume */
    char *name;
    char *workspace_id; /* NULL: none of ours is meant */
    gboolean is_ours;   /* from now on; in a dry run: would be */
    const char *why;    /* static: why not; NULL when it is */
} ReconcilerAdopted;
void reconciler_adopted_free(ReconcilerAdopted *adopted); /* NULL is fine */
/* Each workspace gets all that is its own by name or former label, or nothing, in one transaction
 * that raises its generation: what runs is kept and goes at the next restart, what does not is
 * replaced at once, and all goes when the workspace is deleted, or is already. A workspace that has
 * a container or volume of ours gets nothing. `found`: GPtrArray of ReconcilerAdopted, the
 * caller's. Errors: ERROR_INVALID: it is our own installation; ERROR_CONFLICT: nothing may be
 * adopted now, or of this engine; those of engine and database. Repeatable. May block as long as
 * two listings. Thread: workers. Source: spec 02, section 17.3 A, J. */
gboolean reconciler_adopt(Reconciler *reconciler, const ReconcilerAdoption *adoption,
                          GPtrArray **found, GError **error);

/* The installation id. Borrowed. */
const char *reconciler_installation(const Reconciler *reconciler);
/* The id of the engine that answered last; NULL: none yet. Caller owns it. */
char *reconciler_engine_id_dup(Reconciler *reconciler);

/* What members of the stock of started agents for `image` (NULL: the base image) are made for; NULL
 * when none are wished. Borrowed until reconciler_free. Thread: any. */
const char *reconciler_warm_key(Reconciler *reconciler, const char *image);
/* A workspace for which there was a key got a member of the stock, or did not: counts. */
void reconciler_warm_note(Reconciler *reconciler, gboolean was_handed_over);

/* What a workspace's hosted machine wrote on its console; only an engine that has one is asked.
 * ERROR_NOT_FOUND: no machine; ERROR_BUSY: too many are being read. May block for 12 s. */
gboolean reconciler_has_console(const Reconciler *reconciler);
gboolean reconciler_console(Reconciler *reconciler, const char *workspace_id, char **text,
                            GError **error);

typedef struct {
    gboolean has_engine, engine_up;
    gint64 engine_down_since_us; /* wall; 0: up */
    gint64 last_pass_us;         /* monotonic; end of the last complete pass, 0: none yet */
    gint64 pass_duration_us;
    guint managed_containers, managed_volumes, orphans, operations_running;
    guint quarantined;    /* of the orphans: volumes that wait for their day */
    gboolean leads;       /* of several servers on one database this one does the passes */
    gboolean held;        /* installation or engine in dispute: nothing is started or deleted */
    const char *held_why; /* static; NULL: not held */
    gint64 held_since_us; /* wall; 0: not held */
    guint64 deletions;
    gboolean knows_caps; /* the engine has said which caps its machine keeps (D19) */
    gboolean limits_memory, limits_cpu, limits_pids;
    /* The stock of started agents: wished, ready to be handed over; since the start of the server:
     * handed over, wanted in vain, and hand-overs that did not work. */
    guint warm_wished, warm_ready;
    guint64 warm_handed_over, warm_missed, warm_refused;
} ReconcilerStatus;
void reconciler_status(Reconciler *reconciler, ReconcilerStatus *status);
/* Removals that are due and not yet verified, and since when the oldest is intended (wall; 0:
 * none). One query. */
gboolean reconciler_garbage(Reconciler *reconciler, gint64 *pending, gint64 *oldest_us,
                            GError **error);

/* How often something was removed for one reason, since the start. */
typedef struct {
    char kind[16];   /* "container", "volume" */
    char reason[48]; /* the log's reason, as a word: "its_workspace_was_removed" */
    guint64 count;
} ReconcilerDeletions;
/* GArray of ReconcilerDeletions, in the order of their first time. Caller owns it. */
GArray *reconciler_deletions(Reconciler *reconciler);
