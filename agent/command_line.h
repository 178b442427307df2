/* What was asked for on the command line. */
#pragma once

typedef enum { ACTION_SERVE, ACTION_ASK, ACTION_PEERS, ACTION_VERSION, ACTION_HELP } Action;

typedef struct {
    Action action;
    const char *peer; /* of ask; borrowed from argv */
    char *text;       /* of ask; owned */
} CommandLine;

/* Reads the arguments. Returns 0, or -1 after a word on standard error. The caller frees `text`. */
int command_line_parse(int argc, char **argv, CommandLine *out);

/* Prints the manual. */
void command_line_print_help(void);
