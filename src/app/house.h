/* The rooms themselves, for the files of this folder only: who builds a part of them, tends them or
 * tears them down. Everybody else is given what he needs. */
#pragma once

#include "api/api.h"
#include "api/log_streams.h"
#include "api/workspace_list.h"
#include "app/env_hooks.h"
#include "app/installation.h"
#include "app/rooms.h"
#include "app/timers.h"
#include "lifecycle/retention.h"
#include "refresh/refresh.h"

struct _Rooms {
    const Config *config;
    int lock_fd;
    char *admin_token;
    gboolean admin_token_is_new;
    guint8 secrets_key[CRYPTO_KEY_SIZE];
    char *configs_dir, *agent_path, *url, *platform_url;
    char **addresses;
    Installation installation;
    A2aOptions a2a;
    Db *db;
    DbHolds *holds;
    Engine *engine;
    Runtimes *runtimes;
    OrgTree *tree;
    Tokens *tokens;
    Access *access;
    Origins *origins;
    RateLimit *rate_limit, *mint_limit;
    Events *events;
    Hub *hub;
    Forwards *forwards;
    HttpClient *client;
    EnvHooks *env_hooks;
    Registry *registry;
    Proxy *proxy;
    Liveness *liveness;
    Reconciler *reconciler;
    StatusSignal *status;
    RestartContexts *contexts;
    Lifecycle lifecycle;
    Refresh *refresh;
    Router *router;
    Counters *counters;
    ListCache *list_cache;
    LogStreams *log_streams;
    HttpServer *server;
    Timers *timers;
    Retention retention;
    atomic_bool is_stopping;
    Api api;
};

/* The data folder with its lock and keys, database, installation, engine. Errors: a sentence for
 * people. */
G_GNUC_WARN_UNUSED_RESULT gboolean ground_build(Rooms *rooms, GError **error);
/* What restarted agents are told; needs database, tree and events. */
void context_notes_build(Rooms *rooms);
/* Gives the timers their work. */
void chores_add(Rooms *rooms);
/* Writes to the database what memory still holds back. */
void chores_flush(Rooms *rooms);
