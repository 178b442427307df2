/* `completion`: scripts for shells, made of the tables. Names of workspaces are asked for at the
 * moment of completion, with `list --names`, and nothing is offered when the server is away. */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#define NAMES_CALL "workspacectl list --names 2>/dev/null"

static gboolean is_workspace(const char *choices)
{
    return g_strcmp0(choices, "@workspace") == 0;
}

static gboolean is_file(const char *choices)
{
    return g_strcmp0(choices, "@file") == 0;
}

/* Text inside single quotes of a shell. */
static void print_quoted(const char *text)
{
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
}

/* Calls `visit` for the options of a command and for the common ones. */
static void each_option(const Command *command,
                        void (*visit)(const Command *command, const Option *option))
{
    for (const Option *option = command->options; option && option->name; option++)
        visit(command, option);
    for (const Option *option = common_options; option->name; option++)
        visit(command, option);
}

/* ---- bash ---- */

static void bash_option_name(const Command *command, const Option *option)
{
    (void)command;
    printf(" --%s", option->name);
}

static void bash_value(const Command *command, const Option *option)
{
    if (!option->value)
        return;
    printf("    %s:--%s", command->name, option->name);
    if (option->letter)
        printf("|%s:-%c", command->name, option->letter);
    fputs(") ", stdout);
    if (is_workspace(option->choices))
        fputs("_workspacectl_names; return", stdout);
    else if (is_file(option->choices))
        fputs("COMPREPLY=($(compgen -f -- \"$word\")); return", stdout);
    else if (option->choices)
        printf("COMPREPLY=($(compgen -W '%s' -- \"$word\")); return", option->choices);
    else
        fputs("return", stdout);
    fputs(" ;;\n", stdout);
}

static void bash_command(const Command *command)
{
    printf("    %s)\n      options='", command->name);
    each_option(command, bash_option_name);
    fputs("'\n", stdout);
    if (is_workspace(command->word_choices))
        fputs("      [[ $word != -* ]] && { _workspacectl_names; return; }\n", stdout);
    else if (command->word_choices)
        printf("      [[ $word != -* ]] && { COMPREPLY=($(compgen -W '%s' -- \"$word\")); "
               "return; }\n",
               command->word_choices);
    fputs("      ;;\n", stdout);
}

static void print_bash(void)
{
    fputs("# bash completion for workspacectl:\n"
          "#   workspacectl completion bash > /etc/bash_completion.d/workspacectl\n"
          "_workspacectl_names() {\n"
          "  local IFS=$'\\n' name\n"
          "  COMPREPLY=()\n"
          "  for name in $(" NAMES_CALL "); do\n"
          "    [[ $name == \"$word\"* ]] && COMPREPLY+=(\"$(printf '%q' \"$name\")\")\n"
          "  done\n"
          "}\n"
          "_workspacectl() {\n"
          "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
          "  local command=${COMP_WORDS[1]} options=''\n"
          "  COMPREPLY=()\n"
          "  if ((COMP_CWORD == 1)); then\n"
          "    COMPREPLY=($(compgen -W '",
          stdout);
    for (const Command *command = commands; command->name; command++)
        printf("%s ", command->name);
    fputs("--help --version' -- \"$word\"))\n    return\n  fi\n  case $command:$before in\n",
          stdout);
    for (const Command *command = commands; command->name; command++)
        each_option(command, bash_value);
    fputs("  esac\n  case $command in\n", stdout);
    for (const Command *command = commands; command->name; command++)
        bash_command(command);
    fputs("  esac\n"
          "  COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
          "}\n"
          "complete -F _workspacectl workspacectl\n",
          stdout);
}

/* ---- zsh ---- */

static void zsh_action(const char *choices)
{
    if (is_workspace(choices))
        fputs("_workspacectl_names", stdout);
    else if (is_file(choices))
        fputs("_files", stdout);
    else if (choices)
        printf("(%s)", choices);
}

/* Help inside `[...]` of _arguments: brackets and colons have a meaning there. */
static void zsh_help(const char *help)
{
    g_autofree char *first = g_strndup(help, strcspn(help, ";"));
    g_auto(GStrv) parts = g_strsplit_set(first, "[]:", -1);
    g_autofree char *plain = g_strjoinv(" ", parts);

    print_quoted(g_strstrip(plain));
}

static void zsh_one(const Option *option, const char *dashes, const char *name)
{
    printf(" \\\n        '%s%s%s%s[", option->is_repeatable ? "*" : "", dashes, name,
           !option->value     ? ""
           : strlen(name) > 1 ? "="
                              : "+");
    zsh_help(option->help);
    fputc(']', stdout);
    if (option->value) {
        printf(":%s:", option->value);
        zsh_action(option->choices);
    }
    fputc('\'', stdout);
}

static void zsh_option(const Command *command, const Option *option)
{
    const char letter[2] = {option->letter, '\0'};
    (void)command;

    zsh_one(option, "--", option->name);
    if (option->letter)
        zsh_one(option, "-", letter);
}

static void zsh_command(const Command *command)
{
    printf("    %s)\n      _arguments -s", command->name);
    each_option(command, zsh_option);
    if (command->word_choices) {
        fputs(" \\\n        '1: :", stdout);
        zsh_action(command->word_choices);
        fputc('\'', stdout);
    }
    fputs(" ;;\n", stdout);
}

static void print_zsh(void)
{
    fputs("#compdef workspacectl\n"
          "# zsh completion for workspacectl: put it as _workspacectl into a folder of $fpath.\n"
          "_workspacectl_names() {\n"
          "  local -a names\n"
          "  names=(\"${(@f)$(" NAMES_CALL ")}\")\n"
          "  compadd -a names\n"
          "}\n"
          "_workspacectl() {\n"
          "  if ((CURRENT == 2)); then\n"
          "    local -a all\n"
          "    all=(\n",
          stdout);
    for (const Command *command = commands; command->name; command++) {
        printf("      '%s:", command->name);
        print_quoted(command->summary);
        fputs("'\n", stdout);
    }
    fputs("    )\n"
          "    _describe command all\n"
          "    return\n"
          "  fi\n"
          "  local command=$words[2]\n"
          "  shift words\n"
          "  ((CURRENT--))\n"
          "  case $command in\n",
          stdout);
    for (const Command *command = commands; command->name; command++)
        zsh_command(command);
    fputs("  esac\n"
          "}\n"
          "if [[ $funcstack[1] == _workspacectl ]]; then\n"
          "  _workspacectl \"$@\"\n"
          "else\n"
          "  compdef _workspacectl workspacectl\n"
          "fi\n",
          stdout);
}

/* ---- fish ---- */

static void fish_action(const char *choices)
{
    if (is_workspace(choices))
        fputs(" -xa '(" NAMES_CALL ")'", stdout);
    else if (is_file(choices))
        fputs(" -rF", stdout);
    else if (choices)
        printf(" -xa '%s'", choices);
}

static void fish_option(const Command *command, const Option *option)
{
    g_autofree char *help = g_strndup(option->help, strcspn(option->help, ";"));

    printf("complete -c workspacectl -n '__fish_seen_subcommand_from %s' -l %s", command->name,
           option->name);
    if (option->letter)
        printf(" -s %c", option->letter);
    if (option->value && !option->choices)
        fputs(" -x", stdout);
    fish_action(option->choices);
    fputs(" -d '", stdout);
    print_quoted(help);
    fputs("'\n", stdout);
}

static void print_fish(void)
{
    fputs("# fish completion for workspacectl:\n"
          "#   workspacectl completion fish > ~/.config/fish/completions/workspacectl.fish\n"
          "complete -c workspacectl -f\n",
          stdout);
    for (const Command *command = commands; command->name; command++) {
        printf("complete -c workspacectl -n __fish_use_subcommand -a %s -d '", command->name);
        print_quoted(command->summary);
        fputs("'\n", stdout);
        if (command->word_choices) {
            printf("complete -c workspacectl -n '__fish_seen_subcommand_from %s'", command->name);
            fish_action(command->word_choices);
            fputc('\n', stdout);
        }
        each_option(command, fish_option);
    }
}

gboolean completion_run(Session *session, GError **error)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    const char *shell = arguments_position(session->arguments, 0);

    for (guint i = 0; i < G_N_ELEMENTS(shells); i++)
        if (strcmp(shells[i].shell, shell) == 0) {
            shells[i].print();
            return TRUE;
        }
    return ctl_fail(error, CTL_USAGE,
                    "there is no completion for '%s', only for bash, zsh and fish", shell);
}
