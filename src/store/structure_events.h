/* Table `structure_events`: the append-only log of what happened. No foreign key: it survives a
 * purge. Errors of all: those of db/db.h. Thread: any but I/O. Source: spec 01, 3.5 and 19.3; spec
 * 04, 11.3. */
#pragma once

#include "base/errors.h"
#include "base/ids.h"
#include "db/db.h"

typedef struct {
    char id[ID_SIZE];
    char *event_type;
    char workspace_id[ID_SIZE]; /* "": none */
    char *payload;              /* compact JSON, NULL: none */
    gint64 created_at_us;
} StructureEventRow;
void structure_event_row_free(StructureEventRow *row); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StructureEventRow, structure_event_row_free)

/* `workspace_id` may be NULL or "". */
G_GNUC_WARN_UNUSED_RESULT gboolean store_structure_event_insert(Db *db, const char *event_type,
                                                                const char *workspace_id,
                                                                const char *payload,
                                                                gint64 created_at_us,
                                                                GError **error);
/* Newest first; of one workspace unless `workspace_id` is NULL; older than `before_us` unless that
 * is 0. GPtrArray of StructureEventRow, owned; NULL on an error. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_structure_event_list(Db *db, const char *workspace_id,
                                                                guint limit, gint64 before_us,
                                                                GError **error);
/* Deletes at most `limit` rows older than `before_us`; call again while `deleted` equals `limit`.
 */
G_GNUC_WARN_UNUSED_RESULT gboolean store_structure_event_delete_before(Db *db, gint64 before_us,
                                                                       guint limit, gint64 *deleted,
                                                                       GError **error);
