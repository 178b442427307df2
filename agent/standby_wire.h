/* The fast way of being handed over: a stand-by agent listens where it will serve later, and the
 * server sends it what belongs to its workspace, sealed by the key that this container was started
 * with. Who does not have the key can neither give an order nor read one.
 *
 * A message is STANDBY_WIRE_MAGIC, the length as four bytes (big-endian) and that many sealed bytes
 * (12 of nonce, AES-256-GCM, 16 of tag). Inside stand records: name NUL, mode in octal NUL, size in
 * decimal NUL, bytes. The one named STANDBY_ENVIRONMENT is the environment and becomes no file; the
 * others are files of the configuration folder. The answer is "ok\n" once all is written, or
 * "no\n": nothing was taken, and the folder may still be filled by the other way (standby.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define STANDBY_KEY_VARIABLE "WORKSPACE_AGENT_STANDBY_KEY" /* 64 hexadecimal digits */
#define STANDBY_WIRE_MAGIC   "WSPWARM1"
#define STANDBY_WIRE_MAX     (6 * 1024 * 1024) /* sealed bytes of a message */

typedef struct StandbyWire StandbyWire;

/* Listens at WORKSPACE_AGENT_LISTEN and WORKSPACE_AGENT_PORT. NULL: there is no key, or no such
 * address (logged). The caller frees it. */
StandbyWire *standby_wire_new(void);
void standby_wire_free(StandbyWire *wire); /* NULL is fine */

/* To poll for reading. */
int standby_wire_descriptor(const StandbyWire *wire);

/* Serves one connection, at most STANDBY_WIRE_PATIENCE_MS. True: we were handed over, `environment`
 * gets the entries, each ended by a NUL; the caller frees it. */
#define STANDBY_WIRE_PATIENCE_MS 2000
bool standby_wire_serve(StandbyWire *wire, const char *config_path, char **environment,
                        size_t *length);

/* The clear bytes of a sealed message, NULL when the key does not fit. The caller frees it. */
unsigned char *standby_wire_open(const unsigned char key[32], const unsigned char *sealed,
                                 size_t length, size_t *clear_length);
