#include "a2a/address.h"

#include <string.h>

#define CONTAINER_PORT 8000
#define NO_INBOUND     "remote://no-inbound"
#define HOST_NAME      "host.docker.internal"
#define LOOPBACK_URL   "http://127.0.0.1"
#define HOST_URL       "http://" HOST_NAME
#define ID_SHORT_BYTES 12 /* spec 04, 5.5 */

gboolean address_is_external(const WorkspaceRow *row)
{
    return g_strcmp0(row->runtime, "external") == 0;
}

/* Whether the URL's host is "ws-" and so many bytes of the id, with any port or none. */
static gboolean is_host_of(const char *url, const char *id, int id_bytes)
{
    g_autofree char *host = g_strdup_printf("http://ws-%.*s", id_bytes, id);

    if (!url || !g_str_has_prefix(url, host))
        return FALSE;
    url += strlen(host);
    if (*url == ':')
        for (url++; g_ascii_isdigit(*url);)
            url++;
    return *url == '\0' || *url == '/';
}

/* A container has the long name when somebody else's has the short one: the agent says which. */
char *address_container_dup(const WorkspaceRow *row)
{
    gboolean is_long = is_host_of(row->agent_url, row->id, ID_SIZE - 1);

    return g_strdup_printf("http://ws-%.*s:%d", is_long ? ID_SIZE - 1 : ID_SHORT_BYTES, row->id,
                           CONTAINER_PORT);
}

gboolean address_is_callable(const char *url)
{
    return url && *url && strcmp(url, NO_INBOUND) != 0;
}

static gboolean is_http(const char *url)
{
    return g_ascii_strncasecmp(url, "http://", 7) == 0 ||
           g_ascii_strncasecmp(url, "https://", 8) == 0;
}

/* Tier 4 listens on the host itself, at a port of its own. */
static gboolean has_host_network(const WorkspaceRow *row)
{
    return row->tier == 4;
}

AddressOutcome address_of(const WorkspaceRow *row, const A2aOptions *options, char **url,
                          gboolean *trusted)
{
    if (row->status == WORKSPACE_PAUSED)
        return ADDRESS_PAUSED;
    if (row->status == WORKSPACE_HIBERNATED || row->status == WORKSPACE_HIBERNATING)
        return ADDRESS_HIBERNATED;
    if (!address_is_callable(row->url))
        return ADDRESS_NONE;
    if (!is_http(row->url))
        return ADDRESS_BAD;
    *trusted = row->url_is_minted || address_is_own(row, row->url);
    /* A published port is on the host's loopback, which is not ours when we run in a container. */
    if (row->url_is_minted && options->in_container && g_str_has_prefix(row->url, LOOPBACK_URL ":"))
        *url = has_host_network(row) ? g_strconcat(HOST_URL, row->url + strlen(LOOPBACK_URL), NULL)
                                     : address_container_dup(row);
    else
        *url = g_strdup(row->url);
    return ADDRESS_FOUND;
}

gboolean address_is_own(const WorkspaceRow *row, const char *url)
{
    if (row->url_is_minted && g_strcmp0(row->url, url) == 0)
        return TRUE;
    return !address_is_external(row) &&
           (is_host_of(url, row->id, ID_SHORT_BYTES) || is_host_of(url, row->id, ID_SIZE - 1));
}

/* The host's place in the URL: after the scheme and user info, up to the port, path, query or
 * fragment. */
static gboolean find_host(const char *url, const char **host, gsize *length)
{
    const char *start = strstr(url, "://");
    const char *end, *user;

    if (!start)
        return FALSE;
    start += 3;
    end = start + strcspn(start, "/?#");
    user = g_strrstr_len(start, end - start, "@");
    if (user)
        start = user + 1;
    if (*start == '[')
        return FALSE;
    *host = start;
    *length = MIN(strcspn(start, ":"), (gsize)(end - start));
    return TRUE;
}

char *address_from_container_dup(const char *url)
{
    const char *host;
    gsize length;

    if (!find_host(url, &host, &length) ||
        !((length == 9 && g_ascii_strncasecmp(host, "localhost", 9) == 0) ||
          (length == 9 && strncmp(host, "127.0.0.1", 9) == 0)))
        return g_strdup(url);
    return g_strdup_printf("%.*s" HOST_NAME "%s", (int)(host - url), url, host + length);
}
