/* Which web origins may call the API, and the answers of CORS. One parsed list for everything.
 *
 * Entries of CORS_ORIGINS are trimmed and lower-cased, blanks and empty ones are skipped, one
 * without a scheme is logged and skipped. Unset: http://localhost:3000 and :3001. `*` admits every
 * origin. Source: spec 03 section 6.5, F17, F40. Thread: any once built (read only). */
#pragma once

#include <glib.h>

typedef struct _Origins Origins;

Origins *origins_new(const char *cors_origins); /* NULL or "": unset */
void origins_free(Origins *origins);            /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Origins, origins_free)

typedef enum {
    ORIGIN_NONE,    /* no Origin: not a cross-origin call */
    ORIGIN_SAME,    /* the page came from this very host */
    ORIGIN_ALLOWED, /* in the list */
    ORIGIN_REFUSED,
} OriginVerdict;

/* `origin` and `host` are the request's headers; either may be NULL. */
OriginVerdict origins_judge(const Origins *origins, const char *origin, const char *host);
