/* What the reconciler says of a workspace: payloads of events, and the sentence with the end of the
 * log. Not for other rooms. Every text is owned by the caller. Source: spec 01 section 11.3; spec
 * 02, 17.3 F. */
#pragma once

#include "reconcile/internal.h"

typedef struct {
    Reason reason;
    const char *error; /* the sentence for people */
    gboolean has_exit_code;
    gint64 exit_code;
    char *const *missing; /* NULL: none */
    guint timeout_s;      /* 0: none */
    const char *source;   /* NULL: none */
} Failure;

/* Of WORKSPACE_PROVISION_FAILED. */
char *failure_payload_dup(const Look *look, const Failure *failure);
/* Of WORKSPACE_OFFLINE. */
char *offline_payload_dup(const Failure *failure);
/* Of WORKSPACE_DEGRADED. */
char *degraded_payload_dup(const Failure *failure);
/* "<sentence>\n<the end of the log>", without secrets. `log` may be NULL. */
char *failure_sample_dup(const char *sentence, const char *log);
