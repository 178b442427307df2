#include "log.h"

#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUMP_ROUNDS 16 /* of 16 KiB, then others get their turn */

static bool reopen(Log *log)
{
    struct stat info;

    log->fd = open(RUN_FILE_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    log->size = log->fd >= 0 && fstat(log->fd, &info) == 0 ? (size_t)info.st_size : 0;
    return log->fd >= 0;
}

bool log_open(Log *log, size_t max)
{
    log->max = max;
    log->last_line[0] = '\0';
    return reopen(log);
}

static void remember_line(Log *log, const char *bytes, size_t length)
{
    const char *end = bytes + length;
    const char *line = NULL;

    while (end > bytes && end[-1] == '\n')
        end--;
    line = end;
    while (line > bytes && line[-1] != '\n')
        line--;
    if (end > line)
        snprintf(log->last_line, sizeof log->last_line, "%.*s", (int)(end - line), line);
}

void log_append(Log *log, const char *bytes, size_t length)
{
    if (log->size > 0 && log->size + length > log->max) {
        close(log->fd);
        rename(RUN_FILE_LOG, RUN_FILE_LOG_OLD);
        if (!reopen(log))
            return;
    }
    if (write_all(log->fd, bytes, length))
        log->size += length;
}

bool log_pump(Log *log, int pipe_fd)
{
    char bytes[16384];

    for (int round = 0; round < PUMP_ROUNDS; round++) {
        ssize_t got = read(pipe_fd, bytes, sizeof bytes);

        if (got == 0)
            return false;
        if (got < 0)
            return errno == EAGAIN || errno == EINTR;
        remember_line(log, bytes, (size_t)got);
        log_append(log, bytes, (size_t)got);
    }
    return true;
}
