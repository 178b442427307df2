/* One WebSocket client of the hub: its socket, its queue of shared messages, its deadlines.
 * Internal to events/. All of it belongs to the hub's thread. Source: spec 04, section 13.3. */
#pragma once

#include "events/hub.h"
#include "events/hub_message.h"
#include "http/websocket.h"

typedef struct {
    guint64 id;
    guint index;                /* its place in the hub's array */
    char workspace_id[ID_SIZE]; /* "" for a canvas client */
    int fd;
    WebSocket *socket;
    void (*release)(void *handle);
    void *handle;
    GQueue waiting; /* HubMessage references, oldest first */
    gsize waiting_bytes;
    gint64 pinged_us;
    gint64 close_deadline_us; /* 0: not closing */
    guint32 interest;         /* what epoll watches for */
    gboolean is_dirty;        /* has something to write that was not tried yet */
    gboolean is_over;         /* to be taken out */
} HubSocket;

/* Takes the descriptor over; `release` is called by hub_socket_free. Thread: any. */
HubSocket *hub_socket_new(int fd, const char *extra, gsize extra_length,
                          void (*release)(void *handle), void *handle, const char *workspace_id);
void hub_socket_free(HubSocket *client);

/* Queues a message, or closes a client whose queue is over its limits (1013). */
void hub_socket_send(HubSocket *client, HubMessage *message, const HubOptions *options,
                     gint64 now_us);
/* Starts closing: what waits is dropped, the close frame goes first. */
void hub_socket_close(HubSocket *client, guint16 code, const char *reason, gint64 now_us);
/* Writes as much as the kernel takes. Marks the client as over when it is. */
void hub_socket_pump(HubSocket *client);
/* Reads what came. */
void hub_socket_read(HubSocket *client);
/* Deadlines and pings. */
void hub_socket_sweep(HubSocket *client, const HubOptions *options, gint64 now_us);
