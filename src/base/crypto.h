/* The few cryptographic steps the server takes, all done by OpenSSL. Thread: any. */
#pragma once

#include <glib.h>

#define CRYPTO_KEY_SIZE   32
#define CRYPTO_HASH_SIZE  32
#define CRYPTO_TOKEN_SIZE 44 /* 43 characters of base64url and the NUL */

/* Fills `out` from the system's generator. Aborts when there is none. */
void crypto_random(void *out, gsize size);

void crypto_sha256(const void *data, gsize size, guint8 hash[CRYPTO_HASH_SIZE]);

/* Compares in a time that depends on the lengths only. NULL equals nothing. */
gboolean crypto_equal(const char *a, const char *b);

/* A new bearer token: 32 random bytes as unpadded base64url, 43 characters. Source: spec 03, 5.1.
 */
void crypto_token_make(char token[CRYPTO_TOKEN_SIZE]);

/* Reads a key: standard base64 of 32 bytes, or exactly 32 raw bytes. Error: ERROR_INVALID.
 * Source: spec 03, section 7.2, F19. */
gboolean crypto_key_parse(const char *text, guint8 key[CRYPTO_KEY_SIZE], GError **error);

/* AES-256-GCM: 12-byte random nonce, ciphertext, 16-byte tag. Caller owns the result. */
GBytes *crypto_seal(const guint8 key[CRYPTO_KEY_SIZE], const void *data, gsize size);

/* The reverse. Error: ERROR_INTERNAL when it is too short or the tag does not fit. */
GBytes *crypto_open(const guint8 key[CRYPTO_KEY_SIZE], const void *sealed, gsize size,
                    GError **error);
