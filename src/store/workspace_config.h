/* Table `workspace_config`: one free JSON object a workspace, apart from the config.yaml in its
 * container. Errors of all: those of db/db.h. Thread: any but I/O. Source: spec 01, sections 16 and
 * 19.8. */
#pragma once

#include "base/errors.h"
#include "db/db.h"

/* `data` is compact JSON, owned by the caller; NULL when there is none. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_config_find(Db *db, const char *workspace_id, char **data,
                                                     GError **error);
/* Inserts or replaces. Error: ERROR_CONFLICT when the workspace is unknown. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_config_put(Db *db, const char *workspace_id,
                                                    const char *data, GError **error);
