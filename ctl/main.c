/* workspacectl: finds the command in the table, reads its words and options, finds the server, runs
 * it, and turns an error into a sentence and an exit status (failure.h). */
#include "commands.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fail(const GError *error, const Command *command)
{
    fflush(stdout);
    fprintf(stderr, "workspacectl: %s\n", error->message);
    if (ctl_failure_status(error) == CTL_USAGE)
        fprintf(stderr, "See 'workspacectl help%s%s'.\n", command ? " " : "",
                command ? command->name : "");
    return ctl_failure_status(error);
}

static gboolean check_words(const Command *command, const Arguments *arguments, GError **error)
{
    guint count = arguments->positions->len;

    if (count < command->words_min)
        return ctl_fail(error, CTL_USAGE, "%s needs %s", command->name, command->words);
    if (count > command->words_max)
        return ctl_fail(error, CTL_USAGE, "%s does not know what to do with '%s'", command->name,
                        arguments_position(arguments, command->words_max));
    return TRUE;
}

static gboolean run_with_server(const Command *command, Session *session, GError **error)
{
    g_autoptr(Target) target = target_find(session->arguments, error);

    if (!target)
        return FALSE;
    g_autoptr(Api) api = api_new(target);
    session->target = target;
    session->api = api;
    return command->run(session, error);
}

static gboolean run(const Command *command, const Arguments *arguments, int *status, GError **error)
{
    Session session = {
        .arguments = arguments,
        .wants_json = arguments_has(arguments, "json"),
    };

    if (arguments_has(arguments, "help")) {
        help_print(command);
        return TRUE;
    }
    if (!check_words(command, arguments, error))
        return FALSE;
    gboolean has_run = command->needs_server ? run_with_server(command, &session, error)
                                             : command->run(&session, error);
    *status = session.status;
    return has_run;
}

/* The command is the first word that is neither an option nor an option's value; it is taken out
 * of `words`. NULL when there is none. */
static const char *take_command(GPtrArray *words)
{
    for (guint i = 0; i < words->len && words->pdata[i]; i++) {
        const char *word = words->pdata[i];
        if (word[0] != '-') {
            g_ptr_array_remove_index(words, i);
            return word;
        }
        for (const Option *option = common_options; option->name; option++)
            if (option->value && strncmp(word, "--", 2) == 0 && strcmp(word + 2, option->name) == 0)
                i++; /* its value stands next */
    }
    return NULL;
}

/* Without a command there are two things to ask for. */
static int run_bare(const GPtrArray *words)
{
    const char *first = words->pdata[0];

    if (first && strcmp(first, "--version") == 0) {
        puts("workspacectl " WORKSPACED_VERSION);
        return 0;
    }
    if (first && (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0)) {
        help_print(NULL);
        return 0;
    }
    g_autoptr(GError) error = NULL;
    if (first)
        ctl_fail(&error, CTL_USAGE, "no command is given, only '%s'", first);
    else
        ctl_fail(&error, CTL_USAGE, "no command is given");
    return fail(error, NULL);
}

static int run_command(GPtrArray *words)
{
    g_autoptr(GError) error = NULL;
    const char *name = take_command(words);

    if (!name)
        return run_bare(words);
    const Command *command = command_find(name);
    if (!command) {
        ctl_fail(&error, CTL_USAGE, "there is no command '%s'", name);
        return fail(error, NULL);
    }
    g_autoptr(Arguments) arguments = arguments_parse((const char *const *)words->pdata,
                                                     common_options, command->options, &error);
    int status = 0;
    if (!arguments || !run(command, arguments, &status, &error))
        return fail(error, command);
    return status;
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();

    setlocale(LC_ALL, "");
    for (int i = 1; i < argc; i++)
        g_ptr_array_add(words, argv[i]);
    g_ptr_array_add(words, NULL);
    int status = run_command(words);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0) {
        fputs("workspacectl: cannot write the output\n", stderr);
        status = CTL_REFUSED;
    }
    return status;
}
