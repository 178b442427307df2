/* What is only kept for a while: activity, events, revoked tokens, secrets of removed workspaces.
 *
 * Rows go in batches, so that nobody waits for one long transaction. Token usage is kept for good:
 * it is small, and bills are made of it. Source: spec 01, 19.12 and 19.26; spec 02, 13.7 and L38.
 */
#pragma once

#include "db/db.h"

#include <stdatomic.h>

#define RETENTION_BATCH       5000 /* rows in one transaction */
#define RETENTION_TOKEN_DAYS  30   /* after it a revoked token does not even say "removed" */
#define RETENTION_SECRET_DAYS 7    /* after the removal of their workspace, which is for good */

typedef struct {
    Db *db;
    gint64 activity_days;
    gint64 event_days;        /* 0: kept for good */
    atomic_bool *is_stopping; /* ends a sweep between two batches; NULL: never */
} Retention;                  /* borrowed pointers */

/* Deletes what is older. A failure is logged; the rest goes with the next sweep. Thread: a worker.
 */
void retention_sweep(const Retention *retention);
