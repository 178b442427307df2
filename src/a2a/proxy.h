/* Carries one JSON-RPC message to the agent of a workspace and its answer back.
 *
 * The worker that calls proxy_forward checks access and budget, finds the address and rewrites the
 * body; then the call belongs to the HTTP client's thread and the worker is free. The call does not
 * depend on the client's connection: when the browser is closed, the answer is still logged and
 * announced. What is written afterwards (activity row, events, token usage) goes through one writer
 * thread that groups rows into transactions; a look at a silent agent's container goes to a worker.
 * Answers: spec 04 sections 5.9 and 5.10. Limits: 5.8. A message to a sleeping workspace wakes it
 * and waits until it is online (a2a/parking.h); no thread waits with it, and it goes when its
 * client goes. There is no message queue yet: where the specification queues, the answer is the
 * busy form (503, Retry-After: 30), and the message has not been taken. Source: spec 04 section 5;
 * ARCHITECTURE section 4. */
#pragma once

#include "a2a/forwards.h"
#include "a2a/options.h"
#include "events/events.h"
#include "http/client.h"
#include "http/request.h"
#include "org/tree.h"

typedef struct _Proxy Proxy;

typedef struct {
    Db *db;
    OrgTree *tree;
    Events *events;
    HttpClient *client;
    Forwards *forwards;
    A2aOptions options;
    /* Runs `work` in a worker (http_server_post). FALSE when they are all busy; then the look is
     * skipped. */
    gboolean (*post)(void (*work)(void *work_data), void *work_data, void *data);
    /* Is the container of this workspace verified dead (reconciler_verify_dead)? May block. NULL:
     * never. */
    gboolean (*verify_dead)(const char *workspace_id, void *data);
    /* Somebody wants a hibernated workspace: wake it. Must not wait for that. NULL: nobody wakes
     * it. */
    void (*wake)(const char *workspace_id, void *data);
    /* Where is this workspace's container reached, when its agent registered before the address was
     * recorded (reconciler_find_address)? May block. FALSE: not known. NULL: nobody knows. */
    gboolean (*find_address)(const char *workspace_id, char **url, void *data);
    void *data;           /* of all four */
    guint stream_ping_ms; /* 0: 20 s (D20) */
    /* How long a message waits for a workspace that wakes up; then 503 with Retry-After. 0: it does
     * not wait. */
    guint wake_patience_ms;
} ProxyOptions;

/* Pointers are borrowed until proxy_free. Starts the writer thread. */
Proxy *proxy_new(const ProxyOptions *options);
/* Refuses further calls, cancels those under way (their clients get the busy form), writes what
 * waits and joins the thread. Before the HTTP client is freed; workers must still run. Repeatable.
 */
void proxy_stop(Proxy *proxy);
void proxy_free(Proxy *proxy); /* stops first; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Proxy, proxy_free)

typedef struct {
    const char *target_id;   /* folded id */
    const char *caller_id;   /* folded id; "" for the web UI; in-process callers: "system:...",
                                "channel:...", "webhook:..." */
    gint64 timeout_s;        /* the caller's own limit; 0: none (30 min unless caller_id is "") */
    gboolean logging;        /* write the activity row and its events */
    gboolean accepts_stream; /* pass an answer of type text/event-stream on as it comes */
} ProxyCall;

/* Whether a caller id from outside pretends to be one of the in-process callers (403 "invalid
 * caller ID"). */
gboolean proxy_caller_is_reserved(const char *caller_id);

/* Answers the deferred request; takes over its reference. The body is the request's. Identity was
 * checked by the caller (spec 04, 5.3); access, budget and everything after are checked here.
 * Thread: a worker. */
void proxy_forward(Proxy *proxy, HttpRequest *deferred, const ProxyCall *call);

typedef struct {
    guint status;         /* what an HTTP client would be answered */
    GBytes *body;         /* borrowed; never NULL */
    gint64 retry_after_s; /* -1: none */
    gboolean is_agents;   /* the agent answered; FALSE: the proxy itself wrote this */
    gboolean unreachable; /* worth one more try: nothing was delivered (connection refused, or
                             restarting) */
} ProxyAnswer;
typedef void (*ProxyDone)(const ProxyAnswer *answer, void *data);

/* The same for callers inside this process. `done` runs exactly once: in the calling worker
 * (refused before the call), in the HTTP client's or the parking's thread or in a worker; it must
 * be quick and must not wait. */
void proxy_call(Proxy *proxy, const ProxyCall *call, const char *body, gsize length, ProxyDone done,
                void *data);

typedef struct {
    guint active;    /* forwards under way */
    guint parked;    /* messages that wait for a workspace to wake up */
    guint unwritten; /* results waiting to be written */
    guint64 refused; /* over the cap */
    guint64 forwarded;
} ProxyStats;
void proxy_stats(Proxy *proxy, ProxyStats *stats);
