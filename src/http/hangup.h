/* Sees clients hang up where libmicrohttpd does not look.
 *
 * It polls no connection that sleeps (a stream with nothing to send), and misses the end of one
 * whose last bytes and end came together (half a request, then nothing): with edges only, and a
 * short read taken for an empty socket, such a connection would stay until the idle limit. Every
 * connection is therefore in an epoll set of ours too, for this one event. A stream is told at
 * once; a connection without a request under way is shut down after a second's grace, which
 * libmicrohttpd does notice.
 *
 * Locks: its own is taken inside a stream's lock and never held while a stream's is taken. */
#pragma once

#include "http/request.h"

typedef struct _HangupWatch HangupWatch;
typedef struct _WatchedConnection WatchedConnection;

HangupWatch *hangup_watch_new(void);
void hangup_watch_free(HangupWatch *watch); /* NULL is fine */

/* Readable when hangup_watch_turn has something to do; -1 when there is none to be had. */
int hangup_watch_fd(HangupWatch *watch);
/* Does it. Returns after how many ms it wants another turn; -1: only when readable. Thread: one. */
int hangup_watch_turn(HangupWatch *watch);

/* From the connection's thread. */
WatchedConnection *hangup_watch_open(HangupWatch *watch, int fd);
void hangup_watch_close(HangupWatch *watch, WatchedConnection *connection); /* NULL is fine */
/* Shuts all down, so that libmicrohttpd closes them by itself. Thread: any. */
void hangup_watch_end_all(HangupWatch *watch);
/* No longer looks at it, for the descriptor goes elsewhere. It still wants to be closed. */
void hangup_watch_forget(HangupWatch *watch, WatchedConnection *connection);
/* Whether a request is under way, so that an answer may still be wanted by a client that only ended
 * its own side. */
void hangup_watch_set_busy(WatchedConnection *connection, gboolean is_busy);
/* Calls stream_hung_up for `stream` (a reference is kept) when the client leaves; NULL: no longer.
 * FALSE: it has left already. */
gboolean hangup_watch_set_stream(HangupWatch *watch, WatchedConnection *connection,
                                 HttpStream *stream);
