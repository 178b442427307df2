#include "store/image_wishes.h"

#include "base/clock.h"
#include "store/columns.h"

#define COLUMNS "image, digest, registry_digest, updated_at"

void image_wish_row_free(ImageWishRow *row)
{
    if (!row)
        return;
    g_free(row->image);
    g_free(row->digest);
    g_free(row->registry_digest);
    g_free(row);
}

static void row_free(gpointer row)
{
    image_wish_row_free(row);
}

static ImageWishRow *read_row(DbRows *rows)
{
    ImageWishRow *row = g_new0(ImageWishRow, 1);

    row->image = column_text_dup(rows, 0);
    row->digest = column_text_dup(rows, 1);
    row->registry_digest = column_text_dup(rows, 2);
    row->updated_at_us = db_rows_int(rows, 3);
    return row;
}

gboolean store_image_wish_find(Db *db, const char *image, ImageWishRow **row, GError **error)
{
    static const char sql[] = "SELECT " COLUMNS " FROM image_wishes WHERE image = $1";
    g_autoptr(DbRows) rows = db_query(db, sql, error, DB_TEXT(image));

    if (!rows)
        return error_prefix(error, "find the wish for image %s", image);
    *row = db_rows_next(rows) ? read_row(rows) : NULL;
    return TRUE;
}

GPtrArray *store_image_wish_list(Db *db, GError **error)
{
    static const char sql[] =
        "SELECT " COLUMNS " FROM image_wishes WHERE digest IS NOT NULL ORDER BY image";
    g_autoptr(DbRows) rows = db_query(db, sql, error);
    GPtrArray *all = NULL;

    if (!rows) {
        error_prefix(error, "list the wishes for images");
        return NULL;
    }
    all = g_ptr_array_new_with_free_func(row_free);
    while (db_rows_next(rows))
        g_ptr_array_add(all, read_row(rows));
    return all;
}

gboolean store_image_wish_put(Db *db, const char *image, const char *digest, GError **error)
{
    static const char sql[] =
        "INSERT INTO image_wishes (image, digest, updated_at) VALUES ($1, $2, $3)"
        " ON CONFLICT (image) DO UPDATE SET digest = excluded.digest,"
        " updated_at = excluded.updated_at";

    return db_exec(db, sql, NULL, error, DB_TEXT(image), DB_TEXT(digest), DB_INT(clock_now_us())) ||
           error_prefix(error, "wish for image %s", image);
}

gboolean store_image_wish_end(Db *db, const char *image, const char *digest, GError **error)
{
    static const char sql[] =
        "UPDATE image_wishes SET digest = NULL WHERE image = $1 AND digest = $2";

    return db_exec(db, sql, NULL, error, DB_TEXT(image), DB_TEXT(digest)) ||
           error_prefix(error, "end the wish for image %s", image);
}

gboolean store_image_wish_see(Db *db, const char *image, const char *registry_digest,
                              GError **error)
{
    static const char sql[] =
        "INSERT INTO image_wishes (image, registry_digest, updated_at) VALUES ($1, $2, $3)"
        " ON CONFLICT (image) DO UPDATE SET registry_digest = excluded.registry_digest";

    return db_exec(db, sql, NULL, error, DB_TEXT(image), DB_TEXT(registry_digest),
                   DB_INT(clock_now_us())) ||
           error_prefix(error, "record what the registry has of %s", image);
}
