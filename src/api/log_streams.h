/* Logs that are followed: each has a thread of its own while it lasts, at most LOG_STREAMS_MAX at
 * once, all joined at stop. Source: ARCHITECTURE section 4 (workers never wait for an engine).
 * Thread: any. */
#pragma once

#include "http/request.h"
#include "reconcile/reconciler.h"

#define LOG_STREAMS_MAX 64

typedef struct _LogStreams LogStreams;

LogStreams *log_streams_new(Reconciler *reconciler);
/* Ends all streams and joins their threads; before the HTTP server is freed. Repeatable. */
void log_streams_stop(LogStreams *streams);
void log_streams_free(LogStreams *streams); /* stops first; NULL is fine */

/* Answers `request` with a stream of the workspace's log. Error: ERROR_BUSY (too many), nothing is
 * answered then. */
gboolean log_streams_begin(LogStreams *streams, HttpRequest *request, const char *workspace_id,
                           guint lines, GError **error);
