#include "app/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DOCKER_BRIDGE "docker0" /* what `host-gateway` of a container stands for */

char *listen_bridge_address(void)
{
    struct ifaddrs *all = NULL;
    char *address = NULL;

    if (getifaddrs(&all) != 0)
        return NULL;
    for (struct ifaddrs *at = all; at && !address; at = at->ifa_next) {
        char text[INET_ADDRSTRLEN];
        if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET ||
            strcmp(at->ifa_name, DOCKER_BRIDGE) != 0)
            continue;
        if (inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr, text,
                      sizeof text))
            address = g_strdup(text);
    }
    freeifaddrs(all);
    return address;
}

/* A free port of loopback. */
static guint16 pick_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    guint16 port = 0;

    if (fd < 0)
        return 0;
    if (bind(fd, (struct sockaddr *)&address, length) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &length) == 0)
        port = ntohs(address.sin_port);
    close(fd);
    return port;
}

static gboolean has_loopback_v6(guint16 port)
{
    struct sockaddr_in6 address = {
        .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons(port)};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    gboolean has = FALSE;

    if (fd < 0)
        return FALSE;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    has = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return has;
}

char **listen_addresses(const Config *config, gboolean with_bridge, GError **error)
{
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *bridge = with_bridge ? listen_bridge_address() : NULL;
    guint16 port = (guint16)config->port;

    if (config->listen)
        return g_strsplit(config->listen, ",", -1);
    if (port == 0)
        port = pick_port();
    if (port == 0) {
        error_set(error, ERROR_UNAVAILABLE, "no free port: %s", g_strerror(errno));
        return NULL;
    }
    g_ptr_array_add(addresses, g_strdup_printf("127.0.0.1:%u", port));
    if (has_loopback_v6(port))
        g_ptr_array_add(addresses, g_strdup_printf("[::1]:%u", port));
    if (bridge)
        g_ptr_array_add(addresses, g_strdup_printf("%s:%u", bridge, port));
    g_ptr_array_set_free_func(addresses, NULL);
    g_ptr_array_add(addresses, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&addresses), FALSE);
}

char *listen_local_url(char *const *addresses, guint16 port)
{
    for (; *addresses; addresses++) {
        const char *colon = strrchr(*addresses, ':');
        if (!colon || g_str_has_prefix(*addresses, "unix:"))
            continue;
        g_autofree char *host = g_strndup(*addresses, (gsize)(colon - *addresses));
        if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "[::]") == 0 || !*host)
            return g_strdup_printf("http://127.0.0.1:%u", port);
        return g_strdup_printf("http://%s:%u", host, port);
    }
    return g_strdup_printf("http://127.0.0.1:%u", port);
}
