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
            "--follow it goes on until Ctrl-C or until the container ends. The lines of a "
            "container "
            "that is gone are kept; with --previous they are shown although a new one runs.\n"
            "With --json each line is an object with workspace_id and line.",
        .examples = "workspacectl logs -n 50 Scout\n"
                    "workspacectl logs -f Scout | grep error",
        .options = logs_options,
        .needs_server = TRUE,
        .run = logs_run,
    },
    {
        .name = "status",
        .words = "WORKSPACE",
        .words_min = 1,
        .words_max = 1,
        .word_choices = "@workspace",
        .summary = "show one workspace, and why it does not run",
        .description =
            "Prints what the list says of it; when it does not run, also the reason, what to do "
            "about it, the exit code of its container and the end of its log.\n"
            "With --json it prints the workspace's object; its member failure is null when nothing "
            "failed.",
        .examples = "workspacectl status Scout\n"
                    "workspacectl status Scout --json | jq -r .failure.reason",
        .needs_server = TRUE,
        .run = status_run,
    },
    {
        .name = "restart",
        .words = "WORKSPACE",
        .words_min = 1,
        .words_max = 1,
        .word_choices = "@workspace",
        .summary = "make a workspace's container anew",
        .description =
            "Takes its container away and starts a new one on the same volumes; a paused or "
            "sleeping workspace is started, too. Without an option its configuration stays.\n"
            "With --json it prints the server's answer.",
        .examples = "workspacectl restart Scout",
        .options = restart_options,
        .needs_server = TRUE,
        .run = restart_run,
    },
    {
        .name = "pause",
        .words = "WORKSPACE",
        .words_min = 1,
        .words_max = 1,
        .word_choices = "@workspace",
        .summary = "stop a workspace and all below it until it is resumed",
        .description = "Takes the containers away; volumes and configuration stay.\n"
                       "With --json it prints the server's answer.",
        .examples = "workspacectl pause Lead",
        .needs_server = TRUE,
        .run = pause_run,
    },
    {
        .name = "resume",
        .words = "WORKSPACE",
        .words_min = 1,
        .words_max = 1,
        .word_choices = "@workspace",
        .summary = "start a paused workspace and all paused below it",
        .description = "With --json it prints the server's answer.",
        .examples = "workspacectl resume Lead",
        .needs_server = TRUE,
        .run = resume_run,
    },
    {
        .name = "hibernate",
        .words = "WORKSPACE",
        .words_min = 1,
        .words_max = 1,
        .word_choices = "@workspace",
        .summary = "let a workspace sleep until a message wakes it",
        .description = "With --json it prints the server's answer.",
        .examples = "workspacectl hibernate Scout",
        .options = hibernate_options,
        .needs_server = TRUE,
        .run = hibernate_run,
    },
    {
        .name = "doctor",
        .words = "",
        .summary = "say what differs between wish and reality, why, and what to do",
        .description =
            "Asks the server whether it is ready, whether its loops turn, what is wished of each "
            "workspace and what is so, and what is left over in the engine. On the server's own "
            "machine it also looks at the data directory, the space on its disk, and the Docker "
            "socket.\n"
            "Its exit status is 0 when all is as wished, 1 when something differs, 2 when the "
            "server cannot be asked.\n"
            "With --json it prints one object with status, server, error and findings.",
        .examples =
            "workspacectl doctor\n"
            "workspacectl doctor --json | jq '.findings[] | select(.level==\"difference\")'",
        .needs_server = TRUE,
        .run = doctor_run,
    },
    {
        .name = "adopt",
        .words = "",
        .summary = "give to workspaces the containers and volumes of a former server",
        .description =
            "Containers and volumes without labels that have exactly the names of workspaces here "
            "are the server's from then on; with --installation those that carry that "
            "installation's label. What runs is kept until its next restart. A workspace that has "
            "containers or volumes of its own gets nothing. It asks first.\n"
            "Only do this when the server that made them runs no more.\n"
            "With --json it prints the server's answer.",
        .examples = "workspacectl adopt --dry-run\n"
                    "workspacectl adopt --installation 5d0c3f7e-3c36-4d4e-9a3e-4a1f0c8f9b51 --yes",
        .options = adopt_options,
        .needs_server = TRUE,
        .run = adopt_run,
    },
    {
        .name = "reap",
        .words = "",
        .summary = "remove what the server left over in the engine",
        .description =
            "Removes at once the containers and volumes that carry the server's label and that no "
            "workspace wants; the server would do so by itself later. It asks first. What does not "
            "carry the label is never touched. The volumes of deleted workspaces that the server "
            "was told to keep for a while stay, but for --kept.\n"
            "With --json it prints the server's answer.",
        .examples = "workspacectl reap --dry-run\n"
                    "workspacectl reap --yes",
        .options = reap_options,
        .needs_server = TRUE,
        .run = reap_run,
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
        .word_choices = "list create chat logs status restart pause resume hibernate doctor adopt "
                        "reap delete events "
                        "open token completion",
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
