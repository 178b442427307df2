/* The agent as a service: builds the parts, runs the loop, stops in order. */
#pragma once

#include "config.h"

/* Exit statuses, of sysexits.h where it has one. */
#define EXIT_TOKEN_REFUSED 77 /* EX_NOPERM */
#define EXIT_BAD_CONFIG    78 /* EX_CONFIG */

/* Serves until a signal, a refused token or the end of the workspace. Returns the exit status. */
int serve(const Config *config);
