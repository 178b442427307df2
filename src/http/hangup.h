/* Sees clients hang up while their connections are suspended, which libmicrohttpd does not poll.
 *
 * One thread with an epoll set, started with the first descriptor; a descriptor is reported once.
 * Locks: its own is taken inside a stream's lock by add and remove, and is never held while a
 * stream's lock is taken. */
#pragma once

#include "http/request.h"

typedef struct _HangupWatch HangupWatch;

HangupWatch *hangup_watch_new(void);
void hangup_watch_stop(HangupWatch *watch); /* joins the thread; repeatable */
void hangup_watch_free(HangupWatch *watch); /* stops first; NULL is fine */

/* Reports `stream` (a reference is taken) by stream_hung_up when the peer of `fd` leaves. */
void hangup_watch_add(HangupWatch *watch, int fd, HttpStream *stream);
/* Before the descriptor is closed. Reports may still be under way for a moment. */
void hangup_watch_remove(HangupWatch *watch, int fd);
