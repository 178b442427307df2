/* The fast way to a stand-by agent: what belongs to its workspace goes straight to the address that
 * the engine gave its container, sealed by a key that only this container was started with. So it
 * does not matter who answers there: nobody else can read it. A container's archive call, the other
 * way, costs Docker some 45 ms. The message is described in agent/standby_wire.h. Thread: any. */
#pragma once

#include "base/crypto.h"
#include "base/errors.h"

#define WIRE_KEY_VARIABLE "WORKSPACE_AGENT_STANDBY_KEY"

/* The key of one member, derived from the server's own. */
void wire_key(const guint8 secret[CRYPTO_KEY_SIZE], const char *id, guint8 key[CRYPTO_KEY_SIZE]);
/* As WIRE_KEY_VARIABLE carries it. Caller owns it. */
char *wire_key_text_dup(const guint8 key[CRYPTO_KEY_SIZE]);

/* Adds a file to a message; `name` is relative to /configs. */
void wire_add(GByteArray *message, const char *name, guint mode, const void *bytes, gsize size);

typedef enum {
    WIRE_TAKEN,
    WIRE_NOT_TAKEN, /* certainly not: nobody was reached, or it refused */
    WIRE_UNKNOWN,   /* sent, and no answer */
} WireEnd;
/* `address`: "127.0.0.1:49153", as engines give it. Takes at most WIRE_PATIENCE_MS. `error` is set
 * unless taken. */
#define WIRE_PATIENCE_MS 3000
WireEnd wire_send(const char *address, const guint8 key[CRYPTO_KEY_SIZE], const GByteArray *message,
                  GError **error);
