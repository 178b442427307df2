/* A container's output in two files of bounded size, in the current folder. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    int fd;
    size_t size, max;
    char last_line[256]; /* for a sentence on why nothing started */
} Log;

bool log_open(Log *log, size_t max);
void log_append(Log *log, const char *bytes, size_t length);
/* Copies what `pipe_fd` (non-blocking) holds now. FALSE at its end. */
bool log_pump(Log *log, int pipe_fd);
