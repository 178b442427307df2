/* Lists of the daemon's, of which hardly anything changes from one to the next: an element whose
 * bytes are those of an element of the list before is neither checked nor read again, its value is
 * handed out once more. Bytes are compared, never sums of them alone. The daemon gives containers
 * in the same order each time and volumes in any order; both are found.
 *
 * The price is memory: the last list's text, and a buffer of the same size for the next one,
 * some 4.5 KiB for each workspace. Private to engine/docker. Thread: a listing belongs to one
 * thread at a time (docker_listing_take lends it). */
#pragma once

#include "base/json_pieces.h"
#include "engine/engine.h"

/* What a list is made of. Values are shared with whoever got them before, thus read-only. */
typedef struct {
    const char *name; /* "containers", for the log */
    /* An object of the list to a value of the caller's. ERROR_INTERNAL: not such an object. */
    gpointer (*read)(JsonView element, GError **error);
    gpointer (*ref)(gpointer value);
    GDestroyNotify unref;
    const EngineLabels *(*labels)(gconstpointer value);
} DockerElement;
extern const DockerElement docker_container_element;
extern const DockerElement docker_volume_element;

typedef struct _DockerListing DockerListing;
DockerListing *docker_listing_new(const DockerElement *element); /* remembers nothing yet */
void docker_listing_free(DockerListing *listing);                /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DockerListing, docker_listing_free)

/* An empty buffer that is likely large enough for the next text. Caller owns it. */
GString *docker_listing_steal_buffer(DockerListing *listing);

/* Reading, in this order. `text` moves in and stays until the next list was read. A list that is
 * not read to a good end leaves the last one in place.
 *   start    at the text's first byte
 *   array    an array of objects at `pieces`; may come more than once
 *   end      the whole text was well; `values` gets those of `installation` (NULL: all), a
 *            GPtrArray with a free function
 * Errors: ERROR_INTERNAL. */
JsonPieces docker_listing_start(DockerListing *listing, GString *text);
gboolean docker_listing_array(DockerListing *listing, JsonPieces *pieces, GError **error);
gboolean docker_listing_end(DockerListing *listing, JsonPieces *pieces, const char *installation,
                            GPtrArray **values, GError **error);

/* Elements of the last list that had to be read; for tests. */
guint docker_listing_news(const DockerListing *listing);
