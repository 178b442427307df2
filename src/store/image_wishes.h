/* Table `image_wishes`: the local image that the workspaces of a reference shall run while they are
 * brought over to it, and what its registry last said.
 *
 * The wish is durable, so that a rolling change goes on after a restart of the server. Errors of
 * all: those of db/db.h. Thread: the refresh's two threads. Source: spec 02 section 15 ("Ours"). */
#pragma once

#include "base/errors.h"
#include "db/db.h"

typedef struct {
    char *image;           /* the reference, as text */
    char *digest;          /* id of the local image to run; NULL: nobody is brought over */
    char *registry_digest; /* NULL: never looked */
    gint64 updated_at_us;  /* of `digest` */
} ImageWishRow;
void image_wish_row_free(ImageWishRow *row); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageWishRow, image_wish_row_free)

/* NULL when there is none. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_image_wish_find(Db *db, const char *image,
                                                         ImageWishRow **row, GError **error);
/* Those with a digest. GPtrArray of ImageWishRow, owned; NULL on an error. */
G_GNUC_WARN_UNUSED_RESULT GPtrArray *store_image_wish_list(Db *db, GError **error);
/* Wishes `digest` for the image. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_image_wish_put(Db *db, const char *image,
                                                        const char *digest, GError **error);
/* Ends the wish for `digest`; another one stays. */
G_GNUC_WARN_UNUSED_RESULT gboolean store_image_wish_end(Db *db, const char *image,
                                                        const char *digest, GError **error);
G_GNUC_WARN_UNUSED_RESULT gboolean store_image_wish_see(Db *db, const char *image,
                                                        const char *registry_digest,
                                                        GError **error);
