/* An instance that crashed before its agent registered, as its watcher reports it. Source: spec 01,
 * section 18.1. Thread: workers. */
#pragma once

#include "lifecycle/lifecycle.h"

#define BOOTSTRAP_SAMPLE_MAX_BYTES 8192 /* of last_sample_error, and of a log before its marker */
#define BOOTSTRAP_ERROR_MAX_BYTES  2048 /* of the sentence; the rest belongs to the log */

typedef struct {
    char *error;    /* the sentence; never empty */
    char *log_tail; /* the end of the log, behind a marker when it was longer */
    char *sample;   /* both, short enough for a row: the end of the log survives */
} BootstrapFailure;
void bootstrap_failure_clear(BootstrapFailure *failure);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BootstrapFailure, bootstrap_failure_clear)

/* Either may be NULL. Valid UTF-8 in, valid UTF-8 out; secrets are taken out. Pure. */
void bootstrap_failure_make(const char *error, const char *log_tail, BootstrapFailure *failure);

/* A workspace that is provisioning becomes `failed`, its attempt ends, and its event says why. Of
 * any other status, or unknown: nothing, `changed` is FALSE. Errors: those of the database. */
gboolean lifecycle_bootstrap_failed(const Lifecycle *lifecycle, const char *id,
                                    const BootstrapFailure *failure, gboolean *changed,
                                    GError **error);
