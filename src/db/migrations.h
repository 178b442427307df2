/* Brings a database to the schema of this program.
 *
 * The files of migrations/ are part of the binary: NNN_name.sql runs on both databases,
 * NNN_name.sqlite.sql and NNN_name.postgres.sql on one. They run in order of their number, once
 * each, under a lock, one transaction a file, its record in schema_migrations (filename,
 * applied_at) included. A database that records a file which this program does not know is newer
 * than the program and refused. Source: spec 01, 3.1 and 19.24; ARCHITECTURE 5. */
#pragma once

#include "db/db.h"

/* Applies what is missing. `applied` (may be NULL) gets the number of files run.
 * Errors: those of db/db.h; ERROR_CONFLICT with a clear sentence when the schema is newer. Thread:
 * main, at start. */
gboolean db_migrate(Db *db, guint *applied, GError **error);
