/* From a process inside a container to the program it shall be: user, limits, directory,
 * environment, exec. */
#pragma once

#include "records.h"

#include <stdbool.h>

/* Never returns on success. On failure writes one sentence to `failure_fd`. */
void become_program(const Records *records, int failure_fd);
/* Reduces capabilities to `mask` and gives up the way back. FALSE with errno. */
bool keep_capabilities(unsigned long long mask);
/* "what: strerror(errno)". */
void say_failure(int fd, const char *what);
