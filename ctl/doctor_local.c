/* What can be seen of a server's machine without the server: its data directory, the space on its
 * disk, the Docker socket. */
#include "doctor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#define SPACE_LOW_BYTES   (G_GUINT64_CONSTANT(1) << 30)
#define SPACE_LOW_PERCENT 5
#define DOCKER_SOCKET     "/var/run/docker.sock"
#define UNIX_PREFIX       "unix://"

/* ---- The data directory ---- */

static void check_space(const char *data_dir, Report *report)
{
    struct statvfs figures;
    guint64 left = 0, all = 0;

    if (statvfs(data_dir, &figures) != 0)
        return;
    left = (guint64)figures.f_bavail * figures.f_frsize;
    all = (guint64)figures.f_blocks * figures.f_frsize;
    g_autofree char *size = g_format_size(left);
    g_autofree char *what = g_strdup_printf("%s free where the data is", size);
    if (left < SPACE_LOW_BYTES || left < all / 100 * SPACE_LOW_PERCENT)
        report_add(report, FINDING_DIFFERENCE, "disk", what, "little space is left",
                   "Free some: without space nothing can be recorded or started.");
    else
        report_add(report, FINDING_FINE, "disk", what, NULL, NULL);
}

static void check_data_dir(const Session *session, Report *report)
{
    g_autofree char *data_dir = target_data_dir_dup(session->arguments);

    if (!data_dir)
        return;
    if (access(data_dir, R_OK | X_OK) == 0) {
        report_add(report, FINDING_FINE, "data directory", data_dir, NULL, NULL);
        check_space(data_dir, report);
        return;
    }
    report_add(report, FINDING_NOTE, "data directory", data_dir, g_strerror(errno),
               errno == ENOENT ? "Name another one with --data-dir, if the server uses it."
                               : "Only the server's own user can read it.");
}

/* ---- The Docker socket ---- */

/* NULL: the engine is reached another way. Caller owns it. */
static char *socket_path_dup(void)
{
    const char *host = g_getenv("DOCKER_HOST");

    if (!host || !*host)
        return g_strdup(DOCKER_SOCKET);
    return g_str_has_prefix(host, UNIX_PREFIX) ? g_strdup(host + strlen(UNIX_PREFIX)) : NULL;
}

/* 0, or errno. */
static int try_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), number = 0;

    if (fd < 0)
        return errno;
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path)
        number = ENAMETOOLONG;
    else if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        number = errno;
    close(fd);
    return number;
}

/* Only the server's own way to the engine counts; that of this user is a hint for when the server
 * cannot be asked or cannot reach it. */
static void check_socket(Report *report)
{
    g_autofree char *path = socket_path_dup();
    int number = 0;

    if (!path || (!report->server_fault && (!report->uses_docker || report->is_engine_up)))
        return;
    number = try_socket(path);
    if (number == 0)
        report_add(report, FINDING_NOTE, "Docker socket", "answers this user", NULL, NULL);
    else
        report_add(report, FINDING_NOTE, "Docker socket", path, g_strerror(number),
                   number == EACCES ? "Add the user to the socket's group."
                                    : "Start the engine, or set DOCKER_HOST to where it is.");
}

void doctor_check_local(Session *session, Report *report)
{
    if (!target_is_loopback(session->target->url))
        return;
    check_data_dir(session, report);
    check_socket(report);
}
