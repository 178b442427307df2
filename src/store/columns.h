/* Columns of an answer as our row structs keep them. Private to src/store. */
#pragma once

#include "base/ids.h"
#include "db/db.h"

/* NULL for SQL NULL. Caller owns it. */
char *column_text_dup(DbRows *rows, int column);
GBytes *column_bytes_dup(DbRows *rows, int column);
/* Copies a text of at most `size` - 1 bytes; "" for SQL NULL. */
void column_copy(DbRows *rows, int column, char *text, gsize size);
#define column_id(rows_, column_, id_) column_copy((rows_), (column_), (id_), ID_SIZE)

/* "" and NULL become SQL NULL. */
DbValue column_value_id(const char *id);
#define DB_ID(id_) column_value_id(id_)

/* Reads one number: the first column of the first row, 0 without one. */
gboolean column_read_int(Db *db, const char *sql, const DbValue *values, gsize count,
                         gint64 *number, GError **error);
