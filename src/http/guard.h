/* Which addresses the server may call on an agent's word (SSRF). One policy for registration,
 * proxy, discovery and MCP. Source: spec 03 sections 9.1 to 9.4 (last column "Ours, one list");
 * spec 04 section 5.6. Thread: any (pure, but for resolving). */
#pragma once

#include "base/errors.h"

#include <sys/socket.h>

typedef struct {
    gboolean allow_private;  /* SaaS mode or development: 10/8, 172.16/12, 192.168/16, fd00::/8 */
    gboolean allow_loopback; /* development, or an address our own engine produced */
} GuardPolicy;

/* Whether the address may be connected to. Embedded IPv4 (mapped, NAT64, 6to4, compatible) is
 * judged as that IPv4. */
gboolean guard_address_allowed(const struct sockaddr *address, GuardPolicy policy);

/* Checks a URL at registration: http or https, a host, and every address it resolves to (2 s
 * budget) allowed. The name `localhost` passes unresolved (it is judged again when called).
 * "remote://no-inbound" is allowed and means "no inbound URL". ERROR_INVALID with the reason for
 * people. Thread: a worker (may resolve). */
gboolean guard_url_check(const char *url, GuardPolicy policy, GError **error);
