/* Passes an agent's event stream on to a client as it comes.
 *
 * A slow client slows the agent down (the call is paused while the buffer is full); a client that
 * goes away does not stop the agent: the rest is read and written down. When the agent is silent
 * the client gets a comment line every so often, put in between lines only, so that what the agent
 * sends stays as it is. Internal to a2a/. Thread: the HTTP client's (push, end), the pinger's
 * (ping). Source: ARCHITECTURE D20. */
#pragma once

#include "a2a/stream_reader.h"
#include "http/client.h"
#include "http/request.h"

typedef struct _Relay Relay;

/* Sends the head of the answer. References the call. */
Relay *relay_start(HttpRequest *request, HttpCall *call, guint status);
Relay *relay_ref(Relay *relay);
void relay_unref(Relay *relay); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Relay, relay_unref)

/* FALSE: the client has no room; the call pauses and the same bytes come again. */
gboolean relay_push(Relay *relay, const char *bytes, gsize length);
/* A comment line when nothing was sent for `interval_us`. Nothing after the end. */
void relay_ping(Relay *relay, gint64 now_us, gint64 interval_us);
/* Ends the client's stream. `broken`: so that it can see that something is missing. */
void relay_end(Relay *relay, gboolean broken);
/* What was read along. Only after the end. Borrowed. */
const StreamReader *relay_reader(Relay *relay);
