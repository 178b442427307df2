#include "auth/state_files.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define ADMIN_TOKEN_FILE "admin-token"
#define SECRETS_KEY_FILE "secrets.key"

gboolean state_folder_ensure(const char *data_dir, GError **error)
{
    if (g_mkdir_with_parents(data_dir, 0700) != 0)
        return error_set(error, ERROR_UNAVAILABLE, "cannot make the data folder %s: %s", data_dir,
                         g_strerror(errno));
    return TRUE;
}

gboolean state_file_write(const char *data_dir, const char *name, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename(data_dir, name, NULL);
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    g_autoptr(GError) cause = NULL;

    if (g_file_set_contents_full(path, line, -1,
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
                                 &cause))
        return TRUE;
    return error_set(error, ERROR_UNAVAILABLE, "cannot write %s: %s", path, cause->message);
}

char *state_file_read(const char *data_dir, const char *name)
{
    g_autofree char *path = g_build_filename(data_dir, name, NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    text[strcspn(text, "\r\n")] = '\0';
    g_strstrip(text);
    return *text ? g_steal_pointer(&text) : NULL;
}

char *state_admin_token(const Config *config, gboolean *is_new, GError **error)
{
    g_autofree char *kept = state_file_read(config->data_dir, ADMIN_TOKEN_FILE);
    char made[CRYPTO_TOKEN_SIZE];
    const char *token = config->admin_token ? config->admin_token : kept;

    *is_new = !token;
    if (!token) {
        crypto_token_make(made);
        token = made;
    }
    if (g_strcmp0(token, kept) != 0 &&
        !state_file_write(config->data_dir, ADMIN_TOKEN_FILE, token, error))
        return NULL;
    return g_strdup(token);
}

gboolean state_secrets_key(const Config *config, guint8 key[CRYPTO_KEY_SIZE], GError **error)
{
    g_autofree char *kept = NULL;
    g_autofree char *text = NULL;

    if (config->secrets_key)
        return crypto_key_parse(config->secrets_key, key, error);
    kept = state_file_read(config->data_dir, SECRETS_KEY_FILE);
    if (kept)
        return crypto_key_parse(kept, key, error);
    crypto_random(key, CRYPTO_KEY_SIZE);
    text = g_base64_encode(key, CRYPTO_KEY_SIZE);
    return state_file_write(config->data_dir, SECRETS_KEY_FILE, text, error);
}
