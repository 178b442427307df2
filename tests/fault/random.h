/* A house under random use and random faults, and a model of what must be true of it.
 *
 * Who does what:
 *   main      draws operations from a seed; does those that stop the world (a daemon that restarts,
 * a server that is killed) and foreign ones itself; looks at the world now and then clients   3
 * threads: what a request would do (create, remove, restart, pause, ...), each to its end agents 1
 * thread: is every agent in every running container, turns the clock, runs the liveness sweep The
 * rooms are taken down and built anew while clients run (as after a kill); `rooms` says who may use
 * them. */
#pragma once

#define WORLD_CONTAINERS 128
#define WORLD_VOLUMES    256
#include "../unit/reconcile-house.h"
#include "../unit/test-db-fixture.h"
#include "a2a/liveness.h"
#include "a2a/registry.h"
#include "engine/fault/fault.h"
#include "lifecycle/lifecycle.h"

#define RANDOM_SLOTS      12
#define RANDOM_CLIENTS    3
#define RANDOM_FOREIGN    12
#define MARK_FILE         "mark" /* what an agent leaves in its volumes */
#define RANDOM_TEMPLATE   "kit"
#define RANDOM_NOT_MOVING -2

typedef enum { SLOT_EMPTY, SLOT_CREATING, SLOT_LIVE, SLOT_UNSURE, SLOT_REMOVING } SlotState;

/* A workspace as the model knows it. */
typedef struct {
    SlotState state;
    char id[ID_SIZE];
    guint incarnation;     /* counts who was created here */
    int parent;            /* slot, -1: none */
    int moving_to;         /* what its parent may become, or RANDOM_NOT_MOVING */
    guint collapses;       /* of it under way: nothing may come below it */
    guint takers;          /* removals under way that may take it */
    gboolean must_look;    /* while it was being created such a removal began, */
    gboolean is_doomed;    /* and takes it for certain */
    GHashTable *marks;     /* names of volumes in which its agent has left a file */
    gboolean has_sessions; /* it has the third volume */
    guint resets;          /* of its sessions that were answered */
    guint resets_under_way;
    gint64 sessions_from; /* generation: from this one on all resets have been done */
    char sessions[96];    /* volume of sessions that must be kept; "": none */
    /* Its agent; the agents' thread only. */
    char registered[40]; /* container id */
    gint64 heartbeat_at_us;
    char token[CRYPTO_TOKEN_SIZE];
} ModelSlot;

/* Somebody else's container or volume. */
typedef struct {
    gboolean exists, is_volume;
    char name[96], id[40];
    ContainerState state;
} ModelForeign;

typedef struct {
    House house;
    Fixture place;          /* of its database, on PostgreSQL */
    guint64 seed, sequence; /* main thread only */
    guint operations, reopened;
    Config *config;
    Runtimes *runtimes;
    char *configs;          /* folder with the template RANDOM_TEMPLATE */
    pthread_rwlock_t rooms; /* read: use them; write: take them down */
    gboolean is_open;       /* under `rooms` */
    Lifecycle lifecycle;    /* under `rooms`, as are the next three */
    StatusSignal *status;
    Registry *registry;
    Liveness *liveness;
    gboolean has_faults;

    atomic_uint moves_done, moves_refused, resets_done;

    Mutex lock; /* guards the model: what follows. May take the world's lock */
    ModelSlot slots[RANDOM_SLOTS];
    guint moves_under_way, moves_begun; /* changes of a parent */
    GHashTable *removed; /* ids whose removal has been asked for and answered; a set */
    GHashTable *tokens;  /* token -> id of its workspace */

    ModelForeign foreign[RANDOM_FOREIGN]; /* main thread only */
    Queue *orders;
    Thread *clients[RANDOM_CLIENTS], *agents;
    atomic_bool is_over;
    atomic_uint busy;         /* orders queued or under way */
    atomic_int clock_step_us; /* that the agents turn each round */
} RandomRun;

typedef enum {
    ORDER_CREATE,
    ORDER_REMOVE,
    ORDER_RESTART,
    ORDER_PAUSE,
    ORDER_RESUME,
    ORDER_HIBERNATE,
    ORDER_WAKE,
    ORDER_PATCH,
    ORDER_MOVE, /* a new parent */
    ORDER_COLLAPSE,
    ORDER_RESET,     /* a restart that discards the sessions */
    ORDER_BOOTSTRAP, /* its watcher says that it could not start */
    ORDER_READ,
    ORDER_STALE_AGENT, /* an agent of a removed workspace comes back with its token */
    ORDER_DEATH,
    ORDER_FOREIGN,
    ORDER_STRAY,
    ORDER_LOOK,
    ORDER_JUMP,
    ORDER_DAEMON,
    ORDER_KILL,
    ORDER_KINDS,
} OrderKind;

typedef struct {
    OrderKind kind;
    guint slot;
    guint64 chance;
} Order;

/* Ends the program, saying how to run this again. */
void random_fail(RandomRun *run, const char *format, ...) G_GNUC_PRINTF(2, 3) G_GNUC_NORETURN;
guint64 random_mix(guint64 value);
/* Whether the error is an answer that a client may get at any time. */
gboolean random_is_refusal(const GError *error);

/* ---- The model (random-model.c) ---- */

/* What must be true at any moment. */
void model_look(RandomRun *run);
/* Without faults, everything comes to be as it is wished, or the program ends. */
void model_settle(RandomRun *run);
/* Foreign objects come, change and go; one of ours that nobody knows appears. */
void model_change_foreign(RandomRun *run, guint64 chance);
void model_leak(RandomRun *run, guint64 chance);
/* A copy of the running container of a workspace; `exists` FALSE: there is none. */
WorldContainer model_running(RandomRun *run, const char *id);

/* ---- The tree (random-tree.c) ---- */

void random_create(RandomRun *run, guint slot, guint64 chance);
void random_remove(RandomRun *run, guint slot, guint64 chance);
void random_collapse(RandomRun *run, guint slot);
void random_move(RandomRun *run, guint slot, guint64 chance);

/* ---- What clients and agents do (random-clients.c) ---- */

void random_client(void *run);
void random_agents(void *run);
