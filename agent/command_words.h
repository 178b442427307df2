/* The two ways to name a program in a variable: a JSON array of strings is its argv; anything
 * else is a line for `/bin/sh -c`. */
#pragma once

#include <stdbool.h>

#define COMMAND_SHELL "/bin/sh"

/* Reads a command.
 *   argv   out: NULL-terminated; free with command_words_free()
 *   error  out: on false, a sentence; the caller frees it */
bool command_words_parse(const char *text, char ***argv, char **error);

void command_words_free(char **argv);
