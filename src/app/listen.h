/* Where the server listens when nobody says otherwise: loopback, and the gateway of the containers'
 * bridge, so that agents in containers reach it and nobody else does. Source: ARCHITECTURE D12.
 * Thread: main, at start. */
#pragma once

#include "base/config.h"

/* WORKSPACED_LISTEN, else the default; NULL-terminated, caller owns it. `with_bridge`: containers
 * of a Docker daemon will call. Port 0 becomes a free one that is the same for all default
 * addresses. Error: ERROR_UNAVAILABLE. */
char **listen_addresses(const Config *config, gboolean with_bridge, GError **error);

/* The first TCP address of the list as a URL for people on this machine. Caller owns it. */
char *listen_local_url(char *const *addresses, guint16 port);

/* The IPv4 address of the host on Docker's default bridge; NULL when there is none. Caller owns it.
 */
char *listen_bridge_address(void);
