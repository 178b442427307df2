#include "base/jwt.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

#define KEY_FILE_MAX_BYTES (64 * 1024)
#define HEADER             "{\"alg\":\"RS256\",\"typ\":\"JWT\"}"

struct _JwtKey {
    EVP_PKEY *handle;
};

/* Never asks a terminal: an encrypted key is not readable. */
static int no_password(char *buffer, int size, int for_writing, void *data)
{
    (void)buffer;
    (void)size;
    (void)for_writing;
    (void)data;
    return -1;
}

static char *read_file(const char *path, gsize *length, GError **error)
{
    char *text = NULL;
    struct stat status;

    if (stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_size <= KEY_FILE_MAX_BYTES && g_file_get_contents(path, &text, length, NULL))
        return text;
    error_set(error, ERROR_INVALID, "cannot read the key file %s", path);
    return NULL;
}

static EVP_PKEY *parse_key(const char *text, gsize length)
{
    BIO *bio = BIO_new_mem_buf(text, (int)length);
    EVP_PKEY *handle = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return handle;
}

JwtKey *jwt_key_read(const char *path, GError **error)
{
    gsize length = 0;
    char *text = read_file(path, &length, error);
    g_autoptr(JwtKey) key = NULL;

    if (!text)
        return NULL;
    key = g_new0(JwtKey, 1);
    key->handle = parse_key(text, length);
    explicit_bzero(text, length);
    g_free(text);
    if (key->handle && EVP_PKEY_is_a(key->handle, "RSA"))
        return g_steal_pointer(&key);
    error_set(error, ERROR_INVALID, "%s holds no RSA private key in PEM form", path);
    return NULL;
}

void jwt_key_free(JwtKey *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->handle);
    g_free(key);
}

static void append_base64url(GString *out, const void *bytes, gsize size)
{
    g_autofree char *text = g_base64_encode(bytes, size);

    for (const char *at = text; *at && *at != '='; at++)
        g_string_append_c(out, *at == '+' ? '-' : *at == '/' ? '_' : *at);
}

/* NULL when OpenSSL refuses. */
static guint8 *sign(const JwtKey *key, const GString *text, gsize *size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const guint8 *bytes = (const guint8 *)text->str;
    guint8 *signature = NULL;

    if (EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key->handle) == 1 &&
        EVP_DigestSign(context, NULL, size, bytes, text->len) == 1) {
        signature = g_malloc(*size);
        if (EVP_DigestSign(context, signature, size, bytes, text->len) != 1)
            g_clear_pointer(&signature, g_free);
    }
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return signature;
}

char *jwt_sign(const JwtKey *key, const char *claims, GError **error)
{
    g_autoptr(GString) token = g_string_new(NULL);
    g_autofree guint8 *signature = NULL;
    gsize size = 0;

    append_base64url(token, HEADER, strlen(HEADER));
    g_string_append_c(token, '.');
    append_base64url(token, claims, strlen(claims));
    signature = sign(key, token, &size);
    if (!signature) {
        error_set(error, ERROR_INTERNAL, "a token could not be signed");
        return NULL;
    }
    g_string_append_c(token, '.');
    append_base64url(token, signature, size);
    return g_string_free(g_steal_pointer(&token), FALSE);
}
