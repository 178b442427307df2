#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool records_read(Records *records, int fd)
{
    size_t size = 4096;

    records->bytes = malloc(size);
    records->length = 0;
    while (records->bytes) {
        ssize_t got = pread(fd, records->bytes + records->length, size - records->length,
                            (off_t)records->length);

        if (got < 0 && errno != EINTR)
            return false;
        if (got == 0)
            return records->length == 0 || records->bytes[records->length - 1] == '\0';
        if (got > 0)
            records->length += (size_t)got;
        if (records->length < size)
            continue;
        if (size >= RUN_MAX_BYTES) {
            errno = EFBIG;
            return false;
        }
        size *= 2;
        records->bytes = realloc(records->bytes, size);
    }
    return false;
}

const char *records_next(const Records *records, RunTag tag, const char *text)
{
    const char *end = records->bytes + records->length;
    const char *record = text ? text + strlen(text) + 1 : records->bytes;

    for (; record < end; record += strlen(record) + 1)
        if (record[0] == (char)tag)
            return record + 1;
    return NULL;
}

const char *records_find(const Records *records, RunTag tag)
{
    const char *found = NULL;

    for (const char *text = records_next(records, tag, NULL); text;
         text = records_next(records, tag, text))
        found = text;
    return found;
}

char **records_list(const Records *records, RunTag tag)
{
    size_t count = 0;
    char **list = NULL;

    for (const char *text = records_next(records, tag, NULL); text;
         text = records_next(records, tag, text))
        count++;
    list = calloc(count + 1, sizeof *list);
    if (!list)
        abort();
    count = 0;
    for (const char *text = records_next(records, tag, NULL); text;
         text = records_next(records, tag, text))
        list[count++] = (char *)text;
    return list;
}

bool write_all(int fd, const void *bytes, size_t length)
{
    const char *next = bytes;

    while (length > 0) {
        ssize_t put = write(fd, next, length);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        next += put;
        length -= (size_t)put;
    }
    return true;
}

void join_cgroups(const Records *records)
{
    for (const char *path = records_next(records, RUN_CGROUP, NULL); path;
         path = records_next(records, RUN_CGROUP, path)) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
            continue;
        (void)write_all(fd, "0", 1);
        close(fd);
    }
}

unsigned long long process_start_ticks(pid_t pid)
{
    char text[1024];
    char *field = NULL;
    ssize_t got = 0;
    int fd = -1;

    snprintf(text, sizeof text, "/proc/%d/stat", (int)pid);
    fd = open(text, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    got = read(fd, text, sizeof text - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    field = strrchr(text, ')'); /* the name before it may hold anything */
    for (int i = 2; field && i < 22; i++)
        field = strchr(field + 1, ' ');
    return field ? strtoull(field + 1, NULL, 10) : 0;
}

long long now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

long long monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}
