/* The steps of a look for an engine that is hosted (engine/engine.h); in place of those in start.c,
 * seeding.c and remove.c. For the reconciler's files only. */
#pragma once

#include "reconcile/internal.h"

static inline gboolean look_is_hosted(const Look *look)
{
    return engine_is_hosted(look->reconciler->options.engine);
}

/* The machine that is recorded joins look->containers. */
G_GNUC_WARN_UNUSED_RESULT gboolean hosted_observe(Look *look, GError **error);
/* Whether a pass may leave it alone. */
gboolean hosted_is_settled(const RuntimeRow *runtime, const WorkspaceRow *workspace);
/* Orders a machine, or asks again what the order of this wish gave. */
G_GNUC_WARN_UNUSED_RESULT gboolean hosted_start(Look *look, GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean hosted_adopt(Look *look, const ContainerInfo *container,
                                                GError **error);
/* Ends a machine and forgets it. */
G_GNUC_WARN_UNUSED_RESULT gboolean hosted_remove(Look *look, const ContainerInfo *container,
                                                 const char *reason, GError **error);
/* Carries out one intent of a workspace that is removed. */
G_GNUC_WARN_UNUSED_RESULT gboolean hosted_sweep(Reconciler *reconciler, const GarbageRow *intent,
                                                GError **error);
