/* One event on its way to clients: finished texts, made once, shared by reference.
 * Internal to events/. Immutable after hub_message_new; thread: any. */
#pragma once

#include "base/ids.h"
#include "base/sync.h"
#include "events/events.h"

typedef struct {
    RefCount references;
    char workspace_id[ID_SIZE]; /* "" for an event of nobody */
    gboolean is_private;        /* chat and activity: of other workspaces an agent sees none */
    gboolean is_removal;        /* the workspace is gone after this */
    GString *text;              /* the envelope: one WebSocket text message */
    GString
        *stream_text; /* the same as an SSE event, or NULL when nobody listens to this workspace */
    /* Removal only: the agents (ids) that could talk to the workspace when the event was emitted;
     * afterwards the chart does not know it any more. GPtrArray of char *, owned. */
    GPtrArray *witnesses;
} HubMessage;

HubMessage *hub_message_new(const Event *event, gboolean for_streams);
HubMessage *hub_message_ref(HubMessage *message);
void hub_message_unref(void *message); /* NULL is fine */
gboolean hub_message_has_witness(const HubMessage *message, const char *workspace_id);
/* Bytes it holds, for limits. */
gsize hub_message_size(const HubMessage *message);
