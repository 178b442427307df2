/* What the two halves of the hub share: hub.c, which any thread calls, and hub_thread.c, which owns
 * every socket. Not for other rooms.
 *
 * Other threads reach the hub's in one way only: they put something under `lock` (a message, a new
 * client, an id to close) and wake it. All else belongs to the thread. */
#pragma once

#include "base/sync.h"
#include "events/hub.h"
#include "events/hub_client.h"
#include "events/hub_message.h"

/* An SSE subscriber. */
typedef struct {
    char workspace_id[ID_SIZE];
    HttpStream *stream; /* owned; NULL once closed */
    gint64 pinged_us;   /* 0: the first ping is still to be sent */
} Subscriber;

/* What token an agent socket came with; kept apart so that threads with a database can ask. */
typedef struct {
    guint64 id; /* of its HubSocket */
    char workspace_id[ID_SIZE];
    char *token;
} Badge;

struct _Hub {
    HubOptions options; /* constant */
    int epoll_fd, wake_fd;
    Thread *thread;
    atomic_int socket_count, stream_count;

    Mutex lock;   /* place 5; guards everything down to the next blank line */
    GQueue inbox; /* HubMessage references */
    gsize inbox_bytes;
    gboolean is_overrun;    /* the inbox was full: everybody missed something */
    GPtrArray *new_sockets; /* HubSocket, owned */
    GPtrArray *new_streams; /* Subscriber, owned */
    GArray *condemned;      /* guint64 ids of sockets to close with 1008 */
    GPtrArray *badges;      /* Badge, owned */
    GHashTable *streamed;   /* workspace id -> number of subscribers */
    GHashTable *changes;    /* workspace id -> gint64: last change of its tokens, monotonic */
    guint64 next_id;
    gboolean is_awake; /* a wake-up is under way */
    gboolean is_stopping, has_stopped;

    GPtrArray *sockets;     /* the thread's: HubSocket */
    GPtrArray *subscribers; /* the thread's: Subscriber */
};

/* The thread's work, until hub_stop. `data` is the Hub. */
void hub_thread_run(void *data);
