#include "token.h"

#include "log.h"
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool token_is_valid(const char *value)
{
    size_t length = strlen(value);

    if (length == 0 || length > TOKEN_MAX_BYTES)
        return false;
    for (size_t i = 0; i < length; i++)
        if (value[i] <= ' ' || value[i] >= 0x7f)
            return false;
    return true;
}

static bool read_file(const char *path, char *text, size_t size_bytes)
{
    /* Not blocking: a fifo put in the file's place must not stop us. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            log_warning("cannot read the token file: %s", strerror(errno));
        return false;
    }
    ssize_t length = read(file, text, size_bytes - 1);
    close(file);
    if (length < 0)
        return false;
    text[length] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    return true;
}

bool token_reload(Token *token)
{
    char text[TOKEN_MAX_BYTES + 2];

    if (!read_file(token->path, text, sizeof text) || !token_is_valid(text))
        return false;
    if (strcmp(text, token->value) == 0)
        return false;
    free(token->value);
    token->value = memory_text_dup(text);
    return true;
}

void token_init(Token *token, const char *config_path)
{
    token->path = memory_printf("%s/.auth_token", config_path);
    token->value = memory_text_dup("");
    token_reload(token);
}

void token_clear(Token *token)
{
    free(token->path);
    free(token->value);
    *token = (Token){0};
}

/* Writes beside the file and renames, so that a reader or a crash sees the old or the new one. */
static bool replace_file(const char *path, const char *text)
{
    AUTO_FREE char *temporary = memory_printf("%s.new", path);
    size_t length = strlen(text);

    unlink(temporary);
    int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return false;
    bool is_written = write(file, text, length) == (ssize_t)length && fsync(file) == 0;
    is_written = close(file) == 0 && is_written;
    if (is_written && rename(temporary, path) == 0)
        return true;
    int reason = errno;
    unlink(temporary);
    errno = reason;
    return false;
}

bool token_store(Token *token, const char *value)
{
    free(token->value);
    token->value = memory_text_dup(value);
    if (replace_file(token->path, value))
        return true;
    log_warning("cannot keep the new token in %s: %s", token->path, strerror(errno));
    return false;
}
