/* The records of a hand-over (standby_wire.h), once its seal is open. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define STANDBY_NAME_MAX_BYTES 200

typedef struct {
    const char *name; /* borrowed, like the bytes */
    unsigned mode;    /* permission bits */
    const char *bytes;
    size_t size;
} StandbyRecord;

/* Reads the record at `at` and steps behind it. False: what stands there is none. */
bool standby_record_next(const char **at, const char *end, StandbyRecord *record);

/* Whether a name is relative, one folder deep at most, and never leads upward. */
bool standby_record_is_safe(const StandbyRecord *record);
