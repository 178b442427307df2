/* The border between HTTP and the house: what every handler gets, and how it answers.
 *
 * A handler is a script: read, call one function of a domain room, write the answer. It returns
 * TRUE after it has answered or deferred, or sets an error, which the dispatcher turns into a
 * status by one table. Rights, body size, and the form of
 * `:id` were checked before it runs. Source: ARCHITECTURE ideas 2 and 3; STYLE section 7. Thread:
 * workers. */
#pragma once

#include "a2a/liveness.h"
#include "a2a/proxy.h"
#include "a2a/registry.h"
#include "api/counters.h"
#include "auth/access.h"
#include "auth/origins.h"
#include "auth/rate_limit.h"
#include "events/hub.h"
#include "http/request.h"
#include "http/router.h"
#include "http/server.h"
#include "lifecycle/lifecycle.h"
#include "provision/mutators.h"

/* Everything a handler may call. Pointers are borrowed; read only once the server runs. */
typedef struct {
    const Config *config;
    const char *engine_name; /* "docker", "sandbox", or NULL */
    Db *db;
    OrgTree *tree;
    Tokens *tokens;
    Access *access;
    Origins *origins;
    RateLimit *rate_limit, *mint_limit;
    Events *events;
    Hub *hub;
    Reconciler *reconciler;
    Registry *registry;
    Proxy *proxy;
    Liveness *liveness;
    Forwards *forwards;
    const A2aOptions *a2a;
    EnvMutators *mutators;
    const Lifecycle *lifecycle;
    struct _Refresh *refresh; /* refresh/refresh.h */
    HttpServer *server;
    Router *router;
    Counters *counters;
    gint64 started_us; /* monotonic */
    atomic_bool *is_stopping;
    struct _ListCache *list_cache;
    struct _LogStreams *log_streams; /* api/log_streams.h */
} Api;

typedef struct _ApiCall ApiCall;
typedef gboolean (*ApiHandler)(ApiCall *call, GError **error);

typedef enum {
    AUTH_OPEN,       /* anyone; the handler may look at call->caller */
    AUTH_ADMIN,      /* spec 03, 4.4 */
    AUTH_WORKSPACE,  /* spec 03, 4.3: bound to `:id` */
    AUTH_READ,       /* D3 */
    AUTH_ANYBODY,    /* any valid credential in strict mode */
    AUTH_IN_HANDLER, /* the handler asks by rules of its own: REG, CALLER, DISC, SOCK, TESTTOK */
} AuthClass;

typedef enum {
    ROUTE_HEAD = 1 << 0,       /* HEAD is answered like GET */
    ROUTE_IN_PLACE = 1 << 1,   /* memory only: runs in the I/O thread, identifies nobody */
    ROUTE_UNLIMITED = 1 << 2,  /* takes no place of the rate limit */
    ROUTE_MINT = 1 << 3,       /* the limit of 10 an hour on top */
    ROUTE_PAGE = 1 << 4,       /* part of the web page: the looser content policy */
    ROUTE_PRIVATE = 1 << 5,    /* the answer holds a secret: never stored by anyone */
    ROUTE_BAD_ID_404 = 1 << 6, /* an `:id` that is no UUID is unknown, not wrong (spec 03, F26) */
} RouteFlags;

typedef struct {
    const char *method;
    const char *path;
    AuthClass auth;
    guint flags;    /* RouteFlags */
    gsize max_body; /* bytes */
    ApiHandler handler;
} Route;

/* The table, in the order of the specification. */
extern const Route api_routes[];
extern const guint api_route_count;

struct _ApiCall {
    Api *api;
    HttpRequest *request;
    const Route *route; /* NULL: no such route */
    RouterMatch match;
    char *bearer; /* NULL: none */
    Caller caller;
    char id[ID_SIZE]; /* `:id`, folded; "" when the route has none */
    gint64 started_us;
    gboolean identified;
};

/* The value of a path parameter. Caller owns it. NULL when the route has none of that name. */
char *api_parameter_dup(const ApiCall *call, const char *name);
/* A path parameter that is an id; folded. FALSE: ERROR_INVALID "invalid <what>". */
gboolean api_parameter_id(const ApiCall *call, const char *name, const char *what, char id[ID_SIZE],
                          GError **error);
/* A flag of the query: set only when its first value is exactly "true". */
gboolean api_query_flag(const ApiCall *call, const char *name);
/* The same for what must not be misread: ERROR_INVALID for anything but "true" and "false". */
gboolean api_query_boolean(const ApiCall *call, const char *name, gboolean *value, GError **error);
/* An integer of the query inside [min, max]; anything else is `fallback`. */
gint64 api_query_int(const ApiCall *call, const char *name, gint64 fallback, gint64 min,
                     gint64 max);

/* Answers with what `out` has written so far: takes the text. */
void api_reply(ApiCall *call, guint status, GString *json);
/* Answers an error by the table of codes; logs faults once. */
void api_reply_error(ApiCall *call, const GError *error);
/* The workspace of `:id`, live or ERROR_NOT_FOUND. */
OrgNode *api_live_workspace(const ApiCall *call, GError **error);

/* Whether rules that only hold in strict mode apply: everywhere but at development's open door. */
gboolean api_is_strict(const ApiCall *call);
/* Whether the peer is on this machine or a private network. */
gboolean api_peer_is_near(HttpRequest *request);
