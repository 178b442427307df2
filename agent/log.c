#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 1024

static size_t write_head(char *line, const char *level)
{
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(line, LINE_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    return length + (size_t)snprintf(line + length, LINE_BYTES - length,
                                     ".%03ldZ %s agent: ", now.tv_nsec / 1000000, level);
}

static void write_line(const char *level, const char *format, va_list arguments)
{
    char line[LINE_BYTES + 1];
    size_t head = write_head(line, level);
    int wanted = vsnprintf(line + head, LINE_BYTES - head, format, arguments);

    if (wanted < 0)
        return;
    size_t length = strlen(line);
    for (size_t i = head; i < length; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = '?';
    line[length++] = '\n';
    if (write(STDERR_FILENO, line, length) < 0)
        return; /* nobody reads the log; there is no better place to say so */
}

#define LOG_FUNCTION(name, level)                                                                  \
    void name(const char *format, ...)                                                             \
    {                                                                                              \
        va_list arguments;                                                                         \
                                                                                                   \
        va_start(arguments, format);                                                               \
        write_line(level, format, arguments);                                                      \
        va_end(arguments);                                                                         \
    }

LOG_FUNCTION(log_info, "info")
LOG_FUNCTION(log_warning, "warning")
LOG_FUNCTION(log_error, "error")
