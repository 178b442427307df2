#include "ids.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static void fill_random(void *bytes, size_t size_bytes)
{
    /* Up to 256 bytes come whole or not at all; only a kernel before 3.17 can refuse. */
    if (getrandom(bytes, size_bytes, 0) == (ssize_t)size_bytes)
        return;
    log_error("the kernel gives no random numbers");
    abort();
}

void id_new(char id[ID_BYTES])
{
    unsigned char b[16];

    fill_random(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* variant of RFC 4122 */
    snprintf(id, ID_BYTES, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
}

void timestamp_now(char text[TIMESTAMP_BYTES])
{
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(text, TIMESTAMP_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    unsigned milliseconds = (unsigned)(now.tv_nsec / 1000000) % 1000;
    snprintf(text + length, TIMESTAMP_BYTES - length, ".%03uZ", milliseconds);
}

int64_t clock_monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint32_t random_below(uint32_t limit)
{
    uint32_t value;

    fill_random(&value, sizeof value);
    return limit > 0 ? value % limit : 0;
}
