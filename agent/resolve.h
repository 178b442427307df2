/* From a host name to addresses without the C library's name service, which a static program
 * cannot use in foreign images: literal addresses, then /etc/hosts, then the name servers of
 * /etc/resolv.conf. Both files are read anew for each name, so a network that is attached later
 * counts at once; either may be absent. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct event_base;

#define RESOLVE_ADDRESSES_MAX 8
#define RESOLVE_ADDRESS_BYTES 64

typedef struct {
    char text[RESOLVE_ADDRESSES_MAX][RESOLVE_ADDRESS_BYTES]; /* literal, IPv4 first */
    size_t count;                                            /* 0: not found */
} Addresses;

typedef struct Resolve Resolve;

/* Whether the host is an address already; then there is nothing to look up. Brackets around an
 * IPv6 address must have been taken off. */
bool resolve_is_literal(const char *host);

/* Looks a name up.
 *   done  called once, later, never from within this call; not called after resolve_free()
 * The caller frees the result, at any time. */
Resolve *resolve_start(struct event_base *base, const char *host,
                       void (*done)(void *argument, const Addresses *addresses), void *argument);

void resolve_free(Resolve *resolve);
