#include "resolve.h"

#include "log.h"
#include "memory.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define RESOLV_CONF "/etc/resolv.conf"

struct Resolve {
    struct evdns_base *dns;
    struct evdns_getaddrinfo_request *request; /* NULL once answered */
    struct event *finish;
    bool is_abandoned;
    Addresses addresses;
    void (*done)(void *argument, const Addresses *addresses);
    void *argument;
};

bool resolve_is_literal(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static void add_family(Addresses *addresses, const struct evutil_addrinfo *list, int family)
{
    for (; list != NULL && addresses->count < RESOLVE_ADDRESSES_MAX; list = list->ai_next) {
        const void *address = family == AF_INET
                                  ? (const void *)&((struct sockaddr_in *)list->ai_addr)->sin_addr
                                  : &((struct sockaddr_in6 *)list->ai_addr)->sin6_addr;
        if (list->ai_family != family)
            continue;
        inet_ntop(family, address, addresses->text[addresses->count++], RESOLVE_ADDRESS_BYTES);
    }
}

static void on_answer(int result, struct evutil_addrinfo *list, void *argument)
{
    Resolve *resolve = argument;

    resolve->request = NULL;
    if (result == 0) {
        add_family(&resolve->addresses, list, AF_INET);
        add_family(&resolve->addresses, list, AF_INET6);
    }
    if (list != NULL)
        evutil_freeaddrinfo(list);
    /* The rest runs from the loop: the answer may come from within the question, and the DNS
     * base must not be freed inside its own call-back. */
    event_active(resolve->finish, EV_TIMEOUT, 0);
}

static void free_now(Resolve *resolve)
{
    event_free(resolve->finish);
    evdns_base_free(resolve->dns, 0);
    free(resolve);
}

static void on_finish(evutil_socket_t descriptor, short what, void *argument)
{
    Resolve *resolve = argument;
    (void)descriptor;
    (void)what;

    if (resolve->is_abandoned)
        free_now(resolve);
    else
        resolve->done(resolve->argument, &resolve->addresses);
}

static struct evdns_base *dns_new(struct event_base *base)
{
    struct evdns_base *dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);

    /* Reads /etc/hosts too, and before the other file: its absence loses nothing. */
    evdns_base_resolv_conf_parse(dns, DNS_OPTIONS_ALL, RESOLV_CONF);
    /* A server that loses one of the two questions (A, AAAA) must not hold the answer up long. */
    evdns_base_set_option(dns, "getaddrinfo-allow-skew:", "0.3");
    evdns_base_set_option(dns, "timeout:", "2");
    evdns_base_set_option(dns, "attempts:", "3");
    return dns;
}

Resolve *resolve_start(struct event_base *base, const char *host,
                       void (*done)(void *argument, const Addresses *addresses), void *argument)
{
    const struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    Resolve *resolve = memory_new(sizeof *resolve);

    resolve->done = done;
    resolve->argument = argument;
    resolve->finish = event_new(base, -1, 0, on_finish, resolve);
    resolve->dns = dns_new(base);
    struct evdns_getaddrinfo_request *request =
        evdns_getaddrinfo(resolve->dns, host, NULL, &hints, on_answer, resolve);
    /* NULL: on_answer() was called already. */
    resolve->request = request;
    return resolve;
}

void resolve_free(Resolve *resolve)
{
    if (resolve == NULL)
        return;
    resolve->is_abandoned = true;
    if (resolve->request != NULL)
        evdns_getaddrinfo_cancel(resolve->request); /* its call-back comes later */
    else if (!event_pending(resolve->finish, EV_TIMEOUT, NULL))
        free_now(resolve);
}
