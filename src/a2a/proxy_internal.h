/* What the files of the proxy share: one forward from its admission to its end. See proxy.h.
 *
 * admission.c checks and starts or parks it, forward.c carries it to the agent and back, proxy.c
 * starts and stops the whole. A Forward has two holders at most, the starter (or the parking) and
 * the call (then the look at the container), and dies with the second. It is in `proxy->forwards`
 * while it holds a place, and the place is given back as the last thing it does, so that proxy_stop
 * can wait for that; the same holds for those that were parked. Order of locks: proxy->lock, then
 * place 2 (the table of forwards). */
#pragma once

#include "a2a/answers.h"
#include "a2a/outcomes.h"
#include "a2a/parking.h"
#include "a2a/proxy.h"
#include "a2a/relay.h"
#include "base/sync.h"

typedef struct _Forward Forward;

struct _Proxy {
    ProxyOptions options; /* constant */
    Outcomes *outcomes;
    Parking *parking;
    Thread *pinger;
    _Atomic guint64 forwarded, crowded; /* crowded: refused because too many results wait */

    Mutex lock;           /* guards everything below, and call and is_done of every Forward */
    GHashTable *forwards; /* set of Forward: those whose call can be cancelled */
    guint active;         /* forwards that hold a place */
    Condition left;       /* active went down */
    GPtrArray *relays;    /* references to streams under way */
    Condition relayed;    /* a stream began, or the proxy stops */
    guint visits;         /* forwards that are, or were, parked and still live */
    gboolean is_stopping;
};

struct _Forward {
    RefCount references;
    Proxy *proxy;

    /* Who is to be answered: a request (a reference) or a function. */
    HttpRequest *request;
    ProxyDone done;
    void *done_data;

    char target_id[ID_SIZE];
    char source_id[ID_SIZE]; /* the calling workspace; "" for the web UI and for callers inside */
    gboolean is_canvas, is_logged, accepts_stream;
    gint64 timeout_s;
    gboolean has_ceiling;
    gboolean has_place, is_visitor;
    gint64 parked_until_us; /* monotonic; 0: not parked yet */

    /* Known once admitted. */
    char *url, *target_name;
    gboolean is_trusted, is_external;
    char *method;
    GBytes *body;
    gint64 started_us;

    HttpCall *call; /* a reference, or NULL */
    gboolean is_done;
    Relay *relay; /* the HTTP client's thread: a stream passes */

    /* Of a call without an answer, while its container is looked at. */
    Fate fate;
    gboolean is_session; /* the target keeps its own queue */
    char *failure;
    gint64 duration_ms;
};

Forward *forward_new(Proxy *proxy, const ProxyCall *call);
void forward_unref(Forward *forward);
/* Takes a place. FALSE: there is none. */
gboolean forward_enter(Forward *forward);
/* Answers the request or calls the function. */
void forward_answer(Forward *forward, const Answer *answer);
/* Starts the call of an admitted forward. Thread: a worker. */
void forward_start(Forward *forward);

/* Parking's end of a forward: posted to a worker, or answered. Takes the parking's reference. */
void admission_release(void *forward, ParkingEnd end, void *proxy);
/* Whether who sent a parked message is gone. */
gboolean admission_has_left(const void *forward);
