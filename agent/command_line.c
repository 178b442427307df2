#include "command_line.h"

#include "config.h"
#include "memory.h"
#include "text_buffer.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX_BYTES (4 * 1024 * 1024) /* above what the kernel passes in arguments */

static const char help[] =
    "workspace-agent: the small agent that lives inside a workspace\n"
    "\n"
    "  workspace-agent                      serve (this is what the container runs)\n"
    "  workspace-agent ask PEER TEXT...     send a message to a peer, print its answer\n"
    "                                       PEER: id or name; TEXT \"-\": standard input\n"
    "  workspace-agent peers                list the peers: id<TAB>name<TAB>status\n"
    "  workspace-agent --version | --help\n"
    "\n"
    "Environment (default in brackets):\n"
    "  WORKSPACE_ID                       id of the workspace\n"
    "  PLATFORM_URL, else MOLECULE_URL    the server; unset: serve without registering\n"
    "  WORKSPACE_CONFIG_PATH              folder of the token file .auth_token [/configs]\n"
    "  WORKSPACE_NAME                     name on the agent card [the id]\n"
    "  MOLECULE_AGENT_ROLE                description on the agent card [the name]\n"
    "  WORKSPACE_AGENT_LISTEN             IP address, or unix:/path [0.0.0.0]\n"
    "  WORKSPACE_AGENT_PORT               port; 0: any free one [8000]\n"
    "  WORKSPACE_AGENT_URL                URL to register [http://$HOSTNAME:port]\n"
    "  WORKSPACE_AGENT_EXECUTOR           echo, or command [echo]\n"
    "  WORKSPACE_AGENT_COMMAND            for command: a JSON array of words, or a line for\n"
    "                                     /bin/sh -c\n"
    "  WORKSPACE_AGENT_CHILD              another program to run beside the agent, likewise\n"
    "  WORKSPACE_AGENT_CA_FILE            certificates to trust for https [the image's]\n"
    "  WORKSPACE_AGENT_HEARTBEAT_SECONDS  [30]\n"
    "  WORKSPACE_AGENT_TASK_SECONDS       longest run of a command; 0: no limit [21600]\n"
    "  WORKSPACE_AGENT_REFUSAL_SECONDS    a refused token is tried at least so long [60]\n"
    "  WORKSPACE_AGENT_ASK_SECONDS        longest wait of ask [1800]\n"
    "  WORKSPACE_AGENT_STANDBY            1: wait until the server names the workspace [0]\n"
    "\n"
    "A command gets the message on standard input, answers on standard output, and finds\n"
    "A2A_CONTEXT_ID (the conversation), A2A_MESSAGE_ID, A2A_TASK_ID and WORKSPACE_AGENT_BIN\n"
    "(this program) in its environment. A status other than 0 fails the task, with the end of\n"
    "standard error as the reason. What it leaves running in its process group is killed.\n"
    "\n"
    "Exit status: 0 stopped, or the workspace is gone; 77 the server refuses the token for\n"
    "good; 78 wrong settings; ask and peers: 0 done, 1 failed; 64 wrong arguments.\n";

void command_line_print_help(void)
{
    fputs(help, stdout);
}

static int refuse(const char *reason)
{
    fprintf(stderr, "workspace-agent: %s; see workspace-agent --help\n", reason);
    return -1;
}

/* The words of a message may come as one argument or as several. */
static char *join(char *const *words, int count)
{
    TextBuffer text;

    text_buffer_init(&text, TEXT_MAX_BYTES);
    for (int i = 0; i < count; i++)
        if ((i > 0 && !text_buffer_append(&text, " ", 1)) ||
            !text_buffer_append(&text, words[i], strlen(words[i])))
            break;
    return text.data != NULL ? text.data : memory_text_dup("");
}

static int parse_ask(int argc, char **argv, CommandLine *out)
{
    if (argc < 4)
        return refuse("ask needs a peer and a text");
    out->action = ACTION_ASK;
    out->peer = argv[2];
    out->text = join(argv + 3, argc - 3);
    return 0;
}

int command_line_parse(int argc, char **argv, CommandLine *out)
{
    static const struct {
        const char *word;
        Action action;
    } words[] = {
        {"serve", ACTION_SERVE}, {"peers", ACTION_PEERS}, {"--version", ACTION_VERSION},
        {"--help", ACTION_HELP}, {"-h", ACTION_HELP},     {"help", ACTION_HELP},
    };

    *out = (CommandLine){.action = ACTION_SERVE};
    if (argc < 2)
        return 0;
    if (strcmp(argv[1], "ask") == 0)
        return parse_ask(argc, argv, out);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(argv[1], words[i].word) == 0) {
            out->action = words[i].action;
            return argc == 2 ? 0 : refuse("too many arguments");
        }
    return refuse("unknown command");
}
