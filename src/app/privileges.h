/* Gives root's rights up at the start, for a container that begins as root only to be let near the
 * engine's socket.
 *
 * Groups are numbers throughout: whatever group owns the socket here becomes a supplementary group
 * of ours, whether or not a database of groups knows it or uses the number for something else.
 * Source: spec 02, section 16 ("Ours") and F38. Thread: main, before any other. */
#pragma once

#include "base/config.h"

/* WORKSPACED_RUN_AS ("UID:GID"): makes the data folder the user's and becomes him, with the groups
 * of the engine's socket and nothing else. Unset, or already that user: does nothing. Errors:
 * ERROR_INVALID: not two numbers, or we are neither root nor that user; ERROR_UNAVAILABLE: the
 * system refuses. */
gboolean privileges_drop(const Config *config, GError **error);
