#include "command_words.h"

#include "memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool parse_array(const char *text, char ***argv, char **error)
{
    json_auto_t *array = json_loads(text, 0, NULL);
    size_t count = json_array_size(array);
    json_t *word;
    size_t index;

    if (count == 0) {
        *error = memory_printf("the command is not a JSON array of strings");
        return false;
    }
    char **words = memory_new((count + 1) * sizeof *words);
    json_array_foreach(array, index, word)
    {
        if (!json_is_string(word)) {
            command_words_free(words);
            *error = memory_printf("word %zu of the command is not a string", index);
            return false;
        }
        words[index] = memory_text_dup(json_string_value(word));
    }
    *argv = words;
    return true;
}

bool command_words_parse(const char *text, char ***argv, char **error)
{
    text += strspn(text, " \t\r\n");
    if (text[0] == '[')
        return parse_array(text, argv, error);
    if (text[0] == '\0') {
        *error = memory_printf("no command is set");
        return false;
    }
    if (access(COMMAND_SHELL, X_OK) != 0) {
        *error = memory_printf("the command needs a shell, and there is no " COMMAND_SHELL
                               " here; write it as a JSON array");
        return false;
    }
    char **words = memory_new(4 * sizeof *words);
    words[0] = memory_text_dup(COMMAND_SHELL);
    words[1] = memory_text_dup("-c");
    words[2] = memory_text_dup(text);
    *argv = words;
    return true;
}

void command_words_free(char **argv)
{
    if (argv == NULL)
        return;
    for (char **word = argv; *word != NULL; word++)
        free(*word);
    free(argv);
}
