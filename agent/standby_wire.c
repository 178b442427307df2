#include "standby_wire.h"

#include "ids.h"
#include "log.h"
#include "memory.h"
#include "standby.h"
#include "standby_records.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BYTES    32
#define NONCE_BYTES  12
#define TAG_BYTES    16
#define MAGIC_BYTES  (sizeof STANDBY_WIRE_MAGIC - 1)
#define HEADER_BYTES (MAGIC_BYTES + 4)
#define BACKLOG      8
#define DEFAULT_PORT 8000

struct StandbyWire {
    int listener;
    unsigned char key[KEY_BYTES];
};

/* ---- The key and the address ---- */

static bool read_key(unsigned char key[KEY_BYTES])
{
    const char *text = getenv(STANDBY_KEY_VARIABLE);

    if (text == NULL || strlen(text) != 2 * KEY_BYTES)
        return false;
    for (size_t i = 0; i < KEY_BYTES; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};
        char *end;
        key[i] = (unsigned char)strtoul(digits, &end, 16);
        if (*end != '\0')
            return false;
    }
    return true;
}

static uint16_t port_wanted(void)
{
    const char *text = getenv("WORKSPACE_AGENT_PORT");
    long number = text != NULL && text[0] != '\0' ? strtol(text, NULL, 10) : DEFAULT_PORT;

    return number > 0 && number <= UINT16_MAX ? (uint16_t)number : 0;
}

static int listen_on(const struct sockaddr *address, socklen_t length)
{
    const int yes = 1;
    int listener = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (listener < 0)
        return -1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, address, length) == 0 && listen(listener, BACKLOG) == 0)
        return listener;
    close(listener);
    return -1;
}

static int listen_where_we_serve(void)
{
    const char *host = getenv("WORKSPACE_AGENT_LISTEN");
    uint16_t port = port_wanted();
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    if (host == NULL || host[0] == '\0')
        host = "0.0.0.0";
    if (port == 0)
        return -1;
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        return listen_on((const struct sockaddr *)&v4, sizeof v4);
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
        return listen_on((const struct sockaddr *)&v6, sizeof v6);
    return -1;
}

StandbyWire *standby_wire_new(void)
{
    unsigned char key[KEY_BYTES];

    if (!read_key(key))
        return NULL;
    int listener = listen_where_we_serve();
    if (listener < 0) {
        log_warning("cannot listen while standing by");
        return NULL;
    }
    StandbyWire *wire = memory_new(sizeof *wire);
    wire->listener = listener;
    memcpy(wire->key, key, KEY_BYTES);
    return wire;
}

void standby_wire_free(StandbyWire *wire)
{
    if (wire == NULL)
        return;
    close(wire->listener);
    explicit_bzero(wire, sizeof *wire);
    free(wire);
}

int standby_wire_descriptor(const StandbyWire *wire)
{
    return wire->listener;
}

/* ---- Reading a message ---- */

/* False: it ended, or the deadline passed. */
static bool read_all(int peer, void *bytes, size_t length, int64_t deadline_ms)
{
    size_t done = 0;

    while (done < length) {
        struct pollfd what = {.fd = peer, .events = POLLIN};
        int64_t rest_ms = deadline_ms - clock_monotonic_ms();
        if (rest_ms <= 0 || poll(&what, 1, (int)rest_ms) <= 0)
            return false;
        ssize_t count = read(peer, (char *)bytes + done, length - done);
        if (count < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (count <= 0)
            return false;
        done += (size_t)count;
    }
    return true;
}

/* NULL: no message of ours. The caller frees it. */
static unsigned char *read_sealed(int peer, size_t *length)
{
    unsigned char header[HEADER_BYTES];
    int64_t deadline_ms = clock_monotonic_ms() + STANDBY_WIRE_PATIENCE_MS;

    if (!read_all(peer, header, sizeof header, deadline_ms) ||
        memcmp(header, STANDBY_WIRE_MAGIC, MAGIC_BYTES) != 0)
        return NULL;
    const unsigned char *number = header + MAGIC_BYTES;
    *length =
        (size_t)number[0] << 24 | (size_t)number[1] << 16 | (size_t)number[2] << 8 | number[3];
    if (*length < NONCE_BYTES + TAG_BYTES || *length > STANDBY_WIRE_MAX)
        return NULL;
    unsigned char *sealed = memory_new(*length);
    if (read_all(peer, sealed, *length, deadline_ms))
        return sealed;
    free(sealed);
    return NULL;
}

unsigned char *standby_wire_open(const unsigned char key[32], const unsigned char *sealed,
                                 size_t length, size_t *clear_length)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    size_t size = length - NONCE_BYTES - TAG_BYTES;
    unsigned char *clear = memory_new(size + 1); /* a NUL ends the last text */
    int part = 0;
    int last = 0;
    bool fits = context != NULL &&
                EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, sealed) == 1 &&
                EVP_DecryptUpdate(context, clear, &part, sealed + NONCE_BYTES, (int)size) == 1 &&
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_BYTES,
                                    (void *)(uintptr_t)(sealed + length - TAG_BYTES)) == 1 &&
                EVP_DecryptFinal_ex(context, clear + part, &last) == 1;

    EVP_CIPHER_CTX_free(context);
    if (fits) {
        *clear_length = size;
        return clear;
    }
    free(clear);
    return NULL;
}

/* ---- Taking it over ---- */

static bool write_file(const char *folder, const StandbyRecord *record)
{
    AUTO_FREE char *path = memory_printf("%s/%s", folder, record->name);
    char *slash = strrchr(path + strlen(folder) + 1, '/');

    if (slash != NULL) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    unlink(path);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, record->mode);
    if (file < 0)
        return false;
    bool done = fchmod(file, record->mode) == 0 &&
                write(file, record->bytes, record->size) == (ssize_t)record->size;
    return close(file) == 0 && done;
}

static bool take_record(const char *folder, const StandbyRecord *record, char **environment,
                        size_t *length)
{
    if (!standby_record_is_safe(record))
        return false;
    if (strcmp(record->name, STANDBY_ENVIRONMENT) != 0)
        return write_file(folder, record);
    free(*environment);
    *environment = memory_new(record->size + 1);
    memcpy(*environment, record->bytes, record->size);
    *length = record->size;
    return true;
}

/* True: all records were taken, the environment among them. */
static bool take_all(const char *folder, const char *clear, size_t size, char **environment,
                     size_t *length)
{
    const char *at = clear;
    bool done = true;

    while (done && at < clear + size) {
        StandbyRecord record;
        done = standby_record_next(&at, clear + size, &record) &&
               take_record(folder, &record, environment, length);
    }
    if (done && *environment != NULL)
        return true;
    log_warning("a hand-over could not be taken: %s", strerror(errno));
    free(*environment);
    *environment = NULL;
    return false;
}

static bool serve(const StandbyWire *wire, int peer, const char *config_path, char **environment,
                  size_t *length)
{
    size_t sealed_length = 0;
    size_t clear_length = 0;
    AUTO_FREE unsigned char *sealed = read_sealed(peer, &sealed_length);
    AUTO_FREE unsigned char *clear =
        sealed != NULL ? standby_wire_open(wire->key, sealed, sealed_length, &clear_length) : NULL;

    if (clear == NULL)
        return false; /* a stranger gets no answer */
    bool done = take_all(config_path, (const char *)clear, clear_length, environment, length);
    explicit_bzero(clear, clear_length);
    if (send(peer, done ? "ok\n" : "no\n", 3, MSG_NOSIGNAL) != 3)
        log_warning("the answer to a hand-over was not sent");
    return done;
}

bool standby_wire_serve(StandbyWire *wire, const char *config_path, char **environment,
                        size_t *length)
{
    int peer = accept4(wire->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    *environment = NULL;
    *length = 0;
    if (peer < 0)
        return false;
    bool done = serve(wire, peer, config_path, environment, length);
    close(peer);
    return done;
}
