/* Trees of files on the host: made durably, copied, removed. Nothing here follows a link that a
 * container may have made. Thread: any. */
#pragma once

#include "base/errors.h"

/* Writes `path` by way of a temporary name and rename, mode 0600, on disk when it returns. */
gboolean sandbox_tree_write(const char *path, const char *text, gsize length, GError **error);
/* Makes the folder's names durable. */
gboolean sandbox_tree_sync(const char *folder, GError **error);
/* At most `max_bytes`. ERROR_NOT_FOUND when absent, ERROR_INTERNAL else. Caller owns it. */
gboolean sandbox_tree_read(const char *path, gsize max_bytes, char **text, gsize *length,
                           GError **error);
/* Absent is made, 0700. */
gboolean sandbox_tree_make(const char *folder, GError **error);
/* `to` must not exist; owners (as root), modes, times, hard links and FIFOs are kept, device nodes
 * and sockets left out. */
gboolean sandbox_tree_copy(const char *from, const char *to, GError **error);
/* All of it, whoever owns it and however deep; absent is success. */
gboolean sandbox_tree_remove(const char *path, GError **error);
/* "what path: strerror" as ERROR_UNAVAILABLE for a full or broken disk, else ERROR_INTERNAL. */
gboolean sandbox_tree_fail(const char *what, const char *path, GError **error);
