/* Who we are to a container engine: the id that marks our containers and volumes.
 *
 * Looked up in this order: WORKSPACED_INSTALLATION_ID, the file `installation-id` of the data
 * folder, the database; made once, then kept in file and database. When file and database disagree,
 * the database belongs to another installation or was restored from one: the file's id stays in
 * force and `disputed` says that nothing may be started or removed. Source: spec 02, section 17.3
 * A. Thread: main, at start. */
#pragma once

#include "base/config.h"
#include "base/ids.h"
#include "db/db.h"

typedef struct {
    char id[ID_SIZE];
    gboolean disputed; /* the reconciler finds this, too, and holds */
    gboolean is_new;   /* neither file nor database knew it */
} Installation;

gboolean installation_load(const Config *config, Db *db, Installation *installation,
                           GError **error);
