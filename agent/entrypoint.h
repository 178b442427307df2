/* The image's own program (WORKSPACE_AGENT_CHILD), run beside the agent that took its place as
 * entry point. It gets the signals that the container gets; its end is logged and changes
 * nothing. */
#pragma once

#include "config.h"
#include "process.h"

struct event_base;

typedef struct Entrypoint Entrypoint;

/* Starts the program; NULL when none is wanted or it cannot be started (logged). */
Entrypoint *entrypoint_new(struct event_base *base, ProcessTable *processes, const Config *config);
void entrypoint_free(Entrypoint *entrypoint);
