#include "standby.h"

#include "log.h"
#include "memory.h"
#include "standby_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_AGAIN_MS   5000 /* should the kernel's notice be lost */
#define LOOK_POLL_MS    10   /* where there are no notices */
#define EVENT_BYTES_MAX 4096

static char *path_in(const char *folder, const char *name)
{
    return memory_printf("%s/%s", folder, name);
}

bool standby_is_wanted(void)
{
    const char *value = getenv(STANDBY_VARIABLE);

    return value != NULL && strcmp(value, "1") == 0;
}

void standby_discard(const char *config_path)
{
    AUTO_FREE char *environment = path_in(config_path, STANDBY_ENVIRONMENT);
    AUTO_FREE char *assigned = path_in(config_path, STANDBY_ASSIGNED);

    unlink(environment);
    unlink(assigned);
}

/* Taking over */

/* A regular file of at most the maximum, with a NUL behind it; NULL when it is not (logged). The
 * caller frees it. */
static char *read_environment(const char *path, size_t *length)
{
    struct stat info;
    size_t done = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (file < 0 || fstat(file, &info) != 0 || !S_ISREG(info.st_mode) ||
        info.st_size > STANDBY_ENVIRONMENT_MAX) {
        log_error("the environment of the workspace cannot be used: %s", strerror(errno));
        if (file >= 0)
            close(file);
        return NULL;
    }
    char *text = memory_new((size_t)info.st_size + 1);
    while (done < (size_t)info.st_size) {
        ssize_t count = read(file, text + done, (size_t)info.st_size - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        done += (size_t)count;
    }
    close(file);
    *length = done;
    return text;
}

static void apply_environment(char *text, size_t length)
{
    for (char *entry = text; entry < text + length; entry += strlen(entry) + 1) {
        char *equals = strchr(entry, '=');

        if (equals == NULL || equals == entry)
            continue;
        *equals = '\0';
        if (setenv(entry, equals + 1, 1) != 0)
            log_warning("a variable could not be set");
        *equals = '='; /* the walk goes on behind the whole entry */
    }
    unsetenv(STANDBY_VARIABLE);
    unsetenv(STANDBY_KEY_VARIABLE);
}

static StandbyEnd take_over(const char *config_path)
{
    AUTO_FREE char *path = path_in(config_path, STANDBY_ENVIRONMENT);
    size_t length = 0;
    AUTO_FREE char *text = read_environment(path, &length);

    unlink(path);
    if (text == NULL)
        return STANDBY_FAILED;
    apply_environment(text, length);
    explicit_bzero(text, length);
    log_info("taken by a workspace");
    return STANDBY_TAKEN;
}

/* Waiting */

typedef struct {
    StandbyWire *wire; /* NULL: nobody can send us anything */
    int signals;       /* -1: cannot be had */
    int notices;       /* -1: this folder gives none */
    sigset_t blocked, former;
} Wait;

/* As process 1 nobody stops us unless we ask to be told. */
static void wait_begin(Wait *wait, const char *config_path)
{
    sigemptyset(&wait->blocked);
    sigaddset(&wait->blocked, SIGTERM);
    sigaddset(&wait->blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &wait->blocked, &wait->former);
    wait->wire = standby_wire_new();
    wait->signals = signalfd(-1, &wait->blocked, SFD_CLOEXEC | SFD_NONBLOCK);
    wait->notices = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (wait->notices >= 0 &&
        inotify_add_watch(wait->notices, config_path,
                          IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_ATTRIB) < 0) {
        close(wait->notices);
        wait->notices = -1;
    }
}

static void wait_end(Wait *wait)
{
    standby_wire_free(wait->wire);
    if (wait->signals >= 0)
        close(wait->signals);
    if (wait->notices >= 0)
        close(wait->notices);
    sigprocmask(SIG_SETMASK, &wait->former, NULL);
}

static void drain(int notices)
{
    char events[EVENT_BYTES_MAX];

    while (notices >= 0 && read(notices, events, sizeof events) > 0)
        ;
}

typedef enum { NEWS_NONE, NEWS_SIGNAL, NEWS_PEER } News;

static News wait_once(const Wait *wait)
{
    struct pollfd what[] = {
        {.fd = wait->signals, .events = POLLIN},
        {.fd = wait->notices, .events = POLLIN},
        {.fd = wait->wire != NULL ? standby_wire_descriptor(wait->wire) : -1, .events = POLLIN},
    };
    struct signalfd_siginfo signal;

    poll(what, sizeof what / sizeof what[0], wait->notices >= 0 ? LOOK_AGAIN_MS : LOOK_POLL_MS);
    drain(wait->notices);
    /* Read, so that it is not delivered when signals are let through again. */
    if (wait->signals >= 0 && read(wait->signals, &signal, sizeof signal) > 0)
        return NEWS_SIGNAL;
    return (what[2].revents & POLLIN) != 0 ? NEWS_PEER : NEWS_NONE;
}

/* A mark without the environment is that of an earlier run. */
static bool is_assigned(const char *config_path)
{
    AUTO_FREE char *assigned = path_in(config_path, STANDBY_ASSIGNED);
    AUTO_FREE char *environment = path_in(config_path, STANDBY_ENVIRONMENT);

    return access(assigned, F_OK) == 0 && access(environment, F_OK) == 0;
}

static bool take_from_wire(StandbyWire *wire, const char *config_path)
{
    char *text = NULL;
    size_t length = 0;

    if (!standby_wire_serve(wire, config_path, &text, &length))
        return false;
    apply_environment(text, length);
    explicit_bzero(text, length);
    free(text);
    log_info("taken by a workspace");
    return true;
}

/* The folder is watched before the first look, so nothing falls in between. */
static StandbyEnd wait_for_workspace(Wait *wait, const char *config_path)
{
    while (!is_assigned(config_path)) {
        News news = wait_once(wait);
        if (news == NEWS_SIGNAL)
            return STANDBY_STOPPED;
        if (news == NEWS_PEER && take_from_wire(wait->wire, config_path))
            return STANDBY_TAKEN;
    }
    return take_over(config_path);
}

StandbyEnd standby_wait(const char *config_path)
{
    Wait wait;

    wait_begin(&wait, config_path);
    log_info("standing by version=" WORKSPACE_AGENT_VERSION);
    StandbyEnd end = wait_for_workspace(&wait, config_path);
    if (end == STANDBY_STOPPED)
        log_info("stopped while standing by");
    wait_end(&wait);
    return end;
}
