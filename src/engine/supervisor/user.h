/* Who "node:staff" is, by the passwd and group files of a container. Both programs use it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define USER_GROUPS_MAX 64
#define USER_HOME_SIZE  256

typedef struct {
    uid_t uid;
    gid_t gid;
    gid_t groups[USER_GROUPS_MAX];
    size_t group_count;
    char home[USER_HOME_SIZE]; /* "/" when nobody knows */
} UserIdentity;

/* `user`: "" or NULL (root), "1000", "1000:1000", "node", "node:staff". `passwd` and `group` are
 * the files' contents, "" when absent. FALSE: no such user or group. */
bool user_identify(const char *user, const char *passwd, const char *group, UserIdentity *identity);
