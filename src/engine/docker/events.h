/* One line of the daemon's event stream into an EngineEvent. Private to engine/docker. Thread: any
 * (a pure function). */
#pragma once

#include "base/json_view.h"
#include "engine/engine.h"

/* Calls `function` when `value` is an event of a container of `installation`. Other values are
 * passed over. */
void docker_event_report(JsonView value, const char *installation, EngineEventFunction function,
                         void *data);
