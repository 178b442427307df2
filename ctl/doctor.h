/* What `doctor` finds out: about the server by asking it, about this machine by looking. */
#pragma once

#include "commands.h"

typedef enum {
    FINDING_FINE,
    FINDING_NOTE,       /* worth knowing; nothing is wrong */
    FINDING_DIFFERENCE, /* what is so is not what is wished, or something does not work */
} FindingLevel;

typedef struct {
    FindingLevel level;
    char *subject;      /* "engine", or a workspace's name */
    char *workspace_id; /* NULL: about none */
    char *what;
    char *why;    /* NULL: it needs no reason */
    char *advice; /* NULL: nothing to do */
} Finding;

typedef struct {
    GPtrArray *findings;   /* Finding, owned */
    char *server_fault;    /* why the server could not be asked; NULL: it was */
    gboolean uses_docker;  /* the server's engine speaks Docker's API */
    gboolean is_engine_up; /* says the server */
} Report;

/* Texts are copied; NULL where there is none. */
void report_add(Report *report, FindingLevel level, const char *subject, const char *what,
                const char *why, const char *advice);
void report_add_workspace(Report *report, FindingLevel level, const char *id, const char *name,
                          const char *what, const char *why, const char *advice);

/* Asks the server: readiness, loops, every workspace's wish and reality, what is left over. */
void doctor_check_server(Session *session, Report *report);
/* Looks at this machine, for a server that runs on it. */
void doctor_check_local(Session *session, Report *report);
