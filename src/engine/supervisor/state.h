/* What the supervisor tells the world: the state file and the events. */
#pragma once

#include "records.h"

#include <stdbool.h>

typedef struct {
    const char *phase; /* static: "running", "restarting", "exited" */
    pid_t init;        /* 0: none */
    long long started_us, finished_us;
    int exit_code;
    unsigned restarts;
    bool is_out_of_memory, ever_started;
    char failure[512];
} State;

/* Both work in the current folder; best effort, as there is nobody to tell. */
void state_write(const State *state);
/* Reads what an earlier supervisor left: only ever_started and started_us. */
void state_read_past(State *state);
/* `type`: "start", "die". */
void event_write(const Records *records, const char *type, int exit_code);
