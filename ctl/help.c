/* The pages of `help`: made of the tables, wrapped for 80 columns. */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS       80
#define TEXT_INDENT   4
#define OPTION_INDENT 28

static const char about[] =
    "The command line of workspaced: it makes, lists, asks, watches and deletes the "
    "workspaces of a team of agents.";

static const char references[] =
    "A WORKSPACE is named by its id, by the beginning of its id, or by its name. A name counts in "
    "any case as long as one workspace only bears it.";

static const char environment[] =
    "  WORKSPACED_URL       address of the server; else the file 'url' of the data\n"
    "                       directory, else http://127.0.0.1 and the server's PORT\n"
    "  WORKSPACED_TOKEN     token to show; else the file 'admin-token' of the data\n"
    "                       directory, which opens the local server only\n"
    "  WORKSPACED_DATA_DIR  data directory of the local server; else\n"
    "                       $XDG_STATE_HOME/workspaced, as root /var/lib/workspaced\n";

static const char statuses[] = "  0  done\n"
                               "  1  the server, the agent or you said no\n"
                               "  2  the command line is wrong\n"
                               "  3  the server cannot be reached, or stopped answering\n";

/* Prints words from column `indent` on; the first line begins at column `at`. */
static void print_wrapped(const char *text, guint at, guint indent)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    guint column = at;

    for (char **word = words; *word; word++) {
        guint length = (guint)g_utf8_strlen(*word, -1);
        if (column > indent && column + 1 + length > COLUMNS) {
            putchar('\n');
            column = 0;
        }
        if (column < indent)
            printf("%*s", (int)(indent - column), "");
        else if (column > indent)
            putchar(' ');
        column = MAX(column + (column > indent ? 1 : 0), indent) + length;
        fputs(*word, stdout);
    }
    putchar('\n');
}

static void print_heading(const char *heading)
{
    printf("\n%s\n", heading);
}

static void print_option(const Option *option)
{
    g_autofree char *letter =
        option->letter ? g_strdup_printf("-%c, ", option->letter) : g_strdup("    ");
    g_autofree char *call =
        g_strdup_printf("  %s--%s%s%s", letter, option->name, option->value ? " " : "",
                        option->value ? option->value : "");
    guint at = (guint)strlen(call);

    fputs(call, stdout);
    if (at + 2 > OPTION_INDENT) {
        putchar('\n');
        at = 0;
    }
    print_wrapped(option->help, at, OPTION_INDENT);
}

static void print_options(const Option *options)
{
    for (const Option *option = options; option && option->name; option++)
        print_option(option);
}

static void print_overview(void)
{
    fputs("Usage: workspacectl COMMAND [WORDS] [OPTIONS]\n\n", stdout);
    print_wrapped(about, 0, 0);
    print_heading("Commands:");
    for (const Command *command = commands; command->name; command++) {
        printf("  %-12s", command->name);
        print_wrapped(command->summary, 14, 14);
    }
    print_heading("Options of every command:");
    print_options(common_options);
    print_heading("Workspaces:");
    print_wrapped(references, 0, 2);
    print_heading("Environment:");
    fputs(environment, stdout);
    print_heading("Exit status:");
    fputs(statuses, stdout);
    fputs("\n'workspacectl help COMMAND' tells more of a command.\n", stdout);
}

static void print_paragraphs(const char *text)
{
    g_auto(GStrv) paragraphs = g_strsplit(text, "\n", -1);

    for (char **paragraph = paragraphs; *paragraph; paragraph++) {
        if (paragraph > paragraphs)
            putchar('\n');
        print_wrapped(*paragraph, 0, TEXT_INDENT);
    }
}

static void print_lines(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++)
        printf("%*s%s\n", TEXT_INDENT, "", *line);
}

static void print_page(const Command *command)
{
    fputs("NAME\n", stdout);
    printf("%*sworkspacectl %s -", TEXT_INDENT, "", command->name);
    print_wrapped(command->summary, TEXT_INDENT + 15 + (guint)strlen(command->name), TEXT_INDENT);
    print_heading("SYNOPSIS");
    printf("%*sworkspacectl %s%s%s%s\n", TEXT_INDENT, "", command->name, *command->words ? " " : "",
           command->words, " [OPTIONS]");
    if (command->description) {
        print_heading("DESCRIPTION");
        print_paragraphs(command->description);
    }
    print_heading("OPTIONS");
    print_options(command->options);
    print_options(common_options);
    if (command->examples) {
        print_heading("EXAMPLES");
        print_lines(command->examples);
    }
    print_heading("ENVIRONMENT");
    fputs(environment, stdout);
    print_heading("EXIT STATUS");
    fputs(statuses, stdout);
}

void help_print(const Command *command)
{
    if (command)
        print_page(command);
    else
        print_overview();
}

gboolean help_run(Session *session, GError **error)
{
    const char *name = arguments_position(session->arguments, 0);
    const Command *command = name ? command_find(name) : NULL;

    if (name && !command)
        return ctl_fail(error, CTL_USAGE, "there is no command '%s'", name);
    help_print(command);
    return TRUE;
}
