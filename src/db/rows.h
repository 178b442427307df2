/* The answer of a query, held whole in memory: cells of 16 bytes and one block for texts and blobs.
 * Private to src/db: back ends fill it, everybody else reads it through db/db.h. Thread: one. */
#pragma once

#include "db/db.h"

DbRows *db_rows_new(void);
/* Before the first cell. */
void db_rows_set_columns(DbRows *rows, guint columns);
/* Cells come row by row, from left to right. */
void db_rows_add_null(DbRows *rows);
void db_rows_add_int(DbRows *rows, gint64 number);
void db_rows_add_double(DbRows *rows, double real);
void db_rows_add_text(DbRows *rows, const char *text, gsize size);
void db_rows_add_blob(DbRows *rows, const void *bytes, gsize size);
/* Forgets all cells: the query runs again. */
void db_rows_reset(DbRows *rows);
