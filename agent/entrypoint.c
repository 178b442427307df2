#include "entrypoint.h"

#include "command_words.h"
#include "log.h"
#include "memory.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* SIGTERM and SIGINT reach it through process_table_signal_all() when the agent stops. */
static const int forwarded[] = {SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
#define FORWARDED_COUNT (sizeof forwarded / sizeof forwarded[0])

struct Entrypoint {
    Process *process; /* NULL once it has ended */
    struct event *signals[FORWARDED_COUNT];
};

static void on_ended(void *argument, int status)
{
    Entrypoint *entrypoint = argument;

    entrypoint->process = NULL;
    if (WIFEXITED(status))
        log_info("the image's own program has ended status=%d", WEXITSTATUS(status));
    else
        log_info("the image's own program was ended signal=%d", WTERMSIG(status));
}

static void on_signal(evutil_socket_t signal_number, short what, void *argument)
{
    Entrypoint *entrypoint = argument;
    (void)what;

    if (entrypoint->process != NULL)
        process_signal(entrypoint->process, (int)signal_number);
}

static void forward_signals(Entrypoint *entrypoint, struct event_base *base)
{
    for (size_t i = 0; i < FORWARDED_COUNT; i++) {
        entrypoint->signals[i] = evsignal_new(base, forwarded[i], on_signal, entrypoint);
        event_add(entrypoint->signals[i], NULL);
    }
}

static bool start(Entrypoint *entrypoint, ProcessTable *processes, const Config *config)
{
    char **argv = NULL;
    AUTO_FREE char *reason = NULL;
    int failure;

    if (!command_words_parse(config->child, &argv, &reason)) {
        log_error("WORKSPACE_AGENT_CHILD: %s", reason);
        return false;
    }
    const ProcessSpec spec = {
        .argv = argv,
        .input = -1,
        .output = -1,
        .errors = -1,
        .ended = on_ended,
        .argument = entrypoint,
    };
    entrypoint->process = process_spawn(processes, &spec, &failure);
    if (entrypoint->process == NULL)
        log_error("cannot start the image's own program %s: %s", argv[0], strerror(failure));
    else
        log_info("started the image's own program pid=%d",
                 (int)process_get_pid(entrypoint->process));
    command_words_free(argv);
    return entrypoint->process != NULL;
}

Entrypoint *entrypoint_new(struct event_base *base, ProcessTable *processes, const Config *config)
{
    if (config->child[0] == '\0')
        return NULL;
    Entrypoint *entrypoint = memory_new(sizeof *entrypoint);
    if (!start(entrypoint, processes, config)) {
        free(entrypoint);
        return NULL;
    }
    forward_signals(entrypoint, base);
    return entrypoint;
}

void entrypoint_free(Entrypoint *entrypoint)
{
    if (entrypoint == NULL)
        return;
    for (size_t i = 0; i < FORWARDED_COUNT; i++)
        event_free(entrypoint->signals[i]);
    free(entrypoint);
}
