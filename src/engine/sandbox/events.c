/* Events: a log of lines that engines (create, destroy) and supervisors (start, die) append to and
 * that anybody may follow. Because it is a file, nothing is lost while no server runs. Two files of
 * RUN_EVENTS_MAX bytes are kept; what is older counts as missed, as after a lost connection. */
#include "base/clock.h"
#include "engine/sandbox/container.h"
#include "engine/sandbox/tree.h"
#include "engine/supervisor/run_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192
#define LOOK_AGAIN_MS  1000 /* should a notification be lost */

static const char *const type_words[] = {
    [ENGINE_EVENT_CREATE] = "create",     [ENGINE_EVENT_START] = "start",
    [ENGINE_EVENT_DIE] = "die",           [ENGINE_EVENT_DESTROY] = "destroy",
    [ENGINE_EVENT_OUT_OF_MEMORY] = "oom",
};

/* ---- Writing ---- */

char *sandbox_event_prefix(const SandboxRecord *record)
{
    GString *text = g_string_new(NULL);
    JsonOut out = json_out_start(text);

    json_out_object(&out, NULL);
    json_out_text(&out, "id", record->id);
    sandbox_labels_write(&out, &record->labels);
    return g_string_free(text, FALSE);
}

static int open_log(SandboxEngine *sandbox)
{
    g_autofree char *path =
        g_build_filename(sandbox->directory, SANDBOX_EVENTS, RUN_EVENTS_LOG, NULL);
    g_autofree char *old =
        g_build_filename(sandbox->directory, SANDBOX_EVENTS, RUN_EVENTS_LOG_OLD, NULL);
    struct stat info;

    if (stat(path, &info) == 0 && info.st_size >= RUN_EVENTS_MAX)
        rename(path, old);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

void sandbox_event_write(SandboxEngine *sandbox, const SandboxRecord *record, const char *type)
{
    g_autofree char *prefix = sandbox_event_prefix(record);
    g_autofree char *lock_path =
        g_build_filename(sandbox->directory, SANDBOX_EVENTS, RUN_EVENTS_LOCK, NULL);
    g_autofree char *line =
        g_strdup_printf("%s,\"type\":\"%s\",\"exit_code\":0,\"time_us\":%" G_GINT64_FORMAT "}\n",
                        prefix, type, clock_now_us());
    g_auto(SandboxLock) lock = {.fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    int fd = -1;

    if (lock.fd < 0 || flock(lock.fd, LOCK_EX) != 0 || (fd = open_log(sandbox)) < 0)
        return;
    (void)!write(fd, line, strlen(line));
    close(fd);
}

/* ---- Following ---- */

typedef struct {
    SandboxEngine *sandbox;
    const char *installation;
    gint64 since_us;
    Cancel *cancel;
    EngineEventFunction function;
    void *data;
    int notify, log;
    ino_t inode;      /* of `log` */
    GString *pending; /* a line that is not whole yet */
} Follow;

static gboolean event_type(const char *word, EngineEventType *type)
{
    for (guint i = 0; i < G_N_ELEMENTS(type_words); i++)
        if (type_words[i] && g_strcmp0(word, type_words[i]) == 0) {
            *type = (EngineEventType)i;
            return TRUE;
        }
    return FALSE;
}

static void report_line(Follow *follow, const char *line, gsize length)
{
    EngineEvent event = {.type = ENGINE_EVENT_OTHER};
    g_autofree char *id = NULL, *word = NULL;
    JsonView object;

    if (!json_view_parse(line, length, JSON_ONE_VALUE, &object, NULL))
        return;
    event.time_us = sandbox_json_int(object, "time_us");
    id = sandbox_json_text(object, "id");
    word = sandbox_json_text(object, "type");
    if (!id || event.time_us < follow->since_us || !event_type(word, &event.type))
        return;
    event.container_id = id;
    event.exit_code = sandbox_json_int(object, "exit_code");
    sandbox_labels_read(object, &event.labels);
    if (g_strcmp0(event.labels.installation, follow->installation) == 0 &&
        !cancel_fired(follow->cancel))
        follow->function(&event, follow->data);
    engine_labels_clear(&event.labels);
}

static void report_lines(Follow *follow)
{
    GString *pending = follow->pending;
    char *line = pending->str, *end = NULL;

    while ((end = memchr(line, '\n', (gsize)(pending->str + pending->len - line)))) {
        report_line(follow, line, (gsize)(end - line));
        line = end + 1;
    }
    g_string_erase(pending, 0, line - pending->str);
    if (pending->len > LINE_MAX_BYTES)
        g_string_truncate(pending, 0);
}

static void read_log(Follow *follow, int fd)
{
    char bytes[16384];
    ssize_t got = 0;

    while (fd >= 0 && (got = read(fd, bytes, sizeof bytes)) > 0) {
        g_string_append_len(follow->pending, bytes, got);
        report_lines(follow);
    }
}

static int open_for_reading(Follow *follow, const char *name, ino_t *inode)
{
    g_autofree char *path =
        g_build_filename(follow->sandbox->directory, SANDBOX_EVENTS, name, NULL);
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    *inode = fd >= 0 && fstat(fd, &info) == 0 ? info.st_ino : 0;
    return fd;
}

/* The rest of the log at hand, then its successor if there is one. */
static void catch_up(Follow *follow)
{
    ino_t inode = 0;
    int next = open_for_reading(follow, RUN_EVENTS_LOG, &inode);

    read_log(follow, follow->log);
    if (next < 0 || inode == follow->inode) {
        if (next >= 0)
            close(next);
        return;
    }
    if (follow->log >= 0)
        close(follow->log);
    follow->log = next;
    follow->inode = inode;
    g_string_truncate(follow->pending, 0);
    read_log(follow, next);
}

static void begin(Follow *follow)
{
    EngineEvent event = {
        .type = ENGINE_EVENT_CONNECTED, .container_id = "", .time_us = clock_now_us()};

    follow->log = open_for_reading(follow, RUN_EVENTS_LOG, &follow->inode);
    if (follow->since_us == 0 && follow->log >= 0)
        lseek(follow->log, 0, SEEK_END);
    follow->function(&event, follow->data);
    if (follow->since_us > 0) {
        ino_t unused = 0;
        int old = open_for_reading(follow, RUN_EVENTS_LOG_OLD, &unused);

        read_log(follow, old);
        g_string_truncate(follow->pending, 0);
        if (old >= 0)
            close(old);
    }
}

static void wait_for_more(Follow *follow)
{
    char bytes[4096];
    struct pollfd waits[] = {
        {.fd = follow->notify, .events = POLLIN},
        {.fd = follow->cancel ? cancel_fd(follow->cancel) : -1, .events = POLLIN},
    };

    if (poll(waits, G_N_ELEMENTS(waits), LOOK_AGAIN_MS) > 0 && waits[0].revents)
        while (read(follow->notify, bytes, sizeof bytes) > 0)
            continue;
}

gboolean sandbox_events(Engine *self, const char *installation, gint64 since_us, Cancel *cancel,
                        EngineEventFunction function, void *data, GError **error)
{
    SandboxEngine *sandbox = sandbox_engine(self);
    g_autofree char *folder = sandbox_path(sandbox, SANDBOX_EVENTS, NULL);
    Follow follow = {
        .sandbox = sandbox,
        .installation = installation,
        .since_us = since_us,
        .cancel = cancel,
        .function = function,
        .data = data,
        .notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC),
        .log = -1,
    };
    gboolean is_there =
        follow.notify >= 0 &&
        inotify_add_watch(follow.notify, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO) >= 0;

    if (!is_there) {
        error_set(error, ERROR_UNAVAILABLE, "watch %s: %s", folder, g_strerror(errno));
    } else {
        follow.pending = g_string_new(NULL);
        begin(&follow);
        while (!cancel_fired(cancel) && (is_there = access(folder, F_OK) == 0)) {
            catch_up(&follow);
            wait_for_more(&follow);
        }
        if (!is_there)
            error_set(error, ERROR_UNAVAILABLE, "the sandbox's directory is gone");
        g_string_free(follow.pending, TRUE);
    }
    if (follow.log >= 0)
        close(follow.log);
    if (follow.notify >= 0)
        close(follow.notify);
    return is_there;
}
