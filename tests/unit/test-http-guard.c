/* Every row of the range table under every policy; URLs at registration. Source: spec 03,
 * section 9.3. */
#include "http/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

typedef enum { ALWAYS, PRIVATE, LOOPBACK, NEVER } Verdict;

static const struct {
    const char *address;
    Verdict verdict;
} cases[] = {
    {"127.0.0.1", LOOPBACK},
    {"127.255.255.255", LOOPBACK},
    {"::1", LOOPBACK},
    {"::ffff:127.0.0.1", LOOPBACK},
    {"64:ff9b::7f00:1", LOOPBACK},
    {"2002:7f00:1::", LOOPBACK},
    {"::127.0.0.1", LOOPBACK},
    {"10.0.0.0", PRIVATE},
    {"10.255.255.255", PRIVATE},
    {"172.16.0.0", PRIVATE},
    {"172.31.255.255", PRIVATE},
    {"192.168.0.1", PRIVATE},
    {"::ffff:192.168.0.1", PRIVATE},
    {"64:ff9b::a00:1", PRIVATE},
    {"2002:c0a8:1::1", PRIVATE},
    {"fd00::1", PRIVATE},
    {"fdff:ffff::1", PRIVATE},
    {"169.254.169.254", NEVER},
    {"::ffff:169.254.169.254", NEVER},
    {"64:ff9b::a9fe:a9fe", NEVER},
    {"2002:a9fe:a9fe::", NEVER},
    {"::169.254.169.254", NEVER},
    {"fe80::1", NEVER},
    {"febf::1", NEVER},
    {"fc00::1", NEVER},
    {"100.64.0.1", NEVER},
    {"100.127.255.255", NEVER},
    {"192.0.2.1", NEVER},
    {"198.51.100.1", NEVER},
    {"203.0.113.1", NEVER},
    {"2001:db8::1", NEVER},
    {"224.0.0.1", NEVER},
    {"239.255.255.255", NEVER},
    {"ff01::1", NEVER},
    {"ff02::1", NEVER},
    {"ff0e::1", NEVER},
    {"0.0.0.0", NEVER},
    {"0.1.2.3", NEVER},
    {"::", NEVER},
    {"240.0.0.1", NEVER},
    {"255.255.255.255", NEVER},
    {"9.255.255.255", ALWAYS},
    {"11.0.0.0", ALWAYS},
    {"100.63.255.255", ALWAYS},
    {"100.128.0.0", ALWAYS},
    {"126.255.255.255", ALWAYS},
    {"128.0.0.0", ALWAYS},
    {"169.253.255.255", ALWAYS},
    {"172.15.255.255", ALWAYS},
    {"172.32.0.0", ALWAYS},
    {"192.167.255.255", ALWAYS},
    {"192.169.0.0", ALWAYS},
    {"223.255.255.255", ALWAYS},
    {"8.8.8.8", ALWAYS},
    {"::ffff:8.8.8.8", ALWAYS},
    {"64:ff9b::808:808", ALWAYS},
    {"2002:808:808::1", ALWAYS},
    {"2001:4860:4860::8888", ALWAYS},
    {"2001:db9::1", ALWAYS},
};

static gboolean judge(const char *text, GuardPolicy policy)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return guard_address_allowed((struct sockaddr *)&v4, policy);
    g_assert_cmpint(inet_pton(AF_INET6, text, &v6.sin6_addr), ==, 1);
    return guard_address_allowed((struct sockaddr *)&v6, policy);
}

static void test_every_row_under_every_policy(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (guint bits = 0; bits < 4; bits++) {
            GuardPolicy policy = {.allow_private = bits & 1, .allow_loopback = bits >> 1 & 1};
            gboolean wanted = cases[i].verdict == ALWAYS ||
                              (cases[i].verdict == PRIVATE && policy.allow_private) ||
                              (cases[i].verdict == LOOPBACK && policy.allow_loopback);
            if (judge(cases[i].address, policy) != wanted)
                g_error("%s, private %d, loopback %d: wanted %d", cases[i].address,
                        policy.allow_private, policy.allow_loopback, wanted);
        }
    }
}

static void test_other_families_are_refused(void)
{
    const struct sockaddr address = {.sa_family = AF_UNIX};

    g_assert_false(guard_address_allowed(&address, (GuardPolicy){TRUE, TRUE}));
}

static void assert_url(const char *url, GuardPolicy policy, const char *complaint)
{
    g_autoptr(GError) error = NULL;
    gboolean is_allowed = guard_url_check(url, policy, &error);

    if (!complaint) {
        g_assert_no_error(error);
        g_assert_true(is_allowed);
        return;
    }
    if (is_allowed)
        g_error("%s was allowed", url);
    g_assert_true(error_is(error, ERROR_INVALID));
    if (!strstr(error->message, complaint))
        g_error("%s: expected %s, got %s", url, complaint, error->message);
}

static void test_urls_at_registration(void)
{
    GuardPolicy strict = {0}, saas = {.allow_private = TRUE}, development = {TRUE, TRUE};

    assert_url("http://8.8.8.8:80/x", strict, NULL);
    assert_url("HTTPS://user:pw@8.8.8.8/", strict, NULL);
    assert_url("http://[2001:4860:4860::8888]:1/", strict, NULL);
    assert_url("remote://no-inbound", strict, NULL);
    assert_url("http://localhost:8000", strict, NULL); /* judged when called */
    assert_url("http://10.1.2.3:8000", saas, NULL);
    assert_url("http://127.0.0.1:8000", development, NULL);
    assert_url("http://127.0.0.1:8000", saas, "not allowed");
    assert_url("http://10.1.2.3:8000", strict, "not allowed");
    assert_url("http://169.254.169.254/latest", development, "not allowed");
    assert_url("http://[::ffff:169.254.169.254]/", development, "not allowed");
    assert_url("http://[::1]/", strict, "not allowed");
    assert_url("ftp://8.8.8.8/", strict, "http://");
    assert_url("remote://other", strict, "http://");
    assert_url("file:///etc/passwd", strict, "url");
    assert_url("http://", strict, "malformed");
    assert_url("", strict, "malformed");
    assert_url(NULL, strict, "malformed");
    assert_url("/relative", strict, "malformed");
    assert_url("http://no.such.host.invalid/", strict, "cannot be resolved");
}

/* Forms that other parsers read as addresses may pass only if what they mean may. */
static void test_shorthand_hosts_mean_what_they_mean(void)
{
    static const char *const loopbacks[] = {
        "http://2130706433/", "http://0x7f.1/",     "http://127.1/",      "http://0177.0.0.1/",
        "http://LOCALHOST/",  "http://localhost./", "http://127.0.0.1./", "http://①②⑦.⓪.⓪.①/",
        "http://0/",          "http://[::]:80/",    "http://[0:0:0::1]/", "http://0x7f000001/",
    };

    for (guint i = 0; i < G_N_ELEMENTS(loopbacks); i++)
        assert_url(loopbacks[i], (GuardPolicy){0}, "");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/http/guard/every-row-under-every-policy", test_every_row_under_every_policy);
    g_test_add_func("/http/guard/other-families-are-refused", test_other_families_are_refused);
    g_test_add_func("/http/guard/urls-at-registration", test_urls_at_registration);
    g_test_add_func("/http/guard/shorthand-hosts-mean-what-they-mean",
                    test_shorthand_hosts_mean_what_they_mean);
    return g_test_run();
}
