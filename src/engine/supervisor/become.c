#include "become.h"

#include "user.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ACCOUNTS_MAX_BYTES (256 * 1024) /* of /etc/passwd, /etc/group */
#define DEFAULT_PATH       "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void say_failure(int fd, const char *what)
{
    const char *reason = strerror(errno);

    (void)(write_all(fd, what, strlen(what)) && write_all(fd, ": ", 2) &&
           write_all(fd, reason, strlen(reason)));
}

/* Its content, "" when it cannot be read. Not freed: the program execs. */
static char *read_accounts(const char *path)
{
    char *text = malloc(ACCOUNTS_MAX_BYTES + 1);
    size_t length = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (!text)
        abort();
    while (fd >= 0 && length < ACCOUNTS_MAX_BYTES &&
           (got = read(fd, text + length, ACCOUNTS_MAX_BYTES - length)) > 0)
        length += (size_t)got;
    if (fd >= 0)
        close(fd);
    text[length] = '\0';
    return text;
}

bool keep_capabilities(unsigned long long mask)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    if (syscall(SYS_capget, &header, data) != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        unsigned kept = (unsigned)(mask >> (32 * i));

        data[i].permitted &= kept;
        data[i].effective = data[i].permitted;
        data[i].inheritable = data[i].permitted;
    }
    return syscall(SYS_capset, &header, data) == 0;
}

static void apply_limits(const Records *records)
{
    for (const char *text = records_next(records, RUN_LIMIT, NULL); text;
         text = records_next(records, RUN_LIMIT, text)) {
        char *value = NULL;
        long resource = strtol(text, &value, 10);
        rlim_t most = strtoull(value, NULL, 10);
        struct rlimit limit = {.rlim_cur = most, .rlim_max = most};

        (void)setrlimit((unsigned)resource, &limit);
    }
}

static bool set_user(const char *user, UserIdentity *identity)
{
    if (!user_identify(user, read_accounts("/etc/passwd"), read_accounts("/etc/group"), identity)) {
        errno = ENOENT;
        return false;
    }
    if (getuid() == identity->uid && getgid() == identity->gid && identity->group_count == 0)
        return true;
    return setgroups(identity->group_count, identity->groups) == 0 &&
           setresgid(identity->gid, identity->gid, identity->gid) == 0 &&
           setresuid(identity->uid, identity->uid, identity->uid) == 0;
}

/* The home of the user we already are (the only one there is in an ordinary user's sandbox). */
static void find_home(UserIdentity *identity)
{
    char number[16];

    snprintf(number, sizeof number, "%u", (unsigned)getuid());
    (void)user_identify(number, read_accounts("/etc/passwd"), "", identity);
}

static void fill_environment(char **environment, const UserIdentity *identity)
{
    environ = environment;
    setenv("PATH", DEFAULT_PATH, 0);
    setenv("HOME", identity->home, 0);
}

static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void become_program(const Records *records, int failure_fd)
{
    const char *user = records_find(records, RUN_USER);
    const char *directory = records_find(records, RUN_DIRECTORY);
    char **arguments = records_list(records, RUN_ARGUMENT);
    UserIdentity identity = {.home = "/"};

    reset_signals();
    umask(022);
    apply_limits(records);
    if (!user)
        find_home(&identity);
    else if (!set_user(user, &identity)) {
        say_failure(failure_fd, "user");
        return;
    }
    if (directory && *directory && chdir(directory) != 0) {
        say_failure(failure_fd, directory);
        return;
    }
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    fill_environment(records_list(records, RUN_ENVIRONMENT), &identity);
    if (arguments[0])
        execvp(arguments[0], arguments);
    else
        errno = EINVAL;
    say_failure(failure_fd, arguments[0] ? arguments[0] : "command");
}
