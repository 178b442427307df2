/* What a static program must not do, in the place of the C library's own functions.
 *
 * glibc's name service and dlopen() load shared objects of exactly the glibc that we were linked
 * with; in a foreign image there is another one or none, and the program would crash. libevent and
 * OpenSSL refer to these functions on paths that we do not take (resolve.c looks names up). So
 * that this holds and not only seems to, they stand here and refuse; numeric addresses, which need
 * no service, are understood. Linked into the static program only. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    (void)name;
    (void)service;
    (void)hints;
    (void)result;
    return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
    (void)list; /* none was ever given */
}

const char *gai_strerror(int code)
{
    (void)code;
    return "no name service in a static program";
}

/* libevent asks for the address of each client as text. */
int getnameinfo(const struct sockaddr *address, socklen_t length, char *host,
                socklen_t host_size_bytes, char *service, socklen_t service_size_bytes, int flags)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    unsigned port = 0;
    (void)length;
    (void)flags;

    if (address->sa_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, host, host_size_bytes);
        port = ntohs(v4->sin_port);
    } else if (address->sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, host, host_size_bytes);
        port = ntohs(v6->sin6_port);
    } else {
        snprintf(host, host_size_bytes, "unix");
    }
    snprintf(service, service_size_bytes, "%u", port);
    return 0;
}

struct hostent *gethostbyname(const char *name)
{
    (void)name;
    return NULL;
}

struct hostent *gethostbyaddr(const void *address, socklen_t length, int type)
{
    (void)address;
    (void)length;
    (void)type;
    return NULL;
}

struct servent *getservbyname(const char *name, const char *protocol)
{
    (void)name;
    (void)protocol;
    return NULL;
}

struct protoent *getprotobynumber(int number)
{
    (void)number;
    return NULL;
}

void *dlopen(const char *path, int mode)
{
    (void)path;
    (void)mode;
    return NULL;
}

void *dlsym(void *restrict handle, const char *restrict name)
{
    (void)handle;
    (void)name;
    return NULL;
}

int dlclose(void *handle)
{
    (void)handle;
    return 0;
}

char *dlerror(void)
{
    static char reason[] = "a static program loads nothing";

    return reason;
}

int dladdr(const void *address, Dl_info *info)
{
    (void)address;
    (void)info;
    return 0;
}
