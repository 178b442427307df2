/* `workspace-agent ask` and `workspace-agent peers`: what a command inside the workspace uses to
 * reach its team through the server. Each runs one call (two, when a peer is named by its name),
 * prints the result, and returns the exit status: 0, or 1 with a reason on standard error. */
#pragma once

#include "config.h"

/* Prints `id<TAB>name<TAB>status`, a line a peer. */
int client_peers(const Config *config);

/* Sends a message to a peer and prints the answer.
 *   peer  workspace id, or the name of exactly one peer, in any case
 *   text  "-": standard input */
int client_ask(const Config *config, const char *peer, const char *text);
