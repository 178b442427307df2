/* Table `canvas_viewport`: where the canvas was last looked at. One row, shared by all users.
 * Errors of all: those of db/db.h. Thread: any but I/O. Source: spec 01, sections 15 and 19.7. */
#pragma once

#include "base/errors.h"
#include "db/db.h"

typedef struct {
    double x, y, zoom;
} CanvasViewport;

/* The newest saved one; 0, 0, 1 when there is none. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_viewport_load(Db *db, CanvasViewport *viewport,
                                                       GError **error);
/* `zoom` 0 keeps the stored one, 1 when there is none. Values are finite. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_viewport_save(Db *db, const CanvasViewport *viewport,
                                                       GError **error);
