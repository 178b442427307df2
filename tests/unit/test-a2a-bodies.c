/* What the registry's routes accept, which field they complain about, and what a heartbeat decides.
 */
#include "a2a/discovery.h"
#include "a2a/registry.h"

#include <string.h>

#define ID       "7c9e6679-7425-40de-944b-e07fc1f90ae7"
#define ID_UPPER "7C9E6679-7425-40DE-944B-E07FC1F90AE7"

/* ---- Register ---- */

static void assert_register_refused(const char *text, const char *word)
{
    g_auto(RegisterBody) body = {0};
    g_autoptr(GError) error = NULL;

    g_assert_false(register_body_decode(text, strlen(text), &body, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
    g_assert_nonnull(strstr(error->message, word));
}

static void test_register_is_decoded(void)
{
    static const char text[] =
        "{\"ID\":\"" ID_UPPER
        "\",\"url\":\"http://a\",\"agent_card\":{ \"n\": 1.10 },\"x\":1} rest";
    g_auto(RegisterBody) body = {0};

    g_assert_true(register_body_decode(text, strlen(text), &body, NULL));
    g_assert_cmpstr(body.id, ==, ID);
    g_assert_cmpstr(body.url, ==, "http://a");
    g_assert_cmpstr(body.agent_card, ==, "{\"n\":1.10}");
}

static void test_register_card_may_be_null(void)
{
    static const char text[] = "{\"id\":\"" ID "\",\"url\":\"http://a\",\"agent_card\":null}";
    g_auto(RegisterBody) body = {0};

    g_assert_true(register_body_decode(text, strlen(text), &body, NULL));
    g_assert_cmpstr(body.agent_card, ==, "null");
}

static void test_register_names_the_faulty_field(void)
{
    assert_register_refused("", "");
    assert_register_refused("[]", "object");
    assert_register_refused("null", "id is required");
    assert_register_refused("{\"url\":\"u\",\"agent_card\":1}", "id is required");
    assert_register_refused("{\"id\":\"x\",\"url\":\"u\",\"agent_card\":1}", "id must be");
    assert_register_refused("{\"id\":\"" ID "\",\"url\":\"\",\"agent_card\":1}", "url is required");
    assert_register_refused("{\"id\":\"" ID "\",\"url\":5,\"agent_card\":1}", "url must be");
    assert_register_refused("{\"id\":\"" ID "\",\"url\":\"u\"}", "agent_card is required");
    assert_register_refused("{\"id\":\"" ID "\",\"url\":\"u\",\"agent_card\":\"\\u0000\"}",
                            "agent_card");
    assert_register_refused("{\"id\":\"" ID "\",\"url\":\"a\\u0000\",\"agent_card\":1}", "url");
}

/* ---- Heartbeat ---- */

static gboolean decode(const char *rest, HeartbeatBody *body, GError **error)
{
    g_autofree char *text = g_strdup_printf("{\"workspace_id\":\"" ID "\"%s}", rest);

    return heartbeat_body_decode(text, strlen(text), body, error);
}

static void test_heartbeat_defaults(void)
{
    g_auto(HeartbeatBody) body = {0};

    g_assert_true(decode(",\"active_tasks\":null", &body, NULL));
    g_assert_cmpstr(body.workspace_id, ==, ID);
    g_assert_null(body.sample_error);
    g_assert_null(body.current_task);
    g_assert_cmpint(body.active_tasks, ==, 0);
    g_assert_false(body.wedged || body.has_runtime_state);
}

static void test_heartbeat_clamps(void)
{
    g_autofree char *long_text = g_strnfill(10000, 'e');
    g_autofree char *rest = g_strdup_printf(
        ",\"active_tasks\":-5,\"uptime_seconds\":99999999999,\"monthly_spend\":9223372036854775807,"
        "\"sample_error\":\"%s\"",
        long_text);
    g_auto(HeartbeatBody) body = {0};
    g_auto(HeartbeatBody) negative = {0};

    g_assert_true(decode(rest, &body, NULL));
    g_assert_cmpint(body.active_tasks, ==, 0);
    g_assert_cmpint(body.uptime_seconds, ==, G_MAXINT32);
    g_assert_cmpint(body.monthly_spend, ==, G_GINT64_CONSTANT(1000000000000));
    g_assert_cmpuint(strlen(body.sample_error), ==, 8192);
    g_assert_true(decode(",\"monthly_spend\":-9999", &negative, NULL));
    g_assert_cmpint(negative.monthly_spend, ==, 0);
}

static void test_heartbeat_refuses(void)
{
    static const char *const bad[] = {
        ",\"active_tasks\":1.0",
        ",\"active_tasks\":\"1\"",
        ",\"active_tasks\":1e3",
        ",\"uptime_seconds\":99999999999999999999",
        ",\"error_rate\":\"x\"",
        ",\"error_rate\":1e999",
        ",\"current_task\":5",
        ",\"current_task\":\"\\u0000\"",
        ",\"runtime_state\":1",
        ",\"runtime_metadata\":[]",
        ",\"runtime_metadata\":{\"capabilities\":{\"session\":1}}",
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(HeartbeatBody) body = {0};
        g_autoptr(GError) error = NULL;
        g_assert_false(decode(bad[i], &body, &error));
        g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
    }
}

static void test_heartbeat_capabilities(void)
{
    g_auto(HeartbeatBody) body = {0};

    g_assert_true(
        decode(",\"runtime_metadata\":{\"capabilities\":{\"session\":true,\"retry\":false,"
               "\"status_mgmt\":true,\"unknown\":true,\"scheduler\":null},"
               "\"idle_timeout_seconds\":12}",
               &body, NULL));
    g_assert_cmpuint(body.declared.capabilities, ==, CAPABILITY_SESSION | CAPABILITY_STATUS_MGMT);
    g_assert_cmpuint(body.declared.idle_timeout_s, ==, 12);
}

/* ---- What it decides: spec 04, section 7.3 ---- */

static void test_decision_table(void)
{
    static const struct {
        WorkspaceStatus status;
        double error_rate;
        const char *runtime_state; /* NULL: "" */
        gboolean is_self_managed;
        int to; /* -1: stays */
        int event;
        const char *recovered_from;
    } cases[] = {
        {WORKSPACE_ONLINE, 0.0, NULL, FALSE, -1, HEARTBEAT_NO_EVENT, NULL},
        {WORKSPACE_ONLINE, 0.49, NULL, FALSE, -1, HEARTBEAT_NO_EVENT, NULL},
        {WORKSPACE_ONLINE, 0.5, NULL, FALSE, WORKSPACE_DEGRADED, HEARTBEAT_ERRORS, NULL},
        {WORKSPACE_ONLINE, 0.5, NULL, TRUE, -1, HEARTBEAT_NO_EVENT, NULL},
        {WORKSPACE_ONLINE, 0.9, "wedged", FALSE, WORKSPACE_DEGRADED, HEARTBEAT_WEDGED, NULL},
        {WORKSPACE_ONLINE, 0.0, "wedged", TRUE, WORKSPACE_DEGRADED, HEARTBEAT_WEDGED, NULL},
        {WORKSPACE_ONLINE, 0.0, "other", FALSE, -1, HEARTBEAT_NO_EVENT, NULL},
        {WORKSPACE_DEGRADED, 0.1, NULL, FALSE, -1, HEARTBEAT_NO_EVENT, NULL},
        {WORKSPACE_DEGRADED, 0.09, NULL, FALSE, WORKSPACE_ONLINE, HEARTBEAT_RECOVERED, NULL},
        {WORKSPACE_DEGRADED, 0.09, NULL, TRUE, -1, HEARTBEAT_NO_EVENT, NULL},
        {WORKSPACE_DEGRADED, 0.0, "wedged", FALSE, -1, HEARTBEAT_NO_EVENT, NULL},
        {WORKSPACE_DEGRADED, 0.0, "other", FALSE, -1, HEARTBEAT_NO_EVENT, NULL},
        {WORKSPACE_OFFLINE, 0.9, "wedged", FALSE, WORKSPACE_ONLINE, HEARTBEAT_RECOVERED, NULL},
        {WORKSPACE_PROVISIONING, 0.0, NULL, FALSE, WORKSPACE_ONLINE, HEARTBEAT_RECOVERED,
         "provisioning"},
        {WORKSPACE_FAILED, 0.0, NULL, FALSE, WORKSPACE_ONLINE, HEARTBEAT_RECOVERED, "failed"},
        {WORKSPACE_PAUSED, 0.9, NULL, FALSE, -1, HEARTBEAT_NO_EVENT, NULL},
        {WORKSPACE_HIBERNATED, 0.9, NULL, FALSE, -1, HEARTBEAT_NO_EVENT, NULL},
        {WORKSPACE_HIBERNATING, 0.9, NULL, FALSE, -1, HEARTBEAT_NO_EVENT, NULL},
        {WORKSPACE_AWAITING_AGENT, 0.0, NULL, FALSE, -1, HEARTBEAT_NO_EVENT, NULL},
        {WORKSPACE_REMOVED, 0.0, NULL, FALSE, -1, HEARTBEAT_NO_EVENT, NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *state = cases[i].runtime_state;
        HeartbeatBody body = {
            .error_rate = cases[i].error_rate,
            .wedged = g_strcmp0(state, "wedged") == 0,
            .has_runtime_state = state != NULL,
            .declared.capabilities = cases[i].is_self_managed ? CAPABILITY_STATUS_MGMT : 0,
        };
        HeartbeatDecision decision = heartbeat_decide(cases[i].status, FALSE, &body);
        g_test_message("case %u", i);
        g_assert_cmpint(decision.changes, ==, cases[i].to >= 0);
        if (cases[i].to >= 0)
            g_assert_cmpint((int)decision.to, ==, cases[i].to);
        g_assert_cmpint((int)decision.event, ==, cases[i].event);
        g_assert_cmpstr(decision.recovered_from, ==, cases[i].recovered_from);
        /* While the image's own check fails, only what lifts "degraded" is another. */
        decision = heartbeat_decide(cases[i].status, TRUE, &body);
        g_assert_cmpint(decision.changes, ==,
                        cases[i].to >= 0 && cases[i].status != WORKSPACE_DEGRADED);
    }
}

/* ---- The other two ---- */

static void test_card_and_access(void)
{
    static const char card_text[] = "{\"workspace_id\":\"" ID "\",\"agent_card\":[1, 2]}";
    static const char access_text[] = "{\"caller_id\":\"x\",\"target_id\":\"y\"}";
    static const char half[] = "{\"caller_id\":\"x\"}";
    g_auto(CardBody) card = {0};
    g_auto(AccessBody) access = {0};
    g_auto(AccessBody) refused = {0};
    g_autoptr(GError) error = NULL;

    g_assert_true(card_body_decode(card_text, strlen(card_text), &card, NULL));
    g_assert_cmpstr(card.agent_card, ==, "[1,2]");
    g_assert_true(access_body_decode(access_text, strlen(access_text), &access, NULL));
    g_assert_cmpstr(access.target_id, ==, "y");
    g_assert_false(access_body_decode(half, strlen(half), &refused, &error));
    g_assert_cmpstr(error->message, ==, "target_id is required");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/a2a/register/is-decoded", test_register_is_decoded);
    g_test_add_func("/a2a/register/card-may-be-null", test_register_card_may_be_null);
    g_test_add_func("/a2a/register/names-the-faulty-field", test_register_names_the_faulty_field);
    g_test_add_func("/a2a/heartbeat/defaults", test_heartbeat_defaults);
    g_test_add_func("/a2a/heartbeat/clamps", test_heartbeat_clamps);
    g_test_add_func("/a2a/heartbeat/refuses", test_heartbeat_refuses);
    g_test_add_func("/a2a/heartbeat/capabilities", test_heartbeat_capabilities);
    g_test_add_func("/a2a/heartbeat/decision-table", test_decision_table);
    g_test_add_func("/a2a/bodies/card-and-access", test_card_and_access);
    return g_test_run();
}
