#include "http/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG      1024
#define UNIX_PREFIX  "unix:"
#define UNIX_MODE    0660
#define SOCKET_FLAGS (SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)

static gboolean refuse(GError **error, const char *address)
{
    return error_set(error, ERROR_UNAVAILABLE, "cannot listen on %s: %s", address,
                     g_strerror(errno));
}

/* ---- Unix sockets ---- */

/* A file that a dead server left behind refuses connections. */
static void remove_leftover(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
}

static gboolean open_unix(Listener *listener, const char *address, GError **error)
{
    const char *path = address + strlen(UNIX_PREFIX);
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    if (*path != '/' || strlen(path) >= sizeof name.sun_path)
        return error_set(error, ERROR_INVALID,
                         "%s: the path of a socket is absolute and shorter than %zu bytes", address,
                         sizeof name.sun_path);
    g_strlcpy(name.sun_path, path, sizeof name.sun_path);
    remove_leftover(&name);
    listener->fd = socket(AF_UNIX, SOCKET_FLAGS, 0);
    if (listener->fd < 0 || bind(listener->fd, (const struct sockaddr *)&name, sizeof name) != 0)
        return refuse(error, address);
    listener->unix_path = g_strdup(path);
    if (chmod(path, UNIX_MODE) != 0 || listen(listener->fd, BACKLOG) != 0)
        return refuse(error, address);
    return TRUE;
}

/* ---- TCP ---- */

/* "[::1]:80" and "127.0.0.1:80" into host and port. */
static gboolean split(const char *address, char **host, char **port)
{
    const char *colon = strrchr(address, ':');
    gsize length;

    if (!colon || !colon[1])
        return FALSE;
    length = (gsize)(colon - address);
    if (length >= 2 && address[0] == '[' && colon[-1] == ']')
        *host = g_strndup(address + 1, length - 2);
    else if (memchr(address, ':', length))
        return FALSE; /* an IPv6 address wants brackets */
    else
        *host = g_strndup(address, length);
    *port = g_strdup(colon + 1);
    return TRUE;
}

static guint16 bound_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name = {0};
    socklen_t length = sizeof name;

    if (getsockname(fd, &name.any, &length) != 0)
        return 0;
    return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

/* A bound socket, or -1. */
static int bind_tcp(const struct addrinfo *place, int only_v6)
{
    const int on = 1;
    int fd = socket(place->ai_family, SOCKET_FLAGS, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (place->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
    if (bind(fd, place->ai_addr, place->ai_addrlen) == 0)
        return fd;
    close(fd);
    return -1;
}

/* "[::]" takes IPv4 along, unless "0.0.0.0" is listened on as well. */
static gboolean listen_tcp(Listener *listener, const struct addrinfo *place, const char *address,
                           GError **error)
{
    listener->fd = bind_tcp(place, 0);
    if (listener->fd < 0 && errno == EADDRINUSE && place->ai_family == AF_INET6)
        listener->fd = bind_tcp(place, 1);
    if (listener->fd < 0 || listen(listener->fd, BACKLOG) != 0)
        return refuse(error, address);
    listener->port = bound_port(listener->fd);
    return TRUE;
}

static gboolean open_tcp(Listener *listener, const char *address, GError **error)
{
    const struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    g_autofree char *host = NULL;
    g_autofree char *port = NULL;
    struct addrinfo *found = NULL;
    gboolean is_open;

    if (!split(address, &host, &port) ||
        getaddrinfo(*host ? host : NULL, port, &hints, &found) != 0)
        return error_set(error, ERROR_INVALID,
                         "%s is no address to listen on (address:port, [IPv6]:port, unix:/path)",
                         address);
    is_open = listen_tcp(listener, found, address, error);
    freeaddrinfo(found);
    return is_open;
}

gboolean listener_open(Listener *listener, const char *address, GError **error)
{
    gboolean is_open;

    *listener = (Listener){.fd = -1};
    is_open = g_str_has_prefix(address, UNIX_PREFIX) ? open_unix(listener, address, error)
                                                     : open_tcp(listener, address, error);
    if (!is_open)
        listener_close(listener);
    return is_open;
}

void listener_close(Listener *listener)
{
    if (listener->unix_path)
        unlink(listener->unix_path);
    g_clear_pointer(&listener->unix_path, g_free);
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
}
