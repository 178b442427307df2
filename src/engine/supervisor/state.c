#include "state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_MAX_BYTES 2048
#define EVENT_MAX_BYTES 4096

void state_write(const State *state)
{
    char text[STATE_MAX_BYTES];
    int length =
        snprintf(text, sizeof text,
                 RUN_STATE_PHASE " %s\n" RUN_STATE_INIT " %d %llu\n" RUN_STATE_STARTED
                                 " %lld\n" RUN_STATE_FINISHED " %lld\n" RUN_STATE_EXIT
                                 " %d\n" RUN_STATE_RESTARTS " %u\n" RUN_STATE_OOM
                                 " %d\n" RUN_STATE_EVER " %d\n" RUN_STATE_FAILURE " %s\n",
                 state->phase, (int)state->init, state->init ? process_start_ticks(state->init) : 0,
                 state->started_us, state->finished_us, state->exit_code, state->restarts,
                 state->is_out_of_memory, state->ever_started, state->failure);
    int fd = open(RUN_FILE_STATE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return;
    if (write_all(fd, text, (size_t)length))
        rename(RUN_FILE_STATE_NEW, RUN_FILE_STATE);
    close(fd);
}

void state_read_past(State *state)
{
    char text[STATE_MAX_BYTES] = "";
    const char *found = NULL;
    int fd = open(RUN_FILE_STATE, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    text[0] = '\n';
    if (read(fd, text + 1, sizeof text - 2) > 0) {
        found = strstr(text, "\n" RUN_STATE_EVER " ");
        state->ever_started = found && strtol(found + sizeof RUN_STATE_EVER + 1, NULL, 10) == 1;
        found = strstr(text, "\n" RUN_STATE_STARTED " ");
        state->started_us = found ? strtoll(found + sizeof RUN_STATE_STARTED + 1, NULL, 10) : 0;
    }
    close(fd);
}

/* A full log becomes the old one: at most twice RUN_EVENTS_MAX is kept. Under the lock. */
static int open_log(int folder)
{
    struct stat info;

    if (fstatat(folder, RUN_EVENTS_LOG, &info, 0) == 0 && info.st_size >= RUN_EVENTS_MAX)
        renameat(folder, RUN_EVENTS_LOG, folder, RUN_EVENTS_LOG_OLD);
    return openat(folder, RUN_EVENTS_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void append_event(int folder, const char *text, int length)
{
    int lock = openat(folder, RUN_EVENTS_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int log = -1;

    if (lock < 0)
        return;
    if (flock(lock, LOCK_EX) == 0 && (log = open_log(folder)) >= 0) {
        (void)write_all(log, text, (size_t)length);
        close(log);
    }
    close(lock);
}

void event_write(const Records *records, const char *type, int exit_code)
{
    const char *prefix = records_find(records, RUN_EVENT_PREFIX);
    const char *path = records_find(records, RUN_EVENTS_FOLDER);
    int folder = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    char text[EVENT_MAX_BYTES];
    int length = 0;

    if (folder < 0)
        return;
    length = snprintf(text, sizeof text, "%s,\"type\":\"%s\",\"exit_code\":%d,\"time_us\":%lld}\n",
                      prefix ? prefix : "{\"id\":\"\"", type, exit_code, now_us());
    if (length > 0 && length < (int)sizeof text)
        append_event(folder, text, length);
    close(folder);
}
