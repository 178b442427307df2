/* The pure parts of the proxy: the request an agent gets, where it is called, what a client is
 * answered, what is read out of an answer or a stream. */
#include "a2a/address.h"
#include "a2a/answers.h"
#include "a2a/message.h"
#include "a2a/stream_reader.h"
#include "base/ids.h"

#include <string.h>

/* ---- Normalising ---- */

static char *normalised(const char *body, char **method)
{
    g_auto(Message) message = {0};
    g_autoptr(GError) error = NULL;

    g_assert_true(message_normalise(body, strlen(body), &message, &error));
    g_assert_no_error(error);
    g_assert_true(g_utf8_validate(message.text->str, -1, NULL));
    if (method)
        *method = g_steal_pointer(&message.method);
    return g_string_free(g_steal_pointer(&message.text), FALSE);
}

static JsonView parsed(const char *json)
{
    JsonView view;

    g_assert_true(json_view_parse(json, strlen(json), JSON_ONE_VALUE, &view, NULL));
    return view;
}

/* The member at a path of keys, as text; NULL when absent. */
static char *member_dup(const char *json, const char *path)
{
    g_auto(GStrv) keys = g_strsplit(path, ".", -1);
    JsonView view = parsed(json);

    for (guint i = 0; keys[i]; i++)
        if (!json_view_member(view, keys[i], JSON_KEYS_EXACT, &view))
            return NULL;
    return g_strndup(view.start, (gsize)(view.end - view.start));
}

static void assert_member(const char *json, const char *path, const char *expected)
{
    g_autofree char *value = member_dup(json, path);

    g_assert_cmpstr(value, ==, expected);
}

static void assert_made_id(const char *json, const char *path)
{
    g_autofree char *value = member_dup(json, path);
    char id[ID_SIZE];

    g_assert_nonnull(value);
    g_assert_cmpuint(strlen(value), ==, 38);
    value[37] = '\0';
    g_assert_true(id_fold(value + 1, id));
}

static void test_bare_body_is_wrapped(void)
{
    g_autofree char *method = NULL;
    g_autofree char *text = normalised(
        "{\"x\":1,\"method\":\"message/send\",\"params\":{\"message\":{\"role\":\"user\"}}}",
        &method);

    assert_member(text, "jsonrpc", "\"2.0\"");
    assert_made_id(text, "id");
    assert_member(text, "method", "\"message/send\"");
    assert_member(text, "params.message.role", "\"user\"");
    assert_made_id(text, "params.message.messageId");
    assert_member(text, "x", NULL);
    g_assert_cmpstr(method, ==, "message/send");
}

static void test_absent_members_become_null(void)
{
    g_autofree char *method = NULL;
    g_autofree char *text = normalised("{}", &method);

    assert_member(text, "method", "null");
    assert_member(text, "params", "null");
    g_assert_cmpstr(method, ==, "");
}

static void test_envelope_is_kept_byte_for_byte(void)
{
    static const char *const kept[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"tasks/list\",\"params\":{}}",
        "{ \"z\" : 1.10, \"jsonrpc\":null,\"params\":{\"n\":12345678901234567890} }",
        "{\"jsonrpc\":\"2.0\",\"params\":{\"message\":{\"messageId\":\"\"}}}",
        "{\"jsonrpc\":\"2.0\",\"params\":{\"message\":{\"messageId\":null}}}",
        "{\"jsonrpc\":\"2.0\",\"params\":{\"message\":[]}}",
        "{\"jsonrpc\":\"2.0\",\"params\":7}",
        "{\"jsonrpc\":\"2.0\",\"params\":{\"t\":\"a\\u0000b \\ud83d\\ude00\"}}",
    };

    for (guint i = 0; i < G_N_ELEMENTS(kept); i++) {
        g_autofree char *text = normalised(kept[i], NULL);
        g_assert_cmpstr(text, ==, kept[i]);
    }
}

static void test_message_id_is_added(void)
{
    g_autofree char *empty =
        normalised("{\"jsonrpc\":\"2.0\",\"id\":1,\"params\":{\"message\":{ }},\"q\":2}", NULL);
    g_autofree char *full = normalised(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"params\":{\"message\":{\"a\":[1]},\"b\":3}}", NULL);

    assert_made_id(empty, "params.message.messageId");
    assert_member(empty, "q", "2");
    assert_made_id(full, "params.message.messageId");
    assert_member(full, "params.message.a", "[1]");
    assert_member(full, "params.b", "3");
    assert_member(full, "id", "1");
}

static void test_last_of_equal_keys_wins(void)
{
    g_autofree char *text =
        normalised("{\"method\":\"a\",\"method\":\"b\",\"params\":1,\"params\":2}", NULL);

    assert_member(text, "method", "\"b\"");
    assert_member(text, "params", "2");
}

static void test_bad_text_is_repaired(void)
{
    g_autofree char *text = normalised(
        "{\"jsonrpc\":\"2.0\",\"a\":\"\xff\",\"b\":\"\\ud800x\",\"c\":\"\\udc00\"}", NULL);

    assert_member(text, "a", "\"\xEF\xBF\xBD\"");
    assert_member(text, "b", "\"\\ufffdx\"");
    assert_member(text, "c", "\"\\ufffd\"");
}

static void test_only_one_object_passes(void)
{
    static const char *const bad[] = {
        "", "not json", "[]", "\"x\"", "null", "{} x", "{}{}", "\xEF\xBB\xBF{}", "{\"a\":}", "1",
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(Message) message = {0};
        g_autoptr(GError) error = NULL;
        g_assert_false(message_normalise(bad[i], strlen(bad[i]), &message, &error));
        g_assert_error(error, ERROR_DOMAIN, ERROR_INVALID);
        g_assert_cmpstr(error->message, ==, "invalid JSON");
    }
}

static void test_long_method_is_cut_for_logs(void)
{
    g_autofree char *long_name = g_strnfill(1000, 'm');
    g_autofree char *body = g_strdup_printf("{\"method\":\"%s\"}", long_name);
    g_autofree char *method = NULL;
    g_autofree char *text = normalised(body, &method);

    g_assert_cmpuint(strlen(method), ==, MESSAGE_METHOD_MAX_BYTES);
    g_assert_nonnull(strstr(text, long_name));
}

/* ---- Addresses ---- */

#define TARGET "7c9e6679-7425-40de-944b-e07fc1f90ae7"

static void test_address_table(void)
{
    static const struct {
        const char *url;
        gboolean is_minted, in_container;
        WorkspaceStatus status;
        AddressOutcome outcome;
        const char *expected;
        gboolean trusted;
    } cases[] = {
        {"http://10.0.0.1:1/x?y", FALSE, FALSE, WORKSPACE_ONLINE, ADDRESS_FOUND,
         "http://10.0.0.1:1/x?y", FALSE},
        {"http://a/", FALSE, FALSE, WORKSPACE_OFFLINE, ADDRESS_FOUND, "http://a/", FALSE},
        {"http://127.0.0.1:32768", TRUE, FALSE, WORKSPACE_ONLINE, ADDRESS_FOUND,
         "http://127.0.0.1:32768", TRUE},
        {"http://127.0.0.1:32768", TRUE, TRUE, WORKSPACE_ONLINE, ADDRESS_FOUND,
         "http://ws-7c9e6679-742:8000", TRUE},
        {"http://127.0.0.1:32768", FALSE, TRUE, WORKSPACE_ONLINE, ADDRESS_FOUND,
         "http://127.0.0.1:32768", FALSE},
        {"http://ws-7c9e6679-742:8000", FALSE, FALSE, WORKSPACE_ONLINE, ADDRESS_FOUND,
         "http://ws-7c9e6679-742:8000", TRUE},
        {"http://ws-7c9e6679-742:8000@evil/", FALSE, FALSE, WORKSPACE_ONLINE, ADDRESS_FOUND,
         "http://ws-7c9e6679-742:8000@evil/", FALSE},
        {"http://ws-7c9e6679-742.evil/", FALSE, FALSE, WORKSPACE_ONLINE, ADDRESS_FOUND,
         "http://ws-7c9e6679-742.evil/", FALSE},
        {NULL, FALSE, FALSE, WORKSPACE_PROVISIONING, ADDRESS_NONE, NULL, FALSE},
        {"", FALSE, FALSE, WORKSPACE_FAILED, ADDRESS_NONE, NULL, FALSE},
        {"remote://no-inbound", FALSE, FALSE, WORKSPACE_ONLINE, ADDRESS_NONE, NULL, FALSE},
        {"http://a/", FALSE, FALSE, WORKSPACE_PAUSED, ADDRESS_PAUSED, NULL, FALSE},
        {"http://a/", FALSE, FALSE, WORKSPACE_HIBERNATED, ADDRESS_HIBERNATED, NULL, FALSE},
        {"file:///etc/passwd", FALSE, FALSE, WORKSPACE_ONLINE, ADDRESS_BAD, NULL, FALSE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        WorkspaceRow row = {
            .id = TARGET,
            .runtime = (char *)"builtin",
            .url = (char *)cases[i].url,
            .url_is_minted = cases[i].is_minted,
            .status = cases[i].status,
        };
        A2aOptions options = {.in_container = cases[i].in_container};
        g_autofree char *url = NULL;
        gboolean trusted = FALSE;
        g_assert_cmpint(address_of(&row, &options, &url, &trusted), ==, cases[i].outcome);
        g_assert_cmpstr(url, ==, cases[i].expected);
        g_assert_cmpint(trusted, ==, cases[i].trusted);
    }
}

static void test_only_the_host_is_rewritten(void)
{
    static const char *const pairs[][2] = {
        {"http://localhost:9", "http://host.docker.internal:9"},
        {"http://LOCALHOST/localhost", "http://host.docker.internal/localhost"},
        {"http://u:p@127.0.0.1:1/?a=127.0.0.1", "http://u:p@host.docker.internal:1/?a=127.0.0.1"},
        {"http://localhost.example/", "http://localhost.example/"},
        {"http://example/localhost", "http://example/localhost"},
        {"http://localhost@example/", "http://localhost@example/"},
        {"http://[::1]:3/", "http://[::1]:3/"},
        {"nothing", "nothing"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *url = address_from_container_dup(pairs[i][0]);
        g_assert_cmpstr(url, ==, pairs[i][1]);
    }
}

/* ---- Answers ---- */

static void assert_body(const Answer *answer, const char *expected)
{
    gsize length = 0;
    const char *bytes = g_bytes_get_data(answer->body, &length);
    g_autofree char *text = g_strndup(bytes ? bytes : "", length);

    g_assert_cmpstr(text, ==, expected);
}

static void test_agents_answers(void)
{
    static const struct {
        guint status;
        const char *body, *expected;
        gboolean is_raw;
    } cases[] = {
        {200, "plain \xff", "plain \xff", TRUE},
        {202, "", "", TRUE},
        {429, "{\"error\":\"slow\"}", "{\"error\":\"slow\"}", TRUE},
        {500, "{\"id\":1,\"error\":{\"code\":-32000}}", "{\"id\":1,\"error\":{\"code\":-32000}}",
         TRUE},
        {500, "", "{\"error\":\"Internal Server Error\"}", FALSE},
        {502, "{\"error\":\"\"}", "{\"error\":\"Bad Gateway\"}", FALSE},
        {503, "{\"error\":null}", "{\"error\":\"Service Unavailable\"}", FALSE},
        {307, "moved", "{\"error\":\"Temporary Redirect\"}", FALSE},
        {400, "[\"error\"]", "{\"error\":\"Bad Request\"}", FALSE},
        {499, "x", "{\"error\":\"\"}", FALSE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) body = g_string_new(cases[i].body);
        HttpCallResult result = {.outcome = HTTP_CALL_ANSWERED,
                                 .status = cases[i].status,
                                 .body = body,
                                 .retry_after_s = 7};
        g_auto(Answer) answer = answer_of_agent(&result);
        g_assert_cmpuint(answer.status, ==, cases[i].status);
        assert_body(&answer, cases[i].expected);
        g_assert_cmpint(answer.is_raw, ==, cases[i].is_raw);
        g_assert_true(answer.is_agents);
        g_assert_cmpint(answer.retry_after_s, ==, 7);
    }
}

static void test_our_own_answers(void)
{
    g_auto(Answer) busy = answer_busy(FALSE);
    g_auto(Answer) session = answer_busy(TRUE);
    g_auto(Answer) waking = answer_waking();
    g_auto(Answer) restarting = answer_restarting();
    g_auto(Answer) unreachable = answer_unreachable();
    g_auto(Answer) none = answer_not_ready("workspace has no URL", "provisioning");

    g_assert_cmpuint(busy.status, ==, 503);
    g_assert_cmpint(busy.retry_after_s, ==, 30);
    assert_body(&busy, "{\"error\":\"workspace agent is busy\",\"busy\":true,\"retry_after\":30}");
    assert_body(&session, "{\"error\":\"workspace agent is busy\",\"busy\":true,\"retry_after\":30,"
                          "\"native_session\":true}");
    g_assert_cmpint(waking.retry_after_s, ==, 15);
    assert_body(&waking,
                "{\"error\":\"workspace is waking up\",\"waking\":true,\"retry_after\":15}");
    g_assert_true(restarting.unreachable);
    g_assert_cmpint(restarting.retry_after_s, ==, -1);
    g_assert_cmpuint(unreachable.status, ==, 502);
    assert_body(&unreachable, "{\"error\":\"failed to reach workspace agent\"}");
    assert_body(&none, "{\"error\":\"workspace has no URL\",\"status\":\"provisioning\"}");
}

static void test_broken_answers_say_whether_delivered(void)
{
    static const struct {
        guint status;
        gboolean over_limit;
        const char *confirmed;
    } cases[] = {
        {200, FALSE, "true"},  {399, FALSE, "true"}, {400, FALSE, "false"},
        {500, FALSE, "false"}, {500, TRUE, "true"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        HttpCallResult result = {.outcome = HTTP_CALL_BROKEN_BODY,
                                 .status = cases[i].status,
                                 .over_limit = cases[i].over_limit};
        g_auto(Answer) answer = answer_broken(&result);
        g_autofree char *text =
            g_strndup(g_bytes_get_data(answer.body, NULL), g_bytes_get_size(answer.body));
        g_assert_cmpuint(answer.status, ==, 502);
        assert_member(text, "delivery_confirmed", cases[i].confirmed);
    }
}

static void test_failures_use_words_that_people_are_shown(void)
{
    static const struct {
        HttpCallOutcome outcome;
        Fate fate;
        gboolean may_queue;
        const char *word;
    } cases[] = {
        {HTTP_CALL_CONNECT_TIMEOUT, FATE_BUSY, TRUE, "timeout"},
        {HTTP_CALL_RESET, FATE_BUSY, TRUE, "connection reset"},
        {HTTP_CALL_IDLE, FATE_BUSY, TRUE, "timeout"},
        {HTTP_CALL_DEADLINE, FATE_BUSY, FALSE, "deadline exceeded"},
        {HTTP_CALL_CANCELLED, FATE_BUSY, FALSE, "connection reset"},
        {HTTP_CALL_REFUSED, FATE_UNREACHABLE, FALSE, "offline"},
        {HTTP_CALL_FORBIDDEN, FATE_FORBIDDEN, FALSE, ""},
        {HTTP_CALL_BROKEN_BODY, FATE_BROKEN, FALSE, "broke off"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        HttpCallResult result = {.outcome = cases[i].outcome, .reason = "because"};
        g_autofree char *text = failure_text_dup(&result);
        g_assert_cmpint(fate_of(&result), ==, cases[i].fate);
        g_assert_cmpint(fate_may_queue(cases[i].outcome), ==, cases[i].may_queue);
        g_assert_nonnull(strstr(text, cases[i].word));
    }
}

/* ---- Usage ---- */

static void test_usage_table(void)
{
    static const struct {
        const char *json;
        gint64 input, output; /* -1: nothing counts */
    } cases[] = {
        {"{\"result\":{\"usage\":{\"input_tokens\":10,\"output_tokens\":5}}}", 10, 5},
        {"{\"result\":{\"usage\":{\"input_tokens\":0}},\"usage\":{\"input_tokens\":1}}", 1, 0},
        {"{\"result\":{\"usage\":{\"input_tokens\":1.5}},\"usage\":{\"output_tokens\":2}}", 0, 2},
        {"{\"usage\":{\"input_tokens\":1.5}}", -1, -1},
        {"{\"usage\":{\"input_tokens\":\"3\"}}", -1, -1},
        {"{\"result\":{\"usage\":{\"output_tokens\":100000000}}}", 0, 10000000},
        {"{\"usage\":{\"input_tokens\":-7,\"output_tokens\":1}}", 0, 1},
        {"{\"usage\":7}", -1, -1},
        {"[]", -1, -1},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        AnswerUsage usage = {-1, -1};
        g_assert_cmpint(usage_read(parsed(cases[i].json), &usage), ==, cases[i].input >= 0);
        g_assert_cmpint(usage.input_tokens, ==, cases[i].input);
        g_assert_cmpint(usage.output_tokens, ==, cases[i].output);
    }
}

/* ---- Streams ---- */

static const char pieces[] =
    ": hello\n"
    "data: {\"result\":{\"kind\":\"task\",\"id\":\"t\",\"status\":{\"state\":\"working\"}}}\n\n"
    "data: "
    "{\"result\":{\"kind\":\"artifact-update\",\"append\":false,\"artifact\":{\"parts\":[{\"kind\":"
    "\"text\",\"text\":\"Hel\"}]}}}\r\n\r\n"
    "event: x\ndata:{\"result\":{\"kind\":\"artifact-update\",\"append\":true,\n"
    "data: \"artifact\":{\"parts\":[{\"text\":\"lo\"}]}}}\n\n"
    "data: "
    "{\"result\":{\"kind\":\"status-update\",\"final\":true,\"usage\":{\"input_tokens\":3}}}\r\r";

static void test_stream_is_read_along_wherever_it_is_cut(void)
{
    for (gsize step = 1; step < sizeof pieces; step++) {
        g_autoptr(StreamReader) reader = stream_reader_new();
        g_autofree char *answer = NULL;
        AnswerUsage usage = {0};
        for (gsize place = 0; place < sizeof pieces - 1; place += step)
            stream_reader_feed(reader, pieces + place, MIN(step, sizeof pieces - 1 - place));
        answer = stream_reader_answer_dup(reader);
        assert_member(answer, "result.kind", "\"message\"");
        assert_member(answer, "result.parts", "[{\"kind\":\"text\",\"text\":\"Hello\"}]");
        g_assert_true(stream_reader_usage(reader, &usage));
        g_assert_cmpint(usage.input_tokens, ==, 3);
    }
}

static char *answer_of_stream(const char *stream)
{
    g_autoptr(StreamReader) reader = stream_reader_new();

    stream_reader_feed(reader, stream, strlen(stream));
    return stream_reader_answer_dup(reader);
}

static void test_stream_without_pieces(void)
{
    g_autofree char *message =
        answer_of_stream("data: {\"result\":{\"kind\":\"message\",\"parts\":[]}}\n\n"
                         "data: {\"result\":{\"kind\":\"status-update\"}}\n\n");
    g_autofree char *failed = answer_of_stream("data: {\"error\":{\"code\":1}}\n\n");
    g_autofree char *nothing = answer_of_stream("data: not json\n\n: ping\n\n");
    g_autofree char *unfinished = answer_of_stream("data: {\"error\":1}\n");

    g_assert_cmpstr(message, ==, "{\"result\":{\"kind\":\"message\",\"parts\":[]}}");
    g_assert_cmpstr(failed, ==, "{\"error\":{\"code\":1}}");
    g_assert_null(nothing);
    g_assert_null(unfinished);
}

static void test_stream_lines_and_limits(void)
{
    g_autoptr(StreamReader) reader = stream_reader_new();
    g_autofree char *much = g_strnfill(64 * 1024, 'x');
    g_autofree char *answer = NULL;

    g_assert_true(stream_reader_at_line_start(reader));
    stream_reader_feed(reader, "data: ", 6);
    g_assert_false(stream_reader_at_line_start(reader));
    for (guint i = 0; i < 40; i++) /* 2.5 MiB in one line */
        stream_reader_feed(reader, much, 64 * 1024);
    stream_reader_feed(reader, "\n\ndata: {\"error\":2}\n\n", 21);
    g_assert_true(stream_reader_at_line_start(reader));
    stream_reader_feed(reader, "\r", 1);
    g_assert_false(stream_reader_at_line_start(reader));
    answer = stream_reader_answer_dup(reader);
    g_assert_cmpstr(answer, ==, "{\"error\":2}");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/a2a/message/bare-body-is-wrapped", test_bare_body_is_wrapped);
    g_test_add_func("/a2a/message/absent-members-become-null", test_absent_members_become_null);
    g_test_add_func("/a2a/message/envelope-is-kept-byte-for-byte",
                    test_envelope_is_kept_byte_for_byte);
    g_test_add_func("/a2a/message/message-id-is-added", test_message_id_is_added);
    g_test_add_func("/a2a/message/last-of-equal-keys-wins", test_last_of_equal_keys_wins);
    g_test_add_func("/a2a/message/bad-text-is-repaired", test_bad_text_is_repaired);
    g_test_add_func("/a2a/message/only-one-object-passes", test_only_one_object_passes);
    g_test_add_func("/a2a/message/long-method-is-cut-for-logs", test_long_method_is_cut_for_logs);
    g_test_add_func("/a2a/address/table", test_address_table);
    g_test_add_func("/a2a/address/only-the-host-is-rewritten", test_only_the_host_is_rewritten);
    g_test_add_func("/a2a/answers/agents-answers", test_agents_answers);
    g_test_add_func("/a2a/answers/our-own", test_our_own_answers);
    g_test_add_func("/a2a/answers/broken-ones-say-whether-delivered",
                    test_broken_answers_say_whether_delivered);
    g_test_add_func("/a2a/answers/failures-use-words-that-people-are-shown",
                    test_failures_use_words_that_people_are_shown);
    g_test_add_func("/a2a/usage/table", test_usage_table);
    g_test_add_func("/a2a/stream/is-read-along-wherever-it-is-cut",
                    test_stream_is_read_along_wherever_it_is_cut);
    g_test_add_func("/a2a/stream/without-pieces", test_stream_without_pieces);
    g_test_add_func("/a2a/stream/lines-and-limits", test_stream_lines_and_limits);
    return g_test_run();
}
