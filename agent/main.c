/* workspace-agent: one static program, copied into any container and made its entry point.
 * ARCHITECTURE section 7. */
#include "client_commands.h"
#include "command_line.h"
#include "config.h"
#include "log.h"
#include "memory.h"
#include "serve.h"
#include "standby.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXIT_WRONG_ARGUMENTS 64 /* EX_USAGE */

/* A descriptor 0, 1 or 2 that is closed would become a socket of ours, and then a command's
 * standard stream. */
static void open_standard_streams(void)
{
    int descriptor;

    do
        descriptor = open("/dev/null", O_RDWR);
    while (descriptor >= 0 && descriptor <= STDERR_FILENO);
    if (descriptor > STDERR_FILENO)
        close(descriptor);
}

static int run(const CommandLine *line, const Config *config)
{
    switch (line->action) {
    case ACTION_ASK:
        return client_ask(config, line->peer, line->text);
    case ACTION_PEERS:
        return client_peers(config);
    default:
        return serve(config);
    }
}

/* Only a later start finds its settings in the environment; one that stands by gets them. */
static StandbyEnd stand_by(const CommandLine *line, bool *was_handed_over)
{
    const char *folder = getenv("WORKSPACE_CONFIG_PATH");

    *was_handed_over = line->action == ACTION_SERVE && standby_is_wanted();
    return *was_handed_over
               ? standby_wait(folder != NULL && folder[0] != '\0' ? folder : "/configs")
               : STANDBY_TAKEN;
}

static int run_configured(const CommandLine *line)
{
    Config config;
    AUTO_FREE char *error = NULL;
    int status = EXIT_BAD_CONFIG;
    bool was_handed_over = false;
    StandbyEnd end = stand_by(line, &was_handed_over);

    if (end != STANDBY_TAKEN)
        return end == STANDBY_STOPPED ? EXIT_SUCCESS : EXIT_BAD_CONFIG;
    if (config_load(&config, &error)) {
        config.beats_at_once = was_handed_over;
        if (line->action == ACTION_SERVE && !was_handed_over)
            standby_discard(config.config_path);
        status = run(line, &config);
    } else {
        log_error("%s", error);
    }
    config_clear(&config);
    return status;
}

int main(int argc, char **argv)
{
    CommandLine line;

    open_standard_streams();
    signal(SIGPIPE, SIG_IGN); /* also for ask: a broken connection is an error like others */
    memory_install();
    if (command_line_parse(argc, argv, &line) != 0)
        return EXIT_WRONG_ARGUMENTS;
    int status = EXIT_SUCCESS;
    if (line.action == ACTION_HELP)
        command_line_print_help();
    else if (line.action == ACTION_VERSION)
        puts("workspace-agent " WORKSPACE_AGENT_VERSION);
    else
        status = run_configured(&line);
    free(line.text);
    return status;
}
