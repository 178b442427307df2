#include "base/crypto.h"

#include "base/errors.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

#define NONCE_SIZE 12
#define TAG_SIZE   16

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

void crypto_random(void *out, gsize size)
{
    guint8 *place = out;

    while (size > 0) {
        ssize_t got = getrandom(place, MIN(size, 256), 0);
        if (got <= 0)
            g_error("the system gives no random bytes");
        place += got;
        size -= (gsize)got;
    }
}

void crypto_sha256(const void *data, gsize size, guint8 hash[CRYPTO_HASH_SIZE])
{
    /* GLib's own: no provider lookup, no allocation inside OpenSSL; tokens are hashed on every
     * request. */
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize length = CRYPTO_HASH_SIZE;

    g_checksum_update(sum, data, (gssize)size);
    g_checksum_get_digest(sum, hash, &length);
    g_checksum_free(sum);
}

gboolean crypto_equal(const char *a, const char *b)
{
    if (!a || !b || strlen(a) != strlen(b))
        return FALSE;
    return CRYPTO_memcmp(a, b, strlen(a)) == 0;
}

void crypto_token_make(char token[CRYPTO_TOKEN_SIZE])
{
    guint8 bytes[32];
    g_autofree char *base64 = NULL;

    crypto_random(bytes, sizeof bytes);
    base64 = g_base64_encode(bytes, sizeof bytes); /* 43 characters and one '=' */
    g_strdelimit(base64, "+", '-');
    g_strdelimit(base64, "/", '_');
    memcpy(token, base64, CRYPTO_TOKEN_SIZE - 1);
    token[CRYPTO_TOKEN_SIZE - 1] = '\0';
    OPENSSL_cleanse(bytes, sizeof bytes);
}

/* Standard base64 with padding, nothing else. */
static gboolean is_base64(const char *text)
{
    gsize length = strlen(text);
    gsize body = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    gsize padding = strspn(text + body, "=");

    return length > 0 && length % 4 == 0 && padding <= 2 && body + padding == length;
}

gboolean crypto_key_parse(const char *text, guint8 key[CRYPTO_KEY_SIZE], GError **error)
{
    if (is_base64(text)) {
        gsize size = 0;
        g_autofree guchar *bytes = g_base64_decode(text, &size);
        if (size == CRYPTO_KEY_SIZE) {
            memcpy(key, bytes, size);
            return TRUE;
        }
    }
    if (strlen(text) == CRYPTO_KEY_SIZE) {
        memcpy(key, text, CRYPTO_KEY_SIZE);
        return TRUE;
    }
    return error_set(error, ERROR_INVALID, "the key must be 32 bytes, raw or as base64");
}

GBytes *crypto_seal(const guint8 key[CRYPTO_KEY_SIZE], const void *data, gsize size)
{
    g_autoptr(EVP_CIPHER_CTX) cipher = EVP_CIPHER_CTX_new();
    guint8 *sealed = g_malloc(NONCE_SIZE + size + TAG_SIZE);
    int length = 0;

    crypto_random(sealed, NONCE_SIZE);
    if (EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, sealed) != 1 ||
        EVP_EncryptUpdate(cipher, sealed + NONCE_SIZE, &length, data, (int)size) != 1 ||
        EVP_EncryptFinal_ex(cipher, sealed + NONCE_SIZE + length, &length) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, sealed + NONCE_SIZE + size) !=
            1)
        g_error("OpenSSL cannot encrypt");
    return g_bytes_new_take(sealed, NONCE_SIZE + size + TAG_SIZE);
}

GBytes *crypto_open(const guint8 key[CRYPTO_KEY_SIZE], const void *sealed, gsize size,
                    GError **error)
{
    g_autoptr(EVP_CIPHER_CTX) cipher = EVP_CIPHER_CTX_new();
    const guint8 *bytes = sealed;
    g_autofree guint8 *plain = NULL;
    gsize plain_size;
    int length = 0;

    if (size < NONCE_SIZE + TAG_SIZE) {
        error_set(error, ERROR_INTERNAL, "a sealed value is too short");
        return NULL;
    }
    plain_size = size - NONCE_SIZE - TAG_SIZE;
    plain = g_malloc(plain_size + 1);
    if (EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, bytes) != 1 ||
        EVP_DecryptUpdate(cipher, plain, &length, bytes + NONCE_SIZE, (int)plain_size) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, TAG_SIZE,
                            (void *)(bytes + size - TAG_SIZE)) != 1 ||
        EVP_DecryptFinal_ex(cipher, plain + length, &length) != 1) {
        error_set(error, ERROR_INTERNAL, "a sealed value does not fit the key");
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&plain), plain_size);
}
