/* Which container engine this installation uses.
 *
 * A hosted tenant's machines come from its control plane. Else `auto` takes Docker when its socket
 * answers, else the sandbox, and remembers the choice in the data folder: a daemon that is down at
 * a later start must not make the server build everybody anew elsewhere (D17). Source: ARCHITECTURE
 * section 8. Thread: main, at start. */
#pragma once

#include "base/config.h"
#include "engine/engine.h"

/* `engine` gets NULL for "none", and for `auto` on a machine that has neither; a warning is logged
 * then. `installation` is what a control plane's machines are labelled with. Errors: a named engine
 * that cannot be had. */
gboolean engine_choose(const Config *config, const char *installation, Engine **engine,
                       GError **error);
