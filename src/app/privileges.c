#include "app/privileges.h"

#include "base/text.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNIX_SCHEME    "unix://"
#define DEFAULT_SOCKET "/var/run/docker.sock"
#define NUMBER_MAX     (G_MAXUINT32 - 1) /* the last one means "unchanged" */

typedef struct {
    uid_t uid;
    gid_t gid;
} User;

static gboolean parse(const char *text, User *user, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", 3);
    gint64 uid = 0, gid = 0;

    if (g_strv_length(parts) != 2 || !text_parse_int(parts[0], 1, NUMBER_MAX, &uid) ||
        !text_parse_int(parts[1], 1, NUMBER_MAX, &gid))
        return error_set(error, ERROR_INVALID,
                         "WORKSPACED_RUN_AS (--run-as) must be two numbers above 0, UID:GID");
    *user = (User){(uid_t)uid, (gid_t)gid};
    return TRUE;
}

static gboolean refused(const char *what, GError **error)
{
    return error_set(error, ERROR_UNAVAILABLE, "cannot %s: %s", what, g_strerror(errno));
}

/* ---- What must be the user's ---- */

static gboolean give(const char *path, const User *user, GError **error)
{
    return lchown(path, user->uid, user->gid) == 0 || refused("give the data folder away", error);
}

/* The folder and what lies in it: a volume is made for root, and so is what an earlier start as
 * root left. Deeper things are the sandbox's, whose owners differ on purpose. */
static gboolean give_data_folder(const char *folder, const User *user, GError **error)
{
    g_autoptr(GDir) listing = NULL;
    const char *name = NULL;
    struct stat info;

    if (g_mkdir_with_parents(folder, 0700) != 0 || stat(folder, &info) != 0)
        return refused("make the data folder", error);
    if (info.st_uid == user->uid)
        return TRUE;
    listing = g_dir_open(folder, 0, NULL);
    while (listing && (name = g_dir_read_name(listing))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        if (!give(path, user, error))
            return FALSE;
    }
    return give(folder, user, error); /* last: a start cut short does it again */
}

/* ---- Becoming the user ---- */

/* The group of the engine's socket; FALSE when there is none, or it is not a local one. */
static gboolean find_socket_group(const Config *config, gid_t *group)
{
    const char *path = DEFAULT_SOCKET;
    struct stat info;

    if (config->docker_host && !g_str_has_prefix(config->docker_host, UNIX_SCHEME))
        return FALSE;
    if (config->docker_host)
        path = config->docker_host + strlen(UNIX_SCHEME);
    if (stat(path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return FALSE;
    *group = info.st_gid;
    return TRUE;
}

static gboolean become(const Config *config, const User *user, GError **error)
{
    gid_t group = 0;
    size_t count = find_socket_group(config, &group) && group != user->gid ? 1 : 0;

    if (setgroups(count, &group) != 0)
        return refused("set the groups", error);
    if (setresgid(user->gid, user->gid, user->gid) != 0)
        return refused("set the group", error);
    if (setresuid(user->uid, user->uid, user->uid) != 0)
        return refused("set the user", error);
    return setuid(0) != 0 ||
           error_set(error, ERROR_UNAVAILABLE, "root's rights could not be given up");
}

gboolean privileges_drop(const Config *config, GError **error)
{
    User user = {0};

    if (!config->run_as)
        return TRUE;
    if (!parse(config->run_as, &user, error))
        return FALSE;
    if (geteuid() == user.uid)
        return TRUE;
    if (geteuid() != 0)
        return error_set(error, ERROR_INVALID,
                         "WORKSPACED_RUN_AS (--run-as) needs a start as root or as that user");
    return give_data_folder(config->data_dir, &user, error) && become(config, &user, error);
}
