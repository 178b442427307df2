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

#define RANDOM_SLOTS   12
#define RANDOM_CLIENTS 3
#define RANDOM_FOREIGN 12

typedef enum { SLOT_EMPTY, SLOT_CREATING, SLOT_LIVE, SLOT_REMOVING } SlotState;

/* A workspace as the model knows it. */
typedef struct {
    SlotState state;
    char id[ID_SIZE];
    int parent;         /* slot, -1: none */
    gboolean is_doomed; /* while it was being created a removal of its parent began */
    GHashTable *marks;  /* names of volumes in which its agent has left a file */
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
    pthread_rwlock_t rooms; /* read: use them; write: take them down */
    gboolean is_open;       /* under `rooms` */
    Lifecycle lifecycle;    /* under `rooms`, as are the next three */
    StatusSignal *status;
    Registry *registry;
    Liveness *liveness;
    gboolean has_faults;

    Mutex lock; /* guards the model: what follows. May take the world's lock */
    ModelSlot slots[RANDOM_SLOTS];
    GHashTable *removed; /* ids whose removal has been asked for and answered; a set */
    GHashTable *tokens;  /* token -> id of its workspace */

    ModelForeign foreign[RANDOM_FOREIGN]; /* main thread only */
    Queue *orders;
    Thread *clients[RANDOM_CLIENTS], *agents;
    atomic_bool is_over;
    atomic_uint busy;         /* orders queued or under way */
    atomic_int clock_step_us; /* that the agents turn each round */
    atomic_uint did[32];
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

/* ---- What clients and agents do (random-clients.c) ---- */

void random_client(void *run);
void random_agents(void *run);
