/* Reading a run, and the few system-call helpers of the supervisor. No allocation but one buffer a
 * run, no stdio. */
#pragma once

#include "run_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct {
    char *bytes; /* owned until the program ends or execs */
    size_t length;
} Records;

/* Reads all of `fd`. FALSE with errno. */
bool records_read(Records *records, int fd);
/* The last record with that tag, NULL when absent. Borrowed. */
const char *records_find(const Records *records, RunTag tag);
/* The texts of all records with that tag, in order, NULL-terminated. Never freed. */
char **records_list(const Records *records, RunTag tag);
/* Walks: `text` starts NULL; returns the next one with that tag or NULL. */
const char *records_next(const Records *records, RunTag tag, const char *text);

bool write_all(int fd, const void *bytes, size_t length);
/* Writes the process's own number into each cgroup.procs file named. Best effort. */
void join_cgroups(const Records *records);
/* Start time of a process in clock ticks, 0 when it is gone. */
unsigned long long process_start_ticks(pid_t pid);
long long now_us(void);
long long monotonic_ms(void);
