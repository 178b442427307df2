/* Table `agent_memories`: what agents remember.
 * Errors of all: those of db/db.h. Thread: any but I/O. Source: spec 06, sections 1.1 and 2; spec
 * 01, 5.3 and 19.11. */
#pragma once

#include "base/errors.h"
#include "base/ids.h"
#include "db/db.h"

/* Inserts one memory. `scope` is "LOCAL", "TEAM" or "GLOBAL"; `content` is cut and redacted
 * already. `id` (may be NULL) gets the new id. Error: ERROR_CONFLICT when the workspace is unknown.
 */
G_GNUC_WARN_UNUSED_RESULT gboolean store_memory_insert(Db *db, const char *workspace_id,
                                                       const char *content, const char *scope,
                                                       const char *name_space, char id[ID_SIZE],
                                                       GError **error);
