/* JSON Web Tokens signed with an RSA key (RS256), by OpenSSL. Thread: any; a key may be shared. */
#pragma once

#include "base/errors.h"

typedef struct _JwtKey JwtKey;

/* Reads a private RSA key, PKCS#1 or PKCS#8 PEM, not encrypted. Error: ERROR_INVALID with a
 * sentence that names the file. */
JwtKey *jwt_key_read(const char *path, GError **error);
void jwt_key_free(JwtKey *key); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JwtKey, jwt_key_free)

/* The signed token of `claims`, a compact JSON object. Caller owns it. Error: ERROR_INTERNAL. */
char *jwt_sign(const JwtKey *key, const char *claims, GError **error);
