/* Table `adopted_objects`: containers and volumes that an administrator gave to a workspace of
 * ours.
 *
 * Labels decide what is ours, and an engine lets nobody change them; a row here stands for the
 * labels that an object should have. It goes when its object is gone (`forget`), or with its
 * workspace (store_runtime_delete_gone). Errors of all: those of db/db.h. Thread: any but I/O.
 * Source: spec 02, section 17.3 A. */
#pragma once

#include "base/errors.h"
#include "base/ids.h"
#include "db/db.h"

typedef enum { ADOPTED_CONTAINER, ADOPTED_VOLUME } AdoptedKind;
const char *adopted_kind_name(AdoptedKind kind); /* "container", "volume"; borrowed */

typedef struct {
    AdoptedKind kind;
    char *ref; /* id of a container, name of a volume */
    char workspace_id[ID_SIZE];
    char *label;       /* what the label workspaced.kind would say */
    gint64 generation; /* of a container; 0 for a volume */
} AdoptedRow;
void adopted_row_free(AdoptedRow *row); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AdoptedRow, adopted_row_free)

/* Error: ERROR_CONFLICT when it is adopted already. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_adopted_add(Db *db, const AdoptedRow *row, GError **error);
/* `row` is NULL when it was not adopted; the caller owns it. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_adopted_find(Db *db, AdoptedKind kind, const char *ref,
                                                      AdoptedRow **row, GError **error);
/* All of one kind. GPtrArray of AdoptedRow, owned; NULL on an error. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_adopted_list(Db *db, AdoptedKind kind, GError **error);
/* The object is gone. Repeatable. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_adopted_forget(Db *db, AdoptedKind kind, const char *ref,
                                                        GError **error);
/* How many there are. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_adopted_count(Db *db, gint64 *count, GError **error);
