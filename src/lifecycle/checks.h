/* Checks that several actions share. Private to src/lifecycle. */
#pragma once

#include "lifecycle/lifecycle.h"

gboolean lifecycle_has_engine(const Lifecycle *lifecycle);
/* Whether its agent runs where we do not start it. */
gboolean lifecycle_is_external(const WorkspaceRow *row);
/* ERROR_CONFLICT when a workspace above is paused: it is named. */
gboolean lifecycle_check_ancestors(const Lifecycle *lifecycle, const char *id, GError **error);
