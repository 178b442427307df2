/* Fan-out of events to WebSocket clients (/ws) and to SSE subscribers of one workspace.
 *
 * One thread with one epoll set owns every socket. A listener on the event log turns each event
 * into one finished frame, shared by reference among all clients that may see it; each client has a
 * queue with two limits (messages and bytes). A client that does not read is closed with 1013 and
 * comes back to fetch what it missed; nobody ever waits for it. Order per client is emit order.
 *   canvas client ("")   every event
 *   agent client w       events of x where may_talk(w, x); never A2A_RESPONSE, AGENT_MESSAGE,
 * ACTIVITY_LOGGED of others SSE subscriber of x  events of exactly x The hub runs no SQL and calls
 * nothing that waits. Source: spec 04 sections 13, 14; ARCHITECTURE section 4, D20. */
#pragma once

#include "events/events.h"
#include "http/request.h"

typedef struct _Hub Hub;

typedef struct {
    /* May `caller` hear of `target`? Required for agent clients; memory only, quick. Thread: the
     * hub's. */
    gboolean (*may_talk)(const char *caller, const char *target, void *data);
    /* Is `token` still a live token of the workspace? Called in the thread of
     * hub_workspace_tokens_changed (it may use the database). NULL: every change of a workspace's
     * tokens closes its sockets. */
    gboolean (*token_lives)(const char *workspace_id, const char *token, void *data);
    void *data;
    /* 0: the figures of spec 04 section 13.3. Tests make them small. */
    guint queue_messages; /* a client's waiting messages; 256 */
    gsize queue_bytes;    /* a client's waiting bytes (one larger message alone passes); 8 MiB */
    gsize inbox_bytes;    /* events not yet handed out; 64 MiB. Over it every client is closed with
                             1013 */
    guint ping_interval_ms; /* WebSocket; 20 s (D20) */
    guint silence_limit_ms; /* no frame from the client; 60 s */
    guint write_limit_ms;   /* bytes wait and none is taken; 10 s */
    guint stream_ping_ms;   /* SSE; 15 s */
    guint max_clients;      /* sockets and streams; 10000 */
} HubOptions;

/* Starts the thread. `options` is copied. */
Hub *hub_new(const HubOptions *options);
/* Subscribes to the event log; before the threads that emit start. */
void hub_listen(Hub *hub, Events *events);
/* Sockets get a close frame 1001, streams end; then the thread is joined. Further clients are
 * refused. Repeatable. */
void hub_stop(Hub *hub);
void hub_free(Hub *hub); /* stops first; NULL is fine. No event may be emitted any more */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hub, hub_free)

typedef struct {
    const char *workspace_id; /* "" for a canvas client; copied */
    const char
        *token; /* the bearer an agent came with, "" for none; copied, wiped when the socket goes */
    /* When the credential was looked at (monotonic; http_request_started_us will do). A change of
     * the workspace's tokens after that moment closes the socket, so that none slips in between. 0:
     * now. */
    gint64 checked_at_us;
} HubClient;

/* Takes over an upgraded socket (the arguments of HttpUpgradeFunction); `release(handle)` is called
 * exactly once when it is closed, also when the hub refuses it (full: 1013, stopping: 1001). Never
 * blocks. Thread: any. */
void hub_add_socket(Hub *hub, int fd, const char *extra, gsize extra_length,
                    void (*release)(void *handle), void *handle, const HubClient *client);

/* Takes over a stream that http_reply_stream opened, sends ": ping" and from then on the events of
 * `workspace_id`. It is closed when its buffer is full (64 events' worth is the caller's choice of
 * buffer_bytes), when the workspace is removed and at shutdown. Never blocks. Thread: any. */
void hub_add_stream(Hub *hub, HttpStream *stream, const char *workspace_id);

/* Closes (1008) the agent sockets of the workspace whose token no longer lives, and those that came
 * without one. Made for tokens_watch. Thread: any that may use the database. */
void hub_workspace_tokens_changed(Hub *hub, const char *workspace_id);

guint hub_sockets(Hub *hub); /* open WebSocket connections: molecule_websocket_connections_active */
guint hub_streams(Hub *hub);
