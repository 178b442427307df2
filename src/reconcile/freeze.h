/* Sleep without a stop: a hibernated workspace's container is halted where it stands and keeps its
 * memory, its generation and its token; waking it costs milliseconds.
 *
 * The phase `frozen` is recorded before the engine is asked, so that after a crash nobody takes our
 * freeze for one by hand. An engine that cannot freeze, or fails at it, gives the container up: the
 * wish becomes `stopped`. The silence of a frozen container is nobody's death. Private to
 * src/reconcile; steps and errors as in internal.h. Source: issue of hibernation; spec 01 sections
 * 9.5, 9.6; spec 02 section 17.3 E. */
#pragma once

#include "reconcile/internal.h"

/* Halts it; its workspace is hibernated. */
G_GNUC_WARN_UNUSED_RESULT gboolean freeze_container(Look *look, const ContainerInfo *container,
                                                    GError **error);
/* Lets it go on; its workspace is online. One that cannot go on is removed, and a new start
 * follows. */
G_GNUC_WARN_UNUSED_RESULT gboolean freeze_thaw(Look *look, const ContainerInfo *container,
                                               GError **error);
/* A wish to freeze that failed with `cause` becomes one to stop. */
G_GNUC_WARN_UNUSED_RESULT gboolean freeze_give_up(Look *look, const GError *cause, GError **error);

/* Whether the workspace of a wish to run still sleeps. */
gboolean freeze_is_asleep(const Look *look);
/* Its container is not there to be thawed: hibernating or hibernated -> provisioning. */
G_GNUC_WARN_UNUSED_RESULT gboolean freeze_provision(Look *look, GError **error);
