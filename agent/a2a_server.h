/* The A2A server: HTTP/1.1 on an address or a Unix socket. Every POST is a JSON-RPC request,
 * whatever its path; the agent card, and `/health`, are read with GET.
 *
 * Limits: bodies A2A_REQUEST_MAX_BYTES (413 above), headers 16 KiB, a silent connection a minute,
 * connections as many as there are descriptors (process_table_limit_descriptors()). */
#pragma once

#include "a2a_agent.h"
#include "config.h"

#include <stdint.h>

typedef struct A2aServer A2aServer;

/* Opens the listening socket.
 *   port   out: the port listened on, 0 for a Unix socket
 *   error  out: when NULL is returned, a sentence; the caller frees it */
A2aServer *a2a_server_new(A2aAgent *agent, const Config *config, uint16_t *port, char **error);

/* Sets the card to serve. Taken. */
void a2a_server_take_card(A2aServer *server, json_t *card);

/* Ends waiting clients with the state their task has now, and closes everything. */
void a2a_server_free(A2aServer *server);
