/* All rooms of a running server: built from the ground up, torn down in reverse.
 * Source: ARCHITECTURE sections 2, 4; spec 02 section 6 (shutdown). Thread: main. */
#pragma once

#include "base/config.h"

typedef struct _Rooms Rooms;

/* Opens and builds everything; threads that act on the world are not started yet. The config is
 * borrowed until rooms_free. Errors: with a sentence for the person who starts the server. */
Rooms *rooms_new(const Config *config, GError **error);
/* From now on requests are served and wishes carried out. */
void rooms_start(Rooms *rooms);
/* Stops accepting, closes streams, lets handlers and engine steps reach a safe point within the
 * configured time. */
void rooms_stop(Rooms *rooms);
void rooms_free(Rooms *rooms); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rooms, rooms_free)

/* Where people on this machine reach the page, e.g. "http://127.0.0.1:8080". Borrowed. */
const char *rooms_url(const Rooms *rooms);
const char *rooms_admin_token(const Rooms *rooms);
gboolean rooms_admin_token_is_new(const Rooms *rooms);
const char *rooms_engine_name(const Rooms *rooms); /* "docker", "sandbox", "none" */
const char *rooms_database_name(const Rooms *rooms);
