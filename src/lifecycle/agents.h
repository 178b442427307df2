/* Which model is assigned to a workspace: a history that changes no running model.
 *
 * Each call is one transaction with its event; a unique index decides races. Removed workspaces
 * count as missing. Source: spec 01, section 14. Thread: workers. */
#pragma once

#include "lifecycle/lifecycle.h"
#include "store/agents.h"

/* Errors: ERROR_INVALID (model), ERROR_NOT_FOUND, ERROR_CONFLICT (it has an active one). */
gboolean lifecycle_agent_assign(const Lifecycle *lifecycle, const char *id, const char *model,
                                char agent_id[ID_SIZE], GError **error);
/* `old` gets the one that was replaced. Errors: ERROR_INVALID, ERROR_NOT_FOUND (none is active). */
gboolean lifecycle_agent_replace(const Lifecycle *lifecycle, const char *id, const char *model,
                                 char agent_id[ID_SIZE], StoreAgent *old, GError **error);
/* Error: ERROR_NOT_FOUND (none is active). */
gboolean lifecycle_agent_remove(const Lifecycle *lifecycle, const char *id, StoreAgent *removed,
                                GError **error);
/* Errors: ERROR_NOT_FOUND (no target, or none is active here), ERROR_CONFLICT (the target has one).
 */
gboolean lifecycle_agent_move(const Lifecycle *lifecycle, const char *from_id, const char *to_id,
                              StoreAgent *moved, GError **error);
