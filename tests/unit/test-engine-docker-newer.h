/* A newer Docker daemon, made of the real one: on a Unix socket of its own it speaks API 1.44 to
 * 1.47 only and refuses every older version with the words that real daemons of that kind have
 * (minimum 1.44 since Docker 29); what it takes it hands to the daemon behind it, as 1.41. Only for
 * tests; failures of its own abort. */
#pragma once

#include <glib.h>

typedef struct _NewerDaemon NewerDaemon;

/* `real` is the path of the real daemon's socket. */
NewerDaemon *newer_daemon_new(const char *real);
void newer_daemon_free(NewerDaemon *daemon);              /* NULL is fine; ends its connections */
const char *newer_daemon_host(const NewerDaemon *daemon); /* for DOCKER_HOST; borrowed */
/* How many requests were refused for their version, and taken. */
guint newer_daemon_refused(NewerDaemon *daemon);
guint newer_daemon_taken(NewerDaemon *daemon);
