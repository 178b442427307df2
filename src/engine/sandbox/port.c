/* The agent's port on the host's network. Allocated ones lie below the kernel's ephemeral range, so
 * that no outgoing connection takes one between choosing and listening, and stay the same from
 * start to start while they are free. */
#include "engine/sandbox/container.h"
#include "engine/sandbox/tree.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_FIRST 30000 /* above those that a spec with the host's network chooses itself */
#define PORT_COUNT 2768
#define PORT_NAME  "WORKSPACE_AGENT_PORT"

guint16 sandbox_port_load(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, SANDBOX_PORT, NULL);
    g_autofree char *text = NULL;

    if (!sandbox_tree_read(path, 16, &text, NULL, NULL))
        return 0;
    return (guint16)g_ascii_strtoull(text, NULL, 10);
}

static gboolean is_free(guint16 port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    gboolean is_bound = FALSE;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return FALSE;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    is_bound = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return is_bound;
}

/* Bit set of the ports that other containers were given. */
static void mark_given(SandboxEngine *sandbox, const char *own, gboolean given[PORT_COUNT])
{
    g_autoptr(GPtrArray) ids = sandbox_names(sandbox, SANDBOX_CONTAINERS, NULL);

    for (guint i = 0; ids && i < ids->len; i++) {
        g_autofree char *folder = sandbox_path(sandbox, SANDBOX_CONTAINERS, ids->pdata[i]);
        guint port = strcmp(ids->pdata[i], own) == 0 ? 0 : sandbox_port_load(folder);

        if (port >= PORT_FIRST && port < PORT_FIRST + PORT_COUNT)
            given[port - PORT_FIRST] = TRUE;
    }
}

static guint16 allocate(SandboxEngine *sandbox, SandboxContainer *container)
{
    g_autofree gboolean *given = g_new0(gboolean, PORT_COUNT);
    guint first = g_str_hash(container->record->id) % PORT_COUNT;
    guint16 last = sandbox_port_load(container->folder);

    mark_given(sandbox, container->record->id, given);
    if (last >= PORT_FIRST && last < PORT_FIRST + PORT_COUNT)
        first = last - PORT_FIRST;
    for (guint i = 0; i < PORT_COUNT; i++) {
        guint offset = (first + i) % PORT_COUNT;

        if (!given[offset] && is_free((guint16)(PORT_FIRST + offset)))
            return (guint16)(PORT_FIRST + offset);
    }
    return 0;
}

/* What the spec decides itself; 0: nothing. */
static guint16 fixed_port(const SandboxRecord *record)
{
    const char *text = sandbox_environment_find(record->environment, PORT_NAME);
    guint64 port = text ? g_ascii_strtoull(text, NULL, 10) : 0;

    if (port > 0 && port <= G_MAXUINT16)
        return (guint16)port;
    return record->host_network ? record->port : 0;
}

gboolean sandbox_port_choose(SandboxEngine *sandbox, SandboxContainer *container, guint16 *port,
                             GError **error)
{
    g_autofree char *path = g_build_filename(container->folder, SANDBOX_PORT, NULL);
    g_autofree char *text = NULL;
    guint16 fixed = fixed_port(container->record);

    *port = 0;
    if (container->record->port == 0)
        return TRUE;
    if (fixed && !is_free(fixed))
        return error_set_reason(error, ERROR_INVALID, REASON_PORT_UNAVAILABLE,
                                "port %u is taken by another program", fixed);
    *port = fixed ? fixed : allocate(sandbox, container);
    if (*port == 0)
        return error_set_reason(error, ERROR_INVALID, REASON_PORT_UNAVAILABLE,
                                "all ports from %d to %d are taken", PORT_FIRST,
                                PORT_FIRST + PORT_COUNT - 1);
    text = g_strdup_printf("%u", *port);
    return sandbox_tree_write(path, text, strlen(text), error);
}
