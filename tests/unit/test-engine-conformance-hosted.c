/* The contract of engines that are hosted (engine.h, `is_hosted`): what they offer, and that they
 * offer nothing else. The platform is a daemon of the tests' own. */
#include "engine/hosted_id.h"
#include "test-engine-conformance-world.h"
#include "test-engine-docker-daemon.h"

#include <string.h>

FakeDaemon *hosted_platform;

static void rule(const char *method, const char *address, guint status, const char *body)
{
    fake_daemon_rule(hosted_platform, &(FakeRule){.method = method,
                                                  .address = address,
                                                  .mode = FAKE_ANSWER,
                                                  .status = status,
                                                  .body = body});
}

static void rule_mode(const char *method, FakeMode mode)
{
    fake_daemon_rule(hosted_platform, &(FakeRule){.method = method, .mode = mode, .body = ""});
}

static ContainerSpec order_of(Case *test)
{
    return (ContainerSpec){
        .runtime = "langgraph",
        .tier = 2,
        .platform_url = "https://tenant.example",
        .labels = labels_of(test, ENGINE_KIND_WORKSPACE, 7),
    };
}

static char *ordered(Case *test)
{
    ContainerSpec spec = order_of(test);

    fake_daemon_forget(hosted_platform);
    rule("POST", "/cp/workspaces/provision", 201, "{\"instance_id\":\"i-1\"}");
    return create(&spec);
}

static void test_answers_and_describes_itself(Case *test, gconstpointer data)
{
    g_autoptr(EngineInfo) info = NULL;

    (void)test, (void)data;
    g_assert_true(engine_is_hosted(engine));
    g_assert_true(engine_ping(engine, NULL));
    g_assert_true(engine_info(engine, &info, NULL));
    g_assert_nonnull(strstr(info->id, "org-1@http://"));
}

static void test_an_order_gives_a_machine_that_runs(Case *test, gconstpointer data)
{
    g_autofree char *id = ordered(test);
    g_autofree char *again = ordered(test);
    g_autoptr(ContainerInfo) info = NULL;

    (void)data;
    g_assert_cmpstr(id, ==, again);
    rule("GET", "/status?instance_id=i-1", 200, "{\"state\":\"running\"}");
    info = inspect(id);
    g_assert_cmpstr(info->id, ==, id);
    g_assert_cmpint(info->state, ==, CONTAINER_RUNNING);
    g_assert_cmpstr(info->labels.workspace, ==, test->workspace);
    g_assert_cmpstr(info->labels.kind, ==, ENGINE_KIND_WORKSPACE);
    g_assert_cmpint(info->labels.generation, ==, 7);
}

static void test_an_end_is_seen_and_a_riddle_is_none(Case *test, gconstpointer data)
{
    static const struct {
        guint status;
        const char *body;
        ContainerState state;
    } answers[] = {
        {200, "{\"state\":\"terminated\"}", CONTAINER_EXITED},
        {200, "{\"state\":\"stopping\"}", CONTAINER_EXITED},
        {200, "{\"state\":\"pending\"}", CONTAINER_RUNNING},
        {200, "{}", CONTAINER_RUNNING},
        {404, "{\"state\":\"terminated\"}", CONTAINER_RUNNING},
        {500, "{\"state\":\"terminated\"}", CONTAINER_RUNNING},
    };
    g_autofree char *id = ordered(test);

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        fake_daemon_forget(hosted_platform);
        rule("GET", "/status", answers[i].status, answers[i].body);
        g_autoptr(ContainerInfo) info = inspect(id);
        g_assert_cmpint(info->state, ==, answers[i].state);
    }
}

static void test_names_lead_nowhere(Case *test, gconstpointer data)
{
    g_autoptr(ContainerInfo) info = NULL;
    g_autoptr(GError) error = NULL;

    (void)test, (void)data;
    g_assert_false(engine_inspect(engine, "ws-0e5bcfff-18c", &info, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_NOT_FOUND);
}

static void test_gone_is_gone_and_a_failure_is_not(Case *test, gconstpointer data)
{
    g_autofree char *id = ordered(test);
    g_autoptr(GError) error = NULL;

    (void)data;
    rule("DELETE", "?instance_id=i-1", 200, "{}");
    g_assert_true(engine_remove(engine, id, &error));
    fake_daemon_forget(hosted_platform);
    rule("DELETE", "?instance_id=i-1", 404, "");
    g_assert_true(engine_remove(engine, id, &error));
    fake_daemon_forget(hosted_platform);
    rule("DELETE", "?instance_id=i-1", 403, "{}");
    g_assert_false(engine_remove(engine, id, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_INTERNAL);
}

static void test_an_order_without_an_answer_is_asked_for(Case *test, gconstpointer data)
{
    g_autofree char *id = hosted_id_dup(test->workspace, 7, "");
    g_autoptr(ContainerInfo) info = inspect(id);

    (void)data;
    g_assert_cmpint(info->state, ==, CONTAINER_CREATED);
    fake_daemon_forget(hosted_platform);
    rule("POST", "/cp/workspaces/provision", 201, "{\"instance_id\":\"i-9\"}");
    rule("DELETE", "?instance_id=i-9", 200, "{}");
    g_assert_true(engine_remove(engine, id, NULL));
    g_assert_cmpuint(fake_daemon_count(hosted_platform, "DELETE"), ==, 1);
}

static void test_a_lost_answer_is_unknown(Case *test, gconstpointer data)
{
    ContainerSpec spec = order_of(test);
    g_autofree char *made = ordered(test);
    g_autofree char *id = NULL;
    g_autoptr(ContainerInfo) info = NULL;
    g_autoptr(GError) error = NULL;

    (void)data;
    fake_daemon_forget(hosted_platform);
    rule_mode("POST", FAKE_CLOSE);
    rule_mode("GET", FAKE_CLOSE);
    g_assert_false(engine_create(engine, &spec, &id, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_OUTCOME_UNKNOWN);
    g_clear_error(&error);
    g_assert_false(engine_inspect(engine, made, &info, &error));
    g_assert_error(error, ERROR_DOMAIN, ERROR_UNAVAILABLE);
}

#define REFUSES(call_)                                                                             \
    do {                                                                                           \
        g_autoptr(GError) error = NULL;                                                            \
        g_assert_false(call_);                                                                     \
        g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);                                        \
    } while (0)

static void test_offers_nothing_else(Case *test, gconstpointer data)
{
    g_autoptr(GBytes) bytes = g_bytes_new("", 0);
    EngineLabels labels = labels_of(test, ENGINE_KIND_HELPER, 1), existing = {0};
    ExecSpec exec = {.argv = SHELL("true"), .timeout_ms = 1000};
    AttachSpec attach = {.argv = SHELL("true")};
    GPtrArray *list = NULL;
    ExecResult *result = NULL;
    EngineSession *session = NULL;
    GBytes *out = NULL;
    EngineStats stats;

    (void)data;
    g_assert_false(engine_can_freeze(engine));
    REFUSES(engine_list(engine, test->installation, &list, &error));
    REFUSES(engine_list(engine, NULL, &list, &error));
    REFUSES(engine_start(engine, "a", &error));
    REFUSES(engine_stop(engine, "a", 1, &error));
    REFUSES(engine_volume_create(engine, "a", &labels, &existing, &error));
    REFUSES(engine_volume_list(engine, test->installation, &list, &error));
    REFUSES(engine_volume_remove(engine, "a", &error));
    REFUSES(engine_network_ensure(engine, "a", &labels, &error));
    REFUSES(engine_exec(engine, "a", &exec, &result, &error));
    REFUSES(engine_attach(engine, "a", &attach, &session, &error));
    REFUSES(engine_copy_in(engine, "a", "/", bytes, &error));
    REFUSES(engine_copy_out(engine, "a", "/", 1, &out, &error));
    REFUSES(engine_logs(engine, "a", 1, 1, &out, &error));
    REFUSES(engine_stats(engine, "a", &stats, &error));
    REFUSES(engine_image_inspect(engine, "a", NULL, &error));
    REFUSES(engine_image_import(engine, "a", bytes, &error));
    REFUSES(engine_image_pull(engine, "a", NULL, NULL, NULL, &error));
}

static void test_ids_say_everything(Case *test, gconstpointer data)
{
    static const char *const instances[] = {"", "i-0abc", "a/b c", "arn:aws:x_y", "\xc3\xbc"};

    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(instances); i++) {
        g_autofree char *text = hosted_id_dup(test->workspace, 12, instances[i]);
        g_auto(HostedId) id = {.instance = NULL};
        g_assert_true(hosted_id_parse(text, &id));
        g_assert_cmpstr(id.workspace, ==, test->workspace);
        g_assert_cmpint(id.generation, ==, 12);
        g_assert_cmpstr(id.instance, ==, instances[i]);
    }
    for (const char *const *bad = (const char *const[]){"", "ws-1", "x.1.i", NULL}; *bad; bad++) {
        g_auto(HostedId) id = {.instance = NULL};
        g_assert_false(hosted_id_parse(*bad, &id));
    }
    g_autofree char *longest = g_strnfill(300, 'a');
    g_assert_null(hosted_id_dup(test->workspace, 1, longest));
}

const CaseRow hosted_cases[] = {
    {"answers-and-describes-itself", test_answers_and_describes_itself},
    {"an-order-gives-a-machine-that-runs", test_an_order_gives_a_machine_that_runs},
    {"an-end-is-seen-and-a-riddle-is-none", test_an_end_is_seen_and_a_riddle_is_none},
    {"names-lead-nowhere", test_names_lead_nowhere},
    {"gone-is-gone-and-a-failure-is-not", test_gone_is_gone_and_a_failure_is_not},
    {"an-order-without-an-answer-is-asked-for", test_an_order_without_an_answer_is_asked_for},
    {"a-lost-answer-is-unknown", test_a_lost_answer_is_unknown},
    {"offers-nothing-else", test_offers_nothing_else},
    {"ids-say-everything", test_ids_say_everything},
    {NULL, NULL},
};
