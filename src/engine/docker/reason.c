/* Sentences of daemons and what they mean.
 *
 * Sources: Go's `syscall` error table (the words for ENOSPC, EDQUOT, EADDRINUSE, EADDRNOTAVAIL,
 * ENOTDIR); moby `libnetwork/portallocator` ("port is already allocated"), `volume/mounts`
 * ("bind source path does not exist", "invalid mount config"), `daemon/errors.go` (a start's exit
 * codes 126 and 127, and the exception for ENOTDIR), `daemon/create.go` ("no command specified");
 * Podman `libpod/define/errors.go` ("command that was not found", "could not be invoked"); Go's
 * `net` and `net/http` for registries that do not answer. */
#include "engine/docker/reason.h"

#include <string.h>

typedef struct {
    const char *text; /* lower case */
    Reason reason;
} Meaning;

/* The first that fits: a full disk shows up as the end of many sentences, a mount's before a
 * command's. */
static const Meaning meanings[] = {
    {"no space left on device", REASON_DISK_FULL},
    {"disk quota exceeded", REASON_DISK_FULL},
    {"port is already allocated", REASON_PORT_UNAVAILABLE},
    {"address already in use", REASON_PORT_UNAVAILABLE},
    {"cannot assign requested address", REASON_PORT_UNAVAILABLE},
    {"bind source path does not exist", REASON_MOUNT_REFUSED},
    {"invalid mount config", REASON_MOUNT_REFUSED},
    {"error mounting", REASON_MOUNT_REFUSED},
    {"not a directory", REASON_MOUNT_REFUSED},
    {"no command specified", REASON_COMMAND_NOT_FOUND},
    {"no command or entrypoint provided", REASON_COMMAND_NOT_FOUND},
    {"executable file not found", REASON_COMMAND_NOT_FOUND},
    {"command that was not found", REASON_COMMAND_NOT_FOUND},
    {"could not be invoked", REASON_COMMAND_NOT_EXECUTABLE},
    {"exec format error", REASON_COMMAND_NOT_EXECUTABLE},
};

static const Meaning pull_meanings[] = {
    {"no space left on device", REASON_DISK_FULL},
    {"disk quota exceeded", REASON_DISK_FULL},
    {"dial tcp", REASON_REGISTRY_UNREACHABLE},
    {"no such host", REASON_REGISTRY_UNREACHABLE},
    {"connection refused", REASON_REGISTRY_UNREACHABLE},
    {"i/o timeout", REASON_REGISTRY_UNREACHABLE},
    {"tls handshake timeout", REASON_REGISTRY_UNREACHABLE},
    {"client.timeout exceeded", REASON_REGISTRY_UNREACHABLE},
    {"context deadline exceeded", REASON_REGISTRY_UNREACHABLE},
};

static Reason find(const char *text, const Meaning *list, guint count)
{
    g_autofree char *lower = text ? g_ascii_strdown(text, -1) : NULL;

    for (guint i = 0; lower && i < count; i++)
        if (strstr(lower, list[i].text))
            return list[i].reason;
    return REASON_NONE;
}

Reason docker_reason_of_text(const char *text)
{
    return find(text, meanings, G_N_ELEMENTS(meanings));
}

Reason docker_reason_of_pull(const char *text)
{
    return find(text, pull_meanings, G_N_ELEMENTS(pull_meanings));
}

gboolean docker_reason_is_name_taken(const char *text)
{
    return text && strstr(text, "the container name ") && strstr(text, " is already in use");
}

gboolean docker_reason_is_wrong_state(const char *text)
{
    return text && strstr(text, "container state improper");
}
