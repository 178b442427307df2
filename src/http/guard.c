#include "http/guard.h"

#include "http/curl_library.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>

#define RESOLVE_BUDGET_MS 2000
#define URL_MAX_BYTES     8192
#define NO_INBOUND        "remote://no-inbound"

/* ---- Addresses ---- */

typedef enum {
    RANGE_PUBLIC, /* what no row names */
    RANGE_BLOCKED,
    RANGE_PRIVATE,
    RANGE_LOOPBACK,
    RANGE_EMBEDDED, /* an IPv4 address stands inside: `offset` bytes in */
} RangeKind;

typedef struct {
    guint32 network;
    guint bits;
    RangeKind kind;
} Range4;

typedef struct {
    guint8 network[16];
    guint bits;
    RangeKind kind;
    guint offset;
} Range6;

#define V4(a, b, c, d) ((guint32)(a) << 24 | (guint32)(b) << 16 | (guint32)(c) << 8 | (guint32)(d))

/* spec 03, section 9.3, column "Ours, one list". The first row that holds decides. */
static const Range4 ranges4[] = {
    {V4(127, 0, 0, 0), 8, RANGE_LOOPBACK},   {V4(10, 0, 0, 0), 8, RANGE_PRIVATE},
    {V4(172, 16, 0, 0), 12, RANGE_PRIVATE},  {V4(192, 168, 0, 0), 16, RANGE_PRIVATE},
    {V4(169, 254, 0, 0), 16, RANGE_BLOCKED}, {V4(100, 64, 0, 0), 10, RANGE_BLOCKED},
    {V4(192, 0, 2, 0), 24, RANGE_BLOCKED},   {V4(198, 51, 100, 0), 24, RANGE_BLOCKED},
    {V4(203, 0, 113, 0), 24, RANGE_BLOCKED}, {V4(0, 0, 0, 0), 8, RANGE_BLOCKED},
    {V4(224, 0, 0, 0), 4, RANGE_BLOCKED},    {V4(240, 0, 0, 0), 4, RANGE_BLOCKED},
};

static const Range6 ranges6[] = {
    {{[15] = 1}, 128, RANGE_LOOPBACK, 0},
    {{0}, 128, RANGE_BLOCKED, 0},
    {{[10] = 0xff, 0xff}, 96, RANGE_EMBEDDED, 12},      /* mapped */
    {{0}, 96, RANGE_EMBEDDED, 12},                      /* compatible */
    {{0x00, 0x64, 0xff, 0x9b}, 96, RANGE_EMBEDDED, 12}, /* NAT64 */
    {{0x20, 0x02}, 16, RANGE_EMBEDDED, 2},              /* 6to4 */
    {{0xfe, 0x80}, 10, RANGE_BLOCKED, 0},
    {{0xfd}, 8, RANGE_PRIVATE, 0},
    {{0xfc}, 8, RANGE_BLOCKED, 0},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, RANGE_BLOCKED, 0},
    {{0xff}, 8, RANGE_BLOCKED, 0},
};

static gboolean kind_allowed(RangeKind kind, GuardPolicy policy)
{
    switch (kind) {
    case RANGE_PUBLIC:
        return TRUE;
    case RANGE_PRIVATE:
        return policy.allow_private;
    case RANGE_LOOPBACK:
        return policy.allow_loopback;
    case RANGE_BLOCKED:
    case RANGE_EMBEDDED:
        return FALSE;
    }
    return FALSE;
}

static gboolean ipv4_allowed(guint32 address, GuardPolicy policy)
{
    for (guint i = 0; i < G_N_ELEMENTS(ranges4); i++) {
        guint32 mask = ~(guint32)0 << (32 - ranges4[i].bits);
        if ((address & mask) == ranges4[i].network)
            return kind_allowed(ranges4[i].kind, policy);
    }
    return TRUE;
}

static gboolean prefix_equal(const guint8 *address, const guint8 *network, guint bits)
{
    guint whole = bits / 8, rest = bits % 8;

    if (memcmp(address, network, whole) != 0)
        return FALSE;
    return rest == 0 || (address[whole] ^ network[whole]) >> (8 - rest) == 0;
}

static gboolean ipv6_allowed(const guint8 address[16], GuardPolicy policy)
{
    for (guint i = 0; i < G_N_ELEMENTS(ranges6); i++) {
        const Range6 *range = &ranges6[i];
        const guint8 *inside = address + range->offset;
        if (!prefix_equal(address, range->network, range->bits))
            continue;
        if (range->kind == RANGE_EMBEDDED)
            return ipv4_allowed(V4(inside[0], inside[1], inside[2], inside[3]), policy);
        return kind_allowed(range->kind, policy);
    }
    return TRUE;
}

gboolean guard_address_allowed(const struct sockaddr *address, GuardPolicy policy)
{
    /* Copied: callers' addresses are not always aligned for their type. */
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        return ipv4_allowed(ntohl(v4.sin_addr.s_addr), policy);
    }
    if (address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof v6);
        return ipv6_allowed(v6.sin6_addr.s6_addr, policy);
    }
    return FALSE;
}

/* ---- Names ---- */

typedef struct {
    GuardPolicy policy;
    guint seen, refused;
} NameVerdict;

/* libcurl would now connect to one of the name's addresses: it is judged, and the next one asked
 * for. */
static curl_socket_t judge_next(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    NameVerdict *verdict = data;

    (void)purpose;
    verdict->seen++;
    verdict->refused += !guard_address_allowed(&address->addr, verdict->policy);
    return CURL_SOCKET_BAD;
}

/* The lookup is libcurl's, because it has a limit of time (the C library's has none), and because
 * the call will be made with it. */
static CURLcode visit_addresses(const char *url, NameVerdict *verdict)
{
    CURL *easy = curl_easy_init();
    CURLcode code;

    g_assert(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)RESOLVE_BUDGET_MS);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, judge_next);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, verdict);
    code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    return code;
}

static gboolean name_check(const char *url, GuardPolicy policy, GError **error)
{
    NameVerdict verdict = {.policy = policy};
    CURLcode code;

    curl_library_ensure();
    code = visit_addresses(url, &verdict);
    if (verdict.refused > 0)
        return error_set(error, ERROR_INVALID,
                         "the host of the url has an address that is not allowed");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return error_set(error, ERROR_INVALID, "the host of the url cannot be resolved in time");
    return verdict.seen > 0 ||
           error_set(error, ERROR_INVALID, "the host of the url cannot be resolved");
}

/* ---- URLs ---- */

/* TRUE when `host` is an address; `*is_allowed` is the verdict. */
static gboolean judge_literal(const char *host, GuardPolicy policy, gboolean *is_allowed)
{
    g_autofree char *bare = g_strdup(host);
    struct in_addr v4;
    struct in6_addr v6;
    gsize length = strlen(bare);

    if (inet_pton(AF_INET, bare, &v4) == 1) {
        *is_allowed = ipv4_allowed(ntohl(v4.s_addr), policy);
        return TRUE;
    }
    if (length < 2 || bare[0] != '[' || bare[length - 1] != ']')
        return FALSE;
    bare[length - 1] = '\0';
    *is_allowed = inet_pton(AF_INET6, bare + 1, &v6) == 1 && ipv6_allowed(v6.s6_addr, policy);
    return TRUE;
}

static gboolean host_check(const char *url, const char *host, GuardPolicy policy, GError **error)
{
    gboolean is_allowed = FALSE;

    if (!host || !*host)
        return error_set(error, ERROR_INVALID, "the url has no host");
    if (strcmp(host, "localhost") == 0)
        return TRUE; /* judged when it is called */
    if (!judge_literal(host, policy, &is_allowed))
        return name_check(url, policy, error);
    return is_allowed ||
           error_set(error, ERROR_INVALID, "the url points to an address that is not allowed");
}

static char *url_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;

    if (curl_url_get(url, part, &text, 0) != CURLUE_OK)
        return NULL;
    return text;
}

/* Read by the library that will make the call, so that no two parsers can disagree. */
static gboolean parsed_check(CURLU *parsed, const char *url, GuardPolicy policy, GError **error)
{
    char *scheme = NULL, *host = NULL;
    gboolean is_allowed;

    if (curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        return error_set(error, ERROR_INVALID, "the url is malformed");
    scheme = url_part(parsed, CURLUPART_SCHEME);
    host = url_part(parsed, CURLUPART_HOST);
    if (g_strcmp0(scheme, "http") == 0 || g_strcmp0(scheme, "https") == 0)
        is_allowed = host_check(url, host, policy, error);
    else
        is_allowed = error_set(error, ERROR_INVALID, "the url must begin with http:// or https://");
    curl_free(scheme);
    curl_free(host);
    return is_allowed;
}

gboolean guard_url_check(const char *url, GuardPolicy policy, GError **error)
{
    CURLU *parsed;
    gboolean is_allowed;

    if (g_strcmp0(url, NO_INBOUND) == 0)
        return TRUE;
    if (!url || strlen(url) > URL_MAX_BYTES)
        return error_set(error, ERROR_INVALID, "the url is malformed");
    parsed = curl_url();
    is_allowed = parsed_check(parsed, url, policy, error);
    curl_url_cleanup(parsed);
    return is_allowed;
}
