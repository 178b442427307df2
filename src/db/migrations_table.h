/* The files of migrations/ inside the program; tools/embed-migrations.py writes the table.
 * Private to src/db and its tests. */
#pragma once

#include "db/db.h"

typedef struct {
    const char *filename; /* NULL ends the list */
    gboolean for_sqlite, for_postgres;
    const char *sql;
} Migration;

/* In the order in which they run. */
extern const Migration migrations[];

/* db_migrate with a list of the caller's choice. */
gboolean migrations_apply(Db *db, const Migration *all, guint *applied, GError **error);
