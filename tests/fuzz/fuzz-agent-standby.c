/* Any bytes as the records of a hand-over. */
#include "standby_records.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *copy = g_memdup2(data, size); /* its end is watched */
    const char *at = copy;
    StandbyRecord record;

    while (at && at < copy + size && standby_record_next(&at, copy + size, &record)) {
        g_assert_true(at <= copy + size && record.bytes + record.size == at);
        g_assert_cmpuint(record.mode, <=, 0777);
        if (standby_record_is_safe(&record))
            g_assert_true(record.name[0] != '/' && !strstr(record.name, ".."));
    }
    return 0;
}
