#include "store/canvas.h"

#include "base/clock.h"

#define VIEWPORT_ID "00000000-0000-0000-0000-000000000001" /* spec 01, section 15 */

gboolean store_viewport_load(Db *db, CanvasViewport *viewport, GError **error)
{
    static const char sql[] = "SELECT x, y, zoom FROM canvas_viewport"
                              " ORDER BY COALESCE(saved_at, 0) DESC, id LIMIT 1";
    g_autoptr(DbRows) rows = db_query(db, sql, error);

    if (!rows)
        return error_prefix(error, "load the viewport");
    *viewport = (CanvasViewport){.zoom = 1};
    if (db_rows_next(rows))
        *viewport = (CanvasViewport){
            .x = db_rows_double(rows, 0),
            .y = db_rows_double(rows, 1),
            .zoom = db_rows_double(rows, 2),
        };
    return TRUE;
}

gboolean store_viewport_save(Db *db, const CanvasViewport *viewport, GError **error)
{
    static const char sql[] = "INSERT INTO canvas_viewport (id, x, y, zoom, saved_at)"
                              " VALUES ($1, $2, $3, COALESCE(CAST($4 AS DOUBLE PRECISION), 1), $5) "
                              "ON CONFLICT (id) DO UPDATE SET"
                              " x = excluded.x, y = excluded.y, zoom = COALESCE(CAST($4 AS DOUBLE "
                              "PRECISION), canvas_viewport.zoom),"
                              " saved_at = excluded.saved_at";
    DbValue zoom = viewport->zoom > 0 ? DB_DOUBLE(viewport->zoom) : DB_NULL;

    return db_exec(db, sql, NULL, error, DB_TEXT(VIEWPORT_ID), DB_DOUBLE(viewport->x),
                   DB_DOUBLE(viewport->y), zoom, DB_INT(clock_now_us())) ||
           error_prefix(error, "save the viewport");
}
