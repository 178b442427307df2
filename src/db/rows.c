#include "db/rows.h"

#include <string.h>

#define CELLS_FIRST 16 /* a row of most tables */

typedef struct {
    union {
        gint64 number;
        double real;
        struct {
            guint32 offset, size; /* in `bytes` */
        } span;
    };
    guint32 kind; /* DB_VALUE_... */
} Cell;

struct _DbRows {
    guint columns;
    gint64 current; /* row under the reader, -1: before the first */
    /* An answer may have thousands of rows: grown here, since an array of GLib's costs a call for
     * each cell. */
    Cell *cells;
    gsize count, capacity; /* of cells */
    GByteArray *bytes;     /* each text and blob is followed by a NUL */
};

DbRows *db_rows_new(void)
{
    DbRows *rows = g_new0(DbRows, 1);

    rows->current = -1;
    rows->bytes = g_byte_array_new();
    return rows;
}

void db_rows_free(DbRows *rows)
{
    if (!rows)
        return;
    g_free(rows->cells);
    g_byte_array_unref(rows->bytes);
    g_free(rows);
}

void db_rows_reset(DbRows *rows)
{
    rows->columns = 0;
    rows->current = -1;
    rows->count = 0;
    g_byte_array_set_size(rows->bytes, 0);
}

/* ---- Filling ---- */

void db_rows_set_columns(DbRows *rows, guint columns)
{
    rows->columns = columns;
}

static void add(DbRows *rows, Cell cell)
{
    if (rows->count == rows->capacity) {
        rows->capacity = MAX(rows->capacity * 2, CELLS_FIRST);
        rows->cells = g_renew(Cell, rows->cells, rows->capacity);
    }
    rows->cells[rows->count++] = cell;
}

void db_rows_add_null(DbRows *rows)
{
    add(rows, (Cell){.kind = DB_VALUE_NULL});
}

void db_rows_add_int(DbRows *rows, gint64 number)
{
    add(rows, (Cell){.kind = DB_VALUE_INT, .number = number});
}

void db_rows_add_double(DbRows *rows, double real)
{
    add(rows, (Cell){.kind = DB_VALUE_DOUBLE, .real = real});
}

static void add_bytes(DbRows *rows, guint32 kind, const void *bytes, gsize size)
{
    Cell cell = {.kind = kind};

    if (size >= G_MAXINT32 - rows->bytes->len)
        g_error("an answer of the database is larger than 2 GiB");
    cell.span.offset = rows->bytes->len;
    cell.span.size = (guint32)size;
    g_byte_array_set_size(rows->bytes, cell.span.offset + cell.span.size + 1);
    if (size > 0)
        memcpy(rows->bytes->data + cell.span.offset, bytes, size);
    rows->bytes->data[cell.span.offset + cell.span.size] = 0;
    add(rows, cell);
}

void db_rows_add_text(DbRows *rows, const char *text, gsize size)
{
    add_bytes(rows, DB_VALUE_TEXT, text, size);
}

void db_rows_add_blob(DbRows *rows, const void *bytes, gsize size)
{
    add_bytes(rows, DB_VALUE_BLOB, bytes, size);
}

/* ---- Reading ---- */

gboolean db_rows_next(DbRows *rows)
{
    if (rows->columns == 0 || (gsize)(rows->current + 2) * rows->columns > rows->count)
        return FALSE;
    rows->current++;
    return TRUE;
}

gboolean db_rows_done(DbRows *rows, GError **error)
{
    /* What can fail has failed in db_query already. */
    (void)rows;
    (void)error;
    return TRUE;
}

static const Cell *cell_at(DbRows *rows, int column)
{
    g_assert(rows->current >= 0 && column >= 0 && (guint)column < rows->columns);
    return &rows->cells[rows->current * rows->columns + column];
}

static const char *cell_bytes(DbRows *rows, const Cell *cell)
{
    return (const char *)rows->bytes->data + cell->span.offset;
}

gboolean db_rows_is_null(DbRows *rows, int column)
{
    return cell_at(rows, column)->kind == DB_VALUE_NULL;
}

gint64 db_rows_int(DbRows *rows, int column)
{
    const Cell *cell = cell_at(rows, column);

    switch (cell->kind) {
    case DB_VALUE_INT:
        return cell->number;
    case DB_VALUE_DOUBLE:
        return (gint64)cell->real;
    case DB_VALUE_TEXT: /* PostgreSQL sums BIGINTs to NUMERIC */
        return g_ascii_strtoll(cell_bytes(rows, cell), NULL, 10);
    default:
        return 0;
    }
}

double db_rows_double(DbRows *rows, int column)
{
    const Cell *cell = cell_at(rows, column);

    switch (cell->kind) {
    case DB_VALUE_INT:
        return (double)cell->number;
    case DB_VALUE_DOUBLE:
        return cell->real;
    case DB_VALUE_TEXT:
        return g_ascii_strtod(cell_bytes(rows, cell), NULL);
    default:
        return 0;
    }
}

const char *db_rows_text(DbRows *rows, int column)
{
    const Cell *cell = cell_at(rows, column);

    return cell->kind == DB_VALUE_TEXT ? cell_bytes(rows, cell) : NULL;
}

const void *db_rows_blob(DbRows *rows, int column, gsize *size)
{
    const Cell *cell = cell_at(rows, column);
    gboolean has_bytes = cell->kind == DB_VALUE_BLOB || cell->kind == DB_VALUE_TEXT;

    *size = has_bytes ? cell->span.size : 0;
    return has_bytes ? cell_bytes(rows, cell) : NULL;
}
