/* Any bytes as a URL, and as an address: nothing of loopback may pass a strict policy, however it
 * is written. */
#include "http/guard.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In place of libcurl's: no fuzzer asks a name server. */
CURLcode curl_easy_perform(CURL *easy)
{
    (void)easy;
    return CURLE_COULDNT_RESOLVE_HOST;
}

static gboolean judge_v4(const uint8_t *bytes, GuardPolicy policy)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    memcpy(&address.sin_addr, bytes, 4);
    return guard_address_allowed((struct sockaddr *)&address, policy);
}

static gboolean judge_v6(const uint8_t *bytes, GuardPolicy policy)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};

    memcpy(&address.sin6_addr, bytes, 16);
    return guard_address_allowed((struct sockaddr *)&address, policy);
}

static void check_addresses(const uint8_t *bytes, GuardPolicy policy)
{
    static const GuardPolicy strict = {0};
    uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};

    memcpy(mapped + 12, bytes, 4);
    g_assert(judge_v6(mapped, policy) == judge_v4(bytes, policy));
    /* a policy only adds */
    g_assert(judge_v4(bytes, policy) >= judge_v4(bytes, strict));
    g_assert(judge_v6(bytes, policy) >= judge_v6(bytes, strict));
    g_assert(bytes[0] != 127 || !judge_v4(bytes, strict));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *url = NULL;
    g_autoptr(GError) error = NULL;
    GuardPolicy policy;
    gboolean is_allowed;

    if (size < 17)
        return 0;
    policy = (GuardPolicy){.allow_private = data[0] & 1, .allow_loopback = data[0] >> 1 & 1};
    check_addresses(data + 1, policy);
    url = g_strndup((const char *)data + 17, size - 17);
    is_allowed = guard_url_check(url, policy, &error);
    g_assert(is_allowed == (error == NULL));
    if (!is_allowed)
        g_assert(error_is(error, ERROR_INVALID));
    else /* names are not resolved here, so only addresses and two fixed texts pass */
        g_assert(strpbrk(url, "0123456789:") != NULL);
    return 0;
}
