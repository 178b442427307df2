/* A socket that listens: "127.0.0.1:8080", "[::1]:8080", "unix:/path". */
#pragma once

#include "base/errors.h"

typedef struct {
    int fd;          /* -1 once closed */
    guint16 port;    /* 0 for Unix sockets */
    char *unix_path; /* NULL for TCP; removed when closed */
} Listener;

/* Binds and listens. Port 0 picks a free one; "[::]" takes IPv4 too. A Unix socket that nobody
 * listens on any more is replaced. ERROR_INVALID: no address; ERROR_UNAVAILABLE: taken, or not
 * ours. Both name it. */
gboolean listener_open(Listener *listener, const char *address, GError **error);
void listener_close(Listener *listener); /* repeatable */
