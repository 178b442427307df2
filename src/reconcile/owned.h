/* The engine's objects with the labels that count: those they carry, or those that an adoption
 * gave them (store/adopted.h). Whatever decides by a label whose an object is asks here, never the
 * engine itself; so an adopted object is like one of our own in every respect but one: the engine's
 * events do not report it, the pass finds its death.
 *
 * Errors are those of the engine's call, and those of the database: then nothing is known. Nobody
 * asks the database about an object that carries our label. Thread: any but I/O. Source: spec 02,
 * section 17.3 A. */
#pragma once

#include "engine/engine.h"
#include "reconcile/reconciler.h"
#include "store/adopted.h"

/* As engine_inspect. */
G_GNUC_WARN_UNUSED_RESULT gboolean owned_inspect(Reconciler *reconciler, const char *ref,
                                                 ContainerInfo **info, GError **error);
/* As engine_list and engine_volume_list for our installation, with what was adopted. Forgets the
 * adoption of what is not there any more. */
G_GNUC_WARN_UNUSED_RESULT gboolean owned_containers(Reconciler *reconciler, GPtrArray **containers,
                                                    GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean owned_volumes(Reconciler *reconciler, GPtrArray **volumes,
                                                 GError **error);
/* As engine_volume_create. */
G_GNUC_WARN_UNUSED_RESULT gboolean owned_volume_create(Reconciler *reconciler, const char *name,
                                                       const EngineLabels *labels,
                                                       EngineLabels *existing, GError **error);

/* Everybody's, for who looks for what could be adopted: what is ours or adopted has our labels
 * already. */
G_GNUC_WARN_UNUSED_RESULT gboolean owned_all_containers(Reconciler *reconciler,
                                                        GPtrArray **containers, GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean owned_all_volumes(Reconciler *reconciler, GPtrArray **volumes,
                                                     GError **error);
