/* What workspacectl decides without a server: command lines, event streams, agents' answers. */
#include "agent_event.h"
#include "arguments.h"
#include "commands.h"
#include "sse.h"
#include "workspaces.h"

#include <string.h>

/* ---- Arguments ---- */

static const Option options[] = {
    {.name = "follow", .letter = 'f', .help = "h"},
    {.name = "lines", .letter = 'n', .value = "N", .help = "h"},
    {.name = "secret", .value = "KEY", .is_repeatable = TRUE, .help = "h"},
    {0},
};

static Arguments *parse(const char *line, GError **error)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);

    return arguments_parse((const char *const *)words, options, NULL, error);
}

static void test_forms_of_options(void)
{
    static const char *const lines[] = {"-fn5 x",         "x -f -n 5",   "--follow --lines=5 x",
                                        "--lines 5 x -f", "-f -n5 -- x", "x --lines 5 --follow"};

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        gint64 number = 0;
        g_autoptr(Arguments) arguments = parse(lines[i], NULL);
        g_assert_true(arguments_has(arguments, "follow"));
        g_assert_true(arguments_get_int(arguments, "lines", 1, 9, &number, NULL));
        g_assert_cmpint(number, ==, 5);
        g_assert_cmpstr(arguments_position(arguments, 0), ==, "x");
        g_assert_null(arguments_position(arguments, 1));
    }
}

static void test_repeated_and_empty_values(void)
{
    g_autoptr(Arguments) arguments = parse("--secret a --secret= - -- --secret", NULL);

    g_assert_cmpuint(arguments_get_all(arguments, "secret")->len, ==, 2);
    g_assert_cmpstr(arguments_get(arguments, "secret"), ==, "");
    g_assert_cmpstr(arguments_position(arguments, 0), ==, "-");
    g_assert_cmpstr(arguments_position(arguments, 1), ==, "--secret");
}

static void test_wrong_options(void)
{
    static const char *const lines[] = {"--nope",     "-x",      "-fx", "--lines", "-n",
                                        "--follow=1", "-n1 -n2", "---", "--=x"};

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(parse(lines[i], &error));
        g_assert_error(error, CTL_FAILURE, CTL_USAGE);
    }
}

/* The tables themselves: no option twice, and none that hides a common one. */
static void test_tables(void)
{
    for (const Command *command = commands; command->name; command++) {
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
        const Option *tables[] = {common_options, command->options};
        g_assert_nonnull(command->summary);
        g_assert_nonnull(command->run);
        g_assert_cmpuint(command->words_min, <=, command->words_max);
        for (guint i = 0; i < G_N_ELEMENTS(tables); i++)
            for (const Option *option = tables[i]; option && option->name; option++) {
                g_assert_true(g_hash_table_add(seen, (void *)option->name));
                g_assert_nonnull(option->help);
            }
    }
}

/* ---- Event streams ---- */

static gboolean collect(const char *data, gsize length, void *user)
{
    GString *all = user;

    g_string_append_len(all, data, (gssize)length);
    g_string_append_c(all, '|');
    return TRUE;
}

static void test_streams_do_not_depend_on_the_pieces(void)
{
    static const char stream[] = ": ping\r\n\r\ndata: one\n\nevent: x\rdata:two\rdata:  three\r\r"
                                 "id: 7\r\ndata\r\ndatum: no\r\n\r\ndata: never ended";

    for (gsize step = 1; step < sizeof stream; step++) {
        g_autoptr(GString) all = g_string_new(NULL);
        SseReader reader;
        sse_init(&reader);
        for (gsize at = 0; at < sizeof stream - 1; at += step)
            g_assert_true(
                sse_feed(&reader, stream + at, MIN(step, sizeof stream - 1 - at), collect, all));
        g_assert_cmpstr(all->str, ==, "one|two\n three||");
        sse_clear(&reader);
    }
}

static gboolean refuse(const char *data, gsize length, void *user)
{
    (void)data;
    (void)length;
    return ++*(guint *)user < 2;
}

static void test_a_stream_can_be_left(void)
{
    SseReader reader;
    guint count = 0;
    static const char stream[] = "data: 1\n\ndata: 2\n\ndata: 3\n\n";

    sse_init(&reader);
    g_assert_false(sse_feed(&reader, stream, sizeof stream - 1, refuse, &count));
    g_assert_cmpuint(count, ==, 2);
    sse_clear(&reader);
}

/* ---- Agents' answers ---- */

static void test_answers(void)
{
    static const struct {
        const char *json;
        AgentEventKind kind;
        const char *text;
        const char *state;
    } cases[] = {
        {"{\"result\":{\"kind\":\"message\",\"parts\":[{\"text\":\"a\"}]}}", AGENT_SAYS, "a", NULL},
        {"{\"result\":{\"kind\":\"task\",\"id\":\"t\",\"status\":{\"state\":\"working\"}}}",
         AGENT_STANDS, "", "working"},
        {"{\"result\":{\"kind\":\"artifact-update\",\"append\":true,"
         "\"artifact\":{\"parts\":[{\"text\":\"p\"}]}}}",
         AGENT_ADDS, "p", NULL},
        {"{\"result\":{\"kind\":\"status-update\",\"final\":true,"
         "\"status\":{\"state\":\"failed\",\"message\":{\"parts\":[{\"text\":\"w\"}]}}}}",
         AGENT_CHANGES, "w", "failed"},
        {"{\"error\":{\"code\":-32601,\"message\":\"m\"}}", AGENT_FAILS, "m", NULL},
        {"{\"error\":\"plain\"}", AGENT_FAILS, "plain", NULL},
        {"{\"error\":null,\"result\":{\"parts\":[]}}", AGENT_SAYS, "", NULL},
        {"{\"queued\":true,\"message\":\"later\"}", AGENT_QUEUED, "later", NULL},
        {"{\"result\":7}", AGENT_UNCLEAR, "", NULL},
        {"[]", AGENT_UNCLEAR, "", NULL},
        {"{\"result\":{\"kind\":\"task\",\"artifacts\":7,\"status\":[]}}", AGENT_STANDS, "", NULL},
        {"{\"result\":{\"parts\":[7,null,{},{\"text\":\"x\"}]}}", AGENT_SAYS, "x", NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(AgentEvent) event = {0};
        JsonView view;
        g_assert_true(
            json_view_parse(cases[i].json, strlen(cases[i].json), JSON_ONE_VALUE, &view, NULL));
        agent_event_read(view, &event);
        g_assert_cmpint(event.kind, ==, cases[i].kind);
        g_assert_cmpstr(event.text, ==, cases[i].text);
        g_assert_cmpstr(event.state, ==, cases[i].state);
    }
    g_assert_true(agent_state_is_failure("rejected"));
    g_assert_false(agent_state_is_failure("completed"));
    g_assert_false(agent_state_is_failure(NULL));
}

/* ---- Addresses ---- */

static void test_what_is_loopback(void)
{
    g_assert_true(target_is_loopback("http://127.0.0.1:8080"));
    g_assert_true(target_is_loopback("http://127.9.9.9"));
    g_assert_true(target_is_loopback("https://LocalHost/x"));
    g_assert_true(target_is_loopback("http://[::1]:8080"));
    g_assert_false(target_is_loopback("http://127.0.0.1.example"));
    g_assert_false(target_is_loopback("http://127.evil.example"));
    g_assert_false(target_is_loopback("http://localhost.example"));
    g_assert_false(target_is_loopback("http://10.0.0.1"));
    g_assert_false(target_is_loopback("http://localhost@elsewhere.example"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl/forms-of-options", test_forms_of_options);
    g_test_add_func("/ctl/repeated-and-empty-values", test_repeated_and_empty_values);
    g_test_add_func("/ctl/wrong-options", test_wrong_options);
    g_test_add_func("/ctl/tables", test_tables);
    g_test_add_func("/ctl/streams-do-not-depend-on-the-pieces",
                    test_streams_do_not_depend_on_the_pieces);
    g_test_add_func("/ctl/a-stream-can-be-left", test_a_stream_can_be_left);
    g_test_add_func("/ctl/answers", test_answers);
    g_test_add_func("/ctl/what-is-loopback", test_what_is_loopback);
    return g_test_run();
}
