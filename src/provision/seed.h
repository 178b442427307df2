/* What is unpacked into a created, not yet started container: the archive for /configs and the one
 * with the agent.
 *
 * Entries are relative, belong to the container's user (1000:1000 unless known better) and never
 * leave the tree. In .sh, .py and .md files CRLF becomes LF, and sizes are counted after that.
 * Later entries win, so generated files override a template's. Source: spec 02 section 8.12, F21,
 * F24. Thread: any; reads the file system, changes nothing. */
#pragma once

#include "base/errors.h"

#define SEED_MAX_BYTES (64 * 1024 * 1024) /* all contents together */
#define SEED_MAX_FILES 20000
#define SEED_OWNER     1000 /* the agent user of the reference's images */
#define SEED_TOKEN     ".auth_token"

typedef struct _Seed Seed;

/* `owner` and `group` get everything added later. `below`: the archive will be unpacked at the root
 * and /configs is this folder of it ("configs"); NULL: it will be unpacked in /configs. */
Seed *seed_new(const char *below, guint owner, guint group);
void seed_free(Seed *seed); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Seed, seed_free)

/* Adds the tree below `folder` (an absolute path), dot files too. Links that stay inside are kept,
 * others and special files are skipped. Errors: ERROR_TOO_LARGE; ERROR_INTERNAL when the folder
 * cannot be read. */
G_GNUC_WARN_UNUSED_RESULT gboolean seed_add_tree(Seed *seed, const char *folder, GError **error);
/* Adds one file; its parent folders come with it. Errors: ERROR_INVALID for an absolute name or one
 * with "..", ERROR_TOO_LARGE. */
G_GNUC_WARN_UNUSED_RESULT gboolean seed_add_file(Seed *seed, const char *name, const void *bytes,
                                                 gsize size, guint mode, GError **error);
/* Adds the entries of another tar that are files, folders and inside links, with our owner. Errors:
 * ERROR_INVALID when it is no tar or has an unsafe name, ERROR_TOO_LARGE. */
G_GNUC_WARN_UNUSED_RESULT gboolean seed_add_tar(Seed *seed, GBytes *tar, GError **error);
/* Adds our agent from the file `path` as `name` ("workspaced/agent"), mode 0755, owner 0:0. The
 * name is that in the archive, whatever /configs is. Error: ERROR_INTERNAL. */
G_GNUC_WARN_UNUSED_RESULT gboolean seed_add_agent(Seed *seed, const char *name, const char *path,
                                                  GError **error);
/* The config.yaml at the top that was added last; NULL when there is none. Caller owns it. */
GBytes *seed_dup_config(Seed *seed);
/* Ends the archive. Caller owns the result; only seed_free may follow. */
GBytes *seed_finish(Seed *seed, GError **error);

/* The one regular file of a tar that the engine copied out, at most `max_bytes`. NULL when there is
 * none. Caller owns it. */
GBytes *seed_read_file(GBytes *tar, gsize max_bytes);

/* The numeric ids of a container's USER ("", "1000", "1000:2000", "node", "node:staff") by its
 * /etc/passwd and /etc/group (either may be NULL). FALSE when a name is not in them. */
gboolean seed_user_ids(const char *user, GBytes *passwd, GBytes *group, guint *owner,
                       guint *owner_group);
