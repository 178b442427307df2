/* A new workspace that takes a started agent of the stock (WARM_POOL) in place of a container of
 * its own. Used by create.c only; decided and done in the transaction that makes the workspace, so
 * that one that is rolled back leaves the stock as it was. Thread: workers. Source: issue 5,
 * item 7. */
#pragma once

#include "lifecycle/lifecycle.h"
#include "store/workspace_row.h"

/* What fitting members of the stock are made for; NULL: none are wished that fit `row` exactly.
 * Borrowed. */
const char *find_warm_key(const Lifecycle *lifecycle, const WorkspaceRow *row);
/* Gives `row` the id and the address of a member, whose wish becomes `spec`. `taken` FALSE: there
 * is none, or `key` is NULL. Errors: those of the database. */
G_GNUC_WARN_UNUSED_RESULT gboolean take_warm(const Lifecycle *lifecycle, const char *key,
                                             const char *spec, WorkspaceRow *row, gboolean *taken,
                                             GError **error);
