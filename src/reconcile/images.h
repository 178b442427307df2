/* Images: what is not here is pulled, once for all who want it at the same time, and no longer than
 * somebody does. Meanwhile each workspace that waits tells its listeners how far it is (event
 * WORKSPACE_PULL_PROGRESS, broadcast only, at most twice a second).
 *
 * A pull may take many minutes and its workspace may be removed meanwhile; images_review looks who
 * still wants his. Thread: any; review in one thread. Source: spec 02 section 8.5. */
#pragma once

#include "db/db.h"
#include "engine/engine.h"
#include "events/events.h"

typedef struct _Images Images;

/* All are borrowed; `events` may be NULL. */
Images *images_new(Engine *engine, Db *db, Events *events);
void images_free(Images *images); /* NULL is fine; nobody may be waiting */

/* Who waits for an image. */
typedef struct {
    const char *id; /* the workspace's */
    gint64 generation;
    gboolean is_quiet; /* nobody knows this workspace: no events about the progress */
} ImagesWanter;

/* Makes sure that `image` is there. `digest` gets its id (owned). `pulled` says that time passed.
 * Errors: ERROR_SUPERSEDED when its wish is not of that generation any more or the server
 * stops; ERROR_NOT_FOUND, ERROR_FORBIDDEN, ERROR_INVALID with a sentence for people: not here and
 * not to be had; ERROR_BUSY with one: not here and the registry does not answer now;
 * ERROR_UNAVAILABLE: the engine. */
G_GNUC_WARN_UNUSED_RESULT gboolean images_ensure(Images *images, const char *image,
                                                 const ImagesWanter *wanter, char **digest,
                                                 gboolean *pulled, GError **error);
/* Pulls the image whether or not it is there. `before` (NULL: it was not there) and `after` get its
 * ids, owned. Errors: ERROR_NOT_FOUND, ERROR_FORBIDDEN, ERROR_INVALID, ERROR_BUSY with a sentence
 * for people; ERROR_SUPERSEDED when `cancel` fired or the server stops; ERROR_UNAVAILABLE: the
 * engine. */
G_GNUC_WARN_UNUSED_RESULT gboolean images_refresh(Images *images, const char *image,
                                                  gint64 deadline_us, Cancel *cancel, char **before,
                                                  char **after, GError **error);
/* Ends the pulls of those who have a newer wish. */
void images_review(Images *images);
/* Ends all pulls, now and later. */
void images_stop(Images *images);
