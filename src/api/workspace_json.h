/* A workspace as clients see it. Source: spec 01 section 4, 20.4. Thread: any. */
#pragma once

#include "base/json_out.h"
#include "store/workspace_row.h"

typedef enum {
    WORKSPACE_IN_LIST, /* for operators: with the private keys */
    WORKSPACE_ALONE,   /* GET of one: without them, with last_outbound_at */
    WORKSPACE_OWN,     /* the same for operators and its own token: with `failure` */
} WorkspaceView;

/* `engine_down_since_us`: since when the container engine does not answer, wall time; 0: it does,
 * or there is none. Nothing is concluded from that (D17), so no row says it; whoever waits for a
 * container is told so here. */
void workspace_json_write(JsonOut *out, const WorkspaceRow *row, WorkspaceView view,
                          gint64 engine_down_since_us);
