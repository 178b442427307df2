/* What the first start makes and later starts find again in the data folder: the administrator's
 * token and the key that seals secrets. Files of mode 0600, written whole or not at all. Source:
 * ARCHITECTURE D1 and section 8; spec 03 section 7.2. Thread: main, at start. */
#pragma once

#include "base/config.h"
#include "base/crypto.h"

/* Makes the data folder (0700) when it is absent. Error: ERROR_UNAVAILABLE, with the path. */
gboolean state_folder_ensure(const char *data_dir, GError **error);

/* The token in force: ADMIN_TOKEN, else that of the file, else a new one. `is_new` says whether it
 * was made now. Also keeps the file in step with ADMIN_TOKEN, so that workspacectl on this machine
 * finds it. Caller owns it. NULL: ERROR_UNAVAILABLE. */
char *state_admin_token(const Config *config, gboolean *is_new, GError **error);

/* SECRETS_ENCRYPTION_KEY, else that of the file, else a new one.
 * Errors: ERROR_INVALID (not a key), ERROR_UNAVAILABLE. */
gboolean state_secrets_key(const Config *config, guint8 key[CRYPTO_KEY_SIZE], GError **error);

/* Writes `text` and a newline to a file of the data folder, durably, mode 0600. */
gboolean state_file_write(const char *data_dir, const char *name, const char *text, GError **error);
/* The first line of a file of the data folder; NULL when there is none. Caller owns it. */
char *state_file_read(const char *data_dir, const char *name);
