/* How a command can fail. The code is the exit status of the program; the message tells the person
 * what to do next. Thread: any. */
#pragma once

#include <glib.h>

typedef enum {
    CTL_REFUSED = 1,       /* the server, an agent or a person said no */
    CTL_USAGE = 2,         /* the command line, or a file it names, is wrong */
    CTL_UNREACHABLE = 3,   /* no server answered, or it stopped answering */
    CTL_INTERRUPTED = 130, /* Ctrl-C, as shells count it */
} CtlFailure;

#define CTL_FAILURE (ctl_failure_quark())
GQuark ctl_failure_quark(void);

/* Sets a new error. Returns FALSE, so that it can be returned. */
gboolean ctl_fail(GError **error, CtlFailure code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The exit status for an error; CTL_REFUSED for a foreign one. */
int ctl_failure_status(const GError *error);
