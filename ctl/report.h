/* A list of findings: what differs, why, and what to do about it. One thread. */
#pragma once

#include "base/errors.h"

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

void report_init(Report *report);
void report_clear(Report *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Report, report_clear)

/* Texts are copied; NULL where there is none. */
void report_add(Report *report, FindingLevel level, const char *subject, const char *what,
                const char *why, const char *advice);
void report_add_workspace(Report *report, FindingLevel level, const char *id, const char *name,
                          const char *what, const char *why, const char *advice);
guint report_count(const Report *report, FindingLevel level);

/* A line or more for each finding, and the verdict. */
void report_print(const Report *report);
/* One object with status, server, error and findings. */
void report_print_json(const Report *report, const char *server_url);
