/* Which container engine this installation uses.
 *
 * `auto` takes Docker when its socket answers, else the sandbox, and remembers the choice in the
 * data folder: a daemon that is down at a later start must not make the server build everybody anew
 * elsewhere (D17). Source: ARCHITECTURE section 8. Thread: main, at start. */
#pragma once

#include "base/config.h"
#include "engine/engine.h"

/* `engine` gets NULL for "none", and for `auto` on a machine that has neither; a warning is logged
 * then. Errors: a named engine that cannot be had. */
gboolean engine_choose(const Config *config, Engine **engine, GError **error);
