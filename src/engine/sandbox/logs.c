/* A container's output: two bounded files that its supervisor writes (log.1 is the older). */
#include "engine/sandbox/container.h"
#include "engine/sandbox/tree.h"
#include "engine/supervisor/run_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOGS_MAX_BYTES (32 * 1024 * 1024) /* both files at their largest are smaller */
#define LOOK_AGAIN_MS  200                /* an end makes no event of its own */
#define CHUNK          16384

static int open_log(const SandboxContainer *container, const char *name)
{
    g_autofree char *path = g_build_filename(container->folder, name, NULL);

    return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static void append_file(int fd, GString *text)
{
    char bytes[CHUNK];
    ssize_t got = 0;

    while (fd >= 0 && text->len < LOGS_MAX_BYTES && (got = read(fd, bytes, sizeof bytes)) > 0)
        g_string_append_len(text, bytes, got);
}

/* Where the last `lines` lines begin (0: all), not more than `max_bytes` from the end. */
static gsize tail_start(const GString *text, guint lines, gsize max_bytes)
{
    gsize start = text->len > max_bytes ? text->len - max_bytes : 0;
    gsize at = text->len;
    guint seen = 0;

    if (lines == 0)
        return start;
    if (at > start && text->str[at - 1] == '\n')
        at--;
    for (; at > start; at--)
        if (text->str[at - 1] == '\n' && ++seen == lines)
            return at;
    return start;
}

/* Both files; `current` (may be NULL) gets the newer one, read to its end, or -1. */
static GString *read_both(const SandboxContainer *container, int *current)
{
    GString *text = g_string_new(NULL);
    /* The newer one is opened first: should it become the older one now, it is read twice rather
     * than not at all; the inode tells. */
    int newer = open_log(container, RUN_FILE_LOG);
    int older = open_log(container, RUN_FILE_LOG_OLD);
    struct stat of_newer, of_older;
    gboolean is_same = newer >= 0 && older >= 0 && fstat(newer, &of_newer) == 0 &&
                       fstat(older, &of_older) == 0 && of_newer.st_ino == of_older.st_ino;

    if (!is_same)
        append_file(older, text);
    append_file(newer, text);
    if (older >= 0)
        close(older);
    if (current)
        *current = newer;
    else if (newer >= 0)
        close(newer);
    return text;
}

gboolean sandbox_logs(Engine *self, const char *ref, guint lines, gsize max_bytes, GBytes **text,
                      GError **error)
{
    g_autoptr(SandboxContainer) container =
        sandbox_container_load(sandbox_engine(self), ref, error);
    g_autoptr(GString) all = NULL;
    gsize start = 0;

    if (!container)
        return FALSE;
    all = read_both(container, NULL);
    start = tail_start(all, lines, max_bytes);
    *text = g_bytes_new(all->str + start, all->len - start);
    return TRUE;
}

/* ---- Following ---- */

typedef struct {
    SandboxContainer *container;
    EngineBytesFunction function;
    void *data;
    Cancel *cancel;
    int notify, log;
} Follow;

/* TRUE when there was something. */
static gboolean report_rest(Follow *follow)
{
    char bytes[CHUNK];
    ssize_t got = 0;
    gboolean is_any = FALSE;

    while (follow->log >= 0 && !cancel_fired(follow->cancel) &&
           (got = read(follow->log, bytes, sizeof bytes)) > 0) {
        follow->function(bytes, (gsize)got, follow->data);
        is_any = TRUE;
    }
    return is_any;
}

/* When the log was replaced: reads what is left of the old one and goes on with the new one. */
static gboolean follow_rotation(Follow *follow)
{
    int next = open_log(follow->container, RUN_FILE_LOG);
    struct stat ours, theirs;

    if (next >= 0 &&
        (follow->log < 0 || (fstat(follow->log, &ours) == 0 && fstat(next, &theirs) == 0 &&
                             ours.st_ino != theirs.st_ino))) {
        report_rest(follow);
        if (follow->log >= 0)
            close(follow->log);
        follow->log = next;
        return TRUE;
    }
    if (next >= 0)
        close(next);
    return FALSE;
}

static gboolean is_over(const SandboxContainer *container)
{
    SandboxState state;
    gboolean is_running = FALSE;

    sandbox_state_load(container->folder, &state);
    is_running = state.is_alive && g_strcmp0(state.phase, "exited") != 0;
    sandbox_state_clear(&state);
    return !is_running;
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

static void follow_all(Follow *follow)
{
    for (;;) {
        gboolean was_over = is_over(follow->container); /* before reading: then all is written */
        gboolean is_any = report_rest(follow);

        is_any = follow_rotation(follow) || is_any;
        if (cancel_fired(follow->cancel) || (was_over && !is_any))
            return;
        if (!is_any)
            wait_for_more(follow);
    }
}

gboolean sandbox_logs_follow(Engine *self, const char *ref, guint lines, Cancel *cancel,
                             EngineBytesFunction function, void *data, GError **error)
{
    g_autoptr(SandboxContainer) container =
        sandbox_container_load(sandbox_engine(self), ref, error);
    Follow follow = {
        .container = container,
        .function = function,
        .data = data,
        .cancel = cancel,
        .log = -1,
    };
    g_autoptr(GString) past = NULL;
    gsize start = 0;

    if (!container)
        return FALSE;
    follow.notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (follow.notify >= 0) /* else we look now and then */
        inotify_add_watch(follow.notify, container->folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
    past = read_both(container, &follow.log);
    start = tail_start(past, lines, LOGS_MAX_BYTES);
    if (past->len > start)
        function(past->str + start, past->len - start, data);
    follow_all(&follow);
    if (follow.log >= 0)
        close(follow.log);
    if (follow.notify >= 0)
        close(follow.notify);
    return TRUE;
}
