/* Table `platform_instance`: who we are to a container engine; at most one row.
 * Errors of all: those of db/db.h. Thread: main, reconciler. Source: spec 02, section 17.3 A. */
#pragma once

#include "base/errors.h"
#include "base/ids.h"
#include "db/db.h"

typedef struct {
    char id[ID_SIZE];
    char *daemon_id; /* NULL: not seen yet */
    gint64 created_at_us;
} InstallationRow;
void installation_row_free(InstallationRow *row); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(InstallationRow, installation_row_free)

/* NULL when the table is empty. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_installation_find(Db *db, InstallationRow **row,
                                                           GError **error);
/* Makes the row, or replaces id and daemon id (NULL: keep the recorded one). */
G_GNUC_WARN_UNUSED_RESULT gboolean store_installation_put(Db *db, const char *id,
                                                          const char *daemon_id, GError **error);
