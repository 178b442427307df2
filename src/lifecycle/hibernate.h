/* What hibernate.c and the idle monitor share. Private to src/lifecycle. */
#pragma once

#include "lifecycle/lifecycle.h"
#include "store/runtime.h"

/* online, degraded -> hibernating, with the wish to freeze, or with `force` to stop. `claimed`
 * FALSE: the state did not allow it, or it has tasks; nothing was changed. */
G_GNUC_WARN_UNUSED_RESULT gboolean hibernate_begin(const Lifecycle *lifecycle,
                                                   const WorkspaceRow *row, gboolean force,
                                                   gboolean *claimed, GError **error);
/* hibernating -> hibernated without waiting any longer; the wish stays. */
G_GNUC_WARN_UNUSED_RESULT gboolean hibernate_finish(const Lifecycle *lifecycle,
                                                    const WorkspaceRow *row, GError **error);
