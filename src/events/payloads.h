/* What the events of a workspace's life carry: one place for each payload that several rooms emit.
 * JSON texts, owned by the caller. Pure. Source: spec 01, section 10.4. */
#pragma once

#include "store/workspace_row.h"

/* WORKSPACE_PAUSED: {name}. */
char *event_paused_payload_dup(const char *name);
/* WORKSPACE_HIBERNATED: {name, tier}. */
char *event_hibernated_payload_dup(const WorkspaceRow *row);
/* WORKSPACE_PROVISIONING: {name, tier, runtime}, and one more text where its cause has one
 * ("source", "parent_id"). `key` NULL: none. */
char *event_provisioning_payload_dup(const WorkspaceRow *row, const char *key, const char *text);
