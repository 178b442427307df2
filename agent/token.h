/* The workspace's token: the file `.auth_token` in the configuration folder, which the server
 * writes before the start and may replace at any time, or which we write when a registration
 * hands a token out. Source: spec 02, section 16; spec 04, section 7.1. */
#pragma once

#include <stdbool.h>

#define TOKEN_MAX_BYTES 512 /* the server's own have 43 */

typedef struct {
    char *path;
    char *value; /* "" while there is none */
} Token;

/* Reads the file of `config_path`. */
void token_init(Token *token, const char *config_path);
void token_clear(Token *token);

/* Reads the file again. True when another token stands there now; an absent, unreadable or empty
 * file changes nothing. */
bool token_reload(Token *token);

/* Takes a new token and replaces the file at once and whole, mode 0600. False when the file could
 * not be written (logged); the token is used all the same. */
bool token_store(Token *token, const char *value);

/* Whether a text can be sent in a header: not empty, not too long, visible ASCII only. */
bool token_is_valid(const char *value);
