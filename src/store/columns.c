#include "store/columns.h"

char *column_text_dup(DbRows *rows, int column)
{
    return g_strdup(db_rows_text(rows, column));
}

GBytes *column_bytes_dup(DbRows *rows, int column)
{
    gsize size = 0;
    const void *bytes = db_rows_blob(rows, column, &size);

    return bytes ? g_bytes_new(bytes, size) : NULL;
}

void column_copy(DbRows *rows, int column, char *text, gsize size)
{
    const char *stored = db_rows_text(rows, column);

    g_strlcpy(text, stored ? stored : "", size);
}

gboolean column_read_int(Db *db, const char *sql, const DbValue *values, gsize count,
                         gint64 *number, GError **error)
{
    g_autoptr(DbRows) rows = db_query_values(db, sql, values, count, error);

    if (!rows)
        return FALSE;
    *number = db_rows_next(rows) ? db_rows_int(rows, 0) : 0;
    return TRUE;
}

DbValue column_value_id(const char *id)
{
    return db_value_text(id && *id ? id : NULL);
}
