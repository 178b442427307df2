#include "commands.h"

#include <string.h>

const Option common_options[] = {
    {.name = "url", .value = "URL", .help = "address of the server"},
    {.name = "token",
     .value = "TOKEN",
     .help = "token to show; others on this machine can see it in the list of processes, so "
             "WORKSPACED_TOKEN is better"},
    {.name = "data-dir",
     .value = "PATH",
     .choices = "@file",
     .help = "data directory of a local server, for its address and token"},
    {.name = "json", .help = "print JSON for programs in place of text for people"},
    {.name = "help", .letter = 'h', .help = "print this page"},
    {0},
};

const Command commands[] = {
    {
        .name = "list",
        .words = "",
        .summary = "show the workspaces as a tree",
        .description =
            "Shows every workspace that is not removed, each below the one it belongs to, with "
            "the beginning of its id, its status, role, runtime and address.\n"
            "With --json it prints the server's list as it is.",
        .examples = "workspacectl list\n"
                    "workspacectl list --json | jq -r '.[] | select(.status==\"failed\").name'",
        .options = list_options,
        .needs_server = TRUE,
        .run = list_run,
    },
    {
        .name = "create",
        .words = "NAME",
        .words_min = 1,
        .words_max = 1,
        .summary = "make a workspace and start its agent",
        .description =
            "Makes a workspace, prints its id, and returns while the server starts it. With --wait "
            "it returns when its agent is online, and fails with the reason when it does not "
            "start.\n"
            "Without an image the agent runs in the server's own small base image. Any image "
            "becomes a workspace by --executor or --command: the built-in agent is put into it and "
            "runs COMMAND for each message, the message on its standard input, the answer on its "
            "standard output.\n"
            "With --json it prints the server's answer, with --wait the workspace once it is "
            "online.",
        .examples = "workspacectl create Scout --wait\n"
                    "workspacectl create Coder --parent Lead --image node:22 \\\n"
                    "    --command 'claude -p' --secret ANTHROPIC_API_KEY --role 'writes code'",
        .options = create_options,
        .needs_server = TRUE,
        .run = create_run,
    },
    {
        .name = "chat",
        .words = "WORKSPACE [MESSAGE...]",
        .words_min = 1,
        .words_max = G_MAXUINT,
        .word_choices = "@workspace",
        .summary = "talk to a workspace's agent",
        .description =
            "Sends MESSAGE and prints the answer as it comes. '-' in its place, or a standard "
            "input "
            "that is no terminal, is read to its end and sent as one message. Without a message on "
            "a terminal it asks for one after the other, all in one conversation, until Ctrl-D.\n"
            "Ctrl-C cancels the agent's work on the message; a second one stops waiting for it. A "
            "busy agent's message is queued by the server; that is said, and counts as done.\n"
            "With --json it prints the agent's JSON-RPC answers, one a line.",
        .examples = "workspacectl chat Scout 'What is new?'\n"
                    "git diff | workspacectl chat Reviewer\n"
                    "workspacectl chat Scout",
        .options = chat_options,
        .needs_server = TRUE,
        .run = chat_run,
    },
    {
        .name = "logs",
        .words = "WORKSPACE",
        .words_min = 1,
        .words_max = 1,
        .word_choices = "@workspace",
        .summary = "show what a workspace's container printed",
        .description =
            "Prints the last lines of the container's standard output and standard error. With "
            "--follow it goes on until Ctrl-C or until the container ends.\n"
            "With --json each line is an object with workspace_id and line.",
        .examples = "workspacectl logs -n 50 Scout\n"
                    "workspacectl logs -f Scout | grep error",
        .options = logs_options,
        .needs_server = TRUE,
        .run = logs_run,
    },
    {
        .name = "delete",
        .words = "WORKSPACE",
        .words_min = 1,
        .words_max = 1,
        .word_choices = "@workspace",
        .summary = "delete a workspace and its container",
        .description =
            "Asks first, and names what stands below the workspace, because that goes with it. "
            "--yes does not ask; then a workspace with a team is deleted with --cascade only.\n"
            "The record of a deleted workspace stays for the history until it is deleted with "
            "--purge, for which the whole id must be given if it is removed already.\n"
            "With --json it prints the server's answer.",
        .examples = "workspacectl delete Scout\n"
                    "workspacectl delete --yes --cascade Lead",
        .options = delete_options,
        .needs_server = TRUE,
        .run = delete_run,
    },
    {
        .name = "events",
        .words = "[WORKSPACE]",
        .words_max = 1,
        .word_choices = "@workspace",
        .summary = "show what happened, and what happens",
        .description =
            "Prints the last events of the log, oldest first, of all workspaces or of one. With "
            "--follow it goes on with every new event until Ctrl-C, through restarts of the "
            "server; "
            "among those are passing ones (tasks, messages) that the log does not keep.\n"
            "With --json each line is an object with event, workspace_id, timestamp and payload.",
        .examples = "workspacectl events -n 100\n"
                    "workspacectl events -f Scout --json",
        .options = events_options,
        .needs_server = TRUE,
        .run = events_run,
    },
    {
        .name = "open",
        .words = "",
        .summary = "print the link that signs a browser in",
        .description =
            "Prints the address of the web canvas with the token behind the #, where a browser "
            "does not send it to any server. Whoever has the link may do what the token may.",
        .examples = "xdg-open \"$(workspacectl open)\"",
        .needs_server = TRUE,
        .run = open_run,
    },
    {
        .name = "token",
        .words = "",
        .summary = "print the token in use, and where it is read",
        .description = "Prints the token on standard output and where it was found on standard "
                       "error. With --json both are members of one object.",
        .examples = "curl -H \"Authorization: Bearer $(workspacectl token)\" \\\n"
                    "    http://127.0.0.1:8080/workspaces",
        .needs_server = TRUE,
        .run = token_run,
    },
    {
        .name = "completion",
        .words = "bash|zsh|fish",
        .words_min = 1,
        .words_max = 1,
        .word_choices = "bash zsh fish",
        .summary = "print a completion script for a shell",
        .description = "Names of workspaces are completed, too; they are asked from the server at "
                       "that moment.",
        .examples = "source <(workspacectl completion bash)\n"
                    "workspacectl completion zsh > \"${fpath[1]}/_workspacectl\"\n"
                    "workspacectl completion fish > ~/.config/fish/completions/workspacectl.fish",
        .run = completion_run,
    },
    {
        .name = "help",
        .words = "[COMMAND]",
        .words_max = 1,
        .word_choices = "list create chat logs delete events open token completion",
        .summary = "print the page of a command",
        .run = help_run,
    },
    {0},
};

const Command *command_find(const char *name)
{
    for (const Command *command = commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}
