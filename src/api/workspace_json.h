/* A workspace as clients see it. Source: spec 01 section 4, 20.4. Thread: any. */
#pragma once

#include "base/json_out.h"
#include "store/workspace_row.h"

typedef enum {
    WORKSPACE_IN_LIST, /* for operators: with the private keys */
    WORKSPACE_ALONE,   /* GET of one: without them, with last_outbound_at */
} WorkspaceView;

void workspace_json_write(JsonOut *out, const WorkspaceRow *row, WorkspaceView view);
