/* Table `agents`: which model was assigned to a workspace, and when it went. At most one row of a
 * workspace is active; a unique index sees to it. Errors of all: those of db/db.h. Thread: any but
 * I/O. Source: spec 01, sections 14 and 19.2. */
#pragma once

#include "base/errors.h"
#include "base/ids.h"
#include "db/db.h"

typedef struct {
    char id[ID_SIZE]; /* "": there is none */
    char *model;      /* owned */
} StoreAgent;
void store_agent_clear(StoreAgent *agent);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(StoreAgent, store_agent_clear)

/* Inserts an active one. Error: ERROR_CONFLICT when the workspace has one, or is unknown. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_agent_assign(Db *db, const char *workspace_id,
                                                      const char *model, char id[ID_SIZE],
                                                      GError **error);
/* The active one. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_agent_find(Db *db, const char *workspace_id,
                                                    StoreAgent *agent, GError **error);
/* Ends the active one: `status` and `reason` are the words of spec 01, 19.0. Gives what it was. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_agent_end(Db *db, const char *workspace_id,
                                                   const char *status, const char *reason,
                                                   StoreAgent *agent, GError **error);
/* Hands the active one over. Error: ERROR_CONFLICT when the target has one, or is unknown. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_agent_move(Db *db, const char *from_id, const char *to_id,
                                                    StoreAgent *agent, GError **error);
